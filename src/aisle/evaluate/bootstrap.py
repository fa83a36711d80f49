"""How far a mean over cases would move if other shoppers had been asked: percentile bootstrap, always the same for a seed."""

# C cases   S shoppers   M metrics   R resamples   G groups of equal rows

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.95
_CHUNK_CELLS = 4_000_000


def intervals(
    value_CM: NDArray[np.float64], *, resamples: int, seed: int, user_C: NDArray[np.integer] | None = None
) -> NDArray[np.float64]:
    """Return the 95% percentile bootstrap interval of the mean of each column.

    Cases are drawn with replacement, C of C, all columns together. Equal rows are drawn as one with their count, which
    is the same distribution and makes the usual metrics, with few distinct values, nearly free.

    Where shoppers are asked more than once, shoppers are drawn instead, S of S, each with all of their cases: the cases of
    one shopper are alike, and drawing them one by one would make the interval too narrow.

    Args:
        value_CM: (C, M), one row a case.
        resamples: how often to draw; 0 gives NaN.
        seed: the same seed gives the same interval.
        user_C: (C,) whose cases these are; None = everybody has one.

    Returns:
        (M, 2) low and high.

    Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, section 13.3; for shoppers with several cases,
        Davison and Hinkley, Bootstrap Methods and their Application, 1997, section 3.8.
    """
    n_cases, n_metrics = value_CM.shape
    if resamples == 0 or n_cases == 0:
        return np.full((n_metrics, 2), np.nan)
    rng = np.random.default_rng(seed)
    shoppers = None if user_C is None else np.unique(user_C, return_inverse=True)[1]
    if shoppers is not None and int(shoppers.max()) + 1 < n_cases:
        mean_RM = _draw_shoppers(value_CM, shoppers, resamples, rng)
    else:
        mean_RM = _draw_alone(value_CM, resamples, rng)
    tail = (1 - CONFIDENCE) / 2
    return np.quantile(mean_RM, [tail, 1 - tail], axis=0).T


def _draw_alone(value_CM: NDArray[np.float64], resamples: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return the means of drawn cases: (R, M)."""
    row_GM, count_G = np.unique(value_CM, axis=0, return_counts=True)
    if len(row_GM) * 4 <= len(value_CM):
        return _draw_groups(row_GM, count_G, resamples, rng)
    return _draw_cases(value_CM, resamples, rng)


def _draw_shoppers(
    value_CM: NDArray[np.float64], shopper_C: NDArray[np.int64], resamples: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return the means over the cases of drawn shoppers: (R, M). Both the sum and the number of cases move with the draw."""
    order = np.argsort(shopper_C, kind="stable")
    starts = np.flatnonzero(np.diff(shopper_C[order], prepend=-1))
    count_S1 = np.diff(np.append(starts, len(order))).astype(np.float64)[:, None]
    both_SM = np.concatenate([np.add.reduceat(value_CM[order], starts, axis=0), count_S1], axis=1)
    drawn_RM = _draw_cases(both_SM, resamples, rng)
    return drawn_RM[:, :-1] / drawn_RM[:, -1:]


def _draw_groups(
    row_GM: NDArray[np.float64], count_G: NDArray[np.int64], resamples: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    n_cases = int(count_G.sum())
    chunk = max(1, _CHUNK_CELLS // len(count_G))
    parts = [
        rng.multinomial(n_cases, count_G / n_cases, size=min(chunk, resamples - start)) @ row_GM / n_cases
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
