"""VS-kNN: recommend what stands in past sessions like this one, late items of the session counting most. Hard to beat."""

# B shoppers   V items of the catalogue   S sessions of the training part, oldest first   N candidates a shopper
# P pairs of a shopper and a session   C cells: the items of the sessions of all pairs, one after another   E events

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from aisle.errors import AisleError
from aisle.features.histories import Histories

MINUTE_US = 60 * 1_000_000
_BLOCK_CELLS = 4_000_000


@dataclass(frozen=True)
class SessionKNNConfig:
    """How sessions are cut and compared.

    Attributes:
        session_gap_minutes: a pause longer than this ends a session; a log without times has one session a shopper.
        length: how many of the last events of the current session are compared.
        sample: of the past sessions that share an item with the current one, so many of the latest are compared.
        neighbours: how many of these, the most similar ones, are listened to.
        idf: how much more an item of few sessions is worth: its score is multiplied by 1 + idf * log(sessions / sessions with
            the item).
    """

    session_gap_minutes: float = 30.0
    length: int = 50
    sample: int = 1000
    neighbours: int = 100
    idf: float = 0.0

    def __post_init__(self) -> None:
        if not self.session_gap_minutes > 0 or not self.idf >= 0:
            raise AisleError(
                f"VS-kNN needs session_gap_minutes > 0 and idf >= 0; seen {self.session_gap_minutes} and {self.idf}",
                hint="set session_gap_minutes to a number such as 30, idf to one such as 0 or 1",
                code="E345",
            )
        if min(self.length, self.sample, self.neighbours) < 1:
            seen = f"length {self.length}, sample {self.sample}, neighbours {self.neighbours}"
            raise AisleError(
                f"VS-kNN needs counts of 1 or more; seen {seen}", hint="leave them out for the defaults", code="E345"
            )


class SessionKNN:
    """Vector multiplication session-kNN: w(i) is the place of an item in the current session divided by its length.

    The similarity of a past session is the sum of w over the items that it shares. An item's score is the sum, over the
    past sessions that hold it, of their similarity times the w of the last shared item, times the item's IDF.

    Source: Ludewig and Jannach, Evaluation of session-based recommendation algorithms, 2018, section 3.2.2 (V-SkNN, linear
    weights). The IDF is that of S-IDF-SkNN in the same group's session-rec. We depart in that sessions are cut by pauses.

    Args:
        config: how sessions are cut and compared.
        has_SV: (S, V) bool sparse rows: the distinct items of each past session.
        timed: whether histories carry times; without, a history is one session.
    """

    def __init__(self, config: SessionKNNConfig, has_SV: sparse.csr_array, *, timed: bool) -> None:
        self.config = config
        self.has_SV = has_SV
        self.timed = timed
        self._has_VS = sparse.csr_array(has_SV.T)
        count_V = np.diff(self._has_VS.indptr)
        self._trained_V = count_V > 0
        rarity_V = np.log(max(has_SV.shape[0], 1) / np.maximum(count_V, 1))
        self._worth_V = (1 + config.idf * rarity_V).astype(np.float32)

    @classmethod
    def fit(
        cls,
        config: SessionKNNConfig,
        train: Histories,
        n_items: int,
        *,
        time_kind: Literal["timestamp", "order"] = "timestamp",
    ) -> SessionKNN:
        """Cut the training part into sessions.

        Args:
            config: how.
            train: what may be learned from.
            n_items: items in the catalogue.
            time_kind: what `train.time` means, as in the dataset's manifest. An order says nothing about which of two
                shoppers' sessions is the later one, so the last users of the dataset count as the latest.
        """
        timed = time_kind == "timestamp"
        session_E = np.cumsum(_begins(train, config, timed=timed)) - 1
        n_sessions = int(session_E[-1]) + 1 if len(session_E) else 0
        key = np.unique(session_E * n_items + train.item)
        session, item = np.divmod(key, n_items)
        # A session of one item says nothing about any other.
        useful = np.bincount(session, minlength=n_sessions) > 1
        end_S = np.zeros(n_sessions, np.int64)
        end_S[session_E] = train.time if timed else 0
        oldest_first = np.argsort(end_S[useful], kind="stable")
        kept = useful[session]
        place_S = np.empty(len(oldest_first), np.int64)
        place_S[oldest_first] = np.arange(len(oldest_first))
        row = place_S[(np.cumsum(useful) - 1)[session[kept]]]
        ones = np.ones(int(kept.sum()), np.float32)
        return cls(config, sparse.csr_array((ones, (row, item[kept])), shape=(len(oldest_first), n_items)), timed=timed)

    @classmethod
    def from_state(cls, config: SessionKNNConfig, state: Mapping[str, NDArray[Any]]) -> SessionKNN:
        """Rebuild from what `state` returned."""
        shape = (len(state["offsets"]) - 1, int(state["n_items"][0]))
        ones = np.ones(len(state["item"]), np.float32)
        has_SV = sparse.csr_array((ones, state["item"], state["offsets"]), shape=shape)
        return cls(config, has_SV, timed=bool(state["timed"][0]))

    def state(self) -> dict[str, NDArray[Any]]:
        """Return the arrays that make this model: the items of each session, oldest session first."""
        return {
            "offsets": self.has_SV.indptr.astype(np.int64),
            "item": self.has_SV.indices.astype(np.int32),
            "n_items": np.array([self.has_SV.shape[1]], np.int64),
            "timed": np.array([self.timed]),
        }

    def knows(self, user_B: NDArray[np.int64], known: Histories) -> NDArray[np.bool_]:
        """Return whose current session holds an item of a past session: (B,)."""
        kept = _in_current_session(known, self.config, timed=self.timed) & self._trained_V[known.item]
        return np.bincount(known.rows[kept], minlength=len(known)) > 0

    def score(self, user_B: NDArray[np.int64], known: Histories) -> NDArray[np.float32]:
        """Return the scores: (B, V), -inf for items of none of the sessions that are listened to."""
        score_BV = np.empty((len(known), self.has_SV.shape[1]), np.float32)
        block = max(1, _BLOCK_CELLS // max(self.has_SV.shape[1], 1))
        for start in range(0, len(known), block):
            rows = np.arange(start, min(start + block, len(known)))
            score_BV[rows] = self._score_block(known.take(rows))
        return score_BV

    def score_items(self, user_B: NDArray[np.int64], known: Histories, item_BN: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the entries of `score` asked for, computed in blocks of shoppers: (B, N)."""
        score_BN = np.empty(item_BN.shape, np.float32)
        block = max(1, _BLOCK_CELLS // max(self.has_SV.shape[1], 1))
        for start in range(0, len(known), block):
            rows = np.arange(start, min(start + block, len(known)))
            score_BN[rows] = np.take_along_axis(self._score_block(known.take(rows)), item_BN[rows], axis=1)
        return score_BN

    def similar(self, item_B: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return what a session of this item alone would get: (B, V), -inf for the item itself."""
        n = len(item_B)
        alone = Histories(np.arange(n + 1, dtype=np.int64), item_B.astype(np.int32), np.zeros(n, np.uint8), np.zeros(n, np.int64))
        score_BV = self.score(np.full(n, -1), alone)
        score_BV[np.arange(n), item_B] = -np.inf
        return score_BV

    def _score_block(self, known: Histories) -> NDArray[np.float32]:
        weight_BV = self._weights(known)
        neighbour_BS = self._neighbours(sparse.csr_array(weight_BV))
        row_P = np.repeat(np.arange(len(known)), np.diff(neighbour_BS.indptr))
        neighbour_BS.data *= self._last_shared(weight_BV, row_P, neighbour_BS.indices)
        score_BV: NDArray[np.float32] = (neighbour_BS @ self.has_SV).toarray() * self._worth_V
        score_BV[score_BV == 0] = -np.inf
        return score_BV

    def _weights(self, known: Histories) -> NDArray[np.float32]:
        """Return the w of the items of each current session: (B, V), 0 elsewhere; an item counts at its last place."""
        session = known.where(_in_current_session(known, self.config, timed=self.timed))
        place_E = np.arange(len(session.item)) - np.repeat(session.offsets[:-1], session.lengths) + 1
        weight_E = (place_E / np.repeat(session.lengths, session.lengths)).astype(np.float32)
        weight_BV = np.zeros((len(known), self.has_SV.shape[1]), np.float32)
        np.maximum.at(weight_BV, (session.rows, session.item), weight_E)
        return weight_BV

    def _neighbours(self, weight_BV: sparse.csr_array) -> sparse.csr_array:
        """Return the similarities of the sessions that are listened to: (B, S) sparse, at most `neighbours` a row."""
        alike_BS = sparse.csr_array(weight_BV @ self._has_VS)
        alike_BS.sort_indices()
        alike_BS = _keep(alike_BS, _from_end(alike_BS.indptr) < self.config.sample)
        # Most similar last; of equally similar sessions the later one stands later.
        row_P = np.repeat(np.arange(alike_BS.shape[0]), np.diff(alike_BS.indptr))
        order = np.lexsort((alike_BS.indices, alike_BS.data, row_P))
        listened = np.zeros(len(order), np.bool_)
        listened[order] = _from_end(alike_BS.indptr) < self.config.neighbours
        return _keep(alike_BS, listened)

    def _last_shared(
        self, weight_BV: NDArray[np.float32], row_P: NDArray[np.int64], session_P: NDArray[np.integer]
    ) -> NDArray[np.float32]:
        """Return the w of the last item that a shopper's session shares with a past one: (P,)."""
        if not len(row_P):
            return np.zeros(0, np.float32)
        length_P = np.diff(self.has_SV.indptr)[session_P].astype(np.int64)
        start_P = np.cumsum(length_P) - length_P
        cell_C = np.repeat(self.has_SV.indptr[session_P] - start_P, length_P) + np.arange(int(length_P.sum()))
        weight_C = weight_BV[np.repeat(row_P, length_P), self.has_SV.indices[cell_C]]
        last_P: NDArray[np.float32] = np.maximum.reduceat(weight_C, start_P)
        return last_P


def _begins(histories: Histories, config: SessionKNNConfig, *, timed: bool) -> NDArray[np.bool_]:
    """Say which events begin a session: (E,) bool."""
    begins = np.zeros(len(histories.item), np.bool_)
    begins[histories.offsets[:-1][histories.lengths > 0]] = True
    if timed:
        begins[1:] |= np.diff(histories.time) > config.session_gap_minutes * MINUTE_US
    return begins


def _in_current_session(known: Histories, config: SessionKNNConfig, *, timed: bool) -> NDArray[np.bool_]:
    """Say which events belong to the last session of their history, its last `length` events: (E,) bool."""
    if not len(known.item):
        return np.zeros(0, np.bool_)
    session_E = np.cumsum(_begins(known, config, timed=timed))
    last_E = session_E[np.repeat(known.offsets[1:], known.lengths) - 1]
    from_end_E = np.repeat(known.offsets[1:], known.lengths) - np.arange(len(known.item))
    current: NDArray[np.bool_] = (session_E == last_E) & (from_end_E <= config.length)
    return current


def _from_end(offsets: NDArray[np.integer]) -> NDArray[np.int64]:
    """Return how many cells of the same sparse row come after each one: (cells,)."""
    lengths = np.diff(offsets)
    after: NDArray[np.int64] = np.repeat(offsets[1:], lengths).astype(np.int64) - np.arange(int(offsets[-1])) - 1
    return after


def _keep(rows: sparse.csr_array, kept: NDArray[np.bool_]) -> sparse.csr_array:
    """Keep some cells of sparse rows."""
    before = np.concatenate([[0], np.cumsum(kept)])
    return sparse.csr_array((rows.data[kept], rows.indices[kept], before[rows.indptr]), shape=rows.shape)
