"""Random damage to good files: an error that the user can mend, or rows that add up."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aisle.dataset.prepare import prepare
from aisle.dataset.reader import Dataset
from aisle.errors import AisleError
from tests.dataset.logs import LOG
from tests.logs.files import write

T = TypeVar("T")
NAMES = ("log.csv", "log.csv.gz", "log.csv.zst", "log.jsonl", "log.parquet")


def outcome(do: Callable[[], T]) -> tuple[str, T | None]:
    """What was said, or what was made; any other exception is a failure."""
    try:
        return "", do()
    except AisleError as error:
        return str(error), None


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
def test_a_damaged_log_is_an_error_or_adds_up(name: str, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    content = bytearray(write(LOG, folder / name).read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content)))
        junk = data.draw(st.binary(max_size=8) | st.sampled_from([b'"', b"\n", b",", b"\0", b"\xff"]))
        content[at : at + data.draw(st.integers(0, 8))] = junk
    (folder / name).write_bytes(bytes(content))
    error, rows = outcome(lambda: prepare(folder / name, folder / "place" / "out", max_rejects=1.0).rows)
    if rows is None:
        assert str(folder) in error or "E116" in error
        assert list((folder / "place").glob("*")) == []
    else:
        assert rows.read == rows.kept + rows.rejected + rows.filtered
    shutil.rmtree(folder)


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_a_damaged_dataset_is_an_error_and_never_a_crash(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("damage") / "dataset"
    prepare(LOG, folder)
    names = sorted(path.name for path in folder.iterdir() if path.suffix != ".parquet")
    path = folder / data.draw(st.sampled_from(names))
    content = bytearray(path.read_bytes())
    at = data.draw(st.integers(0, len(content)))
    content[at : at + data.draw(st.integers(0, 20))] = data.draw(st.binary(max_size=20))
    path.write_bytes(bytes(content))
    error, opened = outcome(lambda: Dataset(folder))
    assert opened is not None or "E20" in error
    del opened
    shutil.rmtree(folder.parent)
