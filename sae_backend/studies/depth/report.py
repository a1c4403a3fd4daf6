"""Depth in words, figures and tables."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sae_backend.correlation.representations import RAW, SAE
from sae_backend.statistics.number_text import count_text, estimate_text, value_text
from sae_backend.studies.depth.figures import figures
from sae_backend.studies.depth.findings import BlockReading, DepthFindings, FollowedFeature
from sae_backend.studies.depth.label_free_report import label_free_words
from sae_backend.studies.depth.quality import EXPLAINED
from sae_backend.studies.depth.tables import tables
from sae_backend.studies.depth.trend import Crossing, VarianceCurves
from sae_backend.studies.framework.report import Number, Report
from sae_backend.studies.framework.result import StudyResult
from sae_backend.studies.framework.warnings import explained_note
from sae_backend.studies.methods.cell_types.best_columns import BASELINE_TITLES
from sae_backend.studies.methods.labels.predictability import MIN_GROUPS, interval_limits
from sae_backend.studies.methods.number_text import interval, listed, missing_baselines


def make_report(result: StudyResult, thresholds: Mapping[str, float]) -> Report:  # noqa: ARG001
    """Tell a result of :func:`sae_backend.studies.depth.run`; there is no threshold to move."""
    found = DepthFindings.of(result)
    return Report(
        found="\n".join(
            sentence
            for sentence in (
                _setting(found),
                _cells(found),
                _counts(found),
                label_free_words(found),
                _scanner(found),
                _followed(found),
            )
            if sentence
        ),
        limits=_limits(found),
        warnings=(*found.warnings, *_poor(found)),
        figures=figures(found),
        tables=tables(found),
        short=_short(found),
    )


def _poor(found: DepthFindings) -> list[str]:
    explained = found.quality[EXPLAINED].tolist()
    return explained_note(dict(zip(found.titles, explained, strict=True)))


def _short(found: DepthFindings) -> str:
    """The answer without jargon."""
    parts = []
    if found.types:
        means = found.cells.features.mean_r
        said = trend(found.slope.family_low[0], found.slope.family_high[0])
        words = {
            "rises with depth": "Deeper blocks follow cells better",
            "falls with depth": "Deeper blocks follow cells less well",
            "shows no change with depth": "Deeper blocks are not shown to follow cells better or worse",
        }
        if said:
            parts.append(
                f"{words[said]} (mean r {value_text(means[0])} in the first, {value_text(means[-1])} in the last)."
            )
    for about in found.readings.values():
        if about.reason or not about.features.has_ends:
            continue
        first, last = (float(about.features.auroc[k]) for k in (0, -1))
        parts.append(
            f"Of two tiles the one of a given {about.fact} is picked in {first:.0%} from the first block and in {last:.0%} from "
            "the last (by chance 50%)."
        )
    return " ".join(parts)


def trend(low: float, high: float) -> str:
    """What an interval of a slope says; empty where there is none."""
    if not (np.isfinite(low) and np.isfinite(high)):
        return ""
    return "rises with depth" if low > 0 else "falls with depth" if high < 0 else "shows no change with depth"


def _setting(found: DepthFindings) -> str:
    of = f" of {found.encoder}" if found.encoder else ""
    return (
        f"{count_text(len(found.blocks), 'block')}{of} (from {found.titles[0]} to {found.titles[-1]}) were looked at on "
        f"{count_text(found.n_tiles, 'tile')} of {count_text(found.n_slides, 'slide')} of {count_text(found.n_patients, 'patient')}."
    )


def _cells(found: DepthFindings) -> str:
    if not found.types:
        return "No slide has cells, so nothing is said of what the features follow."
    means = found.cells.features.mean_r
    others = [
        f"{title} {value_text(found.cells.best[name].mean_r[-1])}"
        for name, title in BASELINE_TITLES.items()
        if found.cells.best[name].is_known(-1)
    ]
    how = (
        f"chosen on one half and reported on the other ({count_text(found.n_reporting_patients, 'patient')})"
        if found.held_out
        else "chosen and reported on the same tiles"
    )
    first = (
        f"The best feature for each of {count_text(len(found.types), 'cell type')}, {how}, has a mean r of {value_text(means[0])} "
        f"in the first block and {value_text(means[-1])} in the last"
        + (f" (there, of {listed(others)})." if others else ".")
    )
    low, high = found.slope.family_low, found.slope.family_high
    said = trend(low[0], high[0])
    if not said:
        return f"{first} Whether that is a change with depth cannot be judged: {_slope_reason(found)}."
    change = f"{found.slope.value[0]:+.3f} a block, interval {interval(low[0], high[0], 3)}"
    moved = [
        f"{name} ({'up' if low[c + 1] > 0 else 'down'})"
        for c, name in enumerate(found.types)
        if low[c + 1] > 0 or high[c + 1] < 0
    ]
    return (
        f"{first} The mean r {said} ({change}). Types with a change of their own: {listed(moved) or 'none'}."
    )


def _slope_reason(found: DepthFindings) -> str:
    return found.slope.reason or "some block has no value"


def _counts(found: DepthFindings) -> str:
    if not found.types:
        return ""
    if not found.is_judged:
        return "There are too few patients to say which features beat chance."
    sae, raw = found.cells.beyond[SAE].n_beating, found.cells.beyond[RAW].n_beating
    text = (
        f"{sae[0]:,} of {found.cells.beyond[SAE].n[0]:,} features beat chance for some type in the first block (family-wise p at most "
        f"0.05, whole patients exchanged) and {sae[-1]:,} of {found.cells.beyond[SAE].n[-1]:,} in the last; of the raw dimensions "
        f"{raw[0]:,} of {found.cells.beyond[RAW].n[0]:,} and {raw[-1]:,} of {found.cells.beyond[RAW].n[-1]:,}."
    )
    last = found.cells.entropies[-1]
    if np.isfinite(last.effect):
        text += (
            f" Those of the last block spread over types with a median entropy of {last.median_features:.2f} nats (n = {int(last.n_features)}), such "
            f"dimensions with {last.median_dimensions:.2f} (n = {int(last.n_dimensions)}; rank-biserial effect {last.effect:+.2f}, above 0 where features "
            "are the more selective)."
        )
    return text


def _scanner(found: DepthFindings) -> str:
    fact = found.fact
    text = " ".join(filter(None, (*map(read_words, found.readings.values()), what_was_read(found))))
    if found.variance is None or found.crossing is None or found.variance_reason:
        return f"{text} How much of the variance the {fact} takes cannot be said: {found.variance_reason}."
    share, low, high = found.variance.share, found.variance.slope_low, found.variance.slope_high
    said = trend(low[0], high[0])
    text += (
        f" Of the variance of the vectors the {fact} takes {share[0, 0]:.0%} in the first block and {share[-1, 0]:.0%} in the "
        f"last, the features within slides {share[0, 1]:.0%} and {share[-1, 1]:.0%}."
        if np.isfinite(share[[0, -1], :2]).all()
        else f" The {fact} takes {value_text(100 * share[0, 0], 0)} % of the variance first and {value_text(100 * share[-1, 0], 0)} % last."
    )
    if said:
        text += f" The share of the {fact} {said} ({_slope(found.variance, 0)})"
        text += f"; that of the features {trend(low[1], high[1]) or 'is not judged'}."
    return f"{text.strip()} {_crossing(found, found.variance, found.crossing)}".strip()


def _slope(curves: VarianceCurves, place: int) -> str:
    value, low, high = (100 * values[place] for values in (curves.slope, curves.slope_low, curves.slope_high))
    return f"{value:+.1f} points a block, interval {low:.1f} to {high:.1f}, leaving out one patient at a time"


def _crossing(found: DepthFindings, curves: VarianceCurves, crossing: Crossing) -> str:
    titles, fact = found.titles, found.fact
    if not np.isfinite(curves.gap).all():
        return ""
    place, first, last = crossing.place, crossing.first, crossing.last
    if place < 0:
        return f"In no block do the features take as much of it as the {fact}."
    if place == 0:
        return f"The features take at least as much of it as the {fact} in the first block already."
    ends = ""
    if not curves.reason:
        latest = titles[last] if last >= 0 else "none of these"
        ends = f" (95 % interval: {titles[max(first, 0)]} to {latest})"
    return f"The features first take at least as much of it as the {fact} in {titles[place]}{ends}; the block before was {titles[place - 1]}."


def _followed(found: DepthFindings) -> str:
    followed = found.followed
    if followed is None:
        return ""
    r, chance, p = followed.r[:-1], followed.chance[:-1], followed.p[:-1]
    titles = found.titles
    matched = [title for title, one in zip(titles, p, strict=False) if np.isfinite(one) and one <= 0.05]
    start = f"Feature {followed.number} of {titles[followed.set]}, followed by its activations on held-out tiles, "
    if not np.isfinite(p).any():
        return start + "could be matched, but not judged against chance."
    if not matched:
        return start + "has no match above chance in any other block, each block by itself."
    return (
        start
        + (
            f"has a match above chance in {listed(matched)}, each block by itself (r from {value_text(float(np.nanmin(r)))} to {value_text(float(np.nanmax(r)))}; "
            f"the best of all features by chance at most {value_text(float(np.nanmax(chance)))}). {_against_random(found, followed)}"
        ).strip()
    )


def _against_random(found: DepthFindings, followed: FollowedFeature) -> str:
    """Whether the match takes training; empty where no random dictionary was drawn."""
    titles = found.titles
    random, p = followed.random[:-1], followed.random_p[:-1]
    known = np.isfinite(random) & np.isfinite(p)
    if not known.any():
        return ""
    n = found.n_random
    closer = [
        title for title, one, is_known in zip(titles, p, known, strict=False) if is_known and one <= 0.05
    ]
    ends = [value_text(float(end)) for end in (random[known].min(), random[known].max())]
    text = f"The best of as many random directions on the same vectors reaches r {ends[0]} to {ends[1]} (means of {n} draws a block)"
    if not closer:
        return f"{text}: in no block is the match clearly closer, so that finding it there takes no training."
    return f"{text}; the match is closer than at least 95 % of the draws in {listed(closer)}, each block by itself."


def _limits(found: DepthFindings) -> str:
    parts = [
        "Each block has an SAE of its own, trained once: intervals are over patients, and what another seed would give is "
        "not in them; run the study with another seed before a small change is believed.",
        "Variance within slides that the features explain is not biology by itself; it may hold focus, folds or staining "
        "that differ within a slide.",
        f"Where {found.fact} and patients of another kind go together, its share holds both.",
        "A p of entropies has the feature as its unit and says nothing of other patients.",
        "No change with depth means that the interval of the slope holds 0; it does not show that there is none.",
        *missing_baselines(found.cells, found.titles),
    ]
    read = [about for about in found.readings.values() if not about.reason]
    if read:
        parts.append(interval_limits(read[0].draws_over))
    parts += found.notes
    if not found.held_out:
        parts.append("The tiles that chose the best features also report on them.")
    return " ".join(parts)


_ENDS = {"first": 0, "last": -1}


def numbers(result: StudyResult, _thresholds: Mapping[str, float]) -> list[Number]:
    """First and last block, and the change between them; there is no threshold to move."""
    found = DepthFindings.of(result)
    summed = [
        Number("slides", found.n_slides),
        Number("patients", found.n_patients),
        Number("tiles", found.n_tiles),
    ]
    if found.types:
        cells, slope = found.cells, found.slope
        for end, k in _ENDS.items():
            for name, words in ((SAE, "best features"), (RAW, "best raw dimensions")):
                summed.append(
                    Number(f"mean r of the {words}, {end} block", float(cells.best[name].mean_r[k]))
                )
            n_beating = float(cells.beyond[SAE].n_beating[k])
            summed.append(Number(f"features above chance, {end} block", n_beating))
        ends = (float(values[0]) for values in (slope.value, slope.family_low, slope.family_high))
        summed.append(Number("change of the mean r a block", *ends))
    for about in found.readings.values():
        if not about.reason:
            for end, k in _ENDS.items():
                summed.append(Number(f"AUROC of the {about.fact}, {end} block", *about.features.score(k)))
    if found.variance is not None:
        curves = found.variance
        for end, k in _ENDS.items():
            shares = (float(values[k, 0]) for values in (curves.share, curves.share_low, curves.share_high))
            summed.append(Number(f"share of the variance of the {found.fact}, {end} block", *shares))
    return summed


def read_words(about: BlockReading) -> str:
    """How well one column of the slide table is read, in the first block and in the last."""
    fact, curve = about.fact, about.features
    if about.reason:
        return f"The {fact} was not read from the tiles: {about.reason}."
    if not curve.has_ends:
        return ""
    return (
        f"From the features the {fact} of other patients is read with an AUROC of {estimate_text(*curve.score(0))} in the first "
        f"block and {estimate_text(*curve.score(-1))} in the last, where exchanged labels give {interval(curve.null_low[-1], curve.null_high[-1])}"
        f"{_left_out(about)}."
    )


def _left_out(about: BlockReading) -> str:
    """Labels that took no part; runs of earlier versions left none out."""
    names = about.left_out
    if not names:
        return ""
    each = "it" if len(names) == 1 else "each"
    return (
        f" ({about.n_patients} patients with {listed(about.classes)}; {listed(names)} left out, as fewer than {MIN_GROUPS} "
        f"patients have {each})"
    )


def what_was_read(found: DepthFindings) -> str:
    """From which SAE, patients and tiles; and why another study may give another number. Empty where nothing was read."""
    read = [about for about in found.readings.values() if not about.reason]
    if not read:
        return ""
    one = max(read, key=lambda about: about.n_patients)
    patients = count_text(one.n_patients, "patient")
    whose = f"the {patients} whose {one.fact} is not left out" if one.left_out else f"all {patients}"
    return (
        f"This was read from the SAE that was trained for each block here, on {count_text(one.n_tiles, 'tile')} of {whose} "
        f"in {count_text(one.n_folds, 'fold')}; Scanner and stain reads the project's own SAE, on "
        "the patients that report alone, which leaves fewer to learn from, so that its AUROC may differ."
    )
