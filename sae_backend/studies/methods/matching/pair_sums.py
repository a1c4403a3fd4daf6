"""Correlations of chosen pairs of features, with intervals by unit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import sparse

from sae_backend.statistics.bootstrap import bootstrap_weights, studentised_intervals
from sae_backend.statistics.moments import Moments
from sae_backend.statistics.resampling_units import Clusters
from sae_backend.statistics.weighted_correlation import FLAT
from sae_backend.studies.methods.matching.cross_products import Columns

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

PAIRS_AT_ONCE: Final = 512
"""So few that the copies of their columns stay small."""


@dataclass(frozen=True)
class PairSums:
    """Sums over the tiles of each of K units for P pairs; `n` (K,), all others (P, K)."""

    n: Floats
    x: Floats
    xx: Floats
    y: Floats
    yy: Floats
    xy: Floats

    def r(self, weights: Floats | None = None) -> Floats:
        """Pearson's r (P,), or (P, B) with weights of the units (B, K); NaN where one is constant."""
        # r = (XY - X Y / n) / sqrt((XX - X^2 / n) (YY - Y^2 / n)) of the sums weighted by unit, as in `statistics.moments`.
        w = np.ones((1, self.n.size)) if weights is None else weights
        n = self.n @ w.T
        x, xx, y, yy, xy = (each @ w.T for each in (self.x, self.xx, self.y, self.yy, self.xy))
        with np.errstate(invalid="ignore", divide="ignore"):
            vx, vy = xx - x**2 / n, yy - y**2 / n
            r = (xy - x * y / n) / np.sqrt(vx * vy)
        r[~((vx > FLAT * np.maximum(xx, 1e-300)) & (vy > FLAT * np.maximum(yy, 1e-300)))] = np.nan
        r = np.clip(r, -1, 1)
        return np.asarray(r[:, 0] if weights is None else r, np.float64)

    def ratio_both(self, weights: Floats | None = None) -> Floats:
        """For pairs of zeros and ones: share of the tiles of x in which y is one, too; shapes as of `r`."""
        w = np.ones((1, self.n.size)) if weights is None else weights
        both, own = self.xy @ w.T, self.x @ w.T
        share = np.full(both.shape, np.nan)
        np.divide(both, own, out=share, where=own > 0)
        return np.asarray(share[:, 0] if weights is None else share, np.float64)


def pair_sums(
    left: Columns,
    right: Columns,
    pairs: tuple[Ints, Ints],
    clusters: Clusters,
    check_cancelled: Callable[[], None] = lambda: None,
) -> PairSums:
    """Sums of the pairs (left[i], right[i]) by unit.

    Parameters
    ----------
    left, right
        Columns of the same tiles, in the order of the units.
    pairs
        Numbers of the features (P,) each.
    clusters
        The units.
    check_cancelled
        Called every few hundred pairs; may raise to end the work.
    """
    n_rows, k = left.n_rows, clusters.n_clusters
    pointers = np.concatenate([[0], np.cumsum(clusters.sizes)])
    member = sparse.csr_array((np.ones(n_rows), np.arange(n_rows), pointers), shape=(k, n_rows))
    found = np.zeros((5, pairs[0].size, k))
    for a in range(0, pairs[0].size, PAIRS_AT_ONCE):
        check_cancelled()
        b = min(a + PAIRS_AT_ONCE, pairs[0].size)
        x, y = left.by_feature[:, pairs[0][a:b]], right.by_feature[:, pairs[1][a:b]]
        products = (x, x.multiply(x), y, y.multiply(y), x.multiply(y))
        for i, each in enumerate(products):
            found[i, a:b] = (member @ sparse.csc_array(each)).toarray().T
    return PairSums(clusters.sizes.astype(np.float64), *found)


def pair_intervals(
    sums: PairSums,
    clusters: Clusters,
    n_draws: int,
    seed: int,
    check_cancelled: Callable[[], None] = lambda: None,
) -> tuple[Floats, Floats]:
    """95 % bootstrap-t intervals of r over units, (P,) each; NaN where there are too few units.

    See :func:`~sae_backend.statistics.bootstrap.studentised_intervals`.
    """
    low, high = np.full((2, len(sums.x)), np.nan)
    if not clusters.can_judge or n_draws < 2:
        return low, high
    weights = bootstrap_weights(clusters, n_draws, np.random.default_rng([seed, 0xB0]))
    n = sums.n
    for i in range(len(sums.x)):
        if i % 64 == 0:
            check_cancelled()
        mx, my = sums.x[i].sum() / n.sum(), sums.y[i].sum() / n.sum()
        x, y = sums.x[i] - n * mx, sums.y[i] - n * my
        moments = Moments(
            n=n,
            x=x[None],
            xx=(sums.xx[i] - 2 * mx * sums.x[i] + n * mx**2)[None],
            y=y[:, None],
            yy=(sums.yy[i] - 2 * my * sums.y[i] + n * my**2)[:, None],
            xy=(sums.xy[i] - mx * sums.y[i] - my * sums.x[i] + n * mx * my)[None, :, None],
        )
        ends = studentised_intervals(moments, weights, 0.95)
        low[i], high[i] = ends[0][0, 0], ends[1][0, 0]
    return low, high


def drawn_means(values: Callable[[Floats], Floats], clusters: Clusters, n_draws: int, seed: int) -> Floats:
    """Mean over pairs in each draw of the units (B,), NaN where no pair has a value; empty with too few units.

    The draws are the same for all pairs of the same units, so that two means can be subtracted draw by draw.
    `values` gives the pairs' values (P, B) under weights (B, K).
    """
    if not clusters.can_judge or n_draws < 2:
        return np.zeros(0)
    weights = bootstrap_weights(clusters, n_draws, np.random.default_rng([seed, 0xB1]))
    means = []
    for a in range(0, n_draws, 50):
        drawn = values(weights[a : a + 50])
        known = np.isfinite(drawn)
        counted = known.sum(axis=0)
        sums = np.where(known, drawn, 0.0).sum(axis=0)
        means.append(np.divide(sums, counted, out=np.full(counted.size, np.nan), where=counted > 0))
    return np.concatenate(means)


def middle_of(draws: Floats) -> Floats:
    """Ends (2,) of the middle 95 % of draws, a percentile interval; NaN without any that is finite."""
    known = draws[np.isfinite(draws)]
    return np.full(2, np.nan) if known.size == 0 else np.quantile(known, [0.025, 0.975])
