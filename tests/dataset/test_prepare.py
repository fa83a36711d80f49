from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aisle.dataset import arrange
from aisle.dataset.prepare import prepare
from aisle.dataset.reader import Dataset
from aisle.errors import AisleError
from aisle.schema.manifest import Manifest
from aisle.storage.arrays import file_sha256
from tests.dataset.logs import LOG, START, dataset_of, history


def test_histories_are_in_order_of_time_then_item(tmp_path: Path) -> None:
    dataset = dataset_of(LOG, tmp_path)
    assert history(dataset, "ann") == [("tea", "view", 0), ("cup", "view", 60), ("mug", "cart", 60)]
    assert history(dataset, "bob") == [("mug", "purchase", 30), ("tea", "view", 90)]
    assert list(dataset.users.ids) == ["ann", "bob"]
    assert list(dataset.items.ids) == ["cup", "mug", "tea"]


def test_groups_are_numbered_by_first_appearance_in_each_history(tmp_path: Path) -> None:
    dataset = dataset_of(LOG, tmp_path)
    # ann: s4, s9, s9; bob: s1, s4
    assert dataset.array("events.session_id").tolist() == [0, 1, 1, 0, 1]


def test_a_group_that_comes_back_keeps_its_number(tmp_path: Path) -> None:
    log = pl.DataFrame(
        {
            "user_id": [1] * 6,
            "item_id": [1] * 6,
            "timestamp": [START + i for i in range(6)],
            "session_id": ["b", "a", "b", "c", "a", None],
        }
    )
    dataset = dataset_of(log, tmp_path, {"event": "view"})
    assert dataset.array("events.session_id").tolist() == [0, 1, 0, 2, 1, 3]


def test_the_manifest_adds_up_and_names_its_sources(tmp_path: Path) -> None:
    log = LOG.with_columns(event=pl.Series(["cart", "view", "gaze", "view", "purchase"]))
    log.write_csv(tmp_path / "log.csv")
    dataset = dataset_of(tmp_path / "log.csv", tmp_path, max_rejects=0.2)
    manifest = dataset.manifest
    assert (manifest.rows.read, manifest.rows.kept, manifest.rows.rejected, manifest.rows.filtered) == (5, 4, 1, 0)
    assert manifest.events_by_kind == {"view": 2, "cart": 1, "purchase": 1}
    assert manifest.rejects == {"unknown event": 1}
    assert [(source.rows, source.sha256) for source in manifest.sources] == [(5, file_sha256(tmp_path / "log.csv"))]
    assert (manifest.time_min, manifest.time_max) == (START * 1_000_000, (START + 90) * 1_000_000)
    rejects = pl.read_parquet(tmp_path / "dataset" / "rejects.parquet")
    assert rejects.select("reason", "line").rows() == [("unknown event", 4)]


def test_the_folder_holds_what_the_manifest_says_and_nothing_else(tmp_path: Path) -> None:
    dataset = dataset_of(LOG, tmp_path)
    files = {path.name for path in (tmp_path / "dataset").iterdir()}
    assert files == {"manifest.json", "rejects.parquet"} | {f"{name}.npy" for name in dataset.manifest.arrays}
    assert [path.name for path in tmp_path.iterdir()] == ["dataset"]


def hash_of(log: object, folder: Path, **options: object) -> str:
    return prepare(log, folder / "dataset", overwrite=True, **options).content_hash  # type: ignore[arg-type]


users, items = st.integers(0, 3), st.integers(0, 3)
rows = st.lists(
    st.tuples(
        users, items, st.sampled_from(["view", "cart"]), st.integers(0, 3), st.sampled_from(["s", "t", None]),
        st.sampled_from([1.0, 2.0, None]), st.sampled_from(["red", None, "blue"]),
    ),
    min_size=2,
    max_size=25,
)  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(rows=rows, data=st.data())
def test_any_order_of_rows_and_any_split_over_files_and_formats_gives_the_same_dataset(
    rows: list[tuple[object, ...]], data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("any")
    names = ["user_id", "item_id", "event", "timestamp", "session_id", "price", "variant"]
    log = pl.DataFrame(rows, schema=names, orient="row").with_columns(pl.col("timestamp") + START)
    order = data.draw(st.permutations(range(len(log))))
    cut = data.draw(st.integers(1, len(log) - 1))
    partition = data.draw(st.sampled_from([1, 3, 1000]))
    log[order[:cut]].write_csv(folder / "a.csv")
    log[order[cut:]].write_ndjson(folder / "b.jsonl")
    with pytest.MonkeyPatch.context() as patch:
        whole = hash_of(log, folder)
        patch.setattr(arrange, "PARTITION_ROWS", partition)
        assert hash_of([folder / "b.jsonl", folder / "a.csv"], folder) == whole


def test_another_row_gives_another_hash(tmp_path: Path) -> None:
    hashes = {hash_of(log, tmp_path) for log in (LOG, LOG.head(4), pl.concat([LOG, LOG.head(1)]), LOG.drop("session_id"))}
    assert len(hashes) == 4


def test_ids_of_numbers_are_numbers_whatever_the_format(tmp_path: Path) -> None:
    log = LOG.with_columns(user_id=pl.Series([17, 17, 17, 9, 9]))
    log.write_csv(tmp_path / "log.csv")
    from_csv = dataset_of(tmp_path / "log.csv", tmp_path / "csv").manifest
    assert from_csv.user_id_type == "int"
    assert from_csv.content_hash == dataset_of(log, tmp_path / "frame").manifest.content_hash
    floats = log.with_columns(pl.col("user_id").cast(pl.Float64))
    assert from_csv.content_hash == dataset_of(floats, tmp_path / "floats").manifest.content_hash
    floats.write_csv(tmp_path / "floats.csv")
    assert from_csv.content_hash == dataset_of(tmp_path / "floats.csv", tmp_path / "floats_csv").manifest.content_hash


def test_numbers_sort_by_value_and_text_by_bytes(tmp_path: Path) -> None:
    log = pl.DataFrame({"user_id": [10, 9, -1], "item_id": ["10", "9", "é"], "timestamp": [START] * 3})
    dataset = dataset_of(log, tmp_path, {"event": "view"})
    assert dataset.users.decode([0, 1, 2]) == [-1, 9, 10]
    assert dataset.items.decode([0, 1, 2]) == ["10", "9", "é"]


def test_ids_that_are_text_in_one_file_are_text_in_all(tmp_path: Path) -> None:
    numbers = LOG.with_columns(user_id=pl.Series([1, 2, 3, 4, 5]))
    dataset = dataset_of([numbers, numbers.with_columns(pl.col("user_id").cast(pl.String))], tmp_path)
    assert dataset.manifest.user_id_type == "string"
    assert dataset.n_users == 5


def test_order_is_data_where_there_is_no_time(tmp_path: Path) -> None:
    log = pl.DataFrame({"user_id": [1, 1, 1], "item_id": [7, 5, 6], "place": [2, 1, 2]})
    dataset = dataset_of(log, tmp_path / "a", {"event": "view", "order": "place"})
    assert dataset.items.decode(dataset.histories.item) == [5, 7, 6]
    assert dataset.manifest.time_kind == "order"
    # Equal places keep the order of the rows, so another row order is another dataset.
    turned = dataset_of(log[::-1], tmp_path / "b", {"event": "view", "order": "place"})
    assert turned.items.decode(turned.histories.item) == [5, 6, 7]
    rows = dataset_of(log, tmp_path / "c", {"event": "view", "order": "rows"})
    assert rows.items.decode(rows.histories.item) == [7, 5, 6]


def test_repeated_rows_are_kept_unless_the_recipe_drops_them(tmp_path: Path) -> None:
    twice = pl.concat([LOG, LOG.head(2)]).with_columns(price=pl.lit(None, pl.Float64))
    assert dataset_of(twice, tmp_path / "kept").manifest.rows.kept == 7
    dropped = dataset_of(twice, tmp_path / "dropped", {"duplicates": "drop"})
    assert (dropped.manifest.rows.kept, dropped.manifest.filters) == (5, {"duplicate": 2})
    assert len(dropped.histories.item) == 5


def test_context_and_optional_columns_follow_their_events(tmp_path: Path) -> None:
    log = LOG.with_columns(
        price=pl.Series([1.0, 2.0, None, 4.0, 5.0]),
        position=pl.Series([3, None, 1, 0, 7]),
        city=pl.Series(["x", "y", None, "z", "x"]),
    )
    dataset = dataset_of(log, tmp_path, {"context": ["city"]})
    # Canonical order is rows 1, 2, 0 of ann and 4, 3 of bob.
    price = dataset.event_column("price")
    assert [price.value(row) for row in range(5)] == [2.0, None, 1.0, 5.0, 4.0]
    assert dataset.array("events.position").tolist() == [-1, 1, 3, 7, 0]
    city = dataset.event_column("city")
    assert [city.value(row) for row in range(5)] == ["y", None, "x", "x", "z"]


@pytest.mark.parametrize("partition", [1, 2, 4])
def test_the_size_of_partitions_changes_nothing(partition: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    log = pl.DataFrame(
        {"user_id": rng.integers(0, 9, 200), "item_id": rng.integers(0, 9, 200), "timestamp": START + rng.integers(0, 50, 200)}
    )
    whole = dataset_of(log, tmp_path / "whole", {"event": "view"}).manifest.content_hash
    monkeypatch.setattr(arrange, "PARTITION_ROWS", partition)
    assert dataset_of(log, tmp_path / "parts", {"event": "view"}).manifest.content_hash == whole


def test_times_too_far_apart_to_pack_are_ordered_all_the_same(tmp_path: Path) -> None:
    log = pl.DataFrame({"u": [1, 1, 0, 0], "i": [0, 1, 2, 3], "place": [2**62, -(2**62), 5, -5]})
    dataset = dataset_of(log, tmp_path, {"event": "view", "order": "place", "columns": {"user_id": "u", "item_id": "i"}})
    assert dataset.items.decode(dataset.histories.item) == [3, 2, 1, 0]


def test_one_user_and_one_item_are_a_dataset(tmp_path: Path) -> None:
    dataset = dataset_of(LOG.head(1), tmp_path)
    assert (dataset.n_users, dataset.n_items, len(dataset.histories.item)) == (1, 1, 1)


def test_too_many_rejects_leave_nothing_behind(tmp_path: Path) -> None:
    log = LOG.with_columns(event=pl.Series(["cart", "view", "gaze", "view", "purchase"]))
    with pytest.raises(AisleError, match="unknown event 1") as caught:
        prepare(log, tmp_path / "dataset")
    assert caught.value.code == "E109"
    assert "20.0%" in caught.value.message
    assert list(tmp_path.iterdir()) == []


def test_progress_hears_of_every_row(tmp_path: Path) -> None:
    heard: list[tuple[int, int | None]] = []
    prepare([LOG, LOG], tmp_path / "dataset", progress=lambda done, total: heard.append((done, total)))
    assert heard == [(5, 10), (10, 10)]


def test_a_publishers_file_is_checked_against_its_hash(tmp_path: Path) -> None:
    LOG.write_csv(tmp_path / "log.csv")
    digest = file_sha256(tmp_path / "log.csv")
    assert dataset_of(tmp_path / "log.csv", tmp_path / "good", {"files": {"log.csv": digest}}).manifest.rows.kept == 5
    with pytest.raises(AisleError, match="E113"):
        dataset_of(tmp_path / "log.csv", tmp_path / "bad", {"files": {"log.csv": "0" * 64}})


def test_a_dataset_is_replaced_only_when_asked(tmp_path: Path) -> None:
    first = dataset_of(LOG, tmp_path).manifest.content_hash
    with pytest.raises(AisleError, match="E602"):
        dataset_of(LOG.head(2), tmp_path)
    assert Dataset(tmp_path / "dataset").manifest.content_hash == first
    assert dataset_of(LOG.head(2), tmp_path, overwrite=True).manifest.content_hash != first


def test_the_logs_themselves_are_never_replaced(tmp_path: Path) -> None:
    LOG.write_csv(tmp_path / "log.csv")
    for out in (tmp_path, tmp_path / "log.csv"):
        with pytest.raises(AisleError, match="E604"):
            prepare(tmp_path / "log.csv", out, overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["log.csv"]


def test_the_manifest_survives_its_own_text(tmp_path: Path) -> None:
    manifest = dataset_of(LOG, tmp_path).manifest
    assert Manifest.model_validate_json(manifest.model_dump_json()) == manifest


def test_every_permutation_of_tied_rows_gives_one_hash(tmp_path: Path) -> None:
    tied = pl.DataFrame(
        {
            "user_id": [1, 1, 1],
            "item_id": [1, 1, 1],
            "timestamp": [START] * 3,
            "session_id": ["a", "b", "a"],
            "price": [None, 1.0, 2.0],
        }
    )
    recipes = {"recipe": dataset_of(tied, tmp_path, {"event": "view"}).manifest.content_hash}
    for number, order in enumerate(itertools.permutations(range(3))):
        again = dataset_of(tied[list(order)], tmp_path / str(number), {"event": "view"})
        assert again.manifest.content_hash == recipes["recipe"]


def test_a_file_without_a_column_is_a_file_where_it_is_missing(tmp_path: Path) -> None:
    lacking = LOG.drop("session_id")
    empty = LOG.with_columns(session_id=pl.lit(None, pl.String))
    hashes = {dataset_of([LOG, other], tmp_path / str(n)).manifest.content_hash for n, other in enumerate([lacking, empty])}
    assert len(hashes) == 1


def test_the_sign_of_a_zero_is_no_content(tmp_path: Path) -> None:
    hashes = {
        dataset_of(LOG.with_columns(price=pl.lit(zero)), tmp_path / str(zero)).manifest.content_hash for zero in (0.0, -0.0)
    }
    assert len(hashes) == 1
