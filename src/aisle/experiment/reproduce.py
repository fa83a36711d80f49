"""Train a recorded run again and say whether the same came out: bit for bit, or elsewhere within its intervals."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from aisle.environment.facts import environment
from aisle.errors import AisleError
from aisle.evaluate.bootstrap import intervals
from aisle.evaluate.compare import Comparison, compare
from aisle.evaluate.evaluation import Evaluation
from aisle.experiment.recipe import Recipe
from aisle.experiment.record import Record, open_dataset, read_record, short_device
from aisle.experiment.registry import MODELS
from aisle.experiment.run import Run, Screen, train_run
from aisle.experiment.same_bits import ArrayGap, CaseGap, ValueGap, array_gaps, case_gaps, same_cases, value_gaps
from aisle.experiment.saved_model import Arrays, read_saved
from aisle.experiment.surroundings import Gap, gaps
from aisle.experiment.torch_facts import torch_facts

Verdict = Literal["identical", "differs", "within the interval", "outside the interval"]

# For a run that was recorded without intervals.
_RESAMPLES = 1000


@dataclasses.dataclass(frozen=True)
class Placed:
    """One metric of the rerun beside the 95% interval of the recorded run."""

    metric: str
    recorded: float
    interval: tuple[float, float]
    rerun: float

    @property
    def within(self) -> bool:
        """Whether the rerun lies in the interval."""
        return self.interval[0] <= self.rerun <= self.interval[1]


@dataclasses.dataclass(frozen=True)
class Reproduction:
    """What came out of a rerun.

    Attributes:
        run, rerun: the two folders.
        device: what trained the rerun.
        environment: what differs of all that bits depend on.
        arrays_compared: how many arrays the recorded model has.
        arrays, cases, values: what is not the same in the model, in the test cases, in metrics.json.
        placed: the metrics of the rerun beside the recorded intervals; empty where everything is the same.
        paired: rerun minus recorded, case by case; None where everything is the same, or other questions were asked.
    """

    run: Path
    rerun: Path
    device: str
    environment: tuple[Gap, ...]
    arrays_compared: int
    arrays: tuple[ArrayGap, ...]
    cases: tuple[CaseGap, ...]
    values: tuple[ValueGap, ...]
    placed: tuple[Placed, ...]
    paired: Comparison | None

    @property
    def verdict(self) -> Verdict:
        """Equal bits need no excuse; other bits have one only where the environment differs."""
        if not (self.arrays or self.cases or self.values):
            return "identical"
        if not self.environment:
            return "differs"
        return "within the interval" if all(one.within for one in self.placed) else "outside the interval"

    @property
    def good(self) -> bool:
        """Whether the run is reproduced, as far as can be expected here."""
        return self.verdict in ("identical", "within the interval")

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain JSON."""
        return {
            "run": str(self.run),
            "verdict": self.verdict,
            "good": self.good,
            "device": self.device,
            "environment": [dataclasses.asdict(gap) for gap in self.environment],
            "arrays": {"compared": self.arrays_compared, "differing": [dataclasses.asdict(gap) for gap in self.arrays]},
            "cases": [dataclasses.asdict(gap) for gap in self.cases],
            "metrics": [dataclasses.asdict(gap) for gap in self.values],
            "intervals": [{**dataclasses.asdict(one), "within": one.within} for one in self.placed],
            "paired": None if self.paired is None else self.paired.to_json(),
        }


def reproduce(run: Path, folder: Path, *, dataset: Path | None = None, screen: Screen | None = None) -> Reproduction:
    """Train a recorded run again, with its recipe, seed, threads and kind of device, and compare.

    Args:
        run: a finished run.
        folder: where the rerun is written; must be empty or not there.
        dataset: where the recorded dataset lies now; None = where it lay then.
        screen: where to speak; silent by default.

    Raises:
        AisleError: E405, E307, E413 when there is no record to hold against, E404 when the dataset is gone or another one,
            E406 when `folder` holds something, and those of `train_run`.
    """
    if folder.is_dir() and any(folder.iterdir()):
        raise AisleError(f"{folder} holds something already", hint="choose another --out for the rerun", code="E406")
    screen = screen or Screen()
    record = read_record(run)
    opened = open_dataset(record, dataset)
    here = {**environment(), **torch_facts(record.threads)}
    differing = gaps(record.environments, here, on_gpu=record.on_gpu)
    if screen.say:
        for line in _opening(record, differing):
            screen.say(line)
    rerun = train_run(opened, _as_recorded(record), folder, screen=screen)
    _, arrays = read_saved(rerun.folder / "model")
    device = short_device(rerun)
    if device != record.device:
        differing = (Gap("device", record.device, device), *differing)
    return _compared(record, rerun, arrays, differing)


def _opening(record: Record, differing: tuple[Gap, ...]) -> list[str]:
    """Say before hours of training what can be expected of them."""
    lines = []
    if record.on_gpu and not torch.cuda.is_available():
        lines.append(f"recorded on {record.device}, and there is no GPU here: the rerun trains on the CPU")
    if not differing and not lines:
        return ["the environment is the recorded one: the same bits are expected"]
    named = ", ".join(f"{gap.name} {gap.recorded} (here {gap.here})" for gap in differing)
    return [*lines, f"recorded elsewhere: {named}"] if differing else lines


def _as_recorded(record: Record) -> Recipe:
    """Return the recipe with what torch chose by itself then: the threads, and whether to take a GPU."""
    recipe = record.run.recipe
    settings = dataclasses.replace(recipe.train, threads=record.threads)
    if not MODELS[recipe.model].trained:
        return dataclasses.replace(recipe, train=settings)
    device: Literal["cpu", "cuda"] = "cuda" if record.on_gpu and torch.cuda.is_available() else "cpu"
    return dataclasses.replace(recipe, train=dataclasses.replace(settings, device=device))


def _compared(record: Record, rerun: Run, arrays: Arrays, differing: tuple[Gap, ...]) -> Reproduction:
    recorded, measured = record.run.evaluation(), rerun.evaluation()
    same_questions = same_cases(recorded, measured)
    found = Reproduction(
        run=record.run.folder,
        rerun=rerun.folder,
        device=short_device(rerun),
        environment=differing,
        arrays_compared=len(record.arrays),
        arrays=array_gaps(record.arrays, arrays),
        cases=case_gaps(recorded, measured) if same_questions else (),
        values=value_gaps(record.run.metrics, rerun.metrics),
        placed=(),
        paired=None,
    )
    if found.verdict == "identical":
        return found
    paired = compare(recorded, measured) if same_questions else None
    return dataclasses.replace(found, placed=_placed(recorded, measured), paired=paired)


def _placed(recorded: Evaluation, measured: Evaluation) -> tuple[Placed, ...]:
    """Put each metric of the rerun beside the recorded interval, made now where none was recorded."""
    names = list(recorded.metrics)
    drawn = intervals(np.stack(list(recorded.metrics.values()), axis=1), resamples=_RESAMPLES, seed=0, user_C=recorded.user)
    made = {name: (float(low), float(high)) for name, (low, high) in zip(names, drawn, strict=True)}
    return tuple(
        Placed(
            name,
            recorded.means[name],
            made[name] if np.isnan(recorded.intervals[name]).any() else recorded.intervals[name],
            measured.means[name],
        )
        for name in names
        if name in measured.means
    )
