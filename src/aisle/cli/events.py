"""`aisle events`: what shoppers did while the service ran: read it back, remove a shopper, remove what is old."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import click

from aisle.cli.output import JSON_OPTION, OVERWRITE_OPTION, print_counts, print_json
from aisle.serve.events.config import EventsConfig
from aisle.serve.events.log import Exported, export_log
from aisle.serve.events.protocol import EventStore
from aisle.serve.events.store import open_log, open_store

T = TypeVar("T")


@click.group("events")
def command() -> None:
    """Work on STORE, where a service keeps events: a file ending in .db, a folder, or redis://HOST:PORT/DATABASE.

    \b
    Examples:
      aisle events export var/events --out logs/events.jsonl.zst
      aisle prepare logs/events.jsonl.zst --out data/tomorrow
      aisle events erase var/events --user u0000017
      aisle events expire var/events --days 90
    """


@command.command("export")
@click.argument("store")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Log to write: .jsonl or .csv, .zst or .gz behind.")
@click.option("--since-row", type=click.IntRange(min=0), default=0, help="Only what came after this row.")
@click.option("--served", is_flag=True, help="Add what was served, as impressions.")
@OVERWRITE_OPTION
@JSON_OPTION
def export(store: str, out: Path, since_row: int, served: bool, overwrite: bool, as_json: bool) -> None:
    """Write the events of STORE as a log that `aisle prepare` takes; a service may go on writing meanwhile."""

    async def work() -> Exported:
        log = await open_log(store)
        try:
            return await export_log(log, out, since_row=since_row, served=served, overwrite=overwrite)
        finally:
            await log.close()

    done = asyncio.run(work())
    if as_json:
        print_json({"out": str(out), **asdict(done)})
        return
    click.echo(f"{out}: {done.events:,} events, {done.shown:,} served places; go on with --since-row {done.last_row}")
    if done.nobody:
        click.echo(f"left out: {done.nobody:,} served places of nobody (no user, no session)")


@command.command("erase")
@click.argument("store")
@click.option("--user", required=True, help="Raw id of the user.")
@JSON_OPTION
def erase(store: str, user: str, as_json: bool) -> None:
    """Remove a user from STORE, which no service may be using: a service is asked by DELETE /v1/shoppers/ID.

    Logs that were exported before and datasets made of them still hold the user: remove those yourself. Bundles made of them
    no longer use what they know, as long as the erasure stands.
    """
    receipt = _with_store(store, lambda opened: opened.erase(user))
    if as_json:
        print_json(asdict(receipt))
        return
    counts = {"events": receipt.events, "served lists": receipt.served, "sessions": receipt.sessions}
    click.echo(f"erased: {', '.join(f'{count:,} {what}' for what, count in counts.items())}; receipt {receipt.receipt_id}")


@command.command("expire")
@click.argument("store")
@click.option("--days", type=click.FloatRange(min=0, min_open=True), required=True, help="Remove what is older.")
@JSON_OPTION
def expire(store: str, days: float, as_json: bool) -> None:
    """Remove old events, served lists and sessions from STORE, which no service may be using."""
    removed = _with_store(store, lambda opened: opened.expire(_now_us()), EventsConfig.for_days(days))
    if as_json:
        print_json(removed)
    else:
        print_counts("removed", {kind: count for kind, count in removed.items() if count})
        click.echo(f"{sum(removed.values()):,} rows removed")


@command.command("lift")
@click.argument("store")
@click.option("--before", type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]), required=True, help="UTC.")
@JSON_OPTION
def lift(store: str, before: datetime, as_json: bool) -> None:
    """Forget erasures in STORE from before a time, once no bundle in use was made of older data; receipts stay."""
    before_us = int(before.replace(tzinfo=UTC).timestamp()) * 1_000_000
    lifted = _with_store(store, lambda opened: opened.lift(before_us))
    if as_json:
        print_json({"lifted": lifted})
    else:
        click.echo(f"{lifted:,} erasures no longer stand")


def _with_store(address: str, work: Callable[[EventStore], Awaitable[T]], config: EventsConfig | None = None) -> T:
    async def run() -> T:
        store = await open_store(address, config)
        try:
            return await work(store)
        finally:
            await store.close()

    return asyncio.run(run())


def _now_us() -> int:
    return time.time_ns() // 1_000
