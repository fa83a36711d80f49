"""The commands, as a user types them: the whole way, and the messages when something is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from aisle.cli.main import COMMANDS, main
from aisle.dataset.reader import Dataset
from aisle.experiment.recipe import load_recipe
from aisle.experiment.run import train_run

QUICK = ("--set", "train.epochs=2", "--set", "evaluate.resamples=50")


class Shell:
    """Runs `aisle ...` in this process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch, self._capsys = monkeypatch, capsys

    def run(self, *words: object) -> tuple[int, str, str]:
        self._monkeypatch.setattr("sys.argv", ["aisle", *map(str, words)])
        self._capsys.readouterr()
        status = main()
        out, err = self._capsys.readouterr()
        return status, out, err

    def json(self, *words: object) -> Any:
        status, out, err = self.run(*words, "--json")
        assert status == 0, err
        return json.loads(out)


@pytest.fixture
def aisle(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(monkeypatch, capsys)


@pytest.fixture(scope="module")
def runs(dataset_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("runs")
    for name in ("popularity", "fm", "ncf"):
        train_run(Dataset(dataset_folder), load_recipe(name, [QUICK[1], QUICK[3]]), folder / name)
    return {name: folder / name for name in ("popularity", "fm", "ncf")}


def test_from_a_shop_to_a_dataset(aisle: Shell, tmp_path: Path) -> None:
    status, out, _ = aisle.run("simulate", "--users", 60, "--items", 40, "--events", 900, "--seed", 2, "--out", tmp_path / "shop")
    assert status == 0
    assert "simulated shop" in out
    status, out, err = aisle.run(
        "prepare",
        tmp_path / "shop" / "events.parquet",
        "--items",
        tmp_path / "shop" / "items.parquet",
        "--out",
        tmp_path / "data",
    )
    assert (status, "user_id <- user_id" in out) == (0, True), err
    assert "rows read" in out
    assert "900" in out


def test_prepare_prints_the_mapping_and_the_rejects(aisle: Shell, tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    lines = [f"{user},{item},addtocart,2024-01-0{1 + item},red" for user in range(1, 8) for item in range(1, 8)]
    log.write_text("\n".join(["visitorid,sku,action,date,colour", *lines, "1,,view,2024-01-01,"]))
    status, out, _ = aisle.run("prepare", log, "--out", tmp_path / "data")
    assert status == 0
    assert "user_id <- visitorid" in out
    assert "unused columns: colour" in out
    assert "missing item" in out
    document = aisle.json("prepare", log, "--out", tmp_path / "data", "--overwrite")
    assert document["rows"] == {"read": 50, "kept": 49, "rejected": 1, "filtered": 0}
    assert document["events_by_kind"]["cart"] == 49


def test_the_separator_that_an_error_guesses_can_be_given(aisle: Shell, tmp_path: Path) -> None:
    for number, (mark, typed) in enumerate({";": ";", "|": "|", "\t": "\\t"}.items()):
        log = tmp_path / f"log{number}.csv"
        lines = [f"{user}{mark}{item}{mark}2024-01-0{1 + item}" for user in range(1, 8) for item in range(1, 8)]
        log.write_text("\n".join([mark.join(["user_id", "item_id", "date"]), *lines]))
        words = ("prepare", log, "--event", "view", "--out", tmp_path / f"data{number}")
        status, _, err = aisle.run(*words)
        assert (status, f"the separator may be {mark!r}: give it with --separator" in err) == (3, True)
        assert aisle.json(*words, "--separator", typed)["rows"]["kept"] == 49


def test_train_prints_the_model_beside_its_baselines_with_intervals(aisle: Shell, dataset_folder: Path, tmp_path: Path) -> None:
    status, out, err = aisle.run("train", dataset_folder, "--recipe", "item-knn", *QUICK[2:], "--out", tmp_path / "run")
    assert status == 0, err
    assert all(word in out for word in ("item-knn", "popularity", "HR@10", "full ranking", "item-knn minus popularity"))
    assert "trained" in err


def test_evaluate_prints_again_and_measures_under_another_protocol(aisle: Shell, runs: dict[str, Path]) -> None:
    first = aisle.json("evaluate", runs["ncf"])
    again = aisle.json("evaluate", runs["ncf"], "--k", 10, "--k", 20)
    assert again["test"]["metrics"]["HR@10"]["mean"] == first["test"]["metrics"]["HR@10"]["mean"]
    assert again["test"]["metrics"]["HR@20"]["mean"] >= again["test"]["metrics"]["HR@10"]["mean"]
    sampled = aisle.json("evaluate", runs["ncf"], "--protocol", "sampled", "--negatives", 20)
    assert sampled["test"]["protocol"]["ranking"] == "sampled"
    assert sampled["test"]["metrics"]["HR@10"]["mean"] > first["test"]["metrics"]["HR@10"]["mean"]
    _, out, _ = aisle.run("evaluate", runs["ncf"], "--protocol", "sampled", "--negatives", 20)
    assert "SAMPLED" in out


def test_evaluate_refuses_negatives_that_would_not_be_used(aisle: Shell, runs: dict[str, Path]) -> None:
    status, _, err = aisle.run("evaluate", runs["popularity"], "--negatives", 50)
    assert (status, "full ranking" in err, "E905" in err) == (2, True, True)
    sampled = aisle.json("evaluate", runs["popularity"], "--protocol", "sampled", "--negatives", 50)
    assert sampled["test"]["protocol"]["negatives"] == 50


def test_compare_is_zero_against_itself_and_antisymmetric(aisle: Shell, runs: dict[str, Path]) -> None:
    same = aisle.json("compare", runs["fm"], runs["fm"])
    assert all(row["difference"] == 0 for row in same["rows"])
    there, back = aisle.json("compare", runs["fm"], runs["ncf"]), aisle.json("compare", runs["ncf"], runs["fm"])
    assert [row["difference"] for row in there["rows"]] == [-row["difference"] for row in back["rows"]]


def test_recommend_answers_known_and_unknown_shoppers(aisle: Shell, runs: dict[str, Path]) -> None:
    document = aisle.json("recommend", runs["ncf"], "--user", "u0000007", "--user", "nobody", "--k", 3)
    rows = document["recommendations"]
    assert [(row["user_id"], row["rank"]) for row in rows] == [(u, r) for u in ("u0000007", "nobody") for r in (1, 2, 3)]
    assert {row["source"] for row in rows if row["user_id"] == "nobody"} == {"popular"}
    _, out, _ = aisle.run("recommend", runs["ncf"], "--user", "nobody")
    assert "unknown to the model" in out
    _, out, _ = aisle.run("recommend", runs["ncf"], "--user", "u0000007")
    assert "what shopper u0000007 did before" in out


def test_recommend_answers_one_question_at_a_time(aisle: Shell, runs: dict[str, Path], tmp_path: Path) -> None:
    two_of_one = aisle.json("recommend", runs["fm"], "--user", "u0000007", "--user", "u0000007", "--k", 3)
    assert [row["rank"] for row in two_of_one["recommendations"]] == [1, 2, 3]
    for words in (["--user", "u0000007", "--item", "i0000003"], ["--all-users"], ["--item", "i0000003", "--keep-seen"]):
        status, _, err = aisle.run("recommend", runs["fm"], *words)
        assert (status, "[E903]" in err) == (2, True), err
    out = tmp_path / "new" / "alike.csv"
    assert aisle.json("recommend", runs["fm"], "--item", "i0000003", "--k", 4, "--out", out)["rows"] == 4
    assert pl.read_csv(out)["rank"].to_list() == [1, 2, 3, 4]


def test_nothing_breaks_where_no_intervals_were_asked_for(aisle: Shell, dataset_folder: Path, tmp_path: Path) -> None:
    train = ("train", dataset_folder, "--recipe", "popularity", "--set", "evaluate.resamples=0", "--out", tmp_path / "run")
    status, out, err = aisle.run(*train)
    assert (status, "no intervals" in out, "nan" in out) == (0, True, False), err
    for words in (["evaluate", tmp_path / "run", "--k", 3], ["report", tmp_path / "run", "--out", tmp_path / "report"]):
        status, _, err = aisle.run(*words)
        assert status == 0, err


def test_recommend_writes_everybodys_lists(aisle: Shell, runs: dict[str, Path], tmp_path: Path) -> None:
    status, _, err = aisle.run("recommend", runs["fm"], "--all-users", "--k", 5, "--out", tmp_path / "recs.parquet")
    assert status == 0, err
    table = pl.read_parquet(tmp_path / "recs.parquet")
    assert table.columns == ["user_id", "item_id", "score", "rank", "source", "reason", "because_item_id"]
    assert table.group_by("user_id").len()["len"].max() == 5


def test_similar_items_never_name_the_item_itself(aisle: Shell, runs: dict[str, Path]) -> None:
    rows = aisle.json("recommend", runs["ncf"], "--item", "i0000003", "--k", 4)["similar_items"]
    assert len(rows) == 4
    assert all(row["similar_item_id"] != "i0000003" for row in rows)


def test_report_holds_every_model_and_the_perfect_one(aisle: Shell, runs: dict[str, Path], shop: Path, tmp_path: Path) -> None:
    board = aisle.json("report", *runs.values(), "--truth", shop, "--out", tmp_path)
    assert board == json.loads((tmp_path / "leaderboard.json").read_text())
    models = [row["model"] for row in board["models"]]
    assert set(models) == {"popularity", "fm", "ncf", "perfect (simulated truth)"}
    for row in board["models"]:
        low, high = row["HR@10_ci"]
        assert low <= row["HR@10"] <= high
    page = (tmp_path / "report.html").read_text()
    assert "simulated" in page
    assert page.count("data:image/png;base64,") >= 3


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["trian"], 2, "did you mean 'train'?"),
        (["train", "nowhere", "--recipe", "ncf", "--out", "x"], 4, "[E200]"),
        (["train", "nowhere", "--recipe", "nfc", "--out", "x"], 6, "did you mean 'ncf'?"),
        (["prepare", "nowhere.csv", "--out", "x"], 3, "nowhere.csv"),
        (["prepare", "nowhere.csv", "--column", "user_id", "--out", "x"], 2, "[E901]"),
        (["simulate", "--users", "0", "--out", "x"], 10, "[E801]"),
        (["recommend", "nowhere", "--user", "u"], 6, "[E405]"),
        (["compare", "nowhere", "nowhere"], 6, "[E405]"),
    ],
)
def test_a_mistake_ends_in_a_message_and_a_status(
    aisle: Shell, words: list[str], status: int, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    seen, out, err = aisle.run(*words)
    assert (seen, said in err) == (status, True), err
    assert "Traceback" not in out + err
    assert not list(tmp_path.iterdir())


def test_an_error_is_json_where_json_was_asked(aisle: Shell, tmp_path: Path) -> None:
    status, out, _ = aisle.run("evaluate", tmp_path / "nowhere", "--json")
    assert status == 6
    assert json.loads(out)["error"]["code"] == "E405"


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_every_command_has_an_example(aisle: Shell, command: str) -> None:
    status, out, _ = aisle.run(command, "--help")
    assert status == 0
    assert f"aisle {command}" in out
    assert "Example" in out
