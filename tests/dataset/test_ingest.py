from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from aisle.dataset.ingest import _group_hash
from aisle.errors import AisleError
from tests.dataset.logs import dataset_of


def test_the_stand_in_of_a_group_never_changes() -> None:
    # Rows that tie in all but their session are ordered by it: another hash in another Polars would be another dataset.
    expected = [12015426485309150842, 16470566688687236255, 13563011841600061251]
    assert _group_hash(pl.Series(["a", "s1", None])).tolist() == expected


@pytest.mark.parametrize("max_rejects", [0.0, 1.0])
def test_a_log_in_latin_1_is_told_how_to_say_so(max_rejects: float, tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_bytes("user,item,event,ts\nJosé,mug,view,1700000000\n".encode("latin-1"))
    with pytest.raises(AisleError) as caught:
        dataset_of(tmp_path / "log.csv", tmp_path, max_rejects=max_rejects)
    assert 'encoding = "latin-1"' in caught.value.hint
    read = dataset_of(tmp_path / "log.csv", tmp_path, {"encoding": "latin-1"})
    assert read.users[0] == "José"
