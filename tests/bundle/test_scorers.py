"""Opening a served model: what is missing, damaged or does not fit is refused by name."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from aisle.bundle.scorers import eager_state, load_scorer
from aisle.errors import AisleError
from aisle.export.scorers import export_scorer
from tests.export.served_models import fitted, kind_of

EACH_KIND = ["item-kNN", "MF", "FM in context", "NeuMF", "DeepFM", "SASRec, long", "two-tower with side features", "two-stage"]


def exported(name: str, folder: Path) -> Path:
    model = fitted(name)
    export_scorer(model, kind_of(name), model.config, folder)
    return folder


def code_of(folder: Path) -> str:
    with pytest.raises(AisleError) as error:
        load_scorer(folder)
    return error.value.code


def edit(folder: Path, **changes: object) -> None:
    path = folder / "scorer.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_a_folder_without_a_scorer_is_refused(tmp_path: Path) -> None:
    assert code_of(tmp_path) == "E020"
    (tmp_path / "scorer.json").write_text("[1, 2")
    assert code_of(tmp_path) == "E020"
    (tmp_path / "scorer.json").write_text("[1, 2]")
    assert code_of(tmp_path) == "E020"


@pytest.mark.parametrize(
    "change",
    [
        {"model": "hal"},
        {"kind": "magic"},
        {"kind": "pairs"},
        {"model": ["mf"]},
        {"arrays": {"items": 7}},
        {"more": {}},
        {"arrays": {"../items": ["<f4", [1]]}},
    ],
)
def test_a_kind_that_is_not_known_is_refused(change: dict[str, object], tmp_path: Path) -> None:
    edit(exported("MF", tmp_path), **change)
    assert code_of(tmp_path) == "E020"


@pytest.mark.parametrize("name", EACH_KIND)
def test_every_missing_file_is_refused_by_its_name(name: str, tmp_path: Path) -> None:
    exported(name, tmp_path)
    for path in sorted(tmp_path.rglob("*")):
        if path.is_dir():
            continue
        content = path.read_bytes()
        path.unlink()
        with pytest.raises(AisleError, match=path.name) as error:
            load_scorer(tmp_path), eager_state(tmp_path)  # some files only the eager model needs
        assert error.value.code == ("E020" if path.name == "scorer.json" else "E021")
        path.write_bytes(content)
    load_scorer(tmp_path)


@pytest.mark.parametrize("name", EACH_KIND)
def test_every_array_of_another_shape_is_refused_by_its_name(name: str, tmp_path: Path) -> None:
    exported(name, tmp_path)
    for path in sorted(tmp_path.rglob("*.npy")):
        content, array = path.read_bytes(), np.load(path)
        np.save(path, np.concatenate([array, array[:1]]) if len(array) else np.zeros(1, array.dtype))
        with pytest.raises(AisleError, match=path.name) as error:
            load_scorer(tmp_path), eager_state(tmp_path)
        assert error.value.code == "E022"
        path.write_bytes(content)


def test_a_scorer_json_that_agrees_with_arrays_that_do_not_fit_is_refused(tmp_path: Path) -> None:
    exported("SASRec, long", tmp_path)
    arrays = json.loads((tmp_path / "scorer.json").read_text())["arrays"]
    np.save(tmp_path / "items.npy", np.zeros((26, 11), np.float32))
    edit(tmp_path, arrays=arrays | {"items": ["<f4", [26, 11]]})
    assert code_of(tmp_path) == "E022"  # the config says 12
    del arrays["items"]
    edit(tmp_path, arrays=arrays)
    assert code_of(tmp_path) == "E022"


def test_an_array_that_would_have_to_be_unpickled_is_refused(tmp_path: Path) -> None:
    exported("MF", tmp_path)
    np.save(tmp_path / "items.npy", np.array([{}], object), allow_pickle=True)
    assert code_of(tmp_path) == "E021"


def test_a_damaged_graph_is_refused(tmp_path: Path) -> None:
    exported("MF", tmp_path)
    path = tmp_path / "ranker.onnx"
    path.write_bytes(path.read_bytes()[:100])
    assert code_of(tmp_path) == "E023"


def test_damaged_weights_are_refused(tmp_path: Path) -> None:
    exported("LSTM", tmp_path)
    path = tmp_path / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(AisleError) as error:
        eager_state(tmp_path)
    assert error.value.code == "E021"


def test_counting_arrays_that_make_no_model_are_refused(tmp_path: Path) -> None:
    exported("item-kNN", tmp_path)
    arrays = json.loads((tmp_path / "scorer.json").read_text())["arrays"]
    del arrays["trained"]
    edit(tmp_path, arrays=arrays)
    assert code_of(tmp_path) == "E022"
