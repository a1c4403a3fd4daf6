"""Linear probes on the few best columns of a representation, learned on one half and tried on the other."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from sae_backend.correlation.representations import Representation
from sae_backend.correlation.result import LEVEL
from sae_backend.statistics.slide_parts import AssembledTiles

Floats = npt.NDArray[np.float64]

KS: Final = (1, 3, 5, 10)
"""Numbers of columns of the sparse probes."""

_MIN_DEFINED_SHARE: Final = 0.9


def sparse_probe(
    representation: Representation,
    halves: tuple[AssembledTiles, AssembledTiles],
    strength: Floats,
    c: int,
    weights: Floats,
) -> Floats:
    """R2 of linear probes for type c on the k columns that were strongest where they were chosen.

    Parameters
    ----------
    representation
        Where the W columns come from.
    halves
        Tiles to learn on, and tiles to report on.
    strength
        |r| of each column (W,) on the first half; what is not above 0 is not taken.
    c
        The type.
    weights
        Draws (B, K) of the units of the second half.

    Returns
    -------
    ndarray
        float64 (3, len(KS)): value, low and high, NaN where not defined. 1 is perfect, 0 is no better
        than the mean of the reporting tiles, and below 0 is worse.
    """
    choosing, reporting = halves
    order = np.argsort(-strength, kind="stable")[: max(KS)]
    order = order[strength[order] > 0]
    found = np.full((3, len(KS)), np.nan)
    y_learn, y_test = choosing.counts[:, c], reporting.counts[:, c]
    if not order.size or not y_test.size or np.ptp(y_test) == 0:
        return found
    learn = representation.columns(choosing, order).astype(np.float64)
    test = representation.columns(reporting, order).astype(np.float64)
    mean = learn.mean(axis=0)
    learn -= mean
    spread = np.sqrt(np.einsum("ij,ij->j", learn, learn))
    scale = 1 / np.where(spread > 0, spread, 1)
    learn *= scale
    test = (test - mean) * scale
    products, onto = learn.T @ learn, learn.T @ (y_learn - y_learn.mean())
    for i, k in enumerate(KS):
        # Columns that repeat others leave the products singular; the least of all solutions is taken.
        fitted, *_ = np.linalg.lstsq(products[:k, :k], onto[:k], rcond=1e-10)
        missed = (y_test - y_learn.mean() - test[:, :k] @ fitted) ** 2
        found[:, i] = _r2(missed, y_test, reporting, weights)
    return found


def _r2(missed: Floats, y: Floats, tiles: AssembledTiles, weights: Floats) -> tuple[float, float, float]:
    """R2 with its interval over units drawn again."""
    sizes = tiles.clusters.sizes
    starts = np.cumsum(sizes) - sizes
    centred = y - y.mean()
    sums = [np.add.reduceat(part, starts) for part in (missed, centred, centred**2)]
    value = 1 - sums[0].sum() / sums[2].sum()
    if not tiles.clusters.can_judge:
        return float(value), np.nan, np.nan
    error, first, second = (weights @ part for part in sums)
    total = second - first**2 / (weights @ sizes)
    drawn = 1 - error / np.where(total > 1e-9 * sums[2].sum(), total, np.nan)
    drawn = drawn[np.isfinite(drawn)]
    if drawn.size < _MIN_DEFINED_SHARE * len(weights):
        return float(value), np.nan, np.nan
    low, high = np.quantile(drawn, [0.5 - LEVEL / 2, 0.5 + LEVEL / 2])
    return float(value), float(low), float(high)
