"""`aisle recommend`: lists for shoppers, or items like an item."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import polars as pl

from aisle.cli.bundle_lists import Ask, recommend_from_bundle
from aisle.cli.output import JSON_OPTION, print_json, print_table
from aisle.cli.public_key import KEY_OPTION, refuse_key_for_run
from aisle.errors import AisleError
from aisle.recommend.rules import Rules
from aisle.storage.atomic import storage_errors, write_atomic

if TYPE_CHECKING:  # with --bundle nothing that needs torch is loaded
    from aisle.dataset.reader import Dataset
    from aisle.experiment.recommender import Recommender

_SHOWN = ("title", "category", "brand", "price")
_HISTORY_SHOWN = 5


@click.command("recommend")
@click.argument("run", type=click.Path(path_type=Path), required=False)
@click.option("--bundle", type=click.Path(path_type=Path), help="Recommend from a bundle instead of a run: no torch, no dataset.")
@click.option("--user", "users", multiple=True, help="Raw user id; repeatable. Unknown ones get popular items, and it is said.")
@click.option("--item", "items", multiple=True, help="Raw item id: print items like it instead; repeatable.")
@click.option("--all-users", is_flag=True, help="Every user of the dataset; needs --out.")
@click.option("--k", type=click.IntRange(min=1), default=10, show_default=True, help="List length.")
@click.option("--keep-seen", is_flag=True, help="Also recommend what the user already had.")
@click.option("--candidate", "candidates", multiple=True, help="Choose only from these raw item ids; repeatable.")
@click.option("--exclude-event", "exclude_events", multiple=True, help="Leave out what the user did this to; repeatable.")
@click.option("--available-only", is_flag=True, help="Leave out what the catalogue says is not available.")
@click.option("--min-price", type=float, help="Leave out what is cheaper, or has no price.")
@click.option("--max-price", type=float, help="Leave out what is dearer, or has no price.")
@click.option("--max-per-category", type=click.IntRange(min=1), help="At most so many items of one category in a list.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Write the table as .parquet or .csv: user_id, item_id, score, rank, source, reason, because_item_id.",
)
@KEY_OPTION
@JSON_OPTION
@click.pass_context
def command(
    context: click.Context,
    run: Path | None,
    bundle: Path | None,
    users: tuple[str, ...],
    items: tuple[str, ...],
    all_users: bool,
    k: int,
    keep_seen: bool,
    candidates: tuple[str, ...],
    exclude_events: tuple[str, ...],
    available_only: bool,
    min_price: float | None,
    max_price: float | None,
    max_per_category: int | None,
    out: Path | None,
    public_key: Path | None,
    as_json: bool,
) -> None:
    """Recommend from RUN's model, or from a bundle's, each item with the reason why it is there.

    Rules given here take the place of the same ones in the recipe's [rules].

    \b
    Examples:
      aisle recommend runs/ncf --user u0000017 --user u0000042
      aisle recommend runs/ncf --item i0000123 --k 5
      aisle recommend runs/ncf --all-users --out recs.parquet
      aisle recommend --bundle runs/demo/bundle --all-users --out recs.parquet
      aisle recommend runs/two-stage --user u0000017 --exclude-event purchase --max-per-category 3 --max-price 50
    """
    _check_question({"--user": users, "--item": items, "--all-users": all_users})
    if all_users and out is None and not as_json:
        raise AisleError("lists for everybody are too long for a screen", hint="add --out recs.parquet, or --json", code="E903")
    rules = {
        "exclude_events": exclude_events,
        "available_only": available_only,
        "min_price": min_price,
        "max_price": max_price,
        "max_per_category": max_per_category,
    }
    given = {name: value for name, value in rules.items() if value not in ((), False, None)}
    if items and (candidates or keep_seen or given):
        raise AisleError("--candidate, --keep-seen and rules are for --user", hint="leave them out with --item", code="E903")
    if (run is None) == (bundle is None):
        raise AisleError(
            "a run or a bundle is needed" if run is None else "RUN and --bundle are two models",
            hint="`aisle recommend RUN ...` or `aisle recommend --bundle BUNDLE ...`",
            code="E903",
        )
    ask = Ask(users, items, k, not keep_seen, candidates or None, given, out, as_json)
    if bundle is not None:
        recommend_from_bundle(bundle, ask, public_key)
    else:
        assert run is not None
        refuse_key_for_run(context)
        _recommend_from_run(run, ask)


def _recommend_from_run(run: Path, ask: Ask) -> None:
    from aisle.experiment.request import Request  # noqa: PLC0415 - loads torch
    from aisle.experiment.run import read_run  # noqa: PLC0415

    done = read_run(run)
    model, dataset = done.recommender(), done.dataset()
    # An id that was typed twice is one question; nobody named is everybody.
    asked: list[Any] = list(dict.fromkeys(ask.users)) or dataset.users.decode(range(dataset.n_users))
    removed = None
    if ask.items:
        table, what = model.similar_items(list(dict.fromkeys(ask.items)), k=ask.k), "similar_items"
    else:
        kept: Rules = replace(model.recipe.rules, **ask.rules)
        answer = model.answer(asked, Request(ask.k, ask.filter_seen, ask.candidates, rules=kept))
        table, removed, what = answer.table, answer.removed, "recommendations"
    if ask.out is not None:
        _write(table, ask.out)
    if ask.as_json:
        told = {what: table.to_dicts()} if ask.out is None else {"rows": len(table), "out": str(ask.out)}
        print_json({"run": str(run), **told, **({} if removed is None else {"removed": removed.to_dicts()})})
    elif ask.out is not None:
        whom = f"{len(ask.items):,} items" if ask.items else f"{len(asked):,} users"
        click.echo(f"{len(table):,} {what.replace('_', ' ')} for {whom} in {ask.out}")
    elif ask.items:
        _say_similar(table, dataset)
        for item in sorted(set(ask.items) - {str(asked) for asked in table["item_id"]}):
            click.echo(f"the model knows nothing like {item}")
    else:
        for user in asked:
            _say_list(user, table.filter(pl.col("user_id") == user), model, dataset)
            _say_removed(removed, user)


def _check_question(given: dict[str, object]) -> None:
    """Refuse no question, or more than one."""
    kinds = [name for name, value in given.items() if value]
    if not kinds:
        raise AisleError("nobody to recommend to", hint="pass --user ID, --item ID, or --all-users with --out", code="E903")
    if len(kinds) > 1:
        raise AisleError(f"{' and '.join(kinds)} are two questions", hint="ask one at a time", code="E903")


def _write(table: pl.DataFrame, out: Path) -> None:
    buffer = BytesIO()
    if out.suffix == ".parquet":
        table.write_parquet(buffer)
    elif out.suffix == ".csv":
        table.write_csv(buffer)
    else:
        raise AisleError(
            f"cannot write {out.name}: '{out.suffix}' is no format of ours", hint="use .parquet or .csv", code="E904"
        )
    with storage_errors(out):
        out.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(out, buffer.getvalue())


def _say_list(user: str, table: pl.DataFrame, model: Recommender, dataset: Dataset) -> None:
    source = table["source"].to_list()
    unknown = " (unknown to the model: popular items)" if source and all(name == "popular" for name in source) else ""
    known = model.known_events(user)
    latest = [(event, *_facts(item, dataset)) for item, event in known[-_HISTORY_SHOWN:]]
    click.echo()
    columns = ("item", *_columns(dataset))
    if latest:
        title = f"what shopper {user} did before: the last {len(latest)} of {len(known)} events"
        print_table(title, ("event", *columns), latest, left=_text_columns(dataset) + 1)
    rows = [
        (rank, *_facts(item, dataset), f"{score:.3f}", why)
        for item, score, rank, why in table.select("item_id", "score", "rank", "reason").iter_rows()
    ]
    title = f"for shopper {user}{unknown}"
    print_table(title, ("rank", *columns, "score", "reason"), rows, left=_text_columns(dataset) + 1)


def _say_removed(removed: pl.DataFrame | None, user: str) -> None:
    """Say what the rules took out of a list, where they took anything."""
    if removed is None:
        return
    parts = [f"{rule} {items}" for whom, rule, items in removed.iter_rows() if whom == user]
    if parts:
        click.echo(f"items that rules left out: {', '.join(parts)}")


def _say_similar(table: pl.DataFrame, dataset: Dataset) -> None:
    for item in table["item_id"].unique(maintain_order=True):
        part = table.filter(pl.col("item_id") == item)
        rows = [
            (rank, *_facts(other, dataset), f"{score:.3f}")
            for other, score, rank in part.select("similar_item_id", "score", "rank").iter_rows()
        ]
        title = f"like {' | '.join(_facts(item, dataset))}"
        print_table(title, ("rank", "item", *_columns(dataset), "score"), rows, left=_text_columns(dataset) + 1)


def _columns(dataset: Dataset) -> list[str]:
    return [name for name in _SHOWN if name in dataset.manifest.item_features]


def _text_columns(dataset: Dataset) -> int:
    """Return how many of the item's columns are text; the price, last, is aligned right."""
    return 1 + len([name for name in _columns(dataset) if name != "price"])


def _facts(item: int | str, dataset: Dataset) -> list[str]:
    """Return an item's id, title, category, brand and price as text, as far as the catalogue has them."""
    code = int(dataset.items.encode([item])[0])
    values = [dataset.item_feature(name).value(code) for name in _columns(dataset)]
    return [str(item), *(f"{value:.2f}" if isinstance(value, float) else str(value or "") for value in values)]
