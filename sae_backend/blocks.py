"""The units that are resampled: whole slides, or square blocks of tiles where slides are few.

Neighbouring tiles look alike, so tiles are not independent and must not be shuffled one by one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]

MIN_CLUSTERS: Final = 5
"""With fewer units there is neither an interval nor a p."""

_WANTED_BLOCKS: Final = 8


@dataclass(frozen=True)
class TilePlaces:
    """Where the usable tiles of one slide lie: grid `rows`, `cols` (N,) and the grid's step in um."""

    rows: Ints
    cols: Ints
    tile_um: float


@dataclass(frozen=True)
class Clusters:
    """Tiles sorted into units.

    Attributes
    ----------
    order
        Tile numbers (N,), counted through all slides in turn, unit by unit.
    sizes
        Tiles in each unit (K,).
    stratum
        Units are exchanged only within the same stratum (K,), sorted: one for all slides, or the
        slide of each block.
    unit
        What a unit is, in words.
    notes
        What the choice of the unit means for the reader.
    """

    order: Ints
    sizes: Ints
    stratum: Ints
    unit: str
    notes: tuple[str, ...]

    @property
    def n_clusters(self) -> int:
        """Number of units, K."""
        return int(self.sizes.size)

    @property
    def log_arrangements(self) -> float:
        """Natural logarithm of the number of different orders of the units."""
        return sum(math.lgamma(int(count) + 1) for count in np.bincount(self.stratum) if count)


def form_clusters(slides: Sequence[TilePlaces], block_um: float) -> Clusters:
    """Choose the unit and sort the tiles into it.

    Slides, if at least 5 have tiles; else blocks of `block_um`, made smaller in whole tiles until
    there are 8 of them, if the tiles allow it.
    """
    filled = [slide for slide in slides if slide.rows.size]
    slide_of_tile = np.repeat(np.arange(len(slides)), [slide.rows.size for slide in slides])
    if len(filled) >= MIN_CLUSTERS:
        used, sizes = np.unique(slide_of_tile, return_counts=True)
        order = np.arange(slide_of_tile.size)
        return Clusters(order, sizes.astype(np.int64), np.zeros(used.size, np.int64), "slide", ())
    return _block_clusters(slides, filled, slide_of_tile, block_um)


def _block_clusters(
    slides: Sequence[TilePlaces], filled: Sequence[TilePlaces], slide_of_tile: Ints, block_um: float
) -> Clusters:
    wanted = [_edge_tiles(slide, block_um) for slide in slides]
    edges = wanted
    for limit in range(max(wanted, default=1), 0, -1):
        edges = [min(edge, limit) for edge in wanted]
        labels = _labels(slides, edges)
        if len(np.unique(labels)) >= _WANTED_BLOCKS:
            break
    labels = _labels(slides, edges)
    _, first, inverse, sizes = np.unique(labels, return_index=True, return_inverse=True, return_counts=True)
    edge_um = [e * slide.tile_um for e, slide in zip(edges, slides, strict=True) if slide.rows.size]
    unit = f"block of {_mm(edge_um)} mm" if edge_um else "block"
    notes = []
    if filled:
        plural = "s" if len(filled) > 1 else ""
        notes.append(
            f"Only {len(filled)} slide{plural}: blocks stand in for slides, so nothing is shown about other slides or patients. "
            "Patterns that reach across blocks make p too small: smooth patterns even at an eighth of the block's edge."
        )
    if edges != wanted:
        notes.append(
            f"Blocks of {block_um / 1000:g} mm were too few; at {_mm(edge_um)} mm neighbouring blocks may be alike, "
            "and the intervals too narrow and p too small."
        )
    return Clusters(
        order=np.argsort(inverse, kind="stable").astype(np.int64),
        sizes=sizes.astype(np.int64),
        stratum=slide_of_tile[first].astype(np.int64),
        unit=unit,
        notes=tuple(notes),
    )


def _mm(edges_um: Sequence[float]) -> str:
    low, high = min(edges_um) / 1000, max(edges_um) / 1000
    return f"{low:.3g}" if f"{low:.3g}" == f"{high:.3g}" else f"{low:.3g} to {high:.3g}"


def _edge_tiles(slide: TilePlaces, block_um: float) -> int:
    if not slide.rows.size:
        return 1
    # An edge beyond the slide's own extent changes nothing, so it need not be tried.
    extent = int(max(np.ptp(slide.rows), np.ptp(slide.cols))) + 1
    return max(1, min(int(block_um / slide.tile_um + 1e-9), extent))


def _labels(slides: Sequence[TilePlaces], edges: Sequence[int]) -> Ints:
    """Block number of each tile; blocks of a slide are numbered in a row and slides follow in turn."""
    labels = [np.empty(0, np.int64)]
    offset = 0
    for slide, edge in zip(slides, edges, strict=True):
        if not slide.rows.size:
            continue
        row, col = (slide.rows - slide.rows.min()) // edge, (slide.cols - slide.cols.min()) // edge
        label = row * (int(col.max()) + 1) + col + offset
        labels.append(label)
        offset = int(label.max()) + 1
    return np.concatenate(labels)
