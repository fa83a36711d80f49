"""What must be the same for a run to be the same run: what a resumption is held against."""

from __future__ import annotations

import json

from aisle.experiment.recipe import Recipe, recipe_as_dict

# Keys that may differ between a run and its resumption: the first changes how long, not what; the others only what is shown
# of the test. The rest of [evaluate] also says how an epoch is validated, and so which one is kept.
FREE_KEYS = {"train.epochs", "evaluate.lists", "evaluate.resamples", "evaluate.block_cells", "baselines"}


def identity_of(content_hash: str, recipe: Recipe) -> dict[str, str]:
    """Return the dataset's hash and the recipe, key by key, as text."""
    identity = {"dataset": content_hash}
    for name, value in recipe_as_dict(recipe).items():
        section = value if isinstance(value, dict) else {"": value}
        identity |= {f"{name}.{key}".rstrip("."): json.dumps(cell) for key, cell in section.items()}
    # Recallers are trained anew for train.epochs, and the ranker goes on from questions that they answered.
    free = FREE_KEYS - {"train.epochs"} if recipe.model == "two-stage" else FREE_KEYS
    return {key: value for key, value in identity.items() if key not in free}
