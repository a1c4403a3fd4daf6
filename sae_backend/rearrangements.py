"""Ways to lay counts on tiles that are not theirs: other units' counts, or the same map shifted.

Both keep what makes neighbouring tiles alike and break what ties a feature to a cell type.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from sae_backend.blocks import Clusters
from sae_backend.resampling import draw_orders

Ints = npt.NDArray[np.int64]
Sources = npt.NDArray[np.int32]

MIN_OVERLAP: Final = 0.2
"""Share of the tiles that must find a partner when a map is shifted."""

MIN_SHIFTS: Final = 19
"""With fewer shifts no p can be given: 19 is what 5 % needs."""


@dataclass(frozen=True)
class Exchange:
    """Whole units change places, (P, K): `orders[p, k]` is laid on unit k, stretched to its tiles."""

    orders: Ints
    sizes: Ints

    @property
    def n(self) -> int:
        """Number of arrangements, P."""
        return len(self.orders)

    def sources(self, first: int, last: int) -> Sources:
        """Row (last - first, N) whose counts come to lie on each row."""
        return np.stack([row_sources(order, self.sizes) for order in self.orders[first:last]])


@dataclass(frozen=True)
class Shifts:
    """Each slide's map is moved on its grid; tiles that are moved off the tissue find no partner.

    `offsets` (P, S, 2) are (row, column) steps for each of S slides; `slide`, `row`, `col` (N,) say
    where the rows lie, from 0; `extents` (S, 2) are the grids.
    """

    offsets: Ints
    slide: Ints
    row: Ints
    col: Ints
    extents: Ints

    @property
    def n(self) -> int:
        """Number of arrangements, P."""
        return len(self.offsets)

    def sources(self, first: int, last: int) -> Sources:
        """Row (last - first, N) whose counts come to lie on each row, -1 where none does."""
        found = np.full((last - first, self.row.size), -1, np.int32)
        for s in range(len(self.extents)):
            mine = np.flatnonzero(self.slide == s)
            height, width = self.extents[s]
            lookup = np.full((height, width), -1, np.int32)
            lookup[self.row[mine], self.col[mine]] = mine
            for p in range(first, last):
                dy, dx = self.offsets[p, s]
                row, col = self.row[mine] + dy, self.col[mine] + dx
                on = (row >= 0) & (row < height) & (col >= 0) & (col < width)
                found[p - first, mine[on]] = lookup[row[on], col[on]]
        return found


def row_sources(order: Ints, sizes: Ints) -> Sources:
    """Row (N,) whose counts come to lie on each row when unit `order[k]` is laid on unit k.

    A unit of another size is stretched or thinned evenly, keeping the order of its rows. Laying
    the units end to end instead would let them straddle the borders of the others, which makes
    the null too narrow: with slides of unequal size it claimed 11 to 22 % at a level of 5 %.
    """
    starts = np.cumsum(sizes) - sizes
    unit = np.repeat(np.arange(sizes.size), sizes)
    position = np.arange(unit.size) - starts[unit]
    source = order[unit]
    return np.asarray(starts[source] + position * sizes[source] // sizes[unit], np.int32)


def exchange(clusters: Clusters, n_draws: int, rng: np.random.Generator) -> Exchange:
    """Random exchanges of whole units."""
    return Exchange(draw_orders(clusters, n_draws, rng), clusters.sizes)


def shifts(
    places: tuple[Ints, Ints, Ints], n_draws: int, rng: np.random.Generator
) -> tuple[Shifts | None, int]:
    """Random shifts of the map of each slide; None where too few are possible.

    Parameters
    ----------
    places
        Slide number, row and column of every tile (N,) each.
    n_draws
        Shifts wanted; of one slide each is taken once at most.
    rng
        Where they come from.

    Returns
    -------
    shifts : Shifts or None
        Each lets 20 % of the tiles find a partner.
    n_possible : int
        How many different ones there are.
    """
    slide, row, col = places
    numbers, slide = np.unique(slide, return_inverse=True)
    row, col = row.copy(), col.copy()
    extents, allowed = np.zeros((len(numbers), 2), np.int64), []
    for s in range(len(numbers)):
        mine = slide == s
        row[mine] -= row[mine].min()
        col[mine] -= col[mine].min()
        extents[s] = row[mine].max() + 1, col[mine].max() + 1
        allowed.append(_possible(row[mine], col[mine], extents[s]))
    n_possible = math.prod(len(each) for each in allowed)
    if n_possible < MIN_SHIFTS:
        return None, n_possible
    if len(numbers) == 1:
        offsets = allowed[0][rng.permutation(n_possible)[:n_draws]][:, None]
    else:
        picked = [each[rng.integers(len(each), size=n_draws)] for each in allowed]
        offsets = np.stack(picked, axis=1)
    return Shifts(offsets.astype(np.int64), slide.astype(np.int64), row, col, extents), n_possible


def _possible(row: Ints, col: Ints, extent: Ints) -> Ints:
    """Steps (M, 2) that leave enough tiles a partner."""
    height, width = int(extent[0]), int(extent[1])
    shape = 2 * height - 1, 2 * width - 1
    mask = np.zeros(shape)
    mask[row, col] = 1.0
    # Overlap for every shift at once: the mask's correlation with itself, padded so that nothing wraps.
    spectrum = np.fft.rfft2(mask)
    overlap = np.fft.irfft2(spectrum * spectrum.conj(), s=shape)
    dy, dx = (a.ravel() for a in np.mgrid[1 - height : height, 1 - width : width])
    # Short shifts stay in: maps that are smooth agree with themselves shifted a little, and a null
    # without these claims too much.
    away = (dy != 0) | (dx != 0)
    enough = overlap[dy % shape[0], dx % shape[1]] >= MIN_OVERLAP * row.size - 1e-6
    return np.stack([dy, dx], axis=1)[away & enough]
