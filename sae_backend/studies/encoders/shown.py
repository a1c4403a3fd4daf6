"""Encoders side by side in words, figures and tables."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sae_backend.studies.cell_types.held_out_shown import (
    BASELINE_TITLES,
    count,
    interval,
    listed,
    mean_of,
    missing_baselines,
    number,
    oriented,
)
from sae_backend.studies.encoders.figures import figures
from sae_backend.studies.encoders.tables import tables, verdict
from sae_backend.studies.encoders.triage import ONE_TYPE, SECOND_KNOB, SEVERAL, limit_of_chance, triaged
from sae_backend.studies.result import StudyResult
from sae_backend.studies.shown import Shown


def show(result: StudyResult, knobs: Mapping[str, float]) -> Shown:
    """Tell a result of :func:`sae_backend.studies.encoders.run`."""
    second = float(knobs.get(SECOND_KNOB.key, SECOND_KNOB.value))
    sentences = (
        _setting(result),
        _cells(result),
        _differences(result),
        _counts(result),
        _alike(result, second),
    )
    return Shown(
        found="\n".join(sentence for sentence in sentences if sentence),
        limits=_limits(result),
        warnings=tuple(result.meta["warnings"]),
        figures=figures(result, second),
        tables=tables(result, second),
        knobs=(SECOND_KNOB,),
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
        f"chosen on one half and reported on the other ({count(meta['n_reporting_patients'], 'patient')})"
        if meta["held_out"]
        else "chosen and reported on the same tiles"
    )
    each = []
    for k, title in enumerate(meta["titles"]):
        others = [
            f"{words} {number(_mean_r(result, name, k))}"
            for name, words in BASELINE_TITLES.items()
            if np.isfinite(result.arrays[f"{name}/value"][k]).any()
        ]
        beside = f" ({', '.join(others)})" if others else ""
        each.append(f"{number(_mean_r(result, 'sae', k))} for {title}{beside}")
    return f"The best feature for each of {count(len(meta['types']), 'cell type')}, {how}, has a mean r of {listed(each)}."


def _differences(result: StudyResult) -> str:
    arrays, meta = result.arrays, result.meta
    if not meta["types"]:
        return ""
    low, high, value = (arrays[f"difference/{key}"] for key in ("family_low", "family_high", "value"))
    if not np.isfinite(low).any():
        why = str(arrays["difference/reason"]) or "some set has no value"
        return f"Whether the encoders differ cannot be judged: {why}."
    texts = []
    for i, (a, b) in enumerate(meta["pairs"]):
        one, other = meta["titles"][a], meta["titles"][b]
        if not np.isfinite(low[i, 0]):
            texts.append(f"{one} and {other} cannot be compared, as one of them has no value.")
            continue
        ends = f"{value[i, 0]:+.2f}, interval {interval(low[i, 0], high[i, 0])}"
        said = {
            "first": f"The features of {one} follow cells better than those of {other} on average ({ends})",
            "second": f"The features of {other} follow cells better than those of {one} on average ({ends} for {one} less {other})",
            "none": f"Between {one} and {other} no difference of the mean r can be claimed ({ends})",
        }[verdict(low[i, 0], high[i, 0])]
        moved = [
            f"{name} ({value[i, c + 1]:+.2f})"
            for c, name in enumerate(meta["types"])
            if low[i, c + 1] > 0 or high[i, c + 1] < 0
        ]
        texts.append(f"{said}; of single types, {listed(moved) if moved else 'none'} can be told apart.")
    return (
        " ".join(texts)
        + " These intervals hold for all pairs and types at once with 95 %, over patients that both saw."
    )


def _counts(result: StudyResult) -> str:
    arrays, meta = result.arrays, result.meta
    if not meta["types"]:
        return ""
    if not all(report.get("judged") for report in meta["reports"]):
        return "There are too few patients to say which features beat chance."
    each = [
        f"{n:,} of {total:,} for {title} (of its dimensions {raw:,} of {raw_total:,})"
        for n, total, raw, raw_total, title in zip(
            arrays["sae/n_beating"],
            arrays["sae/n"],
            arrays["raw/n_beating"],
            arrays["raw/n"],
            meta["titles"],
            strict=True,
        )
    ]
    text = f"Features that beat chance for some type (family-wise p at most 0.05, whole patients exchanged): {listed(each)}."
    rows = [
        f"{title} {row[2]:.2f} nats against {row[3]:.2f} of its dimensions (effect {row[4]:+.2f})"
        for title, row in zip(meta["titles"], arrays["entropy_contrast"], strict=True)
        if np.isfinite(row[4])
    ]
    if rows:
        text += f" Median entropy over types of those: {listed(rows)}; the effect is rank-biserial, above 0 where features are the more selective."
    return text


def _alike(result: StudyResult, second: float) -> str:
    arrays, meta = result.arrays, result.meta
    texts = []
    for k, title in enumerate(meta["titles"]):
        score = arrays[f"set{k}/alike/score"]
        if not np.isfinite(score).any():
            continue
        row = arrays["alike_contrast"][k]
        of_dimensions = (
            f" against {row[3]:.2f} of its dimensions (effect {row[4]:+.2f})" if np.isfinite(row[4]) else ""
        )
        judged = triaged(result, k, second)
        beats = arrays[f"set{k}/beats"]
        several = np.array([word == SEVERAL for word in judged.words]) & beats
        one = np.array([word == ONE_TYPE for word in judged.words]) & beats
        texts.append(
            f"{title}: median {np.nanmedian(score):.2f}{of_dimensions}, all pairs of tiles {arrays['alike/pairs'][k, 0]:.2f}, chance at "
            f"most {limit_of_chance(result, k):.2f} for 95 % of the features"
            + (
                f"; of the {int(several.sum())} features above chance whose AUPRC points to several types, "
                f"{int((several & judged.above_chance).sum())} fire in tiles that look more alike than by chance, and "
                f"{int((one & judged.above_chance).sum())} of the {int(one.sum())} that point to one type"
                if beats.any()
                else ""
            )
        )
    if not texts:
        return "How alike the tiles of a feature are cannot be said without labels: no other encoder's embeddings are there."
    judges = sorted({judge for judge in meta["judges"] if judge})
    return f"How alike tiles are in which a feature fires (mean cosine in the eyes of {listed(judges)}, without labels): {'; '.join(texts)}."


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
