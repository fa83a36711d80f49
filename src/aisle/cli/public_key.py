"""The key that a bundle must be signed with: one option, of every command that opens bundles."""

from __future__ import annotations

from pathlib import Path

import click

from aisle.errors import AisleError

KEY_OPTION = click.option(
    "--public-key",
    type=click.Path(path_type=Path),
    envvar="AISLE_PUBLIC_KEY",
    show_envvar=True,
    help="PEM file of the Ed25519 key that the bundle must be signed with.",
)


def refuse_key_for_run(context: click.Context) -> None:
    """Refuse a key that was typed where a run is read: runs are not signed. One of the environment is for bundles alone.

    Raises:
        AisleError: E908.
    """
    if context.get_parameter_source("public_key") is click.core.ParameterSource.COMMANDLINE:
        raise AisleError(
            "--public-key is for a bundle, and a run is not signed", hint="leave it out, or give a signed bundle", code="E908"
        )
