"""What is wrong, or worth knowing, about a prepared dataset. D201 to D214."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from aisle.doctor.dataset_facts import DatasetFacts
from aisle.doctor.finding import Finding, Severity

DatasetRule = Callable[[DatasetFacts], Iterator[Finding]]

_DROP = 'duplicates = "drop" in a recipe of the log, then `aisle prepare LOGS --recipe LOG.toml --out DATASET --overwrite`'
_FILTER = "a [[filters]] entry in a recipe of the log that leaves them out, then `aisle prepare LOGS --recipe LOG.toml ...`"
_TEST_CASES = 1_000


def duplicates(facts: DatasetFacts) -> Iterator[Finding]:
    """D201: no event twice. Whoever logs seconds may mean two events; a log without time cannot tell."""
    if facts.timed:
        grave = _grave(facts.duplicates, facts.events, warning=0.0, error=0.2)
        yield _counted("D201", grave, (facts.duplicates, facts.events), "events are a copy of the one before", "none", _DROP)


def future(facts: DatasetFacts) -> Iterator[Finding]:
    """D202: no event after now."""
    if facts.timed:
        grave = _grave(facts.future, facts.events, warning=0.0, error=0.001)
        said = (
            f"events are later than the clock, the last {facts.last_moment}"
            if facts.future
            else "events are later than the clock"
        )
        yield _counted(
            "D202", grave, (facts.future, facts.events), said, "none", f"look at the time's unit and zone; or {_FILTER}"
        )


def long_ago(facts: DatasetFacts) -> Iterator[Finding]:
    """D203: no event before 1990, where times end up that were 0 or missing."""
    if facts.timed:
        grave = _grave(facts.before_1990, facts.events, warning=0.0, error=0.001)
        yield _counted("D203", grave, (facts.before_1990, facts.events), "events are before 1990", "none", _FILTER)


def asked_again(facts: DatasetFacts) -> Iterator[Finding]:
    """D204: the test asks for news; of our own tests only those with `repeats` ask for anything else."""
    if facts.test:
        grave: Severity = "warning" if facts.published and facts.asked_again else _note(facts.asked_again)
        said = f"pairs of the test ({facts.test}) were met by the same user before"
        fix = "take these lines out of the test" if facts.published else "keep split.repeats = false, which leaves them out"
        yield _counted("D204", grave, (facts.asked_again, facts.test_events), said, "none in a publisher's test", fix)


def new_users(facts: DatasetFacts) -> Iterator[Finding]:
    """D205: most users of the test have a past."""
    if facts.test:
        grave: Severity = "warning" if _share(facts.new_users, facts.test_users) > 0.5 else _note(facts.new_users)
        fix = (
            "report `users: new` apart (docs/results.md); recommend to them by session, or cut later: --set split.test_share=0.05"
        )
        yield _counted(
            "D205", grave, (facts.new_users, facts.test_users), "users of the test have no event before it", "few", fix
        )


def new_items(facts: DatasetFacts) -> Iterator[Finding]:
    """D206: most items of the test were met before."""
    if facts.test:
        grave: Severity = "warning" if _share(facts.new_item_events, facts.test_events) > 0.2 else _note(facts.new_items)
        said = f"items of the test have no event before it; {facts.new_item_events:,} of {facts.test_events:,} pairs ask for them"
        fix = "a model that reads the catalogue, such as the recipe `two-tower`"
        yield _counted("D206", grave, (facts.new_items, facts.test_items), said, "few", fix)


def bare_items(facts: DatasetFacts) -> Iterator[Finding]:
    """D207: items with events stand in the catalogue."""
    met = facts.items - facts.unmet_items
    fix = "aisle prepare LOGS --items CATALOGUE --out DATASET --overwrite, with a catalogue that holds them"
    if not facts.catalogue:
        yield Finding("D207", "items", "note", "there is no catalogue", "one", fix, count=met, share=1.0)
    else:
        grave: Severity = "warning" if _share(facts.bare_items, met) > 0.01 else _note(facts.bare_items)
        yield _counted("D207", grave, (facts.bare_items, met), "items with events have no row in the catalogue", "none", fix)


def one_kind(facts: DatasetFacts) -> Iterator[Finding]:
    """D208: there are events of several kinds."""
    kinds = [kind for kind, count in facts.by_kind.items() if count]
    seen = ", ".join(f"{facts.by_kind[kind]:,} {kind}" for kind in kinds)
    if len(kinds) == 1:
        fix = "log clicks, carts and purchases too; where the log has them, --column event=COLUMN names that column"
        yield Finding("D208", "kinds", "note", f"one: {seen}", "several", fix, count=facts.events, share=1.0)
    elif kinds:
        yield Finding("D208", "kinds", "ok", seen, "several", count=facts.events, share=1.0)


def long_sessions(facts: DatasetFacts) -> Iterator[Finding]:
    """D209: sessions end."""
    if facts.sessions:
        grave: Severity = "warning" if _share(facts.long_sessions, facts.sessions) > 0.01 else _note(facts.long_sessions)
        said = f"sessions last over a day or have over 1,000 events; the longest has {facts.longest_session:,}"
        fix = "cut sessions after 30 minutes without an event where the log is made, or leave out its session column"
        yield _counted("D209", grave, (facts.long_sessions, facts.sessions), said, "none", fix)


def robots(facts: DatasetFacts) -> Iterator[Finding]:
    """D210: nobody makes over 0.1% of all events."""
    grave: Severity = "warning" if facts.robots else "ok"
    said = f"events are of {facts.robots:,} users with over 0.1% of all events each"
    yield _counted("D210", grave, (facts.robot_events, facts.events), said, "none", _FILTER)


def same_moment(facts: DatasetFacts) -> Iterator[Finding]:
    """D211: times tell the order."""
    if facts.timed:
        grave: Severity = "warning" if _share(facts.same_moment, facts.events) > 0.3 else _note(facts.same_moment)
        said = "events have the very time of the same user's event before"
        fix = "log milliseconds; with days only, split by time and leave `next item` models out"
        yield _counted("D211", grave, (facts.same_moment, facts.events), said, "few", fix)


def unmet_items(facts: DatasetFacts) -> Iterator[Finding]:
    """D212: items of the catalogue are met."""
    grave = _note(facts.unmet_items)
    fix = "a model that reads the catalogue, such as the recipe `two-tower`"
    yield _counted("D212", grave, (facts.unmet_items, facts.items), "items have no event", "few", fix)


def single_users(facts: DatasetFacts) -> Iterator[Finding]:
    """D213: users come back."""
    grave: Severity = "warning" if _share(facts.single_users, facts.users) > 0.9 else _note(facts.single_users)
    fix = "a user id that lasts longer than a visit; or --set split.min_user_events=2"
    yield _counted("D213", grave, (facts.single_users, facts.users), "users have one event", "few", fix)


def enough(facts: DatasetFacts) -> Iterator[Finding]:
    """D214: the test has users enough to tell models apart."""
    if facts.test:
        few = facts.test_users < _TEST_CASES
        fix = "more of the log, or --set split.test_share=0.2" if few else ""
        grave: Severity = "note" if few else "ok"
        expected, share = f">= {_TEST_CASES:,} users in the test", _share(facts.test_users, facts.users)
        yield Finding("D214", "test", grave, f"{facts.test_users:,} users", expected, fix, count=facts.test_users, share=share)
    elif not facts.timed:
        yield Finding("D214", "test", "ok", "no times", "such a log is split leave-one-out", count=0, share=0.0)


RULES: tuple[DatasetRule, ...] = (
    duplicates, future, long_ago, asked_again, new_users, new_items, bare_items, one_kind, long_sessions, robots, same_moment,
    unmet_items, single_users, enough,
)  # fmt: skip


def examine_dataset(facts: DatasetFacts) -> list[Finding]:
    """Say what is right and what is wrong with a dataset, in the order of the codes."""
    return [finding for rule in RULES for finding in rule(facts)]


_SUBJECTS = {
    "D201": "duplicates", "D202": "times", "D203": "times", "D204": "test", "D205": "test", "D206": "test", "D207": "items",
    "D209": "sessions", "D210": "robots", "D211": "order", "D212": "items", "D213": "users",
}  # fmt: skip


def _counted(code: str, grave: Severity, part: tuple[int, int], said: str, expected: str, fix: str) -> Finding:
    """Return a finding about so many of so many rows."""
    count, of = part
    share = _share(count, of)
    seen = f"{count:,} of {of:,} ({share:.2%}) {said}"
    return Finding(code, _SUBJECTS[code], grave, seen, expected, "" if grave == "ok" else fix, count=count, share=round(share, 6))


def _share(count: int, of: int) -> float:
    return count / of if of else 0.0


def _grave(count: int, of: int, *, warning: float, error: float) -> Severity:
    share = _share(count, of)
    return "error" if share > error else "warning" if share > warning else "ok"


def _note(count: int) -> Severity:
    return "note" if count else "ok"
