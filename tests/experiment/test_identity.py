"""What a resumed run must share with the one that it goes on from."""

from __future__ import annotations

import pytest

from aisle.experiment.identity import identity_of
from aisle.experiment.recipe import load_recipe


@pytest.mark.parametrize(("model", "same"), [("fm", True), ("two-stage", False)])
def test_more_epochs_are_the_same_run_unless_recallers_are_trained_for_them_too(model: str, same: bool) -> None:
    short, long = (identity_of("hash", load_recipe(model, [f"train.epochs={epochs}"])) for epochs in (3, 9))
    assert (short == long) is same
