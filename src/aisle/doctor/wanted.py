"""What something, such as a bundle, asks of the machine that is to run it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Wanted:
    """What a bundle asks for.

    Attributes:
        purpose: "serve" needs neither torch nor a GPU; "torch" is to train, to export, or to answer with the eager model.
        aisle: version that wrote the bundle; None = any.
        onnx_opset, onnx_ir_version: of its networks; None = it has none.
        faiss: version that built its index; None = it has none of FAISS.
        torch, cuda, cudnn: that it was made with; None = without.
        architectures: what the torch that made it has code for, such as "sm_90".
        extras: it carries `torch.export` programs.
    """

    purpose: Literal["serve", "torch"] = "serve"
    aisle: str | None = None
    onnx_opset: int | None = None
    onnx_ir_version: int | None = None
    faiss: str | None = None
    torch: str | None = None
    cuda: str | None = None
    cudnn: str | None = None
    architectures: tuple[str, ...] = ()
    extras: bool = False
