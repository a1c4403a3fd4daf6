"""Sums over the tiles of each unit, from which every correlation of any set of units follows.

The sums add up, so the tiles are gone through once, whatever is drawn again afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


# Of the tiles i of a unit k, with x and y as deviations from their means over all tiles, six sums are kept:
#   n_k, X_k = sum x_i, XX_k = sum x_i^2, Y_k = sum y_i, YY_k = sum y_i^2, XY_k = sum x_i y_i.
# For any weights w_k of the units (1 for the data, 0 to leave one out, a count in a bootstrap draw) Pearson's r is
#   r = (sum w XY - sum w X sum w Y / N) / sqrt((sum w XX - (sum w X)^2 / N) (sum w YY - (sum w Y)^2 / N)),  N = sum w n,
# so no draw goes through the tiles again. Deviations instead of raw values keep the differences from cancelling.
@dataclass(frozen=True)
class Moments:
    """Sums over the tiles of each of U units, all deviations from the means over all tiles.

    `n` (U,), `x`, `xx` (F, U), `y` (U, C), `yy` (U, C), `xy` (F, U, C), float64.
    """

    n: Floats
    x: Floats
    xx: Floats
    y: Floats
    yy: Floats
    xy: Floats

    def over(self, unit: Ints, n_units: int) -> Moments:
        """Add up: `unit` (U,), ascending and without gaps, is the larger unit that each belongs to."""
        if n_units == self.n.size:
            return self
        starts = np.searchsorted(unit, np.arange(n_units))
        return Moments(
            n=np.add.reduceat(self.n, starts),
            x=np.add.reduceat(self.x, starts, axis=1),
            xx=np.add.reduceat(self.xx, starts, axis=1),
            y=np.add.reduceat(self.y, starts, axis=0),
            yy=np.add.reduceat(self.yy, starts, axis=0),
            xy=np.add.reduceat(self.xy, starts, axis=1),
        )

    def of_types(self, first: int, last: int) -> Moments:
        """Only the columns `first` to `last` of y."""
        return Moments(
            self.n,
            self.x,
            self.xx,
            self.y[:, first:last],
            self.yy[:, first:last],
            self.xy[:, :, first:last],
        )

    def within(self, slide: Ints) -> Moments:
        """Deviations from the means of the unit's own slide instead; `slide` (U,) is any number."""
        # With m_x the mean of the slide: sum (x - m_x) = X - m_x n, and sum (x - m_x)(y - m_y) = XY - m_x Y - X m_y + m_x m_y n.
        _, place = np.unique(slide, return_inverse=True)
        member = np.zeros((place.max(initial=-1) + 1, place.size))
        member[place, np.arange(place.size)] = 1.0
        n_slide = member @ self.n
        mx = ((self.x @ member.T) / n_slide)[:, place]
        my = ((member @ self.y) / n_slide[:, None])[place]
        n = self.n[:, None]
        return Moments(
            n=self.n,
            x=self.x - mx * self.n,
            xx=self.xx - 2 * mx * self.x + mx**2 * self.n,
            y=self.y - my * n,
            yy=self.yy - 2 * my * self.y + my**2 * n,
            xy=self.xy - mx[:, :, None] * self.y - self.x[:, :, None] * my + (mx * self.n)[:, :, None] * my,
        )


class Targets:
    """Columns `y` (N, C; means zero) whose rows are sorted by unit, and their sums in each unit.

    `sizes` (U,) are the tiles of the units.
    """

    def __init__(self, y: Floats, sizes: Ints) -> None:
        self.y, self.sizes = np.ascontiguousarray(y), sizes
        self.sums, self.squares = row_sums(self.y, sizes), row_sums(self.y**2, sizes)


def sparse_moments(columns: sparse.csc_array, targets: Targets) -> Moments:
    """Sums of sparse columns (N, F), row indices sorted, against the targets."""
    y, sizes = targets.y, targets.sizes
    n_rows, n_features = columns.shape
    n_units = sizes.size
    bounds = np.concatenate([[0], np.cumsum(sizes)])
    column_of = np.repeat(np.arange(n_features), np.diff(columns.indptr))
    # A column is a run of stored rows, and so is each unit's piece of it: a matrix with a row for
    # every (feature, unit) shares the stored values and needs only its own pointers.
    keys = column_of.astype(np.int64) * n_rows + columns.indices
    edges = np.arange(n_features, dtype=np.int64)[:, None] * n_rows + bounds[:-1]
    pointers = np.append(np.searchsorted(keys, edges.ravel()), columns.data.size)
    shape = (n_features * n_units, n_rows)

    def pieces(values: Floats, onto: Floats) -> Floats:
        found = sparse.csr_array((values, columns.indices, pointers), shape=shape) @ onto
        return np.asarray(found, np.float64)

    n = sizes.astype(np.float64)
    ones = np.ones((n_rows, 1))
    data = columns.data.astype(np.float64, copy=False)
    mean = np.bincount(column_of, data, minlength=n_features) / max(n_rows, 1)
    centred = data - mean[column_of]
    n_zero = n - np.diff(pointers).reshape(n_features, n_units)
    xy = pieces(data, y).reshape(n_features, n_units, y.shape[1])
    xy -= mean[:, None, None] * targets.sums
    return Moments(
        n=n,
        x=pieces(centred, ones).reshape(n_features, n_units) - n_zero * mean[:, None],
        xx=pieces(centred**2, ones).reshape(n_features, n_units) + n_zero * mean[:, None] ** 2,
        y=targets.sums,
        yy=targets.squares,
        xy=xy,
    )


def dense_moments(columns: npt.NDArray[np.floating], targets: Targets) -> Moments:
    """Sums of dense columns (N, F); otherwise as :func:`sparse_moments`."""
    y, sizes = targets.y, targets.sizes
    mean = columns.mean(axis=0, dtype=np.float64)
    bounds = np.concatenate([[0], np.cumsum(sizes)])
    n_units, width = sizes.size, columns.shape[1]
    x, xx = np.zeros((2, width, n_units))
    xy = np.zeros((width, n_units, y.shape[1]))
    for unit in range(n_units):
        rows = slice(bounds[unit], bounds[unit + 1])
        part = columns[rows] - mean
        x[:, unit], xx[:, unit] = part.sum(axis=0), np.einsum("ij,ij->j", part, part)
        xy[:, unit] = part.T @ y[rows]
    return Moments(sizes.astype(np.float64), x, xx, targets.sums, targets.squares, xy)


def row_sums(values: Floats, sizes: Ints) -> Floats:
    """Sums (U, C) of the rows of each unit, no unit being empty."""
    if sizes.size == 0:
        return np.zeros((0, values.shape[1]))
    starts = np.cumsum(sizes) - sizes
    return np.asarray(np.add.reduceat(values, starts, axis=0), np.float64)
