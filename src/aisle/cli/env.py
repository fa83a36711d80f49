"""`aisle env`: what this machine is, for people or for `aisle verify --against`."""

from __future__ import annotations

import click

from aisle.cli.output import JSON_OPTION, print_json, print_table
from aisle.doctor.judge import judge
from aisle.doctor.wanted import Wanted
from aisle.environment.compat import load_compat
from aisle.environment.described import Environment
from aisle.environment.facts import environment


@click.command("env")
@JSON_OPTION
def command(as_json: bool) -> None:
    """Show what this machine is: Python, packages, torch, CUDA, cuDNN, driver, GPUs. Nothing heavy is imported.

    \b
    Examples:
      aisle env
      aisle env --json > ENV.json      # for `aisle verify BUNDLE --against ENV.json` somewhere else
    """
    document = environment()
    if as_json:
        print_json(document)
        return
    here = Environment.of(document, "this machine")
    gpus = [(f"GPU {place}", f"{gpu.name}, compute capability {gpu.capability}") for place, gpu in enumerate(here.gpus)]
    rows = [
        ("Python", here.python + (" (free-threaded)" if here.free_threaded else "")),
        ("system", f"{document['system']}, {here.machine}"),
        ("torch", here.torch or "not installed"),
        ("CUDA of torch", here.cuda or ("none: a CPU build" if here.torch else "")),
        ("cuDNN", here.cudnn or ""),
        ("driver", here.driver or "no NVIDIA driver"),
        *gpus,
        *((name, version or "not installed") for name, version in here.packages.items() if name != "torch"),
    ]
    print_table("this machine", ("what", "version"), rows, left=2)
    wanted = Wanted("torch" if here.torch else "serve")
    for finding in judge(wanted, here, load_compat()):
        if finding.severity != "ok":
            click.echo(f"{finding.severity}: {finding.subject}: {finding.seen}, expected {finding.expected} [{finding.code}]")
