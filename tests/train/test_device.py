from __future__ import annotations

import pytest
import torch

from aisle.errors import AisleError
from aisle.train.device import check_precision, describe_device, pick_device


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.mark.usefixtures("no_gpu")
def test_a_gpu_that_is_not_there_is_an_error_never_a_silent_cpu() -> None:
    with pytest.raises(AisleError, match="E502") as error:
        pick_device("cuda")
    assert torch.__version__ in str(error.value)


@pytest.mark.usefixtures("no_gpu")
@pytest.mark.parametrize("name", ["auto", "cpu"])
def test_without_a_gpu_auto_is_the_cpu_and_says_so(name: str) -> None:
    device = pick_device(name)
    assert device.type == "cpu"
    assert describe_device(device).startswith(f"cpu ({torch.get_num_threads()} thread")


def test_auto_takes_the_gpu_when_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":16:8")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert [pick_device(name).type for name in ("auto", "cuda", "cpu")] == ["cuda", "cuda", "cpu"]


def test_float16_is_refused_on_a_cpu() -> None:
    with pytest.raises(AisleError, match="E503"):
        check_precision("float16", torch.device("cpu"))
    check_precision("bfloat16", torch.device("cpu"))
