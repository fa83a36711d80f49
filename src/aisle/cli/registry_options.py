"""Options that the commands of a registry share."""

from __future__ import annotations

import click

from aisle.registry.registry import PRODUCTION

CHANNEL_OPTION = click.option(
    "--channel", default=PRODUCTION, show_default=True, help="Which line of bundles; a service follows one."
)
WHY_OPTION = click.option("--why", default="", help="The reason, in words, for the history.")
WHO_OPTION = click.option(
    "--who",
    envvar=["AISLE_WHO", "GITHUB_ACTOR", "GITLAB_USER_LOGIN"],
    help="Who does it, for the history (default: AISLE_WHO, the user of a CI job, or the user of this process).",
)
