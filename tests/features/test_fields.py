from __future__ import annotations

import numpy as np
import pytest

from aisle.features.fields import Field, beside, category_lists, context_table, hashed, join, make_field, number_buckets

ALL = np.ones(4, bool)


def test_prices_fall_into_buckets_of_equal_count() -> None:
    field = number_buckets("price", np.array([10.0, 20, 30, 40, 50, 60, 70, 80]), np.ones(8, bool), 4)
    assert field.size == 4
    assert np.bincount(field.code.ravel()).tolist() == [2, 2, 2, 2]


def test_bucket_edges_come_from_trained_rows_alone() -> None:
    trained = np.array([True, True, True, False, False, False])
    field = number_buckets("price", np.array([1.0, 2, 3, 1000, 1000, 1000]), trained, 2)
    # The median of 1, 2, 3 is 2, so 3 lies above it; among all six the median would be 501.5.
    assert field.code.ravel().tolist() == [0, 0, 1, 1, 1, 1]


def test_a_price_shared_by_all_makes_no_empty_buckets_and_missing_stays_missing() -> None:
    field = number_buckets("price", np.array([5.0, 5, 5, np.nan]), ALL, 10)
    assert field.size == 2
    assert field.code.ravel().tolist() == [0, 0, 0, -1]


def test_infinite_prices_are_put_at_the_ends() -> None:
    field = number_buckets("price", np.array([1.0, 2.0, np.inf, -np.inf]), ALL, 2)
    assert field.code.ravel().tolist() == [0, 1, 1, 0]


def test_without_any_trained_number_there_is_one_bucket() -> None:
    assert number_buckets("price", np.full(4, np.nan), ALL, 10).code.ravel().tolist() == [-1] * 4


def test_lists_are_padded_and_cut() -> None:
    field = category_lists("tags", np.array([0, 2, 2, 5]), np.array([3, 1, 0, 1, 2]), max_values=2)
    assert field.code.tolist() == [[3, 1], [-1, -1], [0, 1]]
    assert field.size == 4


@pytest.mark.parametrize(
    ("kind", "values", "codes"),
    [
        ("category", np.array([1, -1, 0, 1], np.int32), [1, -1, 0, 1]),
        ("integer", np.array([7, -1, 7, 9], np.int32), [0, -1, 0, 1]),
    ],
)
def test_a_column_becomes_codes_by_its_kind(kind: str, values: np.ndarray, codes: list[int]) -> None:
    field = make_field("column", kind, values, ALL, buckets=2)  # type: ignore[arg-type]
    assert field is not None
    assert field.code.ravel().tolist() == codes


def test_texts_and_groups_are_no_fields() -> None:
    assert make_field("title", "text", None, ALL) is None
    assert make_field("session_id", "group", np.zeros(4, np.uint32), ALL) is None


def test_joined_fields_share_one_table() -> None:
    colour = Field("colour", 2, np.array([[0], [1], [0], [-1]], np.int32))
    tags = Field("tags", 3, np.array([[0, 2], [1, -1], [-1, -1], [2, 1]], np.int32))
    fields = join([colour, tags], ALL)
    assert fields.names == ("colour", "tags")
    assert fields.size == 5
    assert fields.code.tolist() == [[0, 2, 4], [1, 3, 0], [0, 0, 0], [0, 4, 3]]
    assert fields.weight.tolist() == [[1, 0.5, 0.5], [1, 1, 0], [1, 0, 0], [0, 0.5, 0.5]]
    assert fields.present.tolist() == [True] * 4


def test_a_code_that_no_trained_row_carries_counts_as_missing() -> None:
    trained = np.array([True, True, False, False])
    fields = join([Field("colour", 3, np.array([[0], [1], [1], [2]], np.int32))], trained)
    assert fields.weight.ravel().tolist() == [1, 1, 1, 0]
    assert fields.present.tolist() == [True, True, True, False]


def test_no_fields_at_all_are_fine() -> None:
    fields = join([], ALL)
    assert (fields.size, fields.code.shape, fields.weight.shape) == (0, (4, 0), (4, 0))
    assert not fields.present.any()


def test_a_field_of_many_codes_shares_rows_by_hash_and_a_small_one_keeps_its_own() -> None:
    many = Field("city", 10_000, np.arange(-1, 9_999, dtype=np.int32)[:, None])
    shared = hashed(many, 64)
    assert (shared.size, shared.code[0, 0]) == (64, -1)
    counts = np.bincount(shared.code[1:, 0], minlength=64)
    # 9,999 codes in 64 rows: 156 each; an even hash strays by a few times its root, 12.5.
    assert len(counts) == 64
    assert np.abs(counts - 9_999 / 64).max() < 5 * 12.5
    assert hashed(many, 10_000) is many
    assert hashed(many, None) is many


def test_values_that_no_training_event_has_have_no_row() -> None:
    # Two columns of 3 and 2 values; training saw values 0 and 2 of the first, 1 of the second.
    table = context_table([3, 2], np.array([[0, 1], [2, -1]], np.int32))
    assert table.start.tolist() == [0, 3]
    assert table.row.tolist() == [0, -1, 2, -1, 4, -1]
    assert table.size == 5


def test_context_columns_of_many_values_share_rows_of_their_own() -> None:
    seen = np.stack([np.arange(100), np.arange(100) % 3], axis=1).astype(np.int32)
    table = context_table([100, 3], seen, hash_size=8)
    assert table.size == 8 + 3
    assert set(table.row[:100].tolist()) <= set(range(8))
    assert table.row[100:].tolist() == [8, 9, 10, -1]


def test_fields_side_by_side_are_numbered_through() -> None:
    first = join([Field("category", 2, np.array([[0], [1], [-1], [0]], np.int32))], ALL)
    second = join([Field("words", 3, np.array([[2, 0], [-1, -1], [1, -1], [0, -1]], np.int32))], ALL)
    both = beside(first, second)
    assert (both.names, both.size) == (("category", "words"), 5)
    # Words 0, 1, 2 are rows 2, 3, 4 of the table; two words of one item weigh a half each.
    assert (both.code * (both.weight > 0)).tolist() == [[0, 4, 2], [1, 0, 0], [0, 3, 0], [0, 2, 0]]
    assert both.weight.tolist() == [[1, 0.5, 0.5], [1, 0, 0], [0, 1, 0], [1, 1, 0]]
