"""Which features follow which cell types: every feature against every type, with its uncertainty.

Tiles of a slide are not independent, so intervals and p come from whole patients or slides, or from
blocks of tiles and shifted maps where these are few.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from sae_backend.blocks import MIN_CLUSTERS, Clusters
from sae_backend.correlation_result import (
    BCA,
    PARTIAL,
    PEARSON,
    PERCENTILE,
    SPEARMAN,
    STATISTICS,
    STUDENTISED,
    CorrelationResult,
    CorrelationSpec,
    PairStatistics,
)
from sae_backend.correlation_views import TargetGroup
from sae_backend.null import family_p, pooled_p
from sae_backend.rearrangements import MIN_OVERLAP, Exchange
from sae_backend.slide_parts import SlidePart, assemble
from sae_backend.span_work import Progress, SpanWork

__all__ = ["STATISTICS", "CorrelationResult", "CorrelationSpec", "PairStatistics", "SlidePart", "correlate"]

Floats = npt.NDArray[np.float64]


def correlate(
    parts: Sequence[SlidePart],
    type_names: Sequence[str],
    spec: CorrelationSpec,
    progress: Progress | None = None,
    is_count: npt.NDArray[np.bool_] | None = None,
    *,
    values_only: bool = False,
) -> CorrelationResult:
    """Correlate all features with all cell types, or with other numbers of the tiles.

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
    is_count
        Which columns are counts of cells (C,); None for all. A number that is no count may be
        missing (NaN) in some tiles, which then do not take part for it.
    values_only
        Neither intervals nor p, which take most of the time.

    Raises
    ------
    MismatchError
        If the parts do not belong together.
    UserInputError
        If there are no parts, or a covariate is not there.
    """
    counted = np.ones(len(type_names), np.bool_) if is_count is None else is_count
    groups = _groups(parts, len(type_names), spec, counted, judge=not values_only)
    first = max(groups, key=lambda group: group.tiles.n_rows)
    n_features = first.tiles.columns.n_features
    work = SpanWork(sum(group.n_steps for group in groups), progress)
    pairs = {name: PairStatistics.empty(n_features, len(type_names)) for name in spec.statistics}
    auroc = np.full((n_features, len(type_names)), np.nan)
    for group in groups:
        group.run(work, pairs, auroc)
    for name, found in pairs.items():
        _set_p(name, found, groups)
    work.finish()
    clusters = first.tiles.clusters
    notes = [*first.tiles.notes, *clusters.notes, *first.notes, *_cautions(first, spec, pairs)]
    if len(groups) > 1:
        notes.append(
            "Numbers that are missing in some tiles are correlated over the tiles that have them; n is the largest."
        )
    return CorrelationResult(
        type_names=tuple(type_names),
        statistics=pairs,
        auroc=auroc,
        n_tiles=first.tiles.n_rows,
        n_slides=clusters.n_slides,
        n_clusters=clusters.n_clusters,
        unit=clusters.unit,
        kind=clusters.kind,
        method=_method(first, spec, pairs),
        notes=tuple(dict.fromkeys(notes)),
    )


def _groups(
    parts: Sequence[SlidePart],
    n_types: int,
    spec: CorrelationSpec,
    counted: npt.NDArray[np.bool_],
    *,
    judge: bool,
) -> list[TargetGroup]:
    groups = []
    for chosen, some in group_types(parts, n_types, counted):
        tiles = assemble(some, chosen.size, spec.block_um, spec.cluster)
        groups.append(TargetGroup(tiles, chosen, spec, counted[chosen], judge=judge))
    return groups


def group_types(
    parts: Sequence[SlidePart], n_types: int, counted: npt.NDArray[np.bool_]
) -> list[tuple[npt.NDArray[np.int64], list[SlidePart]]]:
    """Sort the types into groups that are known in the same tiles.

    Returns
    -------
    list
        For each group the numbers of its types (C,), and the parts with these counts alone.
    """
    patterns: dict[bytes, list[int]] = {}
    for c in range(n_types):
        known = b"".join(np.isfinite(part.counts[:, c]).tobytes() for part in parts)
        # A count that is not finite is an error of its tile, which then takes no part at all.
        complete = counted[c] or b"\0" not in known
        patterns.setdefault(b"" if complete else known, []).append(c)
    found = []
    for columns in patterns.values() or [[]]:
        chosen = np.array(columns, np.int64)
        found.append((chosen, [replace(part, counts=np.asarray(part.counts)[:, chosen]) for part in parts]))
    return found


def _set_p(name: str, pairs: PairStatistics, groups: Sequence[TargetGroup]) -> None:
    """Set p and q over the pairs of all groups together."""
    from scipy import stats

    nulls = [(group, group.nulls[name]) for group in groups if name in group.nulls]
    if not nulls:
        return
    # The largest of every arrangement is taken over all groups. Where their units differ, the
    # arrangements are unrelated, which makes the largest larger and p only more careful.
    n = min(len(null.largest) for _, null in nulls)
    largest = np.max([null.largest[:n].max(axis=1, initial=0.0) for _, null in nulls], axis=0)
    for group, null in nulls:
        observed = np.abs(pairs.value[:, group.columns])
        pairs.p_fwer[:, group.columns] = family_p(observed, largest)
        pairs.p_single[:, group.columns] = null.single_p(observed)
        pairs.band[group.columns] = np.quantile(null.largest, 0.95, axis=0)
    defined = np.isfinite(pairs.p_single)
    if defined.any():
        chance = pooled_p(np.abs(pairs.value[defined]), np.sum([null.histogram for _, null in nulls], axis=0))
        pairs.q_bh[defined] = stats.false_discovery_control(chance)


def _cautions(group: TargetGroup, spec: CorrelationSpec, pairs: dict[str, PairStatistics]) -> Iterator[str]:
    clusters = group.tiles.clusters
    first = next(iter(pairs.values()))
    defined = first.reason == 0
    if not defined.any():
        yield "No pair could be correlated; see the reasons."
        return
    if clusters.n_clusters < MIN_CLUSTERS:
        yield (
            f"With {clusters.n_clusters} units neither an interval nor a p can be given (at least {MIN_CLUSTERS} "
            "are needed): the values describe these tiles, and whether they hold elsewhere cannot be concluded."
        )
        return
    if group.arrangement is None:
        yield (
            f"The map of the cells can be shifted in only {group.n_possible} ways that leave enough tiles a "
            "partner, so no p is given."
        )
    elif isinstance(group.arrangement, Exchange):
        if clusters.log_arrangements < math.log(spec.n_permutations + 1):
            n_orders = round(math.exp(clusters.log_arrangements))
            yield (
                f"The units can be arranged in only {n_orders:,} ways, so p cannot truly fall below {1 / n_orders:.2g}."
            )
    elif group.arrangement.n < spec.n_permutations:
        yield (
            f"The map of the cells can be shifted in only {group.arrangement.n} ways, so p cannot fall "
            f"below {1 / (group.arrangement.n + 1):.2g}."
        )
    n_open = int((defined & np.isnan(first.ci_low)).sum())
    if n_open:
        yield (
            f"{n_open:,} pairs have no interval: their feature or type is in so few units that more than a tenth "
            "of the draws miss it."
        )


_WORDS = {
    "pearson": "Pearson",
    "spearman": "Spearman (mid-ranks over all tiles)",
    "log_pearson": "Pearson with log(1 + count)",
    "within": "Pearson pooled within slides",
    "partial": "partial Pearson",
}


_KINDS = {STUDENTISED: "studentised (bootstrap-t on Fisher's z)", BCA: "BCa", PERCENTILE: "percentile"}


def _method(group: TargetGroup, spec: CorrelationSpec, pairs: dict[str, PairStatistics]) -> str:
    clusters = group.tiles.clusters
    names = [name for name in (PEARSON, SPEARMAN, *STATISTICS) if name in pairs]
    parts = [", ".join(_WORDS[name] for name in dict.fromkeys(names))]
    if PARTIAL in pairs:
        parts.append(f"partial given {', '.join(group.control_names)}")
    if clusters.n_clusters < MIN_CLUSTERS:
        return "; ".join(parts)
    within = "" if clusters.kind != "block" else " within each slide"
    kind = _KINDS[spec.interval]
    parts.append(
        f"95 % {kind} bootstrap over {clusters.n_clusters} units ({clusters.unit}){within}, "
        f"{spec.n_bootstrap} draws, ranks held fixed"
    )
    if group.arrangement is not None:
        n_pairs = int((next(iter(pairs.values())).reason == 0).sum())
        how = _arranged(group, clusters)
        parts += [
            f"p: largest |r| of {n_pairs} pairs in {group.arrangement.n} {how}",
            f"q: Benjamini-Hochberg over {n_pairs} pairs, the p of each being the share of all pairs in all of these "
            "that reach its |r|",
        ]
    return "; ".join([*parts, f"seed {spec.seed}"])


def _arranged(group: TargetGroup, clusters: Clusters) -> str:
    if isinstance(group.arrangement, Exchange):
        return f"exchanges of the counts of whole units ({clusters.unit})"
    return f"shifts of each slide's map of the counts, at least {MIN_OVERLAP:.0%} of the tiles overlapping"
