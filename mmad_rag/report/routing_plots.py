"""A measurement of retrieval as images: who is taken for whom, and what a confidence is worth."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mmad_rag.errors import DataError, ExtraError
from mmad_rag.report.tables.numbers import fraction
from mmad_rag.retrieval_eval.calibration import Binning, Calibration
from mmad_rag.retrieval_eval.confusion import Confusion
from mmad_rag.retrieval_eval.decisions import Ints
from mmad_rag.retrieval_eval.result import RetrievalResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLOURS = "cividis"
"""Reads the same with and without colour vision, and in print."""
_BLUE, _ORANGE, _GREY = "#0072B2", "#D55E00", "#666666"
"""Colours of Okabe and Ito's palette, which colour-blind readers can tell apart."""
_NUMBERS_UP_TO = 45
"""Labels up to which every cell carries its count."""


def check_plots() -> None:
    """Make sure that images can be drawn before any work is done for them.

    Raises:
        ExtraError: matplotlib is not installed.
    """
    try:
        import matplotlib.figure  # noqa: F401 - only whether it is there
    except ImportError as error:
        raise ExtraError(
            "images of the figures need matplotlib, which is not installed: "
            'pip install "mmad-rag[plots]", or leave them out with --no-plots'
        ) from error


def draw_retrieval(result: RetrievalResult, folder: Path) -> tuple[Path, ...]:
    """Draw `confusion-<router>.png` for each router and `reliability.png` into a folder that exists.

    Raises:
        ExtraError: matplotlib is not installed.
        DataError: the folder cannot be written to.
    """
    check_plots()
    drawings = {f"confusion-{item.router.value}.png": _confusion(item) for item in result.confusion}
    if result.calibration:
        drawings["reliability.png"] = _reliability(result.calibration)
    for name, figure in drawings.items():
        try:
            figure.savefig(folder / name, dpi=150)
        except OSError as error:
            raise DataError(f"{folder / name} cannot be written ({error}); name another folder") from error
    return tuple(folder / name for name in drawings)


def _confusion(confusion: Confusion) -> Figure:
    """Rows are what is shown, columns what was named; colour is the share of the row, numbers are counts."""
    from matplotlib.figure import Figure

    counts = np.array(confusion.counts, np.int64)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    size = len(confusion.labels)
    side = max(5.0, 0.36 * size + 2.4)
    figure = Figure(figsize=(side + 0.8, side), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(shares, cmap=_COLOURS, vmin=0, vmax=1)
    names = [label.replace("_", " ") for label in confusion.labels]
    rows = [f"{name} ({total})" for name, total in zip(names, counts.sum(axis=1), strict=True)]
    axes.set_xticks(range(size), names, rotation=60, ha="right", rotation_mode="anchor", fontsize=9)
    axes.set_yticks(range(size), rows, fontsize=9)
    axes.set_xlabel("named")
    axes.set_ylabel("shown (images, all changes)")
    axes.set_title(f"What is taken for what, by the {_ROUTERS[confusion.router.value]}", fontsize=11)
    axes.set_xticks(np.arange(size + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(size + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=0.4)
    axes.tick_params(which="minor", length=0)
    if size <= _NUMBERS_UP_TO:
        _write_counts(axes, counts)
    figure.colorbar(image, ax=axes, shrink=0.7, label="share of the row")
    return figure


_ROUTERS = {"route": "route", "nearest": "nearest reference"}


def _write_counts(axes: Axes, counts: Ints) -> None:
    """Every count that is not zero, dark on light cells and light on dark ones."""
    totals = np.maximum(counts.sum(axis=1), 1)
    for row, column in zip(*np.nonzero(counts), strict=True):
        light = counts[row, column] / totals[row] > 0.5
        colour = "black" if light else "white"
        axes.text(column, row, str(counts[row, column]), ha="center", va="center", color=colour, fontsize=8)


def _reliability(calibrations: tuple[Calibration, ...]) -> Figure:
    """How often what was named is right, against the confidence; below, how many images."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import NullFormatter, ScalarFormatter

    figure = Figure(figsize=(6.2, 7.2), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    upper.plot([0, 1], [0, 1], color=_GREY, linestyle="--", linewidth=1, label="perfectly calibrated")
    styles = {Binning.EQUAL_WIDTH: (_BLUE, "o"), Binning.EQUAL_MASS: (_ORANGE, "s")}
    for found in calibrations:
        colour, marker = styles[found.binning]
        shares = np.array([item.right.count / item.right.n for item in found.bins])
        lows = np.array([item.right.low for item in found.bins], np.float64)
        highs = np.array([item.right.high for item in found.bins], np.float64)
        upper.errorbar(
            [item.confidence for item in found.bins],
            shares,
            yerr=(shares - lows, highs - shares),
            color=colour,
            marker=marker,
            markersize=5,
            linewidth=1,
            capsize=2,
            label=f"{found.binning.value}, expected calibration error {fraction(found.error)}",
        )
        if found.binning is Binning.EQUAL_WIDTH:
            lower.bar(
                [item.low for item in found.bins],
                [item.right.n for item in found.bins],
                width=[item.high - item.low for item in found.bins],
                align="edge",
                color=colour,
                edgecolor="white",
            )
    upper.set_ylabel("share right (bars: 95 % interval)")
    upper.set_title("What the route's confidence is worth", fontsize=11)
    upper.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    upper.grid(alpha=0.3)
    figure.legend(*upper.get_legend_handles_labels(), loc="outside lower center", fontsize=9)
    lower.set_yscale("log")
    lower.set_ylim(bottom=0.8)
    lower.yaxis.set_major_formatter(ScalarFormatter())
    lower.yaxis.set_minor_formatter(NullFormatter())
    lower.set(xlabel="confidence", ylabel="images (log)")
    lower.grid(alpha=0.3, axis="y")
    return figure
