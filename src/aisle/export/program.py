"""The encoder of a bundle once more, as a `torch.export` program (.pt2): for who runs it in torch without aisle's models.

Opening such a file can unpickle, that is, run what it says. So nothing opens one by itself: `open_program` asks for the key of
whom one trusts. It takes what the ONNX graph takes and gives the same states.
"""

# B shoppers   L events of a history, padded on the right   D width

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from aisle.bundle.check import open_extra
from aisle.errors import AisleError
from aisle.models.next_item import NextItem, unit

PROGRAM_NAME = "encoder.pt2"


class _Encoder(nn.Module):
    """What the ONNX graph does, of the modules that were trained."""

    def __init__(self, model: NextItem) -> None:
        super().__init__()
        self.encoder, self.unit = model.encoder, model.config.temperature > 0
        self.event = model.event if model.config.event_types else None
        self.gap = model.gap if model.config.time_gaps else None

    def forward(self, x_BLD: Tensor, last_B: Tensor, event_BL: Tensor | None = None, gap_BL: Tensor | None = None) -> Tensor:
        """Return the state at each history's last event: (B, D)."""
        for table, code_BL in ((self.event, event_BL), (self.gap, gap_BL)):
            if table is not None:
                x_BLD = x_BLD + table(code_BL)
        state_BLD: Tensor = self.encoder(x_BLD)
        # Not by a range of B: torch.export would take that for a fixed number.
        place_B1D = last_B[:, None, None].expand(-1, 1, state_BLD.shape[2])
        state_BD = state_BLD.gather(1, place_B1D).squeeze(1)
        return unit(state_BD) if self.unit else state_BD


def write_program(model: Any, path: Path) -> None:
    """Write a model's encoder; the items are not in it.

    Args:
        model: SASRec or LiGR, as it was trained. torch.export does not take an LSTM: it would fix the number of events.
        path: the file; its folder is made.

    Raises:
        AisleError: E025 for a model that torch.export does not take.
    """
    if not isinstance(model, NextItem):
        raise _not_taken(f"a {type(model).__name__} has no encoder of histories in order")
    config = model.config
    own = NextItem.from_state(config, model.state())  # on the CPU, and the model is left alone
    shoppers, events = torch.export.Dim("shoppers"), torch.export.Dim("events", max=config.length)
    example: dict[str, Tensor] = {"x_BLD": torch.zeros(3, min(5, config.length), config.width), "last_B": torch.zeros(3).long()}
    sizes: dict[str, Any] = {"x_BLD": {0: shoppers, 1: events}, "last_B": {0: shoppers}}
    for name, is_read in (("event_BL", config.event_types), ("gap_BL", config.time_gaps)):
        if is_read:
            example[name] = torch.zeros(example["x_BLD"].shape[:2]).long()
            sizes[name] = {0: shoppers, 1: events}
    try:
        with torch.no_grad():
            program = torch.export.export(_Encoder(own).eval(), (), example, dynamic_shapes=sizes)
    except Exception as error:  # its classes differ from release to release
        why = str(error).strip().splitlines() or [""]
        raise _not_taken(f"torch.export of torch {torch.__version__} says {type(error).__name__}: {why[0]}") from error
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.export.save(program, path)


def _not_taken(why: str) -> AisleError:
    return AisleError(
        f"this model cannot be written as a torch.export program: {why}",
        hint="leave `--extra pt2` out, the bundle has everything without it; SASRec and LiGR can",
        code="E025",
    )


class Program:
    """An encoder that is ready to run, with the interface of `bundle.scorer_files.Session`.

    Args:
        content: the bytes of a .pt2 file that one trusts.
    """

    def __init__(self, content: bytes) -> None:
        program = torch.export.load(io.BytesIO(content))
        self._module = program.module()
        read = {str(name).lower() for name in program.graph_signature.user_inputs}  # torch writes them small
        self.inputs = frozenset(name for name in ("x_BLD", "last_B", "event_BL", "gap_BL") if name.lower() in read)

    @torch.inference_mode()
    def run(self, **inputs: NDArray[Any]) -> NDArray[np.float32]:
        """Return the states: (B, D)."""
        state_BD: Tensor = self._module(**{name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in inputs.items()})
        return state_BD.numpy()


def open_program(bundle: Path, public_key: Path) -> Program:
    """Open the program of a signed bundle; there is no way without the key.

    Args:
        bundle: its folder.
        public_key: PEM file of the Ed25519 key that must have signed it.

    Raises:
        AisleError: those of `bundle.check.open_extra`: E005 where there is no program, E010 not signed, E011 signed by somebody
            else, ...
    """
    return Program(open_extra(bundle, PROGRAM_NAME, public_key))
