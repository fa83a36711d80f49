import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from aisle.dataset.negatives import sample_unseen
from aisle.features.histories import Histories


def histories(*rows: list[int]) -> Histories:
    item = np.array([item for row in rows for item in row], np.int32)
    offsets = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)
    return Histories(offsets, item, np.zeros(len(item), np.uint8), np.zeros(len(item), np.int64))


@given(st.lists(st.lists(st.integers(0, 11), max_size=14), min_size=1, max_size=5), st.integers(1, 15), st.integers(0, 9))
def test_negatives_are_distinct_unseen_and_as_many_as_there_are(rows: list[list[int]], n: int, seed: int) -> None:
    drawn = sample_unseen(histories(*rows), n, n_items=12, seed=seed)
    for row, seen in zip(drawn, rows, strict=True):
        items = row[row >= 0].tolist()
        unseen = set(range(12)) - set(seen)
        assert len(items) == len(set(items)) == min(n, len(unseen))
        assert set(items) <= unseen
        assert (row[len(items) :] == -1).all()


def test_every_unseen_item_is_as_likely_as_any_other() -> None:
    # 20,000 shoppers, 8 of 20 items unseen by nobody but items 3 and 4: each of the 18 others is drawn 8/18 of the time,
    # with a standard deviation of sqrt(20000 * 8/18 * 10/18) = 70.
    drawn = sample_unseen(histories(*[[3, 4, 3]] * 20_000), 8, n_items=20, seed=1)
    count = np.bincount(drawn.ravel(), minlength=20)
    others = np.delete(count, [3, 4])
    assert count[[3, 4]].sum() == 0
    assert np.abs(others - 20_000 * 8 / 18).max() < 4 * 70


def test_the_same_seed_gives_the_same_negatives() -> None:
    seen = histories([1, 2], [], [5])
    assert np.array_equal(sample_unseen(seen, 4, n_items=50, seed=3), sample_unseen(seen, 4, n_items=50, seed=3))
    assert not np.array_equal(sample_unseen(seen, 4, n_items=50, seed=3), sample_unseen(seen, 4, n_items=50, seed=4))
