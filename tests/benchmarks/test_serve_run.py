"""The parts of the load benchmark that decide: which settings TorchServe gets, and whether a bar was held."""

from __future__ import annotations

import copy
from dataclasses import asdict
from typing import Any

import pytest

from benchmarks.serve.bars import bars
from benchmarks.serve.load import Measured
from benchmarks.serve.search import Limits
from benchmarks.serve.table import page
from benchmarks.serve.torchserve import Settings
from benchmarks.serve.tuning import tune


def seen(rate: float = 1000.0, *, p90: float = 5.0, p99: float = 20.0, good: int = 1000, late: float = 0.1) -> dict[str, Any]:
    """1,000 requests of which `good` were answered with 200 and the others with 503."""
    latency = {"p50": 1.0, "p90": p90, "p99": p99, "p99.9": p99, "max": p99}
    status = {"200": good, **({} if good == 1000 else {"503": 1000 - good})}
    answered = rate * good / 1000
    return asdict(Measured(rate, answered, 1000, 1000, 1000, 0, 0, 0, status, latency, dict.fromkeys(latency, late), 0.1, 1.0))


def result() -> dict[str, Any]:
    """Two repeats in which every bar is held: 1,500 against 600 and 1,400 against 700 requests/s are ratios of 2.5 and 2."""
    best = asdict(Settings(workers=2, batch_size=16, max_batch_delay_ms=3))
    pairs = [
        {
            "ours": {
                "start_s": 1.5,
                "at_bar": seen(),
                "at_bar_history_sent": seen(),
                "highest_bar": {"rate": 1200.0, "best": seen(1200.0)},
                "highest_thread": {"rate": 600.0, "best": seen(600.0)},
                "highest_process": {"rate": mine, "best": seen(mine)},
            },
            "torchserve": {"rate": other, "best": seen(other)},
        }
        for mine, other in ((1500.0, 600.0), (1400.0, 700.0))
    ]
    measured = [
        {"k": 10, "filter": "none", "recall": 0.97, "p99_ms": 3.0},
        {"k": 500, "filter": "none", "recall": 0.9, "p99_ms": 4.0},
    ]
    index = {"kind": "ivf", "memory_bytes": 1e8, "item_matrix_bytes": 2.56e8, "build_s": 60.0, "measured": measured}
    model = {"width": 64, "max_history": 50, "n_items": 50_000}
    return {
        "machine": {
            "cpu": {"name": "a processor", "cores": 2}, "python": "3.11", "packages": {"torch": "2.13"}, "cores": "0,1",
            "load_before": 0.1, "quick": False, "command": ["run.py"], "minutes": 11.0,
        },
        "compared": {
            "bundle": {"model": model},
            "torchserve": {"best": best, "title": "2 workers", "tried": [{"settings": best, "rate": 650.0}]},
            "repeats": pairs,
        },
        "large": {
            "bundle": {"model": {**model, "n_items": 1_000_000}}, "index": index,
            "repeats": [{"start_s": 2.0, "plain": seen(300.0), "filtered": seen(300.0)}],
        },
    }  # fmt: skip


def held(told: dict[str, Any]) -> list[bool]:
    return [bar["held"] for bar in bars(told)]


def test_every_bar_is_held_by_what_holds_it() -> None:
    told = result()
    assert held(told) == [True] * 6
    # (2.5 + 2.0) / 2 = 2.25; in a thread 600 against 600 and 700: 1 and .857
    assert bars(told)[1]["seen"] == "2.25 (2.00 to 2.50); as it ships 0.93 (0.86 to 1.00)"


@pytest.mark.parametrize(
    ("bar", "where", "what"),
    [
        (0, ("compared", "repeats", 1, "ours", "at_bar"), seen(p90=7.0)),
        (0, ("compared", "repeats", 1, "ours", "at_bar"), seen(p99=25.0)),
        (0, ("compared", "repeats", 0, "ours", "at_bar"), seen(good=999)),
        (1, ("compared", "repeats", 1, "torchserve", "rate"), 701.0),
        (2, ("compared", "repeats", 0, "ours", "start_s"), 5.0),
        (3, ("large", "repeats", 0, "plain"), seen(300.0, p99=30.0)),
        (4, ("large", "repeats", 0, "filtered"), seen(300.0, p99=30.0)),
        (5, ("large", "index", "measured", 0, "recall"), 0.949),
    ],
)
def test_the_worst_repeat_decides(bar: int, where: tuple[str | int, ...], what: Any) -> None:
    told: Any = copy.deepcopy(result())
    part = told
    for key in where[:-1]:
        part = part[key]
    part[where[-1]] = what
    assert held(told) == [place != bar for place in range(6)]


def test_a_quick_run_says_that_it_proves_nothing_and_a_failed_bar_stands_out() -> None:
    told = result()
    told["machine"]["quick"] = True
    told["large"]["repeats"][0]["plain"] = seen(300.0, p99=31.0)
    told["bars"] = bars(told)
    text = page(told)
    assert "figures mean nothing" in text
    assert text.count("**no**") == 1
    assert "| 1 | TorchServe, highest with p99 < 25 | 600 |" in text


def test_a_server_that_holds_no_rate_has_a_row_too() -> None:
    told = result()
    told["compared"]["repeats"][0]["torchserve"] = {"rate": 0.0, "best": None}
    told["bars"] = bars(told)
    assert "| 1 | TorchServe, highest with p99 < 25 | 0 | - |" in page(told)


def test_tuning_ends_at_the_settings_that_hold_most() -> None:
    """A made-up TorchServe that likes two workers, batches of 16 and a delay of 1 ms."""

    def rate_of(settings: Settings) -> float:
        return (
            1000 - 100 * (settings.workers != 2) - 5 * abs(settings.batch_size - 16) - 10 * abs(settings.max_batch_delay_ms - 1)
        )

    tried = tune(rate_of, Settings())
    best = max(tried, key=lambda one: one.rate).settings
    assert (best.workers, best.batch_size, best.max_batch_delay_ms) == (2, 16, 1)
    assert len({one.settings for one in tried}) == len(tried) <= 8


def test_limits_need_every_request_answered_in_time() -> None:
    assert Limits({"p99": 25.0}).kept(Measured(**seen()))
    assert not Limits({"p99": 25.0}).kept(Measured(**seen(good=999)))
    assert not Limits({"p99": 25.0, "p90": 4.0}).kept(Measured(**seen()))
