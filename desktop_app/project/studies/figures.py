"""Draws a study's figures with matplotlib: the same in the window, in files and in the report."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from desktop_app.project.studies.figure_labels import fit
from sae_backend.studies.framework.report import (
    Band,
    Bars,
    Cells,
    Figure,
    Histogram,
    Line,
    Points,
    Rule,
    Target,
)

if TYPE_CHECKING:
    import matplotlib as mpl
    from matplotlib.figure import Figure as Canvas

SERIES: Final = ("#2b8cd6", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9", "#b8a800", "#7f3c8d",
                 "#11a579", "#3969ac", "#e73f74", "#80ba5a")  # fmt: skip
"""Colours of the series in turn (after Okabe and Ito, then others), seen on dark and on light."""

GREY: Final = "#8c8c8c"
GREYS: Final = ("#8c8c8c", "#b9b9b9", "#6b6b6b", "#a39a8c", "#7f8a99")
"""Of baselines in turn; seen on dark and on light."""

GREY_DASHES: Final[dict[str, Any]] = {
    "#b9b9b9": (0, (1, 1.5)),
    "#6b6b6b": (0, (6, 2)),
    "#a39a8c": (0, (3, 1, 1, 1)),
}

_SVG: Final = {"svg.fonttype": "none", "svg.hashsalt": "sparsescope"}
"""Text stays text in SVG, and one figure gives the same bytes each time."""

_WRITING: Final = Lock()
"""The settings for SVG are those of the whole process, and files are written beside the window."""

_WRITTEN: Final = 30
_MANY: Final = 400


@dataclass(frozen=True)
class Look:
    """Colours of paper and ink, and the size of the letters in points."""

    paper: str = "white"
    ink: str = "#202020"
    points: float = 9.0


@dataclass(frozen=True)
class Hit:
    """What a point of a drawn figure leads to: its place on the axes, and what lies behind it."""

    x: float
    y: float
    target: Target | None
    name: str


@dataclass(frozen=True)
class Drawn:
    """A figure on its axes; `hits` are the points that can be asked for."""

    axes: mpl.axes.Axes
    hits: Sequence[Hit]
    figure: Figure


def draw(canvas: Canvas, figure: Figure, look: Look) -> Drawn:
    """Draw a figure on an empty canvas; title and caption are left to whoever shows them."""
    canvas.set_facecolor(look.paper)
    axes = canvas.add_subplot()
    axes.set_facecolor(look.paper)
    hits: list[Hit] = []
    colours = _Colours()
    # Marks hold arrays, which cannot be compared as a whole.
    bars = [id(mark) for mark in figure.marks if isinstance(mark, Bars)]
    for mark in figure.marks:
        match mark:
            case Points():
                hits += _points(axes, mark, colours.next(mark.is_baseline, mark.colour), look)
            case Line():
                hits += _line(axes, mark, colours.next(mark.is_baseline))
            case Bars():
                place = (bars.index(id(mark)), len(bars))
                hits += _bars(axes, mark, place, (colours.next(mark.is_baseline), look), figure)
            case Histogram():
                axes.stairs(
                    mark.counts, mark.edges, label=mark.label or None, fill=False, linewidth=1.6,
                    color=(shade := colours.next(mark.is_baseline)),
                    linestyle=GREY_DASHES.get(shade, "solid") if mark.is_baseline else "solid", baseline=None if figure.y_is_log else 0,
                )  # fmt: skip
            case Cells():
                hits += _cells(canvas, axes, mark, look)
            case Rule():
                line = axes.axvline if mark.axis == "x" else axes.axhline
                line(
                    mark.value, color=look.ink, linewidth=1.0, linestyle=(0, (4, 3)), label=mark.label or None
                )
            case Band():
                span = axes.axvspan if mark.axis == "x" else axes.axhspan
                span(mark.low, mark.high, color=GREY, alpha=0.25, linewidth=0, label=mark.label or None)
    _frame(axes, figure, look)
    fit(canvas, axes, figure, look.points)
    return Drawn(axes, hits, figure)


class _Colours:
    """Gives each series a colour in turn; baselines are greys that can be told apart."""

    def __init__(self) -> None:
        self._n = self._n_grey = 0

    def next(self, is_baseline: bool, fixed: int | None = None) -> str:
        """The colour of the next series."""
        if is_baseline:
            self._n_grey += 1
            return GREYS[(self._n_grey - 1) % len(GREYS)]
        if fixed is not None:
            return SERIES[fixed % len(SERIES)]
        self._n += 1
        return SERIES[(self._n - 1) % len(SERIES)]


def _points(axes: mpl.axes.Axes, mark: Points, colour: str, look: Look) -> list[Hit]:
    x, y = np.asarray(mark.x, float), np.asarray(mark.y, float)
    n = x.size
    for low, high, values, key in (
        (mark.x_low, mark.x_high, x, "xerr"),
        (mark.y_low, mark.y_high, y, "yerr"),
    ):
        if low is not None and high is not None:
            ends = np.clip(np.stack([values - np.asarray(low), np.asarray(high) - values]), 0, None)
            axes.errorbar(
                x, y, **{key: np.nan_to_num(ends)}, fmt="none", ecolor=colour, elinewidth=0.8, alpha=0.5
            )
    axes.scatter(
        x, y, s=26 if n <= _MANY else 9, color=colour, alpha=0.85 if n <= _MANY else 0.6, linewidths=0,
        label=mark.label or None, zorder=1.5 if mark.is_baseline else 2.5,
    )  # fmt: skip
    names = list(mark.names) or [""] * n
    targets: list[Target | None] = list(mark.targets) or [None] * n
    if mark.write_names:
        for place in range(min(n, _WRITTEN)):
            if np.isfinite(x[place]) and np.isfinite(y[place]):
                axes.annotate(
                    names[place], (x[place], y[place]), xytext=(4, 3), textcoords="offset points",
                    fontsize=look.points - 1.5, color=look.ink,
                )  # fmt: skip
    return [
        Hit(float(x[k]), float(y[k]), targets[k], names[k])
        for k in range(n)
        if np.isfinite(x[k]) and np.isfinite(y[k])
    ]


def _line(axes: mpl.axes.Axes, mark: Line, colour: str) -> list[Hit]:
    x, y = np.asarray(mark.x, float), np.asarray(mark.y, float)
    style: Any = (
        (0, (4, 3)) if mark.is_dashed else (GREY_DASHES.get(colour, "solid") if mark.is_baseline else "solid")
    )
    few = "o" if x.size <= 40 and not mark.is_dashed else ""
    axes.plot(x, y, color=colour, linewidth=1.6, linestyle=style, marker=few, markersize=4.5,
              label=mark.label or None)  # fmt: skip
    if mark.low is not None and mark.high is not None:
        axes.fill_between(x, mark.low, mark.high, color=colour, alpha=0.18, linewidth=0)
    targets: list[Target | None] = list(mark.targets) or [None] * x.size
    return [
        Hit(float(x[k]), float(y[k]), targets[k], mark.label)
        for k in range(x.size)
        if np.isfinite(x[k]) and np.isfinite(y[k])
    ]


def _bars(
    axes: mpl.axes.Axes, mark: Bars, place: tuple[int, int], paint: tuple[str, Look], figure: Figure
) -> list[Hit]:
    colour, look = paint
    values = np.asarray(mark.values, float)
    number, many = place
    width = 0.8 / many
    x = np.arange(values.size) + (number - (many - 1) / 2) * width
    axes.bar(x, values, width * 0.92, color=colour, label=mark.label or None, linewidth=0)
    if mark.low is not None and mark.high is not None:
        ends = np.clip(np.stack([values - np.asarray(mark.low), np.asarray(mark.high) - values]), 0, None)
        known = np.isfinite(values) & np.isfinite(ends).all(axis=0)
        axes.errorbar(
            x[known],
            values[known],
            yerr=ends[:, known],
            fmt="none",
            ecolor=look.ink,
            alpha=0.75,
            elinewidth=1.1,
            capsize=2,
        )
    names = list(figure.x_names) or [""] * values.size
    targets: list[Target | None] = list(mark.targets) or [None] * values.size
    return [
        Hit(float(x[k]), float(values[k]), targets[k], " ".join(filter(None, (names[k], mark.label))))
        for k in range(values.size)
        if np.isfinite(values[k])
    ]


def _cells(canvas: Canvas, axes: mpl.axes.Axes, mark: Cells, look: Look) -> list[Hit]:
    values = np.asarray(mark.values, float)
    finite = values[np.isfinite(values)]
    top = float(np.abs(finite).max()) if finite.size else 1.0
    drawn = axes.imshow(
        values,
        aspect="auto",
        cmap="RdBu_r" if mark.is_signed else "viridis",
        interpolation="nearest",
        vmin=-top if mark.is_signed else None,
        vmax=top if mark.is_signed else None,
    )
    n_rows, n_cols = values.shape
    bar = canvas.colorbar(drawn, ax=axes, shrink=0.8, pad=0.02)
    bar.set_label(mark.value_label, color=look.ink, fontsize=look.points)
    bar.ax.tick_params(colors=look.ink, labelsize=look.points - 1)
    return [
        Hit(
            float(col), float(row),
            mark.targets[row][col] if mark.targets else None,
            f"{mark.row_names[row]}, {mark.col_names[col]}: {values[row, col]:.3g}",
        )
        for row in range(n_rows) for col in range(n_cols) if np.isfinite(values[row, col])
    ]  # fmt: skip


def _frame(axes: mpl.axes.Axes, figure: Figure, look: Look) -> None:
    axes.set_xlabel(figure.x_label, color=look.ink, fontsize=look.points)
    axes.set_ylabel(figure.y_label, color=look.ink, fontsize=look.points)
    axes.tick_params(colors=look.ink, labelsize=look.points - 1)
    for side, spine in axes.spines.items():
        spine.set_color(look.ink)
        spine.set_linewidth(0.8)
        spine.set_visible(side in ("left", "bottom"))
    if figure.x_is_log:
        axes.set_xscale("log")
    if figure.y_is_log:
        axes.set_yscale("log")
    if figure.x_limits is not None:
        axes.set_xlim(*figure.x_limits)
    if figure.y_limits is not None:
        axes.set_ylim(*figure.y_limits)
    if figure.is_square:
        axes.set_aspect("equal", adjustable="box")


@cache
def load() -> None:
    """Load matplotlib and its letters, which takes a second, before a window would have to wait for it."""
    import matplotlib.backends.backend_qtagg  # noqa: F401

    nothing = np.zeros(1)
    picture(Figure("warm", "Words", "Words", "x", "y", [Points(nothing, nothing, "Words")]), "png")


def picture(figure: Figure, ending: str, look: Look | None = None) -> bytes:
    """A figure with title and caption as a file of its own; `ending` is svg, png or pdf."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Canvas

    look = look or Look()
    words = textwrap.wrap(figure.caption, 125)
    n_rows = max((len(mark.values) for mark in figure.marks if isinstance(mark, Cells)), default=0)
    height = (5.6 if figure.is_square else 4.4) + 0.16 * len(words) + min(4.0, 0.08 * max(0, n_rows - 20))
    with _WRITING, rc_context(_SVG):
        canvas = Canvas(figsize=(8.6, height), layout="constrained", dpi=150)
        FigureCanvasAgg(canvas)
        draw(canvas, figure, look)
        canvas.suptitle(
            "\n".join(textwrap.wrap(figure.title, 85)),
            x=0.01,
            ha="left",
            fontsize=12,
            color=look.ink,
            parse_math=False,
        )
        canvas.supxlabel("\n".join(words), x=0.01, ha="left", fontsize=8, color=look.ink, parse_math=False)
        buffer = io.BytesIO()
        canvas.savefig(buffer, format=ending, metadata={"Date": None} if ending == "svg" else None)
    return buffer.getvalue()
