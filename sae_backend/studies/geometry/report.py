"""The study of geometry in words, figures and tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from sae_backend.studies.framework.report import Figure, Number, Report, Table, Threshold
from sae_backend.studies.framework.result import StudyResult
from sae_backend.studies.geometry.figures import (
    between_figure,
    cells_figure,
    map_figure,
    pairs_figure,
    stability_figure,
)
from sae_backend.studies.geometry.tables import (
    cluster_table,
    examples_table,
    merge_table,
    pair_table,
    stable_clusters,
)
from sae_backend.studies.methods.number_text import count

LEAST_STABILITY: Final = "least_stability"
KINDS: Final = {"coactivation": "by the tiles they fire in", "directions": "by their directions"}


_MOST_LISTED: Final = 5
"""Clusters whose cells are told in words; the table has all."""


def make_report(result: StudyResult, thresholds: Mapping[str, float]) -> Report:
    """Tell the result; the threshold `least_stability` asks for more of a stable cluster."""
    meta = result.meta
    least = float(thresholds.get(LEAST_STABILITY, meta["dissolved"]))
    kinds = [kind for kind in KINDS if f"{kind}/labels" in result.arrays]
    figures: list[Figure] = []
    tables: list[Table] = []
    for place, kind in enumerate(kinds):
        # A second map without a cluster would be the first in grey.
        if place == 0 or stable_clusters(result, kind, least).any():
            figures.append(map_figure(result, kind, least))
    for kind in kinds:
        figures += [
            figure
            for figure in (
                stability_figure(result, kind, least),
                between_figure(result, kind, least),
                cells_figure(result, kind, least),
            )
            if figure is not None
        ]
        tables += [cluster_table(result, kind, least), examples_table(result, kind)]
    pairs = pairs_figure(result)
    if pairs is not None:
        figures.append(pairs)
    tables += [merge_table(result), pair_table(result)]
    sentences = [_setting(meta), *(_clusters(result, kind, least) for kind in kinds), _pairs(result)]
    return Report(
        found=" ".join(sentences),
        limits=_limits(meta),
        warnings=list(meta["warnings"]),
        figures=figures,
        tables=tables,
        thresholds=[Threshold(LEAST_STABILITY, "Least stability of a stable cluster", 0.0, 1.0, 0.05, least)],
        short=_short(result, kinds, least),
    )


def _short(result: StudyResult, kinds: Sequence[str], least: float) -> str:
    """The answer without jargon."""
    parts = []
    for kind in kinds:
        n = int(stable_clusters(result, kind, least).sum())
        parts.append(f"{n or 'no'} stable group{'s' * (n != 1)} of features {KINDS[kind]}")
    n_merge = len(result.meta["merge"])
    return (
        f"There {'are' if not parts or not parts[0].startswith('1 ') else 'is'} {' and '.join(parts)}; "
        f"{n_merge or 'no'} set{'s' * (n_merge != 1)} of features {'are' if n_merge != 1 else 'is'} proposed for one concept, as "
        "they fire in the same places or one within another."
    )


def _setting(meta: Mapping[str, Any]) -> str:
    n_clustered = meta.get("n_tiles_clustered", meta["n_tiles"][0])
    half = {
        "patient": "half of the patients",
        "slide": "half of the slides",
        "block": "one end of each slide",
    }
    where = (
        f"found on {half[meta['halves_unit']]} and judged on the rest"
        if meta["held_out"]
        else "found and judged on the same tiles"
    )
    return (
        f"{meta['n_live']:,} of {meta['n_features']:,} features of {meta['title']} fire in at least "
        f"{meta['settings']['min_active']} tiles and take part ({count(meta['n_slides'], 'slide')} of "
        f"{count(meta['n_patients'], 'patient')}); clusters and pairs by firing were {where}."
        + (
            f" Of the {meta['n_tiles'][0]:,} tiles that choose, {n_clustered:,} that are evenly spread over slides made the "
            "clusters by firing and said what chance gives; all of them were taken for everything else."
            if n_clustered < meta["n_tiles"][0]
            else ""
        )
    )


def _clusters(result: StudyResult, kind: str, least: float) -> str:
    meta, arrays = result.meta, result.arrays
    labels = arrays[f"{kind}/labels"]
    n = int(labels.max(initial=-1)) + 1
    if not n:
        return f"Grouped {KINDS[kind]}, no three features form a cluster (mean similarity of {meta['cut'][kind]:.2f})."
    stable = stable_clusters(result, kind, least)
    members = int(np.isin(labels, np.flatnonzero(stable)).sum())
    measure = "r" if kind == "coactivation" else "cosine"
    which = (
        f"of which {stable.sum()} with {members:,} features {'is' if stable.sum() == 1 else 'are'}"
        if stable.any()
        else "none of which is"
        if n > 1
        else "which is not"
    )
    text = (
        f"Grouped {KINDS[kind]} (average linkage down to a mean {measure} of {meta['cut'][kind]:.2f}), they form {n} "
        f"cluster{'s' * (n != 1)} of three or more, {which} "
    )
    if kind == "coactivation":
        text += _stable_by_firing(result, least, bool(stable.any()))
    else:
        text += (
            "closer than random directions with the decoder's mean and covariance would group "
            f"(family-wise p of 0.05 or less, {meta['settings']['n_null']} random decoders) and survive"
            f"{'s' if stable.sum() <= 1 else ''} leaving out half of the features (stability above {least:.2f})."
        )
        if meta["n_seed_sets"]:
            again = np.nanmean(arrays["directions/in_seeds"][:, stable]) if stable.any() else np.nan
            if np.isfinite(again):
                n_other = meta["n_seed_sets"]
                text += f" In {n_other} other SAE{'s' * (n_other != 1)} of this encoder they come back with a mean Jaccard index of {again:.2f}."
    return text + _cells(result, kind, stable)


def _stable_by_firing(result: StudyResult, least: float, some: bool) -> str:
    """What it takes for a cluster by firing to be stable, beside chance."""
    meta, chance = result.meta, result.arrays["coactivation/chance"]
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
        f"{'on the other half' if meta['held_out'] else 'on the same tiles'} (family-wise p of 0.05 or less, "
        f"{meta['n_exchanged']} times {meta['arrangement']})."
    )


def _cells(result: StudyResult, kind: str, stable: Any) -> str:
    """Every stable cluster that follows cells; to name one of them the best would be to choose it by what is reported."""
    arrays = result.arrays
    types, r, low, high = (arrays[f"{kind}/{key}"] for key in ("type_number", "r", "low", "high"))
    known = np.flatnonzero(stable & (types >= 0) & np.isfinite(r) & np.isfinite(low) & (low * high > 0))
    if not known.size:
        return ""
    told = "; ".join(
        f"{k + 1} ({result.meta['type_names'][types[k]]}) {r[k]:.2f} ({low[k]:.2f} to {high[k]:.2f}), its best single feature "
        f"{arrays[f'{kind}/single'][k]:.2f}, random features in the same number {arrays[f'{kind}/random'][k]:.2f}"
        for k in known[:_MOST_LISTED]
    )
    more = f"; {known.size - _MOST_LISTED} more in the table" if known.size > _MOST_LISTED else ""
    held = "held-out " if result.meta["held_out"] else ""
    return f" Clusters that follow cells, by {held}r with the type chosen for each: {told}{more}."


def _pairs(result: StudyResult) -> str:
    meta = result.meta
    names, kind = meta["kinds"], result.arrays["pair/kind"]
    n = {name: int((kind == k).sum()) for k, name in enumerate(names)}
    if not kind.size:
        return "No two features fire together, or are aligned, beyond chance."
    share = meta["settings"]["share"]
    again = "on both halves" if meta["held_out"] else "on the same tiles"
    cut = f" (the closest {kind.size:,} are listed)" if meta["n_pairs_found"] > kind.size else ""
    return (
        f"{meta['n_pairs_found']:,} pairs go together beyond chance (by r, by overlap or by cosine, each family-wise at 5 %){cut}: {n['duplicate']:,} duplicates (each fires in at "
        f"least {share:.0%} of the other's tiles {again}), {n['split']:,} splits (one fires in at least {share:.0%} of the "
        f"other's tiles, beyond its own rate, but not the other way round), {n['absorbed']:,} that may be absorbed and "
        f"{n['same direction']:,} of the same direction in other tiles; {n['not confirmed']:,} were not confirmed. "
        f"{len(meta['merge']):,} groups are proposed for one concept each; no feature is taken away."
    )


def _limits(meta: Mapping[str, Any]) -> str:
    text = (
        "A cluster says that features go together, not what they mean; its number is no name. The map is for the eye: "
        "neither its distances nor its islands were used for any cluster. A split is one set of tiles within another, which "
        "a broad and a narrow feature of related things show, too; absorption is only a suspicion, as the direction of the "
        "narrow feature may hold that of the broad one for other reasons. Features that are too rare are not judged."
    )
    if not meta["n_seed_sets"]:
        text += " Only one SAE was looked at: clusters of another seed may differ."
    return text


def numbers(result: StudyResult, thresholds: Mapping[str, float]) -> list[Number]:
    """How many clusters, stable ones, pairs of each kind and groups there are."""
    meta, arrays = result.meta, result.arrays
    least = float(thresholds.get(LEAST_STABILITY, meta["dissolved"]))
    found = [
        Number("slides", meta["n_slides"]),
        Number("patients", meta["n_patients"]),
        Number("features that take part", meta["n_live"]),
    ]
    for kind, words in KINDS.items():
        labels = arrays.get(f"{kind}/labels")
        if labels is not None:
            stable = stable_clusters(result, kind, least)
            found += [
                Number(f"clusters {words}", int(labels.max(initial=-1)) + 1),
                Number(f"stable clusters {words}", int(stable.sum())),
                Number(
                    f"features in stable clusters {words}", int(np.isin(labels, np.flatnonzero(stable)).sum())
                ),
            ]
    found.append(Number("pairs that go together beyond chance", meta["n_pairs_found"]))
    found += [
        Number(f"pairs listed: {name}", int((arrays["pair/kind"] == k).sum()))
        for k, name in enumerate(meta["kinds"])
    ]
    return [*found, Number("groups proposed for one concept", len(meta["merge"]))]
