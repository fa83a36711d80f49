"""`aisle recommend --bundle`: the lists of the run, without torch."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from aisle.bundle.bundle import Bundle
from aisle.bundle.question import Question
from aisle.cli import bundle_lists
from aisle.cli.main import main
from aisle.dataset.reader import Dataset
from aisle.errors import AisleError
from aisle.experiment.recipe import load_recipe
from aisle.experiment.run import train_run
from aisle.export.bundle import export_run


@pytest.fixture(scope="module")
def folder(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of item-kNN."""
    place = tmp_path_factory.mktemp("lists")
    run = train_run(dataset, load_recipe("item-knn", ["evaluate.resamples=50", "baselines=[]"]), place / "run")
    export_run(run, place / "bundle")
    return place / "bundle"


def aisle(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["aisle", *map(str, arguments)])
    return main()


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_everybody_s_lists_are_written_in_parts_and_come_out_whole(
    suffix: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundle_lists, "_PART_SHOPPERS", 90)  # 400 shoppers: five parts
    out = tmp_path / f"recs.{suffix}"
    assert aisle(monkeypatch, "recommend", "--bundle", folder, "--all-users", "--k", 4, "--out", out) == 0
    table = pl.read_parquet(out) if suffix == "parquet" else pl.read_csv(out)
    bundle = Bundle.open(folder)
    users = bundle.users.decode(range(len(bundle.users)))
    assert table["user_id"].unique(maintain_order=True).to_list() == users
    assert len(table) == 4 * len(users)
    answer = bundle.recommend([Question(user_id=users[7], k=4)])[0]
    assert table.filter(pl.col("user_id") == users[7])["item_id"].to_list() == [item.item_id for item in answer.items]
    assert [path.name for path in tmp_path.iterdir()] == [out.name], "nothing is left beside the table"


def test_two_runs_at_once_do_not_mix_and_the_last_one_stays(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundle_lists, "_PART_SHOPPERS", 2)
    bundle, out, real = Bundle.open(folder), tmp_path / "recs.parquet", bundle_lists._answers
    users = bundle.users.decode(range(6))
    begun: list[int] = []

    def meanwhile(*given: Any) -> Any:
        begun.append(len(begun))
        if len(begun) == 2:  # the first run has written one part of three
            assert bundle_lists.write_lists(bundle, users[3:], Question(k=2), out) == 6
            assert pl.read_parquet(out)["user_id"].unique(maintain_order=True).to_list() == users[3:]
        return real(*given)

    monkeypatch.setattr(bundle_lists, "_answers", meanwhile)
    assert bundle_lists.write_lists(bundle, users[:5], Question(k=3), out) == 15
    assert pl.read_parquet(out)["user_id"].unique(maintain_order=True).to_list() == users[:5]
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.parametrize("stop", [KeyboardInterrupt, OSError(28, "No space left on device")])
def test_a_run_that_is_stopped_leaves_the_old_table_and_nothing_else(
    stop: Any, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundle_lists, "_PART_SHOPPERS", 2)
    (tmp_path / "recs.csv").write_text("of yesterday")
    bundle, real, begun = Bundle.open(folder), bundle_lists._answers, []

    def stopped(*given: Any) -> Any:
        begun.append(1)
        if len(begun) == 2:
            raise stop
        return real(*given)

    monkeypatch.setattr(bundle_lists, "_answers", stopped)
    with pytest.raises((KeyboardInterrupt, AisleError)):
        bundle_lists.write_lists(bundle, None, Question(k=3), tmp_path / "recs.csv")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("recs.csv", "of yesterday")]


def test_the_table_is_on_disk_before_it_takes_its_name(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def note_sync(handle: int) -> None:
        order.append(f"sync {os.fstat(handle).st_size if stat.S_ISREG(os.fstat(handle).st_mode) else 'folder'}")
        fsync(handle)

    def note_replace(self: Path, target: Path) -> Path:
        order.append(f"replace {self.stat().st_size}")
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", note_sync)
    monkeypatch.setattr(Path, "replace", note_replace)
    bundle_lists.write_lists(Bundle.open(folder), None, Question(k=3), tmp_path / "recs.parquet")
    size = (tmp_path / "recs.parquet").stat().st_size
    assert order == [f"sync {size}", f"replace {size}", "sync folder"]


def test_lists_of_a_bundle_need_no_torch(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "__init__.py").write_text("raise ImportError('torch is blocked')")
    command = [sys.executable, "-m", "aisle.cli.main", "recommend", "--bundle", str(folder), "--user", "nobody", "--json"]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert [row["source"] for row in told["recommendations"]] == ["popular"] * 10


def test_a_run_and_a_bundle_are_two_models_and_none_is_none(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert aisle(monkeypatch, "recommend", folder, "--bundle", folder, "--user", "x") == 2
    assert aisle(monkeypatch, "recommend", "--user", "x") == 2
