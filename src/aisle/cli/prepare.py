"""`aisle prepare`: raw logs become a dataset."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click

from aisle.cli.output import JSON_OPTION, OVERWRITE_OPTION, print_counts, print_json, print_table, row_progress
from aisle.dataset.layout import REJECTS_NAME
from aisle.dataset.prepare import prepare
from aisle.errors import AisleError
from aisle.logs.recipe import LogRecipe, load_log_recipe, make_log_recipe
from aisle.schema.manifest import Manifest


@click.command("prepare")
@click.argument("logs", nargs=-1, required=True)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Dataset folder to write.")
@click.option("--recipe", "recipe_name", help="How to read a log: a recipe of aisle (such as taobao) or a TOML file.")
@click.option("--column", "columns", multiple=True, metavar="OURS=THEIRS", help="Say which column is which; repeatable.")
@click.option("--event", help="The event of every row, where the log has no event column.")
@click.option(
    "--separator", help="What stands between two fields of a text log, such as ';' or '::' (default: a comma, in .tsv a tab)."
)
@click.option("--order", help="The column that orders a log without time, or 'rows' for the order of the rows.")
@click.option("--context", multiple=True, metavar="COLUMN", help="Keep this column as context of the event; repeatable.")
@click.option("--items", type=click.Path(path_type=Path), help="Catalogue: title, category, brand, price, ...")
@click.option("--users", type=click.Path(path_type=Path), help="Users table.")
@click.option("--test", "test_file", type=click.Path(path_type=Path), help="Explicit test answers (user, item).")
@click.option("--negatives", type=click.Path(path_type=Path), help="Fixed wrong answers for --test, as in the NCF paper.")
@click.option("--max-rejects", type=float, default=0.05, show_default=True, help="Fail above this share of bad rows.")
@OVERWRITE_OPTION
@JSON_OPTION
def command(
    logs: tuple[str, ...],
    out: Path,
    recipe_name: str | None,
    columns: tuple[str, ...],
    event: str | None,
    separator: str | None,
    order: str | None,
    context: tuple[str, ...],
    items: Path | None,
    users: Path | None,
    test_file: Path | None,
    negatives: Path | None,
    max_rejects: float,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Read LOGS (files, folders or globs; CSV, TSV, JSON Lines, Parquet, xlsx; .gz and .zst too) and write a dataset.

    Columns are user_id, item_id, event and timestamp, or well-known other names for them; --column says so where a name
    is not known. Bad rows go to OUT/rejects.parquet with their reason and line.

    \b
    Examples:
      aisle prepare data/shop/events.parquet --items data/shop/items.parquet --out data/shop-dataset
      aisle prepare 'logs/2026-*.csv.gz' --column user_id=visitor --event view --out data/views
      aisle prepare UserBehavior.csv --recipe taobao --out data/taobao
    """
    wishes: dict[str, object] = {"event": event, "separator": separator and separator.replace("\\t", "\t"), "order": order}
    recipe = _with_options(load_log_recipe(recipe_name) if recipe_name else LogRecipe(), columns, context, wishes)
    with row_progress("preparing") as progress:
        manifest = prepare(
            list(logs),
            out,
            recipe=recipe,
            items=items,
            users=users,
            test=test_file,
            negatives=negatives,
            max_rejects=max_rejects,
            overwrite=overwrite,
            progress=progress,
        )
    if as_json:
        print_json(manifest.model_dump(mode="json", exclude={"arrays"}))
    else:
        _print(manifest, out)


def _with_options(
    recipe: LogRecipe, columns: tuple[str, ...], context: tuple[str, ...], wishes: Mapping[str, object]
) -> LogRecipe:
    """Lay the command line's wishes over the recipe's."""
    pairs = {}
    for column in columns:
        ours, equals, theirs = column.partition("=")
        if not equals or not ours or not theirs:
            raise AisleError(
                f"--column {column!r} is not OURS=THEIRS", hint="for example --column user_id=visitorid", code="E901"
            )
        pairs[ours] = theirs
    changes: dict[str, object] = {"columns": {**recipe.columns, **pairs}}
    changes.update({name: wish for name, wish in wishes.items() if wish})
    changes.update({"context": (*recipe.context, *context)} if context else {})
    return make_log_recipe({**recipe.model_dump(), **changes}, "with the options of the command line")


def _print(manifest: Manifest, out: Path) -> None:
    click.echo("columns: " + ", ".join(f"{ours} <- {theirs}" for ours, theirs in manifest.mapping.items()))
    if manifest.unused_columns:
        click.echo("unused columns: " + ", ".join(name or "(no name)" for name in manifest.unused_columns))
    for table, features in (("items", manifest.item_features), ("users", manifest.user_features)):
        if features:
            click.echo(f"{table} table: " + ", ".join(f"{name} ({kind})" for name, kind in features.items()))
    rows = manifest.rows
    kinds = ", ".join(f"{name} {count:,}" for name, count in manifest.events_by_kind.items() if count)
    print_table(
        f"dataset {out}",
        ("what", "count"),
        [
            ("rows read", f"{rows.read:,}"),
            ("rows kept", f"{rows.kept:,}"),
            ("rows rejected", f"{rows.rejected:,}"),
            ("rows filtered", f"{rows.filtered:,}"),
            ("users", f"{manifest.users:,}"),
            ("items", f"{manifest.items:,}"),
        ],
    )
    click.echo(f"events: {kinds}")
    print_counts(f"rejected, kept in {out / REJECTS_NAME}", manifest.rejects)
    print_counts("filtered on purpose", manifest.filters)
    click.echo(f"content hash {manifest.content_hash[:16]}")
