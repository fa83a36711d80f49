from __future__ import annotations

import polars as pl

from aisle.dataset.ingest import _group_hash


def test_the_stand_in_of_a_group_never_changes() -> None:
    # Rows that tie in all but their session are ordered by it: another hash in another Polars would be another dataset.
    expected = [12015426485309150842, 16470566688687236255, 13563011841600061251]
    assert _group_hash(pl.Series(["a", "s1", None])).tolist() == expected
