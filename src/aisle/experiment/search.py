"""What a search leaves in its folder, to read and to go on with.

search.json    the dataset's hash, the recipe, the space and the seed: what a resumption is held against
study.journal  Optuna's journal, one line a change: what a resumption goes on from
trials.json    every trial with its values and its validation metric, best first
best.toml      the recipe with the best values, as `aisle train` takes it
search.png     the metric by trial, and by each key
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from aisle.errors import AisleError
from aisle.experiment import plots
from aisle.experiment.identity import identity_of
from aisle.experiment.recipe import Recipe, parse_recipe, recipe_as_dict, recipe_as_toml
from aisle.experiment.space import Space, space_as_dict
from aisle.storage.atomic import write_atomic

ABOUT_NAME, JOURNAL_NAME, TRIALS_NAME, BEST_NAME, PICTURE_NAME = (
    "search.json", "study.journal", "trials.json", "best.toml", "search.png"
)  # fmt: skip
FINISHED, PRUNED, REFUSED = "finished", "pruned", "refused"


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is searched: with the dataset it decides every trial.

    Attributes:
        recipe: the model, its split and protocol, and the values of all keys that are not searched.
        space: the keys that are, and what they may be.
        seed: of the sampler.
    """

    recipe: Recipe
    space: Space
    seed: int = 0

    def with_values(self, values: Mapping[str, Any]) -> Recipe:
        """Return the recipe with the values of a trial.

        Raises:
            AisleError: E402, or one of the model's own, for values that do not fit.
        """
        raw = recipe_as_dict(self.recipe)
        for key, value in values.items():
            section, name = key.split(".")
            raw[section][name] = value
        return parse_recipe(raw, "[tune]")

    @property
    def own_values(self) -> dict[str, Any] | None:
        """What the recipe itself has for the keys of the space; None where it lies outside."""
        raw = recipe_as_dict(self.recipe)
        values = {key: raw[key.split(".")[0]][key.split(".")[1]] for key in self.space}
        return values if all(values[key] in part for key, part in self.space.items()) else None


@dataclasses.dataclass(frozen=True)
class Trial:
    """One set of values and how good it was.

    Attributes:
        number: from 1, in the order tried.
        values: "section.key" -> value.
        state: "finished"; "pruned" when it was stopped for being worse than the median at the same epoch; "refused" when
            the values do not go together or the loss was no number.
        metric: on validation, higher is better; the best epoch so far of a pruned trial, None of a refused one.
        best_epoch: the epoch that it is from; None for models without epochs.
        seconds: training and validation.
        reason: why it was refused.
    """

    number: int
    values: dict[str, Any]
    state: str
    metric: float | None
    best_epoch: int | None
    seconds: float
    reason: str | None = None


@dataclasses.dataclass(frozen=True)
class Search:
    """The trials of a search so far."""

    plan: Plan
    metric: str
    trials: tuple[Trial, ...]

    @property
    def ranked(self) -> list[Trial]:
        """Finished trials best first, then the pruned and the refused ones."""
        order = (FINISHED, PRUNED, REFUSED)
        return sorted(self.trials, key=lambda trial: (order.index(trial.state), -(trial.metric or 0.0), trial.number))

    @property
    def best(self) -> Trial | None:
        """The best finished trial; None while there is none."""
        first = self.ranked[0] if self.trials else None
        return first if first is not None and first.state == FINISHED else None

    @property
    def best_recipe(self) -> Recipe | None:
        """The recipe with the best values; as it was in all other keys, `refit` included."""
        return None if self.best is None else self.plan.with_values(self.best.values)

    def to_json(self) -> dict[str, Any]:
        """Return the search as plain JSON."""
        best = None if self.best is None else self.best.number
        trials = [dataclasses.asdict(trial) for trial in self.ranked]
        return {"metric": self.metric, "measured_on": "validation", "best": best, "trials": trials}


def write_search(search: Search, folder: Path) -> None:
    """Write what is known so far."""
    write_atomic(folder / TRIALS_NAME, json.dumps(search.to_json(), indent=2))
    recipe, best = search.best_recipe, search.best
    if recipe is None or best is None:
        return
    said = f"# {search.metric} {best.metric:.6f} on validation: the best of {len(search.trials)} trials of `aisle tune`, number"
    write_atomic(folder / BEST_NAME, f"{said} {best.number}.\n{recipe_as_toml(recipe)}")


def draw_search(search: Search, folder: Path) -> None:
    """Draw the trials so far; nothing where none was finished."""
    if search.best is not None:
        figure = plots.search(_points(search), search.metric, _log_keys(search.plan.space))
        write_atomic(folder / PICTURE_NAME, plots.png(figure))


def _points(search: Search) -> list[dict[str, Any]]:
    measured = [trial for trial in search.trials if trial.metric is not None]
    return [
        {"number": trial.number, "metric": trial.metric, "finished": trial.state == FINISHED, "values": trial.values}
        for trial in measured
    ]


def _log_keys(space: Space) -> Sequence[str]:
    return [key for key, part in space.items() if getattr(part, "log", False)]


def open_search(folder: Path, content_hash: str, plan: Plan, *, resume: bool) -> None:
    """Make the folder of a search, or see that the one there is the same search.

    Raises:
        AisleError: E409 when a search is there and is not to be resumed, or is another one; E604 when something else is.
    """
    about = {"identity": identity_of(content_hash, plan.recipe), "space": space_as_dict(plan.space), "seed": plan.seed}
    wanted = json.loads(json.dumps(about))
    file = folder / ABOUT_NAME
    if not file.exists():
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise AisleError(f"{folder} holds files that are no search of aisle", hint="choose another --out", code="E604")
        folder.mkdir(parents=True, exist_ok=True)
        write_atomic(file, json.dumps(wanted, indent=2))
    elif not resume:
        raise AisleError(f"{folder} holds a search already", hint="go on with --resume, or choose another --out", code="E409")
    else:
        _check_same(folder, json.loads(file.read_text()), wanted)


def _check_same(folder: Path, seen: dict[str, Any], wanted: dict[str, Any]) -> None:
    keys = {**seen["identity"], **wanted["identity"]}
    changed = [key for key in keys if seen["identity"].get(key) != wanted["identity"].get(key)]
    changed += [
        f"{key} in [tune]" for key in {**seen["space"], **wanted["space"]} if seen["space"].get(key) != wanted["space"].get(key)
    ]
    changed += ["--seed"] if seen["seed"] != wanted["seed"] else []
    if changed:
        raise AisleError(
            f"the search in {folder} is another one: {', '.join(changed)} differs",
            hint="put it back to go on, or choose another --out",
            code="E409",
        )
