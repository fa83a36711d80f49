"""Where the results of two runs are not the same, bit for bit, and by how much."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aisle.evaluate.evaluation import Evaluation
from aisle.experiment.saved_model import Arrays

# Of metrics.json: how long it took and on what is no result; the device stands in the environment.
_NO_RESULT = ("train_seconds", "device")


@dataclass(frozen=True)
class ArrayGap:
    """One array that is not the same.

    Attributes:
        name: such as "model.item".
        what: "only recorded", "only in the rerun", other types or shapes in words, or "values".
        cells, of: how many cells differ, of how many; 0 where they cannot be compared.
        largest: absolute difference; NaN where they cannot be compared, or a cell is no number.
    """

    name: str
    what: str
    cells: int = 0
    of: int = 0
    largest: float = float("nan")


@dataclass(frozen=True)
class CaseGap:
    """One metric whose values of the test cases are not the same: how many cases of how many, and the largest difference."""

    metric: str
    cases: int
    of: int
    largest: float


@dataclass(frozen=True)
class ValueGap:
    """One value of metrics.json that is not the same, by its path such as "test.metrics.HR@10.mean"."""

    path: str
    recorded: Any
    rerun: Any


def array_gaps(recorded: Arrays, rerun: Arrays) -> tuple[ArrayGap, ...]:
    """Compare every array of two saved models: names, types, shapes and bytes, so that -0.0 is not 0.0 and NaN is NaN."""
    found = []
    for name in sorted({*recorded, *rerun}):
        if name not in rerun or name not in recorded:
            found.append(ArrayGap(name, "only recorded" if name in recorded else "only in the rerun"))
        elif gap := _array_gap(name, recorded[name], rerun[name]):
            found.append(gap)
    return tuple(found)


def _array_gap(name: str, a: NDArray[Any], b: NDArray[Any]) -> ArrayGap | None:
    if a.dtype != b.dtype or a.shape != b.shape:
        return ArrayGap(name, f"{a.dtype} {a.shape} recorded, {b.dtype} {b.shape} in the rerun")
    cells, largest = _apart(a, b)
    return ArrayGap(name, "values", cells, a.size, largest) if cells else None


def _apart(a: NDArray[Any], b: NDArray[Any]) -> tuple[int, float]:
    """Return how many cells of two arrays of one type and shape differ in their bytes, and the largest difference."""
    other = (_bytes_of_cells(a) != _bytes_of_cells(b)).any(axis=1)
    if not other.any():
        return 0, 0.0
    x, y = (cells.reshape(-1)[other].astype(np.float64) for cells in (a, b))
    return int(np.count_nonzero(other)), float(np.abs(x - y).max())


def _bytes_of_cells(array: NDArray[Any]) -> NDArray[np.uint8]:
    flat = np.ascontiguousarray(array).reshape(-1)
    return flat.view(np.uint8).reshape(len(flat), array.itemsize)


def same_cases(recorded: Evaluation, rerun: Evaluation) -> bool:
    """Say whether both were asked the same questions of the same shoppers, in the same order."""
    return recorded.protocol == rerun.protocol and np.array_equal(recorded.user, rerun.user)


def case_gaps(recorded: Evaluation, rerun: Evaluation) -> tuple[CaseGap, ...]:
    """Compare the values of every test case that two evaluations of the same cases have, metric by metric."""
    found = []
    for name in [name for name in recorded.metrics if name in rerun.metrics]:
        cases, largest = _apart(recorded.metrics[name], rerun.metrics[name])
        if cases:
            found.append(CaseGap(name, cases, len(recorded.user), largest))
    return tuple(found)


def value_gaps(recorded: Mapping[str, Any], rerun: Mapping[str, Any]) -> tuple[ValueGap, ...]:
    """Compare two contents of metrics.json value by value, baselines included, but for how long it took."""
    a, b = dict(_leaves("", recorded)), dict(_leaves("", rerun))
    # As text: NaN is not equal to itself, and the shortest text of a float is the float.
    return tuple(ValueGap(path, a.get(path), b.get(path)) for path in sorted({*a, *b}) if repr(a.get(path)) != repr(b.get(path)))


def _leaves(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        inside = [(str(key), part) for key, part in value.items() if key not in _NO_RESULT]
    elif isinstance(value, list):
        inside = [(str(place), part) for place, part in enumerate(value)]
    else:
        yield path, value
        return
    for key, part in inside:
        yield from _leaves(f"{path}.{key}".lstrip("."), part)
