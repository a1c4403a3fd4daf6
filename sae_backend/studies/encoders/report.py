"""Encoders side by side in words, figures and tables."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sae_backend.studies.encoders.figures import figures
from sae_backend.studies.encoders.tables import tables, verdict
from sae_backend.studies.encoders.triage import ONE_TYPE, SECOND_THRESHOLD, SEVERAL, limit_of_chance, triaged
from sae_backend.studies.framework.report import Number, Report
from sae_backend.studies.framework.result import StudyResult
from sae_backend.studies.methods.number_text import (
    BASELINE_TITLES,
    count,
    interval,
    listed,
    mean_of,
    missing_baselines,
    number,
    oriented,
)


def make_report(result: StudyResult, thresholds: Mapping[str, float]) -> Report:
    """Tell a result of :func:`sae_backend.studies.encoders.run`."""
    second = float(thresholds.get(SECOND_THRESHOLD.key, SECOND_THRESHOLD.value))
    sentences = (
        _setting(result),
        _cells(result),
        _differences(result),
        _counts(result),
        _alike(result, second),
    )
    return Report(
        found="\n".join(sentence for sentence in sentences if sentence),
        limits=_limits(result),
        warnings=tuple(result.meta["warnings"]),
        figures=figures(result, second),
        tables=tables(result, second),
        thresholds=(SECOND_THRESHOLD,),
        short=_short(result),
    )


def _short(result: StudyResult) -> str:
    """The answer without jargon."""
    arrays, meta = result.arrays, result.meta
    if not meta["types"]:
        return "Without cells nothing can be said of what the features follow."
    low, high = arrays["difference/family_low"], arrays["difference/family_high"]
    texts = []
    for i, (a, b) in enumerate(meta["pairs"]):
        if not np.isfinite(low[i, 0]):
            continue
        one, other = meta["titles"][a], meta["titles"][b]
        ends = f"mean r {number(_mean_r(result, 'sae', a))} against {number(_mean_r(result, 'sae', b))}"
        texts.append(
            {
                "first": f"Features of {one} follow cells better than those of {other} ({ends}).",
                "second": f"Features of {other} follow cells better than those of {one} ({ends} the other way).",
                "none": f"Features of {one} and {other} are not shown to differ in how well they follow cells ({ends}).",
            }[verdict(low[i, 0], high[i, 0])]
        )
    return " ".join(texts) or "Whether the encoders differ cannot be judged with the patients there are."


def _setting(result: StudyResult) -> str:
    meta = result.meta
    names = [
        title + (" (control, random weights)" if control else "")
        for title, control in zip(meta["titles"], meta["is_control"], strict=True)
    ]
    return (
        f"{listed(names)} were compared on {count(meta['n_tiles'][0], 'tile')} of {count(meta['n_slides'], 'slide')} of "
        f"{count(meta['n_patients'], 'patient')}."
    )


def _mean_r(result: StudyResult, name: str, k: int) -> float:
    return mean_of(oriented(result.arrays[f"{name}/value"][k], result.arrays[f"{name}/choose"][k]))


def _cells(result: StudyResult) -> str:
    meta = result.meta
    if not meta["types"]:
        return "No slide has cells, so nothing is said of what the features follow."
    how = (
        f"It was chosen on one half of the patients and is reported on the other ({count(meta['n_reporting_patients'], 'patient')})."
        if meta["held_out"]
        else "It was chosen and reported on the same tiles."
    )
    texts = [
        f"Cells: each of {count(len(meta['types']), 'cell type')} has a best feature in each encoder. {how}"
    ]
    for k, title in enumerate(meta["titles"]):
        others = [
            f"{words} {number(_mean_r(result, name, k))}"
            for name, words in BASELINE_TITLES.items()
            if np.isfinite(result.arrays[f"{name}/value"][k]).any()
        ]
        beside = f" Chosen alike: {', '.join(others)}." if others else ""
        texts.append(f"{title}: mean r {number(_mean_r(result, 'sae', k))}.{beside}")
    return " ".join(texts)


def _differences(result: StudyResult) -> str:
    arrays, meta = result.arrays, result.meta
    if not meta["types"]:
        return ""
    low, high, value = (arrays[f"difference/{key}"] for key in ("family_low", "family_high", "value"))
    if not np.isfinite(low).any():
        why = str(arrays["difference/reason"]) or "some set has no value"
        return f"Whether the encoders differ cannot be judged: {why}."
    texts = ["Differences:"]
    for i, (a, b) in enumerate(meta["pairs"]):
        one, other = meta["titles"][a], meta["titles"][b]
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
            for c, name in enumerate(meta["types"])
            if low[i, c + 1] > 0 or high[i, c + 1] < 0
        ]
        single = (
            f"Types that differ by themselves: {listed(moved)}."
            if moved
            else "No single type can be told apart."
        )
        texts.append(f"{said} {single}")
    texts.append(
        "The intervals hold for all pairs and types at once (95 %, drawn over the patients that both encoders saw)."
    )
    return " ".join(texts)


def _counts(result: StudyResult) -> str:
    arrays, meta = result.arrays, result.meta
    if not meta["types"]:
        return ""
    if not all(report.get("judged") for report in meta["reports"]):
        return "There are too few patients to say which features beat chance."
    texts = [
        "Beyond chance: how many features follow some cell type more closely than exchanged patients allow (family-wise p "
        "at most 0.05)?"
    ]
    for k, title in enumerate(meta["titles"]):
        n, total, raw, raw_total = (
            int(arrays[key][k]) for key in ("sae/n_beating", "sae/n", "raw/n_beating", "raw/n")
        )
        texts.append(f"{title}: {n:,} of {total:,} features, {raw:,} of {raw_total:,} raw dimensions.")
    rows = [
        f"{title}: median {row[2]:.2f} nats of features, {row[3]:.2f} of raw dimensions (effect {row[4]:+.2f})."
        for title, row in zip(meta["titles"], arrays["entropy_contrast"], strict=True)
        if np.isfinite(row[4])
    ]
    if rows:
        most = np.log(max(len(meta["types"]), 1))
        texts.append(
            f"Selectivity of those: the entropy over types is 0 for one type alone and {most:.2f} nats for all alike. "
            f"{' '.join(rows)} An effect above 0 means that features are the more selective ones (rank-biserial, -1 to 1)."
        )
    return " ".join(texts)


def _alike(result: StudyResult, second: float) -> str:
    meta = result.meta
    texts = [text for k in range(len(meta["titles"])) if (text := _alike_of(result, k, second))]
    if not texts:
        return "How alike the tiles of a feature are cannot be said without labels: no other encoder's embeddings are there."
    return "\n".join(
        [
            "Without labels: do the tiles in which a feature fires look alike? Another encoder looks at them and gives a "
            "mean cosine; 1 is the same picture again and again.",
            *texts,
        ]
    )


def _alike_of(result: StudyResult, k: int, second: float) -> str:
    """Label-free scores of one set, and how they go with what labels say; empty without a score."""
    arrays, meta = result.arrays, result.meta
    score, title = arrays[f"set{k}/alike/score"], meta["titles"][k]
    if not np.isfinite(score).any():
        return ""
    row = arrays["alike_contrast"][k]
    of_dimensions = f", raw dimensions {row[3]:.2f} (effect {row[4]:+.2f})" if np.isfinite(row[4]) else ""
    text = (
        f"{title}, seen by {meta['judges'][k]}: {count(int(np.isfinite(score).sum()), 'feature')} have a median of "
        f"{np.nanmedian(score):.2f}{of_dimensions}; any two tiles have {arrays['alike/pairs'][k, 0]:.2f}."
    )
    limit = limit_of_chance(result, k)
    if np.isfinite(limit):
        text += f" By chance 95 % of the features stay below {limit:.2f}."
    beats = arrays[f"set{k}/beats"]
    if not beats.any():
        return text
    judged = triaged(result, k, second)
    text += f" {count(int(beats.sum()), 'of its features follows', 'of its features follow')} cells beyond chance."
    for word, what in ((ONE_TYPE, "one cell type"), (SEVERAL, "several cell types")):
        mine = np.array([one == word for one in judged.words]) & beats
        if mine.any():
            n = int((mine & judged.above_chance).sum())
            points = count(int(mine.sum()), "points", "point")
            fires = count(n, "of these fires", "of these fire") if n else "none of these fires"
            text += f" By labels (AUPRC) {points} to {what}; {fires} in tiles that look more alike than by chance."
    return text


def _limits(result: StudyResult) -> str:
    meta = result.meta
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
    parts += missing_baselines(result.arrays, meta["titles"])
    notes = [str(note) for report in meta["reports"] for note in report.get("notes", [])]
    return " ".join([*parts, *dict.fromkeys(notes)])


def numbers(result: StudyResult, _thresholds: Mapping[str, float]) -> list[Number]:
    """Mean r of every encoder beside its baselines, and the differences between encoders."""
    arrays, meta = result.arrays, result.meta
    found = [Number("slides", meta["n_slides"]), Number("patients", meta["n_patients"])]
    if not meta["types"]:
        return found
    for k, title in enumerate(meta["titles"]):
        for name, words in {"sae": "best features", **BASELINE_TITLES}.items():
            r = mean_of(oriented(arrays[f"{name}/value"][k], arrays[f"{name}/choose"][k]))
            found.append(Number(f"mean r, {words} of {title}", r))
        found.append(Number(f"features above chance, {title}", float(arrays["sae/n_beating"][k])))
    for i, (a, b) in enumerate(meta["pairs"]):
        ends = (float(arrays[f"difference/{key}"][i, 0]) for key in ("value", "family_low", "family_high"))
        found.append(Number(f"mean r of {meta['titles'][a]} less {meta['titles'][b]}", *ends))
    return found
