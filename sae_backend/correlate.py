"""Which features follow which cell types: every feature against every type, with its uncertainty.

Tiles of a slide are not independent, so intervals and p come from whole slides, or from blocks of
tiles where slides are few.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy import sparse, stats

from sae_backend.blocks import MIN_CLUSTERS, Clusters
from sae_backend.errors import UserInputError
from sae_backend.feature_columns import FeatureColumns
from sae_backend.ranks import midranks, shifted_midranks
from sae_backend.resampling import (
    ClusterSums,
    bootstrap_interval,
    bootstrap_weights,
    cluster_sums,
    draw_orders,
    permutation_null,
)
from sae_backend.slide_parts import SlidePart, assemble

__all__ = ["STATISTICS", "CorrelationResult", "CorrelationSpec", "PairStatistics", "SlidePart", "correlate"]

Floats = npt.NDArray[np.float64]
Progress = Callable[[int, int], None]

STATISTICS: Final = ("pearson", "spearman")
CONSTANT_FEATURE: Final = "constant feature"
CONSTANT_TYPE: Final = "constant cell type"
TOO_FEW_ACTIVE: Final = "too few active tiles"
_LEVEL: Final = 0.95


@dataclass(frozen=True)
class CorrelationSpec:
    """How to judge the correlations: draws, block edge in um, seed, least number of active tiles."""

    n_bootstrap: int = 2000
    n_permutations: int = 999
    block_um: float = 1000.0
    seed: int = 0
    min_active: int = 10

    def __post_init__(self) -> None:
        if min(self.n_bootstrap, self.n_permutations) < 1:
            raise UserInputError("The numbers of draws must be at least 1.", "The defaults are 2000 and 999.")
        if not (math.isfinite(self.block_um) and self.block_um > 0):
            raise UserInputError(
                f"A block edge of {self.block_um} um is not possible.", "Use a length such as 1000 um."
            )


@dataclass(frozen=True)
class PairStatistics:
    """One statistic of every pair, float64 (F, C) each, NaN where not defined.

    `ci_low` and `ci_high` bound 95 %; `p_fwer` is corrected for all pairs at once by the largest
    of them; `q_bh` is the false discovery rate after Benjamini and Hochberg.
    """

    value: Floats
    ci_low: Floats
    ci_high: Floats
    p_fwer: Floats
    q_bh: Floats


@dataclass(frozen=True)
class CorrelationResult:
    """All correlations of one run.

    `reason` is an object array (F, C) of str: empty, or why the pair has no value. `unit` names
    what was resampled, `n_clusters` how many of it there were; `notes` say what to be careful of.
    """

    type_names: tuple[str, ...]
    pearson: PairStatistics
    spearman: PairStatistics
    reason: npt.NDArray[np.object_]
    n_tiles: int
    n_slides: int
    n_clusters: int
    unit: str
    method: str
    notes: tuple[str, ...]

    @property
    def statistics(self) -> Mapping[str, PairStatistics]:
        """Both statistics by name."""
        return {"pearson": self.pearson, "spearman": self.spearman}

    def rows(self) -> Iterator[dict[str, Any]]:
        """Give one dict a feature, type and statistic; what is not defined is None.

        `p` is the family-wise one and `q` that of Benjamini and Hochberg.
        """
        for statistic, pairs in self.statistics.items():
            fields = {
                "value": pairs.value,
                "ci_low": pairs.ci_low,
                "ci_high": pairs.ci_high,
                "p": pairs.p_fwer,
                "q": pairs.q_bh,
            }
            plain = {key: _or_none(array) for key, array in fields.items()}
            for feature, cell_type in np.ndindex(*self.reason.shape):
                yield {
                    "feature": feature,
                    "cell_type": self.type_names[cell_type],
                    "n_tiles": self.n_tiles,
                    "n_slides": self.n_slides,
                    "statistic": statistic,
                    **{key: array[feature, cell_type] for key, array in plain.items()},
                    "method": self.method,
                    "unit": self.unit,
                    "reason": self.reason[feature, cell_type],
                }


def _or_none(array: Floats) -> npt.NDArray[np.object_]:
    plain = array.astype(object)
    plain[~np.isfinite(array)] = None
    return plain


def correlate(
    parts: Sequence[SlidePart],
    type_names: Sequence[str],
    spec: CorrelationSpec,
    progress: Progress | None = None,
) -> CorrelationResult:
    """Correlate all features with all cell types.

    Parameters
    ----------
    parts
        The slides; all with the same features and types.
    type_names
        Names of the columns of the counts.
    spec
        How to resample.
    progress
        Called with the work done and the work in all; what it raises ends the run.

    Raises
    ------
    MismatchError
        If the parts do not belong together.
    UserInputError
        If there are no parts.
    """
    data = assemble(parts, len(type_names), spec.block_um)
    columns, counts, clusters = data.columns, data.counts, data.clusters
    n_features, n_types = columns.n_features, len(type_names)
    reason = _reasons(columns, counts, spec.min_active)
    defined = reason == ""
    work = _Work(2 * n_features * n_types * (spec.n_permutations + 1), progress)
    judged = clusters.n_clusters >= MIN_CLUSTERS
    seeds = np.random.SeedSequence(spec.seed).spawn(2)
    draws = _Draws(
        clusters=clusters,
        weights=bootstrap_weights(clusters, spec.n_bootstrap, np.random.default_rng(seeds[0])),
        orders=draw_orders(clusters, spec.n_permutations, np.random.default_rng(seeds[1])),
        judged=judged,
    )
    pearson = _statistic(columns, counts, defined, draws, work, rank=False)
    spearman = _statistic(columns, midranks(counts), defined, draws, work, rank=True)
    work.finish()
    notes = [*data.notes, *clusters.notes, *_cautions(clusters, spec, defined, pearson)]
    return CorrelationResult(
        type_names=tuple(type_names),
        pearson=pearson,
        spearman=spearman,
        reason=reason,
        n_tiles=columns.n_rows,
        n_slides=data.n_slides,
        n_clusters=clusters.n_clusters,
        unit=clusters.unit,
        method=_method(clusters, spec, int(defined.sum()), judged),
        notes=tuple(notes),
    )


@dataclass(frozen=True)
class _Draws:
    clusters: Clusters
    weights: Floats
    orders: npt.NDArray[np.int64]
    judged: bool


class _Work:
    """Counts the work done for `progress`."""

    def __init__(self, total: int, progress: Progress | None) -> None:
        self._done, self._total, self._progress = 0, total, progress

    def advance(self, amount: int) -> None:
        self._done += amount
        if self._progress is not None:
            self._progress(self._done, self._total)

    def finish(self) -> None:
        self.advance(self._total - self._done)


def _reasons(columns: FeatureColumns, counts: Floats, min_active: int) -> npt.NDArray[np.object_]:
    n_active, constant = columns.activity()
    reason = np.full((columns.n_features, counts.shape[1]), "", object)
    reason[n_active < min_active] = TOO_FEW_ACTIVE
    flat = (counts == counts[:1]).all(axis=0) if len(counts) else np.ones(counts.shape[1], bool)
    reason[:, flat] = CONSTANT_TYPE
    reason[constant] = CONSTANT_FEATURE
    return reason


def _statistic(
    columns: FeatureColumns,
    y: Floats,
    defined: npt.NDArray[np.bool_],
    draws: _Draws,
    work: _Work,
    *,
    rank: bool,
) -> PairStatistics:
    n_types = y.shape[1]
    value, low, high = np.full((3, columns.n_features, n_types), np.nan)
    n_reached = np.zeros(value.shape, np.int64)
    largest = np.zeros(len(draws.orders))
    centred = y - y.mean(axis=0) if len(y) else y
    for a, b in columns.spans(max_width=_span_width(draws, n_types)):
        x = columns.block(a, b)
        if rank:
            x = shifted_midranks(x)
        sums = cluster_sums(x, centred, draws.clusters)
        here = defined[a:b]
        x_scale, y_scale = _unit_scales(sums, here)
        r = np.clip(sums.xy.sum(axis=0) * x_scale[:, None] * y_scale, -1, 1)
        value[a:b][here] = r[here]
        work.advance((b - a) * n_types)
        if not draws.judged or not here.any():
            continue
        ends = bootstrap_interval(sums, draws.weights, _LEVEL)
        low[a:b][here], high[a:b][here] = ends[0][here], ends[1][here]
        scaled = sparse.csc_array(
            (x.data * np.repeat(x_scale, np.diff(x.indptr)), x.indices, x.indptr), x.shape
        )
        most, n_reached[a:b] = permutation_null(
            scaled, centred * y_scale, np.abs(r), draws.orders, draws.clusters.sizes, work.advance
        )
        np.maximum(largest, most, out=largest)
    p, q = np.full((2, *value.shape), np.nan)
    if draws.judged and defined.any():
        ascending = np.sort(largest)
        n_at_least = largest.size - np.searchsorted(ascending, np.abs(value[defined]) - 1e-10)
        p[defined] = (1 + n_at_least) / (1 + largest.size)
        q[defined] = stats.false_discovery_control((1 + n_reached[defined]) / (1 + largest.size))
    return PairStatistics(value, low, high, p, q)


def _span_width(draws: _Draws, n_types: int) -> int:
    """Features at once, so that the sums per cluster and pair stay near 64 MB."""
    return max(1, 8_000_000 // max(1, draws.clusters.n_clusters * n_types))


def _unit_scales(sums: ClusterSums, defined: npt.NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Factors (F,), (C,) that turn cross products into r; zero for columns without a defined pair."""
    scales = []
    for squares, used in ((sums.xx, defined.any(axis=1)), (sums.yy, defined.any(axis=0))):
        total = squares.sum(axis=0)
        scales.append(np.where(used, 1 / np.sqrt(np.where(used, total, 1.0)), 0.0))
    return scales[0], scales[1]


def _cautions(
    clusters: Clusters, spec: CorrelationSpec, defined: npt.NDArray[np.bool_], pearson: PairStatistics
) -> Iterator[str]:
    if not defined.any():
        yield "No pair could be correlated; see the reasons."
        return
    if clusters.n_clusters < MIN_CLUSTERS:
        yield (
            f"With {clusters.n_clusters} units neither an interval nor a p can be given (at least {MIN_CLUSTERS} "
            "are needed): the values describe these tiles, and whether they hold elsewhere cannot be concluded."
        )
        return
    if clusters.log_arrangements < math.log(spec.n_permutations + 1):
        n_orders = round(math.exp(clusters.log_arrangements))
        yield (
            f"The units can be arranged in only {n_orders:,} ways, so p cannot truly fall below {1 / n_orders:.2g}."
        )
    n_open = int((defined & np.isnan(pearson.ci_low)).sum())
    if n_open:
        yield (
            f"{n_open:,} pairs have no interval: their feature or type is in so few units that more than a tenth "
            "of the draws miss it."
        )


def _method(clusters: Clusters, spec: CorrelationSpec, n_pairs: int, judged: bool) -> str:
    parts = ["Pearson and Spearman (mid-ranks over all tiles)"]
    if judged:
        finest = 1 / (spec.n_permutations + 1)
        within = "" if clusters.unit == "slide" else " within each slide"
        parts += [
            f"95 % percentile bootstrap over {clusters.n_clusters} units ({clusters.unit}){within}, "
            f"{spec.n_bootstrap} draws, ranks held fixed",
            f"p: largest |r| of {n_pairs} pairs in {spec.n_permutations} exchanges of the counts of whole units{within}",
            f"q: Benjamini-Hochberg over {n_pairs} permutation p of single pairs, none finer than {finest:.2g}",
            f"seed {spec.seed}",
        ]
    return "; ".join(parts)
