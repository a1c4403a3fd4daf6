"""Partial correlation from sums per unit: what is left of r when covariates are held fixed."""

from __future__ import annotations

import threading
from typing import Final

import numpy as np
import numpy.typing as npt

from sae_backend.statistics.moments import Moments, row_sums

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

MIN_LEFT: Final = 0.01
"""Share of a variance that covariates must leave, or there is nothing to correlate."""

_RIDGE: Final = 1e-11
_LEFT: Final = 1e-9
"""In a single draw: less than this is rounding."""


def cross_sums(values: Floats, sizes: Ints) -> Floats:
    """Products of all pairs of columns of `values` (N, W), summed over the rows of each unit: (K, W, W)."""
    bounds = np.concatenate([[0], np.cumsum(sizes)])
    found = np.zeros((sizes.size, values.shape[1], values.shape[1]))
    for unit in range(sizes.size):
        part = values[bounds[unit] : bounds[unit + 1]]
        found[unit] = part.T @ part
    return found


# With covariates Z, r of x and y given Z is that of the residuals x - Z b_x and y - Z b_y:
#   r = (x'y - x'Z (Z'Z)^-1 Z'y) / sqrt((x'x - x'Z (Z'Z)^-1 Z'x) (y'y - y'Z (Z'Z)^-1 Z'y)),
# all products centred. They add up by unit like the sums of `moments`, so a draw only solves a small system anew.
class ControlFits:
    """How types and covariates depend on each other, for any weights of the units.

    Parameters
    ----------
    values
        The C types followed by the Q covariates (N, C + Q), column means zero, rows sorted by unit.
    sizes
        Tiles of each unit (K,).
    n_types
        C.
    other_types
        Whether the other types are held fixed as well.
    """

    def __init__(self, values: Floats, sizes: Ints, n_types: int, *, other_types: bool) -> None:
        self.values, self.n_types, self.other_types = values, n_types, other_types
        self._cross = cross_sums(values, sizes)
        self._sums, self._n = row_sums(values, sizes), sizes.astype(np.float64)
        self._lock = threading.Lock()
        self._kept: dict[int, tuple[Floats, tuple[Floats, Floats]]] = {}
        self.all_units = np.ones((1, sizes.size))

    @property
    def n_units(self) -> int:
        """Number of units, K."""
        return int(self._n.size)

    @property
    def totals(self) -> Floats:
        """Sum of squares of each type (C,)."""
        return np.asarray(np.einsum("kcc->c", self._cross)[: self.n_types])

    @property
    def inverse(self) -> Floats:
        """Inverse (Q, Q) of the centred products of the controls."""
        return np.asarray(self.fitted(self.all_units)[1][0])

    def fitted(self, weights: Floats) -> tuple[Floats, Floats]:
        """Centred products (B, W, W) and the inverse of those of the controls, for each of the draws (B, K)."""
        with self._lock:
            kept = self._kept.get(id(weights))
            if kept is None or kept[0] is not weights:
                sums = weights @ self._sums
                products = np.tensordot(weights, self._cross, axes=1)
                products -= sums[:, :, None] * sums[:, None, :] / (weights @ self._n)[:, None, None]
                free = 0 if self.other_types else self.n_types
                kept = weights, (products, _inverse(products[:, free:, free:]))
                self._kept[id(weights)] = kept
            return kept[1]

    def residuals(self) -> tuple[Floats, Floats | None]:
        """What is left of the types (N, C), and of what it is made where other types are controls (C, W)."""
        products, inverse = (part[0] for part in self.fitted(self.all_units))
        c = self.n_types
        if not self.other_types:
            return self.values[:, :c] - self.values[:, c:] @ inverse @ products[c:, :c], None
        own = np.diagonal(inverse)[:c]
        mix = inverse[:c] / np.where(own > 0, own, np.inf)[:, None]
        return self.values @ mix.T, mix


class PartialCorrelation:
    """Partial r of F features and C types given covariates.

    `moments` are the sums of the features against the types followed by the covariates, by unit.
    """

    def __init__(self, moments: Moments, fits: ControlFits) -> None:
        self._m, self._fits = moments, fits

    @property
    def shape(self) -> tuple[int, int, int]:
        """Numbers of features, types and units."""
        return len(self._m.x), self._fits.n_types, self._fits.n_units

    def values(self, weights: Floats, first: int, last: int) -> Floats:
        """Give partial r (last - first, C, B)."""
        m, span, c = self._m, slice(first, last), self._fits.n_types
        products, inverse = self._fits.fitted(weights)
        n = weights @ m.n
        x = m.x[span] @ weights.T
        sxx = (m.xx[span] @ weights.T - x**2 / n).T
        sxw = np.matmul(m.xy[span].transpose(0, 2, 1), weights.T) - x[:, None] * ((weights @ m.y).T / n)
        sxw = sxw.transpose(2, 0, 1)
        if self._fits.other_types:
            beta = sxw @ inverse
            own = _diagonal(inverse)[:, None, :c]
            own = np.where(own > 0, own, np.nan)
            product, left_y = beta[:, :, :c] / own, 1 / own
            left_x = (sxx - (sxw * beta).sum(axis=2))[:, :, None] + beta[:, :, :c] ** 2 / own
        else:
            controls, beta = products[:, c:, :c], sxw[:, :, c:] @ inverse
            product = sxw[:, :, :c] - beta @ controls
            left_x = (sxx - (beta * sxw[:, :, c:]).sum(axis=2))[:, :, None]
            explained = np.einsum("bqc,bqr,brc->bc", controls, inverse, controls, optimize=True)
            left_y = (_diagonal(products)[:, :c] - explained)[:, None]
        left_x = np.where(left_x > _LEFT * m.xx[span].sum(axis=1)[:, None], left_x, np.nan)
        left_y = np.where(left_y > _LEFT * self._fits.totals, left_y, np.nan)
        return np.ascontiguousarray((product / np.sqrt(left_x * left_y)).transpose(1, 2, 0))

    def residuals(self) -> tuple[Floats, Floats]:
        """Coefficients of the features on the controls (F, W), and the root of what is left of each (F, C)."""
        m, c = self._m, self._fits.n_types
        _, inverse = (part[0] for part in self._fits.fitted(self._fits.all_units))
        sxw, sxx = m.xy.sum(axis=1), m.xx.sum(axis=1)
        if self._fits.other_types:
            beta = sxw @ inverse
            own = np.diagonal(inverse)[:c]
            back = beta[:, :c] ** 2 / np.where(own > 0, own, np.inf)
            left = (sxx - (sxw * beta).sum(axis=1))[:, None] + back
        else:
            beta = sxw[:, c:] @ inverse
            left = np.repeat((sxx - (beta * sxw[:, c:]).sum(axis=1))[:, None], c, axis=1)
        return beta, np.sqrt(np.maximum(left, 0.0))


def _diagonal(matrices: Floats) -> Floats:
    return np.asarray(np.diagonal(matrices, axis1=1, axis2=2))


def _inverse(matrices: Floats) -> Floats:
    """Inverses (B, W, W) of covariance matrices, scaled so that units of measure do not matter.

    A trace of the identity keeps columns that others explain from breaking it: their own element
    becomes very large, as the inverse of what is left of them must.
    """
    width = np.sqrt(np.maximum(_diagonal(matrices), 0))
    width = np.where(width > 0, width, np.inf)
    scaled = matrices / width[:, :, None] / width[:, None, :]
    inverse = np.linalg.inv(scaled + _RIDGE * np.eye(matrices.shape[1]))
    return np.asarray(inverse / width[:, :, None] / width[:, None, :])
