"""`aisle reproduce`: train a recorded run again, and say whether the same came out."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from aisle.cli.measured import print_differences, with_interval
from aisle.cli.output import JSON_OPTION, print_json, print_table
from aisle.cli.progress import screen
from aisle.errors import EXIT_STATUS
from aisle.experiment.reproduce import Placed, Reproduction, reproduce
from aisle.experiment.same_bits import ArrayGap

_DIFFERS, _OUTSIDE = "E414", "E415"
_SHOWN = 20


class NotReproducedError(click.ClickException):
    """The rerun is not what was recorded: a result, told after the tables."""

    exit_code = EXIT_STATUS[_DIFFERS[1]]

    def show(self, file: Any = None) -> None:
        """Say so on standard error; with --json the document has said it already."""
        click.echo(f"not reproduced: {self.message}", file=file, err=True)


@click.command("reproduce")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--dataset", type=click.Path(path_type=Path), help="Where the recorded dataset lies now; default: where it lay.")
@click.option("--out", type=click.Path(path_type=Path), help="Keep the rerun in this new folder; default: a scratch folder.")
@JSON_OPTION
def command(run: Path, dataset: Path | None, out: Path | None, as_json: bool) -> None:
    """Train RUN again with its recipe, seed and threads, and compare: weights, results case by case, metrics.

    In the recorded environment every bit must be the same. Elsewhere other bits are no fault: what differs is named, and the
    metrics must lie within the 95% intervals of RUN.

    \b
    Exit status: 0 identical or within the interval, 6 not.

    \b
    Examples:
      aisle reproduce runs/ncf
      aisle reproduce runs/ncf --dataset /data/shop-dataset --out runs/ncf-again
    """
    with _folder(out) as folder:
        result = reproduce(run, folder, dataset=dataset, screen=screen())
    if as_json:
        print_json({**result.to_json(), "rerun": None if out is None else str(out)})
    else:
        _print(result)
    if not result.good:
        raise NotReproducedError(_why(result))


@contextmanager
def _folder(out: Path | None) -> Iterator[Path]:
    if out is not None:
        yield out
        return
    with tempfile.TemporaryDirectory(prefix="aisle-reproduce-") as made:
        yield Path(made)


def _print(result: Reproduction) -> None:
    if result.environment:
        gaps = [(gap.name, _told(gap.recorded), _told(gap.here)) for gap in result.environment]
        print_table("the environment is not the recorded one", ("what", "recorded", "here"), gaps, left=3)
    _print_differing(result)
    if result.placed:
        placed = [_placed_cells(one) for one in result.placed]
        print_table("the rerun in the recorded intervals", ("metric", "recorded [95%]", "rerun", "where"), placed)
    if result.paired is not None:
        print_differences("rerun minus recorded, case by case", result.paired.to_json()["rows"], "recorded", "rerun")
    if result.good:
        click.echo(f"{result.run}: {_headline(result)}")


def _print_differing(result: Reproduction) -> None:
    """Print what is not the same: arrays, then cases; single values of metrics.json where no case tells."""
    if result.arrays:
        title = f"{len(result.arrays)} of {result.arrays_compared} arrays of the model differ{_cut(result.arrays)}"
        arrays = [(gap.name, *_array_cells(gap)) for gap in result.arrays[:_SHOWN]]
        print_table(title, ("array", "what", "largest difference"), arrays, left=2)
    if result.cases:
        cases = [(gap.metric, f"{gap.cases:,} of {gap.of:,}", f"{gap.largest:.4g}") for gap in result.cases]
        print_table("test cases with another result", ("metric", "cases", "largest difference"), cases)
    elif result.values:
        values = [(gap.path, _told(gap.recorded), _told(gap.rerun)) for gap in result.values[:_SHOWN]]
        print_table(f"values of metrics.json that differ{_cut(result.values)}", ("value", "recorded", "rerun"), values)


def _placed_cells(one: Placed) -> tuple[str, str, str, str]:
    recorded = with_interval(one.recorded, one.interval)
    return one.metric, recorded, f"{one.rerun:.4f}", "within" if one.within else "OUTSIDE"


def _headline(result: Reproduction) -> str:
    if result.verdict == "identical":
        elsewhere = ", in another environment too" if result.environment else ""
        return f"identical: {result.arrays_compared} arrays, every test case and every metric, bit for bit{elsewhere}"
    return f"{result.verdict}: not the same bits, as the environment differs; every metric lies in its 95% interval"


def _why(result: Reproduction) -> str:
    if result.verdict == "outside the interval":
        outside = ", ".join(" ".join(_placed_cells(one)[:3]) for one in result.placed if not one.within)
        return f"{result.run}: outside the interval (metric, recorded, rerun): {outside} [{_OUTSIDE}]"
    where = f"{len(result.arrays)} of {result.arrays_compared} arrays"
    if result.arrays:
        first = result.arrays[0]
        where += f", such as {first.name}: {', '.join(cell for cell in _array_cells(first) if cell)}"
    cases = max((gap.cases for gap in result.cases), default=0)
    return (
        f"{result.run}: differs in the same environment: {where}; {cases:,} test cases; "
        f"{len(result.values)} values of metrics.json [{_DIFFERS}]"
    )


def _array_cells(gap: ArrayGap) -> tuple[str, str]:
    if not gap.cells:
        return gap.what, ""
    return f"{gap.cells:,} of {gap.of:,} values", f"{gap.largest:.4g}"


def _told(value: object) -> str:
    return "not told" if value is None else str(value)


def _cut(rows: Sequence[Any]) -> str:
    return f"; the first {_SHOWN}, all with --json" if len(rows) > _SHOWN else ""
