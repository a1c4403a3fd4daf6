"""Ways to lay counts on tiles that are not theirs: other units' counts, or the same map shifted.

Both keep what makes neighbouring tiles alike and break what ties a feature to a cell type.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from sae_backend.statistics.permutation.unit_layout import UnitLayout
from sae_backend.statistics.resampling_units import Clusters

Ints = npt.NDArray[np.int64]
Sources = npt.NDArray[np.int32]

MIN_OVERLAP: Final = 0.2
"""Share of the tiles that must find a partner when a map is shifted."""

MIN_ARRANGEMENTS: Final = 19
"""With fewer of them beside the data no p can be given: 19 is what 5 % needs."""


@dataclass(frozen=True)
class Exchange:
    """Whole units change places, (P, K): the counts of `orders[p, k]` are laid on unit k.

    `unit_of_segment` (S,) and `layout` say where; `log_possible` is the natural logarithm of how many
    orders there are.
    """

    orders: Ints
    unit_of_segment: Ints
    layout: UnitLayout
    log_possible: float

    @property
    def n(self) -> int:
        """Number of arrangements, P."""
        return len(self.orders)

    def sources(self, first: int, last: int) -> Sources:
        """Row (last - first, N) whose counts come to lie on each row."""
        from sae_backend.statistics import kernels as null_kernels

        found = np.empty((last - first, self.layout.segment.size), np.int32)
        null_kernels.exchanged_rows(
            self.orders[first:last], self.layout.arrays(), self.unit_of_segment, found
        )
        return found


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


def exchange(
    clusters: Clusters,
    layout: UnitLayout,
    n_draws: int,
    rng: np.random.Generator,
    alike: Ints | None = None,
) -> Exchange | None:
    """Random exchanges of whole units; None where too few are possible.

    `alike` (K,) numbers the units that may change places with each other, all where it is not given.
    """
    among = clusters.stratum if alike is None else alike
    log_possible = sum(math.lgamma(int(count) + 1) for count in np.unique(among, return_counts=True)[1])
    if log_possible < math.log(MIN_ARRANGEMENTS + 1) - 1e-9:
        return None
    orders = np.tile(np.arange(clusters.n_clusters), (n_draws, 1))
    for number in np.unique(among):
        members = np.flatnonzero(among == number)
        orders[:, members] = rng.permuted(orders[:, members], axis=1)
    return Exchange(orders, clusters.segment_cluster, layout, log_possible)


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
    if n_possible < MIN_ARRANGEMENTS:
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
