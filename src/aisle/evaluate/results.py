"""Evaluations on disk: one folder with the report as JSON and the values a case as arrays. Nothing is pickled."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aisle.errors import AisleError
from aisle.evaluate.evaluation import Evaluation
from aisle.evaluate.rating import DERIVED
from aisle.evaluate.slices import Slice
from aisle.storage.arrays import write_array
from aisle.storage.atomic import atomic_folder

REPORT_NAME = "evaluation.json"
USER_NAME = "user.npy"
VALUE_NAME = "value.npy"


def save_evaluation(evaluation: Evaluation, folder: Path) -> None:
    """Write `evaluation.json`, `user.npy` (C,) and `value.npy` (C, M), its columns in the order of "metrics".

    Raises:
        AisleError: E601 when the place cannot be written.
    """
    with atomic_folder(folder, overwrite=True) as partial:
        (partial / REPORT_NAME).write_text(json.dumps(evaluation.to_json(), indent=2) + "\n")
        write_array(partial / USER_NAME, evaluation.user)
        write_array(partial / VALUE_NAME, np.stack(list(evaluation.metrics.values()), axis=1))


def load_evaluation(folder: Path) -> Evaluation:
    """Read what `save_evaluation` wrote.

    Raises:
        AisleError: E702 when it is not there, damaged, or does not fit together.
    """
    try:
        report = json.loads((folder / REPORT_NAME).read_text())
        user: NDArray[np.int32] = np.load(folder / USER_NAME, allow_pickle=False)
        value_CM: NDArray[np.float64] = np.load(folder / VALUE_NAME, allow_pickle=False)
        return _assemble(report, user, value_CM)
    except (OSError, ValueError, KeyError, TypeError, EOFError) as error:
        raise AisleError(f"no evaluation can be read at {folder}: {error}", hint="train that run again", code="E702") from error


def _assemble(report: dict[str, Any], user: NDArray[np.int32], value_CM: NDArray[np.float64]) -> Evaluation:
    names = [name for name in report["metrics"] if name not in DERIVED]
    if value_CM.shape != (len(user), len(names)) or len(user) != report["counts"]["cases"]:
        raise ValueError(f"{len(names)} metrics of {report['counts']['cases']} cases are expected, seen {value_CM.shape}")
    return Evaluation(
        protocol=report["protocol"],
        user=user,
        metrics={name: value_CM[:, column] for column, name in enumerate(names)},
        means=_means(report["metrics"]),
        intervals=_intervals(report["metrics"]),
        aggregates=report["aggregates"],
        counts=report["counts"],
        slices=tuple(
            Slice(part["name"], part["cases"], _means(part["metrics"]), _intervals(part["metrics"])) for part in report["slices"]
        ),
        settings=report["settings"],
    )


def _means(metrics: dict[str, Any]) -> dict[str, float]:
    return {name: entry["mean"] for name, entry in metrics.items()}


def _intervals(metrics: dict[str, Any]) -> dict[str, tuple[float, float]]:
    return {name: tuple(entry["ci"]) if entry["ci"] else (float("nan"), float("nan")) for name, entry in metrics.items()}
