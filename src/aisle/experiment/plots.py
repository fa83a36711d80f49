"""Pictures of a run: learning curves, and the leaderboard with its intervals. Drawn without a display."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any

from matplotlib.figure import Figure

# Colours that stay apart for colour-blind readers (Okabe and Ito, 2008).
BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#8A8A8A"
_DPI = 144


def png(figure: Figure) -> bytes:
    """Render a figure; no date or version inside, so that equal figures are equal bytes."""
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=_DPI, metadata={"Software": None})
    return buffer.getvalue()


def curves(epochs: Sequence[Mapping[str, Any]], metric: str, best_epoch: int | None) -> Figure:
    """Draw loss and validation metric by epoch.

    Args:
        epochs: one record an epoch with "epoch", "loss" and, where validated, "metric".
        metric: what the validation metric is called.
        best_epoch: the epoch whose weights were kept.
    """
    figure = Figure(figsize=(7.2, 3.2), layout="constrained")
    loss_axis, metric_axis = figure.subplots(1, 2)
    numbers = [record["epoch"] for record in epochs]
    loss_axis.plot(numbers, [record["loss"] for record in epochs], color=BLUE, marker="o", markersize=3)
    loss_axis.set(title="training loss", xlabel="epoch")
    measured = [(record["epoch"], record["metric"]) for record in epochs if record.get("metric") is not None]
    metric_axis.plot(*zip(*measured, strict=True) if measured else ([], []), color=ORANGE, marker="o", markersize=3)
    metric_axis.set(title=f"validation {metric}", xlabel="epoch")
    if best_epoch is not None and measured:
        metric_axis.axvline(best_epoch, color=GREY, linestyle=":", label=f"kept: epoch {best_epoch}")
        metric_axis.legend(frameon=False)
    for axis in (loss_axis, metric_axis):
        _quiet(axis)
    return figure


def leaderboard(rows: Sequence[Mapping[str, Any]], metrics: Sequence[str]) -> Figure:
    """Draw each model's metrics with their intervals, best model on top.

    Args:
        rows: leaderboard rows: "model", metric -> value, metric + "_ci" -> [low, high].
        metrics: which metrics, one panel each.
    """
    figure = Figure(figsize=(4.2 * len(metrics), 0.9 + 0.42 * len(rows)), layout="constrained")
    for index, metric in enumerate(metrics):
        axis = figure.add_subplot(1, len(metrics), index + 1)
        for place, row in enumerate(reversed(rows)):
            low, high = row[f"{metric}_ci"] or (row[metric], row[metric])  # no interval was asked for: a dot alone
            colour = GREY if row.get("perfect") else BLUE
            axis.errorbar(row[metric], place, xerr=[[row[metric] - low], [high - row[metric]]], fmt="o", color=colour, capsize=3)
        axis.set(title=f"{metric}, 95% interval", xlim=(0, None))
        axis.set_yticks(range(len(rows)), [label(row) for row in reversed(rows)] if index == 0 else [""] * len(rows))
        _quiet(axis)
    return figure


def search(trials: Sequence[Mapping[str, Any]], metric: str, log_keys: Sequence[str]) -> Figure:
    """Draw a search: the metric by trial with the best so far, then by each key.

    Args:
        trials: "number", "metric", "finished" (or stopped early), "values": key -> value; in the order tried.
        metric: what the metric is called.
        log_keys: the keys to draw on a logarithmic scale.
    """
    keys = list(trials[0]["values"])
    figure = Figure(figsize=(3.2 * (len(keys) + 1), 3.2), layout="constrained")
    axes = figure.subplots(1, len(keys) + 1, sharey=True, squeeze=False)[0]
    colours = [BLUE if trial["finished"] else GREY for trial in trials]
    metrics, numbers = [trial["metric"] for trial in trials], [trial["number"] for trial in trials]
    done = [trial for trial in trials if trial["finished"]]
    best = [max(trial["metric"] for trial in done[: place + 1]) for place in range(len(done))]
    axes[0].step([trial["number"] for trial in done], best, where="post", color=ORANGE, label="best so far")
    axes[0].scatter(numbers, metrics, c=colours, s=16)
    axes[0].set(xlabel="trial", ylabel=metric)
    axes[0].legend(frameon=False)
    figure.suptitle(f"{metric} on validation; grey: stopped early")
    for axis, key in zip(axes[1:], keys, strict=True):
        values = [trial["values"][key] for trial in trials]
        plain = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
        axis.scatter(values if plain else [str(value) for value in values], metrics, c=colours, s=16)
        axis.set(xlabel=key, xscale="log" if plain and key in log_keys else "linear")
    for axis in axes:
        _quiet(axis)
    return figure


def label(row: Mapping[str, Any]) -> str:
    """Return what to call a row of a leaderboard: the model, with its run's folder where that has another name."""
    run = row.get("run", row["model"])
    return row["model"] if run == row["model"] else f"{row['model']} ({run})"


def _quiet(axis: Any) -> None:
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(visible=True, alpha=0.25)
