"""Every stream of random numbers follows from (seed, epoch, what for): a resumed run needs no generator's state."""

from __future__ import annotations

import zlib

import numpy as np


def stream_seed(seed: int, epoch: int, purpose: str) -> int:
    """Return a 63-bit seed for one stream; seeds and epochs near each other share nothing.

    Args:
        seed: the run's seed, 0 or more.
        epoch: 1-based.
        purpose: names the stream, such as "sampler" or "dropout".
    """
    sequence = np.random.SeedSequence((seed, epoch, zlib.crc32(purpose.encode())))
    return int(sequence.generate_state(1, np.uint64)[0] >> 1)
