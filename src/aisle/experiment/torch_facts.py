"""What torch is here: the part of a run's environment that the standard library cannot tell."""

from __future__ import annotations

import torch


def torch_facts(threads: int) -> dict[str, object]:
    """Return what the bits of a result depend on besides the packages: builds, libraries, CPU capability, threads."""
    return {
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "cudnn": _cudnn_version(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "threads": threads or torch.get_num_threads(),
        "threads_measuring": torch.get_num_threads(),  # the test part is asked with those of the process
    }


def _cudnn_version() -> int | None:
    return torch.backends.cudnn.version() if torch.backends.cudnn.is_available() else None  # type: ignore[no-untyped-call]
