"""Tells an out-of-domain study: sentences, figures and tables."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial as bind
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from sae_backend.studies.domain_pairs import KEPT, LOST, REVERSED, UNDECIDED, VERDICTS, WEAKER
from sae_backend.studies.result import StudyResult
from sae_backend.studies.shown import (
    Bars,
    Figure,
    Line,
    Mark,
    Points,
    Shown,
    Table,
    Target,
    as_column,
)

_NOTES: Final = {
    "r chosen": "Pearson r on the half of cohort A that chose the feature",
    "r in A": "Pearson r on the other half of cohort A, which took no part in the choice",
    "r in B": "Pearson r on cohort B",
    "p in B": "family-wise p that there is nothing in B: corrected for all chosen features and all types",
    "p difference": "p that r is the same in A and B, on Fisher's z, after Holm's correction for all pairs",
    "verdict": "kept: p in B at most 0.05 with the same sign, not shown to be weaker; weaker: there, and smaller; lost: "
    "not shown in B, and smaller there; reversed: there with the other sign; undecided: neither is shown",
}


def show(result: StudyResult, _knobs: Mapping[str, float]) -> Shown:
    """Tell what was kept and what was lost; this study has no thresholds to move."""
    meta, arrays = result.meta, result.arrays
    figures, tables = [], []
    if meta["has_cells"]:
        figures = [_scatter(meta, arrays), _best(meta, arrays)]
        tables = [_pairs(meta, arrays), _best_table(meta, arrays)]
    quality = _quality(meta, arrays)
    if quality is not None:
        figures.append(quality)
    tables.append(_quality_table(meta, arrays))
    return Shown(
        _found(meta, arrays),
        _limits(meta, arrays),
        _warnings(meta),
        figures,
        tables,
        short=_short(meta, arrays),
    )


def _found(meta: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> str:
    a, b = meta["a"], meta["b"]
    trained = f"was trained on {a} alone" if meta["retrained"] else "is the project's own"
    head = (
        f"{a}: {_n(meta['n_slides_a'], 'slide')} of {_n(meta['n_patients_a'], 'patient')}; {b}: "
        f"{_n(meta['n_slides_b'], 'slide')} of {_n(meta['n_patients_b'], 'patient')}. The SAE {trained}."
    )
    parts = [head]
    if meta["has_cells"]:
        parts += [_best_words(meta, arrays), _all_words(meta, arrays), _baseline_words(meta, arrays)]
    parts.append(_quality_words(meta, arrays))
    return " ".join(part for part in parts if part)


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
    if open_ones:
        parts.append(f"{open_ones} cannot be decided with the patients there are")
    return "; ".join(parts) + "."


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
    return f"{name}, feature {int(arrays['pair/feature'][k])}: r {in_a} in A, {in_b} in B, {verdict}"


def _all_words(meta: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> str:
    counts = np.bincount(arrays["pair/verdict"], minlength=len(VERDICTS))
    said = ", ".join(f"{counts[code]} {VERDICTS[code]}" for code in (KEPT, WEAKER, LOST, REVERSED, UNDECIDED))
    cut = ""
    if meta["n_beating_null"] > meta["n_pairs"]:
        cut = f" (the {meta['n_pairs']} strongest)"
    return (
        f"{meta['n_beating_null']:,} of {meta['n_features']:,} features beat chance on the choosing half of "
        f"{meta['a']}{cut}; with the best of each type these are {meta['n_pairs']} pairs: {said}."
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
            f"{meta['a']} is too small to hold half of it out, so r in A is that of the tiles that chose the features "
            "and looks better than it is."
        )
    if meta.get("cut_slides"):
        found.append(
            f"{meta['a']} has fewer than 10 patients: its slides were cut in two, one end choosing and the other reporting."
        )
    return found


def _scatter(meta: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> Figure:
    marks: list[Mark] = [
        Line(np.array([-1.0, 1.0]), np.array([-1.0, 1.0]), "the same in both", is_dashed=True)
    ]
    few = arrays["pair/feature"].size <= 40
    for code in (UNDECIDED, LOST, REVERSED, WEAKER, KEPT):
        place = np.flatnonzero(arrays["pair/verdict"] == code)
        if not place.size:
            continue
        ends = bind(_interval_end, arrays, place if few else None)
        marks.append(
            Points(
                arrays["pair/r_a"][place], arrays["pair/r_b"][place], f"{VERDICTS[code]} ({place.size})",
                [Target(0, int(f)) for f in arrays["pair/feature"][place]],
                [
                    f"feature {f}, {meta['type_names'][t]}"
                    for f, t in zip(arrays["pair/feature"][place], arrays["pair/type"][place], strict=True)
                ],
                x_low=ends("low_a"), x_high=ends("high_a"), y_low=ends("low_b"), y_high=ends("high_b"),
                is_baseline=code == UNDECIDED,
            )
        )  # fmt: skip
    return Figure(
        "domain-r",
        f"r of the same features in {meta['a']} and in {meta['b']}",
        f"{meta['n_pairs']} pairs of feature and cell type, chosen on one half of {meta['a']}. Across: "
        + (
            f"its other half ({meta['n_clusters_a']} units: {meta['unit_a']}). "
            if meta["held_out"]
            else "the same tiles. "
        )
        + f"Up: {meta['b']} ({meta['n_clusters_b']} units: {meta['unit_b']}). "
        + ("Bars are 95 % bootstrap-t intervals. " if few else "")
        + "Grey: undecided.",
        f"r in {meta['a']}" + (" (held out)" if meta["held_out"] else " (not held out)"),
        f"r in {meta['b']}",
        marks,
        is_square=True,
    )


def _interval_end(
    arrays: Mapping[str, npt.NDArray[Any]], place: npt.NDArray[Any] | None, name: str
) -> npt.NDArray[Any] | None:
    """Ends of the intervals of some pairs, None where they would hide the points."""
    return None if place is None else arrays[f"pair/{name}"][place]


def _best(meta: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> Figure:
    marks: list[Mark] = []
    for name, title in meta["representations"].items():
        of_sae = name == "sae"
        columns = arrays[f"best/{name}/column"]
        for side in ("a", "b") if of_sae else ("b",):
            targets = [Target(0, int(c) if of_sae and c >= 0 else None) for c in columns]
            marks.append(
                Bars(
                    np.abs(arrays[f"best/{name}/{side}"]), f"{title}, {meta[side]}",
                    *_sized(arrays, name, side), targets, is_baseline=not of_sae,
                )
            )  # fmt: skip
    return Figure(
        "domain-best",
        f"The best column of each type, chosen on {meta['a']}",
        f"|r| on {meta['a']}{' (held-out half)' if meta['held_out'] else ''} and on {meta['b']}; 95 % intervals by "
        f"resampling ({meta['unit_b']}). Grey, from left to right: "
        + ", ".join(title for name, title in meta["representations"].items() if name != "sae")
        + f" on {meta['b']}, chosen and fitted on {meta['a']} in the same way.",
        "cell type",
        "|r|",
        marks,
        x_names=meta["type_names"],
        y_limits=(0.0, 1.0),
    )


def _sized(
    arrays: Mapping[str, npt.NDArray[Any]], name: str, side: str
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Interval of |r|: that of r, turned where r is negative and cut at 0."""
    r, low, high = (arrays[f"best/{name}/{key}"] for key in (side, f"low_{side}", f"high_{side}"))
    turned = r < 0
    return np.clip(np.where(turned, -high, low), 0, 1), np.clip(np.where(turned, -low, high), 0, 1)


def _pairs(meta: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> Table:
    features = arrays["pair/feature"]
    columns: dict[str, Any] = {
        "feature": [int(f) for f in features],
        "cell type": [meta["type_names"][int(t)] for t in arrays["pair/type"]],
        "verdict": [VERDICTS[int(code)] for code in arrays["pair/verdict"]],
    }
    for title, name in (
        ("r chosen", "r_choose"), ("r in A", "r_a"), ("A low", "low_a"), ("A high", "high_a"), ("r in B", "r_b"),
        ("B low", "low_b"), ("B high", "high_b"), ("p in B", "p_b"), ("difference low", "difference_low"),
        ("difference high", "difference_high"), ("p difference", "p_difference"),
    ):  # fmt: skip
        columns[title] = as_column(arrays[f"pair/{name}"])
    return Table(
        "domain-pairs", f"Kept and lost between {meta['a']} (A) and {meta['b']} (B)", columns, _NOTES,
        [Target(0, int(f)) for f in features],
    )  # fmt: skip


def _best_table(meta: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> Table:
    columns: dict[str, list[Any]] = {
        key: []
        for key in ("cell type", "from", "column", "r in A", "A low", "A high", "r in B", "B low", "B high")
    }
    for name, title in meta["representations"].items():
        for c, kind in enumerate(meta["type_names"]):
            values = [kind, title, int(arrays[f"best/{name}/column"][c])]
            values += [
                as_column(arrays[f"best/{name}/{key}"][c : c + 1])[0]
                for key in ("a", "low_a", "high_a", "b", "low_b", "high_b")
            ]
            for key, value in zip(columns, values, strict=True):
                columns[key].append(value)
    notes = {"column": "number of the feature, dimension or component; -1 where none varies"}
    return Table("domain-best", "The best column of each type beside its baselines", dict(columns), notes)


def _quality(meta: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> Figure | None:
    if "a/explained" not in arrays:
        return None
    values = np.array([arrays[f"{name}/explained"] for name in ("a", "b")])
    return Figure(
        "domain-explained",
        "How much of the embeddings the SAE explains",
        f"Explained variance over {int(arrays['a/n_tiles']):,} tiles of {meta['a']}"
        + (", most of which it was trained on," if meta["retrained"] else "")
        + f" and {int(arrays['b/n_tiles']):,} of {meta['b']}; 95 % percentile intervals by resampling patients.",
        "cohort",
        "explained variance",
        [Bars(values[:, 0], "", values[:, 1], values[:, 2])],
        x_names=(meta["a"], meta["b"]),
        y_limits=(min(0.0, float(np.nanmin(values))), 1.0),
    )


def _quality_table(meta: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> Table:
    columns: dict[str, list[Any]] = {
        "cohort": [meta["a"], meta["b"]],
        "tiles": [int(arrays[f"{name}/n_tiles"]) for name in ("a", "b")],
        "never fire": [float(arrays[f"{name}/dead"][0]) for name in ("a", "b")],
        "fire in under 1 of 10,000": [float(arrays[f"{name}/dead"][1]) for name in ("a", "b")],
    }
    for key, title in (("explained", "explained variance"), ("l0", "L0")):
        for place, word in enumerate(("", " low", " high")):
            columns[title + word] = [
                as_column(arrays[f"{name}/{key}"][place : place + 1])[0]
                if f"{name}/{key}" in arrays
                else None
                for name in ("a", "b")
            ]
    notes = {
        "never fire": "share of all features that fire in no tile of the cohort",
        "L0": "mean number of features that fire in a tile",
    }
    return Table("domain-quality", "The SAE on both cohorts", dict(columns), notes)


def _n(n: int, word: str) -> str:
    return f"{n:,} {word}{'s' * (n != 1)}"


def _number(value: float) -> str:
    return f"{value:.2f}" if np.isfinite(value) else "not defined"


def _r(value: float, low: float, high: float) -> str:
    if not np.isfinite(value):
        return "not defined"
    ends = f" ({low:.2f} to {high:.2f})" if np.isfinite(low) and np.isfinite(high) else " (no interval)"
    return f"{value:.2f}{ends}"
