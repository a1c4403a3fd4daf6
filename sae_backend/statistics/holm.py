"""Holm's correction of p for several questions asked at once."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def holm(p: Floats) -> Floats:
    """P (n,) after Holm's correction for all of them; NaN stay and do not count."""
    out = np.full(p.shape, np.nan)
    known = np.flatnonzero(np.isfinite(p))
    order = known[np.argsort(p[known], kind="stable")]
    scaled = p[order] * (order.size - np.arange(order.size))
    out[order] = np.minimum(np.maximum.accumulate(scaled), 1.0)
    return out
