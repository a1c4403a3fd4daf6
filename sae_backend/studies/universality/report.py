"""The study of universality in words, figures and tables."""

from __future__ import annotations

from collections.abc import Mapping
from math import nan
from typing import Final

import numpy as np

from sae_backend.statistics.number_text import count_text
from sae_backend.studies.framework.report import Figure, Number, Report, Table, Threshold
from sae_backend.studies.framework.result import StudyResult
from sae_backend.studies.universality.figures import (
    between_figure,
    correlation_figure,
    halves_figure,
    numbers_figure,
    stability_figure,
)
from sae_backend.studies.universality.findings import PairFindings, UniversalityFindings
from sae_backend.studies.universality.reference_report import (
    reference_figure,
    reference_short,
    reference_table,
    reference_words,
)
from sae_backend.studies.universality.tables import pair_table, stability_table

LEAST_R: Final = "least_r"
THIS: Final = "this SAE"


def make_report(result: StudyResult, thresholds: Mapping[str, float]) -> Report:
    """Tell the result; the threshold `least_r` asks for more than chance of a pair before it counts as matched."""
    least = float(thresholds.get(LEAST_R, 0.0))
    found = UniversalityFindings.of(result)
    first = found.sets[0].title
    found = found.called(THIS)
    figures: list[Figure] = []
    tables: list[Table] = []
    sentences = [_setting(found, first)]
    for pair in found.pairs:
        sentences.append(_found(found, pair, least))
        figures += [
            correlation_figure(found, pair),
            halves_figure(found, pair, least),
        ]
        tables.append(pair_table(found, pair))
    sentences.append(_chances(found))
    figures.insert(min(2, len(figures)), numbers_figure(found, least))
    sentences.insert(1, reference_words(found, least))
    reference = reference_figure(found, least)
    if reference is not None:
        figures.insert(0, reference)
    sentences.append(_stable(found, least))
    stability = stability_figure(found)
    if stability is not None:
        figures.append(stability)
    tables.insert(0, stability_table(found))
    pairs = reference_table(found, least)
    if pairs is not None:
        tables.insert(0, pairs)
    between = between_figure(found)
    if between is not None:
        figures.append(between)
    return Report(
        found="\n".join(sentence for sentence in sentences if sentence),
        limits=_limits(found),
        warnings=[*found.warnings, *_lenient(found)],
        figures=figures,
        tables=tables,
        thresholds=[Threshold(LEAST_R, "Least held-out r of a match", 0.0, 1.0, 0.05, least)],
        short=_short(found, least),
    )


def _short(found: UniversalityFindings, least: float) -> str:
    """The answer without jargon."""
    texts = []
    for pair in found.pairs:
        n_live = pair.n_live[0]
        if found.reference is not None and pair.set == found.reference.set:
            continue
        title = found.title_of(pair)
        if not pair.is_judged:
            texts.append(f"Which features come back in {title} could not be judged.")
            continue
        n, strict = int(pair.comes_back(least).sum()), int(pair.is_matched(least).sum())
        more = f"; {strict:,} of them closer than random directions come" if pair.n_random else ""
        texts.append(f"{n:,} of {n_live:,} features that fire often enough come back in {title}{more}.")
    return " ".join([*texts, reference_short(found, least)]).strip()


def _setting(found: UniversalityFindings, first: str) -> str:
    where = "on one half of the patients and their r is reported on the other"
    if not found.held_out:
        where = "and judged on the same tiles, as nothing could be held out"
    elif found.halves_unit == "block":
        where = "on one end of each slide and their r is reported on the other end"
    elif found.halves_unit == "slide":
        where = "on one half of the slides and their r is reported on the other"
    n = len(found.sets) - 1
    return (
        f"Features of {first} ({THIS}) were matched one for one with those of {count_text(n, 'other SAE')} by the "
        f"correlation of their activations over tiles ({count_text(found.n_slides, 'slide')} of {count_text(found.n_patients, 'patient')}); "
        f"partners were chosen {where}."
    )


def _found(found: UniversalityFindings, pair: PairFindings, least: float) -> str:
    title, names = found.title_of(pair), found.states
    n_live, n_other = pair.n_live
    if not n_live or not n_other:
        return f"{title}: no feature fires in enough tiles to be matched."
    if not pair.n_exchanged and not pair.n_random:
        return (
            f"{title}: chance could not be judged, so no match is claimed for its {n_other:,} live features."
        )
    matched = pair.is_matched(least)
    state = pair.state
    n = {name: int((state == k).sum()) for k, name in enumerate(names)}
    asked = f" and r of at least {least:g}" if least > 0 else ""
    back = pair.comes_back(least)
    text = (
        f"{title}: {int(back.sum()):,} of {n_live:,} live features ({back.sum() / n_live:.0%}) come back: they have a "
        f"partner of their own above what exchanged units give{asked}"
    )
    r = pair.r_report[back]
    if r.size:
        text += f", with a median held-out r of {np.median(r):.2f}"
        cosine = pair.cosine[back]
        if np.isfinite(cosine).any():
            text += f" and a median cosine of their directions of {np.nanmedian(cosine):.2f}"
    if back.any() and pair.n_random:
        text += (
            f". {int(matched.sum()):,} of these {'is' if matched.sum() == 1 else 'are'} closer to it than random "
            "dictionaries come; that the others come back is not shown to take training"
        )
    text += (
        f"; {n['shares a partner']:,} share a partner with another feature, {n['not confirmed']:,} pairs were not "
        f"confirmed on the other half, and {n['private']:,} have no partner above chance."
    )
    if pair.mean_r is not None:
        low, high = pair.mean_r_interval
        interval = (
            "no interval, as there are too few units"
            if low is None
            else f"95 % interval {low:.2f} to {high:.2f} over {pair.n_units[1]} units: {pair.unit}"
        )
        text += f" Held-out r of all pairs is {pair.mean_r:.2f} on average ({interval})."
    return text + _beside_random(found, pair)


def _beside_random(found: UniversalityFindings, pair: PairFindings) -> str:
    """Mean r of the best partner of all, in this SAE and in random dictionaries, on the discovery half."""
    best, chance = pair.best_r, pair.chance_random
    both = np.isfinite(best) & np.isfinite(chance)
    if not both.any():
        return ""
    where = "On the discovery half" if found.held_out else "On these tiles"
    n, n_all = pair.n_random_tiles, pair.n_tiles[0]
    sampled = f", on {n:,} of the {n_all:,} tiles" if n < n_all else ""
    return (
        f" {where}, the best partner of each feature, which others may have, too, has a mean r of {best[both].mean():.2f}; "
        f"in random dictionaries it has {chance[both].mean():.2f}{sampled} ({int(both.sum()):,} features in a pair)."
    )


def _chances(found: UniversalityFindings) -> str:
    """What chance is, once for all comparisons that have the same."""
    told: dict[str, list[str]] = {}
    for pair in found.pairs:
        if pair.is_judged:
            told.setdefault(_chance(pair), []).append(found.title_of(pair))
    if len(told) == 1:
        return next(iter(told))
    return " ".join(f"{', '.join(titles)}: {words}" for words, titles in told.items())


def _chance(pair: PairFindings) -> str:
    parts = []
    if pair.n_exchanged:
        parts.append(f"{pair.n_exchanged} times with {pair.arrangement}")
    if pair.n_random:
        parts.append(
            f"in {pair.n_random} dictionaries of random directions with the same firing rates on the same vectors"
        )
    return (
        f"Chance is the best partner found {' and '.join(parts)}; above each means a family-wise p of 0.05 or less over "
        "the features of this SAE, and a held-out r above what it gives the best partner on average."
    )


def _stable(found: UniversalityFindings, least: float) -> str:
    over = found.stability_over
    judged = np.isfinite(found.found_in)
    n_judged = int(judged.sum())
    kind = f"other {'seed' if found.seed_sets else 'SAE'}{'s' * (len(over) != 1)}"
    if not n_judged:
        return "No feature's stability could be judged."
    if least > 0:
        each = [found.pair_with(k).comes_back(least) for k in over]
        always = int((np.all(each, axis=0) & judged).sum())
    else:
        always = int((found.found_in[judged] >= 1).sum())
    never = int((found.found_in[judged] == 0).sum())
    text = (
        f"Over {len(over)} {kind}, {always:,} of {n_judged:,} features ({always / n_judged:.0%}) are found in all and "
        f"{never:,} in none; the median stability (mean held-out r of the partners) is "
        f"{np.nanmedian(found.stability):.2f}."
    )
    like = np.zeros(0) if found.reference is None else found.reference.stability
    if np.isfinite(like).any():
        text += f" The {int(np.isfinite(like).sum()):,} features of the reference have a median stability of {np.nanmedian(like):.2f}."
    return text


def _limits(found: UniversalityFindings) -> str:
    text = (
        "A partner means that two features fire in the same tiles, not that either has a meaning; a private feature may "
        "be a true one that the other SAE splits, merges or misses, and one that is too rare is not judged. The SAEs may "
        "have been trained on tiles of both halves; held out is the choice of the partners. Family-wise p covers the "
        "features of one comparison, not several comparisons together. Cosines are given where two SAEs read the same "
        "encoder, block and pooling, and decide nothing."
    )
    if found.reference is not None:
        text += (
            " The reference is one training, and intervals are over patients, not over trainings: a small difference between it "
            "and the first SAE may be that of any two trainings. A seed also decides which slides its training holds out, and the share "
            "that comes back depends on the number of features and patients, so that shares of two SAEs are compared and not taken for rates of their kind."
        )
    if not found.seed_sets:
        text += " No SAE differs from the first in its seed alone, so that stability here mixes seeds with other differences."
    return text


def _lenient(found: UniversalityFindings) -> list[str]:
    """One sentence on the SAEs for which shuffled tiles would have been too lenient a chance."""
    said = []
    for pair in found.pairs:
        beyond, n = pair.n_exchanged_beyond_shuffled, pair.n_exchanged
        if beyond and "exchanged" in pair.arrangement:
            said.append(f"{found.title_of(pair)} {beyond} of {n}")
    if not said:
        return []
    return [
        "Shuffled tiles would have been too lenient a chance: in these exchanges of whole units, where no match is real, some "
        f"feature exceeded everything that shuffled tiles gave: {', '.join(said)}."
    ]


def numbers(result: StudyResult, thresholds: Mapping[str, float]) -> list[Number]:
    """How many features come back in each other SAE, and how stable they are over all."""
    found = UniversalityFindings.of(result)
    least = float(thresholds.get(LEAST_R, 0.0))
    summed = [Number("slides", found.n_slides), Number("patients", found.n_patients)]
    for pair in found.pairs:
        title = found.title_of(pair)
        summed.append(Number(f"features that fire often enough, {title}", pair.n_live[0]))
        if pair.n_exchanged or pair.n_random:
            summed.append(Number(f"come back in {title}", int(pair.comes_back(least).sum())))
        if pair.n_random:
            words = f"come back in {title} closer than random directions"
            summed.append(Number(words, int(pair.is_matched(least).sum())))
        if pair.mean_r is not None:
            ends = (nan if end is None else float(end) for end in pair.mean_r_interval)
            summed.append(Number(f"mean held-out r of all pairs, {title}", pair.mean_r, *ends))
    for pair in found.reference.pairs if found.reference else ():
        if pair.is_judged:
            title, n = found.title_of(pair), int(pair.comes_back(least).sum())
            summed.append(
                Number(f"features of the reference that fire often enough, {title}", pair.n_live[0])
            )
            summed.append(Number(f"come back in {title}, of the reference", n))
    stability, share = (values[np.isfinite(values)] for values in (found.stability, found.found_in))
    if stability.size:
        summed.append(Number("median stability", float(np.median(stability))))
    if share.size:
        summed.append(Number("mean share of SAEs it is found in", float(share.mean())))
    return summed
