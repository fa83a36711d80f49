"""The leaderboard as one page that opens in a browser, with nothing to install and nothing fetched."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from aisle.experiment import plots
from aisle.experiment.run import Run
from aisle.storage.atomic import write_atomic

_SHOWN = ("HR@", "NDCG@", "RMSE", "MAE")
LEADERBOARD_NAME, REPORT_NAME = "leaderboard.json", "report.html"

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #1b1b1b; }
table { border-collapse: collapse; margin: .5rem 0 1.5rem; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .8rem; text-align: right; border-bottom: 1px solid #ddd; }
th:first-child, td:first-child { text-align: left; }
td small { color: #666; display: block; white-space: nowrap; }
img { max-width: 100%; } .note { background: #fff6dd; padding: .6rem .9rem; }
tr.perfect td { color: #777; font-style: italic; } pre { background: #f5f5f5; padding: .8rem; overflow-x: auto; }
"""


def write_report(board: dict[str, Any], runs: Sequence[Run], folder: Path) -> None:
    """Write `leaderboard.json`, `leaderboard.png` and `report.html`.

    Args:
        board: what `leaderboard` returned.
        runs: the runs on it.
        folder: where to write; made when missing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_atomic(folder / LEADERBOARD_NAME, json.dumps(board, indent=2))
    picture = plots.png(plots.leaderboard(board["models"], _shown(board)))
    write_atomic(folder / "leaderboard.png", picture)
    write_atomic(folder / REPORT_NAME, _page(board, runs, picture))


def _shown(board: Mapping[str, Any]) -> list[str]:
    """Return the per-case metrics on the board, HR and NDCG first."""
    names = [key.removesuffix("_ci") for key in board["models"][0] if key.endswith("_ci")]
    return [name for name in names if name.startswith(_SHOWN)]


def _page(board: Mapping[str, Any], runs: Sequence[Run], picture: bytes) -> str:
    parts = [
        "<h1>aisle: leaderboard</h1>",
        '<p class="note">The shop, its shoppers and its logs are <b>simulated</b>.</p>' if board["simulated"] else "",
        f"<p>{escape(_protocol(board))}</p>",
        _board_table(board),
        _image(picture, "metrics with 95% intervals"),
        "<h2>Against the baselines, shopper by shopper</h2>",
        *(_differences(run) for run in runs if run.metrics["baselines"]),
        "<h2>Slices</h2>",
        *(_slices(run) for run in runs),
        "<h2>Learning curves</h2>",
        *(_curves(run) for run in runs),
        "<h2>What the numbers depend on</h2>",
        f"<pre>{escape(json.dumps(_environment(runs[0]), indent=2))}</pre>",
    ]
    head = f'<meta charset="utf-8"><title>aisle leaderboard</title><style>{_STYLE}</style>'
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{"".join(parts)}</body></html>\n'


def _protocol(board: Mapping[str, Any]) -> str:
    protocol = board["protocol"]
    ranking = {
        "full": "full ranking of the catalogue",
        "sampled": "SAMPLED ranking: not comparable with full ranking",
        "rating": "rating prediction",
    }[protocol["ranking"]]
    return f"{ranking}; {protocol['split']['kind']} split; {protocol['cases']:,} test cases; ties count against the model."


def _board_table(board: Mapping[str, Any]) -> str:
    names = [key.removesuffix("_ci") for key in board["models"][0] if key.endswith("_ci")]
    rows = []
    for row in board["models"]:
        cells = [escape(plots.label(row)), *(_interval(row[name], row[f"{name}_ci"]) for name in names)]
        cells.append("" if row["train_seconds"] is None else f"{row['train_seconds']:.1f}")
        rows.append(_tr(cells, "perfect" if row.get("perfect") else ""))
    return _table(["model", *names, "training, s"], rows)


def _differences(run: Run) -> str:
    rows = []
    for model, baseline in run.metrics["baselines"].items():
        name = f"plain {model}" if model == run.name else model
        for row in baseline["difference"]["rows"]:
            if row["metric"].startswith(_SHOWN):
                verdict = row["verdict"].replace("a is", f"{name} is").replace("b is", f"{run.name} is")
                difference = _interval(row["difference"], row["interval"], sign="+")
                rows.append(_tr([f"{escape(_name(run))} minus {escape(name)}", row["metric"], difference, escape(verdict)]))
    return _table(["", "metric", "difference", "verdict"], rows)


def _slices(run: Run) -> str:
    slices = run.metrics["test"]["slices"]
    if not slices:
        return ""
    names = [name for name in run.metrics["test"]["metrics"] if name.startswith(_SHOWN)]
    rows = [
        _tr(
            [
                escape(part["name"]),
                f"{part['cases']:,}",
                *(_interval(part["metrics"][n]["mean"], part["metrics"][n]["ci"]) for n in names),
            ]
        )
        for part in slices
    ]
    return f"<h3>{escape(_name(run))}</h3>" + _table(["slice", "cases", *names], rows)


def _curves(run: Run) -> str:
    path = run.folder / "curves.png"
    return f"<h3>{escape(_name(run))}</h3>" + _image(path.read_bytes(), f"learning curves of {run.name}") if path.exists() else ""


def _name(run: Run) -> str:
    return plots.label({"model": run.name, "run": run.folder.name})


def _environment(run: Run) -> Any:
    return json.loads((run.folder / "environment.json").read_text())


def _interval(value: float, interval: Sequence[float] | None, sign: str = "") -> str:
    if interval is None:  # none was asked for
        return f"{value:{sign}.4f}"
    return f"{value:{sign}.4f} <small>[{interval[0]:{sign}.4f}, {interval[1]:{sign}.4f}]</small>"


def _tr(cells: Sequence[str], css_class: str = "") -> str:
    attribute = f' class="{css_class}"' if css_class else ""
    return f"<tr{attribute}>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def _table(header: Sequence[str], rows: Sequence[str]) -> str:
    return "<table><tr>" + "".join(f"<th>{escape(name)}</th>" for name in header) + "</tr>" + "".join(rows) + "</table>"


def _image(data: bytes, text: str) -> str:
    return f'<img alt="{escape(text)}" src="data:image/png;base64,{b64encode(data).decode()}">'
