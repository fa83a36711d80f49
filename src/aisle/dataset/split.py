"""Cut a dataset into what is learned from and what is asked, so that nothing later leaks into anything earlier."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from aisle.dataset import cut as cutting
from aisle.dataset import layout
from aisle.dataset.cases import Cases, Split
from aisle.dataset.cut import Cut, SplitLog
from aisle.dataset.kcore import core_mask
from aisle.dataset.negatives import sample_unseen
from aisle.dataset.reader import Dataset
from aisle.errors import AisleError, did_you_mean
from aisle.features.histories import Histories
from aisle.features.pairs import contains, distinct, pairs
from aisle.schema.events import POSITIVE, Event


@dataclass(frozen=True)
class SplitConfig:
    """How to cut a log.

    Attributes:
        kind: "time" cuts all users at the same two moments, as a shop lives it. "leave-one-out" asks for each user's last
            event. "files" takes the test that the log's publisher fixed, and leaves one out for validation.
        validation_share: share of the positive events from the validation cut to the test cut, for "time".
        test_share: share of the positive events from the test cut on, for "time".
        cut_times: the two cuts in microseconds since 1970 UTC, instead of the shares.
        positive_events: what models learn from and what counts as known.
        target_events: what is asked; None = the positive events.
        min_user_events: k-core, counted on training events only: users with fewer are not learned from (but asked).
        min_item_events: the same for items.
        max_cases: ask a random sample of users when there are more; None = all.
        seed: for that sample, and for the negatives of validation.
        repeats: also ask for items that the shopper already had a positive event with. False asks for new items only.
    """

    kind: Literal["time", "leave-one-out", "files"] = "time"
    validation_share: float = 0.1
    test_share: float = 0.1
    cut_times: tuple[int, int] | None = None
    positive_events: tuple[str, ...] = tuple(event.name for event in POSITIVE)
    target_events: tuple[str, ...] | None = None
    min_user_events: int = 1
    min_item_events: int = 1
    max_cases: int | None = None
    seed: int = 0
    repeats: bool = False


def split(dataset: Dataset, config: SplitConfig | None = None) -> Split:
    """Cut a dataset.

    Args:
        dataset: a prepared dataset.
        config: how; the default is a global time split.

    Returns:
        Training events after the k-core, questions, and the protocol in words and numbers. What a question knows is not
        filtered by the k-core: it is what a shop would know at that moment.

    Raises:
        AisleError: E250 a time split of a log without times, E251 nothing to learn from, E252 no test files in the
            dataset, E253 an unknown kind of event, E254 shares or cut times that make no sense, E255 nothing to ask.
    """
    config = config or SplitConfig()
    _check(dataset, config)
    log = _log(dataset, config)
    cut = _cut(log, config)
    train, train_index = _learned(log, cut.train, config)
    _check_has_training(train, cut, config, len(log.index))
    before_validation, before_test = log.events.where(cut.train), log.events.where(cut.refit)
    test = _file_cases(dataset, before_test, config) if config.kind == "files" else _cases(log, cut.test, before_test, config)
    validation = _cases(log, cut.validation, before_validation, config)
    if test.negatives is not None:
        seen = before_test.take(validation.user)
        negatives = sample_unseen(seen, test.negatives.shape[1], n_items=log.n_items, seed=config.seed)
        validation = Cases(validation.user, validation.known, validation.target_offsets, validation.target_item, negatives)
    if not len(test):
        raise AisleError(
            f"the {config.kind} split has nothing to ask: no shopper has a test event with an item that is new to them",
            hint="choose a larger test_share, other target events, repeats = true, or a log with more events",
            code="E255",
        )
    refit, refit_index = _learned(log, cut.refit, config)
    description = _describe(config, cut, train, validation, test)
    return Split(train, train_index, validation, test, refit, refit_index, description)


def _check(dataset: Dataset, config: SplitConfig) -> None:
    for name in (*config.positive_events, *(config.target_events or ())):
        if name not in Event.__members__:
            raise AisleError(f"no kind of event is called '{name}'", hint=did_you_mean(name, Event.__members__), code="E253")
    if config.kind == "time" and dataset.manifest.time_kind == "order":
        raise AisleError(
            f"{dataset.folder} has an order but no times, so it cannot be cut at one moment for all users",
            hint='use kind = "leave-one-out" (--set split.kind=leave-one-out)',
            code="E250",
        )
    shares = (config.validation_share, config.test_share)
    late = config.cut_times is not None and config.cut_times[0] > config.cut_times[1]
    if shares[0] < 0 or shares[1] <= 0 or sum(shares) >= 1 or late:
        raise AisleError(
            f"validation_share {shares[0]}, test_share {shares[1]} and cut_times {config.cut_times} do not make a split",
            hint="give shares that leave room for training and for a test, or cut_times in order",
            code="E254",
        )


def _check_has_training(train: Histories, cut: Cut, config: SplitConfig, n_events: int) -> None:
    if not len(train.item):
        where = ", ".join(f"{name} {value}" for name, value in cut.description.items())
        core = f"min_user_events {config.min_user_events}, min_item_events {config.min_item_events}"
        raise AisleError(
            f"the {config.kind} split leaves none of {n_events:,} events to learn from ({where or 'no cut'}; {core})",
            hint="choose smaller shares, an earlier cut or a smaller k-core, or bring more events",
            code="E251",
        )


def _log(dataset: Dataset, config: SplitConfig) -> SplitLog:
    """Keep the events that matter, with their rows in the dataset."""
    event = dataset.histories.event
    targets = config.positive_events if config.target_events is None else config.target_events
    is_positive, is_target = np.zeros((2, 256), np.bool_)
    is_positive[[Event[name] for name in config.positive_events]] = True
    is_target[[Event[name] for name in targets]] = True
    matters = (is_positive | is_target)[event]
    kept = event[matters]
    return SplitLog(
        dataset.histories.where(matters), np.flatnonzero(matters), is_positive[kept], is_target[kept], dataset.n_items
    )


def _cut(log: SplitLog, config: SplitConfig) -> Cut:
    if config.kind == "leave-one-out":
        return cutting.leave_one_out(log, repeats=config.repeats)
    if config.kind == "files":
        return cutting.leave_last_for_validation(log, repeats=config.repeats)
    times = config.cut_times or cutting.cut_times(log, config.validation_share, config.test_share)
    return cutting.cut_at(log, *times)


def _learned(log: SplitLog, part: NDArray[np.bool_], config: SplitConfig) -> tuple[Histories, NDArray[np.int64]]:
    """Return a part's events after the k-core, which is counted on that part alone, and their rows in the dataset."""
    keep = part.copy()
    if config.min_user_events > 1 or config.min_item_events > 1:
        keep[part] = core_mask(
            log.events.rows[part],
            log.events.item[part],
            min_user_events=config.min_user_events,
            min_item_events=config.min_item_events,
        )
    return log.events.where(keep), log.index[keep]


def _cases(log: SplitLog, asked: NDArray[np.bool_], known: Histories, config: SplitConfig) -> Cases:
    """Ask every user with an asked event, or a sample of them, for the items of these events."""
    keys = log.events.rows[asked] * log.n_items + log.events.item[asked]
    user = distinct(keys // log.n_items)
    case = np.searchsorted(user, keys // log.n_items)
    return _ask(user, case, keys % log.n_items, known, config, n_items=log.n_items)


def _file_cases(dataset: Dataset, known: Histories, config: SplitConfig) -> Cases:
    """Ask what the log's publisher asks."""
    if layout.TEST_USER not in dataset.manifest.arrays:
        raise AisleError(
            f"{dataset.folder} holds no test of its publisher's",
            hint='use kind = "leave-one-out" (--set split.kind=leave-one-out) or "time", or prepare with --test',
            code="E252",
        )
    user, offsets = np.array(dataset.array(layout.TEST_USER)), np.array(dataset.array(layout.TEST_OFFSETS))
    has_negatives = layout.TEST_NEGATIVES in dataset.manifest.arrays
    negatives = np.array(dataset.array(layout.TEST_NEGATIVES)) if has_negatives else None
    case = np.repeat(np.arange(len(user)), np.diff(offsets))
    item = np.array(dataset.array(layout.TEST_ITEM), np.int64)
    return _ask(user, case, item, known, config, n_items=dataset.n_items, negatives=negatives)


def _ask(  # noqa: PLR0913 - one question's parts
    user: NDArray[np.integer],
    case: NDArray[np.int64],
    item: NDArray[np.int64],
    known: Histories,
    config: SplitConfig,
    *,
    n_items: int,
    negatives: NDArray[np.int32] | None = None,
) -> Cases:
    """Make cases of distinct (case, item) pairs, without known items unless repeats are asked, and without empty cases."""
    keys = distinct(case * n_items + item)
    if not config.repeats:
        keys = keys[~contains(pairs(known.take(user), n_items), keys)]
    kept = _sample(distinct(keys // n_items), config)
    keys = keys[contains(kept, keys // n_items)]
    offsets = np.searchsorted(keys // n_items, np.append(kept, len(user))).astype(np.int64)
    asked = user[kept].astype(np.int32)
    chosen = None if negatives is None else negatives[kept]
    return Cases(asked, known.take(asked), offsets, (keys % n_items).astype(np.int32), chosen)


def _sample(case: NDArray[np.int64], config: SplitConfig) -> NDArray[np.int64]:
    if config.max_cases is None or len(case) <= config.max_cases:
        return case
    return np.sort(np.random.default_rng(config.seed).choice(case, config.max_cases, replace=False))


def _describe(config: SplitConfig, cut: Cut, train: Histories, validation: Cases, test: Cases) -> dict[str, object]:
    settings = {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(config).items()}
    if settings["target_events"] is None:
        settings["target_events"] = settings["positive_events"]
    counts = {
        "train_events": len(train.item),
        "train_users": int(np.count_nonzero(train.lengths)),
        "train_items": len(np.unique(train.item)),
        "validation_cases": len(validation),
        "validation_targets": len(validation.target_item),
        "test_cases": len(test),
        "test_targets": len(test.target_item),
    }
    return {**settings, **cut.description, **counts}
