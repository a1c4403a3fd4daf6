"""What the reader of a run has to know: how it was done, and what to be careful of."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import numpy as np

from sae_backend.correlation.result import (
    BCA,
    PARTIAL,
    PEARSON,
    PERCENTILE,
    SPEARMAN,
    STATISTICS,
    STUDENTISED,
    CorrelationSpec,
    PairStatistics,
)
from sae_backend.correlation.target_groups import TargetGroup
from sae_backend.statistics.permutation.arrangements import MIN_OVERLAP, Exchange
from sae_backend.statistics.resampling_units import MAX_SHARE, MIN_RESAMPLING_UNITS

_WORDS: Final = {
    "pearson": "Pearson",
    "spearman": "Spearman (mid-ranks over all tiles)",
    "log_pearson": "Pearson with log(1 + count)",
    "within": "Pearson pooled within slides",
}
_KINDS: Final = {
    STUDENTISED: "studentised (bootstrap-t on Fisher's z)",
    BCA: "BCa",
    PERCENTILE: "percentile",
}
_NAMED: Final = 3
_LARGE_SHARE: Final = 0.5
_FEW_DRAWS: Final = 200
_FEW_ARRANGEMENTS: Final = 99


def method_text(group: TargetGroup, spec: CorrelationSpec, pairs: Mapping[str, PairStatistics]) -> str:
    """How the numbers were made, in one line."""
    clusters = group.tiles.clusters
    names = [name for name in (PEARSON, SPEARMAN, *STATISTICS) if name in pairs and name in _WORDS]
    parts = [", ".join(_WORDS[name] for name in dict.fromkeys(names))] if names else []
    if PARTIAL in pairs:
        given = ", ".join(group.control_names) or "nothing, as no covariate varies"
        parts.append(f"partial Pearson given {given}")
    if not clusters.can_judge:
        return "; ".join(parts)
    within = "" if clusters.kind != "block" else " within each slide"
    kind = _KINDS[BCA] if names == [] and spec.interval == STUDENTISED else _KINDS[spec.interval]
    if names and PARTIAL in pairs and spec.interval == STUDENTISED:
        kind += ", for partial BCa,"
    parts.append(
        f"95 % {kind} bootstrap over {clusters.n_clusters} units ({clusters.unit}){within}, "
        f"{spec.n_bootstrap} draws, ranks held fixed"
    )
    if group.arrangements:
        name = next(iter(group.arrangements))
        n_pairs = int((pairs[name].reason == 0).sum())
        parts += [
            f"p, for each statistic by itself: largest |r| of all pairs ({_WORDS.get(name, 'partial')}: {n_pairs:,}) in "
            f"{group.arrangements[name].n} {_arranged(group, name)}",
            "q: Benjamini-Hochberg over the same pairs, the p of each being the share of all pairs in all of these "
            "that reach its |r|",
        ]
        if PARTIAL in group.arrangements and group.held_fixed and name != PARTIAL:
            parts.append(f"for partial only between units that agree in {' and '.join(group.held_fixed)}")
    return "; ".join([*parts, f"seed {spec.seed}"])


def cautions(
    groups: Sequence[TargetGroup],
    spec: CorrelationSpec,
    pairs: Mapping[str, PairStatistics],
    type_names: Sequence[str],
) -> Iterator[str]:
    """Sentences on what the numbers cannot bear; the first of the groups has the most tiles."""
    group = groups[0]
    clusters = group.tiles.clusters
    first = next(iter(pairs.values()))
    defined = first.reason == 0
    if not any((found.reason == 0).any() for found in pairs.values()):
        yield "No pair could be correlated; see the reasons."
        return
    if clusters.n_clusters < MIN_RESAMPLING_UNITS:
        yield (
            f"With {clusters.n_clusters} {_units(clusters.n_clusters)} neither an interval nor a p can be given (at "
            f"least {MIN_RESAMPLING_UNITS} are needed): the values describe these tiles, and whether they hold elsewhere "
            "cannot be concluded."
        )
    elif not clusters.can_judge and clusters.alone_share > 0 and clusters.largest_share <= MAX_SHARE:
        yield (
            f"{clusters.alone_share:.0%} of the tiles are in slides that are one block each, which no draw within slides can "
            "vary, so neither an interval nor a p is given. Use patients or slides as the unit, or smaller blocks."
        )
    elif not clusters.can_judge:
        yield (
            f"One of the {clusters.n_clusters} units holds {clusters.largest_share:.0%} of the tiles, so neither an "
            "interval nor a p is given: the values are mostly its own, and whether they hold elsewhere cannot be "
            "concluded."
        )
    else:
        yield from _of_units(group, spec)
        n_open = int((defined & np.isnan(first.ci_low)).sum())
        if n_open:
            yield (
                f"{n_open:,} {'pair' if n_open == 1 else 'pairs'} of a feature and a type {'has' if n_open == 1 else 'have'} no interval: the feature or type is in so few "
                "units that more than a tenth of the draws miss it."
            )
    for other in groups[1:]:
        n, k = other.tiles.n_rows, other.tiles.clusters.n_clusters
        if clusters.can_judge and not other.tiles.clusters.can_judge:
            names = _named([type_names[c] for c in other.columns])
            yield (
                f"Known in only {n:,} tiles of {k} {_units(k)}, too few or too unequal for an interval or a p: {names}."
            )
    unparted = sorted(type_names[c] for each in groups for c in each.unparted)
    if unparted:
        yield (
            f"No AUROC for {_named(unparted)}: it tells tiles with cells from tiles without (of other numbers, tiles above "
            "the median from the rest), and here one of the two is missing."
        )


def _of_units(group: TargetGroup, spec: CorrelationSpec) -> Iterator[str]:
    clusters = group.tiles.clusters
    if clusters.largest_share > _LARGE_SHARE:
        yield (
            f"One of the {clusters.n_clusters} units holds {clusters.largest_share:.0%} of the tiles: the values are "
            "mostly its own, the intervals may be too narrow and p too small."
        )
    if spec.n_bootstrap < _FEW_DRAWS or spec.n_permutations < _FEW_ARRANGEMENTS:
        yield (
            f"{spec.n_bootstrap} draws and {spec.n_permutations} arrangements are few: below {_FEW_DRAWS} and "
            f"{_FEW_ARRANGEMENTS} the intervals, p and what chance reaches are rough."
        )
    if not group.arrangements and clusters.kind == "block":
        yield (
            f"The map of the cells can be shifted in only {group.n_shifts} ways that leave enough tiles a "
            "partner, so no p is given."
        )
    if PARTIAL in spec.statistics and group.held_fixed and PARTIAL not in group.arrangements:
        yield (
            f"Too few units agree in {' and '.join(group.held_fixed)} to be exchanged with each other, so partial "
            "correlations have no p."
        )
    said = set()
    for name, arrangement in group.arrangements.items():
        words = "" if name != PARTIAL or not group.held_fixed else " (partial)"
        if words in said:
            continue
        said.add(words)
        if isinstance(arrangement, Exchange):
            if arrangement.log_possible < math.log(spec.n_permutations + 1):
                n_orders = round(math.exp(arrangement.log_possible))
                yield (
                    f"The units can be arranged in only {n_orders:,} ways, so p{words} cannot truly fall below "
                    f"{1 / n_orders:.2g}."
                )
        elif arrangement.n < spec.n_permutations:
            yield (
                f"The map of the cells can be shifted in only {arrangement.n} ways, so p cannot fall "
                f"below {1 / (arrangement.n + 1):.2g}."
            )


def _arranged(group: TargetGroup, name: str) -> str:
    clusters = group.tiles.clusters
    if isinstance(group.arrangements[name], Exchange):
        agreeing = ""
        if name == PARTIAL and group.held_fixed:
            agreeing = f" that agree in {' and '.join(group.held_fixed)}"
        return f"exchanges of the maps of the counts of whole units ({clusters.unit}){agreeing}"
    return f"shifts of each slide's map of the counts, at least {MIN_OVERLAP:.0%} of the tiles overlapping"


def _units(n: int) -> str:
    return "unit" if n == 1 else "units"


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
