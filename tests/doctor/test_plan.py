"""`--plan`: the choice, its reasons, and what it refuses."""

from __future__ import annotations

import json

import pytest

from aisle.doctor.cards import find_card, find_driver
from aisle.doctor.plan import Plan, ask, make_plan
from aisle.doctor.plan_text import plan_text
from aisle.environment.compat import load_compat
from aisle.errors import AisleError

COMPAT = load_compat()


def plan(gpu: str, driver: str, python: str | None = None, machine: str | None = None) -> Plan:
    return make_plan(ask(COMPAT, gpu=gpu, driver=driver, python=python, machine=machine), COMPAT)


@pytest.mark.parametrize(
    ("gpu", "driver", "torch", "cuda", "image"),
    [
        # 535 is the driver of CUDA 12.2: everything for 12.4 and later runs within limits only, 11.8 without.
        ("H100", "535", "2.7.1", "11.8", "pytorch/pytorch:2.7.1-cuda11.8-cudnn9-runtime"),
        # 550 would do for 12.4, which no supported torch is built for.
        ("A100", "550.54.15", "2.7.1", "11.8", "pytorch/pytorch:2.7.1-cuda11.8-cudnn9-runtime"),
        ("H100", "570.124.06", "2.11.0", "12.8", "pytorch/pytorch:2.11.0-cuda12.8-cudnn9-runtime"),
        ("H100", "580.95.05", "2.13.0", "13.0", "pytorch/pytorch:2.13.0-cuda13.0-cudnn9-runtime"),
        ("RTX 5090", "595.71.05", "2.13.0", "13.0", "pytorch/pytorch:2.13.0-cuda13.0-cudnn9-runtime"),
        # no CUDA 13 for Volta, 12.6 is legacy from torch 2.12 on, and sources disagree about 12.8
        ("V100", "580.95.05", "2.11.0", "12.6", "pytorch/pytorch:2.11.0-cuda12.6-cudnn9-runtime"),
        ("V100", "515", "2.7.1", "11.8", "pytorch/pytorch:2.7.1-cuda11.8-cudnn9-runtime"),
        ("GTX1080", "580.95.05", "2.11.0", "12.6", "pytorch/pytorch:2.11.0-cuda12.6-cudnn9-runtime"),
        ("B200", "570.26", "2.11.0", "12.8", "pytorch/pytorch:2.11.0-cuda12.8-cudnn9-runtime"),
        # PyTorch's images for Arm hold a torch for the CPU
        ("GB300", "580.95.05", "2.13.0", "13.0", None),
    ],
)
def test_the_choice(gpu: str, driver: str, torch: str, cuda: str, image: str | None) -> None:
    best = plan(gpu, driver).best
    assert best is not None
    assert (best.torch, best.cuda, best.image) == (torch, cuda, image)
    assert best.pip == f"pip install torch=={torch} --index-url https://download.pytorch.org/whl/cu{cuda.replace('.', '')}"


def test_every_published_build_is_in_one_of_the_lists_and_says_why() -> None:
    made = plan("H100", "535")
    assert made.best is not None
    told = [made.best, *made.others, *made.refused]
    assert len(told) == sum(len(row.cuda) for row in COMPAT.torch.values())
    assert all(option.fits for option in made.others)
    assert all(option.against for option in made.refused)
    assert made.best.reservations == ()
    assert "supports CUDA up to 12.2 in full" in made.why
    assert "torch 2.13.0 for CUDA 12.6 runs too" in made.why


def test_every_kind_of_card_gets_an_answer_with_every_kind_of_driver() -> None:
    kinds = {(card.capability, card.machine): card.name for card in COMPAT.cards}
    for name in kinds.values():
        for driver in ("450", "515.43.04", "535", "580.95.05"):
            made = plan(name, driver)
            assert made.why
            assert made.best is not None or made.others == ()
            assert plan_text(made)
            json.dumps(made.as_dict())


def test_a_driver_that_is_older_than_the_gpu_gets_the_one_that_would_do() -> None:
    made = plan("H100", "515")
    assert made.best is None
    assert made.newer_driver == "520.61.05"
    again = plan("H100", made.newer_driver).best
    assert again is not None
    assert (again.torch, again.cuda) == ("2.7.1", "11.8")


def test_what_was_not_seen_is_said() -> None:
    best = plan("V100", "580.95.05").best
    assert best is not None
    assert not best.image_seen
    assert "by the naming rule, not seen" in plan_text(plan("V100", "580.95.05"))
    assert "not seen" not in plan_text(plan("H100", "535"))


def test_a_disputed_build_is_never_the_best_and_is_said_to_be_disputed() -> None:
    made = plan("V100", "580.95.05")
    assert made.best is not None
    assert made.best.cuda != "12.8"
    assert "sources disagree about sm_70" in plan_text(made)


@pytest.mark.parametrize(("python", "torch"), [("3.11", "2.13.0"), ("3.14", "2.13.0"), ("3.15", "2.13.0")])
def test_python_is_part_of_the_choice(python: str, torch: str) -> None:
    best = plan("H100", "580.95.05", python=python).best
    assert best is not None
    assert best.torch == torch
    assert all(row.code != "D114" for row in best.reservations)


def test_no_torch_for_a_python_that_is_too_new_or_too_old() -> None:
    for python in ("3.16", "3.8"):
        made = plan("H100", "580.95.05", python=python)
        assert made.best is None
        # A newer driver does not help.
        assert made.newer_driver is None


@pytest.mark.parametrize(
    ("name", "card"),
    [
        ("NVIDIA H100 80GB HBM3", "H100"), ("H100-SXM5", "H100"), ("h100 nvl", "H100"), ("Tesla V100-SXM2-32GB", "V100"),
        ("NVIDIA A100-SXM4-40GB", "A100"), ("NVIDIA A10", "A10"), ("NVIDIA A10G", "A10G"), ("NVIDIA GeForce RTX 4090", "RTX4090"),
        ("RTX 6000 Ada Generation", "RTX6000Ada"), ("NVIDIA RTX PRO 6000 Blackwell Server Edition", "RTXPRO6000"),
        ("NVIDIA GB10", "GB10"), ("Tesla T4", "T4"), ("NVIDIA L40S", "L40S"),
    ],
)  # fmt: skip
def test_cards_go_by_many_names(name: str, card: str) -> None:
    assert find_card(name, COMPAT).name == card


def test_a_card_may_be_named_by_its_compute_capability() -> None:
    for name in ("9.0", "sm_90", "90"):
        assert find_card(name, COMPAT).capability == "9.0"


@pytest.mark.parametrize("gpu", ["H1000", "A1000", "MI300X", "", "99.9", "GeForce"])
def test_an_unknown_card_is_refused_and_the_known_ones_listed(gpu: str) -> None:
    with pytest.raises(AisleError, match="E907") as refused:
        find_card(gpu, COMPAT)
    assert "V100" in refused.value.message
    assert "RTX5090" in refused.value.message


@pytest.mark.parametrize("driver", ["12.8", "driver", "", "390.48", "999", "535.183.01.2", "-535", "5350"])
def test_an_unknown_driver_is_refused_and_the_known_ones_listed(driver: str) -> None:
    with pytest.raises(AisleError, match="E907") as refused:
        find_driver(driver, COMPAT)
    assert "450 to 610" in refused.value.message


def test_a_branch_counts_as_its_first_release_that_came_with_a_toolkit() -> None:
    assert find_driver("535", COMPAT) == "535.54.03"
    assert find_driver("580", COMPAT) == "580.65.06"
    assert find_driver("535.183.01", COMPAT) == "535.183.01"
    assert find_driver("565", COMPAT) == "565"  # a branch of which no release came with a toolkit


@pytest.mark.parametrize(("python", "machine"), [("three", None), ("3", None), (None, "riscv64")])
def test_nonsense_is_refused(python: str | None, machine: str | None) -> None:
    with pytest.raises(AisleError, match="E907"):
        plan("H100", "535", python, machine)
