"""A recorded run comes out again with the same bits; what keeps it from that is found and named."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from aisle.dataset.reader import Dataset
from aisle.errors import AisleError
from aisle.experiment.recipe import load_recipe, recipe_as_dict, write_recipe
from aisle.experiment.reproduce import Reproduction, reproduce
from aisle.experiment.run import Screen, read_run, train_run
from aisle.experiment.same_bits import array_gaps, value_gaps
from aisle.experiment.saved_model import Arrays
from aisle.experiment.surroundings import Gap, bit_facts, gaps
from tests.experiment.test_run import PowerCutError, cut_power_in_epoch

QUICK = ["train.epochs=2", "evaluate.resamples=50", "baselines=['popularity']"]


@pytest.fixture(scope="module", autouse=True)
def one_commit() -> Iterator[None]:
    """A commit while the tests run is another environment, and not what is tested here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("aisle.environment.facts.git_commit", lambda file: "abc")
        yield


@pytest.fixture(scope="module")
def popularity(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_run(dataset, load_recipe("popularity", QUICK), tmp_path_factory.mktemp("recorded") / "run").folder


@pytest.fixture(scope="module")
def ncf(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_run(dataset, load_recipe("ncf", QUICK), tmp_path_factory.mktemp("recorded") / "run").folder


@pytest.fixture
def copy(tmp_path: Path) -> Callable[[Path], Path]:
    """A copy of a run that a test may alter."""

    def make(run: Path) -> Path:
        return Path(shutil.copytree(run, tmp_path / "copy"))

    return make


def alter_json(file: Path, **changes: Any) -> None:
    """Change keys of a JSON file; "a.b" goes into a section."""
    document = json.loads(file.read_text())
    for path, value in changes.items():
        *sections, key = path.split("__")
        inside = document
        for section in sections:
            inside = inside[section]
        inside[key] = value
    file.write_text(json.dumps(document))


def alter_recipe(run: Path, change: str) -> None:
    """Change a key where a run says its recipe, and where its model does."""
    recipe = load_recipe(run / "recipe.toml", [change])
    write_recipe(recipe, run / "recipe.toml")
    alter_json(run / "model" / "model.json", recipe=recipe_as_dict(recipe))


def alter_weight(run: Path, name: str, by: float) -> None:
    """Add to the first cell of one array."""
    arrays = load_file(run / "model" / "model.safetensors")
    arrays[name].reshape(-1)[0] += by
    save_file(arrays, run / "model" / "model.safetensors")


def shift_cases(run: Path, by: float) -> None:
    """Record a result that is better by so much in every case, means and intervals with it."""
    np.save(run / "test" / "value.npy", np.load(run / "test" / "value.npy") + by)
    report = json.loads((run / "test" / "evaluation.json").read_text())
    for metric in report["metrics"].values():
        metric["mean"] += by
        metric["ci"] = [edge + by for edge in metric["ci"]]
    (run / "test" / "evaluation.json").write_text(json.dumps(report))
    alter_json(run / "metrics.json", test=report)


@pytest.mark.parametrize("model", ["popularity", "fm", "ncf", pytest.param("lstm", marks=pytest.mark.slow)])
def test_a_rerun_in_the_same_environment_has_the_same_bits(dataset: Dataset, tmp_path: Path, model: str) -> None:
    run = train_run(dataset, load_recipe(model, QUICK), tmp_path / "run")
    said: list[str] = []
    result = reproduce(run.folder, tmp_path / "rerun", screen=Screen(said.append))
    assert (result.verdict, result.good, result.environment) == ("identical", True, ())
    assert result.arrays_compared == len(load_file(run.folder / "model" / "model.safetensors")) > 3
    assert said[0] == "the environment is the recorded one: the same bits are expected"
    weights = [(folder / "model" / "model.safetensors").read_bytes() for folder in (run.folder, tmp_path / "rerun")]
    assert weights[0] == weights[1]
    assert (tmp_path / "rerun" / "test" / "value.npy").read_bytes() == (run.folder / "test" / "value.npy").read_bytes()


def test_a_resumed_run_comes_out_of_an_uninterrupted_one(dataset: Dataset, tmp_path: Path) -> None:
    recipe = load_recipe("fm", QUICK)
    with pytest.raises(PowerCutError):
        train_run(dataset, recipe, tmp_path / "run", screen=cut_power_in_epoch(2))
    train_run(dataset, recipe, tmp_path / "run", resume=True)
    alter_json(tmp_path / "run" / "environment.resume.json", cpu_capability="AVX1024")
    result = reproduce(tmp_path / "run", tmp_path / "rerun")
    assert [gap.name for gap in result.environment] == ["CPU capability of torch"], "of either part of the run"
    assert result.verdict == "identical"


def test_an_altered_weight_is_named_with_how_far_it_is_off(ncf: Path, copy: Callable[[Path], Path], tmp_path: Path) -> None:
    run = copy(ncf)
    name = next(name for name, array in load_file(run / "model" / "model.safetensors").items() if array.dtype == np.float32)
    alter_weight(run, name, 0.25)
    result = reproduce(run, tmp_path / "rerun")
    assert (result.verdict, result.good) == ("differs", False)
    (gap,) = result.arrays
    assert (gap.name, gap.what, gap.cells) == (name, "values", 1)
    assert gap.largest == pytest.approx(0.25, abs=1e-6)
    assert not result.cases
    assert all(one.within for one in result.placed), "the weights differ, the metrics do not"


def test_an_altered_result_is_found_though_the_weights_are_right(
    popularity: Path, copy: Callable[[Path], Path], tmp_path: Path
) -> None:
    run = copy(popularity)
    shift_cases(run, 0.125)
    result = reproduce(run, tmp_path / "rerun")
    assert result.verdict == "differs"
    assert result.arrays == ()
    cases = len(read_run(run).evaluation().user)
    assert {(gap.cases, gap.of) for gap in result.cases} == {(cases, cases)}
    assert [gap.largest for gap in result.cases] == pytest.approx([0.125] * len(result.cases))
    assert "test.metrics.NDCG@10.mean" in {gap.path for gap in result.values}


def test_another_seed_in_every_file_gives_other_weights(ncf: Path, copy: Callable[[Path], Path], tmp_path: Path) -> None:
    run = copy(ncf)
    alter_recipe(run, "train.seed=2")
    alter_json(run / "environment.json", seed=2)
    result = reproduce(run, tmp_path / "rerun")
    assert result.verdict == "differs"
    trained = {name for name in load_file(run / "model" / "model.safetensors") if name.startswith("model.")}
    differing = {gap.name for gap in result.arrays}
    assert differing <= trained, "what was counted and not trained has no seed"
    assert differing
    assert result.cases


@pytest.mark.parametrize(
    ("file", "change", "named"),
    [
        ("environment.json", {"seed": 7}, "train.seed is 1 in recipe.toml and 7 in environment.json"),
        ("environment.json", {"threads": 2}, "train.threads is 1 in recipe.toml and 2 in environment.json"),
        ("model/model.json", {"recipe__train__seed": 7}, "train.seed is 1 in recipe.toml and 7 in model/model.json"),
        ("metrics.json", {"dataset": "0" * 64}, "and 0000000000000000 in metrics.json"),
    ],
)
def test_a_record_that_contradicts_itself_is_refused_before_training(
    popularity: Path, copy: Callable[[Path], Path], tmp_path: Path, file: str, change: dict[str, Any], named: str
) -> None:
    run = copy(popularity)
    alter_json(run / file, **change)
    with pytest.raises(AisleError, match="E413") as raised:
        reproduce(run, tmp_path / "rerun")
    assert named in raised.value.message
    assert not (tmp_path / "rerun").exists()


def test_a_run_that_does_not_say_where_it_was_made_is_refused(
    popularity: Path, copy: Callable[[Path], Path], tmp_path: Path
) -> None:
    run = copy(popularity)
    (run / "environment.json").unlink()
    with pytest.raises(AisleError, match="E413"):
        reproduce(run, tmp_path / "rerun")
    (run / "metrics.json").unlink()
    with pytest.raises(AisleError, match="E405"):
        reproduce(run, tmp_path / "rerun")


def test_threads_that_torch_chose_then_are_used_again(popularity: Path, copy: Callable[[Path], Path], tmp_path: Path) -> None:
    run = copy(popularity)
    alter_recipe(run, "train.threads=0")
    alter_json(run / "environment.json", threads=3)
    result = reproduce(run, tmp_path / "rerun")
    assert read_run(tmp_path / "rerun").recipe.train.threads == 3
    assert "threads" not in {gap.name for gap in result.environment}


def elsewhere(run: Path) -> None:
    """Make the record of a run one of another machine."""
    alter_json(run / "environment.json", torch="2.6.0+cu124", cpu_capability="AVX2", packages__numpy="1.26.4")


def test_another_environment_is_named_and_the_metrics_are_held_against_the_intervals(
    ncf: Path, copy: Callable[[Path], Path], tmp_path: Path
) -> None:
    run = copy(ncf)
    elsewhere(run)
    alter_weight(run, "model." + next(iter(model_arrays(run))), 1e-7)
    said: list[str] = []
    result = reproduce(run, tmp_path / "rerun", screen=Screen(said.append))
    assert {gap.name: gap.recorded for gap in result.environment} == {
        "torch": "2.6.0+cu124",
        "CPU capability of torch": "AVX2",
        "numpy": "1.26.4",
    }
    assert said[0].startswith("recorded elsewhere: torch 2.6.0+cu124 (here ")
    assert (result.verdict, result.good) == ("within the interval", True)
    assert [one.metric for one in result.placed] == list(read_run(run).evaluation().metrics)
    assert result.paired is not None
    assert {row.verdict for row in result.paired.rows} == {"no difference shown"}


def test_metrics_outside_the_intervals_are_no_reproduction_anywhere(
    popularity: Path, copy: Callable[[Path], Path], tmp_path: Path
) -> None:
    run = copy(popularity)
    elsewhere(run)
    shift_cases(run, 0.5)
    result = reproduce(run, tmp_path / "rerun")
    assert (result.verdict, result.good) == ("outside the interval", False)
    within = {one.metric: one.within for one in result.placed}
    assert not within["NDCG@10"]
    assert not within["HR@10"]
    assert result.paired is not None
    assert {row.verdict for row in result.paired.rows} == {"a is better"}


def test_a_run_without_intervals_gets_them_from_its_test_cases(
    popularity: Path, copy: Callable[[Path], Path], tmp_path: Path
) -> None:
    run = copy(popularity)
    elsewhere(run)
    shift_cases(run, 0.001)
    report = json.loads((run / "test" / "evaluation.json").read_text())
    for metric in report["metrics"].values():
        metric["ci"] = None
    (run / "test" / "evaluation.json").write_text(json.dumps(report))
    result = reproduce(run, tmp_path / "rerun")
    assert result.verdict == "within the interval"
    assert all(one.interval[0] < one.recorded < one.interval[1] for one in result.placed)


def test_other_questions_are_said_and_not_paired(popularity: Path, copy: Callable[[Path], Path], tmp_path: Path) -> None:
    run = copy(popularity)
    elsewhere(run)
    report = json.loads((run / "test" / "evaluation.json").read_text())
    report["protocol"]["cases_sha256"] = "of another draw"
    (run / "test" / "evaluation.json").write_text(json.dumps(report))
    alter_json(run / "metrics.json", test=report)
    result = reproduce(run, tmp_path / "rerun")
    assert result.paired is None
    assert [gap.path for gap in result.values] == ["test.protocol.cases_sha256"]
    assert result.verdict == "within the interval"


def test_a_run_of_a_gpu_is_rerun_on_the_cpu_where_there_is_none_and_says_so(
    ncf: Path, copy: Callable[[Path], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = copy(ncf)
    alter_json(run / "metrics.json", device="cuda (NVIDIA H100)")
    alter_json(run / "environment.json", gpus=[{"name": "NVIDIA H100", "driver_version": "550.1"}])
    alter_recipe(run, "train.device=cuda")
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    said: list[str] = []
    result = reproduce(run, tmp_path / "rerun", screen=Screen(said.append))
    assert said[0] == "recorded on cuda (NVIDIA H100), and there is no GPU here: the rerun trains on the CPU"
    assert result.environment[0] == Gap("device", "cuda (NVIDIA H100)", "cpu")
    assert {"GPU", "driver"} <= {gap.name for gap in result.environment}
    assert result.verdict == "identical", "it never saw a GPU in truth"


def test_another_dataset_is_refused_by_its_hash_and_a_moved_one_is_found(
    popularity: Path, dataset_folder: Path, copy: Callable[[Path], Path], tmp_path: Path
) -> None:
    run = copy(popularity)
    alter_json(run / "dataset.json", path=str(tmp_path / "gone"))
    with pytest.raises(AisleError, match=r"is not at .*gone any more(.|\n)*--dataset(.|\n)*E404"):
        reproduce(run, tmp_path / "rerun")
    moved = shutil.copytree(dataset_folder, tmp_path / "moved")
    assert reproduce(run, tmp_path / "rerun", dataset=moved).verdict == "identical"
    alter_json(moved / "manifest.json", content_hash="0" * 64)
    with pytest.raises(AisleError, match="content hash 0000000000000000, expected"):
        reproduce(run, tmp_path / "again", dataset=moved)
    assert not (tmp_path / "again").exists()


def test_the_rerun_never_lands_on_something_that_is_there(popularity: Path) -> None:
    before = (popularity / "metrics.json").read_bytes()
    with pytest.raises(AisleError, match="E406"):
        reproduce(popularity, popularity)
    assert (popularity / "metrics.json").read_bytes() == before


def model_arrays(run: Path) -> list[str]:
    """Names of the trained float arrays, without their prefix."""
    arrays = load_file(run / "model" / "model.safetensors")
    return [
        name.removeprefix("model.") for name, array in arrays.items() if name.startswith("model.") and array.dtype == np.float32
    ]


def test_arrays_are_compared_by_their_bytes() -> None:
    a: Arrays = {"w": np.array([0.0, 1.0, np.nan], np.float32), "t": np.zeros(2, np.float32), "gone": np.zeros(1)}
    b: Arrays = {"w": np.array([-0.0, 1.5, np.nan], np.float32), "t": np.zeros(2, np.float64), "new": np.zeros(1)}
    by_name = {gap.name: gap for gap in array_gaps(a, b)}
    assert (by_name["w"].cells, by_name["w"].of, by_name["w"].largest) == (2, 3, 0.5)  # 0.0 is not -0.0; |1.5 - 1.0|
    assert by_name["t"].what == "float32 (2,) recorded, float64 (2,) in the rerun"
    assert (by_name["gone"].what, by_name["new"].what) == ("only recorded", "only in the rerun")
    assert array_gaps(a, a) == ()


def test_the_time_it_took_is_no_result() -> None:
    a = {"train_seconds": 1.0, "device": "cpu", "test": {"m": [1, float("nan")]}, "baselines": {"p": {"train_seconds": 1}}}
    b = {"train_seconds": 2.0, "device": "gpu", "test": {"m": [1, float("nan")]}, "baselines": {"p": {"train_seconds": 9}}}
    assert value_gaps(a, b) == ()
    (gap,) = value_gaps(a, {**b, "test": {"m": [2, float("nan")]}})
    assert (gap.path, gap.recorded, gap.rerun) == ("test.m.0", 1, 2)


ENVIRONMENT = {"packages": {"aisle": "1", "numpy": "2"}, "git_commit": "abc", "torch": "2.13.0", "cuda": None, "memory_bytes": 8}


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"torch": "2.13.0+cu126"}, ["torch"]),
        ({"memory_bytes": 16}, []),
        ({"command": ["aisle"]}, []),
        ({"system": "Linux-6-x86_64-with-glibc2.41"}, ["C library"]),
        ({"git_commit": "def"}, ["git commit"]),
        ({"git_commit": None}, []),  # installed without git: the version decides
        ({"cpu": {"vector": ["avx2"]}}, ["vector instructions"]),
        ({"cuda": "12.6"}, []),  # nothing ran there
    ],
)
def test_what_bits_depend_on_is_told_from_what_they_do_not(change: dict[str, Any], names: list[str]) -> None:
    assert [gap.name for gap in gaps([ENVIRONMENT], {**ENVIRONMENT, **change}, on_gpu=False)] == names


def test_of_a_run_on_a_gpu_cuda_and_the_driver_count() -> None:
    there = {**ENVIRONMENT, "cuda": "12.6", "cudnn": 90501, "gpus": [{"name": "H100", "driver_version": "550"}]}
    named = {gap.name for gap in gaps([there], ENVIRONMENT, on_gpu=True)}
    assert named == {"GPU", "driver", "CUDA", "cuDNN"}
    assert bit_facts(there, on_gpu=True)["cuDNN"] == "90501"


def test_the_verdict_as_json_is_plain(popularity: Path, copy: Callable[[Path], Path], tmp_path: Path) -> None:
    run = copy(popularity)
    alter_weight(run, "facts.fallback", 1)
    result: Reproduction = reproduce(run, tmp_path / "rerun")
    document = json.loads(json.dumps(result.to_json()))
    assert (document["verdict"], document["good"]) == ("differs", False)
    assert document["arrays"]["differing"][0]["name"] == "facts.fallback"
    assert {"environment", "cases", "metrics", "intervals", "paired"} <= set(document)
