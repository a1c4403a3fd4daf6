"""Correlations when units count several times or not at all: for the bootstrap and for leaving one out."""

from __future__ import annotations

from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from sae_backend.statistics.moments import Moments
from sae_backend.statistics.permutation.null_distribution import kernels

Floats = npt.NDArray[np.float64]

FLAT: Final = 1e-12
"""A sum of squares below this share of what it was is nothing but rounding."""


class Reweighted(Protocol):
    """A statistic of F features and C types over K units."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Numbers of features, types and units: (F, C, K)."""

    def values(self, weights: Floats, first: int, last: int) -> Floats:
        """The statistic (last - first, C, B) with each of the weights (B, K); NaN where not defined."""


class PlainCorrelation:
    """Pearson's r from sums; on ranks it is Spearman's, on deviations within slides the pooled r."""

    def __init__(self, moments: Moments) -> None:
        self._m = moments
        self._xx_all, self._yy_all = moments.xx.sum(axis=1), moments.yy.sum(axis=0)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Numbers of features, types and units."""
        n_features, n_units, n_types = self._m.xy.shape
        return n_features, n_types, n_units

    def values(self, weights: Floats, first: int, last: int) -> Floats:
        """Give r (last - first, C, B)."""
        m, span = self._m, slice(first, last)
        n = weights @ m.n
        y, yy = (weights @ m.y).T, (weights @ m.yy).T
        x, xx = m.x[span] @ weights.T, m.xx[span] @ weights.T
        r = np.matmul(m.xy[span].transpose(0, 2, 1), weights.T)
        scale_x = 1 / spread(xx - x**2 / n, self._xx_all[span, None])
        scale_y = 1 / spread(yy - y**2 / n, self._yy_all[:, None])
        kernels().standardise(r, x, y / n, scale_x, scale_y)
        return r


def spread(squares: Floats, scale: Floats) -> Floats:
    """Roots of sums of squares; NaN where they are nothing but rounding."""
    return np.sqrt(np.where(squares > FLAT * np.maximum(scale, 0), squares, np.nan))
