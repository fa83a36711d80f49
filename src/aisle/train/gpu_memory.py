"""A cap on the GPU memory of this process, from AISLE_GPU_MEMORY, so that several people can share a card.

The cap is kept by PyTorch's allocator: what is asked for beyond it is an out-of-memory error in this process, and nobody else's.
It does not count what lies outside the allocator: the CUDA context (300 to 800 MB a process), libraries that allocate by
themselves, other processes. Where the limit must be hard, split the card with MIG.

Not measured on a GPU: the tests hold a stand-in for torch.cuda to it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

import torch

from aisle.errors import AisleError

VARIABLE = "AISLE_GPU_MEMORY"
_UNITS = {"MB": 10**6, "GB": 10**9, "TB": 10**12, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}
_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]+)\s*")


def parse_size(text: str) -> int:
    """Return a size in bytes.

    Args:
        text: a number and MB, GB, TB, MiB, GiB or TiB.

    Raises:
        AisleError: E511 for anything else, and for nothing at all (0 GiB).

    Example:
        >>> parse_size("20GiB")
        21474836480
    """
    match = _SIZE.fullmatch(text)
    unit = _UNITS.get(match[2].upper()) if match else None
    size = int(float(match[1]) * unit) if match and unit else 0
    if size <= 0:
        raise AisleError(
            f"{VARIABLE} is '{text}'; expected a size above 0 with its unit", hint=f"such as {VARIABLE}=20GiB", code="E511"
        )
    return size


def cap_gpu_memory(device: torch.device, environment: Mapping[str, str] = os.environ) -> int | None:
    """Cap what this process may take of a GPU's memory, where AISLE_GPU_MEMORY says so.

    Args:
        device: on a CPU there is nothing to cap, but nonsense is refused there too: it would be found on the GPU only.
        environment: by default that of this process; an empty value is as none.

    Returns:
        The cap in bytes, at most the card's whole memory; None where nothing was capped.

    Raises:
        AisleError: E511 for a size that is none.
    """
    text = environment.get(VARIABLE, "")
    if not text:
        return None
    size = parse_size(text)
    if device.type != "cuda":
        return None
    total = torch.cuda.get_device_properties(device).total_memory
    cap = min(size, total)
    # "cuda" without a number is the current card, which this call wants to hear as None.
    torch.cuda.set_per_process_memory_fraction(cap / total, None if device.index is None else device)
    return cap
