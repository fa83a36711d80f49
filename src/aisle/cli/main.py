"""The command `aisle`: finds the subcommand, and is the only place that turns an error into an exit status."""

from __future__ import annotations

import importlib
import json
import sys

import click

from aisle import __version__
from aisle.errors import AisleError, did_you_mean

COMMANDS = {
    "simulate": "write the logs and the catalogue of a simulated shop",
    "prepare": "raw logs -> dataset",
    "train": "dataset + recipe -> run",
    "tune": "a search for better settings, on validation data only",
    "evaluate": "measure a run again, or under another protocol",
    "recommend": "lists for shoppers, or items like an item",
    "compare": "the paired difference between two runs, with its interval",
    "reproduce": "train a recorded run again: do the same bits come out?",
    "report": "leaderboard of runs, as table, JSON and page",
    "export": "run -> bundle, which answers without torch",
    "serve": "answers over HTTP from a bundle",
    "plan": "memory and time of each kind of index, for a catalogue of some size",
    "verify": "is a bundle whole, does it fit, does it answer as at export?",
    "doctor": "what does not fit on this machine or in a dataset, and the fix",
    "image": "the container images: which base fits this machine, and how it is built",
    "env": "what this machine is, for people or for `verify --against`",
    "gate": "may a run take the place of the bundle in production?",
    "publish": "a bundle is copied to a registry",
    "promote": "a channel of a registry serves another bundle",
    "rollback": "a channel serves again what it served before",
    "registry": "what is published, what is served, and how it came to be",
    "events": "what shoppers did while the service ran: read back, erase, expire",
}
EXIT_INTERRUPTED = 130


# Package that may be missing -> the extra of aisle that brings it.
_EXTRAS = {
    **dict.fromkeys(("torch", "matplotlib", "tensorboard"), "train"),
    **dict.fromkeys(("onnx",), "export"),
    **dict.fromkeys(
        (
            "cryptography",
            "faiss",
            "fsspec",
            "onnxruntime",
            "orjson",
            "prometheus_client",
            "starlette",
            "uvicorn",
            "uvloop",
            "httptools",
        ),
        "serve",
    ),
    "redis": "redis",
}


class LazyGroup(click.Group):
    """Loads a command's file when it is called: `aisle --help` and `aisle prepare` never import torch."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the work."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one command."""
        if cmd_name not in COMMANDS:
            return None
        try:
            command: click.Command = importlib.import_module(f"aisle.cli.{cmd_name}").command
        except ModuleNotFoundError as error:
            raise _missing(cmd_name, error) from error
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """Suggest the nearest name for a misspelt command."""
        if args and args[0] not in COMMANDS:
            ctx.fail(f"no command '{args[0]}'; {did_you_mean(args[0], COMMANDS)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without loading them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _missing(command: str, error: ModuleNotFoundError) -> Exception:
    """Return what to say where a package that a command needs is not installed; what is not ours to install stays as it is."""
    package = (error.name or "").split(".")[0]
    if package not in _EXTRAS:
        return error
    return AisleError(
        f"`aisle {command}` needs the package {package}, which is not installed here",
        hint=f"pip install 'aisle[{_EXTRAS[package]}]'",
        code="E906",
    )


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="aisle")
def aisle() -> None:
    """From a shopper log to recommendations.

    \b
    Example:
      aisle simulate --users 10000 --items 2000 --events 300000 --seed 1 --out data/shop
      aisle prepare data/shop/events.parquet --items data/shop/items.parquet --out data/shop-dataset
      aisle train data/shop-dataset --recipe ncf --out runs/ncf
      aisle recommend runs/ncf --user u0000017
    """


def main() -> int:
    """Run the command line and return its exit status."""
    try:
        aisle.main(standalone_mode=False)
    except AisleError as error:
        _say_error(error)
        return error.exit_status
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted; finished work is kept (`train` and `tune` go on with --resume)", err=True)
        # Python notes a Ctrl-C inside `exec` of a text, which imports run for dataclasses, as one that nobody caught; under
        # `python -m` it then ends by the signal, whatever is returned here. The next text that is run clears that note.
        exec("")  # noqa: S102
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader of our output went away (`aisle ... | head`): nothing is wrong with us.
        sys.stderr.close()
        return 0
    return 0


def _say_error(error: AisleError) -> None:
    if "--json" in sys.argv:
        click.echo(json.dumps({"error": {"code": error.code, "message": error.message, "hint": error.hint}}))
    click.echo(f"error: {error}", err=True)


if __name__ == "__main__":
    sys.exit(main())
