from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from aisle.errors import AisleError
from aisle.features.fields import Field, Fields, join
from aisle.features.histories import Histories
from aisle.models.two_tower import TwoTower, TwoTowerConfig
from tests.models.communities import histories

CONFIG = TwoTowerConfig(8, history=3, heads=2, dropout=0.0, id_dropout=0.0)
TRAIN = histories([[0, 1, 2], [2, 3], []])
ITEMS = 6  # 4 has a category of trained items, 5 has nothing


def fields() -> Fields:
    code = np.array([0, 0, 1, 1, 1, -1], np.int32)[:, None]
    return join([Field("category", 2, code)], np.arange(ITEMS) < 4)


def towers(config: TwoTowerConfig = CONFIG, **more: object) -> TwoTower:
    return TwoTower.untrained(config, TRAIN, ITEMS, seed=1, item_fields=fields(), **more).eval()  # type: ignore[arg-type]


def users(model: TwoTower, rows: list[list[int]], user: list[int] | None = None) -> np.ndarray:
    return model.user_vectors(np.array(user or [-1] * len(rows)), histories(rows))


def loss(model: TwoTower, target: list[int], even: list[int], log_draws: Tensor) -> Tensor:
    """Foresee targets after item 1 and then 0, and after item 2."""
    room = (0, model.config.history - 3)
    item = functional.pad(torch.tensor([[0, 1, 0], [2, 0, 0]]), room)[: len(target)]
    event = functional.pad(torch.tensor([[6, 6, 0], [6, 0, 0]]), room)[: len(target)]
    return model.loss(torch.full((len(target),), -1), item, event, torch.tensor(target), torch.tensor(even), log_draws)


def test_a_score_is_the_product_of_two_vectors_that_an_index_could_hold() -> None:
    model = towers()
    known = histories([[0, 1], [3]])
    product = model.user_vectors(np.array([0, -1]), known) @ model.item_vectors().T
    score = model.score(np.array([0, -1]), known)
    np.testing.assert_allclose(score[:, :5], product[:, :5], atol=1e-6)
    assert np.isneginf(score[:, 5]).all()
    assert np.array_equal(model.item_vectors()[5], np.zeros(8))


def test_vectors_have_length_one_unless_lengths_may_speak() -> None:
    assert np.linalg.norm(towers().item_vectors()[:5], axis=1) == pytest.approx(np.ones(5))
    assert np.linalg.norm(users(towers(), [[0], [1, 2]]), axis=1) == pytest.approx(np.ones(2))
    free = towers(replace(CONFIG, normalise=False))
    assert np.ptp(np.linalg.norm(free.item_vectors()[:5], axis=1)) > 1e-3


def test_an_item_without_training_events_is_what_the_catalogue_says() -> None:
    with_ids, without = towers().item_vectors(), towers(replace(CONFIG, item_ids=False)).item_vectors()
    assert np.array_equal(without[2], without[4])  # the same category, and nothing else
    assert not np.array_equal(with_ids[2], with_ids[4])


def test_texts_tell_items_apart() -> None:
    text = np.zeros((ITEMS, 3), np.float32)
    text[[4, 5]] = [[1, 0, 0], [0, 1, 0]]
    vectors = towers(replace(CONFIG, item_ids=False), item_text=text).item_vectors()
    assert not np.array_equal(vectors[2], vectors[4])
    assert np.abs(vectors[5]).sum() > 0


def test_only_the_latest_events_are_read() -> None:
    model = towers()
    seen = users(model, [[0, 1, 2, 3], [3, 1, 2, 3], [1, 2, 3], [2, 3]])
    assert np.array_equal(seen[0], seen[1])
    assert np.array_equal(seen[0], seen[2])
    assert not np.allclose(seen[0], seen[3])


def test_what_is_done_to_an_item_matters() -> None:
    model = towers()
    known = histories([[0, 1]])
    viewed = replace(known, event=np.array([1, 6], np.uint8))
    assert not np.allclose(model.user_vectors(np.array([-1]), known), model.user_vectors(np.array([-1]), viewed))


def test_an_item_that_nothing_is_known_about_counts_as_no_event() -> None:
    model = towers()
    nothing = users(model, [[], [5]])
    assert np.array_equal(nothing[0], nothing[1])
    # Only the last three events are read: what lies before them helps nobody.
    known = histories([[], [5], [5, 4], [0, 5, 5, 5]])
    assert model.knows(np.full(4, -1), known).tolist() == [False, False, True, False]


def test_a_user_is_known_by_id_only_where_ids_are_read() -> None:
    strangers = histories([[], [], []])
    assert towers().knows(np.array([0, 2, -1]), strangers).tolist() == [False, False, False]
    by_id = towers(replace(CONFIG, user_ids=True))
    assert by_id.knows(np.array([0, 2, -1]), strangers).tolist() == [True, False, False]
    vectors = users(by_id, [[], [], []], [0, 1, -1])
    assert not np.allclose(vectors[0], vectors[1])


def test_the_loss_is_the_cross_entropy_of_the_formula() -> None:
    model = towers(replace(CONFIG, temperature=0.5))
    log_draws = torch.tensor([0.3, -0.2, 1.0])
    value = loss(model, [1, 3], [4], log_draws).item()
    item = model.item_vectors()
    user = model.user_vectors(np.array([-1, -1]), histories([[1, 0], [2]]))
    score = user @ item[[1, 3, 4]].T / 0.5
    # Each positive counts once as it is; the others, divided by their expected draws, stand for the rest of the catalogue.
    wrong = np.exp(score - log_draws.numpy())
    first = np.log(np.exp(score[0, 0]) + wrong[0, 1] + wrong[0, 2]) - score[0, 0]
    second = np.log(np.exp(score[1, 1]) + wrong[1, 0] + wrong[1, 2]) - score[1, 1]
    assert value == pytest.approx((first + second) / 2, rel=1e-5)


def test_a_drawn_item_that_is_the_target_is_no_wrong_answer() -> None:
    model = towers()
    assert loss(model, [1], [1, 1], torch.zeros(3)).item() == pytest.approx(0, abs=1e-6)


def test_the_sampled_sum_stands_for_the_whole_catalogue() -> None:
    """Over many draws, exp(loss) times the positive's exp(score) has the sum over the catalogue as its mean."""
    model = towers()
    user = model.user_vectors(np.array([-1]), histories([[1, 0]]))
    every = np.exp(user @ model.item_vectors()[:4].T / CONFIG.temperature)[0]
    random = np.random.default_rng(0)
    sums = []
    for _ in range(100):
        even = random.integers(0, 4, 12).tolist()
        share = torch.log(torch.tensor([12 / 4] * 13))
        sums.append(np.exp(loss(model, [1], even, share).item()) * every[1])
    assert np.mean(sums) == pytest.approx(every.sum(), abs=4 * np.std(sums) / 10)


def test_padding_changes_nothing_and_gets_no_gradient() -> None:
    model = towers(replace(CONFIG, history=5)).train()
    short = towers().train()
    short.load_state_dict({**model.state_dict(), "recency": model.recency[:, :3]})
    draws = torch.zeros(3)
    assert loss(model, [1, 3], [4], draws).item() == pytest.approx(loss(short, [1, 3], [4], draws).item(), rel=1e-6)
    torch.autograd.backward(loss(model, [1, 3], [4], draws))
    assert model.event.weight.grad is not None
    assert not model.event.weight.grad[0].any()


def test_a_step_drops_ids_so_that_the_catalogue_has_to_do() -> None:
    model = towers(replace(CONFIG, id_dropout=0.5)).train()
    torch.manual_seed(0)
    rows = model.item(torch.zeros(2000, dtype=torch.int64), 0.5)
    without = float((rows == model.item.feature.weight[0]).all(dim=1).float().mean())
    assert without == pytest.approx(0.5, abs=5 * np.sqrt(0.25 / 2000))


def test_a_step_leaves_out_events_of_histories() -> None:
    model = towers(replace(CONFIG, dropout=0.5)).train()
    torch.manual_seed(0)
    item_BLD = model.item(torch.tensor([0]), 0).expand(2000, 3, 8)
    event_BL = torch.tensor([[6, 0, 0]]).expand(2000, 3)
    vectors = model(torch.full((2000,), -1), event_BL, item_BLD)
    empty = model(torch.tensor([-1]), torch.zeros((1, 3), dtype=torch.int64), item_BLD[:1])
    left_out = float(((vectors - empty).abs().amax(dim=1) < 1e-6).float().mean())
    assert left_out == pytest.approx(0.5, abs=5 * np.sqrt(0.25 / 2000))


def test_vectors_kept_for_use_are_made_anew_after_training() -> None:
    model = towers()
    before = model.item_vectors()
    model.train()
    with torch.no_grad():
        model.item.id.weight.add_(1)
    model.eval()
    assert not np.allclose(model.item_vectors(), before)


def test_towers_are_drawn_from_their_seed_alone() -> None:
    first = towers().state()
    torch.rand(3)
    again = towers().state()
    assert all(np.array_equal(first[name], again[name]) for name in first)


def test_items_that_nothing_tells_apart_are_refused() -> None:
    with pytest.raises(AisleError, match="nothing tells the items apart"):
        TwoTower.untrained(replace(CONFIG, item_ids=False), TRAIN, ITEMS, seed=1)


@pytest.mark.parametrize(
    "change", [{"width": 0}, {"history": 0}, {"dropout": 1.0}, {"id_dropout": -0.1}, {"temperature": 0.0}, {"text": -1}]
)
def test_parameters_that_make_no_sense_are_refused(change: dict[str, float]) -> None:
    with pytest.raises(AisleError, match="two towers need"):
        TwoTowerConfig(**change)  # type: ignore[arg-type]


def test_a_batch_larger_than_a_block_scores_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    model = towers()
    known = histories([[0], [1, 2], [], [3, 1]])
    whole = model.score(np.full(4, -1), known)
    few = model.score_items(np.full(4, -1), known, np.tile([0, 3], (4, 1)))
    monkeypatch.setattr("aisle.models.two_tower._BLOCK_CELLS", 1)
    np.testing.assert_allclose(model.score(np.full(4, -1), known), whole, atol=1e-6)
    np.testing.assert_allclose(model.score_items(np.full(4, -1), known, np.tile([0, 3], (4, 1))), few, atol=1e-6)
    assert model.score(np.zeros(0, np.int64), Histories.empty(0)).shape == (0, ITEMS)
