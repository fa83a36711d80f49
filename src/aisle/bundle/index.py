"""Make, keep and open the index of a bundle: a folder `index/` beside the item matrix, which is kept once and not in it.

index.json     the kind, its parameters, and the size of the item matrix it was made for
scorable.npy   (V,) bool, the items that may be returned
index.faiss    of "hnsw" and "ivf" only
place.npy      (N,) int64, the item code of each place of index.faiss; only where some items cannot be scored
coarse.onnx    of "exact" only, and not of small catalogues: the items in 7 bits, for a first look at all of them
coarse.npy     (2 + D,) float32: what bounds their error, then how large a step of each dimension is
"""

# V items of the catalogue   D width of a vector   S sample vectors

from __future__ import annotations

__all__ = ["Index", "IndexConfig", "IndexReport", "build_index", "choose_kind", "open_index"]

import dataclasses
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aisle.bundle.coarse import Coarse, build_coarse
from aisle.bundle.exact import ExactIndex
from aisle.bundle.faiss_index import build_faiss, open_faiss
from aisle.bundle.index_config import Index, IndexConfig, choose_kind
from aisle.bundle.index_report import IndexReport, measure_index
from aisle.errors import AisleError

FORMAT_VERSION = 1
_HINT = "restore the bundle from a copy, or export it again"


def build_index(
    item_VD: NDArray[np.float32],
    scorable_V: NDArray[np.bool_],
    config: IndexConfig,
    folder: Path,
    sample_SD: NDArray[np.float32],
) -> IndexReport:
    """Make an index, write it into a folder and measure it against the exact lists.

    Args:
        item_VD: (V, D) float32 item vectors, biases folded in; may be memory-mapped.
        scorable_V: (V,) bool.
        config: which kind, and how.
        folder: where to; made where it is missing.
        sample_SD: (S, D) vectors as they will be asked; a few hundred. An approximate index is tuned on the first half and
            measured on the second.

    Raises:
        AisleError: E030 when FAISS is needed and not installed, E034 for an item matrix that cannot be indexed.
    """
    exact = ExactIndex(item_VD, scorable_V)
    _check_matrix(item_VD, scorable_V, sample_SD)
    kind = choose_kind(*item_VD.shape) if config.kind == "auto" else config.kind
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "scorable.npy", exact.scorable_V, allow_pickle=False)
    start = time.perf_counter()
    about: dict[str, Any] = {"format_version": FORMAT_VERSION, "kind": kind, "items": len(item_VD), "dim": item_VD.shape[1]}
    if kind == "exact":
        about["coarse"] = build_coarse(item_VD, folder)
    else:
        tune_SD = sample_SD[: max(1, len(sample_SD) // 2)]
        about["faiss"] = build_faiss(exact, dataclasses.replace(config, kind=kind), folder, tune_SD)
    about["config"] = dataclasses.asdict(config)
    build_s = time.perf_counter() - start
    (folder / "index.json").write_text(json.dumps(about, indent=2) + "\n")
    measure_SD = sample_SD if kind == "exact" else sample_SD[len(sample_SD) // 2 :]
    return measure_index(open_index(folder, item_VD), exact, measure_SD, folder, build_s)


def open_index(folder: Path, item_VD: NDArray[np.float32]) -> Index:
    """Open what `build_index` wrote.

    Args:
        folder: the bundle's index/.
        item_VD: (V, D) the item matrix that it was made for.

    Raises:
        AisleError: E030 when FAISS is needed and not installed, E032 when the folder is damaged, newer, or of another matrix.
    """
    try:
        about = json.loads((folder / "index.json").read_text())
        scorable_V = np.load(folder / "scorable.npy", allow_pickle=False)
        shape, kind = (about["items"], about["dim"]), about["kind"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise AisleError(f"the index at {folder} cannot be read: {error}", hint=_HINT, code="E032") from error
    if about.get("format_version") != FORMAT_VERSION or kind not in ("exact", "hnsw", "ivf"):
        raise AisleError(
            f"the index at {folder} is of format {about.get('format_version')} and kind {kind}; expected {FORMAT_VERSION}",
            hint="upgrade aisle, or export the model again with this one",
            code="E032",
        )
    if shape != item_VD.shape or scorable_V.shape != item_VD.shape[:1]:
        raise AisleError(
            f"the index at {folder} is of {shape[0]:,} x {shape[1]} vectors; the item matrix has {item_VD.shape}",
            hint=_HINT,
            code="E032",
        )
    if kind == "exact":
        return ExactIndex(item_VD, scorable_V, Coarse.open(folder, item_VD.shape) if about.get("coarse") else None)
    return open_faiss(folder, about, ExactIndex(item_VD, scorable_V))


def _check_matrix(item_VD: NDArray[np.float32], scorable_V: NDArray[np.bool_], sample_SD: NDArray[np.float32]) -> None:
    """Refuse what no index can be made of; read in parts, since it may be larger than memory."""
    if not scorable_V.any() or not len(sample_SD) or sample_SD.shape[1:] != item_VD.shape[1:]:
        raise AisleError(
            f"{np.count_nonzero(scorable_V):,} items to index and sample vectors of shape {sample_SD.shape}; "
            f"expected at least one of each, of width {item_VD.shape[1]}",
            hint="train on more events, and give vectors of shoppers as they will be asked",
            code="E034",
        )
    for start in range(0, len(item_VD), 1_000_000):
        finite_V = np.isfinite(item_VD[start : start + 1_000_000]).all(axis=1) | ~scorable_V[start : start + 1_000_000]
        if not finite_V.all():
            raise AisleError(
                f"the vector of item code {start + int(np.argmin(finite_V))} holds NaN or infinity",
                hint="train the model again with a smaller learning rate",
                code="E034",
            )
