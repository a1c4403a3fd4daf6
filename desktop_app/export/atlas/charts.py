"""The drawings of a page, each into axes that are given, so that every format shows the same."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any, Final

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from desktop_app.export.atlas.fonts import families, fitted, printable, wrapped
from desktop_app.export.atlas.pages import OPACITY, AtlasMap
from desktop_app.export.atlas.text import NO_CORRELATION, NO_TILES
from desktop_app.export.heatmap_picture import COLOUR_MAP, scale_bar_um
from desktop_app.project.features.feature_facts import FeatureFacts
from desktop_app.store import CorrelationRow
from sae_backend.statistics.number_text import length_text

N_TYPES: Final = 12
"""Cell types in a drawing, the strongest first; a table beside it may hold more."""

_INK: Final = "#1a1a1a"
_BAR: Final = "#2b6a99"
_SMALL: Final = 7.5
_BAR_SHARE: Final = 0.035


def map_size(drawn: AtlasMap, width: float, height: float) -> tuple[float, float]:
    """Largest (width, height) of the map's axes that fit a frame, in the frame's own unit."""
    scale = min(width / drawn.width_um, height / drawn.height_um)
    return drawn.width_um * scale, drawn.height_um * scale


def draw_map(axes: Any, bar: Any, drawn: AtlasMap) -> None:
    """Draw the map with its scale bar into `axes`, and what the colours mean into `bar`."""
    height, width = drawn.height_um, drawn.width_um
    # Not resampled: the file shall hold the pixels as they are.
    axes.imshow(drawn.rgb, extent=(0, width, height, 0), interpolation="none", aspect="auto")
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    axes.set_axis_off()
    length = scale_bar_um(width)
    x, y = 0.03 * width, 0.965 * height
    for colour, thickness in (("white", 5.5), ("black", 2.5)):
        axes.plot([x, x + length], [y, y], color=colour, linewidth=thickness, solid_capstyle="butt")
    axes.annotate(
        length_text(length),
        (x, y),
        xytext=(0, 4),
        textcoords="offset points",
        ha="left",
        va="bottom",
        fontsize=_SMALL,
        color=_INK,
        bbox={"facecolor": "white", "alpha": 0.85, "edgecolor": "none", "pad": 1.2},
    )
    if drawn.top <= 0:
        bar.set_axis_off()
        return
    colours = mpl.colormaps[COLOUR_MAP](np.linspace(0, 1, 128))[:, None, :3]
    # The bar shows the colours as they lie over white; on tissue they look darker.
    shown = 1 - OPACITY * (1 - colours)
    bar.imshow(shown, extent=(0, 1, 0, drawn.top), origin="lower", aspect="auto", interpolation="none")
    bar.set_xticks([])
    bar.yaxis.tick_right()
    bar.yaxis.set_label_position("right")
    bar.set_ylabel("activation", fontsize=_SMALL, color=_INK)
    bar.tick_params(labelsize=_SMALL, colors=_INK, length=2.5)


def draw_histogram(axes: Any, facts: FeatureFacts) -> None:
    """Draw how many tiles have which activation, counts on a logarithmic scale."""
    if not facts.n_firing:
        _say(axes, NO_TILES)
        return
    edges = facts.bin_edges
    axes.bar(
        edges[:-1],
        facts.bin_counts,
        width=np.diff(edges),
        align="edge",
        color=_BAR,
        edgecolor="white",
        linewidth=0.3,
    )
    axes.set_yscale("log")
    axes.set_ylim(0.7, max(float(facts.bin_counts.max()) * 1.6, 12))
    axes.set_xlim(0, edges[-1])
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel(
        f"activation (SAE units); {facts.n_tiles - facts.n_firing:,} silent tiles not drawn",
        fontsize=_SMALL,
        color=_INK,
    )
    axes.set_ylabel("tiles", fontsize=_SMALL, color=_INK)
    _tidy(axes)


def draw_correlations(axes: Any, rows: Sequence[CorrelationRow], label_width_pt: float = 110.0) -> None:
    """Draw r with its interval by cell type, the strongest at the top."""
    shown = [row for row in rows if row.value is not None][:N_TYPES]
    if not shown:
        reasons = sorted({row.reason for row in rows if row.reason})
        _say(axes, f"No r is defined: {'; '.join(reasons)}." if reasons else NO_CORRELATION)
        return
    places = np.arange(len(shown))
    for place, row in zip(places, shown, strict=True):
        assert row.value is not None
        if row.ci_low is not None and row.ci_high is not None:
            axes.plot(
                [row.ci_low, row.ci_high], [place, place], color=_BAR, linewidth=1.6, solid_capstyle="butt"
            )
        axes.plot([row.value], [place], "o", color=_BAR, markersize=4)
    axes.axvline(0, color="#707070", linewidth=0.7)
    axes.set_xlim(-1, 1)
    axes.set_ylim(max(len(shown), 4) - 0.5, -0.5)
    axes.set_yticks(places)
    names = [fitted(printable(row.cell_type), label_width_pt, _SMALL) for row in shown]
    axes.set_yticklabels(names, fontfamily=families(), parse_math=False)
    axes.set_xlabel("Pearson r; line: 95 % interval", fontsize=_SMALL, color=_INK)
    axes.grid(axis="x", color="#d8d8d8", linewidth=0.5)
    axes.set_axisbelow(True)
    _tidy(axes)


def _tidy(axes: Any) -> None:
    axes.tick_params(labelsize=_SMALL, colors=_INK, length=2.5)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _say(axes: Any, text: str) -> None:
    axes.set_axis_off()
    lines = "\n".join(wrapped(text, 200.0, _SMALL))
    axes.text(0, 1, lines, fontsize=_SMALL, color=_INK, va="top", transform=axes.transAxes, parse_math=False)


def map_jpeg(drawn: AtlasMap) -> bytes:
    """The map with scale bar and colour bar as JPEG, for a screen."""
    width, height = map_size(drawn, 5.2, 5.2)
    beside, below = 0.95, 0.08
    figure = Figure((width + beside, height + 2 * below), dpi=150)
    FigureCanvasAgg(figure)
    whole_w, whole_h = figure.get_size_inches()
    frame = (0.0, below / whole_h, width / whole_w, height / whole_h)
    axes = figure.add_axes(frame)
    bar = figure.add_axes(((width + 0.14) / whole_w, frame[1], 0.16 / whole_w, frame[3]))
    draw_map(axes, bar, drawn)
    return _saved(figure, "jpeg", pil_kwargs={"quality": 85, "optimize": True})


def histogram_png(facts: FeatureFacts) -> bytes:
    """The histogram as PNG."""
    figure, axes = _chart(2.3)
    draw_histogram(axes, facts)
    return _saved(figure, "png")


def correlations_png(rows: Sequence[CorrelationRow]) -> bytes:
    """The correlations as PNG."""
    shown = min(sum(row.value is not None for row in rows), N_TYPES)
    figure, axes = _chart(max(2.3, 0.6 + 0.2 * shown))
    draw_correlations(axes, rows)
    return _saved(figure, "png")


def _chart(height: float) -> tuple[Figure, Any]:
    figure = Figure((4.6, height), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.add_subplot()


def _saved(figure: Figure, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format=kind, **options)
    return buffer.getvalue()
