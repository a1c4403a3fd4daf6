"""A paragraph on methods, ready for a paper, from what a run really did."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from desktop_app.project.correlation.provenance import provenance
from desktop_app.project.correlation.text import is_judged, units_text
from desktop_app.store import CorrelationRecord, Store
from sae_backend.statistics.number_text import count_text

_STATISTICS = {
    "pearson": "Pearson's r",
    "spearman": "Spearman's rho with mid-ranks",
    "log_pearson": "Pearson's r with log(1 + count)",
    "within": "Pearson's r pooled within slides",
}
_INTERVALS = {
    "studentised": "bootstrap-t intervals on Fisher's z (the standard error from the influence of each unit)",
    "bca": "bias-corrected and accelerated (BCa) bootstrap intervals",
    "percentile": "percentile bootstrap intervals",
}
_UNITS = {"patient": "patients", "slide": "slides", "block": "spatial blocks"}
_TRAINING = "The split concerns the choice of features alone, not the training of the autoencoder, which saw no counts."


def methods_text(store: Store, run: CorrelationRecord) -> str:
    """One paragraph: material, features, counts, halves, statistics, nulls, baselines, versions."""
    facts = provenance(store, run)
    return " ".join(_sentences(run, facts)) + "\n"


def _sentences(run: CorrelationRecord, facts: dict[str, Any]) -> Iterator[str]:
    meta, spec, tiles = run.meta, run.spec, facts["tile_spec"]
    total_slides = len(facts["slides"])
    yield (
        f"Tiles of {tiles.get('tile_px')} px at {tiles.get('tile_mpp')} um/px with a tissue share of at least "
        f"{tiles.get('min_tissue')} of {count_text(total_slides, 'whole-slide image')} were embedded with "
        f"{facts['encoder']} (block {facts['layer']}, {facts['pooling']}; weights {facts['encoder_digest'][:12]}"
        f"{'; random weights, a control' if facts['encoder_is_control'] else ''}) and decomposed with a sparse "
        f"autoencoder (SHA-256 {facts['sae_sha'][:12]})."
    )
    tools = sorted({slide["cells_tool"] for slide in facts["slides"] if slide["cells_tool"]})
    names = meta["type_names"]
    kinds = meta.get("is_count", [True] * len(names))
    n_counts = sum(kinds)
    if n_counts:
        yield (
            f"Cells of {count_text(n_counts, 'type')} ({', '.join(n for n, k in zip(names, kinds, strict=True) if k)}) "
            f"came from {' and '.join(tools) or 'an unnamed source'}; each cell was counted in the one tile that "
            "holds its centre."
        )
    if n_counts < len(names):
        yield f"{count_text(len(names) - n_counts, 'other measure')} of the tiles took part in the same way."
    yield from _halves(meta)
    yield from _statistics(meta, spec)
    if meta.get("baselines", []) and len(meta["baselines"]) > 1:
        others = [meta["baseline_titles"][name] for name in meta["baselines"] if name != "sae"]
        yield (
            f"For comparison, the best of the {', of the '.join(others)} was chosen and reported in the same way on the "
            "same tiles."
        )
    versions = facts["versions"]
    yield (
        "Computed with "
        + ", ".join(f"{name} {version}" for name, version in versions.items())
        + f" (run {run.name!r} of {run.created_at[:10]}, seed {spec.get('seed')})."
        if versions
        else f"Run {run.name!r} of {run.created_at[:10]}."
    )


def _halves(meta: dict[str, Any]) -> Iterator[str]:
    split = meta.get("split")
    if not split:
        yield (
            f"Features were chosen and reported on the same {meta['n_tiles']:,} tiles of "
            f"{count_text(meta['n_slides'], 'slide')}; nothing was held out."
        )
    elif split["unit"] == "half slide":
        yield (
            f"Each slide was cut across its longer side: one half served to choose features, and all values are "
            f"those of the other ({meta['n_tiles']:,} tiles of {count_text(meta['n_slides'], 'slide')}; split seed "
            f"{split['seed']}). {_TRAINING}"
        )
    else:
        yield (
            f"Half of the {split['unit']}s ({split['n_choose']}) served to choose features, and all values are "
            f"those of the other {split['n_report']} ({meta['n_tiles']:,} tiles of "
            f"{count_text(meta['n_slides'], 'slide')}; split seed {split['seed']}). {_TRAINING}"
        )


def _statistics(meta: dict[str, Any], spec: dict[str, Any]) -> Iterator[str]:
    words = [_STATISTICS[name] for name in meta["statistics"] if name in _STATISTICS]
    if "partial" in meta["statistics"]:
        words.append(f"partial correlation given {', '.join(meta.get('covariates', []))}")
    yield f"Every feature was correlated with every column by {', '.join(words)}."
    units = _UNITS.get(meta.get("kind", ""), "units")
    if not is_judged(meta):
        yield f"With {units_text(meta)} neither intervals nor p were computed."
        return
    size = f" ({meta['unit']})" if meta.get("kind") == "block" else ""
    kind = _INTERVALS.get(spec.get("interval", "percentile"), "bootstrap intervals")
    partial = ""
    if "partial" in meta["statistics"] and spec.get("interval") == "studentised":
        partial = "; those of partial correlations are BCa"
    yield (
        f"95 % {kind} resample whole {units}{size} ({meta['n_clusters']} of them, {spec['n_bootstrap']} draws; ranks are "
        f"held fixed{partial})."
    )
    yield from _nulls(meta, spec, units)


def _nulls(meta: dict[str, Any], spec: dict[str, Any], units: str) -> Iterator[str]:
    times = meta.get("n_arrangements", dict.fromkeys(meta["statistics"], spec["n_permutations"]))
    if not times:
        yield "No p was computed, as the maps could be arranged in too few ways."
        return
    if meta.get("kind") == "block":
        how = "the map of the counts of each slide was shifted over its features without wrapping"
    else:
        how = f"the maps of the counts of whole {units} were exchanged, tile by tile in place"
    lacking = [name for name in meta["statistics"] if name not in times]
    yield (
        f"For p, {how} ({max(times.values())} times), and each |r| was compared with the largest of all features and "
        "columns (family-wise, for each statistic by itself); q is the false discovery rate of Benjamini and Hochberg "
        "over all pairs, with p from the pool of all pairs under the same null."
    )
    if "partial" in lacking:
        yield "Partial correlations have no p, as too few units agree in the covariates."
    elif "partial" in times and meta.get("kind") != "block":
        yield (
            "For partial correlations residuals were exchanged, only between units that agree in covariates of whole "
            "slides, and freed of the covariates again."
        )
