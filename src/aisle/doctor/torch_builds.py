"""The command that installs another build of the same torch: what to do where this one does not fit."""

from __future__ import annotations

from collections.abc import Callable

from aisle.environment.compat import Compat, CudaBuild
from aisle.environment.versions import line

_INDEX = "https://download.pytorch.org/whl"
_ORDER = ("stable", "legacy", "experimental")


def install(torch: str, cuda: str) -> str:
    """Return the command for a torch and a CUDA.

    Example:
        >>> install("2.13.0+cpu", "13.0")
        'pip install torch==2.13.0 --index-url https://download.pytorch.org/whl/cu130'
    """
    public = torch.split("+", maxsplit=1)[0]
    return f"pip install torch=={public} --index-url {_INDEX}/cu{line(cuda).replace('.', '')}"


def install_one(torch: str, compat: Compat, fits: Callable[[CudaBuild], bool], otherwise: str) -> str:
    """Return the command for the best-supported build of a torch that fits.

    Args:
        torch: its version.
        compat: which builds there are.
        fits: says of a build whether it would do here.
        otherwise: what to do where none does.
    """
    known = compat.torch.get(line(torch))
    builds = [build for support in _ORDER for build in (known.cuda if known else ()) if build.support == support]
    return next((install(torch, build.cuda) for build in builds if fits(build)), otherwise)
