"""`aisle serve`: the HTTP service over one bundle or several."""

from __future__ import annotations

import types
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from aisle.errors import AisleError
from aisle.serve.keys import SCOPES, Scope, new_key
from aisle.serve.opening import make_service
from aisle.serve.server import listen, run
from aisle.serve.settings import LISTS, Settings, read_settings

_NEW_KEYS = Path("aisle-keys.json")


def _options(command: Callable[..., None]) -> Callable[..., None]:
    """Give the command one option a setting."""
    for name, field in reversed(Settings.model_fields.items()):
        flag = f"--{name.replace('_', '-')}"
        default = "" if field.default in (None, (), False) else f" Default: {_shown(field.default)}."
        words = f"{(field.description or '')[:1].upper()}{(field.description or '')[1:]}.{default}"
        if field.annotation is bool:
            flag += f"/--no-{name.replace('_', '-')}" if field.default else ""
            option = click.option(flag, name, is_flag=True, default=None, help=words)
        elif name in LISTS:
            option = click.option(flag.removesuffix("s"), name, multiple=True, help=words.replace(", comma-separated", ""))
        else:
            option = click.option(flag, name, type=_type(field.annotation), help=words)
        command = option(command)
    return command


def _type(annotation: Any) -> Any:
    """Return the plain type of a setting; literals become choices."""
    if typing.get_origin(annotation) is typing.Literal:
        return click.Choice(typing.get_args(annotation))
    if isinstance(annotation, types.UnionType):
        return _type(next(one for one in typing.get_args(annotation) if one is not types.NoneType))
    return click.Path(path_type=Path) if annotation is Path else annotation


def _shown(default: object) -> str:
    return "yes" if default is True else str(default)


@click.command("serve")
@click.argument("bundle", required=False)
@click.option("--model", "models", multiple=True, metavar="NAME=BUNDLE", help="A further model, by name; any number.")
@_options
@click.option("--new-key", "key_name", metavar="NAME", help="Make an API key, print it once, keep its hash in --keys, and end.")
@click.option("--scope", "scopes", multiple=True, type=click.Choice(SCOPES), help="What the new key may do. Default: recommend.")
@click.option("--per-second", type=float, help="Requests a second of the new key. Default: any number.")
def command(
    bundle: str | None,
    models: tuple[str, ...],
    key_name: str | None,
    scopes: tuple[Scope, ...],
    per_second: float | None,
    **options: Any,
) -> None:
    """Answer over HTTP from BUNDLE: a folder, or the address of a registry, whose channel is then followed.

    Every option may be set as AISLE_<NAME> instead. SIGHUP loads bundles and keys again, SIGTERM answers what is open and ends.

    \b
    Examples:
      aisle serve runs/demo/bundle
      aisle serve runs/sasrec/bundle --model ncf=runs/ncf/bundle --events data/events
      aisle serve --new-key shop --scope recommend --scope events --keys keys.json
      aisle serve s3://shop/registry --keys keys.json --host 0.0.0.0
    """
    settings = read_settings(**{name: None if value == () else value for name, value in options.items()})
    if key_name is not None:
        _make_key(settings.keys or _NEW_KEYS, key_name, scopes or ("recommend",), per_second)
        return
    if scopes or per_second is not None:
        raise AisleError("--scope and --per-second are of a new key", hint="give --new-key NAME too", code="E079")
    service = make_service(settings, bundle, models)
    run(service, listen(settings), click.echo)


def _make_key(path: Path, name: str, scopes: tuple[Scope, ...], per_second: float | None) -> None:
    key = new_key(path, name, scopes, per_second)
    click.echo(key)
    click.echo(f"shown once; its hash is in {path}. Send it as `Authorization: Bearer KEY`.", err=True)
