"""An environment is read from the document that `aisle env --json` writes, and from nothing less."""

from __future__ import annotations

import json
import platform
from typing import Any

import pytest

from aisle.environment.described import Environment, Gpu
from aisle.environment.facts import environment
from aisle.errors import AisleError

GPU = {"name": "NVIDIA H100 80GB HBM3", "driver_version": "580.95.05", "memory.total": "81559 MiB", "compute_cap": "9.0"}


def document(**changed: Any) -> dict[str, Any]:
    return {**json.loads(json.dumps(environment())), **changed}


def test_this_machine_is_read_back() -> None:
    here = Environment.of(document(), "this machine")
    assert (here.python, here.machine) == (platform.python_version(), platform.machine())
    assert here.packages["numpy"]
    assert here.torch is not None


def test_gpus_and_their_driver_are_read() -> None:
    build = {"version": "2.13.0+cu130", "cuda": "13.0", "cudnn": "9.20.0.48", "package": "2.13.0"}
    here = Environment.of(document(gpus=[GPU, GPU], torch_build=build), "ENV.json")
    assert here.gpus == (Gpu("NVIDIA H100 80GB HBM3", "9.0"),) * 2
    assert (here.driver, here.torch, here.cuda, here.cudnn) == ("580.95.05", "2.13.0+cu130", "13.0", "9.20.0.48")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ([], "the document is a list"),
        ({}, "'torch_build' is missing"),
        (document(packages=[]), "packages is a list"),
        (document(packages={"numpy": 2}), "'numpy' is a int, not text"),
        (document(gpus="none"), "'gpus' is a str"),
        (document(gpus=[1]), "an entry of 'gpus' is a int"),
        (document(torch_build={"version": 2.13, "cuda": None, "cudnn": None}), "'version' is a float, not text"),
    ],
)
def test_what_is_no_such_document_is_refused_by_name(content: object, said: str) -> None:
    with pytest.raises(AisleError, match=said) as caught:
        Environment.of(content, "ENV.json")
    assert caught.value.code == "E018"
