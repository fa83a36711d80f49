"""Every model, exported and opened again, says what the eager one says; and the files keep what they promise."""

from __future__ import annotations

import copy
import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray

from aisle.bundle.scorer_vectors import VectorScorer
from aisle.bundle.scorers import eager_state, load_scorer
from aisle.errors import AisleError
from aisle.experiment.registry import MODELS
from aisle.export.scorer_folder import TOLERANCE
from aisle.export.scorers import export_scorer
from aisle.features.histories import Histories
from aisle.models.mf import MF, MFConfig
from aisle.models.sasrec import SASRecConfig
from aisle.recommend.scorer import SharedScorer
from tests.export.served_models import (
    EVERY,
    IN_CONTEXT,
    IN_TWO_COLUMNS,
    contexts,
    fitted,
    kind_of,
    shoppers,
)
from tests.models.communities import ITEMS
from tests.test_import_table import run_without_torch

FOUND = 1e-5  # what these small models keep; `TOLERANCE` is what is promised


def assert_same(seen: NDArray[np.float32], expected: NDArray[np.float32], tolerance: float = FOUND) -> None:
    assert seen.dtype == np.float32
    assert seen.shape == expected.shape
    np.testing.assert_array_equal(seen == -np.inf, expected == -np.inf)
    finite = np.isfinite(expected)
    np.testing.assert_allclose(seen[finite], expected[finite], rtol=tolerance, atol=tolerance)


@pytest.fixture(scope="module")
def folder_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return what exports a model once; the folder is not to be changed."""

    @functools.cache
    def folder(name: str) -> Path:
        out, model = tmp_path_factory.mktemp("served"), fitted(name)
        export_scorer(model, kind_of(name), model.config, out)
        return out

    return folder


@pytest.fixture(scope="module")
def served(folder_of: Callable[[str], Path]) -> Callable[[str], Any]:
    """Return what opens a served model."""
    return lambda name: load_scorer(folder_of(name))


def questions(name: str) -> list[tuple[NDArray[np.int64], Histories]]:
    """Return shoppers with histories of 0 to 200 events; for models that read it, in several contexts."""
    user, known = shoppers()
    if name in IN_TWO_COLUMNS:
        random = np.random.default_rng(2)
        return [(user, known), (user, known.at(random.integers(-1, 3, (len(known), 2)).astype(np.int32)))]
    return [(user, one) for one in (contexts(known) if name in IN_CONTEXT else [known])]


@pytest.mark.parametrize("name", EVERY)
def test_a_served_model_knows_and_scores_like_the_eager_one(name: str, served: Callable[[str], Any]) -> None:
    model, scorer = fitted(name), served(name)
    items = np.random.default_rng(1).integers(0, ITEMS, (10, 7))
    for user, known in questions(name):
        np.testing.assert_array_equal(scorer.knows(user, known), model.knows(user, known))
        assert_same(scorer.score(user, known), model.score(user, known))
        assert_same(scorer.score_items(user, known, items), model.score_items(user, known, items))
    assert_same(scorer.similar(np.arange(ITEMS)), model.similar(np.arange(ITEMS)))


@pytest.mark.parametrize("name", EVERY)
def test_what_is_stored_makes_the_eager_model_again(name: str, folder_of: Callable[[str], Path]) -> None:
    model = fitted(name)
    again = MODELS[kind_of(name)].load(model.config, eager_state(folder_of(name)))
    for user, known in questions(name):
        assert_same(again.score(user, known), model.score(user, known))
    assert_same(again.similar(np.arange(ITEMS)), model.similar(np.arange(ITEMS)))


@pytest.mark.parametrize("name", EVERY)
def test_a_batch_is_answered_like_its_rows_one_by_one(name: str, served: Callable[[str], Any]) -> None:
    scorer = served(name)
    user, known = shoppers()
    batch = scorer.score(user, known)
    for row in range(len(user)):
        assert_same(scorer.score(user[row : row + 1], known.take(np.array([row])))[0], batch[row])
    assert scorer.score(user[:0], known.take(np.zeros(0, np.int64))).shape == (0, ITEMS)


@pytest.mark.parametrize(
    "name", ["MF", "FM in context", "FM, crosses", "LSTM, long, unit vectors", "LiGR, text", "two-tower, long"]
)
def test_vectors_multiplied_are_scores(name: str, served: Callable[[str], Any]) -> None:
    scorer = served(name)
    assert isinstance(scorer, VectorScorer)
    for user, known in questions(name):
        vector, constant = scorer.user_vectors(user, known), scorer.user_constants(user, known)
        score = vector @ scorer.item_vectors.T + constant[:, None]
        assert_same(np.where(scorer.scorable_V, score, -np.inf).astype(np.float32), scorer.score(user, known))


@pytest.mark.parametrize(
    "name", ["MF", "FM with side features", "NeuMF", "DeepFM", "LiGR, text", "two-tower, long, lengths left"]
)
def test_likeness_of_few_pairs_is_part_of_the_likeness_to_all(name: str, served: Callable[[str], Any]) -> None:
    scorer = served(name)
    few, others = np.array([3, 25, 3]), np.array([3, 25, 0, 24, 11])
    assert_same(scorer.similar_pairs(few, others), scorer.similar(few)[:, others])


@pytest.mark.parametrize("name", ["MF", "FM with side features", "LiGR, text", "two-tower, long, lengths left"])
def test_likeness_of_many_lists_is_that_of_each(name: str, served: Callable[[str], Any]) -> None:
    scorer = served(name)
    own_BH, item_BK = np.array([[3, 25], [0, 24]]), np.array([[3, 25, 0], [24, 11, 0]])
    together = scorer.similar_lists(own_BH, item_BK)
    for row in range(2):
        assert_same(together[row], scorer.similar_pairs(own_BH[row], item_BK[row]))


@pytest.mark.parametrize("name", ["NeuMF", "DeepFM, cross"])
def test_items_that_all_shoppers_share_are_scored_at_once(name: str, served: Callable[[str], Any]) -> None:
    scorer, (user, known) = served(name), shoppers()
    some = np.array([5, 25, 0])
    expected = scorer.score(user, known)[:, some]
    assert isinstance(scorer, SharedScorer)
    assert_same(scorer.score_shared(user, known, some), expected)


def test_without_torch_every_model_opens_and_says_the_same(folder_of: Callable[[str], Path], tmp_path: Path) -> None:
    user, known = shoppers()
    for number, name in enumerate(EVERY):
        (tmp_path / str(number)).symlink_to(folder_of(name))
        np.save(tmp_path / f"{number}.npy", fitted(name).score(user, known))
    np.savez(tmp_path / "asked.npz", user, known.offsets, known.item, known.event, known.time)
    code = f"""
from pathlib import Path
import numpy as np
from aisle.bundle.scorers import eager_state, load_scorer
from aisle.features.histories import Histories
user, *arrays = np.load("asked.npz").values()
for number in range({len(EVERY)}):
    folder = Path(str(number))
    seen, expected = load_scorer(folder).score(user, Histories(*arrays)), np.load(folder.name + ".npy")
    assert ((seen == -np.inf) == (expected == -np.inf)).all(), folder
    assert np.allclose(seen, expected, rtol={TOLERANCE}, atol={TOLERANCE}), folder
    assert eager_state(folder)
assert not [name for name in sys.modules if name.split(".")[0] in ("torch", "onnx", "polars")]
"""
    run_without_torch(code, tmp_path)


@pytest.mark.parametrize("name", [name for name in EVERY if kind_of(name) != "two-stage"])
def test_no_graph_holds_the_items_or_the_users(name: str, folder_of: Callable[[str], Path]) -> None:
    for path in folder_of(name).rglob("*.onnx"):
        sizes = {size for constant in onnx.load(path).graph.initializer for size in constant.dims}
        assert not sizes & {ITEMS, 61}, "61 users and 26 items; no layer is so wide"


def test_the_item_matrix_is_stored_once(tmp_path: Path) -> None:
    n_items, width = 5_000, 32
    model = MF(MFConfig(width), np.ones(100, np.bool_), np.ones(n_items, np.bool_))
    report = export_scorer(model, "mf", model.config, tmp_path)
    matrix_bytes = n_items * (width + 1) * 4
    assert report.size_bytes == sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())
    assert matrix_bytes < report.size_bytes < 1.2 * matrix_bytes
    assert (report.n_users, report.n_items, report.width, report.graphs) == (100, n_items, width, ("ranker",))


def test_the_item_matrix_is_mapped_not_read(served: Callable[[str], Any]) -> None:
    scorer = served("SASRec, long")
    owner: Any = scorer.item_vectors
    while owner.base is not None and not isinstance(owner, np.memmap):
        owner = owner.base
    assert isinstance(owner, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        scorer.item_vectors[0] = 0


def test_a_model_in_training_mode_is_exported_as_it_is_in_use(tmp_path: Path) -> None:
    model, (user, known) = fitted("SASRec"), shoppers()
    expected = model.score(user, known)
    model.train()
    try:
        export_scorer(model, "sasrec", model.config, tmp_path)
    finally:
        model.eval()
    assert_same(load_scorer(tmp_path).score(user, known), expected)


def test_a_model_without_a_served_form_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AisleError, match="'sasrecc' cannot be exported") as error:
        export_scorer(None, "sasrecc", SASRecConfig(), tmp_path)
    assert (error.value.code, "sasrec" in error.value.hint) == ("E024", True)


@pytest.mark.parametrize("name", MODELS)
def test_every_model_that_a_recipe_can_name_has_a_served_form(name: str) -> None:
    assert name in {kind_of(one) for one in EVERY}


def test_scorer_json_says_what_is_there(folder_of: Callable[[str], Path]) -> None:
    folder = folder_of("MF")
    about = json.loads((folder / "scorer.json").read_text())
    assert (about["kind"], about["model"], about["opset"], about["config"]["factors"]) == ("vectors", "mf", 20, 8)
    assert about["arrays"]["items"] == ["<f4", [26, 9]]  # 8 factors and the bias
    files = {path.name for path in folder.iterdir()}
    assert files == {"scorer.json", "weights.safetensors", "ranker.onnx", *(f"{array}.npy" for array in about["arrays"])}


def test_attention_however_sharp_is_the_eager_one(tmp_path: Path) -> None:
    """Queries and keys ten times as large: what is far below the best of a row is floored, and counts for nothing."""
    eager = copy.deepcopy(fitted("SASRec, three blocks"))
    with torch.no_grad():
        for block in eager.encoder.blocks:
            block.attention.query_key_value.weight *= 10
            block.attention.query_key_value.bias += 1
    export_scorer(eager, "sasrec", eager.config, tmp_path / "model")
    user, known = shoppers()
    assert_same(load_scorer(tmp_path / "model").score(user, known), eager.score(user, known), 1e-4)
