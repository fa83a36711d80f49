"""What is counted in a dataset, by hand: five users whose every fault is known."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from aisle.dataset.audit import audit
from aisle.dataset.prepare import prepare
from aisle.dataset.reader import Dataset
from aisle.doctor.dataset_facts import DatasetFacts
from aisle.logs.recipe import LogRecipe

NOW_S = datetime(2026, 6, 30, tzinfo=UTC).timestamp()
# The test is the last tenth of 10 events: the event at place int(10 * 0.9) = 9 in order of time.
LOG = """user_id,item_id,event,timestamp,session_id
anna,a,view,2026-01-01T10:00:00Z,s1
anna,a,view,2026-01-01T10:00:00Z,s1
anna,b,view,2026-01-01T10:00:00Z,s1
anna,a,purchase,2026-01-03T10:00:01Z,s1
ben,a,view,2026-01-02T10:00:00Z,s2
ben,b,view,2026-01-04T10:00:00Z,s3
cleo,b,view,2026-01-05T10:00:00Z,s4
cleo,a,view,2026-01-06T10:00:00Z,s4
dora,a,view,2026-01-07T10:00:00Z,s5
emil,c,view,2027-01-01T10:00:00Z,s6
"""


def made(folder: Path, log: str = LOG, catalogue: str = "") -> DatasetFacts:
    folder.mkdir(exist_ok=True)
    (folder / "log.csv").write_text(log)
    items = folder / "items.csv"
    items.write_text(catalogue)
    prepare([folder / "log.csv"], folder / "dataset", items=items if catalogue else None)
    return audit(Dataset(folder / "dataset"), NOW_S)


def test_every_fault_is_counted(tmp_path: Path) -> None:
    facts = made(tmp_path, catalogue="item_id,title,price\na,Apple,1.5\nd,Date,\n")
    assert (facts.users, facts.items, facts.events, facts.timed) == (5, 4, 10, True)
    assert facts.by_kind == {"view": 9, "purchase": 1}
    assert facts.duplicates == 1  # anna's second view of a
    assert facts.same_moment == 1  # anna's b, at the time of her a
    assert (facts.future, facts.before_1990) == (1, 0)  # emil's
    assert facts.last_moment == "2027-01-01T10:00:00+00:00"
    assert facts.catalogue
    assert facts.bare_items == 2  # b and c
    assert facts.unmet_items == 1  # d
    assert facts.single_users == 2  # dora and emil
    assert facts.sessions == 6
    assert facts.long_sessions == 1  # anna's, of two days; cleo's is of a day and no more
    assert facts.longest_session == 4
    assert (facts.robots, facts.robot_events) == (0, 0)  # nobody has 1,000 events


def test_the_test_of_a_split_by_time_is_held_against_what_came_before(tmp_path: Path) -> None:
    facts = made(tmp_path)
    # The test is emil's c: a new user with a new item.
    assert (facts.test_events, facts.test_users, facts.test_items) == (1, 1, 1)
    assert (facts.asked_again, facts.new_users, facts.new_items, facts.new_item_events) == (0, 1, 1, 1)
    assert facts.test.startswith("from 2027-01-01T10:00:00+00:00 on")
    assert not facts.published
    again = made(tmp_path / "again", LOG.replace("emil,c,view,2027", "ben,a,view,2026"))
    # Now the latest event is dora's a: she is new, a is not.
    assert (again.test_users, again.new_users, again.new_items) == (1, 1, 0)
    repeated = made(tmp_path / "repeated", LOG.replace("emil,c", "ben,b"))
    assert (repeated.test_events, repeated.asked_again, repeated.new_users) == (1, 1, 0)


def test_a_publishers_test_is_held_against_the_whole_log(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text(LOG)
    (tmp_path / "test.csv").write_text("user_id,item_id\nanna,a\nben,c\ndora,b\n")
    prepare([tmp_path / "log.csv"], tmp_path / "dataset", test=tmp_path / "test.csv")
    facts = audit(Dataset(tmp_path / "dataset"), NOW_S)
    assert facts.published
    assert (facts.test_events, facts.test_users, facts.asked_again) == (3, 3, 1)  # anna saw a


def test_a_robot_has_a_thousand_events_and_more_than_its_share(tmp_path: Path) -> None:
    rows = [f"robot,{'abc'[number % 3]},view,{1_767_225_600 + number},r" for number in range(1_000)]
    facts = made(tmp_path, LOG + "\n".join(rows) + "\n")
    assert (facts.robots, facts.robot_events) == (1, 1_000)
    assert facts.longest_session == 1_000
    assert facts.long_sessions == 1  # 1,000 events are not over 1,000


def test_a_log_with_an_order_but_no_time_has_no_clock_to_be_wrong(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("user_id,item_id,event\nanna,a,view\nanna,a,view\nben,b,view\n")
    prepare([tmp_path / "log.csv"], tmp_path / "dataset", recipe=LogRecipe(order="rows"))
    facts = audit(Dataset(tmp_path / "dataset"), NOW_S)
    assert not facts.timed
    assert (facts.duplicates, facts.future, facts.before_1990, facts.test, facts.sessions) == (0, 0, 0, "", 0)
    assert not facts.catalogue
