from __future__ import annotations

from aisle.train.early_stopping import EarlyStopping


def _run(stopping: EarlyStopping, values: list[float]) -> int:
    """Return the epoch after which it stopped, 0 for never."""
    for epoch, value in enumerate(values, 1):
        stopping.improves(epoch, value)
        if stopping.stop:
            return epoch
    return 0


def test_it_stops_when_patience_runs_out_and_knows_the_best() -> None:
    stopping = EarlyStopping(patience=2)
    assert _run(stopping, [0.1, 0.3, 0.2, 0.29, 0.5]) == 4
    assert (stopping.best_epoch, stopping.best_value) == (2, 0.3)


def test_an_equal_value_is_not_better() -> None:
    stopping = EarlyStopping(patience=2)
    assert _run(stopping, [0.3, 0.3, 0.3]) == 3
    assert stopping.best_epoch == 1


def test_without_patience_it_never_stops() -> None:
    stopping = EarlyStopping(patience=0)
    assert _run(stopping, [0.3, 0.2, 0.1, 0.0, -1.0]) == 0
    assert stopping.best_epoch == 1


def test_nan_is_never_better() -> None:
    stopping = EarlyStopping(patience=0)
    assert _run(stopping, [float("nan"), 0.1, float("nan")]) == 0
    assert stopping.best_epoch == 2
