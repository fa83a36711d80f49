"""What a rule says about a machine: what was seen, what was expected, and what to do about it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

Severity = Literal["ok", "warning", "error"]


@dataclass(frozen=True)
class Finding:
    """One judgement.

    Attributes:
        code: permanent; the same rule always has the same one.
        subject: what is judged, in a word or two.
        severity: error = it will not work; warning = it may not, or nobody knows.
        seen: here.
        expected: by the rule.
        fix: a command to run, or what to change; "" where nothing is wrong.
        source: where the rule's fact comes from, and how well it is known.
    """

    code: str
    subject: str
    severity: Severity
    seen: str
    expected: str
    fix: str = ""
    source: str = ""

    def as_dict(self) -> dict[str, str]:
        """Return it ready for JSON."""
        return asdict(self)


def errors(findings: list[Finding]) -> list[Finding]:
    """Return those that forbid."""
    return [finding for finding in findings if finding.severity == "error"]
