"""Cut a dataset into what is learned from and what is asked, so that nothing later leaks into anything earlier."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
from numpy.typing import NDArray

from aisle.dataset import cut as cutting
from aisle.dataset import layout
from aisle.dataset.asking import Asked, Past, ask_events, ask_lines, ask_pairs, ask_users, past
from aisle.dataset.cases import Cases, Split
from aisle.dataset.cold import cold_items
from aisle.dataset.context import asks_in_context, event_context, test_context
from aisle.dataset.cut import Cut, SplitLog
from aisle.dataset.folds import ask_ratings, cut_fold
from aisle.dataset.kcore import core_mask
from aisle.dataset.negatives import sample_unseen
from aisle.dataset.reader import Dataset
from aisle.dataset.split_config import SplitConfig
from aisle.errors import AisleError, did_you_mean
from aisle.features.histories import Histories
from aisle.schema.events import Event

__all__ = ["SplitConfig", "split"]


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
            dataset, E253 an unknown kind of event, E254 shares or cut times that make no sense, E255 nothing to ask,
            E256 a way of asking that does not fit, E257 no sessions in the log, E258 no folds or ratings.
    """
    config = config or SplitConfig()
    _check(dataset, config)
    log = _log(dataset, config)
    cut = _cut(dataset, log, config)
    train, train_index = _learned(log, log.positive & cut.before_validation, config)
    _check_has_training(train, cut, config, len(log.index))
    before_test = past(log, cut.before_test, config)
    if config.kind == "files":
        test = _file_cases(dataset, before_test, config)
    else:
        test = _cases(dataset, log, cut.test, cut.before_test, config)
    validation = _cases(dataset, log, cut.validation, cut.before_validation, config)
    if test.negatives is not None:
        seen = before_test.no_news.take(validation.user)
        negatives = sample_unseen(seen, test.negatives.shape[1], n_items=log.n_items, seed=config.seed)
        validation = replace(validation, negatives=negatives)
    if not len(test):
        raise AisleError(
            f"the {config.kind} split has nothing to ask: no shopper has a test event with an item that is new to them",
            hint="choose a larger test_share, other target events, repeats = true, or a log with more events",
            code="E255",
        )
    refit, refit_index = _learned(log, log.positive & cut.before_test, config)
    description = _describe(config, cut, train, validation, test)
    return Split(train, train_index, validation, test, refit, refit_index, description)


def _check(dataset: Dataset, config: SplitConfig) -> None:
    for name in (*config.positive_events, *(config.target_events or ()), *(config.seen_events or ())):
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
    _check_asking(dataset, config)


def _check_asking(dataset: Dataset, config: SplitConfig) -> None:
    if config.known_events is not None and config.known_events < 1:
        raise AisleError(
            f"split.known_events is {config.known_events}: a question has to know something",
            hint="give 1 or more, or leave it out to know everything",
            code="E256",
        )
    if config.ask != "rest" and config.kind != "time":
        raise AisleError(
            f'ask = "{config.ask}" asks every event after a moment, and kind = "{config.kind}" fixes its own questions',
            hint='use kind = "time" (--set split.kind=time), or ask = "rest"',
            code="E256",
        )
    if config.hide_answers and config.kind != "files":
        raise AisleError(
            f'hide_answers = true makes validation like a publisher\'s test, and kind is "{config.kind}"',
            hint='leave hide_answers out, or use kind = "files" (--set split.kind=files)',
            code="E256",
        )
    if config.ask == "next-in-session" and "session_id" not in dataset.manifest.event_columns:
        raise AisleError(
            f"{dataset.folder} has no sessions: no column session_id",
            hint='map one when preparing (--column session_id=THEIR_NAME), or use ask = "next"',
            code="E257",
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
    kind_E = dataset.histories.event
    positive = _is_one_of(kind_E, config.positive_events)
    target = positive if config.target_events is None else _is_one_of(kind_E, config.target_events)
    seen = positive if config.seen_events is None else _is_one_of(kind_E, config.seen_events)
    index = np.flatnonzero(positive | target | seen)
    session = None
    if config.ask == "next-in-session":
        session = dataset.event_column("session_id").values
        assert session is not None
    context = event_context(dataset)
    return SplitLog(
        dataset.histories.where(positive | target | seen),
        index,
        positive[index],
        target[index],
        seen[index],
        dataset.n_items,
        None if session is None else session[index],
        None if context is None else context[index],
    )


def _is_one_of(kind_E: NDArray[np.uint8], names: tuple[str, ...]) -> NDArray[np.bool_]:
    wanted = np.zeros(256, np.bool_)
    wanted[[Event[name] for name in names]] = True
    chosen: NDArray[np.bool_] = wanted[kind_E]
    return chosen


def _cut(dataset: Dataset, log: SplitLog, config: SplitConfig) -> Cut:
    if config.kind == "folds":
        return cut_fold(dataset, log, config)
    if config.kind == "leave-one-out":
        return cutting.leave_one_out(log, repeats=config.repeats)
    if config.kind == "files" and asks_in_context(dataset) and not config.hide_answers:
        lines = len(dataset.array(layout.TEST_USER))
        return cutting.leave_contexts_for_validation(log, lines, repeats=config.repeats, seed=config.seed)
    if config.kind == "files":
        return cutting.leave_last_for_validation(log, repeats=config.repeats, hide_answers=config.hide_answers)
    times = config.cut_times or cutting.cut_times(log, config.validation_share, config.test_share)
    return cutting.cut_at(log, *times)


def _learned(log: SplitLog, part: NDArray[np.bool_], config: SplitConfig) -> tuple[Histories, NDArray[np.int64]]:
    """Return a part's events after the k-core, which is counted on that part alone, and their rows in the dataset."""
    keep = part & ~cold_items(log.n_items, config.cold_items, config.seed)[log.events.item]
    part = keep.copy()
    if config.min_user_events > 1 or config.min_item_events > 1:
        keep[part] = core_mask(
            log.events.rows[part],
            log.events.item[part],
            min_user_events=config.min_user_events,
            min_item_events=config.min_item_events,
        )
    return log.events.where(keep), log.index[keep]


def _cases(dataset: Dataset, log: SplitLog, asked: NDArray[np.bool_], before: NDArray[np.bool_], config: SplitConfig) -> Cases:
    """Ask for events of the log."""
    if config.kind == "folds":
        return ask_ratings(dataset, log, asked, past(log, before, config), config)
    if config.kind == "files" and asks_in_context(dataset) and not config.hide_answers:
        return ask_lines(log, asked, past(log, before, config), config)
    if config.ask == "rest":
        return ask_users(log, asked, past(log, before, config), config)
    return ask_events(log, asked, config)


def _file_cases(dataset: Dataset, before: Past, config: SplitConfig) -> Cases:
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
    asked = Asked(user, case, item, negatives, test_context(dataset))
    return ask_pairs(asked, before, config, n_items=dataset.n_items)


def _describe(config: SplitConfig, cut: Cut, train: Histories, validation: Cases, test: Cases) -> dict[str, object]:
    settings = {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(config).items()}
    for name in ("target_events", "seen_events"):
        settings[name] = settings[name] or settings["positive_events"]
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
