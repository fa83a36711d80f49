"""How far a mean over cases would move if other shoppers had been asked: percentile bootstrap, always the same for a seed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.95
_CHUNK_CELLS = 4_000_000


def intervals(value_CM: NDArray[np.float64], *, resamples: int, seed: int) -> NDArray[np.float64]:
    """Return the 95% percentile bootstrap interval of the mean of each column.

    Cases are drawn with replacement, C of C, all columns together. Equal rows are drawn as one with their count, which
    is the same distribution and makes the usual metrics, with few distinct values, nearly free.

    Args:
        value_CM: (C, M), one row a case.
        resamples: how often to draw; 0 gives NaN.
        seed: the same seed gives the same interval.

    Returns:
        (M, 2) low and high.

    Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, section 13.3.
    """
    n_cases, n_metrics = value_CM.shape
    if resamples == 0 or n_cases == 0:
        return np.full((n_metrics, 2), np.nan)
    rng = np.random.default_rng(seed)
    row_UM, count_U = np.unique(value_CM, axis=0, return_counts=True)
    if len(row_UM) * 4 <= n_cases:
        mean_RM = _draw_groups(row_UM, count_U, resamples, rng)
    else:
        mean_RM = _draw_cases(value_CM, resamples, rng)
    tail = (1 - CONFIDENCE) / 2
    return np.quantile(mean_RM, [tail, 1 - tail], axis=0).T


def _draw_groups(
    row_UM: NDArray[np.float64], count_U: NDArray[np.int64], resamples: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    n_cases = int(count_U.sum())
    chunk = max(1, _CHUNK_CELLS // len(count_U))
    parts = [
        rng.multinomial(n_cases, count_U / n_cases, size=min(chunk, resamples - start)) @ row_UM / n_cases
        for start in range(0, resamples, chunk)
    ]
    return np.concatenate(parts)


def _draw_cases(value_CM: NDArray[np.float64], resamples: int, rng: np.random.Generator) -> NDArray[np.float64]:
    n_cases, n_metrics = value_CM.shape
    mean_RM = np.empty((resamples, n_metrics))
    chunk = max(1, _CHUNK_CELLS // n_cases)
    for start in range(0, resamples, chunk):
        stop = min(start + chunk, resamples)
        times_RC = np.empty((stop - start, n_cases))
        for place in range(stop - start):
            drawn = rng.integers(0, n_cases, n_cases, dtype=np.int32)
            times_RC[place] = np.bincount(drawn, minlength=n_cases)
        mean_RM[start:stop] = times_RC @ value_CM / n_cases
    return mean_RM
