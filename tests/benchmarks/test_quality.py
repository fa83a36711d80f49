"""The quality benchmark on a tiny simulated shop: what it measures, what it merges, what it refuses."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from aisle.errors import AisleError
from aisle.simulate.config import ShopConfig
from benchmarks.quality.bars import judge
from benchmarks.quality.prepared import prepared
from benchmarks.quality.question import Bar, Pair, Question, Row
from benchmarks.quality.results import load_results, stale_differences, stale_rows
from benchmarks.quality.run import Bench, run_rows
from benchmarks.quality.runs import chosen_rows, finished, recipe_of
from benchmarks.quality.summary import spread
from benchmarks.quality.table import dataset_page

QUICK = ("train.epochs=2", "evaluate.resamples=50", "split.max_cases=60")
PLAIN = ("evaluate.resamples=50", "split.max_cases=60")
TINY = Question(
    name="tiny-shop",
    source=ShopConfig(users=150, items=60, events=3_000, seed=2),
    protocol="simulated, time split",
    rows=(
        Row("popularity", set=PLAIN, draws=False),
        Row("ncf", name="ncf, two epochs", set=QUICK, slices=("users: ",), latency=True),
        Row("fm", name="fm, one seed", set=QUICK, one_seed=True),
        Row("not-written-yet"),
    ),
    over=(1, 2),
    pairs=(Pair("popularity", "ncf, two epochs"), Pair("popularity", "not-written-yet")),
    bars=(Bar("ahead of popularity", ("ncf, two epochs",), ahead_of=("popularity",)),),
)


class Measured:
    """The tiny shop, measured once: popularity and NCF in one call, FM in a second one."""

    def __init__(self, folder: Path) -> None:
        self.results = folder / "results"
        self.said: list[str] = []
        work = folder / "work"
        self.results.mkdir()
        dataset = prepared(TINY, Path("nowhere"), work)
        self.bench = Bench(TINY, dataset, work, results=self.results, say=self.said.append)
        rows = chosen_rows(TINY, None, self.said.append)
        run_rows(self.bench, rows[:2])
        self.after_first_call = load_results(TINY, self.results)
        run_rows(self.bench, rows[2:])
        self.found = load_results(TINY, self.results)


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Measured:
    return Measured(tmp_path_factory.mktemp("quality"))


@pytest.fixture
def results(measured: Measured) -> dict[str, Any]:
    """A copy that a test may change."""
    return copy.deepcopy(measured.found)


def test_a_row_is_measured_over_its_seeds_and_one_that_draws_nothing_once(measured: Measured) -> None:
    rows = measured.found["rows"]
    assert {key: row["train.seed"] for key, row in rows.items()} == {
        "popularity": [1],
        "ncf, two epochs": [1, 2],
        "fm, one seed": [1],
    }
    ndcg = rows["ncf, two epochs"]["metrics"]["NDCG@10"]
    assert len(set(ndcg["values"])) == 2
    assert ndcg["mean"] == pytest.approx(sum(ndcg["values"]) / 2, abs=1e-5)
    assert ndcg["interval"][0] <= ndcg["values"][0] <= ndcg["interval"][1]


def test_mean_and_spread_over_runs() -> None:
    # mean (1 + 2 + 6) / 3 = 3; sample variance ((-2)^2 + (-1)^2 + 3^2) / 2 = 7, its root 2.64575
    assert spread([1, 2, 6]) == {"mean": 3, "sd": 2.64575, "values": [1, 2, 6]}
    assert spread([0.5])["sd"] is None


def test_a_row_says_time_machine_epochs_recipe_slices_and_its_curve(measured: Measured) -> None:
    row = measured.found["rows"]["ncf, two epochs"]
    assert row["train_seconds"]["mean"] > 0
    assert "cores" in row["machine"]
    assert row["epochs"] == [2, 2]
    assert row["recipe"] == "ncf"
    assert len(row["recipe_sha256"]) == 64
    assert len(row["curve"]["validation"]) == 2
    assert all(name.startswith("users: ") for name in row["slices"])
    assert row["slices"]
    assert measured.found["rows"]["fm, one seed"]["slices"] == {}


def test_a_row_may_say_how_long_a_shopper_waits(measured: Measured) -> None:
    waited = measured.found["rows"]["ncf, two epochs"]["answer_ms"]
    assert 0 < waited["median"] <= waited["p95"]
    assert "answer_ms" not in measured.found["rows"]["popularity"]
    assert f"| ncf, two epochs | {waited['median']:.2f} |" in dataset_page(TINY, measured.found, measured.results)


def test_measuring_one_row_keeps_the_others(measured: Measured) -> None:
    assert list(measured.after_first_call["rows"]) == ["popularity", "ncf, two epochs"]
    assert list(measured.found["rows"]) == ["popularity", "ncf, two epochs", "fm, one seed"]
    for key, row in measured.after_first_call["rows"].items():
        assert measured.found["rows"][key] == row


def test_a_finished_run_is_read_and_not_trained_again(measured: Measured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aisle.experiment.run._train", lambda *_, **__: pytest.fail("trained again"))
    run_rows(measured.bench, [TINY.by_key["ncf, two epochs"]])
    assert load_results(TINY, measured.results) == measured.found


def test_a_run_of_another_recipe_does_not_count(measured: Measured) -> None:
    row = TINY.by_key["ncf, two epochs"]
    content_hash = measured.bench.dataset.manifest.content_hash
    assert sorted(finished(TINY, row, content_hash, measured.bench.work)) == [1, 2]
    other = replace(row, set=(*row.set, "parameters.factors=7"))
    assert finished(TINY, other, content_hash, measured.bench.work) == {}
    assert finished(TINY, row, "another dataset", measured.bench.work) == {}


def test_a_row_that_fails_does_not_keep_the_others_from_being_measured(measured: Measured) -> None:
    said: list[str] = []
    broken = Row("ncf", name="broken", set=("split.target_events=['no such event']",))
    bench = replace(measured.bench, say=said.append)
    with pytest.raises(AisleError, match="E253"):
        run_rows(bench, [broken, TINY.by_key["popularity"]])
    assert any(line.startswith("broken failed: ") for line in said)
    assert said[-1].endswith("popularity/seed1 is finished already")


def test_a_run_of_an_older_recipe_is_refused_until_it_is_replaced(measured: Measured) -> None:
    older = replace(TINY.by_key["popularity"], set=(*PLAIN, "evaluate.k=[5]"))
    with pytest.raises(AisleError, match="E506"):
        run_rows(measured.bench, [older])


def test_the_difference_is_paired_over_the_same_cases(measured: Measured) -> None:
    (entry,) = measured.found["differences"]
    rows, ndcg = measured.found["rows"], entry["metrics"]["NDCG@10"]
    first = {key: rows[key]["metrics"]["NDCG@10"]["values"][0] for key in ("popularity", "ncf, two epochs")}
    assert (entry["a"], entry["b"]) == ("popularity", "ncf, two epochs")
    assert ndcg["difference"] == pytest.approx(first["ncf, two epochs"] - first["popularity"], abs=2e-5)
    assert ndcg["interval"][0] <= ndcg["difference"] <= ndcg["interval"][1]
    assert entry["cases"] == rows["popularity"]["counts"]["cases"]


def test_a_row_without_a_recipe_is_listed_and_refused(measured: Measured) -> None:
    assert any("not-written-yet" in line and "not measured" in line for line in measured.said)
    assert "| not-written-yet | not measured |" in dataset_page(TINY, measured.found, measured.results)
    with pytest.raises(AisleError, match="no recipe 'not-written-yet' ships with aisle yet"):
        chosen_rows(TINY, ["not-written-yet"], print)
    with pytest.raises(AisleError, match="has no row 'ncff'"):
        chosen_rows(TINY, ["ncff"], print)


def test_a_changed_recipe_makes_its_row_stale(results: dict[str, Any]) -> None:
    assert stale_rows(TINY, results) == []
    results["rows"]["popularity"]["recipe_sha256"] = "0" * 64
    assert stale_rows(TINY, results) == ["popularity"]
    assert stale_differences(results) == results["differences"]
    assert "| popularity (STALE: the recipe was changed since) |" in dataset_page(TINY, results)


def test_another_override_makes_a_row_stale_too(results: dict[str, Any]) -> None:
    row = TINY.by_key["popularity"]
    other = replace(TINY, rows=(replace(row, set=(*row.set, "evaluate.k=[5]")), *TINY.rows[1:]))
    assert stale_rows(other, results) == ["popularity"]


def test_the_page_shows_mean_spread_interval_and_verdict(measured: Measured) -> None:
    page = (measured.results / "tiny-shop.md").read_text()
    assert page == dataset_page(TINY, measured.found, measured.results)
    ndcg = measured.found["rows"]["ncf, two epochs"]["metrics"]["NDCG@10"]
    low, high = ndcg["interval"]
    assert f"{ndcg['mean']:.4f} ± {ndcg['sd']:.4f} [{low:.4f}, {high:.4f}]" in page
    assert "1 (draws nothing)" in page
    assert "1 (a run takes over 40 minutes)" in page
    assert "![validation by epoch](tiny-shop.png)" in page


def test_the_curves_are_a_small_picture(measured: Measured) -> None:
    picture = (measured.results / "tiny-shop.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert len(picture) < 200_000


def test_numbers_stand_on_one_line_of_the_file(measured: Measured) -> None:
    text = (measured.results / "tiny-shop.json").read_text()
    assert '"train.seed": [1, 2],' in text
    assert json.loads(text) == measured.found


def test_each_run_differs_in_its_seed_and_repeats_no_baseline() -> None:
    recipes = [recipe_of(TINY, TINY.by_key["ncf, two epochs"], number) for number in (1, 2)]
    assert [recipe.train.seed for recipe in recipes] == [1, 2]
    assert recipes[0].baselines == ()


def figures(**means: float) -> dict[str, Any]:
    """Results with one metric a row, and no differences."""
    rows = {key: {"metrics": {"HR@10": {"mean": mean}}} for key, mean in means.items()}
    return {"rows": rows, "differences": []}


@pytest.mark.parametrize(
    ("mean", "verdict"), [(0.69, "missed"), (0.70, "reached"), (0.72, "reached"), (0.73, "goal reached"), (0.74, "goal reached")]
)
def test_a_bar_is_held_against_the_best_of_its_rows(mean: float, verdict: str) -> None:
    bar = Bar("at least .70, goal .73", ("weak", "strong", "absent"), {"HR@10": 0.70}, {"HR@10": 0.73})
    judged = judge(bar, TINY, figures(weak=0.1, strong=mean))
    assert (judged.row, judged.verdict) == ("strong", verdict)


def test_an_error_has_to_be_small() -> None:
    ratings = replace(TINY, metrics=("RMSE",))
    bar = Bar("at most .873", ("a", "b"), {"RMSE": 0.873})
    found: dict[str, Any] = {"rows": {key: {"metrics": {"RMSE": {"mean": mean}}} for key, mean in (("a", 0.9), ("b", 0.87))}}
    judged = judge(bar, ratings, {**found, "differences": []})
    assert (judged.row, judged.verdict) == ("b", "reached")


@pytest.mark.parametrize(
    ("intervals", "verdict"),
    [
        ({"x": (0.01, 0.02), "y": (0.001, 0.02)}, "reached"),
        ({"x": (0.01, 0.02), "y": (-0.001, 0.02)}, "missed"),
        ({"x": (0.01, 0.02)}, "not measured"),
        ({"x": (-0.02, -0.01)}, "missed"),
    ],
)
def test_ahead_of_others_means_every_interval_above_zero(intervals: dict[str, tuple[float, float]], verdict: str) -> None:
    results = figures(best=0.5)
    results["differences"] = [
        {"a": other, "b": "best", "metrics": {"HR@10": {"difference": sum(interval) / 2, "interval": interval}}}
        for other, interval in intervals.items()
    ]
    assert judge(Bar("ahead", ("best",), ahead_of=("x", "y")), TINY, results).verdict == verdict


@pytest.mark.parametrize(("other", "verdict"), [(0.4, "reached"), (0.5, "reached"), (0.6, "missed"), (None, "not measured")])
def test_level_with_another_row_means_at_least_its_mean(other: float | None, verdict: str) -> None:
    found = figures(best=0.5) if other is None else figures(best=0.5, other=other)
    assert judge(Bar("level", ("best",), level_with=("HR@10", "other")), TINY, found).verdict == verdict


def test_a_bar_may_be_about_a_part_of_the_cases() -> None:
    found = figures(a=0.5)
    bar = Bar("new items", ("a",), {"HR@10": 0.1}, part="items: new")
    found["rows"]["a"]["slices"] = {}
    assert judge(bar, TINY, found).verdict == "not measured"
    found["rows"]["a"]["slices"] = {"items: new": {"metrics": {"HR@10": {"mean": 0.05}}}}
    assert judge(bar, TINY, found).verdict == "missed"


def test_what_was_not_run_is_not_measured() -> None:
    assert judge(Bar("x", ("a",), {"HR@10": 0.1}), TINY, figures()).verdict == "not measured"
    assert judge(Bar("x", ("a",), {"HR@10": 0.1}, gpu=True), TINY, figures()).verdict == "not measured on a GPU"
