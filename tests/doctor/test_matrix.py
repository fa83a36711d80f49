"""Every torch x CUDA x driver x GPU x processor has a verdict, and the verdicts do not contradict each other."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import pairwise, product

import pytest

from aisle.doctor import gpu_rules, torch_rules
from aisle.doctor.finding import SEVERITIES, Finding, worst
from aisle.doctor.wanted import Wanted
from aisle.environment.compat import load_compat
from aisle.environment.described import Environment, Gpu
from aisle.environment.versions import at_least, line, release

COMPAT = load_compat()
# The driver of each line of toolkits and one beyond both ends; patch releases differ for 13.0 alone, where torch asks for one.
_LINES = [driver for toolkit, driver in COMPAT.driver_of_toolkit.items() if len(release(toolkit)) == 2 or line(toolkit) == "13.0"]
DRIVERS = tuple(sorted({"440.33.01", "450.80.02", "999.1", *_LINES}, key=release))
CARDS = tuple(sorted(COMPAT.capabilities, key=release))
MACHINES = ("x86_64", "aarch64")
BUILDS = tuple((row.latest, build.cuda) for row in COMPAT.torch.values() for build in row.cuda)
CUDAS = tuple(sorted({cuda for _, cuda in BUILDS}, key=release))
UNPUBLISHED = tuple((row.latest, cuda) for row in COMPAT.torch.values() for cuda in CUDAS if (row.latest, cuda) not in BUILDS)
RULES = (torch_rules.version, torch_rules.cuda, gpu_rules.driver, gpu_rules.architecture, gpu_rules.known)


@cache
def found(torch: str, cuda: str, driver: str, capability: str, machine: str) -> tuple[Finding, ...]:
    there = Environment("", False, machine, {}, torch, cuda, None, driver, (Gpu("card", capability),))
    return tuple(finding for rule in RULES for finding in rule(Wanted("torch"), there, COMPAT))


def grave(*cell: str) -> int:
    return SEVERITIES.index(worst(found(*cell)))


def cells() -> Iterator[tuple[str, str, str, str, str]]:
    for (torch, cuda), driver, capability, machine in product(BUILDS, DRIVERS, CARDS, MACHINES):
        yield torch, cuda, driver, capability, machine


def test_every_cell_has_one_verdict_of_each_rule_and_an_error_has_a_fix() -> None:
    count = 0
    for cell in cells():
        findings = found(*cell)
        codes = [finding.code for finding in findings]
        assert codes[:4] == ["D111", "D115", "D117", "D118"], cell
        assert len(codes) == len(set(codes)), cell
        assert all(finding.fix for finding in findings if finding.severity in ("warning", "error")), cell
        assert all(finding.expected and finding.seen for finding in findings), cell
        count += 1
    assert count == len(BUILDS) * len(DRIVERS) * len(CARDS) * len(MACHINES) > 20_000


def test_a_build_that_nobody_published_is_an_error_everywhere() -> None:
    assert len(BUILDS) + len(UNPUBLISHED) == len(COMPAT.torch) * len(CUDAS)
    for (torch, cuda), capability in product(UNPUBLISHED, CARDS):
        severities = {finding.code: finding.severity for finding in found(torch, cuda, "610.43.02", capability, "x86_64")}
        assert severities["D115"] == "error", (torch, cuda)


def test_a_newer_driver_never_makes_anything_worse() -> None:
    for (torch, cuda), capability, machine in product(BUILDS, CARDS, MACHINES):
        verdicts = [grave(torch, cuda, driver, capability, machine) for driver in DRIVERS]
        assert all(newer <= older for older, newer in pairwise(verdicts)), (torch, cuda, capability, machine)


def test_the_driver_rule_is_the_minor_version_rule_of_nvidia() -> None:
    for torch, cuda, driver, capability, machine in cells():
        (verdict,) = (one.severity for one in found(torch, cuda, driver, capability, machine) if one.code == "D117")
        runs = at_least(driver, COMPAT.driver_for_major[line(cuda, 1)])
        assert (verdict == "error") == (not runs), (torch, cuda, driver)


def test_a_gpu_of_the_same_family_runs_what_an_older_one_of_it_runs() -> None:
    """Compiled code runs on a later GPU of the same major version: 8.0 on 8.6 and 8.9, 10.0 on 10.3, 12.0 on 12.1."""
    for (torch, cuda), machine in product(BUILDS, MACHINES):
        for older, newer in pairwise(CARDS):
            if line(older, 1) == line(newer, 1):
                verdicts = {
                    name: next(one.severity for one in found(torch, cuda, "610.43.02", name, machine) if one.code == "D118")
                    for name in (older, newer)
                }
                assert SEVERITIES.index(verdicts[newer]) <= SEVERITIES.index(verdicts[older]), (torch, cuda, older, newer)


@pytest.mark.parametrize("capability", ["10.0", "12.0"])
def test_blackwell_needs_torch_2_7_and_cuda_12_8(capability: str) -> None:
    for torch, cuda in BUILDS:
        verdict = next(one.severity for one in found(torch, cuda, "610.43.02", capability, "x86_64") if one.code == "D118")
        if (line(torch), cuda) == ("2.15", "12.6"):
            continue  # planned to be removed, so nobody says what it has code for
        enough = at_least(torch, "2.7") and at_least(cuda, "12.8")
        assert (verdict != "error") == enough, (torch, cuda)


def test_a_v100_runs_on_cuda_11_and_12_6_and_sources_disagree_about_12_8_of_torch_2_8_to_2_10() -> None:
    verdicts = {
        (line(torch), cuda): next(one for one in found(torch, cuda, "610.43.02", "7.0", "x86_64") if one.code == "D118")
        for torch, cuda in BUILDS
    }
    for (torch, cuda), finding in verdicts.items():
        disputed = cuda == "12.8" and torch in ("2.8", "2.9", "2.10")
        assert ("sources disagree" in finding.expected) == disputed, (torch, cuda)
        if disputed:
            assert finding.severity == "warning"
            assert "release notes of 2.8" in finding.source
        elif at_least(cuda, "13.0") or (cuda == "12.8" and torch in ("2.7", "2.11")):
            assert finding.severity == "error", (torch, cuda)
        elif cuda in ("11.8", "12.1", "12.4", "12.6"):
            # 2.15 without CUDA 12.6 has no table at all.
            assert finding.severity == ("warning" if torch == "2.15" else "ok"), (torch, cuda)


def test_2_7_for_cuda_11_8_runs_on_a_driver_that_stops_at_11_7_within_limits() -> None:
    for driver in ("515.43.04", "515.105.01"):
        assert COMPAT.cuda_of_driver(driver) == "11.7"
        findings = {one.code: one for one in found("2.7.1", "11.8", driver, "8.0", "x86_64")}
        assert {one.severity for code, one in findings.items() if code != "D117"} == {"ok"}
        assert findings["D117"].severity == "warning"
        assert "520.61.05" in findings["D117"].expected
        assert "compiles no PTX" in findings["D117"].expected
    # But no H100: 515 is older than that GPU. And nothing before 450.80.02.
    assert [one.code for one in found("2.7.1", "11.8", "515.43.04", "9.0", "x86_64") if one.severity == "error"] == ["D119"]
    assert [one.code for one in found("2.7.1", "11.8", "440.33.01", "7.0", "x86_64") if one.severity == "error"] == ["D117"]
