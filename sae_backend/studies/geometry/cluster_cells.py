"""What a cluster of features is about: the cell type that it follows, and tiles in which it fires."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import sparse

from sae_backend.statistics.bootstrap import bootstrap_weights, studentised_intervals
from sae_backend.statistics.moments import Targets, dense_moments
from sae_backend.statistics.weighted_correlation import FLAT
from sae_backend.studies.framework.stage import Stage
from sae_backend.studies.methods.matching.cross_products import Columns
from sae_backend.studies.methods.matching.shared_tiles import SharedTiles

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

N_EXAMPLES: Final = 8
_PER_SLIDE: Final = 2
_WIDTH: Final = 32
_N_RANDOM: Final = 9
_MIN_UNITS: Final = 5


@dataclass(frozen=True)
class ClusterCells:
    """What each of C clusters follows.

    Attributes
    ----------
    type_number
        Cell type with the largest |r| on the discovery half (C,), -1 without cells.
    r, low, high
        Its r with the mean of the members' standardised activations on the held-out half, and the 95 %
        bootstrap-t interval over units (C,).
    single
        Of the member that follows this type best where it was chosen (C,).
    random
        Mean |r| of random sets of as many features, with the same type on the held-out half (C,).
    slide, tile
        Tiles in which the cluster fires most on the held-out half (C, 8), at most two of a slide, -1 for none.
    """

    type_number: Ints
    r: Floats
    low: Floats
    high: Floats
    single: Floats
    random: Floats
    slide: Ints
    tile: Ints


def cluster_cells(
    halves: tuple[SharedTiles, SharedTiles],
    columns: tuple[Columns, Columns],
    labels: Ints,
    draws: tuple[int, int],
    stage: Stage,
) -> ClusterCells:
    """Describe clusters by cells and tiles.

    Parameters
    ----------
    halves
        Tiles that choose and tiles that report.
    columns
        Features on both (N, F).
    labels
        Cluster of each feature (F,), -1 for none.
    draws
        Draws of the bootstrap and the seed.
    stage
        Counts the clusters, twice each, and the random ones.
    """
    n = int(labels.max(initial=-1)) + 1
    stage.expect(stage.done + 2 * n + _N_RANDOM)
    _, scale = columns[0].mean_and_scale(np.ones(columns[0].n_rows))
    weights = _member_weights(labels, scale, n)
    slide, tile = _examples(halves[1], columns[1], weights, stage)
    found = np.full((5, n), np.nan)
    chosen = np.full(n, -1, np.int64)
    known = [_Known.of(tiles, some) for tiles, some in zip(halves, columns, strict=True)]
    types = np.intersect1d(known[0].types, known[1].types)
    if types.size and n:
        first, second = (each.of_types(types) for each in known)
        r = first.r(weights)
        best = np.abs(np.nan_to_num(r)).argmax(axis=1)
        defined = np.isfinite(r).any(axis=1)
        chosen[defined] = types[best[defined]]
        at = np.arange(n), best
        found[:3] = second.intervals(weights, best, draws, stage)
        members = np.abs(np.nan_to_num(first.single_r()))
        singles = second.single_r()
        for k in range(n):
            mine = np.flatnonzero(labels == k)
            top = mine[members[mine, best[k]].argmax()]
            found[3, k] = singles[top, best[k]]
        rng = np.random.default_rng([draws[1], 0xCE])
        sizes = np.bincount(labels[labels >= 0], minlength=n)
        alone = []
        for _ in range(_N_RANDOM):
            drawn = np.concatenate([rng.choice(labels.size, size, replace=False) for size in sizes])
            place = (drawn, np.repeat(np.arange(n), sizes))
            other = sparse.csc_array(sparse.coo_array((scale[drawn], place), shape=(labels.size, n)))
            alone.append(np.abs(second.r(other)[at]))
            stage.step()
        found[4] = np.mean(alone, axis=0)
        found[:, ~defined] = np.nan
    r, low, high, single, random = found
    return ClusterCells(chosen, r, low, high, single, random, slide, tile)


def _member_weights(labels: Ints, scale: Floats, n: int) -> sparse.csc_array:
    """What each feature adds to its cluster's value (F, C)."""
    members = np.flatnonzero(labels >= 0)
    place = (members, labels[members])
    return sparse.csc_array(sparse.coo_array((scale[members], place), shape=(labels.size, n)))


@dataclass(frozen=True)
class _Known:
    """The tiles of a half in which cells are known.

    `counts` (n, C) of the types `types`, `columns` (n, F), and the units of the rows.
    """

    tiles: SharedTiles
    columns: Columns
    counts: Floats
    types: Ints
    unit: Ints

    @classmethod
    def of(cls, tiles: SharedTiles, columns: Columns) -> _Known:
        counts = tiles.counts()
        types = np.flatnonzero(np.isfinite(counts).any(axis=0))
        rows = np.flatnonzero(np.isfinite(counts[:, types]).all(axis=1))
        some = columns if rows.size == columns.n_rows else columns.rows(rows)
        return cls(tiles, some, counts[rows][:, types], types, tiles.unit[rows])

    def of_types(self, types: Ints) -> _Known:
        return replace(self, counts=self.counts[:, np.searchsorted(self.types, types)], types=types)

    def values(self, weights: sparse.csc_array, a: int, b: int) -> Floats:
        """Values of clusters a to b (n, b - a)."""
        return np.asarray((self.columns.by_tile @ weights[:, a:b]).toarray(), np.float64)

    def r(self, weights: sparse.csc_array) -> Floats:
        """Correlation of every cluster with every type (C, T)."""
        y = self.counts - self.counts.mean(axis=0)
        n = max(self.columns.n_rows, 1)
        products = weights.T @ (self.columns.by_tile.T @ y)
        # Out of sums: as tables of all tiles, the clusters of many features would fill the memory.
        values = sparse.csr_array(self.columns.by_tile @ weights)
        sums = np.asarray(values.sum(axis=0)).ravel()
        values.data **= 2
        squares = np.asarray(values.sum(axis=0)).ravel()
        left = squares - sums**2 / n
        left[left <= FLAT * squares] = np.nan
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(products / np.sqrt(left)[:, None] / np.sqrt((y**2).sum(axis=0)), np.float64)

    def single_r(self) -> Floats:
        """Correlation of every feature with every type (F, T), 0 where the feature is constant."""
        y = self.counts - self.counts.mean(axis=0)
        _, scale = self.columns.mean_and_scale(np.ones(self.columns.n_rows))
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(
                (self.columns.by_tile.T @ y) * scale[:, None] / np.sqrt((y**2).sum(axis=0)), np.float64
            )

    def intervals(
        self, weights: sparse.csc_array, types: Ints, draws: tuple[int, int], stage: Stage
    ) -> Floats:
        """Value, low and high end of r of each cluster with its own type (3, C)."""
        n = types.size
        found = np.full((3, n), np.nan)
        r = self.r(weights)
        found[0] = r[np.arange(n), types]
        units, sizes = np.unique(self.unit, return_counts=True)
        clusters = self.tiles.clusters
        if not clusters.can_judge or units.size < _MIN_UNITS or draws[0] < 2:
            return found
        some = replace(clusters, sizes=sizes.astype(np.int64), stratum=clusters.stratum[units])
        drawn = bootstrap_weights(some, draws[0], np.random.default_rng([draws[1], 0xB3]))
        y = self.counts - self.counts.mean(axis=0)
        for a in range(0, n, _WIDTH):
            x = self.values(weights, a, a + _WIDTH)
            for k in range(x.shape[1]):
                stage.step()
                if not np.isfinite(found[0, a + k]):
                    continue
                own = y[:, types[a + k]][:, None]
                moments = dense_moments(x[:, k : k + 1], Targets(own, sizes.astype(np.int64)))
                low, high = studentised_intervals(moments, drawn, 0.95)
                found[1:, a + k] = low[0, 0], high[0, 0]
        return found


def _examples(
    tiles: SharedTiles, columns: Columns, weights: sparse.csc_array, stage: Stage
) -> tuple[Ints, Ints]:
    n = weights.shape[1]
    slide, tile = np.full((2, n, N_EXAMPLES), -1, np.int64)
    for a in range(0, n, _WIDTH):
        values = sparse.csc_array(columns.by_tile @ weights[:, a : a + _WIDTH])
        values.sort_indices()
        for k in range(values.shape[1]):
            stage.step()
            part = slice(int(values.indptr[k]), int(values.indptr[k + 1]))
            # More than are needed, as only two of a slide are taken.
            order = np.argsort(-values.data[part], kind="stable")[: 50 * N_EXAMPLES]
            rows = values.indices[part][order][values.data[part][order] > 0]
            taken: dict[int, int] = {}
            place = 0
            for row in rows.tolist():
                own = int(tiles.slide[row])
                if place < N_EXAMPLES and taken.get(own, 0) < _PER_SLIDE:
                    taken[own] = taken.get(own, 0) + 1
                    slide[a + k, place], tile[a + k, place] = own, tiles.tile[row]
                    place += 1
    return slide, tile
