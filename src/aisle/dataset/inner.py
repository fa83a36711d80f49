"""A split inside the training part: for a model that learns from what other models say about events they have not seen."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from aisle.dataset.cases import Split
from aisle.dataset.cold import cold_items
from aisle.dataset.reader import Dataset
from aisle.dataset.split import split as cut
from aisle.dataset.split_config import SplitConfig


def inner_split(dataset: Dataset, outer: Split, *, share: float, max_cases: int | None) -> Split:
    """Cut the training part of a split as the split cut the dataset: nothing of validation or test is looked at.

    A time split is cut once more at a moment before its validation; any other asks for each user's last training event.

    Args:
        dataset: that was split.
        outer: its split.
        share: of the training events, the latest, that lie after a cut in time.
        max_cases: most questions.

    Returns:
        A split whose `refit` is what may be learned from and whose `test` are the questions; it has no validation to use.

    Raises:
        AisleError: E255 when nothing is left to ask, E251 when nothing is left to learn from.
    """
    known = {field.name for field in dataclasses.fields(SplitConfig)}
    told = {name: tuple(cell) if isinstance(cell, list) else cell for name, cell in outer.description.items() if name in known}
    asked = SplitConfig(**told)  # type: ignore[arg-type]  # the description repeats the config
    if asked.kind == "time":
        keep = dataset.histories.time < _microseconds(str(outer.description["validation_time"]))
        keep &= ~cold_items(dataset.n_items, asked.cold_items, asked.seed)[dataset.histories.item]
    else:
        keep = np.zeros(len(dataset.histories.item), np.bool_)
        keep[outer.train_index] = True
    inner = dataclasses.replace(
        asked,
        kind="time" if asked.kind == "time" else "leave-one-out",
        validation_share=0.0,
        test_share=share,
        cut_times=None,
        max_cases=max_cases,
        hide_answers=False,
    )
    return _rows_of(np.flatnonzero(keep), cut(dataset.only(keep), inner))


def _rows_of(row: NDArray[np.int64], part: Split) -> Split:
    """Let a split of some of the events name their rows in the whole dataset."""
    return dataclasses.replace(part, train_index=row[part.train_index], refit_index=row[part.refit_index])


def _microseconds(moment: str) -> int:
    return int(np.datetime64(moment.removesuffix("Z"), "us").astype(np.int64))
