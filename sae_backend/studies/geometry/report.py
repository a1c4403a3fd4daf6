"""The study of geometry in words, figures and tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from sae_backend.statistics.number_text import count_text
from sae_backend.studies.framework.report import Figure, Number, Report, Table, Threshold
from sae_backend.studies.framework.result import StudyResult
from sae_backend.studies.geometry.figures import (
    between_figure,
    cells_figure,
    map_figure,
    pairs_figure,
    stability_figure,
)
from sae_backend.studies.geometry.findings import COACTIVATION, DIRECTIONS, ClusterFindings, GeometryFindings
from sae_backend.studies.geometry.tables import (
    cluster_table,
    examples_table,
    merge_table,
    pair_table,
)

LEAST_STABILITY: Final = "least_stability"
KINDS: Final = {COACTIVATION: "by the tiles they fire in", DIRECTIONS: "by their directions"}


_MOST_LISTED: Final = 5
"""Clusters whose cells are told in words; the table has all."""


def make_report(result: StudyResult, thresholds: Mapping[str, float]) -> Report:
    """Tell the result; the threshold `least_stability` asks for more of a stable cluster."""
    found = GeometryFindings.of(result)
    least = float(thresholds.get(LEAST_STABILITY, found.dissolved))
    clusters = list(found.clusters.values())
    figures: list[Figure] = []
    tables: list[Table] = []
    for place, some in enumerate(clusters):
        # A second map without a cluster would be the first in grey.
        if place == 0 or some.stable(least).any():
            figures.append(map_figure(found, some, least))
    for some in clusters:
        figures += [
            figure
            for figure in (
                stability_figure(found, some, least),
                between_figure(found, some, least),
                cells_figure(found, some, least),
            )
            if figure is not None
        ]
        tables += [cluster_table(found, some, least), examples_table(found, some)]
    pairs = pairs_figure(found)
    if pairs is not None:
        figures.append(pairs)
    tables += [merge_table(found), pair_table(found)]
    sentences = [_setting(found), *(_clusters(found, some, least) for some in clusters), _pairs(found)]
    return Report(
        found=" ".join(sentences),
        limits=_limits(found),
        warnings=list(found.warnings),
        figures=figures,
        tables=tables,
        thresholds=[Threshold(LEAST_STABILITY, "Least stability of a stable cluster", 0.0, 1.0, 0.05, least)],
        short=_short(found, least),
    )


def _short(found: GeometryFindings, least: float) -> str:
    """The answer without jargon."""
    parts = []
    for some in found.clusters.values():
        n = int(some.stable(least).sum())
        parts.append(f"{n or 'no'} stable group{'s' * (n != 1)} of features {KINDS[some.kind]}")
    n_merge = len(found.merge)
    return (
        f"There {'are' if not parts or not parts[0].startswith('1 ') else 'is'} {' and '.join(parts)}; "
        f"{n_merge or 'no'} set{'s' * (n_merge != 1)} of features {'are' if n_merge != 1 else 'is'} proposed for one concept, as "
        "they fire in the same places or one within another."
    )


def _setting(found: GeometryFindings) -> str:
    n_clustered = found.n_tiles_clustered
    half = {
        "patient": "half of the patients",
        "slide": "half of the slides",
        "block": "one end of each slide",
    }
    where = (
        f"found on {half[found.halves_unit]} and judged on the rest"
        if found.held_out
        else "found and judged on the same tiles"
    )
    return (
        f"{found.n_live:,} of {found.n_features:,} features of {found.title} fire in at least "
        f"{found.min_active} tiles and take part ({count_text(found.n_slides, 'slide')} of "
        f"{count_text(found.n_patients, 'patient')}); clusters and pairs by firing were {where}."
        + (
            f" Of the {found.n_tiles[0]:,} tiles that choose, {n_clustered:,} that are evenly spread over slides made the "
            "clusters by firing and said what chance gives; all of them were taken for everything else."
            if n_clustered < found.n_tiles[0]
            else ""
        )
    )


def _clusters(found: GeometryFindings, some: ClusterFindings, least: float) -> str:
    labels = some.labels
    n = int(labels.max(initial=-1)) + 1
    if not n:
        return f"Grouped {KINDS[some.kind]}, no three features form a cluster (mean similarity of {some.cut:.2f})."
    stable = some.stable(least)
    members = int(np.isin(labels, np.flatnonzero(stable)).sum())
    measure = "r" if some.is_by_firing else "cosine"
    which = (
        f"of which {stable.sum()} with {members:,} features {'is' if stable.sum() == 1 else 'are'}"
        if stable.any()
        else "none of which is"
        if n > 1
        else "which is not"
    )
    text = (
        f"Grouped {KINDS[some.kind]} (average linkage down to a mean {measure} of {some.cut:.2f}), they form {n} "
        f"cluster{'s' * (n != 1)} of three or more, {which} "
    )
    if some.is_by_firing:
        text += _stable_by_firing(found, some.chance, least, bool(stable.any()))
    else:
        text += (
            "closer than random directions with the decoder's mean and covariance would group "
            f"(family-wise p of 0.05 or less, {found.n_null} random decoders) and survive"
            f"{'s' if stable.sum() <= 1 else ''} leaving out half of the features (stability above {least:.2f})."
        )
        if found.n_seed_sets and some.in_seeds is not None:
            again = np.nanmean(some.in_seeds[:, stable]) if stable.any() else np.nan
            if np.isfinite(again):
                n_other = found.n_seed_sets
                text += f" In {count_text(n_other, 'other SAE')} of this encoder they come back with a mean Jaccard index of {again:.2f}."
    return text + _cells(found, some, stable)


def _stable_by_firing(
    found: GeometryFindings, chance: npt.NDArray[np.float64], least: float, some: bool
) -> str:
    """What it takes for a cluster by firing to be stable, beside chance."""
    if not chance.size:
        beside = "exchanged features form no cluster"
    elif float(chance.max()) > 0:
        beside = f"the stablest of {chance.size} clusters of exchanged features has {chance.max():.2f}"
    else:
        beside = f"none of {chance.size} clusters of exchanged features comes back at all"
    how = (
        "they come back when patients are drawn again"
        if some
        else "that takes coming back when patients are drawn again"
    )
    together = "their members go together" if some else "members that go together"
    return (
        f"stable: {how} (stability above {least:.2f} and above chance; {beside}), and {together} "
        f"{'on the other half' if found.held_out else 'on the same tiles'} (family-wise p of 0.05 or less, "
        f"{found.n_exchanged} times {found.arrangement})."
    )


def _cells(found: GeometryFindings, some: ClusterFindings, stable: Any) -> str:
    """Every stable cluster that follows cells; to name one of them the best would be to choose it by what is reported."""
    cells = some.cells
    types, r, low, high = cells.type_number, cells.r, cells.low, cells.high
    known = np.flatnonzero(stable & (types >= 0) & np.isfinite(r) & np.isfinite(low) & (low * high > 0))
    if not known.size:
        return ""
    told = "; ".join(
        f"{k + 1} ({found.type_names[types[k]]}) {r[k]:.2f} ({low[k]:.2f} to {high[k]:.2f}), its best single feature "
        f"{some.cells.single[k]:.2f}, random features in the same number {some.cells.random[k]:.2f}"
        for k in known[:_MOST_LISTED]
    )
    more = f"; {known.size - _MOST_LISTED} more in the table" if known.size > _MOST_LISTED else ""
    held = "held-out " if found.held_out else ""
    return f" Clusters that follow cells, by {held}r with the type chosen for each: {told}{more}."


def _pairs(found: GeometryFindings) -> str:
    names, kind = found.kinds, found.pairs.kind
    n = {name: int((kind == k).sum()) for k, name in enumerate(names)}
    if not kind.size:
        return "No two features fire together, or are aligned, beyond chance."
    share = found.share
    again = "on both halves" if found.held_out else "on the same tiles"
    cut = f" (the closest {kind.size:,} are listed)" if found.pairs.n_found > kind.size else ""
    return (
        f"{found.pairs.n_found:,} pairs go together beyond chance (by r, by overlap or by cosine, each family-wise at 5 %){cut}: {n['duplicate']:,} duplicates (each fires in at "
        f"least {share:.0%} of the other's tiles {again}), {n['split']:,} splits (one fires in at least {share:.0%} of the "
        f"other's tiles, beyond its own rate, but not the other way round), {n['absorbed']:,} that may be absorbed and "
        f"{n['same direction']:,} of the same direction in other tiles; {n['not confirmed']:,} were not confirmed. "
        f"{len(found.merge):,} groups are proposed for one concept each; no feature is taken away."
    )


def _limits(found: GeometryFindings) -> str:
    text = (
        "A cluster says that features go together, not what they mean; its number is no name. The map is for the eye: "
        "neither its distances nor its islands were used for any cluster. A split is one set of tiles within another, which "
        "a broad and a narrow feature of related things show, too; absorption is only a suspicion, as the direction of the "
        "narrow feature may hold that of the broad one for other reasons. Features that are too rare are not judged."
    )
    if not found.n_seed_sets:
        text += " Only one SAE was looked at: clusters of another seed may differ."
    return text


def numbers(result: StudyResult, thresholds: Mapping[str, float]) -> list[Number]:
    """How many clusters, stable ones, pairs of each kind and groups there are."""
    found = GeometryFindings.of(result)
    least = float(thresholds.get(LEAST_STABILITY, found.dissolved))
    summed = [
        Number("slides", found.n_slides),
        Number("patients", found.n_patients),
        Number("features that take part", found.n_live),
    ]
    for kind, some in found.clusters.items():
        stable = some.stable(least)
        n_stable = int(np.isin(some.labels, np.flatnonzero(stable)).sum())
        summed += [
            Number(f"clusters {KINDS[kind]}", len(some.members)),
            Number(f"stable clusters {KINDS[kind]}", int(stable.sum())),
            Number(f"features in stable clusters {KINDS[kind]}", n_stable),
        ]
    summed.append(Number("pairs that go together beyond chance", found.pairs.n_found))
    summed += [
        Number(f"pairs listed: {name}", int((found.pairs.kind == k).sum()))
        for k, name in enumerate(found.kinds)
    ]
    return [*summed, Number("groups proposed for one concept", len(found.merge))]
