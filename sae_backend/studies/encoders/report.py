"""Encoders side by side in words, figures and tables."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sae_backend.correlation.representations import RAW, SAE
from sae_backend.statistics.number_text import count_text, value_text
from sae_backend.studies.encoders.figures import figures
from sae_backend.studies.encoders.findings import EncoderFindings
from sae_backend.studies.encoders.tables import tables, verdict
from sae_backend.studies.encoders.triage import ONE_TYPE, SECOND_THRESHOLD, SEVERAL, triaged
from sae_backend.studies.framework.report import Number, Report
from sae_backend.studies.framework.result import StudyResult
from sae_backend.studies.methods.cell_types.best_columns import BASELINE_TITLES
from sae_backend.studies.methods.number_text import interval, listed, missing_baselines


def make_report(result: StudyResult, thresholds: Mapping[str, float]) -> Report:
    """Tell a result of :func:`sae_backend.studies.encoders.run`."""
    found = EncoderFindings.of(result)
    second = float(thresholds.get(SECOND_THRESHOLD.key, SECOND_THRESHOLD.value))
    sentences = (
        _setting(found),
        _cells(found),
        _differences(found),
        _counts(found),
        _alike(found, second),
    )
    return Report(
        found="\n".join(sentence for sentence in sentences if sentence),
        limits=_limits(found),
        warnings=tuple(found.warnings),
        figures=figures(found, second),
        tables=tables(found, second),
        thresholds=(SECOND_THRESHOLD,),
        short=_short(found),
    )


def _short(found: EncoderFindings) -> str:
    """The answer without jargon."""
    if not found.types:
        return "Without cells nothing can be said of what the features follow."
    low, high = found.difference.family_low, found.difference.family_high
    texts = []
    for i, (a, b) in enumerate(found.pairs):
        if not np.isfinite(low[i, 0]):
            continue
        one, other = found.titles[a], found.titles[b]
        ends = f"mean r {value_text(found.cells.features.mean_r[a])} against {value_text(found.cells.features.mean_r[b])}"
        texts.append(
            {
                "first": f"Features of {one} follow cells better than those of {other} ({ends}).",
                "second": f"Features of {other} follow cells better than those of {one} ({ends} the other way).",
                "none": f"Features of {one} and {other} are not shown to differ in how well they follow cells ({ends}).",
            }[verdict(low[i, 0], high[i, 0])]
        )
    return " ".join(texts) or "Whether the encoders differ cannot be judged with the patients there are."


def _setting(found: EncoderFindings) -> str:
    names = [
        title + (" (control, random weights)" if control else "")
        for title, control in zip(found.titles, found.is_control, strict=True)
    ]
    return (
        f"{listed(names)} were compared on {count_text(found.n_tiles[0], 'tile')} of {count_text(found.n_slides, 'slide')} of "
        f"{count_text(found.n_patients, 'patient')}."
    )


def _cells(found: EncoderFindings) -> str:
    if not found.types:
        return "No slide has cells, so nothing is said of what the features follow."
    how = (
        f"It was chosen on one half of the patients and is reported on the other ({count_text(found.n_reporting_patients, 'patient')})."
        if found.held_out
        else "It was chosen and reported on the same tiles."
    )
    texts = [
        f"Cells: each of {count_text(len(found.types), 'cell type')} has a best feature in each encoder. {how}"
    ]
    for k, title in enumerate(found.titles):
        others = [
            f"{words} {value_text(found.cells.best[name].mean_r[k])}"
            for name, words in BASELINE_TITLES.items()
            if found.cells.best[name].is_known(k)
        ]
        beside = f" Chosen alike: {', '.join(others)}." if others else ""
        texts.append(f"{title}: mean r {value_text(found.cells.features.mean_r[k])}.{beside}")
    return " ".join(texts)


def _differences(found: EncoderFindings) -> str:
    if not found.types:
        return ""
    difference = found.difference
    low, high, value = difference.family_low, difference.family_high, difference.value
    if not np.isfinite(low).any():
        why = found.difference.reason or "some set has no value"
        return f"Whether the encoders differ cannot be judged: {why}."
    texts = ["Differences:"]
    for i, (a, b) in enumerate(found.pairs):
        one, other = found.titles[a], found.titles[b]
        if not np.isfinite(low[i, 0]):
            texts.append(f"{one} and {other} cannot be compared, as one of them has no value.")
            continue
        ends = f"{value[i, 0]:+.2f}, interval {interval(low[i, 0], high[i, 0])}"
        said = {
            "first": f"The features of {one} follow cells better than those of {other} on average ({ends}).",
            "second": f"The features of {other} follow cells better than those of {one} on average ({ends} for {one} less {other}).",
            "none": f"Between {one} and {other} no difference of the mean r can be claimed ({ends}).",
        }[verdict(low[i, 0], high[i, 0])]
        moved = [
            f"{name} ({value[i, c + 1]:+.2f})"
            for c, name in enumerate(found.types)
            if low[i, c + 1] > 0 or high[i, c + 1] < 0
        ]
        single = (
            f"Types that differ by themselves: {listed(moved)}."
            if moved
            else "No single type differs significantly."
        )
        texts.append(f"{said} {single}")
    texts.append(
        "The intervals hold for all pairs and types at once (95 %, drawn over the patients that both encoders saw)."
    )
    return " ".join(texts)


def _counts(found: EncoderFindings) -> str:
    if not found.types:
        return ""
    if not found.is_judged:
        return "There are too few patients to say which features beat chance."
    texts = [
        "Beyond chance: how many features follow some cell type more closely than exchanged patients allow (family-wise p "
        "at most 0.05)?"
    ]
    for k, title in enumerate(found.titles):
        features, dimensions = found.cells.beyond[SAE], found.cells.beyond[RAW]
        n, total = int(features.n_beating[k]), int(features.n[k])
        raw, raw_total = int(dimensions.n_beating[k]), int(dimensions.n[k])
        texts.append(f"{title}: {n:,} of {total:,} features, {raw:,} of {raw_total:,} raw dimensions.")
    rows = [
        f"{title}: median {row.median_features:.2f} nats of features, {row.median_dimensions:.2f} of raw dimensions (effect "
        f"{row.effect:+.2f})."
        for title, row in zip(found.titles, found.cells.entropies, strict=True)
        if np.isfinite(row.effect)
    ]
    if rows:
        most = np.log(max(len(found.types), 1))
        texts.append(
            f"Selectivity of those: the entropy over types is 0 for one type alone and {most:.2f} nats for all alike. "
            f"{' '.join(rows)} An effect above 0 means that features are the more selective ones (rank-biserial, -1 to 1)."
        )
    return " ".join(texts)


def _alike(found: EncoderFindings, second: float) -> str:
    texts = [text for k in range(len(found.titles)) if (text := _alike_of(found, k, second))]
    if not texts:
        return "How alike the tiles of a feature are cannot be said without labels: no other encoder's embeddings are there."
    return "\n".join(
        [
            "Without labels: do the tiles in which a feature fires look alike? Another encoder looks at them and gives a "
            "mean cosine; 1 is the same picture again and again.",
            *texts,
        ]
    )


def _alike_of(found: EncoderFindings, k: int, second: float) -> str:
    """Label-free scores of one set, and how they go with what labels say; empty without a score."""
    score, title = found.sets[k].score, found.titles[k]
    if not np.isfinite(score).any():
        return ""
    row = found.alike[k]
    of_dimensions = (
        f", raw dimensions {row.median_dimensions:.2f} (effect {row.effect:+.2f})"
        if np.isfinite(row.effect)
        else ""
    )
    text = (
        f"{title}, seen by {found.judges[k]}: {count_text(int(np.isfinite(score).sum()), 'feature')} have a median of "
        f"{np.nanmedian(score):.2f}{of_dimensions}; any two tiles have {found.alike_pairs[k, 0]:.2f}."
    )
    limit = found.sets[k].limit_of_chance
    if np.isfinite(limit):
        text += f" By chance 95 % of the features stay below {limit:.2f}."
    beats = found.sets[k].beats
    if not beats.any():
        return text
    judged = triaged(found.sets[k], second)
    text += f" {count_text(int(beats.sum()), 'of its features follows', 'of its features follow')} cells beyond chance."
    for word, what in ((ONE_TYPE, "one cell type"), (SEVERAL, "several cell types")):
        mine = np.array([one == word for one in judged.words]) & beats
        if mine.any():
            n = int((mine & judged.above_chance).sum())
            points = count_text(int(mine.sum()), "points", "point")
            fires = count_text(n, "of these fires", "of these fire") if n else "none of these fires"
            text += f" By labels (AUPRC) {points} to {what}; {fires} in tiles that look more alike than by chance."
    return text


def _limits(found: EncoderFindings) -> str:
    parts = [
        "Each encoder is seen through one SAE, trained once: a difference may be that of the SAEs, and other seeds are not in the "
        "intervals.",
        "Encoders differ in input size, width and number of features, not only in what they were trained on.",
        "The p of entropies and of label-free scores have the feature as their unit: they describe these SAEs on these slides and "
        "say nothing of other patients.",
        "A label-free score is high where the judging encoder finds tiles alike, for whatever reason; the scanner and the stain are "
        "among them, and the score over pairs of different patients says how much is of one patient alone.",
        "AUPRC takes a tile to have a type where it holds more cells of it than the median tile.",
    ]
    parts += missing_baselines(found.cells, found.titles)
    return " ".join([*parts, *found.notes])


def numbers(result: StudyResult, _thresholds: Mapping[str, float]) -> list[Number]:
    """Mean r of every encoder beside its baselines, and the differences between encoders."""
    found = EncoderFindings.of(result)
    summed = [Number("slides", found.n_slides), Number("patients", found.n_patients)]
    if not found.types:
        return summed
    for k, title in enumerate(found.titles):
        for name, words in {SAE: "best features", **BASELINE_TITLES}.items():
            summed.append(Number(f"mean r, {words} of {title}", float(found.cells.best[name].mean_r[k])))
        n_beating = float(found.cells.beyond[SAE].n_beating[k])
        summed.append(Number(f"features above chance, {title}", n_beating))
    difference = found.difference
    for i, (a, b) in enumerate(found.pairs):
        ends = (
            float(values[i, 0])
            for values in (difference.value, difference.family_low, difference.family_high)
        )
        summed.append(Number(f"mean r of {found.titles[a]} less {found.titles[b]}", *ends))
    return summed
