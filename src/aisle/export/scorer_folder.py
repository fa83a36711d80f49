"""What goes into one served scorer's folder, and writing it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from aisle.bundle.scorer_files import ABOUT, WEIGHTS
from aisle.export.graph import OPSET
from aisle.storage.arrays import write_array
from aisle.storage.atomic import write_atomic

TOLERANCE = 1e-4  # promised; tests find 1e-6 with small models


@dataclass(frozen=True)
class Served:
    """One model, taken apart.

    Attributes:
        kind: how it is served, see `bundle.scorer_files.ScorerFiles`.
        arrays: name -> what stands in a .npy file.
        graphs: name -> an ONNX file.
        weights: the rest of the eager model's state.
        more: what else the kind notes in `scorer.json`.
        n_users: in its tables; 0 where it has none.
        n_items: V.
        width: of the vectors; 0 where it has none.
    """

    kind: str
    arrays: Mapping[str, NDArray[Any]]
    n_items: int
    graphs: Mapping[str, bytes] = field(default_factory=dict)
    weights: Mapping[str, NDArray[Any]] | None = None
    more: Mapping[str, Any] = field(default_factory=dict)
    n_users: int = 0
    width: int = 0


@dataclass(frozen=True)
class ScorerReport:
    """What was written.

    Attributes:
        model: its name in a recipe.
        kind: how it is served.
        n_users: in its tables; 0 where it has none.
        n_items: V.
        width: of the vectors; 0 where it has none.
        opset: of the graphs; None where there is none.
        graphs: the names of the graphs, with the sub-folder they are in.
        size_bytes: of all files.
        tolerance: how far a score may be from the eager model's, absolute or relative, whichever is more; 0 where it is the
            same code on the same numbers.
    """

    model: str
    kind: str
    n_users: int
    n_items: int
    width: int
    opset: int | None
    graphs: tuple[str, ...]
    size_bytes: int
    tolerance: float


def write_scorer(folder: Path, model: str, config: Any, served: Served) -> ScorerReport:
    """Write the files of one scorer into a folder, which is made where it is missing.

    The folder is part of one that is built beside its place and renamed when it is whole, see `storage.atomic`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {name: np.ascontiguousarray(array) for name, array in served.arrays.items()}
    for name, array in arrays.items():
        _write_array(folder / f"{name}.npy", array)
    for name, graph in served.graphs.items():
        write_atomic(folder / f"{name}.onnx", graph)
    if served.weights is not None:
        save_file({name: np.ascontiguousarray(array) for name, array in served.weights.items()}, folder / WEIGHTS)
    about = {
        "kind": served.kind,
        "model": model,
        "config": dataclasses.asdict(config),
        "opset": OPSET if served.graphs else None,
        "arrays": {name: [array.dtype.str, array.shape] for name, array in arrays.items()},
        "more": served.more,
    }
    write_atomic(folder / ABOUT, json.dumps(about, indent=2))
    graphs = tuple(sorted(path.relative_to(folder).with_suffix("").as_posix() for path in folder.rglob("*.onnx")))
    size_bytes = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    opset = OPSET if graphs else None
    tolerance = 0.0 if served.kind == "counted" else TOLERANCE
    return ScorerReport(model, served.kind, served.n_users, served.n_items, served.width, opset, graphs, size_bytes, tolerance)


def _write_array(path: Path, array: NDArray[Any]) -> None:
    if array.ndim in (1, 2):
        write_array(path, array)
    else:
        np.save(path, array, allow_pickle=False)
