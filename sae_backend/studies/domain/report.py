"""Tells an out-of-domain study: sentences, figures and tables."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sae_backend.statistics.number_text import count_text, estimate_text, value_text
from sae_backend.studies.domain.figures import best, best_table, pairs, quality, quality_table, scatter
from sae_backend.studies.domain.findings import DomainFindings, JudgedPairs
from sae_backend.studies.domain.pairs import FADED, KEPT, LOST, REVERSED, UNDECIDED, VERDICTS, WEAKER
from sae_backend.studies.framework.report import Number, Report
from sae_backend.studies.framework.result import StudyResult
from sae_backend.studies.framework.warnings import explained_note


def make_report(result: StudyResult, _thresholds: Mapping[str, float]) -> Report:
    """Tell what was kept and what was lost; this study has no thresholds to move."""
    found = DomainFindings.of(result)
    figures, tables = [], []
    if found.pairs is not None:
        figures = [scatter(found, found.pairs), best(found)]
        tables = [pairs(found, found.pairs), best_table(found)]
    fit = quality(found)
    if fit is not None:
        figures.append(fit)
    tables.append(quality_table(found))
    return Report(
        _found(found),
        _limits(found),
        [*_warnings(found), *_poor(found)],
        figures,
        tables,
        short=_short(found),
    )


def _found(found: DomainFindings) -> str:
    a, b = found.a.name, found.b.name
    trained = f"was trained on {a} alone" if found.retrained else "is the project's own"
    head = (
        f"Cohort A, {a}: {count_text(found.a.n_slides, 'slide')} of {count_text(found.a.n_patients, 'patient')}; cohort B, {b}: "
        f"{count_text(found.b.n_slides, 'slide')} of {count_text(found.b.n_patients, 'patient')}. The SAE {trained}."
    )
    parts = [head]
    if found.pairs is not None:
        judged = found.pairs
        parts += [_best_words(found, judged), _all_words(found, judged), _baseline_words(found)]
    parts.append(_quality_words(found))
    return "\n".join(part for part in parts if part)


def _short(found: DomainFindings) -> str:
    pairs = found.pairs
    if pairs is None:
        return "Without cells in both cohorts nothing can be said of what the features follow."
    best = pairs.best
    verdict = pairs.verdict[best]
    kept = np.isin(verdict, (KEPT, WEAKER))
    gone = [found.type_names[int(pairs.type[k])] for k in best[np.isin(verdict, (LOST, REVERSED))]]
    open_ones = int((verdict == UNDECIDED).sum())
    parts = [
        f"Of the best features of {best.size} cell types, found on {found.a.name}, {int(kept.sum())} "
        f"{'follows' if kept.sum() == 1 else 'follow'} the same cells on {found.b.name}"
    ]
    parts.append(
        f"{len(gone)} do not ({', '.join(gone)})" if gone else "none is shown to have lost its meaning"
    )
    faded = int((verdict == FADED).sum())
    if faded:
        parts.append(f"{faded} {'is' if faded == 1 else 'are'} weaker there or lost")
    if open_ones:
        parts.append(f"{open_ones} cannot be decided with the patients there are")
    return (
        "; ".join(parts) + f". Of all {pairs.feature.size} pairs of feature and cell type: {_counts(pairs)}."
    )


def _best_words(found: DomainFindings, pairs: JudgedPairs) -> str:
    best = pairs.best
    verdicts = pairs.verdict[best]
    held = int(np.isin(verdicts, (KEPT, WEAKER)).sum())
    each = "; ".join(_pair_words(found, pairs, int(k)) for k in best)
    half = "on the other half of its patients" if found.held_out else "on the tiles that chose it"
    return (
        f"The best feature of each cell type, chosen on {found.a.name} and reported {half} and on {found.b.name}: {held} of "
        f"{best.size} {'is' if held == 1 else 'are'} there again. {each}."
    )


def _pair_words(found: DomainFindings, pairs: JudgedPairs, k: int) -> str:
    name = found.type_names[int(pairs.type[k])]
    in_a = estimate_text(pairs.r_a[k], pairs.low_a[k], pairs.high_a[k], lead="")
    in_b = estimate_text(pairs.r_b[k], pairs.low_b[k], pairs.high_b[k], lead="")
    verdict = VERDICTS[int(pairs.verdict[k])]
    return f"{name}, feature {int(pairs.feature[k])}: r {in_a} on {found.a.name}, {in_b} on {found.b.name}, {verdict}"


def _counts(pairs: JudgedPairs) -> str:
    counts = np.bincount(pairs.verdict, minlength=len(VERDICTS))
    codes = (KEPT, WEAKER, FADED, LOST, REVERSED, UNDECIDED)
    return ", ".join(f"{counts[code]} {VERDICTS[code]}" for code in codes if counts[code])


def _all_words(found: DomainFindings, pairs: JudgedPairs) -> str:
    cut, n_pairs = "", pairs.feature.size
    if found.n_beating_null > n_pairs:
        cut = f" (the {n_pairs} strongest)"
    return (
        f"{found.n_beating_null:,} of {found.n_features:,} features beat chance on the discovery half of "
        f"{found.a.name}{cut}; with the best of each type these are {n_pairs} pairs: {_counts(pairs)}."
    )


def _baseline_words(found: DomainFindings) -> str:
    said = []
    for columns in found.best.values():
        if np.isfinite(columns.b).any():
            said.append(f"{columns.title} {value_text(float(np.nanmedian(np.abs(columns.b))))}")
    return f"Median |r| on {found.b.name} of the best column of each type: {', '.join(said)}." if said else ""


def _quality_words(found: DomainFindings) -> str:
    silent = (
        f"{found.a.never_fires:.0%} of the features never fire on {found.a.name} "
        f"({found.a.n_tiles:,} tiles), {found.b.never_fires:.0%} on {found.b.name} "
        f"({found.b.n_tiles:,} tiles)."
    )
    if found.a.explained is None or found.b.explained is None:
        return silent
    ends = [estimate_text(v[0], v[1], v[2], lead="") for v in (found.a.explained, found.b.explained)]
    own, known = "", found.held_out_variance
    if found.retrained and known is not None:
        own = f" (on the tiles of {found.a.name} that its training held out: {float(known):.2f})"
    return f"The explained variance is {ends[0]} on {found.a.name}{own} and {ends[1]} on {found.b.name}. {silent}"


def _limits(found: DomainFindings) -> str:
    parts = []
    pairs = found.pairs
    if pairs is None:
        parts.append(
            "Without cells in both cohorts nothing can be said of what the features follow, only of how well the SAE "
            "describes the embeddings."
        )
    else:
        n = int((pairs.verdict == UNDECIDED).sum())
        if n:
            parts.append(
                f"{n} of {pairs.feature.size} pairs are undecided: {found.b.name} has {count_text(found.b.n_clusters, 'unit')} "
                f"({found.b.unit}), too few to show them or to show that they are gone."
            )
        parts.append(
            "Counts come from a detector or a file; where that does worse on one cohort, r falls there without any "
            "change of the features."
        )
    parts.append(
        f"Two cohorts differ in many ways at once: what was lost between {found.a.name} and {found.b.name} has no single cause."
    )
    return " ".join(parts)


def _warnings(found: DomainFindings) -> list[str]:
    notes = []
    if not found.retrained:
        notes.append(
            f"The SAE is the project's own. Where slides of {found.b.name} took part in its training, this is no test out "
            "of domain; let the study train one on the first cohort alone."
        )
    if found.pairs is not None and not found.held_out:
        notes.append(
            f"{found.a.name} is too small to hold half of it out, so its r is that of the tiles that chose the features "
            "and looks better than it is."
        )
    if found.cut_slides:
        notes.append(
            f"{found.a.name} has fewer than 10 patients: its slides were cut in two, one end choosing and the other reporting."
        )
    return notes


def _poor(found: DomainFindings) -> list[str]:
    known = {each.name: each.explained for each in found.cohorts}
    return explained_note({name: float(values[0]) for name, values in known.items() if values is not None})


def numbers(result: StudyResult, _thresholds: Mapping[str, float]) -> list[Number]:
    """What was kept and what was lost, and how well the SAE describes both cohorts."""
    found = DomainFindings.of(result)
    other = found.b.name
    summed = []
    for cohort in found.cohorts:
        summed += [
            Number(f"slides of {cohort.name}", cohort.n_slides),
            Number(f"patients of {cohort.name}", cohort.n_patients),
        ]
    if found.pairs is not None:
        summed.append(Number(f"features above chance on {found.a.name}", found.n_beating_null))
        verdict = found.pairs.verdict
        for which, chosen in (("best features", verdict[found.pairs.best]), ("pairs", verdict)):
            counts = np.bincount(chosen, minlength=len(VERDICTS))
            summed += [
                Number(f"{which} {name} on {other}", int(n)) for name, n in zip(VERDICTS, counts, strict=True)
            ]
        for columns in found.best.values():
            known = np.abs(columns.b[np.isfinite(columns.b)])
            if known.size:
                summed.append(Number(f"median |r| on {other}, {columns.title}", float(np.median(known))))
    for cohort in found.cohorts:
        if cohort.explained is not None:
            summed.append(Number(f"explained variance on {cohort.name}", *cohort.explained.tolist()))
        summed.append(Number(f"share of features that never fire on {cohort.name}", cohort.never_fires))
    return summed
