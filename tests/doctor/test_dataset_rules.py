"""Counts of a dataset and what is said about them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from aisle.doctor.codes import CODES
from aisle.doctor.dataset_facts import DatasetFacts
from aisle.doctor.dataset_rules import RULES, examine_dataset

GOOD = DatasetFacts(
    users=10_000,
    items=1_000,
    events=200_000,
    by_kind={"view": 180_000, "purchase": 20_000},
    last_moment="2026-01-01T00:00:00+00:00",
    test="from 2025-12-20T00:00:00+00:00 on",
    test_events=15_000,
    test_users=4_000,
    test_items=900,
    catalogue=True,
    sessions=30_000,
    longest_session=80,
)
# what changes: (code, severity, count, share, a word of the finding)
FAULTS: dict[str, tuple[DatasetFacts, str, str, int, float, str]] = {
    "a few copies": (replace(GOOD, duplicates=200), "D201", "warning", 200, 0.001, "copy of the one before"),
    "a log read twice": (replace(GOOD, duplicates=100_000), "D201", "error", 100_000, 0.5, "copy of the one before"),
    "one wrong clock": (replace(GOOD, future=1), "D202", "warning", 1, 0.000005, "2026-01-01"),
    "milliseconds as seconds": (replace(GOOD, future=150_000), "D202", "error", 150_000, 0.75, "later than the clock"),
    "times at 0": (replace(GOOD, before_1990=2_000), "D203", "error", 2_000, 0.01, "before 1990"),
    "our own test asks again": (replace(GOOD, asked_again=5_000), "D204", "note", 5_000, 0.333333, "met by the same user"),
    "a published test leaks": (
        replace(GOOD, published=True, asked_again=3),
        "D204",
        "warning",
        3,
        0.0002,
        "met by the same user",
    ),
    "most users are new": (replace(GOOD, new_users=3_000), "D205", "warning", 3_000, 0.75, "no event before it"),
    "some users are new": (replace(GOOD, new_users=1_000), "D205", "note", 1_000, 0.25, "no event before it"),
    "many items are new": (
        replace(GOOD, new_items=300, new_item_events=9_000),
        "D206",
        "warning",
        300,
        0.333333,
        "9,000 of 15,000",
    ),
    "no catalogue": (replace(GOOD, catalogue=False), "D207", "note", 1_000, 1.0, "no catalogue"),
    "a catalogue of another shop": (replace(GOOD, bare_items=800), "D207", "warning", 800, 0.8, "no row in the catalogue"),
    "views only": (replace(GOOD, by_kind={"view": 200_000, "click": 0}), "D208", "note", 200_000, 1.0, "200,000 view"),
    "sessions of days": (replace(GOOD, long_sessions=600, longest_session=5_000), "D209", "warning", 600, 0.02, "5,000"),
    "a robot": (replace(GOOD, robots=1, robot_events=50_000), "D210", "warning", 50_000, 0.25, "1 users"),
    "days instead of times": (replace(GOOD, same_moment=100_000), "D211", "warning", 100_000, 0.5, "very time"),
    "a shelf nobody visits": (replace(GOOD, unmet_items=400), "D212", "note", 400, 0.4, "no event"),
    "ids that last a visit": (replace(GOOD, single_users=9_500), "D213", "warning", 9_500, 0.95, "one event"),
    "a small test": (replace(GOOD, test_users=100), "D214", "note", 100, 0.01, "100 users"),
}


def test_a_good_dataset_is_left_in_peace_by_every_rule() -> None:
    findings = examine_dataset(GOOD)
    assert {finding.severity for finding in findings} == {"ok"}
    assert [finding.code for finding in findings] == [code for code in CODES if code.startswith("D2")]
    assert len(findings) == len(RULES)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_counted_weighed_and_mended(fault: str) -> None:
    facts, code, severity, count, share, word = FAULTS[fault]
    unwell = [finding for finding in examine_dataset(facts) if finding.severity != "ok"]
    assert [(one.code, one.severity, one.count) for one in unwell] == [(code, severity, count)]
    assert unwell[0].share == pytest.approx(share, abs=1e-6)
    assert word in unwell[0].seen
    assert unwell[0].fix
    assert unwell[0].as_dict()["count"] == count


def test_a_log_without_times_is_not_asked_about_them() -> None:
    facts = DatasetFacts(users=10, items=10, events=100, timed=False, by_kind={"view": 60, "cart": 40}, catalogue=True)
    codes = [finding.code for finding in examine_dataset(facts)]
    assert codes == ["D207", "D208", "D210", "D212", "D213", "D214"]


def test_an_empty_dataset_divides_by_nothing() -> None:
    examine_dataset(DatasetFacts(users=0, items=0, events=0, test="from 2026 on"))
