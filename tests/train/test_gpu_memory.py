from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from aisle.errors import AisleError
from aisle.train.device import pick_device
from aisle.train.gpu_memory import cap_gpu_memory, parse_size

CUDA = torch.device("cuda", 0)
CARD = 40 * 2**30


@pytest.fixture
def fractions(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What torch is told, on a pretended card of 40 GiB: there is no GPU where these tests run."""
    told: list[float] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: SimpleNamespace(total_memory=CARD))
    monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", lambda fraction, _: told.append(fraction))
    return told


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("20GiB", 20 * 1024**3),
        ("20 gib", 20 * 1024**3),
        ("1.5GiB", 1024**3 + 512 * 1024**2),
        ("800MB", 800_000_000),
        ("512MiB", 512 * 1024**2),
        ("0.04TB", 40_000_000_000),
    ],
)
def test_a_size_is_a_number_with_its_unit(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["20", "GiB", "-1GiB", "0GiB", "20 bananas", "20Gib/s", "50%", "1e3MB", "nanGB", "20GiB 4"])
def test_what_is_no_size_is_refused_and_never_guessed(text: str) -> None:
    with pytest.raises(AisleError, match="E511") as error:
        parse_size(text)
    assert text in str(error.value)


def test_the_cap_is_a_share_of_the_card(fractions: list[float]) -> None:
    assert cap_gpu_memory(CUDA, {"AISLE_GPU_MEMORY": "10GiB"}) == 10 * 2**30
    assert fractions == [10 / 40]


def test_a_cap_above_the_card_is_the_whole_card(fractions: list[float]) -> None:
    assert cap_gpu_memory(CUDA, {"AISLE_GPU_MEMORY": "80GiB"}) == CARD
    assert fractions == [1.0]


@pytest.mark.parametrize("environment", [{}, {"AISLE_GPU_MEMORY": ""}])
def test_without_the_variable_nothing_is_capped(environment: dict[str, str], fractions: list[float]) -> None:
    assert cap_gpu_memory(CUDA, environment) is None
    assert fractions == []


def test_on_a_cpu_nothing_is_capped_but_nonsense_is_still_refused(fractions: list[float]) -> None:
    assert cap_gpu_memory(torch.device("cpu"), {"AISLE_GPU_MEMORY": "10GiB"}) is None
    with pytest.raises(AisleError, match="E511"):
        cap_gpu_memory(torch.device("cpu"), {"AISLE_GPU_MEMORY": "much"})
    assert fractions == []


@pytest.mark.usefixtures("fractions")
def test_whoever_picks_a_gpu_gets_it_capped(fractions: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AISLE_GPU_MEMORY", "20GiB")
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":16:8")
    assert pick_device("auto").type == "cuda"
    assert fractions == [0.5]
