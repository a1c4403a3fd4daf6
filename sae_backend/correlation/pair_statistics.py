"""Statistics of some features with all types of a group: values, intervals, and what the null has to know."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial as bind
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import sparse

from sae_backend.correlation.result import (
    BCA,
    CONSTANT_FEATURE,
    EXPLAINED,
    FLAT_WITHIN,
    LEVEL,
    LOG,
    NOT_A_COUNT,
    ONE_SLIDE,
    PARTIAL,
    PERCENTILE,
    STUDENTISED,
    WITHIN,
    PairStatistics,
)
from sae_backend.statistics.bootstrap import intervals, studentised_intervals
from sae_backend.statistics.moments import Moments
from sae_backend.statistics.parallel import ChunkWork
from sae_backend.statistics.partial_correlation import MIN_LEFT, ControlFits, PartialCorrelation
from sae_backend.statistics.permutation.null_distribution import Null, Span
from sae_backend.statistics.resampling_units import Clusters
from sae_backend.statistics.weighted_correlation import FLAT, PlainCorrelation, Reweighted

Floats = npt.NDArray[np.float64]
_MIN_SLIDE_TILES: Final = 3


@dataclass(frozen=True)
class Judging:
    """What judging needs of a group of C types.

    `columns` (C,) are the types, `is_count` (C,) which are counts; `weights` (B, K) and `without_one`
    (K, K) are the draws, `interval` the kind that stands in the table. With `judged` off there are
    values alone. `other_types` says that partial correlation holds the other counts fixed.
    """

    clusters: Clusters
    columns: npt.NDArray[np.int64]
    is_count: npt.NDArray[np.bool_]
    weights: Floats
    without_one: Floats
    interval: str
    judged: bool
    nulls: dict[str, Null]
    other_types: bool


class SpanStatistics:
    """Judges the features from `first` on.

    `reason` (f, C) says which pairs have no value whatever the statistic; results go to `pairs`, the
    work done to `work`.
    """

    def __init__(
        self,
        group: Judging,
        first: int,
        reason: npt.NDArray[np.uint8],
        pairs: dict[str, PairStatistics],
        work: ChunkWork,
    ) -> None:
        self._group, self._first, self._reason = group, first, reason
        self._pairs, self._work = pairs, work

    def nothing(self) -> None:
        """No pair has a value, whatever the statistic."""
        for pairs in self._pairs.values():
            pairs.reason[self._place] = self._reason

    def plain(self, name: str, x: sparse.csc_array, segments: Moments) -> None:
        """Any statistic that is Pearson's r of the sums of each segment."""
        clusters, reason = self._group.clusters, self._reason.copy()
        mean = np.repeat(_means(x)[:, None], segments.n.size, axis=1)
        if name == LOG:
            reason[(reason == 0) & ~self._group.is_count] = NOT_A_COUNT
        if name == WITHIN:
            inside = segments.within(clusters.segment_slide)
            if clusters.n_slides < 2:
                reason[reason == 0] = ONE_SLIDE
            flat_x = inside.xx.sum(axis=1) <= FLAT * segments.xx.sum(axis=1)
            flat_y = inside.yy.sum(axis=0) <= FLAT * segments.yy.sum(axis=0)
            reason[(flat_x[:, None] | flat_y) & (reason == 0)] = FLAT_WITHIN
            segments = inside
            mean = mean + _slide_means(clusters, x, mean)
        units = segments.over(clusters.segment_cluster, clusters.n_clusters)
        scale = np.where(reason == 0, _inverse_root(units.xx.sum(axis=1))[:, None], 0.0)
        value = self._values(name, PlainCorrelation(units), reason)
        if value is None:
            return
        same = _same_sign(segments, clusters, value)
        self._pairs[name].same_sign[self._place] = np.where(reason == 0, same, np.nan)
        self._judge(name, PlainCorrelation(units), (value, reason), units)
        self._compare(name, Span(self._first, x, mean, scale, np.abs(value)))

    def partial(self, x: sparse.csc_array, units: Moments, fits: ControlFits) -> None:
        """Partial r given the covariates."""
        reason = self._reason.copy()
        if self._group.other_types:
            reason[(reason == 0) & ~self._group.is_count] = NOT_A_COUNT
        statistic = PartialCorrelation(units, fits)
        beta, norm = statistic.residuals()
        left, _ = fits.residuals()
        hidden = (left**2).sum(axis=0) < MIN_LEFT * fits.totals
        hidden = hidden | (norm**2 < MIN_LEFT * units.xx.sum(axis=1)[:, None])
        reason[hidden & (reason == 0)] = EXPLAINED
        value = self._values(PARTIAL, statistic, reason)
        if value is None:
            return
        scale = np.where(reason == 0, 1 / np.where(norm > 0, norm, np.inf), 0.0)
        mean = np.repeat(_means(x)[:, None], self._group.clusters.segment_sizes.size, axis=1)
        self._judge(PARTIAL, statistic, (value, reason), None)
        self._compare(PARTIAL, Span(self._first, x, mean, scale, np.abs(value), beta))

    @property
    def _place(self) -> tuple[npt.NDArray[np.int64], ...]:
        rows = np.arange(self._first, self._first + len(self._reason))
        return tuple(np.ix_(rows, self._group.columns))

    def _values(self, name: str, statistic: Reweighted, reason: npt.NDArray[np.uint8]) -> Floats | None:
        """Store values and reasons; None where there is no value at all."""
        pairs = self._pairs[name]
        if (reason == 0).any():
            every = np.ones((1, self._group.clusters.n_clusters))
            value = np.clip(statistic.values(every, 0, len(reason))[:, :, 0], -1, 1)
            # What only rounding could decide has no value, and says so.
            reason[np.isnan(value) & (reason == 0)] = EXPLAINED if name == PARTIAL else CONSTANT_FEATURE
            value[reason > 0] = np.nan
            pairs.value[self._place] = value
        pairs.reason[self._place] = reason
        if not (reason == 0).any():
            return None
        self._work.advance(reason.size)
        return value

    def _judge(
        self,
        name: str,
        statistic: Reweighted,
        found: tuple[Floats, npt.NDArray[np.uint8]],
        units: Moments | None,
    ) -> None:
        """Intervals; the studentised one needs the sums by unit."""
        group, pairs, (value, reason) = self._group, self._pairs[name], found
        if not group.judged:
            return
        check_cancelled = bind(self._work.advance, 0)
        ends = intervals(statistic, value, (group.weights, group.without_one), LEVEL, check_cancelled)
        kinds = {PERCENTILE: (ends.low, ends.high), BCA: (ends.bca_low, ends.bca_high)}
        kinds["ci"] = kinds.get(group.interval, kinds[BCA])
        if group.interval == STUDENTISED and units is not None:
            kinds["ci"] = studentised_intervals(units, group.weights, LEVEL, check_cancelled)
        for kind, (low, high) in kinds.items():
            getattr(pairs, f"{kind}_low")[self._place] = np.where(reason == 0, low, np.nan)
            getattr(pairs, f"{kind}_high")[self._place] = np.where(reason == 0, high, np.nan)

    def _compare(self, name: str, span: Span) -> None:
        if name in self._group.nulls:
            self._group.nulls[name].take(span, self._work.advance)


def _means(x: sparse.csc_array) -> Floats:
    return np.asarray(x.sum(axis=0), np.float64) / max(x.shape[0], 1)


def _inverse_root(squares: Floats) -> Floats:
    return np.where(squares > 0, 1 / np.sqrt(np.where(squares > 0, squares, 1.0)), 0.0)


def _slide_means(clusters: Clusters, x: sparse.csc_array, mean: Floats) -> Floats:
    """How far the mean in the slide of each segment lies from the mean of all (f, S)."""
    slide = np.repeat(clusters.segment_slide, clusters.segment_sizes)
    _, place = np.unique(slide, return_inverse=True)
    member = sparse.csr_array((np.ones(place.size), (place, np.arange(place.size))))
    sums = np.asarray((member @ x).todense()).T
    of_slide = sums / np.bincount(place)
    first_row = np.cumsum(clusters.segment_sizes) - clusters.segment_sizes
    return of_slide[:, place[first_row]] - mean


def _same_sign(segments: Moments, clusters: Clusters, value: Floats) -> Floats:
    """Share of slides whose own covariance has the sign of a value (f, C); NaN where no slide has one."""
    numbers, slide = np.unique(clusters.segment_slide, return_inverse=True)
    order = np.argsort(slide, kind="stable")
    arranged = Moments(
        segments.n[order],
        segments.x[:, order],
        segments.xx[:, order],
        segments.y[order],
        segments.yy[order],
        segments.xy[:, order],
    ).over(slide[order], numbers.size)
    product = arranged.xy - arranged.x[:, :, None] * (arranged.y / arranged.n[:, None])
    spread_x = arranged.xx - arranged.x**2 / arranged.n
    spread_y = arranged.yy - arranged.y**2 / arranged.n[:, None]
    varies = (spread_x > FLAT * arranged.xx.sum(axis=1, keepdims=True))[:, :, None] & (
        spread_y > FLAT * arranged.yy.sum(axis=0)
    )
    varies &= (arranged.n >= _MIN_SLIDE_TILES)[:, None]
    same = (np.sign(product) == np.sign(value)[:, None]) & varies
    n = varies.sum(axis=1)
    return np.where(n > 0, same.sum(axis=1) / np.maximum(n, 1), np.nan)
