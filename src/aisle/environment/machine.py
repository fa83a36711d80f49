"""Every fact about this machine that `aisle doctor` judges, gathered in one place and changed by nobody."""

from __future__ import annotations

import sys
import sysconfig
from dataclasses import dataclass, replace
from pathlib import Path

from aisle.environment.described import Environment
from aisle.environment.facts import environment
from aisle.environment.host import Host, host
from aisle.environment.nvidia import Nvidia, nvidia
from aisle.environment.torch_here import TorchHere, torch_here


@dataclass(frozen=True)
class Interpreter:
    """The Python that runs us.

    Attributes:
        executable: its path.
        isolated: it is a virtual environment (or conda's), whose packages are its own.
        managed: the system says that its packages are not to be changed (PEP 668).
    """

    executable: str
    isolated: bool
    managed: bool


@dataclass(frozen=True)
class Machine:
    """What was measured: all that rules may ask of the machine they run on."""

    environment: Environment
    interpreter: Interpreter
    nvidia: Nvidia
    torch: TorchHere
    host: Host


def measure(*, trial: bool = True, folder: Path | None = None) -> Machine:
    """Measure this machine with the standard library alone.

    Args:
        trial: import torch too, in a process of its own: some seconds.
        folder: where work is to be done; by default the current one.
    """
    described = Environment.of(environment(), "this machine")
    torch = torch_here(described.machine, trial=trial)
    card = nvidia()
    # What was loaded counts more than what a package says.
    seen = replace(
        described,
        driver=described.driver or card.kernel_module,
        cudnn=torch.trial.cudnn or described.cudnn if described.cuda else None,
        architectures=torch.trial.architectures,
    )
    return Machine(seen, _interpreter(), card, torch, host(folder))


def _interpreter() -> Interpreter:
    prefix = Path(sys.prefix)
    return Interpreter(
        executable=sys.executable,
        isolated=sys.prefix != sys.base_prefix or (prefix / "conda-meta").is_dir(),
        managed=(Path(sysconfig.get_path("stdlib")) / "EXTERNALLY-MANAGED").is_file(),
    )
