"""A model on disk: one JSON file, one safetensors file with its arrays, id maps and histories. No pickle."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from aisle import __version__
from aisle.errors import AisleError
from aisle.storage.atomic import atomic_folder

FORMAT_VERSION = 1
HINT = "save the model again, or train it again"
_MODEL_NAME, _ARRAYS_NAME = "model.json", "model.safetensors"

Arrays = dict[str, NDArray[Any]]


def write_saved(folder: Path, recipe: Mapping[str, Any], arrays: Arrays, *, overwrite: bool) -> None:
    """Write a model's folder: all of it or nothing."""
    about = {"format_version": FORMAT_VERSION, "aisle_version": __version__, "recipe": recipe}
    with atomic_folder(folder, overwrite=overwrite, marker=_MODEL_NAME) as partial:
        (partial / _MODEL_NAME).write_text(json.dumps(about, indent=2))
        save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, partial / _ARRAYS_NAME)


def read_saved(folder: Path) -> tuple[dict[str, Any], Arrays]:
    """Read what `write_saved` wrote: the JSON and the arrays.

    Raises:
        AisleError: E307 when there is none, or it is newer or damaged.
    """
    try:
        about = json.loads((folder / _MODEL_NAME).read_text())
        version = about["format_version"]
        if version != FORMAT_VERSION:
            raise AisleError(
                f"model {folder} has format {version}; this aisle reads format {FORMAT_VERSION}",
                hint="upgrade aisle",
                code="E307",
            )
        return about, load_file(folder / _ARRAYS_NAME)
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise AisleError(f"no model can be read from {folder}: {error}", hint=HINT, code="E307") from error
