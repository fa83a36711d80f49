from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from aisle.dataset.reader import Dataset
from aisle.errors import AisleError
from aisle.schema.manifest import SCHEMA_VERSION
from tests.dataset.logs import LOG, dataset_of


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return dataset_of(LOG, tmp_path).folder


def code_of(folder: Path) -> str:
    with pytest.raises(AisleError) as caught:
        Dataset(folder)
    assert str(folder) in caught.value.message
    return caught.value.code


def test_arrays_are_mapped_and_cannot_be_written(folder: Path) -> None:
    item = Dataset(folder).histories.item
    assert isinstance(item, np.memmap)
    assert not item.flags.writeable


def test_reading_needs_numpy_alone(folder: Path) -> None:
    script = (
        "import sys\n"
        "for name in ('torch', 'polars', 'scipy', 'pandas'): sys.modules[name] = None\n"
        "from aisle.dataset.reader import Dataset\n"
        f"print(Dataset({str(folder)!r}).histories.lengths.tolist())"
    )
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert found.stdout == "[3, 2]\n"


def test_a_folder_without_a_dataset_is_said_to_be_none(tmp_path: Path) -> None:
    assert code_of(tmp_path) == "E200"
    assert code_of(tmp_path / "missing") == "E200"


def test_a_newer_schema_is_refused(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | {"schema_version": SCHEMA_VERSION + 1}))
    assert code_of(folder) == "E202"


@pytest.mark.parametrize("text", ["", "{", "[]", "7", '{"schema_version": 1}', '{"schema_version": "new"}'])
def test_a_broken_manifest_is_refused(text: str, folder: Path) -> None:
    (folder / "manifest.json").write_text(text)
    assert code_of(folder) in ("E201", "E202")


def test_a_manifest_that_is_no_text_is_refused(folder: Path) -> None:
    (folder / "manifest.json").write_bytes(b"\xff\xfe\0")
    assert code_of(folder) == "E200"


def test_an_altered_byte_is_found(folder: Path) -> None:
    path = folder / "events.item.npy"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    assert code_of(folder) == "E203"


@pytest.mark.parametrize("cut", [0, 10, 130])
def test_an_array_cut_short_is_found(cut: int, folder: Path) -> None:
    path = folder / "events.time.npy"
    path.write_bytes(path.read_bytes()[:cut])
    assert code_of(folder) == "E203"


def test_a_missing_array_is_found(folder: Path) -> None:
    (folder / "events.event.npy").unlink()
    assert code_of(folder) == "E203"


def test_swapped_arrays_are_found(folder: Path) -> None:
    shutil.copy(folder / "items.id.data.npy", folder / "users.id.data.npy")
    assert code_of(folder) == "E203"


def test_a_pickle_is_never_opened(folder: Path) -> None:
    np.save(folder / "events.item.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    assert code_of(folder) == "E203"
