"""Types that share their tiles, and the statistics of all features with them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial as bind

import numpy as np
import numpy.typing as npt
from scipy import sparse

from sae_backend.blocks import MIN_CLUSTERS
from sae_backend.correlation_result import (
    BCA,
    CONSTANT_FEATURE,
    CONSTANT_TYPE,
    EXPLAINED,
    LEVEL,
    LOG,
    NOT_A_COUNT,
    ONE_SLIDE,
    PARTIAL,
    PEARSON,
    PERCENTILE,
    SPEARMAN,
    STUDENTISED,
    TOO_FEW_ACTIVE,
    WITHIN,
    CorrelationSpec,
    PairStatistics,
)
from sae_backend.covariates import OTHER_TYPES, design
from sae_backend.exchange_null import ExchangeNull
from sae_backend.moments import Moments, Targets, sparse_moments
from sae_backend.null import Null, NullView, Span
from sae_backend.partial import MIN_LEFT, ControlFits, PartialCorrelation
from sae_backend.ranks import midranks, shifted_midranks
from sae_backend.rearrangements import Exchange, Shifts, exchange, shifts
from sae_backend.resampling import bootstrap_weights, intervals
from sae_backend.reweighted import PlainCorrelation, Reweighted
from sae_backend.shift_null import ShiftNull
from sae_backend.slide_parts import AssembledTiles
from sae_backend.span_work import SpanWork
from sae_backend.studentised import studentised_intervals

Floats = npt.NDArray[np.float64]
_MIN_SLIDE_TILES = 3


class TargetGroup:
    """The types `columns` (C,) on the tiles that have them all.

    `nulls` holds the null of each statistic once :meth:`run` has ended.
    """

    def __init__(
        self,
        tiles: AssembledTiles,
        columns: npt.NDArray[np.int64],
        spec: CorrelationSpec,
        is_count: npt.NDArray[np.bool_],
        *,
        judge: bool = True,
    ) -> None:
        self.tiles, self.columns, self._spec, self._is_count = tiles, columns, spec, is_count
        self.nulls: dict[str, Null] = {}
        self.notes: tuple[str, ...] = ()
        self.control_names: tuple[str, ...] = ()
        clusters, counts = tiles.clusters, tiles.counts
        seeds = np.random.SeedSequence(spec.seed).spawn(2)
        self.judged = judge and clusters.n_clusters >= MIN_CLUSTERS
        self._weights = bootstrap_weights(clusters, spec.n_bootstrap, np.random.default_rng(seeds[0]))
        self._without_one = 1.0 - np.eye(clusters.n_clusters)
        self.arrangement: Exchange | Shifts | None = None
        self.n_possible = 0
        if self.judged:
            self._arrange(np.random.default_rng(seeds[1]))
        self._centred = _centred(counts)
        self._logs = _centred(np.log1p(np.maximum(counts, 0))) if LOG in spec.statistics else counts[:, :0]
        self._ranks = _centred(midranks(counts)) if SPEARMAN in spec.statistics else counts[:, :0]
        self._present = _present(counts, is_count)
        self._fits: ControlFits | None = None
        if PARTIAL in spec.statistics:
            controls = design(tiles, spec.covariates, is_count)
            self.notes = controls.notes
            self.control_names = (*controls.labels, *([OTHER_TYPES] if controls.other_types else []))
            both = np.concatenate([self._centred, controls.columns], axis=1)
            self._fits = ControlFits(both, clusters.sizes, columns.size, other_types=controls.other_types)
        control = self._fits.values[:, columns.size :] if self._fits is not None else self._centred[:, :0]
        sizes = clusters.segment_sizes
        self._plain_targets = Targets(np.concatenate([self._logs, self._centred, control], axis=1), sizes)
        self._rank_targets = Targets(np.concatenate([self._ranks, _centred(self._present)], axis=1), sizes)
        self._start_nulls()

    def _arrange(self, rng: np.random.Generator) -> None:
        tiles, n = self.tiles, self._spec.n_permutations
        if tiles.clusters.kind != "block":
            self.arrangement = exchange(tiles.clusters, n, rng)
            return
        numbers = {part.slide: i for i, part in enumerate(tiles.parts)}
        places = (
            tiles.gather([np.full(part.n_tiles, numbers[part.slide]) for part in tiles.parts]),
            tiles.gather([part.rows.astype(np.int64) for part in tiles.parts]),
            tiles.gather([part.cols.astype(np.int64) for part in tiles.parts]),
        )
        self.arrangement, self.n_possible = shifts(places, n, rng)

    def _start_nulls(self) -> None:
        if self.arrangement is None or not self.columns.size:
            return
        clusters = self.tiles.clusters
        sizes, unit = clusters.segment_sizes, clusters.segment_cluster
        n_features = self.tiles.columns.n_features
        for name in self._spec.statistics:
            view = NullView(self._centred, sizes, unit)
            if name == SPEARMAN:
                view = NullView(self._ranks, sizes, unit)
            elif name == LOG:
                view = NullView(self._logs * self._is_count, sizes, unit)
            elif name == WITHIN:
                view = NullView(self._within_slides(), sizes, unit, centred_within=True)
            elif name == PARTIAL and self._fits is not None:
                left, mix = self._fits.residuals()
                controls = self._fits.values[:, 0 if self._fits.other_types else self.columns.size :]
                view = NullView(left, sizes, unit, controls=controls, mix=mix)
            if isinstance(self.arrangement, Exchange):
                self.nulls[name] = ExchangeNull(view, self.arrangement, n_features)
            else:
                self.nulls[name] = ShiftNull(view, self.arrangement, n_features)

    def _within_slides(self) -> Floats:
        clusters = self.tiles.clusters
        slide = np.repeat(clusters.segment_slide, clusters.segment_sizes)
        _, place = np.unique(slide, return_inverse=True)
        n = np.bincount(place)
        means = [np.bincount(place, column) / n for column in self._centred.T]
        return self._centred - np.stack(means, axis=1)[place] if means else self._centred

    @property
    def n_steps(self) -> int:
        """Work in all, in pairs times arrangements."""
        n_arrangements = 0 if self.arrangement is None else self.arrangement.n
        pairs = self.tiles.columns.n_features * self.columns.size
        return pairs * (n_arrangements + 1) * len(self._spec.statistics)

    def run(self, work: SpanWork, pairs: dict[str, PairStatistics], auroc: Floats) -> None:
        """Fill in this group's columns of all statistics, but for p and q."""
        width = self._span_width()
        reason = self._reasons()
        spans = self.tiles.columns.spans(max_width=width)
        work.run(bind(self._span, a, b, (pairs, auroc, reason), work) for a, b in spans)

    def _span_width(self) -> int:
        """Features at once, so that the sums per unit and pair stay near 64 MB."""
        per_feature = self.tiles.clusters.segment_sizes.size * max(1, 2 * self.columns.size)
        return max(1, 8_000_000 // max(1, per_feature))

    def _reasons(self) -> npt.NDArray[np.uint8]:
        n_active, constant = self.tiles.columns.activity()
        counts = self.tiles.counts
        reason = np.zeros((n_active.size, counts.shape[1]), np.uint8)
        reason[n_active < self._spec.min_active] = TOO_FEW_ACTIVE
        flat = (counts == counts[:1]).all(axis=0) if len(counts) else np.ones(counts.shape[1], bool)
        reason[:, flat] = CONSTANT_TYPE
        reason[constant] = CONSTANT_FEATURE
        return reason

    def _span(
        self,
        a: int,
        b: int,
        into: tuple[dict[str, PairStatistics], Floats, npt.NDArray[np.uint8]],
        work: SpanWork,
    ) -> None:
        pairs, auroc, reason = into
        clusters, spec, c = self.tiles.clusters, self._spec, self.columns.size
        if not (reason[a:b] == 0).any():
            for found in pairs.values():
                found.reason[a:b, self.columns] = reason[a:b]
            return
        x = self.tiles.columns.block(a, b)
        done = _Span(self, a, b, reason[a:b], pairs, work)
        if any(name != SPEARMAN for name in spec.statistics):
            segments = sparse_moments(x, self._plain_targets)
            n_logs = self._logs.shape[1]
            units = segments.over(clusters.segment_cluster, clusters.n_clusters)
            if PEARSON in spec.statistics:
                done.plain(
                    PEARSON, x, segments.of_types(n_logs, n_logs + c), units.of_types(n_logs, n_logs + c)
                )
            if LOG in spec.statistics:
                done.plain(LOG, x, segments.of_types(0, c), units.of_types(0, c))
            if WITHIN in spec.statistics:
                inside = segments.of_types(n_logs, n_logs + c).within(clusters.segment_slide)
                done.plain(WITHIN, x, inside, inside.over(clusters.segment_cluster, clusters.n_clusters))
            if self._fits is not None:
                done.partial(x, units.of_types(n_logs, segments.y.shape[1]), self._fits)
        ranked = shifted_midranks(x)
        segments = sparse_moments(ranked, self._rank_targets)
        n_ranks = self._ranks.shape[1]
        if SPEARMAN in spec.statistics:
            ranks = segments.of_types(0, c)
            done.plain(SPEARMAN, ranked, ranks, ranks.over(clusters.segment_cluster, clusters.n_clusters))
        n_present = self._present.sum(axis=0)
        both = n_present * (len(self._present) - n_present)
        area = 0.5 + segments.xy[:, :, n_ranks:].sum(axis=1) / np.where(both > 0, both, np.nan)
        auroc[a:b, self.columns] = np.where(reason[a:b] == 0, area, np.nan)

    def draws(self) -> tuple[Floats, Floats]:
        """Weights of the bootstrap (B, K), and those that leave out one unit each (K, K)."""
        return self._weights, self._without_one

    @property
    def interval(self) -> str:
        """Kind of interval that stands in the table."""
        return self._spec.interval

    @property
    def is_count(self) -> npt.NDArray[np.bool_]:
        """Which types are counts of cells (C,)."""
        return self._is_count


class _Span:
    """Judges the features a to b."""

    def __init__(
        self,
        group: TargetGroup,
        a: int,
        b: int,
        reason: npt.NDArray[np.uint8],
        pairs: dict[str, PairStatistics],
        work: SpanWork,
    ) -> None:
        self._group, self._a, self._b, self._reason = group, a, b, reason
        self._pairs, self._work = pairs, work

    def plain(self, name: str, x: sparse.csc_array, segments: Moments, units: Moments) -> None:
        """Any statistic that is Pearson's r of some sums."""
        reason = self._reason.copy()
        if name == LOG:
            reason[(reason == 0) & ~self._group.is_count] = NOT_A_COUNT
        if name == WITHIN:
            if self._group.tiles.clusters.n_slides < 2:
                reason[reason == 0] = ONE_SLIDE
            for flat, code in ((units.xx.sum(axis=1) <= 0, CONSTANT_FEATURE),):
                reason[flat[:, None] & (reason == 0)] = code
            reason[(units.yy.sum(axis=0) <= 1e-12) & (reason == 0)] = CONSTANT_TYPE
        scale = np.where(reason == 0, _inverse_root(units.xx.sum(axis=1))[:, None], 0.0)
        mean = np.repeat(_means(x)[:, None], segments.n.size, axis=1)
        if name == WITHIN:
            mean = mean + self._slide_means(x, mean)
        value = PlainCorrelation(units)
        same = _same_sign(segments, self._group)
        self._judge(name, value, reason, x, mean, scale, same, units=units)

    def _slide_means(self, x: sparse.csc_array, mean: Floats) -> Floats:
        """How far the mean in the slide of each segment lies from the mean of all (f, S)."""
        clusters = self._group.tiles.clusters
        slide = np.repeat(clusters.segment_slide, clusters.segment_sizes)
        _, place = np.unique(slide, return_inverse=True)
        member = sparse.csr_array((np.ones(place.size), (place, np.arange(place.size))))
        sums = np.asarray((member @ x).todense()).T
        of_slide = sums / np.bincount(place)
        first_row = np.cumsum(clusters.segment_sizes) - clusters.segment_sizes
        return of_slide[:, place[first_row]] - mean

    def partial(self, x: sparse.csc_array, units: Moments, fits: ControlFits) -> None:
        """Partial r given the covariates."""
        reason = self._reason.copy()
        statistic = PartialCorrelation(units, fits)
        beta, norm = statistic.residuals()
        left, _ = fits.residuals()
        hidden = (left**2).sum(axis=0) < MIN_LEFT * fits.totals
        hidden = hidden | (norm**2 < MIN_LEFT * units.xx.sum(axis=1)[:, None])
        reason[hidden & (reason == 0)] = EXPLAINED
        scale = np.where(reason == 0, 1 / np.where(norm > 0, norm, np.inf), 0.0)
        mean = np.repeat(_means(x)[:, None], self._group.tiles.clusters.segment_sizes.size, axis=1)
        same = np.full(reason.shape, np.nan)
        self._judge(PARTIAL, statistic, reason, x, mean, scale, same, beta)

    def _judge(
        self,
        name: str,
        statistic: Reweighted,
        reason: npt.NDArray[np.uint8],
        x: sparse.csc_array,
        mean: Floats,
        scale: Floats,
        same_sign: Callable[[Floats], Floats] | Floats,
        beta: Floats | None = None,
        units: Moments | None = None,
    ) -> None:
        group, pairs = self._group, self._pairs[name]
        columns, n = group.columns, self._b - self._a
        rows = np.arange(self._a, self._b)
        weights, without_one = group.draws()
        place = np.ix_(rows, columns)
        pairs.reason[place] = reason
        if not (reason == 0).any():
            return
        value = np.clip(statistic.values(np.ones((1, without_one.shape[0])), 0, n)[:, :, 0], -1, 1)
        value[reason > 0] = np.nan
        pairs.value[place] = value
        same = same_sign if isinstance(same_sign, np.ndarray) else same_sign(value)
        pairs.same_sign[place] = np.where(reason == 0, same, np.nan)
        self._work.advance(value.size)
        if not group.judged:
            return
        ends = intervals(statistic, value, (weights, without_one), LEVEL)
        kinds = {PERCENTILE: (ends.low, ends.high), BCA: (ends.bca_low, ends.bca_high)}
        wanted = group.interval
        if wanted == STUDENTISED:
            kinds[wanted] = kinds[BCA] if units is None else studentised_intervals(units, weights, LEVEL)
        for kind, (low, high) in {
            PERCENTILE: kinds[PERCENTILE],
            BCA: kinds[BCA],
            "ci": kinds[wanted],
        }.items():
            getattr(pairs, f"{kind}_low")[place] = np.where(reason == 0, low, np.nan)
            getattr(pairs, f"{kind}_high")[place] = np.where(reason == 0, high, np.nan)
        if name in group.nulls:
            span = Span(self._a, x, mean, scale, np.abs(value), beta)
            group.nulls[name].take(span, self._work.advance)


def _centred(values: npt.NDArray[np.floating]) -> Floats:
    array = np.asarray(values, np.float64)
    return array - array.mean(axis=0) if len(array) else array


def _present(counts: Floats, is_count: npt.NDArray[np.bool_]) -> Floats:
    """Which tiles have a type at all; for other numbers, more than the median."""
    if not len(counts):
        return np.zeros(counts.shape)
    return (counts > np.where(is_count, 0.0, np.median(counts, axis=0))).astype(np.float64)


def _means(x: sparse.csc_array) -> Floats:
    return np.asarray(x.sum(axis=0), np.float64) / max(x.shape[0], 1)


def _inverse_root(squares: Floats) -> Floats:
    return np.where(squares > 0, 1 / np.sqrt(np.where(squares > 0, squares, 1.0)), 0.0)


def _same_sign(segments: Moments, group: TargetGroup) -> Callable[[Floats], Floats]:
    """Share of slides whose own covariance has the sign of a value (f, C)."""
    clusters = group.tiles.clusters

    def share(value: Floats) -> Floats:
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
        varies = (arranged.xx - arranged.x**2 / arranged.n > 1e-9)[:, :, None] & (
            arranged.yy - arranged.y**2 / arranged.n[:, None] > 1e-9
        )
        varies &= (arranged.n >= _MIN_SLIDE_TILES)[:, None]
        same = (np.sign(product) == np.sign(value)[:, None]) & varies
        n = varies.sum(axis=1)
        return np.where(n > 0, same.sum(axis=1) / np.maximum(n, 1), np.nan)

    return share
