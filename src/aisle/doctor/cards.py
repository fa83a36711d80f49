"""GPUs and drivers as people name them: which compute capability, which release."""

from __future__ import annotations

import re

from aisle.environment.compat import Card, Compat
from aisle.environment.versions import at_least, release
from aisle.errors import AisleError

_MAKERS = {"nvidia", "tesla", "geforce", "quadro", "graphics"}
_CAPABILITY = re.compile(r"(?:sm_|compute_)?(\d{1,2})\.?(\d)")


def find_card(name: str, compat: Compat) -> Card:
    """Return the card of a name such as "H100", "NVIDIA A100-SXM4-80GB", "rtx 4090", or of a capability, "9.0" or "sm_90".

    Raises:
        AisleError: E907 when it is not known; the known ones are listed.
    """
    words = [word for word in re.split(r"[\s_-]+", name.lower()) if word and word not in _MAKERS]
    known = {card.name.lower(): card for card in compat.cards}
    for length in range(len(words), 0, -1):  # the longest beginning: "RTX 6000 Ada" before "RTX 6000"
        if found := known.get("".join(words[:length])):
            return found
    match = _CAPABILITY.fullmatch(name.strip().lower())
    if match and (row := compat.capabilities.get(f"{match[1]}.{match[2]}")):
        return Card(f"{row.family} {row.capability}", row.capability, "x86_64", row.evidence, row.source)
    raise AisleError(
        f"no GPU '{name}' is known; known are {', '.join(card.name for card in compat.cards)}",
        hint="give its compute capability, which developer.nvidia.com/cuda-gpus tells, such as --gpu 9.0",
        code="E907",
    )


def find_driver(text: str, compat: Compat) -> str:
    """Return the release of a driver; a branch alone, "535", counts as its first release that came with a toolkit.

    Raises:
        AisleError: E907 when it is no driver, or older or newer than any that is known.
    """
    shipped = sorted(compat.driver_of_toolkit.values(), key=release)
    first, last = release(shipped[0])[0], release(shipped[-1])[0]
    if not re.fullmatch(r"\d{3}(\.\d+){0,2}", text.strip()) or not first <= release(text)[0] <= last:
        branches = ", ".join(dict.fromkeys(driver.split(".", maxsplit=1)[0] for driver in shipped))
        raise AisleError(
            f"no NVIDIA driver '{text}' is known as of {compat.as_of}; known are {first} to {last}, among them {branches}",
            hint="`nvidia-smi` shows the driver in its first line, such as 535.183.01",
            code="E907",
        )
    if "." in text:
        return text.strip()
    return next((driver for driver in shipped if release(driver)[0] == int(text) and at_least(driver, text)), text.strip())
