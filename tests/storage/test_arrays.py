from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from aisle.errors import AisleError
from aisle.storage.arrays import ArrayWriter, array_sha256, read_array, write_array


@pytest.mark.parametrize(
    "values",
    [
        np.arange(5, dtype=np.int32),
        np.zeros((3, 2), np.float32),
        np.zeros(0, np.uint8),
        np.zeros((0, 4), np.int64),
        np.ones(1, ">i4"),
    ],
)
def test_what_is_written_is_read_back_and_numpy_can_read_it_alone(values: NDArray[Any], tmp_path: Path) -> None:
    info = write_array(tmp_path / "x.npy", values)
    again = read_array(tmp_path / "x.npy", info, verify=True)
    assert np.array_equal(again, values)
    assert np.array_equal(np.load(tmp_path / "x.npy"), values)
    assert info.sha256 == array_sha256(again)


def test_pieces_make_the_same_file_as_the_whole(tmp_path: Path) -> None:
    values = np.arange(1000, dtype=np.int64)
    whole = write_array(tmp_path / "whole.npy", values)
    with ArrayWriter(tmp_path / "pieces.npy", values.dtype) as writer:
        for start in range(0, 1000, 7):
            writer.append(values[start : start + 7])
    assert writer.info == whole
    assert (tmp_path / "pieces.npy").read_bytes() == (tmp_path / "whole.npy").read_bytes()


def test_the_data_begin_at_a_multiple_of_64_bytes(tmp_path: Path) -> None:
    write_array(tmp_path / "x.npy", np.arange(3, dtype=np.int64))
    assert (tmp_path / "x.npy").stat().st_size == 128 + 3 * 8


def test_another_dtype_or_shape_than_the_manifest_says_is_refused(tmp_path: Path) -> None:
    info = write_array(tmp_path / "x.npy", np.arange(3, dtype=np.int64))
    write_array(tmp_path / "x.npy", np.arange(3, dtype=np.int32))
    with pytest.raises(AisleError, match="E203"):
        read_array(tmp_path / "x.npy", info)
