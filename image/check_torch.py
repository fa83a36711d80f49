"""End the build unless the base brings a torch that this aisle takes."""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError, requires, version

from packaging.requirements import Requirement

needed = next(one for one in map(Requirement, requires("aisle") or ()) if one.name == "torch")
try:
    found = version("torch")
except PackageNotFoundError:
    sys.exit("the base has no torch: give --build-arg BASE=pytorch/pytorch:..., see `aisle image print`")
if not needed.specifier.contains(found.split("+")[0]):
    sys.exit(f"the base has torch {found}; this aisle takes {needed.specifier}: see `aisle image print`")
import torch  # noqa: E402

torch.ones(2).sum().item()
sys.stdout.write(f"torch {found} of the base\n")
