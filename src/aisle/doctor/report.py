"""Findings as text for people and as a document for machines, and the exit status that goes with them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from aisle.doctor.finding import Finding, Severity, worst

EXIT_STRICT, EXIT_ERROR = 1, 11


def exit_status(findings: Sequence[Finding], *, strict: bool = False) -> int:
    """Return 11 with an error, 1 with a warning where that counts, else 0."""
    grave = worst(findings)
    return EXIT_ERROR if grave == "error" else EXIT_STRICT if strict and grave == "warning" else 0


def document(findings: Sequence[Finding], *, strict: bool = False) -> dict[str, object]:
    """Return findings ready for JSON, with the gravest severity, counts and the exit status."""
    return {
        "worst": worst(findings),
        "counts": _counts(findings),
        "exit_status": exit_status(findings, strict=strict),
        "findings": [finding.as_dict() for finding in findings],
    }


def text(findings: Sequence[Finding], *, everything: bool = False) -> str:
    """Return findings for people, the gravest last, where the eye is; what is fine only as a count, or in a line each."""
    shown = [line for finding in findings if everything and finding.severity == "ok" for line in _fine(finding)]
    for severity in ("note", "warning", "error"):
        shown += [line for finding in findings if finding.severity == severity for line in _told(finding)]
    counts = _counts(findings)
    return "\n".join([*shown, ", ".join(f"{counts[severity]} {_PLURAL[severity]}" for severity in counts)])


_PLURAL: dict[Severity, str] = {"error": "errors", "warning": "warnings", "note": "notes", "ok": "fine"}


def _counts(findings: Sequence[Finding]) -> dict[Severity, int]:
    return {severity: sum(finding.severity == severity for finding in findings) for severity in _PLURAL}


def _fine(finding: Finding) -> Iterator[str]:
    yield f"ok       {finding.code} {finding.subject}: {finding.seen}"


def _told(finding: Finding) -> Iterator[str]:
    yield f"{finding.severity:8} {finding.code} {finding.subject}: {finding.seen}"
    for name in ("expected", "why", "fix", "source"):
        if said := getattr(finding, name):
            yield f"         {name:8} {said}"
