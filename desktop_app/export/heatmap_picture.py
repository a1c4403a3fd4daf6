"""Pictures for files: a slide with one feature's map, scale bar, colour bar and caption."""

from __future__ import annotations

import io
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from sae_backend.activations.heatmap import Heatmap
from sae_backend.atomic_write import write_bytes_atomic
from sae_backend.slides.pyramid import tile_pixels
from sae_backend.slides.slide import Slide
from sae_backend.slides.tiles import TileGrid
from sae_backend.statistics.number_text import length_text

if TYPE_CHECKING:
    import matplotlib as mpl
    from matplotlib.figure import Figure

COLOUR_MAP: Final = "viridis"
_SCALE_LENGTHS_UM: Final = tuple(m * 10.0**e for e in range(5) for m in (1, 2, 5))
_BACKDROP_PX: Final = 1400
_SILENT_OPACITY: Final = 0.25


@dataclass(frozen=True)
class Caption:
    """Words of a figure: title, what was measured with, and a notice (such as of a control)."""

    title: str
    source: str
    notice: str = ""


def scale_bar_um(width_um: float) -> float:
    """Round length (1, 2 or 5 times a power of ten) that fits a quarter of a view `width_um` wide."""
    fitting = [length for length in _SCALE_LENGTHS_UM if length <= width_um / 4]
    return max(fitting, default=_SCALE_LENGTHS_UM[0])


def heatmap_png(slide: Slide, heat: Heatmap, path: Path, caption: Caption, opacity: float = 0.6) -> None:
    """Write a PNG of the whole slide with a feature's map over it.

    Raises
    ------
    CacheError
        When the file cannot be written.
    PixelSizeError
        When the slide's pixel size is unknown.
    """
    info = slide.info
    mpp = info.require_mpp()
    height_um, width_um = info.height_px * mpp, info.width_px * mpp
    backdrop = slide.thumbnail(_BACKDROP_PX)
    figure = _figure(figsize=(9.5, 8.0 * min(height_um / width_um, 1.6) + 1.6), layout="constrained", dpi=130)
    axes = figure.add_subplot()
    # Half a pixel: napari's world puts the centre of the first pixel at 0, its edge at -mpp / 2.
    edge = -mpp / 2
    axes.imshow(backdrop, extent=(edge, edge + width_um, edge + height_um, edge), interpolation="bilinear")
    finite = heat.values[np.isfinite(heat.values)]
    top = float(finite.max()) if finite.size and finite.max() > 0 else 1.0
    left = heat.translate_um[1] - heat.cell_um / 2
    upper = heat.translate_um[0] - heat.cell_um / 2
    rows, cols = heat.values.shape
    drawn = axes.imshow(
        heat.values,
        extent=(left, left + cols * heat.cell_um, upper + rows * heat.cell_um, upper),
        cmap=COLOUR_MAP,
        vmin=0.0,
        vmax=top,
        # A veil where the feature is silent, so that "zero" and "not read" look different.
        alpha=np.where(heat.values > 0, opacity, _SILENT_OPACITY * opacity),
        interpolation="nearest",
    )
    axes.set_xlim(edge, edge + width_um)
    axes.set_ylim(edge + height_um, edge)
    axes.set_axis_off()
    bar = figure.colorbar(drawn, ax=axes, shrink=0.8, pad=0.02)
    bar.set_label(f"activation of feature {heat.feature} (SAE units)")
    # The bar shows the colours as they lie over white; on tissue they look darker.
    if bar.solids is not None:
        bar.solids.set_alpha(opacity)
    _draw_scale_bar(axes, width_um, height_um)
    figure.suptitle("\n".join(textwrap.wrap(caption.title, 90)), x=0.02, ha="left", fontsize=12)
    words = (
        f"{caption.source}\nCells of {length_text(heat.cell_um)}; coloured: the feature fires; pale veil: "
        f"analysed, silent; bare: not analysed. Colours lie over the slide at {opacity:.0%}."
    )
    words += f"\n{caption.notice}" if caption.notice else ""
    lines = [line for part in words.split("\n") for line in textwrap.wrap(part, 150)]
    figure.supxlabel("\n".join(lines), fontsize=8, x=0.02, ha="left")
    _save(figure, path)


def _figure(**how: Any) -> Figure:
    # matplotlib takes a quarter of a second to load, and the window must not wait for pictures in files.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(**how)
    FigureCanvasAgg(figure)
    return figure


def _draw_scale_bar(axes: mpl.axes.Axes, width_um: float, height_um: float) -> None:
    length = scale_bar_um(width_um)
    x, y = 0.03 * width_um, 0.96 * height_um
    for colour, thickness in (("white", 7.0), ("black", 3.5)):
        axes.plot([x, x + length], [y, y], color=colour, linewidth=thickness, solid_capstyle="butt")
    axes.text(
        x + length / 2,
        y - 0.015 * height_um,
        length_text(length),
        ha="center",
        va="bottom",
        fontsize=9,
        bbox={"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 1.5},
    )


def gallery_png(slide: Slide, grid: TileGrid, tiles: list[tuple[int, float]], path: Path, title: str) -> None:
    """Write a PNG of tiles, given as (index, activation), each with its value."""
    figure = _figure(figsize=(9.5, 1.75 * ((len(tiles) + 5) // 6) + 0.4), layout="constrained", dpi=110)
    for place, (tile, value) in enumerate(tiles):
        axes = figure.add_subplot((len(tiles) + 5) // 6, 6, place + 1)
        axes.imshow(tile_pixels(slide, grid, tile))
        axes.set_title(f"tile {tile}: {value:#.3g}", fontsize=8)
        axes.set_axis_off()
    figure.suptitle(title, x=0.02, ha="left", fontsize=10)
    _save(figure, path)


def _save(figure: Figure, path: Path) -> None:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    write_bytes_atomic(path, buffer.getvalue())
