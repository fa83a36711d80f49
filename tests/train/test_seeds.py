from __future__ import annotations

from itertools import product

from aisle.train.seeds import stream_seed


def test_streams_are_distinct_fit_a_generator_and_never_change() -> None:
    seeds = {stream_seed(*key) for key in product(range(50), range(1, 50), ("sampler", "dropout"))}
    assert len(seeds) == 50 * 49 * 2
    assert all(0 <= seed < 2**63 for seed in seeds)
    # Part of what makes a recipe repeatable: a new number here means that every old run trains differently.
    assert stream_seed(1, 1, "sampler") == 6335547542064294556
