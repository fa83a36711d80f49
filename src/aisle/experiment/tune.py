"""Search the settings of a model on validation data: the test part is taken away before the first trial."""

from __future__ import annotations

import dataclasses
import fcntl
import importlib.util
import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from aisle.dataset.cases import Split
from aisle.dataset.reader import Dataset
from aisle.dataset.split import split as cut
from aisle.errors import AisleError
from aisle.experiment.recommender import Recommender
from aisle.experiment.search import FINISHED, PRUNED, REFUSED, Plan, Search, Trial, draw_search, open_search, write_search
from aisle.train.watch import EpochRecord, Watch

if TYPE_CHECKING:
    from aisle.experiment.study import Asked, Study

Say = Callable[[str], object]
_LOSS_IS_NO_NUMBER = ("E507", "E508")


@dataclasses.dataclass(frozen=True)
class Budget:
    """When a search ends.

    Attributes:
        trials: that came to an end, those before a resumption included.
        timeout_s: after so many seconds of this call no trial is begun; None = no limit.
    """

    trials: int = 20
    timeout_s: float | None = None


def tune(dataset: Dataset, plan: Plan, folder: Path, budget: Budget, *, resume: bool = False, say: Say | None = None) -> Search:
    """Search, and keep `folder` true after every trial (see `experiment.search`).

    Trials learn from the training part and are measured on the validation cases; the first one is the recipe as it is,
    where its values lie in the space. Trials with epochs are stopped when they are worse than the median trial.

    Args:
        dataset: a prepared dataset.
        plan: what is searched.
        folder: where the search is kept.
        budget: when it ends.
        resume: go on with the search that is there; it then has the trials that it would have had without a break.
        say: takes a line a trial.

    Raises:
        AisleError: E407 for an empty space, E402 or the model's own for values that the model does not take, E408 without
            Optuna, E409 or E604 when the folder cannot be had, E410 when there are no validation cases, E603 when another
            process searches there, E5xx when training cannot go on for another reason than its values.
    """
    _check(plan)
    split = without_test(cut(dataset, plan.recipe.split))
    if not len(split.validation):
        raise AisleError("the split has no validation cases to choose by", hint="set split.validation_share above 0", code="E410")
    open_search(folder, dataset.manifest.content_hash, plan, resume=resume)
    from aisle.experiment.study import Study  # noqa: PLC0415 - Optuna is an extra: only a search needs it

    with _alone(folder):
        work = _Work(dataset, split, plan, Study(folder, plan.space, plan.seed), folder, say or (lambda _: None))
        return _run(work, budget)


def without_test(split: Split) -> Split:
    """Return a split whose test asks nothing, and whose validation answers cannot be learned from."""
    nothing = split.test.take(np.zeros(0, np.int64))
    return dataclasses.replace(split, test=nothing, refit=split.train, refit_index=split.train_index)


@dataclasses.dataclass(frozen=True)
class _Work:
    dataset: Dataset
    split: Split
    plan: Plan
    study: Study
    folder: Path
    say: Say

    def search(self) -> Search:
        return Search(self.plan, Recommender(self.plan.recipe).validation_metric, self.study.trials())


class _HopelessError(Exception):
    """Ends the training of a trial that is worse than the median."""


def _check(plan: Plan) -> None:
    """Refuse what would fail later: a space without keys, ends that the model does not take, a missing Optuna."""
    if not plan.space:
        raise AisleError(
            "there is nothing to search: the recipe has no [tune] section",
            hint="write one (docs/tuning.md), or pass --search such as train.learning_rate=1e-4:1e-2:log",
            code="E407",
        )
    for key, part in plan.space.items():
        for value in part.corners:
            plan.with_values({key: value})
    if importlib.util.find_spec("optuna") is None:
        raise AisleError("a search needs Optuna, which is not installed", hint="pip install 'aisle[tune]'", code="E408")


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the folder's lock: two processes in one journal would each do the other's trials again."""
    lock = os.open(folder, os.O_RDONLY)
    try:
        _take(lock, folder)
        yield
    finally:
        os.close(lock)


def _take(lock: int, folder: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise AisleError(
            f"another process searches in {folder}", hint="wait for it to end, or choose another --out", code="E603"
        ) from error


def _run(work: _Work, budget: Budget) -> Search:
    start_s = time.monotonic()
    search, own_values = work.search(), work.plan.own_values
    if not search.trials and own_values is None:
        work.say("the recipe's own values lie outside the space: no trial begins with them")
    while len(search.trials) < budget.trials:
        if budget.timeout_s is not None and time.monotonic() - start_s >= budget.timeout_s:
            work.say(f"{budget.timeout_s:g} s are over after {len(search.trials)} of {budget.trials} trials")
            break
        asked = work.study.ask(own_values)
        try:
            trial = _try(work, asked)
        except BaseException:
            asked.forget()
            raise
        asked.end(trial)
        search = work.search()
        write_search(search, work.folder)
        work.say(_line(trial, search, budget))
    write_search(search, work.folder)
    draw_search(search, work.folder)
    return search


def _try(work: _Work, asked: Asked) -> Trial:
    """Fit and validate one set of values."""
    start_s = time.perf_counter()
    records: list[EpochRecord] = []

    def on_epoch(record: EpochRecord) -> None:
        if record.phase != "choose" or record.validation is None:  # such as the training of halves that the model starts from
            return
        records.append(record)
        if asked.hopeless(record.epoch, record.validation):
            raise _HopelessError

    def ended(state: str, metric: float | None, best_epoch: int | None, reason: str | None = None) -> Trial:
        return Trial(asked.number, asked.values, state, metric, best_epoch, time.perf_counter() - start_s, reason)

    try:
        recipe = work.plan.with_values(asked.values)
    except AisleError as error:  # each value fits alone (see `_check`), and these do not go together
        return ended(REFUSED, None, None, f"{error.message} [{error.code}]")
    recommender = Recommender(dataclasses.replace(recipe, train=dataclasses.replace(recipe.train, refit=False)))
    try:
        fitted = recommender.fit(work.dataset, work.split, watch=Watch(on_epoch=on_epoch)).fitted
    except _HopelessError:
        best = max(records, key=lambda record: record.validation or -math.inf)
        return ended(PRUNED, best.validation, best.epoch)
    except AisleError as error:
        if error.code not in _LOSS_IS_NO_NUMBER:
            raise
        return ended(REFUSED, None, None, f"{error.message} [{error.code}]")
    assert fitted is not None
    return ended(FINISHED, recommender.validate(), fitted.best_epoch)


def _line(trial: Trial, search: Search, budget: Budget) -> str:
    values = " ".join(
        f"{key}={value:.4g}" if isinstance(value, float) else f"{key}={value}" for key, value in trial.values.items()
    )
    measured = "" if trial.metric is None else f" {search.metric} {trial.metric:.4f}"
    best = "" if search.best is None else f", best {search.best.metric:.4f} of trial {search.best.number}"
    why = "" if trial.reason is None else f" ({trial.reason})"
    return f"trial {trial.number}/{budget.trials} {trial.state}{measured}{why} in {trial.seconds:.1f} s: {values}{best}"
