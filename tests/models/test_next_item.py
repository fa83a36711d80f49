"""Models that expect the next item: padding, causality, losses by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from aisle.errors import AisleError
from aisle.features.histories import Histories
from aisle.features.padded import gap_buckets, padded
from aisle.models.ligr import LiGRConfig
from aisle.models.lstm import LSTMConfig
from aisle.models.next_item import NextItem, NextItemConfig
from aisle.models.next_item_loss import gbce_loss, sampled_softmax_loss, softmax_loss
from aisle.models.sasrec import SASRecConfig
from tests.models.communities import histories

ITEMS = 9
CONFIGS = [
    LSTMConfig(8, 5),
    LSTMConfig(8, 5, hidden=6, layers=2, tied=False),
    SASRecConfig(8, 5),
    LiGRConfig(8, 5, temperature=0.5),
    SASRecConfig(8, 5, event_types=True, time_gaps=True),
]


def untrained(config: NextItemConfig) -> NextItem:
    return NextItem.untrained(config, np.arange(ITEMS) != 8, seed=1).eval()


@pytest.mark.parametrize("config", CONFIGS, ids=repr)
def test_padding_never_changes_a_recommendation(config: NextItemConfig) -> None:
    model = untrained(config)
    short, long = histories([[1, 2]]), histories([[1, 2], [3, 4, 5, 6, 7], [0]])
    alone = model.score(np.zeros(1, np.int64), short)
    np.testing.assert_allclose(model.score(np.zeros(3, np.int64), long)[0], alone[0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("config", CONFIGS, ids=repr)
def test_a_step_sees_no_later_one(config: NextItemConfig) -> None:
    model = untrained(config)
    zeros = torch.zeros(1, 4, dtype=torch.int64)
    one = model(torch.tensor([[1, 2, 3, 4]]), zeros, zeros)
    other = model(torch.tensor([[1, 2, 7, 0]]), zeros, zeros)
    torch.testing.assert_close(one[:, :2], other[:, :2])
    assert not torch.allclose(one[:, 2], other[:, 2])


@pytest.mark.parametrize("config", CONFIGS, ids=repr)
def test_only_the_latest_events_are_read_and_items_that_nothing_is_known_about_are_skipped(config: NextItemConfig) -> None:
    model = untrained(config)
    full, cut = histories([[7, 1, 2, 3, 4, 5, 8]]), histories([[1, 2, 3, 4, 5]])
    if config.time_gaps:  # the place in the list is the time here, and a skipped event leaves the first without one before it
        full = cut
    np.testing.assert_array_equal(model.score(np.zeros(1, np.int64), full), model.score(np.zeros(1, np.int64), cut))


def test_the_order_of_a_history_matters() -> None:
    model = untrained(SASRecConfig(8, 5))
    one, other = (model.score(np.zeros(1, np.int64), histories([row])) for row in ([1, 2, 3], [3, 2, 1]))
    assert not np.allclose(one, other)


def test_event_types_and_gaps_are_read_where_the_recipe_says_so() -> None:
    model = untrained(SASRecConfig(8, 5, event_types=True, time_gaps=True))
    plain = histories([[1, 2]])
    bought = Histories(plain.offsets, plain.item, np.array([1, 6], np.uint8), plain.time)
    late = Histories(plain.offsets, plain.item, plain.event, np.array([0, 3_600_000_000]))
    scores = [model.score(np.zeros(1, np.int64), known)[0, :8] for known in (plain, bought, late)]
    assert not np.allclose(scores[0], scores[1])
    assert not np.allclose(scores[0], scores[2])


def test_an_hour_is_in_the_bucket_of_two_to_the_twelve_seconds() -> None:
    # 3,600 s lie between 2**11 = 2,048 and 2**12 = 4,096: bucket 1 + 12. Half a second and a second: bucket 1.
    times = np.array([0, 3_600_000_000, 3_600_500_000, 3_601_500_000, 7])
    known = Histories(np.array([0, 4, 5]), np.zeros(5, np.int32), np.ones(5, np.uint8), times)
    assert gap_buckets(known).tolist() == [0, 13, 1, 1, 0]


def test_rows_are_padded_on_the_right() -> None:
    item, event, _ = padded(histories([[5], [1, 2, 3]]), 3)
    assert item.tolist() == [[5, -1, -1], [1, 2, 3]]
    assert event.tolist() == [[6, 0, 0], [6, 6, 6]]


@pytest.mark.parametrize("blocked", [True, False])
def test_the_blocked_softmax_is_the_cross_entropy_and_so_is_its_gradient(blocked: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if blocked:
        monkeypatch.setattr("aisle.models.next_item_loss._BLOCK_CELLS", 12)  # two rows of six items at once
    random = torch.Generator().manual_seed(1)
    state = torch.randn(5, 4, generator=random, requires_grad=True)
    item = torch.randn(6, 4, generator=random, requires_grad=True)
    target, weight = torch.tensor([0, 5, 5, 2, 1]), torch.tensor([1.0, 2.0, 0.5, 1.0, 1.0])
    expected = (functional.cross_entropy(state @ item.T, target, reduction="none") * weight).sum() / weight.sum()
    wanted = torch.autograd.grad(expected, (state, item))
    seen = softmax_loss(state, item, target, weight)
    torch.testing.assert_close(seen, expected)
    for ours, theirs in zip(torch.autograd.grad(seen, (state, item)), wanted, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_the_blocked_softmax_in_bfloat16_is_near_the_one_in_float32() -> None:
    random = torch.Generator().manual_seed(1)
    state, item = torch.randn(40, 8, generator=random, requires_grad=True), torch.randn(30, 8, generator=random)
    target, weight = torch.randint(30, (40,), generator=random), torch.ones(40)
    exact = softmax_loss(state, item, target, weight)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rough = softmax_loss(state, item, target, weight)
    assert rough.dtype == torch.float32
    assert abs(rough.item() - exact.item()) < 0.02


def test_sampled_softmax_by_hand() -> None:
    # exp: the target 2, negatives 1 and 1 (ln 1 = 0): -ln(2 / 4) = ln 2. The other's negative is the target itself: -ln(1 / 1).
    right, wrong = torch.tensor([np.log(2.0), 0.0], dtype=torch.float32), torch.tensor([[0.0, 0.0], [-torch.inf, -torch.inf]])
    both = sampled_softmax_loss(right, wrong, torch.tensor([1.0, 3.0]))
    assert both.item() == pytest.approx(np.log(2.0) / 4)


def test_gbce_by_hand() -> None:
    # Scores of 0 give ln 2 each. Two negatives of four other items: rate .5; t = 1 makes beta = rate = .5, t = 0 makes it 1.
    right, wrong, weight = torch.zeros(1), torch.zeros(1, 2), torch.ones(1)
    assert gbce_loss(right, wrong, weight, n_items=5, calibration=1.0).item() == pytest.approx(2.5 * np.log(2))
    assert gbce_loss(right, wrong, weight, n_items=5, calibration=0.0).item() == pytest.approx(3.0 * np.log(2))


def test_only_target_events_are_learned_and_padding_never_is() -> None:
    weight = np.zeros(256, np.float32)
    weight[6] = 1.0
    model = NextItem.untrained(SASRecConfig(8, 5), np.ones(ITEMS, np.bool_), seed=1, weight_E=weight).eval()
    item, gap = torch.tensor([[1, 2, 3, -1]]), torch.zeros(1, 4, dtype=torch.int64)
    views_only = model.loss(item, torch.tensor([[1, 1, 1, 0]]), gap)
    assert views_only.item() == 0
    one = model.loss(item, torch.tensor([[6, 1, 6, 0]]), gap)
    state = model(item[:, :-1], torch.tensor([[6, 1, 6]]), gap[:, :-1])[0, 1]
    expected = functional.cross_entropy(state @ model.item.weight.T, torch.tensor(3))
    torch.testing.assert_close(one, expected)


def test_a_breakpoint_in_forward_is_reached_in_every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Training is eager: plain Python runs in forward, where a debugger can stop."""
    model = untrained(SASRecConfig(8, 5))
    stops: list[tuple[int, ...]] = []
    plain = model.encoder.forward

    def stopping(x_BLD: Tensor) -> Tensor:
        stops.append(tuple(x_BLD.shape))
        state_BLD: Tensor = plain(x_BLD)
        return state_BLD

    monkeypatch.setattr(model.encoder, "forward", stopping)
    item, event, gap = (torch.from_numpy(array) for array in padded(histories([[1, 2, 3]]), 3))
    for _ in range(2):
        torch.autograd.backward(model.loss(item, event, gap))
    assert stops == [(1, 2, 8)] * 2


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda: SASRecConfig(loss="softmaxx"), "E360"),  # type: ignore[arg-type]
        (lambda: LSTMConfig(length=0), "E360"),
        (lambda: LSTMConfig(dropout=1.0), "E360"),
        (lambda: SASRecConfig(width=10, heads=4), "E361"),
        (lambda: LiGRConfig(blocks=0), "E361"),
    ],
)
def test_sizes_that_make_no_network_are_refused(make: object, code: str) -> None:
    with pytest.raises(AisleError) as caught:
        make()  # type: ignore[operator]
    assert caught.value.code == code
