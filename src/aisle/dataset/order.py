"""The canonical order of rows: user, time, item, event, then every other column; see `schema.columns.ROW_ORDER`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from aisle.dataset.spill import Columns

_KEY_BITS = 63


def canonical_order(columns: Columns, tie_break: list[str]) -> NDArray[np.int64]:
    """Return the order of N rows.

    Args:
        columns: "user", "time" and the tie-breaking columns, (N,) each.
        tie_break: columns that order rows of equal user and time, the first deciding; [] = they keep their places.

    Returns:
        (N,) row indices.
    """
    key = _key(columns["user"], columns["time"])
    if key is None:
        order = np.lexsort((columns["time"], columns["user"]))
        tied_to_next = (np.diff(columns["user"][order]) == 0) & (np.diff(columns["time"][order]) == 0)
    else:
        # Faster than a stable sort by half; ties are put right below, and they are few.
        order = np.argsort(key)
        tied_to_next = np.diff(key[order]) == 0
    tied = np.flatnonzero(np.concatenate([[False], tied_to_next]) | np.concatenate([tied_to_next, [False]]))
    if not len(tied):
        return order
    run = np.concatenate([[0], np.cumsum(~tied_to_next)])[tied]
    rows = order[tied]
    keys = [columns[name][rows] for name in reversed(tie_break)] if tie_break else [rows]
    order[tied] = rows[np.lexsort((*keys, run))]
    return order


def _key(user: NDArray[np.int32], time: NDArray[np.int64]) -> NDArray[np.int64] | None:
    """Pack user and time into one number that sorts as the pair does; None where they need more than 63 bits."""
    if not len(time):
        return np.zeros(0, np.int64)
    first_user, first_time = int(user.min()), int(time.min())
    span = int(time.max()) - first_time
    unit = next((unit for unit in (1_000_000, 1_000) if span >= unit and not ((time - first_time) % unit).any()), 1)
    time_bits = (span // unit).bit_length()
    if time_bits + (int(user.max()) - first_user).bit_length() > _KEY_BITS:
        return None
    past = time - first_time
    if unit > 1:
        past //= unit
    past |= (user.astype(np.int64) - first_user) << time_bits
    return past


def repeated(columns: Columns) -> NDArray[np.bool_]:
    """Say which of N rows in canonical order equals the row before it in every column: (N,) bool."""
    same = np.ones(len(columns["user"]), np.bool_)
    same[:1] = False
    for values in columns.values():
        # Bytes are compared, so that a missing number equals a missing number.
        plain = values.view(np.int32) if values.dtype == np.float32 else values
        same[1:] &= plain[1:] == plain[:-1]
    return same


def group_numbers(user: NDArray[np.int32], group: NDArray[np.uint64]) -> NDArray[np.uint32]:
    """Number each user's groups 0, 1, 2, ... by first appearance: rows in canonical order, (N,) -> (N,) uint32."""
    if not len(user):
        return np.zeros(0, np.uint32)
    new_run = np.ones(len(user), np.bool_)
    new_run[1:] = (user[1:] != user[:-1]) | (group[1:] != group[:-1])
    # Groups mostly stand together, so runs are few against rows.
    start = np.flatnonzero(new_run)
    run_user, run_group = user[start], group[start]
    order = np.lexsort((run_group, run_user))
    new_pair = np.ones(len(order), np.bool_)
    new_pair[1:] = np.diff(run_user[order]) != 0
    new_pair[1:] |= run_group[order][1:] != run_group[order][:-1]
    pair = np.empty(len(order), np.int64)
    pair[order] = np.cumsum(new_pair) - 1
    # lexsort is stable: the first run of a pair is its first appearance.
    is_first = np.zeros(len(order), np.bool_)
    is_first[order[new_pair]] = True
    seen = np.cumsum(is_first)
    user_start = np.concatenate([[0], np.flatnonzero(np.diff(run_user)) + 1])
    before = np.repeat(seen[user_start] - 1, np.diff(np.concatenate([user_start, [len(run_user)]])))
    number_of_pair = np.empty(int(pair.max()) + 1, np.int64)
    number_of_pair[pair[is_first]] = (seen - 1 - before)[is_first]
    lengths = np.diff(np.concatenate([start, [len(user)]]))
    return np.repeat(number_of_pair[pair], lengths).astype(np.uint32)
