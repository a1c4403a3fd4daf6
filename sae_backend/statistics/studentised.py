"""Bootstrap-t intervals of correlations: they widen where few or unequal units decide.

Percentiles of r are too narrow when a handful of slides holds most of a rare feature. Here every
draw is measured in its own standard error, which comes from the influence of each unit on r.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt

from sae_backend.statistics.moments import Moments
from sae_backend.statistics.permutation.null_distribution import kernels

Floats = npt.NDArray[np.float64]

_MIN_DEFINED_SHARE: Final = 0.9


def studentised_intervals(
    moments: Moments, weights: Floats, level: float, alive: Callable[[], None] | None = None
) -> tuple[Floats, Floats]:
    """Bootstrap-t interval of r on Fisher's z (Efron and Tibshirani 1993, ch. 12): low, high (F, C).

    The standard error of z in each draw is that of the sum over units of their influence on r,
    (u v - r / 2 (u^2 + v^2)) summed over the tiles of a unit, u and v being standardised.

    Parameters
    ----------
    moments
        Sums by unit, K of them.
    weights
        Draws (B, K).
    level
        Coverage, such as 0.95.
    alive
        Called between features; may raise to end the work.
    """
    n_features, n_units, n_types = moments.xy.shape
    low, high = np.full((2, n_features, n_types), np.nan)
    every = np.ones((1, n_units))
    y, yy = np.ascontiguousarray(moments.y.T), np.ascontiguousarray(moments.yy.T)
    whole, drawn = ((each, y @ each.T, yy @ each.T) for each in (every, weights))
    for f in range(n_features):
        if alive is not None:
            alive()
        xy = np.ascontiguousarray(moments.xy[f].T)
        by_unit = moments.n, moments.x[f], moments.xx[f], y, yy, xy
        z, error = _z_and_error(by_unit, *whole)
        drawn_z, drawn_error = _z_and_error(by_unit, *drawn)
        t = (drawn_z - z) / drawn_error
        t.sort(axis=-1)  # NaN go to the end
        n_defined = np.isfinite(t).sum(axis=-1)
        enough = n_defined >= _MIN_DEFINED_SHARE * len(weights)
        last = np.maximum(n_defined - 1, 0)
        ends = []
        for share in ((1 + level) / 2, (1 - level) / 2):
            place = share * last
            below = np.floor(place).astype(np.int64)
            rows = np.arange(n_types)
            left, right = t[rows, below], t[rows, np.minimum(below + 1, last)]
            ends.append(z[:, 0] - (left + (place - below) * (right - left)) * error[:, 0])
        low[f], high[f] = (np.where(enough, np.tanh(end), np.nan) for end in ends)
    return low, high


def _z_and_error(
    by_unit: tuple[Floats, ...], weights: Floats, sum_y: Floats, sum_yy: Floats
) -> tuple[Floats, Floats]:
    """Fisher's z of a feature and its standard error, (C, B) each, NaN where not defined."""
    z, error = np.full((2, *sum_y.shape), np.nan)
    kernels().drawn_z(by_unit, weights, (sum_y, sum_yy, by_unit[-1] @ weights.T), z, error)
    return z, error
