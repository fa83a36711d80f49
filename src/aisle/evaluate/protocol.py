"""How a question is asked and counted; numbers from different protocols are never compared."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from aisle.dataset.cases import Cases
from aisle.errors import AisleError
from aisle.recommend.answer import BLOCK_CELLS


@dataclass(frozen=True)
class EvaluateConfig:
    """How to evaluate.

    Attributes:
        k: lengths of list to count at.
        protocol: "full" ranks the whole catalogue. "sampled" ranks the right answers among a few wrong ones; its numbers
            are higher, and can order models differently (Krichene and Rendle, On Sampled Metrics for Item
            Recommendation, 2020). "rating" measures how far predicted ratings are from given ones, for `split.kind` "folds".
        negatives: wrong answers a case for "sampled", drawn among unseen items; used only when the cases bring none.
        filter_seen: what the shopper has already seen is not recommended (`split.seen_events` says what counts). With False it
            competes.
        fallback_days: what answers where the model cannot is popularity over so many days before the last training event; None
            = over all of them.
        lists: make the lists too, for coverage and diversity ("full" only).
        resamples: bootstrap resamples for the intervals; 0 = none.
        seed: for negatives and resamples.
        block_cells: scores held at a time, to bound memory (4 bytes each, and about twice that on the way).
    """

    k: tuple[int, ...] = (10,)
    protocol: Literal["full", "sampled", "rating"] = "full"
    negatives: int = 100
    filter_seen: bool = True
    fallback_days: float | None = None
    lists: bool = True
    resamples: int = 1000
    seed: int = 0
    block_cells: int = BLOCK_CELLS


def check(cases: Cases, config: EvaluateConfig) -> None:
    """Refuse what cannot be evaluated.

    Raises:
        AisleError: E700 without cases, E701 for a k or a number of negatives below 1.
    """
    if not len(cases):
        raise AisleError(
            "there are no cases to evaluate", hint="choose a split with a larger test or validation share", code="E700"
        )
    if not config.k or min(config.k) < 1 or config.negatives < 1 or config.resamples < 0:
        seen = f"k {list(config.k)}, negatives {config.negatives}, resamples {config.resamples}"
        raise AisleError(f"cannot evaluate with {seen}", hint="k and negatives start at 1, resamples at 0", code="E701")


def describe(cases: Cases, config: EvaluateConfig, n_items: int) -> dict[str, object]:
    """Return what defines the numbers: two evaluations may be compared when these are equal."""
    wording: dict[str, object] = {
        "ranking": config.protocol,
        "catalogue_items": n_items,
        "filter_seen": config.filter_seen,
        "ties": "count against the model",
        "cases_sha256": fingerprint(cases),
    }
    if config.protocol == "sampled":
        fixed = cases.negatives is not None
        wording["negatives"] = config.negatives if cases.negatives is None else cases.negatives.shape[1]
        wording["negatives_from"] = "the split" if fixed else f"unseen items, seed {config.seed}"
    return wording


def fingerprint(cases: Cases) -> str:
    """Return the SHA-256 of the questions: who is asked, what is no news to them, what is right, what is wrong.

    What a model may know is not part of it, so a model that reads purchases and one that reads views too can be compared.
    """
    digest = hashlib.sha256()
    arrays: list[NDArray[Any]] = [cases.user, cases.no_news.offsets, cases.no_news.item, cases.target_offsets, cases.target_item]
    if cases.negatives is not None:
        arrays.append(cases.negatives)
    if cases.rating is not None:
        arrays.append(cases.rating)
    for array in arrays:
        digest.update(f"{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
