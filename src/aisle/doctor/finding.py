"""What a rule says about a machine: what was seen, what was expected, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Literal

from aisle.doctor.codes import CODES

Severity = Literal["ok", "note", "warning", "error"]
SEVERITIES: tuple[Severity, ...] = ("ok", "note", "warning", "error")


@dataclass(frozen=True)
class Finding:
    """One judgement.

    Attributes:
        code: permanent; the same rule always has the same one.
        subject: what is judged, in a word or two.
        severity: error = it will not work; warning = it may not, or nobody knows; note = it works, and is worth knowing.
        seen: here.
        expected: by the rule.
        fix: a command to run, or what to change; "" where nothing is wrong.
        source: where the rule's fact comes from, and how well it is known.
        count, share: how many rows, and which part of all, where rows are judged.
    """

    code: str
    subject: str
    severity: Severity
    seen: str
    expected: str
    fix: str = ""
    source: str = ""
    count: int | None = None
    share: float | None = None

    @property
    def why(self) -> str:
        """Why it matters, in one sentence."""
        return CODES[self.code][1]

    def as_dict(self) -> dict[str, str | int | float]:
        """Return it ready for JSON; count and share only where rows were counted."""
        return {**{name: value for name, value in asdict(self).items() if value is not None}, "why": self.why}


def errors(findings: list[Finding]) -> list[Finding]:
    """Return those that forbid."""
    return [finding for finding in findings if finding.severity == "error"]


def worst(findings: Iterable[Finding]) -> Severity:
    """Return the gravest severity; "ok" of none."""
    return max((finding.severity for finding in findings), key=SEVERITIES.index, default="ok")
