"""Types that share their tiles, and the statistics of all features with them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial as bind
from typing import Final

import numpy as np
import numpy.typing as npt

from sae_backend.correlation.pair_statistics import Judging, SpanStatistics
from sae_backend.correlation.result import (
    CONSTANT_FEATURE,
    CONSTANT_TYPE,
    LOG,
    NO_TILES,
    PARTIAL,
    PEARSON,
    SPEARMAN,
    TOO_FEW_ACTIVE,
    WITHIN,
    CorrelationSpec,
    PairStatistics,
)
from sae_backend.statistics.bootstrap import bootstrap_weights
from sae_backend.statistics.covariates import Design, design
from sae_backend.statistics.moments import Targets, sparse_moments
from sae_backend.statistics.parallel import ChunkWork
from sae_backend.statistics.partial_correlation import ControlFits
from sae_backend.statistics.permutation.arrangements import Exchange, Shifts, exchange, shifts
from sae_backend.statistics.permutation.exchange import ExchangeNull
from sae_backend.statistics.permutation.null_distribution import Null, NullView
from sae_backend.statistics.permutation.shift import ShiftNull
from sae_backend.statistics.permutation.unit_layout import unit_layout
from sae_backend.statistics.ranks import midranks, shifted_midranks
from sae_backend.statistics.slide_parts import AssembledTiles

Floats = npt.NDArray[np.float64]

_PREPARATION: Final = 0.1
"""Share of the work of an arrangement that its preparation is taken to be."""


def n_steps(n_pairs: int, spec: CorrelationSpec, *, judge: bool) -> int:
    """Work in all, in pairs times arrangements; less is done where there are fewer arrangements."""
    one = n_pairs * len(spec.statistics)
    return one + (round(one * spec.n_permutations * (1 + _PREPARATION)) if judge else 0)


class TargetGroup:
    """The types `columns` (C,) on the tiles that have them all.

    With `judge` off there are values alone; `alive` is called between steps, and may raise to end the work.
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
        check_cancelled: Callable[[], None] = lambda: None,
    ) -> None:
        self.tiles, self.columns, self._spec, self._is_count = tiles, columns, spec, is_count
        self.nulls: dict[str, Null] = {}
        self.notes: tuple[str, ...] = ()
        self.control_names: tuple[str, ...] = ()
        self.arrangements: dict[str, Exchange | Shifts] = {}
        self.n_shifts = 0
        clusters, counts = tiles.clusters, tiles.counts
        seeds = np.random.SeedSequence(spec.seed).spawn(3)
        self.judged = judge and clusters.can_judge
        self._weights = bootstrap_weights(clusters, spec.n_bootstrap, np.random.default_rng(seeds[0]))
        self._centred = _centred(counts)
        self._logs = _centred(np.log1p(np.maximum(counts, 0))) if LOG in spec.statistics else counts[:, :0]
        check_cancelled()
        self._ranks = _centred(midranks(counts)) if SPEARMAN in spec.statistics else counts[:, :0]
        self._present = _present(counts, is_count)
        self._fits: ControlFits | None = None
        self.held_fixed: tuple[str, ...] = ()
        if PARTIAL in spec.statistics:
            controls = design(tiles, spec.covariates, is_count)
            self.notes, self.control_names = controls.notes, controls.names
            self._fits, self.held_fixed = self._fitted(controls), controls.categories
        check_cancelled()
        if self.judged:
            self._arrange([np.random.default_rng(seed) for seed in seeds[1:]])
        control = self._fits.values[:, columns.size :] if self._fits is not None else self._centred[:, :0]
        sizes = clusters.segment_sizes
        check_cancelled()
        self._plain_targets = Targets(_beside(self._logs, self._centred, control), sizes)
        check_cancelled()
        self._rank_targets = Targets(_beside(self._ranks, _centred(self._present)), sizes)
        check_cancelled()
        self._start_nulls()

    def _fitted(self, controls: Design) -> ControlFits:
        # Other numbers than counts are no cell types, so nothing is freed of them.
        types = self._centred * self._is_count if controls.other_types else self._centred
        both = np.concatenate([types, controls.columns], axis=1)
        return ControlFits(
            both, self.tiles.clusters.sizes, self.columns.size, other_types=controls.other_types
        )

    def _arrange(self, rngs: list[np.random.Generator]) -> None:
        tiles, n = self.tiles, self._spec.n_permutations
        rows = tiles.gather([part.rows.astype(np.int64) for part in tiles.parts])
        cols = tiles.gather([part.cols.astype(np.int64) for part in tiles.parts])
        found: Exchange | Shifts | None
        among: Exchange | Shifts | None
        if tiles.clusters.kind == "block":
            numbers = {part.slide: i for i, part in enumerate(tiles.parts)}
            slide = tiles.gather([np.full(part.n_tiles, numbers[part.slide]) for part in tiles.parts])
            found, self.n_shifts = shifts((slide, rows, cols), n, rngs[0])
            among = found
        else:
            layout = unit_layout(tiles.clusters, rows, cols)
            found = among = exchange(tiles.clusters, layout, n, rngs[0])
            if self.held_fixed:
                # What a covariate of slides leaves of slides that share it is not spread as it is over all
                # slides: exchanging these with others claimed 18 to 25 % at a level of 5 %.
                among = exchange(tiles.clusters, layout, n, rngs[1], tiles.alike(self.held_fixed))
        for name in self._spec.statistics:
            arrangement = among if name == PARTIAL else found
            if arrangement is not None:
                self.arrangements[name] = arrangement

    def _start_nulls(self) -> None:
        clusters = self.tiles.clusters
        sizes, unit = clusters.segment_sizes, clusters.segment_cluster
        n_features = self.tiles.columns.n_features
        for name, arrangement in self.arrangements.items() if self.columns.size else ():
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
                view = NullView(left, sizes, unit, controls=controls, inverse=self._fits.inverse, mix=mix)
            if isinstance(arrangement, Exchange):
                self.nulls[name] = ExchangeNull(view, arrangement, n_features)
            else:
                self.nulls[name] = ShiftNull(view, arrangement, n_features)

    def _within_slides(self) -> Floats:
        clusters = self.tiles.clusters
        slide = np.repeat(clusters.segment_slide, clusters.segment_sizes)
        _, place = np.unique(slide, return_inverse=True)
        n = np.bincount(place)
        means = [np.bincount(place, column) / n for column in self._centred.T]
        return self._centred - np.stack(means, axis=1)[place] if means else self._centred

    def run(self, work: ChunkWork, pairs: dict[str, PairStatistics], auroc: Floats) -> None:
        """Fill in this group's columns of all statistics, but for p and q."""
        n_pairs = self.tiles.columns.n_features * self.columns.size
        for null in self.nulls.values():
            pieces = list(null.preparation())
            share = round(n_pairs * len(null.largest) * _PREPARATION / max(1, len(pieces)))
            work.run(bind(_prepare, piece, bind(work.advance, share)) for piece in pieces)
            null.prepared()
        reason = self._reasons()
        spans = self.tiles.columns.spans(max_width=self._span_width())
        judging = Judging(
            clusters=self.tiles.clusters,
            columns=self.columns,
            is_count=self._is_count,
            weights=self._weights,
            without_one=1.0 - np.eye(self.tiles.clusters.n_clusters),
            interval=self._spec.interval,
            judged=self.judged,
            nulls=self.nulls,
            other_types=self._fits is not None and self._fits.other_types,
        )
        work.run(
            bind(self._span, a, b, auroc, SpanStatistics(judging, a, reason[a:b], pairs, work), reason[a:b])
            for a, b in spans
        )

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
        if not len(counts):
            reason[:] = NO_TILES
        return reason

    def _span(
        self, a: int, b: int, auroc: Floats, done: SpanStatistics, reason: npt.NDArray[np.uint8]
    ) -> None:
        clusters, spec, c = self.tiles.clusters, self._spec, self.columns.size
        if not (reason == 0).any():
            done.nothing()
            return
        x = self.tiles.columns.block(a, b)
        if any(name != SPEARMAN for name in spec.statistics):
            segments = sparse_moments(x, self._plain_targets)
            n_logs = self._logs.shape[1]
            counts = segments.of_types(n_logs, n_logs + c)
            for name in (PEARSON, WITHIN):
                if name in spec.statistics:
                    done.plain(name, x, counts)
            if LOG in spec.statistics:
                done.plain(LOG, x, segments.of_types(0, c))
            if self._fits is not None:
                units = segments.over(clusters.segment_cluster, clusters.n_clusters)
                done.partial(x, units.of_types(n_logs, segments.y.shape[1]), self._fits)
        ranked = shifted_midranks(x)
        segments = sparse_moments(ranked, self._rank_targets)
        n_ranks = self._ranks.shape[1]
        if SPEARMAN in spec.statistics:
            done.plain(SPEARMAN, ranked, segments.of_types(0, c))
        n_present = self._present.sum(axis=0)
        both = n_present * (len(self._present) - n_present)
        area = 0.5 + segments.xy[:, :, n_ranks:].sum(axis=1) / np.where(both > 0, both, np.nan)
        auroc[a:b, self.columns] = np.where(reason == 0, area, np.nan)

    @property
    def unparted(self) -> npt.NDArray[np.int64]:
        """Types (of all, not of the group) that no tile lacks, or none has: they have no AUROC."""
        n_present = self._present.sum(axis=0)
        varies = (self.tiles.counts != self.tiles.counts[:1]).any(axis=0)
        return self.columns[varies & ((n_present == 0) | (n_present == len(self._present)))]


def _prepare(piece: Callable[[], None], advance: Callable[[], None]) -> None:
    advance()
    piece()


def _centred(values: npt.NDArray[np.floating] | npt.NDArray[np.bool_]) -> Floats:
    return np.asarray(values - values.mean(axis=0), np.float64) if len(values) else np.zeros(values.shape)


def _beside(*columns: Floats) -> Floats:
    """All columns side by side, without a copy where only one of them has any."""
    filled = [each for each in columns if each.shape[1]]
    return filled[0] if len(filled) == 1 else np.concatenate(columns, axis=1)


def _present(counts: Floats, is_count: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Which tiles have a type at all; for other numbers, more than the median."""
    if not len(counts):
        return np.zeros(counts.shape, np.bool_)
    limit = np.zeros(counts.shape[1])
    if not is_count.all():
        limit[~is_count] = np.median(counts[:, ~is_count], axis=0)
    return np.asarray(counts > limit, np.bool_)
