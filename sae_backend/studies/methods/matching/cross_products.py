"""Correlations of all features of one set with all of another, a block at a time, from sparse products.

Neither all tiles times all features nor all features times all features is ever held at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy import sparse

from sae_backend.statistics.weighted_correlation import FLAT

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_BLOCK_VALUES: Final = 4_000_000
"""Values of one block of correlations (32 MB)."""


@dataclass(frozen=True)
class Laid:
    """Which tile of the right set comes to lie on each tile of the left one.

    Attributes
    ----------
    source
        Row of the right set for each row, int32 (N,), -1 where none does.
    is_shift
        Whether means and lengths stay those of all tiles and the sum is divided by the root of the share of
        tiles that have a partner, as for maps that are shifted; else they are those of the tiles as they lie.
    """

    source: npt.NDArray[np.int32]
    is_shift: bool = False


class Columns:
    """Sparse columns over N tiles, and the sums that correlations need.

    Parameters
    ----------
    by_tile
        Values, sparse float64 (N, F).
    """

    def __init__(self, by_tile: sparse.csr_array) -> None:
        self.by_tile = by_tile
        self.n_rows, self.n_features = (int(side) for side in by_tile.shape)

    @cached_property
    def by_feature(self) -> sparse.csc_array:
        """The same by feature."""
        return sparse.csc_array(self.by_tile)

    @property
    def squares(self) -> sparse.csr_array:
        """Squares of the values by tile; made each time, as it is quick and would hold as much as the values."""
        m = self.by_tile
        return sparse.csr_array((m.data**2, m.indices, m.indptr), shape=m.shape)

    @cached_property
    def n_active(self) -> Ints:
        """Tiles in which each feature fires, int64 (F,)."""
        firing = self.by_tile.indices[self.by_tile.data != 0]
        return np.bincount(firing, minlength=self.n_features).astype(np.int64)

    def firing(self) -> Columns:
        """Where each feature fires, as 1 (N, F)."""
        m = self.by_tile
        return Columns(
            sparse.csr_array(((m.data != 0).astype(np.float64), m.indices, m.indptr), shape=m.shape)
        )

    def only(self, features: Ints) -> Columns:
        """Some of the features in this order."""
        return Columns(sparse.csr_array(self.by_tile[:, features]))

    def rows(self, rows: Ints) -> Columns:
        """Some of the tiles in this order."""
        return Columns(sparse.csr_array(self.by_tile[rows]))

    def sums(self, weights: Floats) -> tuple[Floats, Floats]:
        """Weighted sums of values and squares, float64 (F,) each; `weights` (N,)."""
        return self.by_tile.T @ weights, self.squares.T @ weights

    def mean_and_scale(self, weights: Floats) -> tuple[Floats, Floats]:
        """Weighted mean, and one over the root of the centred sum of squares, 0 where that is nothing."""
        total = weights.sum()
        sums, squares = self.sums(weights)
        mean = sums / max(total, 1e-300)
        left = squares - sums * mean
        return mean, np.where(left > FLAT * squares, np.maximum(left, 1e-300), np.inf) ** -0.5


def correlation_blocks(
    left: Columns, right: Columns, laid: Laid | None = None, weights: Floats | None = None
) -> Iterator[tuple[int, Floats]]:
    """Pearson's r of all pairs, block by block.

    Parameters
    ----------
    left, right
        Columns (N, F) and (N, G) of the same tiles.
    laid
        Moves the tiles of the right set; None leaves them.
    weights
        How often each tile counts (N,); None for once. Not together with `laid`.

    Yields
    ------
    first : int
        Number of the first feature of the block.
    r : ndarray
        float64 (f, G), 0 where a feature is constant.
    """
    centring = centre(left, right, laid, weights)
    for a, r in product_blocks(left, right, laid, weights):
        b = a + len(r)
        if laid is not None and laid.is_shift:
            np.subtract(r, centring.mean_left[a:b, None] * centring.gap, out=r)
        np.subtract(r, centring.sum_left[a:b, None] * centring.mean_right, out=r)
        np.multiply(r, centring.scale_left[a:b, None] * centring.scale_right, out=r)
        np.clip(r, -1, 1, out=r)
        yield a, r


@dataclass(frozen=True)
class Centring:
    """How a sum of products of columns f and g becomes Pearson's r, float64 (F,) and (G,) each.

    r = (sum - mean_left[f] gap[g] - sum_left[f] mean_right[g]) scale_left[f] scale_right[g], cut at -1 and 1. A scale
    is 0 where a feature is constant; `gap` is 0 but for shifted maps.
    """

    mean_left: Floats
    gap: Floats
    sum_left: Floats
    mean_right: Floats
    scale_left: Floats
    scale_right: Floats


def centre(
    left: Columns, right: Columns, laid: Laid | None = None, weights: Floats | None = None
) -> Centring:
    """Means and scales for the correlations of all pairs; see :func:`correlation_blocks`."""
    ones = np.ones(left.n_rows)
    w = ones if weights is None else weights
    mean_l, scale_l = left.mean_and_scale(w)
    there = float(w.sum())
    sum_l, gap = mean_l * there, np.zeros(right.n_features)
    if laid is None:
        mean_r, scale_r = (mean_l, scale_l) if right is left else right.mean_and_scale(w)
        return Centring(mean_l, gap, sum_l, mean_r, scale_l, scale_r)
    partner = laid.source >= 0
    times = np.bincount(laid.source[partner], minlength=right.n_rows).astype(np.float64)
    if not laid.is_shift:
        mean_r, scale_r = right.mean_and_scale(times)
        return Centring(mean_l, gap, sum_l, mean_r, scale_l, scale_r)
    mean_r, scale_r = right.mean_and_scale(ones)
    there = float(partner.sum())
    gap = right.sums(times)[0] - there * mean_r
    factor = max(there / left.n_rows, 1e-300) ** -0.5
    return Centring(mean_l, gap, left.sums(partner.astype(np.float64))[0], mean_r, factor * scale_l, scale_r)


def watched(
    blocks: Iterator[tuple[int, Floats]], check_cancelled: Callable[[], None]
) -> Iterator[tuple[int, Floats]]:
    """The same blocks; `check_cancelled` is called before each is used, and may raise."""
    for block in blocks:
        check_cancelled()
        yield block


def product_blocks(
    left: Columns, right: Columns, laid: Laid | None = None, weights: Floats | None = None
) -> Iterator[tuple[int, Floats]]:
    """Sums over tiles of the products of all pairs, block by block; see :func:`correlation_blocks`."""
    # Slow to load, and most who import this module multiply nothing.
    from sae_backend.statistics import kernels as null_kernels

    table = right.by_tile
    others = table.indptr, table.indices, table.data
    for a, columns in column_blocks(left, laid, weights, right.n_features):
        found = np.zeros((columns[0].size - 1, right.n_features))
        null_kernels.sparse_products(columns, others, found)
        yield a, found


def column_blocks(
    left: Columns, laid: Laid | None = None, weights: Floats | None = None, n_right: int | None = None
) -> Iterator[tuple[int, tuple[npt.NDArray[Any], npt.NDArray[Any], Floats]]]:
    """Number of the first column of a block, and the block by column: pointers, rows of the right set, and values.

    As many columns at a time as have four million pairs with `n_right` others, or with all of `left`; the other
    parameters are those of :func:`correlation_blocks`.
    """
    width = max(1, _BLOCK_VALUES // max(1, left.n_features if n_right is None else n_right))
    whole = left.by_feature
    for a in range(0, left.n_features, width):
        b = min(a + width, left.n_features)
        part = slice(int(whole.indptr[a]), int(whole.indptr[b]))
        rows, values = whole.indices[part], whole.data[part]
        if weights is not None:
            values = values * weights[rows]
        if laid is not None:
            rows = laid.source[rows]
        yield a, (whole.indptr[a : b + 1] - whole.indptr[a], rows, values)
