"""How findings are told, and which exit status they make."""

from __future__ import annotations

import json

import pytest

from aisle.doctor.finding import Finding, Severity, worst
from aisle.doctor.report import document, exit_status, text


def finding(severity: Severity, code: str = "D145") -> Finding:
    return Finding(
        code, "shared memory", severity, "64 MiB", ">= 1.0 GiB", "" if severity == "ok" else "docker run --shm-size 8g"
    )


@pytest.mark.parametrize(
    ("severities", "plain", "strict"),
    [
        ((), 0, 0),
        (("ok", "note"), 0, 0),
        (("ok", "warning", "note"), 0, 1),
        (("error", "warning"), 11, 11),
    ],
)
def test_the_exit_status_follows_the_gravest(severities: tuple[Severity, ...], plain: int, strict: int) -> None:
    findings = [finding(severity) for severity in severities]
    assert exit_status(findings) == plain
    assert exit_status(findings, strict=True) == strict


def test_people_read_what_was_measured_what_was_expected_why_and_the_fix_the_gravest_last() -> None:
    said = text([finding("error"), finding("ok"), finding("note", "D151")])
    assert said.splitlines() == [
        "note     D151 shared memory: 64 MiB",
        "         expected >= 1.0 GiB",
        "         why      a service cannot listen where another one does",
        "         fix      docker run --shm-size 8g",
        "error    D145 shared memory: 64 MiB",
        "         expected >= 1.0 GiB",
        "         why      workers and NCCL pass data through /dev/shm; a full one ends the process with a bus error",
        "         fix      docker run --shm-size 8g",
        "1 errors, 0 warnings, 1 notes, 1 fine",
    ]
    assert text([finding("ok")], everything=True).startswith("ok       D145 shared memory: 64 MiB\n")


def test_machines_read_the_same() -> None:
    told = document([finding("warning")], strict=True)
    assert json.loads(json.dumps(told)) == {
        "worst": "warning",
        "counts": {"error": 0, "warning": 1, "note": 0, "ok": 0},
        "exit_status": 1,
        "findings": [
            {
                "code": "D145",
                "subject": "shared memory",
                "severity": "warning",
                "seen": "64 MiB",
                "expected": ">= 1.0 GiB",
                "fix": "docker run --shm-size 8g",
                "source": "",
                "why": "workers and NCCL pass data through /dev/shm; a full one ends the process with a bus error",
            }
        ],
    }
    assert worst([]) == "ok"
