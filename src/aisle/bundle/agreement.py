"""Do two ways of answering give the same list: only items whose scores are as good as equal may change places."""

from __future__ import annotations

import math
from dataclasses import dataclass

from aisle.bundle.question import Answer, Item


@dataclass(frozen=True)
class Difference:
    """What is different between two lists.

    Attributes:
        words: what, in words; nothing where they agree.
        largest_difference: between the scores of one item that is in both lists, see `apart`.
    """

    words: tuple[str, ...]
    largest_difference: float


def disagreements(expected: Answer, seen: Answer, tolerance: float) -> Difference:
    """Compare two lists of one question.

    Item by item the scores must be within the tolerance of each other. Where another item stands than expected, the two must be
    within the tolerance of each other by the scores of one side: they tie. That holds for the end of the list too, where an
    item that just missed one list may stand in the other.

    Args:
        expected: the answer that is right.
        seen: the answer to compare.
        tolerance: two items whose scores are less `apart` may change places.
    """
    words: list[str] = []
    if expected.known != seen.known:
        words.append(f"the shopper is {'known' if seen.known else 'unknown'}, expected the contrary")
    if len(expected.items) != len(seen.items):
        return Difference((*words, f"{len(seen.items)} items, expected {len(expected.items)}"), 0.0)
    right, found = {item.item_id: item for item in expected.items}, {item.item_id: item for item in seen.items}
    differences = [apart(right[name].score, found[name].score) for name in right.keys() & found.keys()]
    # NaN is neither more nor less than a number: max would keep or lose it by the order of a set.
    largest = math.nan if any(map(math.isnan, differences)) else max(differences, default=0.0)
    if not largest < tolerance:
        words.append(f"the scores of one item differ by {largest:.3g}, the tolerance is {tolerance:.3g}")
    if len(found) != len(seen.items):
        words.append("an item stands in the list twice")
    for one, other in zip(expected.items, seen.items, strict=True):
        if one.item_id != other.item_id and not _tie(one, other, right, tolerance):
            words.append(f"place {one.rank}: {other.item_id!r} ({other.score:.6g}), expected {one.item_id!r} ({one.score:.6g})")
        elif one.source != other.source:
            words.append(f"place {one.rank} is from {other.source}, expected {one.source}")
    return Difference(tuple(words), largest)


def apart(one: float, other: float) -> float:
    """Return how far two scores are apart: absolute below 1, relative above, as rounding is."""
    return abs(one - other) / max(1.0, abs(one))


def _tie(one: Item, other: Item, right: dict[int | str, Item], tolerance: float) -> bool:
    """Items of one source tie by the expected scores; one that just missed the expected list has only the score seen."""
    score = right[other.item_id].score if other.item_id in right else other.score
    return one.source == other.source and apart(one.score, score) < tolerance
