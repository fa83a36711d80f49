"""The dataset of a question, prepared once: from the public logs, or from a shop that is simulated on the spot."""

from __future__ import annotations

from pathlib import Path

from aisle.dataset.prepare import prepare
from aisle.dataset.reader import Dataset
from aisle.errors import AisleError
from aisle.logs.recipe import LogRecipe, load_log_recipe
from aisle.simulate.config import ShopConfig
from aisle.simulate.shop import simulate
from benchmarks.quality.question import Log, Question


def prepared(question: Question, data: Path, work: Path) -> Dataset:
    """Return the dataset, prepared on the first call and again when its log recipe was changed since.

    Args:
        question: which.
        data: the folder of the public logs.
        work: where the question's dataset and runs lie.

    Raises:
        AisleError: when the log is not under `data`, and those of `aisle prepare`.
    """
    folder = work / "dataset"
    if isinstance(question.source, ShopConfig):
        if not folder.exists():
            _prepare_shop(question.source, work / "shop", folder)
        return Dataset(folder)
    recipe = load_log_recipe(question.name)
    if not folder.exists() or Dataset(folder).manifest.recipe != recipe.model_dump(mode="json", exclude_defaults=True):
        _prepare_log(question.source, recipe, data / question.name, folder)
    return Dataset(folder)


def _prepare_shop(config: ShopConfig, shop: Path, folder: Path) -> None:
    simulate(config, shop, overwrite=True)
    prepare([shop / "events.parquet"], folder, items=shop / "items.parquet", users=shop / "users.parquet")


def _prepare_log(log: Log, recipe: LogRecipe, source: Path, folder: Path) -> None:
    if not source.is_dir():
        raise AisleError(f"no log at {source}", hint="give the folder of the public logs with --data", code="E101")
    beside = {key: getattr(log, key) for key in ("items", "users", "test", "negatives")}
    files = {key: source / name for key, name in beside.items() if name is not None}
    prepare([source / log.train], folder, recipe=recipe, overwrite=True, **files)
