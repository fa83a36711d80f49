"""The first day: the notebook runs from its first cell to its last, and what the README has a colleague type besides."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from tests import first_day

NOTEBOOK = Path(__file__).parent.parent / "notebooks" / "baseline.ipynb"
_TIMEOUT_S = 900  # a cell's, on a busy machine; the whole notebook takes about two minutes on two idle cores


def read() -> Any:
    return nbformat.read(NOTEBOOK, as_version=4)  # type: ignore[no-untyped-call]


def printed(notebook: Any, tag: str) -> str:
    """Return what the cell with a tag shows, as text."""
    (cell,) = (cell for cell in notebook.cells if tag in cell.metadata.get("tags", []))
    return "\n".join(output.data["text/plain"] for output in cell.outputs if "data" in output)


def test_it_is_committed_without_outputs() -> None:
    cells = read().cells
    assert cells[0].cell_type == "markdown"
    for cell in cells:
        if cell.cell_type == "code":
            assert (cell.outputs, cell.execution_count) == ([], None), "clear the outputs before committing"


def test_the_pages_and_folders_that_it_names_exist() -> None:
    text = "\n".join(cell.source for cell in read().cells if cell.cell_type == "markdown")
    names = re.findall(r"`((?:docs/)?[\w-]+\.md)`", text)
    assert names
    for name in names:
        assert (NOTEBOOK.parent.parent / name).exists(), name


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    """The notebook with its outputs, and the folder in which `runs/notebook` lies now."""
    notebook, place = read(), tmp_path_factory.mktemp("first-day")
    (place / "notebooks").mkdir()
    where = {"metadata": {"path": str(place / "notebooks")}}
    NotebookClient(notebook, timeout=_TIMEOUT_S, kernel_name="python3", resources=where).execute()
    return notebook, place


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.filterwarnings("ignore")  # of the notebook's machinery; our code runs in the kernel
def test_it_runs_and_its_leaderboard_holds_real_numbers(done: tuple[Any, Path]) -> None:
    notebook, _ = done
    board = {
        line.split("  ")[0]: [float(number) for number in re.findall(r"0\.\d{4}", line)]
        for line in printed(notebook, "leaderboard").splitlines()
        if "[" in line
    }
    assert set(board) == {"perfect (simulated truth)", "popularity", "item-knn", "fm", "ncf"}
    for hit_rate, low, high, ndcg, *_ in board.values():
        assert 0 < low <= hit_rate <= high < 1
        assert ndcg < hit_rate
    # Whoever looks at the shopper does better than one list for all, and nobody does better than the truth.
    assert board["popularity"][0] < board["item-knn"][0] < board["perfect (simulated truth)"][0]
    assert "item-knn is better" in printed(notebook, "comparison")
    pictures = [output for cell in notebook.cells for output in cell.get("outputs", []) if "image/png" in output.get("data", {})]
    assert len(pictures) == 4


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.filterwarnings("ignore")
def test_the_readmes_first_day_finds_nothing_wrong_and_the_same_bits(done: tuple[Any, Path]) -> None:
    """The lines with docker are run by `make test-image`."""
    doctor, reproduce = first_day.of_aisle()
    assert (doctor, reproduce[0]) == (["doctor"], "reproduce")
    for words, told in ((doctor, "0 errors"), (reproduce, "identical: ")):
        command = [sys.executable, "-m", "aisle.cli.main", *words]
        ended = subprocess.run(command, cwd=done[1], capture_output=True, text=True, check=False)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        assert told in ended.stdout
