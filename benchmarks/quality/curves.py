"""The learning curves of all trained rows of a dataset in one picture, drawn from the committed results."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from aisle.experiment.plots import png
from aisle.storage.atomic import write_atomic
from benchmarks.quality.question import Question


def write_curves(question: Question, results: Mapping[str, Any], folder: Path) -> None:
    """Write `DATASET.png` where any row has epochs."""
    curves = {key: measured["curve"] for key, measured in results["rows"].items() if measured["curve"] is not None}
    if curves:
        write_atomic(folder / f"{question.name}.png", png(draw(question, curves)))


def draw(question: Question, curves: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Draw what early stopping looked at, by epoch; rows whose epochs nothing validated are left out."""
    figure = Figure(figsize=(8, 4.2), layout="constrained")
    axis = figure.subplots()
    for key, curve in curves.items():
        measured = [(epoch, value) for epoch, value in enumerate(curve["validation"], 1) if value is not None]
        if measured:
            axis.plot(*zip(*measured, strict=True), marker="o", markersize=2.5, linewidth=1.2, label=key)
    axis.set(title=f"{question.name}, first run of each row", xlabel="epoch", ylabel="validation metric")
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(visible=True, alpha=0.25)
    if axis.get_legend_handles_labels()[0]:
        axis.legend(frameon=False, fontsize=7)
    return figure
