"""`aisle gate`: may this run take the place of the bundle in production?"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from aisle.bundle.bundle import Bundle
from aisle.cli.output import JSON_OPTION, print_json
from aisle.cli.public_key import KEY_OPTION
from aisle.cli.registry_options import CHANNEL_OPTION
from aisle.errors import AisleError
from aisle.evaluate.compare import Comparison, compare
from aisle.evaluate.evaluation import Evaluation
from aisle.evaluate.gate import Ruling, judge
from aisle.evaluate.results import load_evaluation
from aisle.experiment.run import read_run
from aisle.export.retest import retest
from aisle.registry.registry import Registry

TEST = "test"
_SHARED = "on the test part that both were measured on"
_AGAIN = "on the test part of the run, where the bundle was asked again"


class Stopped(click.ClickException):
    """The gate's no: not an error, and told from one by its exit status."""

    exit_code = 12

    def show(self, file: Any = None) -> None:
        """Say so on standard error; with --json the document has said it already."""
        click.echo(f"stopped: {self.message}", file=file, err=True)


@click.command("gate")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--against", "registry", required=True, metavar="REGISTRY", help="Where the bundle in production is.")
@CHANNEL_OPTION
@click.option("--metric", help="What decides, such as NDCG@10 (default: the first NDCG).")
@click.option(
    "--margin",
    type=float,
    help="How much worse RUN may be: the 95% interval of the difference must lie above minus this. "
    "0 asks for a shown difference. Without it the mean has to be better.",
)
@click.option("--allow-new-data", is_flag=True, help="Where the data is newer, ask the bundle the questions of RUN.")
@click.option("--cache", type=click.Path(path_type=Path), help="Keep the fetched bundle here.")
@KEY_OPTION
@JSON_OPTION
def command(
    run: Path,
    registry: str,
    channel: str,
    metric: str | None,
    margin: float | None,
    allow_new_data: bool,
    cache: Path | None,
    public_key: Path | None,
    as_json: bool,
) -> None:
    """Exit with 0 where RUN (or a bundle) is better than what is served, shopper by shopper as `aisle compare`; else with 12.

    Where nothing is served yet, RUN passes.

    \b
    Examples:
      aisle gate runs/ncf --against runs/demo/registry
      aisle gate runs/today --against s3://shop/registry --allow-new-data --margin 0.002
    """
    where = Registry(registry, public_key=public_key)
    served = where.current(channel)
    about = {"run": str(run), "registry": registry, "channel": channel, "bundle": served}
    new = load_evaluation(run / TEST)
    if served is None:
        _say(as_json, {**about, "passed": True, "difference": None}, f"passed: {channel} of {registry} serves nothing yet")
        return
    with _cache(cache) as folder:
        old, measured = _served_results(where.fetch(served, folder), run, new, allow_new_data=allow_new_data)
    comparison = compare(old, new)
    ruling = judge(comparison, metric=metric, margin=margin)
    words = _words(ruling, comparison, run, served)
    document = {"measured": measured, "cases": comparison.cases, "rule": ruling.rule, "margin": ruling.margin}
    document |= {"passed": ruling.passed, "difference": asdict(ruling.difference)}
    _say(as_json, {**about, **document}, f"passed: {words}, {measured}" if ruling.passed else "")
    if not ruling.passed:
        raise Stopped(f"{words}, {measured}; asked for: {ruling.rule}")


@contextmanager
def _cache(folder: Path | None) -> Iterator[Path]:
    if folder is not None:
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="aisle-gate-") as made:
        yield Path(made)


def _served_results(bundle: Path, run: Path, new: Evaluation, *, allow_new_data: bool) -> tuple[Evaluation, str]:
    """Return what the bundle in production reaches on the questions of the run, and how that was found.

    Raises:
        AisleError: E047 when the bundle was asked other questions and may not, or cannot, be asked these.
    """
    old = load_evaluation(bundle / TEST) if (bundle / TEST).is_dir() else None
    if old is not None and old.protocol == new.protocol:
        return old, _SHARED
    if not allow_new_data:
        raise AisleError(
            f"{run} and the bundle {bundle.name} in production were asked different questions ({_differing(old, new)})",
            hint="pass --allow-new-data to ask the bundle the questions of the run, or train on the bundle's dataset",
            code="E047",
        )
    again = retest(Bundle.open(bundle, check=False), read_run(run))
    return again.evaluation, _AGAIN + (
        f" (whether it learned some of the answers is not known: {again.unchecked})" if again.unchecked else ""
    )


def _differing(old: Evaluation | None, new: Evaluation) -> str:
    if old is None:
        return "the bundle carries no test results"
    names = sorted(name for name in {*old.protocol, *new.protocol} if old.protocol.get(name) != new.protocol.get(name))
    return "; ".join(f"{name}: {old.protocol.get(name)!r} and {new.protocol.get(name)!r}" for name in names)


def _words(ruling: Ruling, comparison: Comparison, run: Path, served: str) -> str:
    row = ruling.difference
    low, high = row.interval
    return (
        f"{row.metric} of {run} is {row.b:.4f}, of {served} in production {row.a:.4f}: "
        f"{row.difference:+.4f} [{low:+.4f}, {high:+.4f}] over {comparison.cases:,} cases"
    )


def _say(as_json: bool, document: dict[str, Any], words: str) -> None:
    if as_json:
        print_json(document)
    elif words:
        click.echo(words)
