from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from aisle.errors import AisleError
from aisle.train.checkpoint import Checkpoints
from aisle.train.epoch_state import Checkpoint, load_optimiser

GOOD = Checkpoint(
    3,
    {"weight": torch.tensor([[1.0, -0.0, 1e-40]]), "mask": torch.tensor([True, False]), "code": torch.tensor([5])},
    {0: {"step": torch.tensor(7.0), "exp_avg": torch.tensor([0.1, 0.2])}, 11: {"step": torch.tensor(7.0)}},
    {"weight": torch.tensor([[0.5, 0.25, 0.125]])},
    {"best_value": 0.25, "records": [{"epoch": 3, "loss": 0.1}]},
)


@pytest.fixture
def checkpoints(tmp_path: Path) -> Checkpoints:
    return Checkpoints(tmp_path / "run", {"dataset": "abc", "model.factors": "8"}, resume=True)


def test_what_was_saved_is_loaded_bit_for_bit(checkpoints: Checkpoints) -> None:
    checkpoints.save("last", GOOD)
    again = checkpoints.load("last")
    assert again is not None
    assert (again.epoch, again.facts) == (3, GOOD.facts)
    assert {name: (t.dtype, t.numpy().tobytes()) for name, t in again.model.items()} == {
        name: (t.dtype, t.numpy().tobytes()) for name, t in GOOD.model.items()
    }
    assert {name: t.tolist() for name, t in again.average.items()} == {"weight": [[0.5, 0.25, 0.125]]}
    assert {(number, name): t.tolist() for number, state in again.optimiser.items() for name, t in state.items()} == {
        (0, "step"): 7.0,
        (0, "exp_avg"): pytest.approx([0.1, 0.2]),
        (11, "step"): 7.0,
    }


def test_the_same_checkpoint_is_the_same_file(checkpoints: Checkpoints) -> None:
    contents = set()
    for _ in range(3):
        checkpoints.save("last", GOOD)
        contents.add((checkpoints.folder / "last.safetensors").read_bytes())
    assert len(contents) == 1


def test_nothing_there_is_none_and_clear_leaves_nothing(checkpoints: Checkpoints) -> None:
    assert checkpoints.load("last") is None
    checkpoints.save("last", GOOD)
    checkpoints.clear()
    assert checkpoints.load("last") is None
    assert not checkpoints.folder.exists()


@pytest.mark.parametrize(
    ("identity", "words"),
    [
        ({"dataset": "xyz", "model.factors": "8"}, "dataset was abc there and is xyz now"),
        ({"dataset": "abc", "model.factors": "16"}, "model.factors was 8 there and is 16 now"),
        ({"dataset": "abc"}, "model.factors was 8 there and is None now"),
    ],
)
def test_a_checkpoint_of_another_run_is_refused_by_name(checkpoints: Checkpoints, identity: dict[str, str], words: str) -> None:
    checkpoints.save("last", GOOD)
    with pytest.raises(AisleError, match="E506") as error:
        replace(checkpoints, identity=identity).load("last")
    assert words in str(error.value)


@pytest.mark.parametrize("damage", [b"", b"short", b"\xff" * 200, None])
def test_a_damaged_checkpoint_is_a_clear_error(checkpoints: Checkpoints, damage: bytes | None) -> None:
    checkpoints.save("last", GOOD)
    path = checkpoints.folder / "last.safetensors"
    path.write_bytes(path.read_bytes()[:-4] if damage is None else damage)
    with pytest.raises(AisleError, match="E505"):
        checkpoints.load("last")


@pytest.mark.parametrize("kind", ["adam", "sgd"])
def test_an_optimiser_goes_on_as_if_it_had_never_stopped(kind: str) -> None:
    def make(start: torch.Tensor) -> tuple[torch.Tensor, torch.optim.Optimizer]:
        weight = start.clone().requires_grad_()
        return weight, torch.optim.Adam([weight], lr=0.1) if kind == "adam" else torch.optim.SGD([weight], lr=0.1)

    def step(weight: torch.Tensor, optimiser: torch.optim.Optimizer) -> None:
        optimiser.zero_grad()
        (weight**2).sum().backward()  # type: ignore[no-untyped-call]
        optimiser.step()

    weight, optimiser = make(torch.tensor([1.0, -2.0]))
    step(weight, optimiser)
    resumed, other = make(weight.detach())
    load_optimiser(other, copy.deepcopy(optimiser.state_dict()["state"]))
    step(weight, optimiser)
    step(resumed, other)
    assert torch.equal(weight, resumed)
