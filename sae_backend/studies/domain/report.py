"""Tells an out-of-domain study: sentences, figures and tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from sae_backend.studies.domain.figures import best, best_table, pairs, quality, quality_table, scatter
from sae_backend.studies.domain.pairs import FADED, KEPT, LOST, REVERSED, UNDECIDED, VERDICTS, WEAKER
from sae_backend.studies.framework.report import Number, Report
from sae_backend.studies.framework.result import StudyResult
from sae_backend.studies.framework.warnings import explained_note


def make_report(result: StudyResult, _thresholds: Mapping[str, float]) -> Report:
    """Tell what was kept and what was lost; this study has no thresholds to move."""
    meta, arrays = result.meta, result.arrays
    figures, tables = [], []
    if meta["has_cells"]:
        figures = [scatter(meta, arrays), best(meta, arrays)]
        tables = [pairs(meta, arrays), best_table(meta, arrays)]
    fit = quality(meta, arrays)
    if fit is not None:
        figures.append(fit)
    tables.append(quality_table(meta, arrays))
    return Report(
        _found(meta, arrays),
        _limits(meta, arrays),
        [*_warnings(meta), *_poor(meta, arrays)],
        figures,
        tables,
        short=_short(meta, arrays),
    )


def _found(meta: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> str:
    a, b = meta["a"], meta["b"]
    trained = f"was trained on {a} alone" if meta["retrained"] else "is the project's own"
    head = (
        f"Cohort A, {a}: {_n(meta['n_slides_a'], 'slide')} of {_n(meta['n_patients_a'], 'patient')}; cohort B, {b}: "
        f"{_n(meta['n_slides_b'], 'slide')} of {_n(meta['n_patients_b'], 'patient')}. The SAE {trained}."
    )
    parts = [head]
    if meta["has_cells"]:
        parts += [_best_words(meta, arrays), _all_words(meta, arrays), _baseline_words(meta, arrays)]
    parts.append(_quality_words(meta, arrays))
    return "\n".join(part for part in parts if part)


def _short(meta: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> str:
    if not meta["has_cells"]:
        return "Without cells in both cohorts nothing can be said of what the features follow."
    best = np.flatnonzero(arrays["pair/is_best"])
    verdict = arrays["pair/verdict"][best]
    kept = np.isin(verdict, (KEPT, WEAKER))
    gone = [meta["type_names"][int(arrays["pair/type"][k])] for k in best[np.isin(verdict, (LOST, REVERSED))]]
    open_ones = int((verdict == UNDECIDED).sum())
    parts = [
        f"Of the best features of {best.size} cell types, found on {meta['a']}, {int(kept.sum())} "
        f"{'follows' if kept.sum() == 1 else 'follow'} the same cells on {meta['b']}"
    ]
    parts.append(
        f"{len(gone)} do not ({', '.join(gone)})" if gone else "none is shown to have lost its meaning"
    )
    faded = int((verdict == FADED).sum())
    if faded:
        parts.append(f"{faded} {'is' if faded == 1 else 'are'} weaker there or lost")
    if open_ones:
        parts.append(f"{open_ones} cannot be decided with the patients there are")
    return "; ".join(parts) + f". Of all {meta['n_pairs']} pairs of feature and cell type: {_counts(arrays)}."


def _best_words(meta: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> str:
    best = np.flatnonzero(arrays["pair/is_best"])
    verdicts = arrays["pair/verdict"][best]
    held = int(np.isin(verdicts, (KEPT, WEAKER)).sum())
    each = "; ".join(_pair_words(meta, arrays, int(k)) for k in best)
    half = "on the other half of its patients" if meta["held_out"] else "on the tiles that chose it"
    return (
        f"The best feature of each cell type, chosen on {meta['a']} and reported {half} and on {meta['b']}: {held} of "
        f"{best.size} {'is' if held == 1 else 'are'} there again. {each}."
    )


def _pair_words(meta: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]], k: int) -> str:
    name = meta["type_names"][int(arrays["pair/type"][k])]
    in_a = _r(*(float(arrays[f"pair/{key}_a"][k]) for key in ("r", "low", "high")))
    in_b = _r(*(float(arrays[f"pair/{key}_b"][k]) for key in ("r", "low", "high")))
    verdict = VERDICTS[int(arrays["pair/verdict"][k])]
    return f"{name}, feature {int(arrays['pair/feature'][k])}: r {in_a} on {meta['a']}, {in_b} on {meta['b']}, {verdict}"


def _counts(arrays: Mapping[str, npt.NDArray[Any]]) -> str:
    counts = np.bincount(arrays["pair/verdict"], minlength=len(VERDICTS))
    codes = (KEPT, WEAKER, FADED, LOST, REVERSED, UNDECIDED)
    return ", ".join(f"{counts[code]} {VERDICTS[code]}" for code in codes if counts[code])


def _all_words(meta: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> str:
    cut = ""
    if meta["n_beating_null"] > meta["n_pairs"]:
        cut = f" (the {meta['n_pairs']} strongest)"
    return (
        f"{meta['n_beating_null']:,} of {meta['n_features']:,} features beat chance on the choosing half of "
        f"{meta['a']}{cut}; with the best of each type these are {meta['n_pairs']} pairs: {_counts(arrays)}."
    )


def _baseline_words(meta: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> str:
    said = []
    for name, title in meta["representations"].items():
        values = arrays[f"best/{name}/b"]
        if np.isfinite(values).any():
            said.append(f"{title} {_number(float(np.nanmedian(np.abs(values))))}")
    return f"Median |r| on {meta['b']} of the best column of each type: {', '.join(said)}." if said else ""


def _quality_words(meta: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> str:
    silent = (
        f"{float(arrays['a/dead'][0]):.0%} of the features never fire on {meta['a']} "
        f"({int(arrays['a/n_tiles']):,} tiles), {float(arrays['b/dead'][0]):.0%} on {meta['b']} "
        f"({int(arrays['b/n_tiles']):,} tiles)."
    )
    if "a/explained" not in arrays:
        return silent
    ends = [_r(*map(float, arrays[f"{name}/explained"])) for name in ("a", "b")]
    own = ""
    known = meta["sae_metrics"].get("explained_variance")
    if meta["retrained"] and known is not None:
        own = f" (on the tiles of {meta['a']} that its training held out: {float(known):.2f})"
    return f"The explained variance is {ends[0]} on {meta['a']}{own} and {ends[1]} on {meta['b']}. {silent}"


def _limits(meta: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> str:
    parts = []
    if not meta["has_cells"]:
        parts.append(
            "Without cells in both cohorts nothing can be said of what the features follow, only of how well the SAE "
            "describes the embeddings."
        )
    else:
        n = int((arrays["pair/verdict"] == UNDECIDED).sum())
        if n:
            parts.append(
                f"{n} of {meta['n_pairs']} pairs are undecided: {meta['b']} has {_n(meta['n_clusters_b'], 'unit')} "
                f"({meta['unit_b']}), too few to show them or to show that they are gone."
            )
        parts.append(
            "Counts come from a detector or a file; where that does worse on one cohort, r falls there without any "
            "change of the features."
        )
    parts.append(
        f"Two cohorts differ in many ways at once: what was lost between {meta['a']} and {meta['b']} has no single cause."
    )
    return " ".join(parts)


def _warnings(meta: Mapping[str, Any]) -> list[str]:
    found = []
    if not meta["retrained"]:
        found.append(
            f"The SAE is the project's own. Where slides of {meta['b']} took part in its training, this is no test out "
            "of domain; let the study train one on the first cohort alone."
        )
    if meta["has_cells"] and not meta["held_out"]:
        found.append(
            f"{meta['a']} is too small to hold half of it out, so its r is that of the tiles that chose the features "
            "and looks better than it is."
        )
    if meta.get("cut_slides"):
        found.append(
            f"{meta['a']} has fewer than 10 patients: its slides were cut in two, one end choosing and the other reporting."
        )
    return found


def _poor(meta: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> list[str]:
    if "a/explained" not in arrays:
        return []
    return explained_note({meta[key]: float(arrays[f"{key}/explained"][0]) for key in ("a", "b")})


def _n(n: int, word: str) -> str:
    return f"{n:,} {word}{'s' * (n != 1)}"


def _number(value: float) -> str:
    return f"{value:.2f}" if np.isfinite(value) else "not defined"


def _r(value: float, low: float, high: float) -> str:
    if not np.isfinite(value):
        return "not defined"
    ends = f" ({low:.2f} to {high:.2f})" if np.isfinite(low) and np.isfinite(high) else " (no interval)"
    return f"{value:.2f}{ends}"


def numbers(result: StudyResult, _thresholds: Mapping[str, float]) -> list[Number]:
    """What was kept and what was lost, and how well the SAE describes both cohorts."""
    meta, arrays = result.meta, result.arrays
    found = []
    for side in ("a", "b"):
        found += [
            Number(f"slides of {meta[side]}", meta[f"n_slides_{side}"]),
            Number(f"patients of {meta[side]}", meta[f"n_patients_{side}"]),
        ]
    if meta["has_cells"]:
        found.append(Number(f"features above chance on {meta['a']}", meta["n_beating_null"]))
        for which, chosen in (
            ("best features", arrays["pair/verdict"][arrays["pair/is_best"].astype(bool)]),
            ("pairs", arrays["pair/verdict"]),
        ):
            counts = np.bincount(chosen, minlength=len(VERDICTS))
            found += [
                Number(f"{which} {name} on {meta['b']}", int(n))
                for name, n in zip(VERDICTS, counts, strict=True)
            ]
        for name, title in meta["representations"].items():
            values = np.abs(arrays[f"best/{name}/b"])
            known = values[np.isfinite(values)]
            if known.size:
                found.append(Number(f"median |r| on {meta['b']}, {title}", float(np.median(known))))
    for side in ("a", "b"):
        if f"{side}/explained" in arrays:
            ends = (float(value) for value in arrays[f"{side}/explained"])
            found.append(Number(f"explained variance on {meta[side]}", *ends))
        never = float(arrays[f"{side}/dead"][0])
        found.append(Number(f"share of features that never fire on {meta[side]}", never))
    return found
