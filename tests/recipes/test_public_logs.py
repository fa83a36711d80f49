"""The real public logs, where they are at hand: what a recipe keeps is what the literature counts."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.recipes.conftest import Prepare


@dataclass(frozen=True)
class Known:
    """What is known about a public log.

    Attributes:
        recipe, log: which recipe reads which file.
        files: further files, such as items or test.
        events, users, items: kept rows, and who and what they and the further files name.
        kinds: event -> rows.
        filters: reason -> rows.
    """

    recipe: str
    log: str
    events: int
    users: int
    items: int
    kinds: dict[str, int]
    files: dict[str, str] = field(default_factory=dict)
    filters: dict[str, int] = field(default_factory=dict)


LOGS = [
    # 541,909 - 135,080 - 8,905 - 40 = 397,884.
    Known(
        "online-retail", "online-retail/online_retail.parquet", 397_884, 4_338, 3_665, {"purchase": 397_884},
        filters={"no customer": 135_080, "cancelled invoice": 8_905, "price not above zero": 40},
    ),
    Known(
        "retailrocket-events", "retailrocket-events/events.parquet", 104_776, 18_206, 38_187,
        {"view": 102_242, "cart": 2_408, "purchase": 126},
    ),
    Known(
        "retailrocket-multibehaviour", "retailrocket-multibehaviour/train_events.parquet", 97_381, 2_174, 30_113,
        {"view": 75_374, "cart": 12_456, "purchase": 9_551}, {"test": "retailrocket-multibehaviour/test_buy.parquet"},
    ),
    # 100,001 rows, 44 of them before the window; 27 of the 64,467 items occur in those only.
    Known(
        "taobao", "taobao-userbehavior/UserBehavior.csv", 99_957, 983, 64_440,
        {"view": 89_666, "favourite": 2_744, "cart": 5_446, "purchase": 2_101}, filters={"before 2017-11-25": 44},
    ),
    Known(
        "amazon-beauty-5core", "amazon-beauty-5core/sequences.parquet", 198_502, 22_363, 12_101, {"rating": 198_502},
        {"items": "amazon-beauty-5core/items.parquet"},
    ),
    Known(
        "amazon-beauty-bert4rec", "amazon-beauty-bert4rec/sequences.parquet", 353_962, 40_226, 54_542, {"rating": 353_962},
    ),
    Known("sasrec-ml-1m", "sasrec-ml-1m/sequences.parquet", 999_611, 6_040, 3_416, {"rating": 999_611}),
    Known(
        "ncf-ml-1m", "ncf-ml-1m/train.parquet", 994_169, 6_040, 3_706, {"rating": 994_169},
        {"test": "ncf-ml-1m/test.rating", "negatives": "ncf-ml-1m/test.negative"},
    ),
    # The catalogue names 3,883 movies, 3,706 of them rated.
    Known(
        "ml-1m", "ml-1m/ratings.parquet", 1_000_209, 6_040, 3_883, {"rating": 1_000_209},
        {"items": "ml-1m/movies.parquet", "users": "ml-1m/users.parquet"},
    ),
    Known("frappe", "frappe/train.csv", 92_808, 957, 4_082, {"click": 92_808}, {"test": "frappe/test.csv"}),
]  # fmt: skip


@pytest.mark.public_data
@pytest.mark.parametrize("known", LOGS, ids=[known.recipe for known in LOGS])
def test_a_public_log_gives_its_known_counts(known: Known, public_data: Path, prepared: Prepare) -> None:
    log = public_data / known.log
    if not log.is_file():
        pytest.skip(f"SKIPPED: no public log at {log}; set AISLE_PUBLIC_DATA")
    dataset = prepared(known.recipe, log, **{name: public_data / path for name, path in known.files.items()})
    manifest = dataset.manifest
    assert (manifest.events, manifest.users, manifest.items) == (known.events, known.users, known.items)
    assert manifest.events_by_kind == known.kinds
    assert (manifest.rejects, manifest.filters) == ({}, known.filters)


@pytest.mark.public_data
def test_ncfs_test_has_one_item_and_99_negatives_a_user(public_data: Path, prepared: Prepare) -> None:
    folder = public_data / "ncf-ml-1m"
    if not folder.is_dir():
        pytest.skip(f"SKIPPED: no public log at {folder}; set AISLE_PUBLIC_DATA")
    files = {"test": folder / "test.rating", "negatives": folder / "test.negative"}
    dataset = prepared("ncf-ml-1m", folder / "train.parquet", **files)
    negatives, answer = dataset.array("test.negatives"), dataset.array("test.item")
    assert len(answer) == 6_040
    assert negatives.shape == (6_040, 99)
    assert not (negatives == answer[:, None]).any()
    # Known quirk of the original files: 156 rows hold the user's own answer, whose place stays empty.
    assert int((negatives < 0).any(axis=1).sum()) == 156
