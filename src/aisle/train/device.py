"""Where training runs. A GPU that was asked for and is not there is an error, never a silent CPU."""

from __future__ import annotations

import os

import torch

from aisle.errors import AisleError
from aisle.train.gpu_memory import cap_gpu_memory


def pick_device(name: str) -> torch.device:
    """Return the device for "auto", "cpu" or "cuda"; a GPU with its memory capped where AISLE_GPU_MEMORY says so.

    Raises:
        AisleError: E502 when "cuda" was asked for and torch sees no GPU, E511 when AISLE_GPU_MEMORY is no size.
    """
    there = torch.cuda.is_available()
    if name == "cuda" and not there:
        built = torch.version.cuda
        why = f"torch {torch.__version__} sees no GPU" if built else f"torch {torch.__version__} was built without CUDA"
        raise AisleError(
            f"device = cuda was asked for, but {why}",
            hint="install a CUDA build of torch, or set device = auto or cpu",
            code="E502",
        )
    if not there or name == "cpu":
        cap_gpu_memory(torch.device("cpu"))
        return torch.device("cpu")
    # cuBLAS repeats its bits only with a workspace of its own, and reads this before its first product.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    cap_gpu_memory(torch.device("cuda"))
    return torch.device("cuda")


def describe_device(device: torch.device) -> str:
    """Say in words what a device is, with what its bits depend on."""
    if device.type == "cuda":
        return f"cuda ({torch.cuda.get_device_name(device)})"
    threads = torch.get_num_threads()
    return f"cpu ({threads} thread{'' if threads == 1 else 's'}, {torch.backends.cpu.get_cpu_capability()})"


def check_precision(precision: str, device: torch.device) -> None:
    """Refuse a precision that the device cannot train in.

    Raises:
        AisleError: E503 for float16 on a CPU: its gradients underflow and there is no loss scaling there.
    """
    if precision == "float16" and device.type == "cpu":
        raise AisleError("precision = float16 needs a GPU", hint="use precision = bfloat16 or float32 on a CPU", code="E503")
