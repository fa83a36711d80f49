"""Where things lie in a bundle's folder, and how groups of arrays are written and mapped again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aisle.errors import AisleError
from aisle.storage.arrays import write_array

RECIPE_NAME = "recipe.json"
METRICS_NAME = "metrics.json"
ENVIRONMENT_NAME = "environment.json"
GOLDEN_NAME = "golden.json"
KNOWLEDGE_NAME = "knowledge.json"
ARRAYS = "arrays"  # id maps, histories, popularity, the shelf, words of the context
MODEL = "model"  # a served scorer, see `bundle.scorers`
INDEX = "index"
CATALOGUE = "catalogue"
TEST = "test"  # per-case results on the test part, for comparison with another bundle


def write_arrays(folder: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write each array as `<name>.npy`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in arrays.items():
        write_array(folder / f"{name}.npy", np.asarray(array))


def read_arrays(folder: Path) -> dict[str, NDArray[Any]]:
    """Map every array of a folder, read-only.

    Raises:
        AisleError: E014 when one cannot be read.
    """
    return {path.name.removesuffix(".npy"): read_mapped(path) for path in sorted(folder.glob("*.npy"))}


def read_mapped(path: Path) -> NDArray[Any]:
    """Map one array, read-only; an empty one, which cannot be mapped, is read.

    Raises:
        AisleError: E014 when it cannot be read.
    """
    try:
        try:
            mapped: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
        except ValueError:
            mapped = np.load(path, allow_pickle=False)
    except Exception as error:  # NumPy parses a header as Python: damage raises whatever Python's parser raises
        raise AisleError(f"array {path} of the bundle cannot be read: {error}", hint="export it again", code="E014") from error
    return np.asarray(mapped)  # still mapped, as a plain array: an element of a memmap takes three times as long to get at
