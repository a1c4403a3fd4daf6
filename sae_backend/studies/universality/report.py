"""The study of universality in words, figures and tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import nan
from typing import Any, Final

import numpy as np

from sae_backend.studies.framework.report import Figure, Number, Report, Table, Threshold
from sae_backend.studies.framework.result import StudyResult
from sae_backend.studies.methods.number_text import count
from sae_backend.studies.universality.figures import (
    between_figure,
    correlation_figure,
    halves_figure,
    numbers_figure,
    stability_figure,
)
from sae_backend.studies.universality.match_counts import comes_back, is_judged, is_matched, prefix_of
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
    first = str(result.meta["sets"][0]["title"])
    result = _about_this(result)
    meta = result.meta
    figures: list[Figure] = []
    tables: list[Table] = []
    sentences = [_setting(meta, first)]
    for comparison in meta["comparisons"]:
        number = int(comparison["set"])
        sentences.append(_found(result, comparison, least))
        figures += [
            correlation_figure(result, comparison),
            halves_figure(result, comparison, least),
        ]
        tables.append(pair_table(result, number))
    sentences.append(_chances(meta))
    figures.insert(min(2, len(figures)), numbers_figure(result, least))
    sentences.insert(1, reference_words(result, least))
    reference = reference_figure(result, least)
    if reference is not None:
        figures.insert(0, reference)
    sentences.append(_stable(result, least))
    stability = stability_figure(result)
    if stability is not None:
        figures.append(stability)
    tables.insert(0, stability_table(result))
    pairs = reference_table(result, least)
    if pairs is not None:
        tables.insert(0, pairs)
    between = between_figure(result)
    if between is not None:
        figures.append(between)
    return Report(
        found="\n".join(sentence for sentence in sentences if sentence),
        limits=_limits(meta),
        warnings=[*meta["warnings"], *_lenient(meta)],
        figures=figures,
        tables=tables,
        thresholds=[Threshold(LEAST_R, "Least held-out r of a match", 0.0, 1.0, 0.05, least)],
        short=_short(result, least),
    )


def _about_this(result: StudyResult) -> StudyResult:
    """The result with the SAE it is about called just that: its name is long and would stand in every sentence."""
    first, *others = result.meta["sets"]
    return replace(result, meta={**result.meta, "sets": [{**first, "title": THIS}, *others]})


def _short(result: StudyResult, least: float) -> str:
    """The answer without jargon."""
    texts = []
    for comparison in result.meta["comparisons"]:
        number, n_live = int(comparison["set"]), comparison["n_live"][0]
        if result.meta["reference"] is not None and number == int(result.meta["reference"]["set"]):
            continue
        title = result.meta["sets"][number]["title"]
        if not is_judged(comparison):
            texts.append(f"Which features come back in {title} could not be judged.")
            continue
        n, strict = (int(which(result, number, least).sum()) for which in (comes_back, is_matched))
        more = f"; {strict:,} of them closer than random directions come" if comparison["n_random"] else ""
        texts.append(f"{n:,} of {n_live:,} features that fire often enough come back in {title}{more}.")
    return " ".join([*texts, reference_short(result, least)]).strip()


def _setting(meta: Mapping[str, Any], first: str) -> str:
    where = "on one half of the patients and their r is reported on the other"
    if not meta["held_out"]:
        where = "and judged on the same tiles, as nothing could be held out"
    elif meta["halves_unit"] == "block":
        where = "on one end of each slide and their r is reported on the other end"
    elif meta["halves_unit"] == "slide":
        where = "on one half of the slides and their r is reported on the other"
    n = len(meta["sets"]) - 1
    return (
        f"Features of {first} ({THIS}) were matched one for one with those of {n} other SAE{'s' * (n != 1)} by the "
        f"correlation of their activations over tiles ({count(meta['n_slides'], 'slide')} of {count(meta['n_patients'], 'patient')}); "
        f"partners were chosen {where}."
    )


def _found(result: StudyResult, comparison: Mapping[str, Any], least: float) -> str:
    number = int(comparison["set"])
    title, arrays, names = result.meta["sets"][number]["title"], result.arrays, result.meta["states"]
    n_live, n_other = comparison["n_live"]
    if not n_live or not n_other:
        return f"{title}: no feature fires in enough tiles to be matched."
    if not comparison["n_exchanged"] and not comparison["n_random"]:
        return (
            f"{title}: chance could not be judged, so no match is claimed for its {n_other:,} live features."
        )
    matched = is_matched(result, number, least)
    state = arrays[f"{number}/state"]
    n = {name: int((state == k).sum()) for k, name in enumerate(names)}
    asked = f" and r of at least {least:g}" if least > 0 else ""
    back = comes_back(result, number, least)
    text = (
        f"{title}: {int(back.sum()):,} of {n_live:,} live features ({back.sum() / n_live:.0%}) come back: they have a "
        f"partner of their own above what exchanged units give{asked}"
    )
    r = arrays[f"{number}/r_report"][back]
    if r.size:
        text += f", with a median held-out r of {np.median(r):.2f}"
        cosine = arrays[f"{number}/cosine"][back]
        if np.isfinite(cosine).any():
            text += f" and a median cosine of their directions of {np.nanmedian(cosine):.2f}"
    if back.any() and comparison["n_random"]:
        text += (
            f". {int(matched.sum()):,} of these {'is' if matched.sum() == 1 else 'are'} closer to it than random "
            "dictionaries come; that the others come back is not shown to take training"
        )
    text += (
        f"; {n['shares a partner']:,} share a partner with another feature, {n['not confirmed']:,} pairs were not "
        f"confirmed on the other half, and {n['private']:,} have no partner above chance."
    )
    if comparison["mean_r"] is not None:
        low, high = comparison["mean_r_interval"]
        interval = (
            "no interval, as there are too few units"
            if low is None
            else f"95 % interval {low:.2f} to {high:.2f} over {comparison['n_units'][1]} units: {comparison['unit']}"
        )
        text += f" Held-out r of all pairs is {comparison['mean_r']:.2f} on average ({interval})."
    return text + _beside_random(result, comparison)


def _beside_random(result: StudyResult, comparison: Mapping[str, Any]) -> str:
    """Mean r of the best partner of all, in this SAE and in random dictionaries, on the half that chooses."""
    number = int(comparison["set"])
    best, chance = (result.arrays[f"{number}/{name}"] for name in ("best_r", "chance_random"))
    both = np.isfinite(best) & np.isfinite(chance)
    if not both.any():
        return ""
    where = "On the half that chooses" if result.meta["held_out"] else "On these tiles"
    n, n_all = comparison["n_random_tiles"], comparison["n_tiles"][0]
    sampled = f", on {n:,} of the {n_all:,} tiles" if n < n_all else ""
    return (
        f" {where}, the best partner of each feature, which others may have, too, has a mean r of {best[both].mean():.2f}; "
        f"in random dictionaries it has {chance[both].mean():.2f}{sampled} ({int(both.sum()):,} features in a pair)."
    )


def _chances(meta: Mapping[str, Any]) -> str:
    """What chance is, once for all comparisons that have the same."""
    told: dict[str, list[str]] = {}
    for comparison in meta["comparisons"]:
        if is_judged(comparison):
            told.setdefault(_chance(comparison), []).append(meta["sets"][int(comparison["set"])]["title"])
    if len(told) == 1:
        return next(iter(told))
    return " ".join(f"{', '.join(titles)}: {words}" for words, titles in told.items())


def _chance(comparison: Mapping[str, Any]) -> str:
    parts = []
    if comparison["n_exchanged"]:
        parts.append(f"{comparison['n_exchanged']} times with {comparison['arrangement']}")
    if comparison["n_random"]:
        parts.append(
            f"in {comparison['n_random']} dictionaries of random directions with the same firing rates on the same vectors"
        )
    return (
        f"Chance is the best partner found {' and '.join(parts)}; above each means a family-wise p of 0.05 or less over "
        "the features of this SAE, and a held-out r above what it gives the best partner on average."
    )


def _stable(result: StudyResult, least: float) -> str:
    meta, arrays = result.meta, result.arrays
    over = meta["stability_over"]
    found = arrays["found_in"]
    judged = np.isfinite(found)
    n_judged = int(judged.sum())
    kind = f"other {'seed' if meta['seed_sets'] else 'SAE'}{'s' * (len(over) != 1)}"
    if not n_judged:
        return "No feature's stability could be judged."
    if least > 0:
        each = [comes_back(result, k, least) for k in over]
        always = int((np.all(each, axis=0) & judged).sum())
    else:
        always = int((found[judged] >= 1).sum())
    never = int((found[judged] == 0).sum())
    text = (
        f"Over {len(over)} {kind}, {always:,} of {n_judged:,} features ({always / n_judged:.0%}) are found in all and "
        f"{never:,} in none; the median stability (mean held-out r of the partners) is "
        f"{np.nanmedian(arrays['stability']):.2f}."
    )
    like = arrays.get("reference/stability", np.zeros(0))
    if np.isfinite(like).any():
        text += f" The {int(np.isfinite(like).sum()):,} features of the reference have a median stability of {np.nanmedian(like):.2f}."
    return text


def _limits(meta: Mapping[str, Any]) -> str:
    text = (
        "A partner means that two features fire in the same tiles, not that either has a meaning; a private feature may "
        "be a true one that the other SAE splits, merges or misses, and one that is too rare is not judged. The SAEs may "
        "have been trained on tiles of both halves; held out is the choice of the partners. Family-wise p covers the "
        "features of one comparison, not several comparisons together. Cosines are given where two SAEs read the same "
        "encoder, block and pooling, and decide nothing."
    )
    if meta["reference"] is not None:
        text += (
            " The reference is one training, and intervals are over patients, not over trainings: a small difference between it "
            "and the first SAE may be that of any two trainings. A seed also decides which slides its training holds out, and the share "
            "that comes back depends on the number of features and patients, so that shares of two SAEs are compared and not taken for rates of their kind."
        )
    if not meta["seed_sets"]:
        text += " No SAE differs from the first in its seed alone, so that stability here mixes seeds with other differences."
    return text


def _lenient(meta: Mapping[str, Any]) -> list[str]:
    """One sentence on the SAEs for which shuffled tiles would have been too lenient a chance."""
    found = []
    for comparison in meta["comparisons"]:
        beyond, n = comparison["n_exchanged_beyond_shuffled"], comparison["n_exchanged"]
        if beyond and "exchanged" in comparison["arrangement"]:
            found.append(f"{meta['sets'][int(comparison['set'])]['title']} {beyond} of {n}")
    if not found:
        return []
    return [
        "Shuffled tiles would have been too lenient a chance: in these exchanges of whole units, where no match is real, some "
        f"feature exceeded everything that shuffled tiles gave: {', '.join(found)}."
    ]


def numbers(result: StudyResult, thresholds: Mapping[str, float]) -> list[Number]:
    """How many features come back in each other SAE, and how stable they are over all."""
    meta, arrays = result.meta, result.arrays
    least = float(thresholds.get(LEAST_R, 0.0))
    found = [Number("slides", meta["n_slides"]), Number("patients", meta["n_patients"])]
    for comparison in meta["comparisons"]:
        k = int(comparison["set"])
        title = meta["sets"][k]["title"]
        found.append(Number(f"features that fire often enough, {title}", comparison["n_live"][0]))
        if comparison["n_exchanged"] or comparison["n_random"]:
            found.append(Number(f"come back in {title}", int(comes_back(result, k, least).sum())))
        if comparison["n_random"]:
            words = f"come back in {title} closer than random directions"
            found.append(Number(words, int(is_matched(result, k, least).sum())))
        if comparison["mean_r"] is not None:
            ends = (nan if end is None else float(end) for end in comparison["mean_r_interval"])
            found.append(Number(f"mean held-out r of all pairs, {title}", comparison["mean_r"], *ends))
    for comparison in (meta["reference"] or {}).get("comparisons", ()):
        title = meta["sets"][int(comparison["set"])]["title"]
        if is_judged(comparison):
            n = int(comes_back(result, prefix_of(comparison), least).sum())
            found.append(
                Number(f"features of the reference that fire often enough, {title}", comparison["n_live"][0])
            )
            found.append(Number(f"come back in {title}, of the reference", n))
    for key, words in (("stability", "median stability"), ("found_in", "mean share of SAEs it is found in")):
        known = arrays[key][np.isfinite(arrays[key])]
        if known.size:
            value = np.median(known) if key == "stability" else known.mean()
            found.append(Number(words, float(value)))
    return found
