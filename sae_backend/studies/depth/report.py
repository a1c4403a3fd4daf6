"""Depth in words, figures and tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from sae_backend.studies.depth.figures import figures
from sae_backend.studies.depth.label_free_report import label_free_words
from sae_backend.studies.depth.tables import tables
from sae_backend.studies.framework.report import Number, Report
from sae_backend.studies.framework.result import StudyResult
from sae_backend.studies.framework.warnings import explained_note
from sae_backend.studies.methods.labels.predictability import MIN_GROUPS, interval_limits
from sae_backend.studies.methods.number_text import (
    BASELINE_TITLES,
    count,
    interval,
    listed,
    mean_of,
    missing_baselines,
    number,
    oriented,
    row_means,
    with_interval,
)


def make_report(result: StudyResult, thresholds: Mapping[str, float]) -> Report:  # noqa: ARG001
    """Tell a result of :func:`sae_backend.studies.depth.run`; there is no threshold to move."""
    meta = result.meta
    return Report(
        found="\n".join(
            sentence
            for sentence in (
                _setting(result),
                _cells(result),
                _counts(result),
                label_free_words(result),
                _scanner(result),
                _followed(result),
            )
            if sentence
        ),
        limits=_limits(result),
        warnings=(*meta["warnings"], *_poor(result)),
        figures=figures(result),
        tables=tables(result),
        short=_short(result),
    )


def _poor(result: StudyResult) -> list[str]:
    explained = result.arrays["quality"][:, result.meta["quality_fields"].index("explained_variance")]
    return explained_note(dict(zip(result.meta["titles"], explained.tolist(), strict=True)))


def _short(result: StudyResult) -> str:
    """The answer without jargon."""
    arrays, meta = result.arrays, result.meta
    parts = []
    if meta["types"]:
        means = row_means(oriented(arrays["sae/value"], arrays["sae/choose"]))
        said = trend(arrays["slope/family_low"][0], arrays["slope/family_high"][0])
        words = {
            "rises with depth": "Deeper blocks follow cells better",
            "falls with depth": "Deeper blocks follow cells less well",
            "shows no change with depth": "Deeper blocks are not shown to follow cells better or worse",
        }
        if said:
            parts.append(
                f"{words[said]} (mean r {number(means[0])} in the first, {number(means[-1])} in the last)."
            )
    for name, about in meta["read"].items():
        if about["reason"] or not np.isfinite(arrays[name][[0, -1], 0, 0]).all():
            continue
        first, last = (float(arrays[name][k, 0, 0]) for k in (0, -1))
        parts.append(
            f"Of two tiles the one of a given {about['fact']} is picked in {first:.0%} from the first block and in {last:.0%} from "
            "the last (by chance 50%)."
        )
    return " ".join(parts)


def trend(low: float, high: float) -> str:
    """What an interval of a slope says; empty where there is none."""
    if not (np.isfinite(low) and np.isfinite(high)):
        return ""
    return "rises with depth" if low > 0 else "falls with depth" if high < 0 else "shows no change with depth"


def _setting(result: StudyResult) -> str:
    meta = result.meta
    of = f" of {meta['encoder']}" if meta["encoder"] else ""
    return (
        f"{count(len(meta['blocks']), 'block')}{of} (from {meta['titles'][0]} to {meta['titles'][-1]}) were looked at on "
        f"{count(meta['n_tiles'], 'tile')} of {count(meta['n_slides'], 'slide')} of {count(meta['n_patients'], 'patient')}."
    )


def _cells(result: StudyResult) -> str:
    arrays, meta = result.arrays, result.meta
    if not meta["types"]:
        return "No slide has cells, so nothing is said of what the features follow."
    means = row_means(oriented(arrays["sae/value"], arrays["sae/choose"]))
    others = [
        f"{title} {number(mean_of(oriented(arrays[f'{name}/value'][-1], arrays[f'{name}/choose'][-1])))}"
        for name, title in BASELINE_TITLES.items()
        if np.isfinite(arrays[f"{name}/value"][-1]).any()
    ]
    how = (
        f"chosen on one half and reported on the other ({count(meta['n_reporting_patients'], 'patient')})"
        if meta["held_out"]
        else "chosen and reported on the same tiles"
    )
    first = (
        f"The best feature for each of {count(len(meta['types']), 'cell type')}, {how}, has a mean r of {number(means[0])} "
        f"in the first block and {number(means[-1])} in the last"
        + (f" (there, of {listed(others)})." if others else ".")
    )
    low, high = arrays["slope/family_low"], arrays["slope/family_high"]
    said = trend(low[0], high[0])
    if not said:
        return f"{first} Whether that is a change with depth cannot be judged: {_slope_reason(result)}."
    change = f"{arrays['slope/value'][0]:+.3f} a block, interval {interval(low[0], high[0], 3)}"
    moved = [
        f"{name} ({'up' if low[c + 1] > 0 else 'down'})"
        for c, name in enumerate(meta["types"])
        if low[c + 1] > 0 or high[c + 1] < 0
    ]
    return (
        f"{first} The mean r {said} ({change}). Types with a change of their own: {listed(moved) or 'none'}."
    )


def _slope_reason(result: StudyResult) -> str:
    return str(result.arrays["slope/reason"]) or "some block has no value"


def _counts(result: StudyResult) -> str:
    arrays, meta = result.arrays, result.meta
    if not meta["types"]:
        return ""
    if not meta["reports"].get("judged"):
        return "There are too few patients to say which features beat chance."
    sae, raw = arrays["sae/n_beating"], arrays["raw/n_beating"]
    text = (
        f"{sae[0]:,} of {arrays['sae/n'][0]:,} features beat chance for some type in the first block (family-wise p at most "
        f"0.05, whole patients exchanged) and {sae[-1]:,} of {arrays['sae/n'][-1]:,} in the last; of the raw dimensions "
        f"{raw[0]:,} of {arrays['raw/n'][0]:,} and {raw[-1]:,} of {arrays['raw/n'][-1]:,}."
    )
    n, m, features, dimensions, effect, _ = arrays["entropy_contrast"][-1]
    if np.isfinite(effect):
        text += (
            f" Those of the last block spread over types with a median entropy of {features:.2f} nats (n = {int(n)}), such "
            f"dimensions with {dimensions:.2f} (n = {int(m)}; rank-biserial effect {effect:+.2f}, above 0 where features "
            "are the more selective)."
        )
    return text


def _scanner(result: StudyResult) -> str:
    arrays, meta = result.arrays, result.meta
    fact = meta["fact"]
    text = " ".join(
        filter(None, (*(read_words(result, name) for name in meta["read"]), what_was_read(result)))
    )
    if (
        str(arrays["variance/reason"]) == "the embeddings of some slides are missing"
        or meta["variance_reason"]
    ):
        why = meta["variance_reason"] or str(arrays["variance/reason"])
        return f"{text} How much of the variance the {fact} takes cannot be said: {why}."
    share, low, high = arrays["variance/share"], arrays["variance/slope_low"], arrays["variance/slope_high"]
    said = trend(low[0], high[0])
    text += (
        f" Of the variance of the vectors the {fact} takes {share[0, 0]:.0%} in the first block and {share[-1, 0]:.0%} in the "
        f"last, the features within slides {share[0, 1]:.0%} and {share[-1, 1]:.0%}."
        if np.isfinite(share[[0, -1], :2]).all()
        else f" The {fact} takes {number(100 * share[0, 0], 0)} % of the variance first and {number(100 * share[-1, 0], 0)} % last."
    )
    if said:
        text += f" The share of the {fact} {said} ({_slope(result, 0)})"
        text += f"; that of the features {trend(low[1], high[1]) or 'is not judged'}."
    return f"{text.strip()} {_crossing(result)}".strip()


def _slope(result: StudyResult, place: int) -> str:
    arrays = result.arrays
    value, low, high = (
        100 * arrays[f"variance/{key}"][place] for key in ("slope", "slope_low", "slope_high")
    )
    return f"{value:+.1f} points a block, interval {low:.1f} to {high:.1f}, leaving out one patient at a time"


def _crossing(result: StudyResult) -> str:
    titles, fact, arrays = result.meta["titles"], result.meta["fact"], result.arrays
    if not np.isfinite(arrays["variance/gap"]).all():
        return ""
    place, first, last = (int(k) for k in arrays["variance/crossing"])
    if place < 0:
        return f"In no block do the features take as much of it as the {fact}."
    if place == 0:
        return f"The features take at least as much of it as the {fact} in the first block already."
    ends = ""
    if str(arrays["variance/reason"]) == "":
        latest = titles[last] if last >= 0 else "none of these"
        ends = f" (95 % interval: {titles[max(first, 0)]} to {latest})"
    return f"The features first take at least as much of it as the {fact} in {titles[place]}{ends}; the block before was {titles[place - 1]}."


def _followed(result: StudyResult) -> str:
    followed, arrays = result.meta["followed"], result.arrays
    if followed is None:
        return ""
    r, chance, p = arrays["follow/r"][:-1], arrays["follow/chance"][:-1], arrays["follow/p"][:-1]
    titles = result.meta["titles"]
    found = [title for title, one in zip(titles, p, strict=False) if np.isfinite(one) and one <= 0.05]
    start = f"Feature {followed['feature']} of {titles[followed['set']]}, followed by its activations on held-out tiles, "
    if not np.isfinite(p).any():
        return start + "could be matched, but not judged against chance."
    if not found:
        return start + "has no match above chance in any other block, each block by itself."
    return (
        start
        + (
            f"has a match above chance in {listed(found)}, each block by itself (r from {number(float(np.nanmin(r)))} to {number(float(np.nanmax(r)))}; "
            f"the best of all features by chance at most {number(float(np.nanmax(chance)))}). {_against_random(result)}"
        ).strip()
    )


def _against_random(result: StudyResult) -> str:
    """Whether the match takes training; empty where no random dictionary was drawn."""
    arrays, titles = result.arrays, result.meta["titles"]
    random, p = arrays["follow/random"][:-1], arrays["follow/random_p"][:-1]
    known = np.isfinite(random) & np.isfinite(p)
    if not known.any():
        return ""
    n = result.meta["settings"]["n_random"]
    closer = [
        title for title, one, is_known in zip(titles, p, known, strict=False) if is_known and one <= 0.05
    ]
    ends = [number(float(end)) for end in (random[known].min(), random[known].max())]
    text = f"The best of as many random directions on the same vectors reaches r {ends[0]} to {ends[1]} (means of {n} draws a block)"
    if not closer:
        return f"{text}: in no block is the match clearly closer, so that finding it there takes no training."
    return f"{text}; the match is closer than at least 95 % of the draws in {listed(closer)}, each block by itself."


def _limits(result: StudyResult) -> str:
    meta = result.meta
    parts = [
        "Each block has an SAE of its own, trained once: intervals are over patients, and what another seed would give is "
        "not in them; run the study with another seed before a small change is believed.",
        "Variance within slides that the features explain is not biology by itself; it may hold focus, folds or staining "
        "that differ within a slide.",
        f"Where {meta['fact']} and patients of another kind go together, its share holds both.",
        "A p of entropies has the feature as its unit and says nothing of other patients.",
        "No change with depth means that the interval of the slope holds 0; it does not show that there is none.",
        *missing_baselines(result.arrays, meta["titles"]),
    ]
    read = [about for about in meta["read"].values() if not about["reason"]]
    if read:
        parts.append(interval_limits(read[0].get("draws_over", "")))
    if meta["reports"].get("notes"):
        parts += [str(note) for note in meta["reports"]["notes"]]
    if not meta["held_out"]:
        parts.append("The tiles that chose the best features also report on them.")
    return " ".join(parts)


_ENDS = {"first": 0, "last": -1}


def numbers(result: StudyResult, _thresholds: Mapping[str, float]) -> list[Number]:
    """First and last block, and the change between them; there is no threshold to move."""
    arrays, meta = result.arrays, result.meta
    found = [
        Number("slides", meta["n_slides"]),
        Number("patients", meta["n_patients"]),
        Number("tiles", meta["n_tiles"]),
    ]
    if meta["types"]:
        for end, k in _ENDS.items():
            for name, words in (("sae", "best features"), ("raw", "best raw dimensions")):
                r = mean_of(oriented(arrays[f"{name}/value"][k], arrays[f"{name}/choose"][k]))
                found.append(Number(f"mean r of the {words}, {end} block", r))
            found.append(Number(f"features above chance, {end} block", float(arrays["sae/n_beating"][k])))
        ends = (float(arrays[f"slope/{key}"][0]) for key in ("value", "family_low", "family_high"))
        found.append(Number("change of the mean r a block", *ends))
    for name, about in meta["read"].items():
        if not about["reason"]:
            for end, k in _ENDS.items():
                scores = (float(value) for value in arrays[name][k, 0, :3])
                found.append(Number(f"AUROC of the {about['fact']}, {end} block", *scores))
    if "variance/share" in arrays:
        for end, k in _ENDS.items():
            shares = (float(arrays[f"variance/{key}"][k, 0]) for key in ("share", "share_low", "share_high"))
            found.append(Number(f"share of the variance of the {meta['fact']}, {end} block", *shares))
    return found


def read_words(result: StudyResult, name: str) -> str:
    """How well one column of the slide table is read, in the first block and in the last."""
    about, values = result.meta["read"][name], result.arrays[name]
    fact = about["fact"]
    if about["reason"]:
        return f"The {fact} was not read from the tiles: {about['reason']}."
    if not np.isfinite(values[[0, -1], 0, 0]).all():
        return ""
    first, last = values[0, 0], values[-1, 0]
    return (
        f"From the features the {fact} of other patients is read with an AUROC of {with_interval(*first[:3])} in the first "
        f"block and {with_interval(*last[:3])} in the last, where exchanged labels give {interval(last[3], last[4])}"
        f"{_left_out(about)}."
    )


def _left_out(about: Mapping[str, Any]) -> str:
    """Labels that took no part; runs of earlier versions left none out."""
    names = about.get("left_out", [])
    if not names:
        return ""
    each = "it" if len(names) == 1 else "each"
    return (
        f" ({about['n_patients']} patients with {listed(about['classes'])}; {listed(names)} left out, as fewer than {MIN_GROUPS} "
        f"patients have {each})"
    )


def what_was_read(result: StudyResult) -> str:
    """From which SAE, patients and tiles; and why another study may give another number. Empty where nothing was read."""
    read = [about for about in result.meta["read"].values() if not about["reason"]]
    if not read:
        return ""
    one = max(read, key=lambda about: int(about["n_patients"]))
    patients = count(one["n_patients"], "patient")
    whose = (
        f"the {patients} whose {one['fact']} is not left out" if one.get("left_out") else f"all {patients}"
    )
    return (
        f"This was read from the SAE that was trained for each block here, on {count(one['n_tiles'], 'tile')} of {whose} "
        f"in {count(one['n_folds'], 'fold')}; Scanner and stain reads the project's own SAE, on "
        "the patients that report alone, which leaves fewer to learn from, so that its AUROC may differ."
    )
