"""How training is shown while it runs: lines on standard error, and on a terminal one that changes in place."""

from __future__ import annotations

import sys

import click

from aisle.experiment.run import Screen
from aisle.experiment.tracking import Tracker
from aisle.train.watch import Progress


def screen(*, quiet: bool = False, tracker: Tracker | None = None) -> Screen:
    """Return where a run speaks; progress goes to a terminal even where lines are not wanted."""
    return Screen(None if quiet else _say, _show if sys.stderr.isatty() else None, tracker)


def _say(line: str) -> None:
    click.echo(f"\r\x1b[K{line}" if sys.stderr.isatty() else line, err=True)


def _show(progress: Progress) -> None:
    text = (
        f"{progress.phase} epoch {progress.epoch}/{progress.epochs} step {progress.step}/{progress.steps} "
        f"loss {progress.loss:.4f} {progress.samples_per_s:,.0f} samples/s, {progress.eta_s:.0f} s left"
    )
    click.echo(f"\r{text}\x1b[K", err=True, nl=False)
