"""Correlations in sentences, for those who read no table."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from desktop_app.project.correlation.frame import (
    FDR_ONLY,
    NO_VALUE,
    NOT_SIGNIFICANT,
    SIGNIFICANT,
    STATISTIC_WORDS,
    CorrelationFrame,
    Pair,
)
from desktop_app.store import CorrelationRecord
from sae_backend.correlation.representations import SAE
from sae_backend.correlation.result import PARTIAL
from sae_backend.statistics.number_text import count_text, estimate_text, interval_text, p_text, r_text
from sae_backend.statistics.resampling_units import MIN_RESAMPLING_UNITS

if TYPE_CHECKING:
    from desktop_app.project.correlation.frame import Baseline

_HALF_WORDS: Final = {"patient": "patients", "slide": "slides", "half slide": "half slides"}


def facts(meta: Mapping[str, Any]) -> str:
    """One line on a run: who reports, on how many tiles, and from what the intervals come."""
    tiles = f"{count_text(int(meta['n_tiles']), 'tile')} of {count_text(int(meta['n_slides']), 'slide')}"
    split = meta.get("split")
    if meta.get("held_out") and split:
        whole = int(split["n_choose"]) + int(split["n_report"])
        unit = _HALF_WORDS.get(str(split["unit"]), f"{split['unit']}s")
        who = (
            "one half of each slide reports"
            if split["unit"] == "half slide"
            else f"{split['n_report']} of {whole} {unit} report"
        )
        tiles = f"held out: {who}; {tiles}"
    elif "held_out" in meta:
        tiles = f"nothing held out; {tiles}"
    if is_few(meta):
        return f"{tiles}; only {units_text(meta)}: no intervals and no p"
    if not meta.get("judged", True):
        return f"{tiles}; no intervals and no p, see the notes"
    return f"{tiles}; 95 % intervals and p from {units_text(meta)}"


def is_few(meta: Mapping[str, Any]) -> bool:
    """Whether there are too few units for intervals and p."""
    return int(meta["n_clusters"]) < MIN_RESAMPLING_UNITS


def few_words(meta: Mapping[str, Any]) -> str:
    """What cannot be concluded from too few units."""
    return (
        f"From {units_text(meta)} nothing can be concluded about others: with fewer than {MIN_RESAMPLING_UNITS} there is no interval and "
        "no p, and the largest r of many features is large by chance alone. Take r as a hint where to look."
    )


def pair_sentence(frame: CorrelationFrame, pair: Pair) -> str:
    """Whether a feature follows a type, in one sentence that claims no more than the numbers allow."""
    name, start, r = pair.type_name, pair.type_name[:1].upper() + pair.type_name[1:], r_text(pair.value)
    if pair.verdict == NO_VALUE:
        return f"{start}: no value ({pair.reason or 'not measured'})."
    where = count_text(int(frame.meta["n_slides"]), "slide")
    interval = f", 95 % interval {interval_text(pair.ci_low, pair.ci_high)}" if pair.has_interval else ""
    numbers = f"r {r}{interval}, {where}"
    if pair.verdict == SIGNIFICANT:
        return f"{'Follows' if pair.value > 0 else 'Avoids'} {name}: {numbers}."
    if pair.verdict == FDR_ONLY:
        verb = "follows" if pair.value > 0 else "avoids"
        return f"Probably {verb} {name}: {numbers}; about one in twenty of such findings is chance (q {p_text(pair.q)})."
    if pair.verdict == NOT_SIGNIFICANT:
        return f"{start}: {numbers}; not significantly different from chance (p {p_text(pair.p)})."
    return f"{start}: {numbers}; without an interval and p, chance cannot be excluded."


def nothing_sentence(frame: CorrelationFrame, feature: int) -> str:
    """Why a feature has a value with no type at all."""
    reasons = {frame.reasons[int(code)] for code in frame.reason[feature]} - {""}
    if reasons == {"constant feature"}:
        where = "tiles that report" if frame.is_held_out else "tiles that take part"
        return f"It does not fire in the {where}, so nothing can be said of what it follows."
    return f"It has a value with no type ({', '.join(sorted(reasons)) or 'not measured'})."


def pair_details(frame: CorrelationFrame, pair: Pair) -> str:
    """All numbers of a pair in one line."""
    meta = frame.meta
    if pair.verdict == NO_VALUE:
        return f"Feature {pair.feature} and {pair.type_name}: no value, {pair.reason or 'not measured'}."
    parts = [f"{STATISTIC_WORDS.get(frame.statistic, frame.statistic)} r {r_text(pair.value, 3)}"]
    parts.append(
        f"95 % interval {interval_text(pair.ci_low, pair.ci_high)}" if pair.has_interval else "no interval"
    )
    parts += [f"p (family) {p_text(pair.p)}", f"q {p_text(pair.q)}"]
    if math.isfinite(pair.auroc):
        parts.append(f"AUROC {pair.auroc:.2f}")
    if math.isfinite(pair.same_sign):
        parts.append(f"same sign in {100 * pair.same_sign:.0f} % of slides")
    if math.isfinite(pair.choose):
        parts.append(f"r on discovery half {r_text(pair.choose)}")
    if math.isfinite(pair.band):
        parts.append(f"best by chance {r_text(pair.band)}")
    parts += [count_text(int(meta["n_tiles"]), "tile"), units_text(meta)]
    parts.append("held out" if frame.is_held_out else "not held out")
    return f"Feature {pair.feature} and {pair.type_name}: {', '.join(parts)}."


def best_sentence(frame: CorrelationFrame, column: int, name_of: Callable[[int], str]) -> str:
    """The best feature of a type and what stands beside it; `name_of` gives a feature's name."""
    kind, feature = (
        frame.type_names[column][:1].upper() + frame.type_names[column][1:],
        int(frame.best_features[column]),
    )
    if feature < 0:
        return f"{kind}: no feature has a value."
    pair = frame.pair(feature, column)
    name = name_of(feature)
    called = f"feature {feature}" + (f" ({name})" if name else "")
    interval = f" ({interval_text(pair.ci_low, pair.ci_high)})" if pair.has_interval else ""
    doubt = (
        "" if pair.verdict in (SIGNIFICANT, FDR_ONLY) else "; this is not significantly different from chance"
    )
    chosen = f", on discovery half {r_text(pair.choose)}" if frame.is_held_out else ""
    return (
        f"{kind}: {called}, r {r_text(pair.value)}{interval}{chosen}{doubt}.{_baseline_beside(frame, column)}"
    )


def _baseline_beside(frame: CorrelationFrame, column: int) -> str:
    """Baselines of a type in words, each said to be reached or not."""
    own = frame.baselines.get("sae")
    others = [found for name, found in frame.baselines.items() if name != "sae"]
    if own is None or not others:
        return ""
    said = [f"{_short(base)} {r_text(float(base.value[column]))}" for base in others]
    best = max(
        others, key=lambda base: abs(float(base.value[column])) if math.isfinite(base.value[column]) else -1
    )
    return f" Beside it: {', '.join(said)}. {_compared(own, best, column)}"


def _short(base: Baseline) -> str:
    return f"best of {base.title.partition(' (')[0]}"


def _compared(own: Baseline, best: Baseline, column: int) -> str:
    """Whether the feature is better than the strongest baseline, judged by their intervals."""
    mine, other = abs(float(own.value[column])), abs(float(best.value[column]))
    ends = [_size(base, column) for base in (own, best)]
    if not all(math.isfinite(end) for pair in ends for end in pair):
        return "Without intervals they cannot be ranked."
    if ends[0][0] > ends[1][1]:
        return "The feature is better than all of them."
    if ends[1][0] > ends[0][1]:
        return "The feature is worse than the best of them."
    close = "larger" if mine > other else "smaller"
    return f"Its r is {close} than the best of them, but the intervals overlap."


def _size(base: Baseline, column: int) -> tuple[float, float]:
    """Ends of the interval of |r|."""
    low, high = float(base.ci_low[column]), float(base.ci_high[column])
    if low <= 0 <= high:
        return 0.0, max(-low, high)
    return min(abs(low), abs(high)), max(abs(low), abs(high))


def selectivity_sentence(frame: CorrelationFrame, feature: int) -> str:
    """Whether a feature follows one type or several alike; empty where that cannot be said."""
    strength = by_strength(frame, feature)
    if len(strength) < 2:
        return ""
    (first, r1), (second, r2) = strength[:2]
    if not frame.above_band[feature, first]:
        return (
            ""
            if is_few(frame.meta)
            else "No type stands out above what the best of all features reaches by chance."
        )
    names = frame.type_names
    if r1 - r2 < 0.1 and frame.above_band[feature, second]:
        return f"It is not selective: {names[second]} ({r2:.2f}) comes close to {names[first]} ({r1:.2f})."
    return f"{names[first][:1].upper()}{names[first][1:]} stands out: |r| {r1:.2f} against {r2:.2f} for the next, {names[second]}."


def by_strength(frame: CorrelationFrame, feature: int) -> list[tuple[int, float]]:
    """Columns with their |r| of a feature, the strongest first; those without a value are left out."""
    row = frame.value[feature]
    known = [(column, abs(float(value))) for column, value in enumerate(row) if math.isfinite(value)]
    return sorted(known, key=lambda entry: -entry[1])


Arrays = Mapping[str, npt.NDArray[Any]]


def strongest_text(record: CorrelationRecord, arrays: Arrays, n_top: int = 3) -> str:
    """The strongest features of every cell type, with n, unit, method, baselines and notes."""
    meta = record.meta
    return "\n".join(
        [
            facts_text(meta, _statistic(meta)),
            *_types(meta, arrays, n_top),
            *(f"Note: {note}" for note in meta["notes"]),
            f"Method: {meta['method']}.",
        ]
    )


_TITLES: Final = {
    "pearson": "Pearson's r",
    "spearman": "Spearman's rho",
    "log_pearson": "Pearson's r with log(1 + count)",
    "within": "Pearson's r pooled within slides",
    "partial": "Partial r",
}


def facts_text(meta: Mapping[str, Any], statistic: str = "pearson") -> str:
    """What the values stand on, in one sentence or two."""
    n = f"{meta['n_tiles']:,} tiles of {count_text(meta['n_slides'], 'slide')}"
    units = units_text(meta)
    drawn = f"; intervals and p from {units}" if is_judged(meta) else f"; {units}, so no interval and no p"
    start, split = f"{_TITLES[statistic]} over {n}", meta.get("split")
    if not meta.get("held_out") or not split:
        return f"{start}{drawn}. Features were chosen and evaluated on the same tiles."
    if split["unit"] == "half slide":
        return f"{start}{drawn}. This is one half of each slide; the other half chose the features."
    whole = split["n_choose"] + split["n_report"]
    return (
        f"{start}{drawn}. The held-out half ({split['n_report']} of {whole} {split['unit']}s) was not used to "
        f"choose features (seed {split['seed']})."
    )


def units_text(meta: Mapping[str, Any]) -> str:
    """How many patients, slides or blocks stand behind the numbers."""
    n, (head, _, rest) = meta["n_clusters"], str(meta["unit"]).partition(" ")
    return f"{count_text(n, head)}{' ' + rest if rest else ''}"


def is_judged(meta: Mapping[str, Any]) -> bool:
    """Whether a run has intervals and p."""
    return bool(meta.get("judged", meta["n_clusters"] >= MIN_RESAMPLING_UNITS))


def _statistic(meta: Mapping[str, Any]) -> str:
    return "pearson" if "pearson" in meta["statistics"] else str(meta["statistics"][0])


def _types(meta: Mapping[str, Any], arrays: Arrays, n_top: int) -> Iterator[str]:
    statistic = _statistic(meta)
    partial = None if statistic == PARTIAL else arrays.get(f"{PARTIAL}/value")
    fixed = " and ".join(map(str, meta.get("covariates", ())))
    pairs = {key: arrays[f"{statistic}/{key}"] for key in ("value", "ci_low", "ci_high", "p", "q")}
    chosen = arrays.get(f"{statistic}/choose", pairs["value"])
    for c, name in enumerate(meta["type_names"]):
        strength = np.nan_to_num(np.abs(chosen[:, c]), nan=-1.0)
        best = [int(f) for f in np.argsort(-strength, kind="stable")[:n_top] if strength[f] >= 0]
        yield f"{name}:" if best else f"{name}: no feature has a defined correlation"
        for f in best:
            text = estimate_text(pairs["value"][f, c], pairs["ci_low"][f, c], pairs["ci_high"][f, c])
            p = float(pairs["p"][f, c])
            if np.isfinite(p):
                text += f", family-wise p {p_text(p)}"
            elif not np.isfinite(pairs["value"][f, c]):
                codes = arrays.get(f"{statistic}/reason", arrays.get("reason"))
                text += "" if codes is None else f": {meta['reasons'][int(codes[f, c])]}"
            if meta.get("held_out"):
                text += f"; on discovery half {r_text(float(chosen[f, c]))}"
            if partial is not None and np.isfinite(partial[f, c]):
                p = float(arrays[f"{PARTIAL}/p"][f, c])
                text += f"; with {fixed} held fixed {r_text(float(partial[f, c]))}"
                text += f" (p {p_text(p)})" if np.isfinite(p) else ""
            yield f"  feature {f:>6}  {text}"
        if best:
            yield from _baselines_text(meta, arrays, statistic, c)


def _baselines_text(meta: Mapping[str, Any], arrays: Arrays, statistic: str, c: int) -> Iterator[str]:
    """What the best of other columns reaches, and what chance alone does."""
    words = []
    for name in meta.get("baselines", []):
        value = float(arrays[f"baseline/{name}/value"][c])
        if name != SAE and np.isfinite(value):
            words.append(f"best of {meta['baseline_titles'][name]} {r_text(value)}")
    band = float(arrays[f"{statistic}/band"][c])
    if np.isfinite(band):
        words.append(f"by chance alone the best of all features exceeds {band:.2f} in 5 of 100 draws")
    if words:
        yield f"  beside    {'; '.join(words)}"
