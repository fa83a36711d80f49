"""The GPU tier's script, on CPU: it runs where torch and NumPy are all there is, and goes on where it was interrupted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from aisle.dataset.cases import Split
from aisle.dataset.reader import Dataset
from aisle.dataset.split import SplitConfig, split
from aisle.errors import AisleError
from aisle.train.fit import pair_batches, train_model
from aisle.train.watch import Watch
from benchmarks.gpu.carried import read_carried, write_carried
from benchmarks.gpu.kept import NumpyCheckpoints
from benchmarks.gpu.tiers import TIERS, Call, OutOfTime, run, with_settings
from tests.train.worlds import CONFIG, build_ncf, mean_score, same_bits, small_part

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "benchmarks" / "gpu" / "train.py"
# What a bare machine lacks. importlib.metadata would find them; an import must not.
BLOCKED = ("pydantic", "safetensors", "polars", "scipy", "click", "rich", "matplotlib", "tensorboard", "zstandard")
QUICK = ["train.epochs=1", "train.device=cpu", "parameters.width=16", "parameters.length=20"]


@pytest.fixture
def bare(tmp_path: Path) -> dict[str, str]:
    """An environment where each package that a bare machine lacks raises when it is imported."""
    broken = tmp_path / "broken"
    for name in BLOCKED:
        (broken / name).mkdir(parents=True)
        (broken / name / "__init__.py").write_text(f"raise ImportError('{name} is blocked')")
    return {**os.environ, "PYTHONPATH": str(broken), "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def parts(dataset: Dataset) -> Split:
    return split(dataset, SplitConfig(kind="leave-one-out"))


@pytest.fixture(scope="module")
def carried(dataset: Dataset, parts: Split, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gpu") / "carried"
    write_carried(parts, {"dataset": "simulated", "content_hash": "abc", "n_items": dataset.n_items}, folder)
    return folder


def test_what_is_carried_is_the_split_bit_for_bit(carried: Path, parts: Split, dataset: Dataset) -> None:
    again = read_carried(carried)
    assert again.n_items == dataset.n_items
    for field in ("offsets", "item", "event", "time"):
        first, second = getattr(parts.train, field), getattr(again.train, field)
        assert first.dtype == second.dtype
        assert np.array_equal(first, second)
    for name in ("validation", "test"):
        for field in ("user", "target_offsets", "target_item"):
            assert np.array_equal(getattr(getattr(parts, name), field), getattr(getattr(again, name), field))
        assert np.array_equal(getattr(parts, name).known.item, getattr(again, name).known.item)


def test_cases_that_would_lose_something_are_not_carried(parts: Split, tmp_path: Path) -> None:
    negatives = np.zeros((len(parts.test), 1), np.int32)
    sampled = replace(parts, test=replace(parts.test, negatives=negatives))
    with pytest.raises(AisleError, match="without negatives"):
        write_carried(sampled, {}, tmp_path)


def test_a_missing_data_set_is_an_error_with_the_command_that_makes_it(tmp_path: Path) -> None:
    with pytest.raises(AisleError, match=r"benchmarks\.gpu\.export"):
        read_carried(tmp_path)


def test_a_run_cut_after_any_epoch_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    def train(folder: Path, stop_after: int = 0) -> object:
        def on_epoch(record: object) -> None:
            if getattr(record, "epoch", 0) == stop_after:
                raise KeyboardInterrupt

        watch = Watch(mean_score, on_epoch)
        store = NumpyCheckpoints(folder, {"dataset": "abc"})
        return train_model(build_ncf, small_part(), None, CONFIG, batches=pair_batches, watch=watch, checkpoints=store).model

    whole = train(tmp_path / "whole")
    for epoch in (1, 3):
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path / f"cut{epoch}", epoch)
        assert same_bits(whole, train(tmp_path / f"cut{epoch}"))  # type: ignore[arg-type]


def test_a_checkpoint_of_another_dataset_is_refused(tmp_path: Path) -> None:
    def train(dataset: str) -> None:
        store = NumpyCheckpoints(tmp_path, {"dataset": dataset})
        quick = replace(CONFIG, epochs=1)
        train_model(build_ncf, small_part(), None, quick, batches=pair_batches, checkpoints=store)

    train("abc")
    with pytest.raises(AisleError, match="E506"):
        train("xyz")


def test_the_script_imports_with_torch_and_numpy_alone(bare: dict[str, str], tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--help"], capture_output=True, text=True, env=bare, cwd=tmp_path, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "--model" in done.stdout


def test_the_blocked_packages_are_really_blocked(bare: dict[str, str], tmp_path: Path) -> None:
    code = f"import importlib\nfor name in {BLOCKED!r}:\n    try:\n        importlib.import_module(name)\n"
    code += "    except ImportError:\n        continue\n    raise SystemExit(name)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=bare, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr


def test_settings_of_a_tier_can_be_changed_by_name() -> None:
    tier = with_settings(TIERS["sasrec"], ["parameters.width=32", "train.precision=float32", "train.seed=7"])
    assert (tier.model.width, tier.train.precision, tier.train.seed) == (32, "float32", 7)
    for wrong in ("width=32", "parameters.widht=32", "train.seed"):
        with pytest.raises(AisleError, match="E401"):
            with_settings(TIERS["sasrec"], [wrong])


@pytest.mark.slow
def test_a_run_that_is_out_of_time_goes_on_and_looks_at_the_test_part_only_when_it_is_asked_to(
    carried: Path, tmp_path: Path
) -> None:
    tier = with_settings(TIERS["sasrec"], [*QUICK, "train.epochs=2"])
    call = Call("sasrec", tier, tmp_path, minutes=0)
    for _ in range(2):
        with pytest.raises(OutOfTime):
            run(read_carried(carried), call)
    chosen = run(read_carried(carried), replace(call, test=False))
    assert "HR@10" not in chosen
    assert chosen["epochs"] == 2
    assert not (tmp_path / "result.json").exists()
    assert run(read_carried(carried), call)["validation NDCG@10"] == chosen["validation NDCG@10"]
    with pytest.raises(AisleError, match="E506"):
        run(read_carried(carried), replace(call, tier=with_settings(tier, ["train.seed=2"])))


@pytest.mark.slow
@pytest.mark.parametrize("model", ["lstm", "sasrec", "ligr"])
def test_one_epoch_through_the_script_ends_with_a_line_of_results(
    model: str, carried: Path, bare: dict[str, str], tmp_path: Path
) -> None:
    command = [sys.executable, str(SCRIPT), "--data", str(carried), "--model", model, "--out", str(tmp_path / "out")]
    for _ in range(2):  # the second call reads the finished run
        done = subprocess.run([*command, "--set", *QUICK], capture_output=True, text=True, env=bare, cwd=tmp_path, check=False)
        assert done.returncode == 0, done.stderr
        line = json.loads(done.stdout.splitlines()[-1])
        assert line["model"] == model
        assert line["device"].startswith("cpu")
        assert 0 <= line["NDCG@10"] <= line["HR@10"] <= 1
    assert json.loads((tmp_path / "out" / "result.json").read_text()) == line
    assert (tmp_path / "out" / "model.npz").exists()
