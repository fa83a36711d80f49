"""`aisle export`: a bundle, or a model archive of a run or of a bundle."""

from __future__ import annotations

import json
import sys
import zipfile
from pathlib import Path

import pytest

from aisle.bundle.bundle import Bundle
from aisle.bundle.check import check_bundle
from aisle.bundle.question import Question
from aisle.bundle.signature import make_key
from aisle.cli.main import main
from aisle.dataset.prepare import prepare
from aisle.dataset.reader import Dataset
from aisle.experiment.recipe import load_recipe
from aisle.experiment.run import train_run


@pytest.fixture(scope="module")
def run(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export") / "run"
    train_run(dataset, load_recipe("item-knn", ["evaluate.resamples=50", "baselines=[]"]), folder)
    return folder


def aisle(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["aisle", *map(str, arguments)])
    return main()


def test_a_run_becomes_a_bundle_that_says_what_its_data_is(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "bundle"
    assert aisle(monkeypatch, "export", run, "--out", out, "--name", "shop", "--data-note", "simulated", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    manifest = check_bundle(out)
    assert (manifest.name, manifest.data_note, told["name"]) == ("shop", "simulated", "shop")
    assert told["files"] == len(manifest.files)
    assert manifest.metrics["HR@10"].low is not None


def test_a_bundle_is_not_replaced_unless_it_is_said_and_nothing_else_ever_is(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, photos = tmp_path / "bundle", tmp_path / "photos"
    assert aisle(monkeypatch, "export", run, "--out", out) == 0
    assert aisle(monkeypatch, "export", run, "--out", out) == 8, "E602"
    assert aisle(monkeypatch, "export", run, "--out", out, "--overwrite") == 0
    photos.mkdir()
    (photos / "one.jpg").write_text("a photo")
    assert aisle(monkeypatch, "export", run, "--out", photos, "--overwrite") == 8, "E604"
    assert (photos / "one.jpg").exists()


def test_a_program_is_asked_for_by_name_and_refused_where_the_model_has_none(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert aisle(monkeypatch, "export", run, "--out", tmp_path / "bundle", "--extra", "pt2") == 11
    assert "E025" in capsys.readouterr().err
    assert not (tmp_path / "bundle").exists()


@pytest.mark.parametrize("from_bundle", [False, True])
def test_a_run_or_a_bundle_becomes_a_model_archive(
    from_bundle: bool, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = run
    if from_bundle:
        source = tmp_path / "bundle"
        assert aisle(monkeypatch, "export", run, "--out", source) == 0
    assert aisle(monkeypatch, "export", source, "--format", "torchserve", "--name", "shop", "--out", tmp_path / "store") == 0
    with zipfile.ZipFile(tmp_path / "store" / "shop.mar") as archive:
        assert {"MAR-INF/MANIFEST.json", "bundle/manifest.json", "bundle/manifest.sha256"} <= set(archive.namelist())


def test_what_a_bundle_that_is_there_cannot_be_given_any_more_is_refused_by_name(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle, archive = tmp_path / "bundle", ("--format", "torchserve", "--out", tmp_path / "store")
    assert aisle(monkeypatch, "export", run, "--out", bundle) == 0
    for name, value in (
        ("--sign", make_key(tmp_path / "key").with_suffix("")),
        ("--index", "exact"),
        ("--data-note", "simulated"),
    ):
        assert aisle(monkeypatch, "export", bundle, *archive, name, value) == 2
        assert name in capsys.readouterr().err
    assert aisle(monkeypatch, "export", bundle, "--out", tmp_path / "again") == 2
    assert not (tmp_path / "store").exists()


def test_an_archive_is_made_only_of_a_bundle_that_the_key_signed(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, archive = make_key(tmp_path / "key"), ("--format", "torchserve", "--out", tmp_path / "store")
    assert aisle(monkeypatch, "export", run, "--out", tmp_path / "plain") == 0
    assert aisle(monkeypatch, "export", run, "--out", tmp_path / "signed", "--sign", tmp_path / "key") == 0
    assert aisle(monkeypatch, "export", tmp_path / "plain", *archive, "--public-key", key) == 11, "E010"
    assert aisle(monkeypatch, "export", tmp_path / "signed", *archive, "--public-key", key) == 0
    assert aisle(monkeypatch, "export", run, *archive, "--public-key", key) == 2, "a run is not signed"
    assert aisle(monkeypatch, "recommend", run, "--user", "x", "--public-key", key) == 2
    for folder, status in (("plain", 11), ("signed", 0)):
        assert aisle(monkeypatch, "recommend", "--bundle", tmp_path / folder, "--user", "x", "--public-key", key) == status
    monkeypatch.setenv("AISLE_PUBLIC_KEY", str(key))
    assert aisle(monkeypatch, "recommend", "--bundle", tmp_path / "plain", "--user", "x") == 11
    assert aisle(monkeypatch, "export", tmp_path / "plain", *archive) == 11
    assert aisle(monkeypatch, "export", run, *archive) == 0, "what is made now is not fetched from anybody"


def test_a_log_without_a_catalogue_is_exported_checked_and_answers(
    shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare([shop / "events.parquet"], tmp_path / "dataset")
    train_run(
        Dataset(tmp_path / "dataset"), load_recipe("popularity", ["evaluate.resamples=50", "baselines=[]"]), tmp_path / "run"
    )
    assert aisle(monkeypatch, "export", tmp_path / "run", "--out", tmp_path / "bundle") == 0
    bundle = Bundle.open(tmp_path / "bundle")
    assert bundle.catalogue.facts(0) == {}
    assert len(bundle.recommend([Question(k=3)])[0].items) == 3
    assert aisle(monkeypatch, "verify", tmp_path / "bundle") == 0
