"""`aisle doctor`: what does not fit on this machine or in a dataset, and the command that mends it; and what to install."""

from __future__ import annotations

import dataclasses
import importlib
from pathlib import Path
from typing import Any

import click

from aisle.cli.output import JSON_OPTION, print_json
from aisle.doctor.dataset_rules import examine_dataset
from aisle.doctor.examine import examine
from aisle.doctor.finding import Finding
from aisle.doctor.plan import Plan, ask, make_plan
from aisle.doctor.plan_text import plan_text
from aisle.doctor.report import EXIT_ERROR, EXIT_STRICT, document, exit_status, text
from aisle.environment.compat import load_compat
from aisle.environment.described import Environment
from aisle.environment.facts import environment
from aisle.environment.machine import measure
from aisle.errors import AisleError


class Unwell(click.ClickException):
    """An error was found; which one was printed before."""

    exit_code = EXIT_ERROR

    def show(self, file: Any = None) -> None:
        """Say nothing more."""


class Doubtful(Unwell):
    """A warning was found, and warnings count."""

    exit_code = EXIT_STRICT


@click.command("doctor")
@click.option("--dataset", type=click.Path(path_type=Path), help="Audit this prepared dataset instead of the machine.")
@click.option("--plan", "planning", is_flag=True, help="Say which torch, CUDA and image to take.")
@click.option("--gpu", help="For --plan: a name such as H100, or a compute capability such as 9.0 (default: the GPU here).")
@click.option("--driver", help="For --plan: a driver such as 535.183.01, or its branch, 535 (default: the driver here).")
@click.option("--python", help="For --plan: such as 3.12 (default: any).")
@click.option("--machine", help="For --plan: x86_64 or aarch64 (default: the usual one of that GPU).")
@click.option("--strict", is_flag=True, help="Warnings count as failure too: exit status 1.")
@click.option("--all", "everything", is_flag=True, help="Show what is fine too.")
@click.option("--no-import", is_flag=True, help="Do not try to import torch in a process of its own: saves some seconds.")
@JSON_OPTION
def command(
    dataset: Path | None,
    planning: bool,
    gpu: str | None,
    driver: str | None,
    python: str | None,
    machine: str | None,
    strict: bool,
    everything: bool,
    no_import: bool,
    as_json: bool,
) -> None:
    """Examine this machine: driver, GPUs, CUDA, torch, Python, memory, disks, limits; each finding with its fix.

    It works without torch, and with a broken one. Where not even this command can start: python -m aisle.doctor

    \b
    Exit status: 0 nothing wrong (notes and warnings at most), 1 a warning and --strict, 11 an error.

    \b
    Examples:
      aisle doctor
      aisle doctor --dataset data/shop-dataset
      aisle doctor --plan --gpu H100 --driver 535
    """
    if planning and dataset is not None:
        raise click.UsageError("--plan and --dataset are two questions; ask one")
    if not planning and any((gpu, driver, python, machine)):
        raise click.UsageError("--gpu, --driver, --python and --machine belong to --plan")
    if planning:
        _show_plan(_plan(gpu, driver, python, machine), as_json)
        return
    if dataset is not None:
        about, findings = _audited(dataset)
    else:
        seen = measure(trial=not no_import)
        about, findings = {"machine": dataclasses.asdict(seen)}, examine(seen, load_compat())
    if as_json:
        print_json({**about, **document(findings, strict=strict)})
    else:
        click.echo(text(findings, everything=everything))
    if status := exit_status(findings, strict=strict):
        raise (Unwell if status == EXIT_ERROR else Doubtful)("")


def _plan(gpu: str | None, driver: str | None, python: str | None, machine: str | None) -> Plan:
    compat = load_compat()
    if gpu is None or driver is None:
        here = Environment.of(environment(), "this machine")
        if (gpu is None and not here.gpus) or (driver is None and here.driver is None):
            missing = " and ".join(name for name, value in (("--gpu", gpu), ("--driver", driver)) if value is None)
            raise AisleError(
                f"there is no NVIDIA GPU here to plan for, and {missing} is not given",
                hint="say what the other machine has, such as --gpu H100 --driver 535",
                code="E907",
            )
        gpu = gpu or here.gpus[0].capability or here.gpus[0].name
        driver = driver or here.driver or ""
    return make_plan(ask(compat, gpu=gpu, driver=driver, python=python, machine=machine), compat)


def _show_plan(plan: Plan, as_json: bool) -> None:
    if as_json:
        print_json(plan.as_dict())
    else:
        click.echo(plan_text(plan))
    if plan.best is None:
        raise Unwell("")


def _audited(folder: Path) -> tuple[dict[str, Any], list[Finding]]:
    """NumPy is loaded here and not before: the machine is examined without it."""
    reader, audit = importlib.import_module("aisle.dataset.reader"), importlib.import_module("aisle.dataset.audit")
    facts = audit.audit(reader.Dataset(folder))
    return {"dataset": str(folder), "facts": dataclasses.asdict(facts)}, examine_dataset(facts)
