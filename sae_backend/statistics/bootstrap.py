"""Bootstrap over whole units: how often each is drawn, and the intervals that follow."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import special

from sae_backend.statistics.moments import Moments
from sae_backend.statistics.permutation.null_distribution import kernels
from sae_backend.statistics.resampling_units import Clusters
from sae_backend.statistics.weighted_correlation import Reweighted

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_WORK_VALUES: Final = 150_000
"""Values in one temporary array (1.2 MB in float64, so that it stays in the processor's cache)."""

_MIN_DEFINED_SHARE: Final = 0.9
_TIE: Final = 1e-12


@dataclass(frozen=True)
class Intervals:
    """Two kinds of interval, float64 (F, C) each, NaN where not defined.

    `low`, `high` are percentiles of the draws; `bca_low`, `bca_high` are corrected for bias and
    acceleration (Efron 1987).
    """

    low: Floats
    high: Floats
    bca_low: Floats
    bca_high: Floats


def bootstrap_weights(clusters: Clusters, n_draws: int, rng: np.random.Generator) -> Floats:
    """How often each draw holds each unit, (B, K): as many as there are, with replacement, by stratum."""
    weights = np.zeros((n_draws, clusters.n_clusters))
    for members in _strata(clusters):
        share = np.full(members.size, 1 / members.size)
        weights[:, members] = rng.multinomial(members.size, share, size=n_draws)
    return weights


def _strata(clusters: Clusters) -> Iterator[Ints]:
    for stratum in np.unique(clusters.stratum):
        yield np.flatnonzero(clusters.stratum == stratum)


def intervals(
    statistic: Reweighted,
    value: Floats,
    draws: tuple[Floats, Floats],
    level: float,
    check_cancelled: Callable[[], None] | None = None,
) -> Intervals:
    """Bootstrap intervals of a statistic.

    Parameters
    ----------
    statistic
        What is drawn again, for F features, C types and K units.
    value
        Its value on all units as they are (F, C).
    draws
        Weights of the draws (B, K), and those that leave out one unit each (K, K).
    level
        Coverage, such as 0.95.
    check_cancelled
        Called now and then; may raise to end the work.

    Returns
    -------
    Intervals
        NaN where more than a tenth of the draws have no value, as a column is constant in them.
    """
    n_features, n_types, n_units = statistic.shape
    found = np.full((4, n_features, n_types), np.nan)
    weights, without_one = draws
    step = max(1, _WORK_VALUES // max(1, n_types * max(len(weights), n_units)))
    for a in range(0, n_features, step):
        b = min(a + step, n_features)
        if check_cancelled is not None:
            check_cancelled()
        drawn = statistic.values(weights, a, b)
        ends = _ends(drawn, value[a:b], statistic.values(without_one, a, b), level)
        for i, end in enumerate(ends):
            found[i, a:b] = end
    return Intervals(*found)


def _ends(draws: Floats, value: Floats, without: Floats, level: float) -> tuple[Floats, ...]:
    """Percentile and BCa ends (f, C) from draws (f, C, B) and values without each unit (f, C, K)."""
    draws.sort(axis=-1)  # NaN go to the end
    n_defined = np.full(value.shape, draws.shape[-1])
    broken = np.isnan(draws[..., -1])
    n_defined[broken] = np.isfinite(draws[broken]).sum(axis=-1)
    enough = n_defined >= max(1.0, _MIN_DEFINED_SHARE * draws.shape[-1])
    shares = (1 - level) / 2, (1 + level) / 2
    plain = [_quantile(draws, np.full(value.shape, share), n_defined) for share in shares]
    known = value[..., None]
    # Draws that equal the value count half.
    n_below = (draws < known - _TIE).sum(axis=-1)
    at = np.minimum(n_below, draws.shape[-1] - 1)[..., None]
    is_tied = np.take_along_axis(draws, at, axis=-1)[..., 0] <= value + _TIE
    below = n_below.astype(np.float64)
    if is_tied.any():
        below[is_tied] = (n_below[is_tied] + (draws[is_tied] <= known[is_tied] + _TIE).sum(axis=-1)) / 2
    share_below = np.clip(below / np.maximum(n_defined, 1), 0.5 / draws.shape[-1], 1 - 0.5 / draws.shape[-1])
    bias = special.ndtri(share_below)
    # A unit without which the statistic is not defined says nothing of the acceleration.
    deviation = np.nan_to_num(_mean(without)[..., None] - without)
    squares = (deviation**2).sum(axis=-1)
    acceleration = (deviation**3).sum(axis=-1) / (6 * np.maximum(squares, 1e-60) ** 1.5)
    corrected = []
    for share in shares:
        z = bias + special.ndtri(share)
        moved = special.ndtr(bias + z / np.maximum(1 - acceleration * z, 1e-3))
        corrected.append(_quantile(draws, moved, n_defined))
    return tuple(np.where(enough, np.clip(end, -1, 1), np.nan) for end in (*plain, *corrected))


def _mean(values: Floats) -> Floats:
    """Mean over the last axis of what is finite; 0 where nothing is."""
    finite = np.isfinite(values)
    return np.asarray(np.where(finite, values, 0.0).sum(axis=-1) / np.maximum(finite.sum(axis=-1), 1))


def _quantile(ascending: Floats, share: Floats, n_defined: npt.NDArray[np.integer]) -> Floats:
    """Quantile (f, C) by linear interpolation of the first `n_defined` values of each row."""
    last = np.maximum(n_defined - 1, 0)
    position = share * last
    lower = np.floor(position).astype(np.int64)
    upper = np.minimum(lower + 1, last)
    left = np.take_along_axis(ascending, lower[..., None], axis=-1)[..., 0]
    right = np.take_along_axis(ascending, upper[..., None], axis=-1)[..., 0]
    return np.asarray(left + (position - lower) * (right - left), np.float64)


def studentised_intervals(
    moments: Moments, weights: Floats, level: float, check_cancelled: Callable[[], None] | None = None
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
    check_cancelled
        Called between features; may raise to end the work.
    """
    n_features, n_units, n_types = moments.xy.shape
    low, high = np.full((2, n_features, n_types), np.nan)
    every = np.ones((1, n_units))
    y, yy = np.ascontiguousarray(moments.y.T), np.ascontiguousarray(moments.yy.T)
    whole, drawn = ((each, y @ each.T, yy @ each.T) for each in (every, weights))
    for f in range(n_features):
        if check_cancelled is not None:
            check_cancelled()
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
