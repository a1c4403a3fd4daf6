"""Bootstrap-t intervals of correlations: they widen where few or unequal units decide.

Percentiles of r are too narrow when a handful of slides holds most of a rare feature. Here every
draw is measured in its own standard error, which comes from the influence of each unit on r.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from sae_backend.moments import Moments
from sae_backend.null import kernels

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
    for f in range(n_features):
        if alive is not None:
            alive()
        xy = np.ascontiguousarray(moments.xy[f].T)
        given: tuple[Any, ...] = (moments.n, moments.x[f], moments.xx[f], y, yy, xy)
        z, error = np.full((2, n_types, 1), np.nan)
        kernels().drawn_z(*given, every, z, error)
        drawn_z, drawn_error = np.full((2, n_types, len(weights)), np.nan)
        kernels().drawn_z(*given, weights, drawn_z, drawn_error)
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
