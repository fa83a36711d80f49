"""The files of one served scorer: what `scorer.json` says of them, arrays mapped into memory, ONNX graphs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime  # type: ignore[import-untyped]
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file

from aisle.errors import AisleError

ABOUT, WEIGHTS = "scorer.json", "weights.safetensors"
_HINT = "export the run again, or restore the bundle from a copy"
_ERRORS_ONLY = 3  # ONNX Runtime's log severity


class Session:
    """An ONNX graph that is ready to run.

    Args:
        path: the file.
        threads: that one run may use. One is the least time for all requests together; more shorten a lone one.

    Raises:
        AisleError: E021 when there is no such file, E023 when ONNX Runtime cannot load it.
    """

    def __init__(self, path: Path, threads: int = 1) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.log_severity_level = _ERRORS_ONLY
        options.enable_mem_pattern = False  # made for shapes that never change
        onnxruntime.disable_telemetry_events()
        try:
            graph = path.read_bytes()  # bytes, not a path: a graph cannot bring other files along
        except OSError as error:
            raise AisleError(f"no graph {path}: {error.strerror}", hint=_HINT, code="E021") from error
        try:
            self._session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime raises a class of its own for every status
            raise AisleError(
                f"ONNX Runtime {onnxruntime.__version__} cannot load {path}: {str(error).splitlines()[0]}",
                hint=_HINT,
                code="E023",
            ) from error
        self._outputs = [output.name for output in self._session.get_outputs()]
        self.inputs = frozenset(put.name for put in self._session.get_inputs())

    def run(self, **inputs: NDArray[Any]) -> NDArray[np.float32]:
        """Return the graph's one output."""
        result: NDArray[np.float32] = self._session.run(self._outputs, inputs)[0]
        return result


@dataclass(frozen=True)
class ScorerFiles:
    """One scorer's folder, as its `scorer.json` tells it.

    Attributes:
        folder: where it lies.
        kind: how it is served: "counted", "vectors", "encoder", "pairs", "two-stage".
        model: its name in a recipe.
        config: the model's own, as JSON.
        arrays: name -> (dtype, shape) of each .npy file.
        more: what else a kind notes.
        threads: that each graph may use.
    """

    folder: Path
    kind: str
    model: str
    config: Mapping[str, Any]
    arrays: Mapping[str, tuple[str, tuple[int, ...]]]
    more: Mapping[str, Any]
    threads: int = 1

    @classmethod
    def read(cls, folder: Path, threads: int = 1) -> ScorerFiles:
        """Read `scorer.json`.

        Raises:
            AisleError: E020 when there is none, or it is none.
        """
        try:
            about = json.loads((folder / ABOUT).read_bytes())
            arrays = {name: (dtype, tuple(shape)) for name, (dtype, shape) in about["arrays"].items()}
            if not all(name.isidentifier() for name in arrays):  # a name is a file here, never a path elsewhere
                raise ValueError(f"arrays are called {', '.join(arrays)}")
            return cls(folder, about["kind"], about["model"], about["config"], arrays, about["more"], threads)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise AisleError(f"{folder / ABOUT} describes no scorer: {error!r}", hint=_HINT, code="E020") from error

    def has(self, name: str) -> bool:
        """Say whether there is such an array."""
        return name in self.arrays

    def array(self, name: str) -> NDArray[Any]:
        """Map an array into memory, read-only.

        Raises:
            AisleError: E021 when the file is missing or no array, E022 when it has another shape or kind of number.
        """
        path = self.folder / f"{name}.npy"
        if name not in self.arrays:
            raise AisleError(f"{self.folder / ABOUT} names no array '{name}'", hint=_HINT, code="E022")
        dtype, shape = self.arrays[name]
        try:
            # A file without elements cannot be mapped.
            array = np.asarray(np.load(path, mmap_mode=None if 0 in shape else "r", allow_pickle=False))
        except Exception as error:  # NumPy parses a header as Python: damage raises whatever Python's parser raises
            raise AisleError(f"array {path} cannot be read: {error}", hint=_HINT, code="E021") from error
        if (array.dtype.str, array.shape) != (dtype, shape):
            raise AisleError(
                f"array {path} holds {array.dtype.str}{array.shape}; {ABOUT} says {dtype}{shape}", hint=_HINT, code="E022"
            )
        return array

    def shaped(self, name: str, *shape: int | None) -> NDArray[Any]:
        """Map an array whose shape is known, None standing for any size.

        Raises:
            AisleError: those of `array`.
        """
        array = self.array(name)
        fits = len(array.shape) == len(shape) and all(
            want is None or have == want for have, want in zip(array.shape, shape, strict=True)
        )
        if not fits:
            wanted = "(" + ", ".join("any" if size is None else str(size) for size in shape) + ")"
            raise AisleError(
                f"array {self.folder / name}.npy has shape {array.shape}; expected {wanted}", hint=_HINT, code="E022"
            )
        return array

    def session(self, name: str) -> Session:
        """Load a graph; see `Session`."""
        return Session(self.folder / f"{name}.onnx", self.threads)

    def weights(self) -> dict[str, NDArray[Any]]:
        """Return the part of the eager model's state that no array holds.

        Raises:
            AisleError: E021 when the file is missing or damaged.
        """
        try:
            arrays: dict[str, NDArray[Any]] = load_file(self.folder / WEIGHTS)
        except (OSError, SafetensorError) as error:
            raise AisleError(f"weights {self.folder / WEIGHTS} cannot be read: {error}", hint=_HINT, code="E021") from error
        return arrays

    def below(self, name: str) -> ScorerFiles:
        """Read the scorer in a sub-folder."""
        return ScorerFiles.read(self.folder / name, self.threads)
