"""Sentences about scanner and stain."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from sae_backend.statistics.number_text import count_text, estimate_text, p_is_text, value_text
from sae_backend.studies.robustness.array_names import BIOLOGY, FEATURES
from sae_backend.studies.robustness.findings import Effects, Reading, ScannerFindings
from sae_backend.studies.robustness.paired_scans import MIN_UNITS, Agreement, PairedScans
from sae_backend.studies.robustness.roles import ENTANGLED, LEVEL, NOT_JUDGED, ROLES, SILENT

_OFTEN: Final = 20


def people(about: Reading) -> str:
    """What the label was read from: patients (or slides where none is known), slides, tiles."""
    unit = "patient" if about.has_patients else "slide"
    slides = f", {count_text(about.n_slides, 'slide')}" if unit == "patient" else ""
    return f"{count_text(about.n_patients, unit)}{slides}, {count_text(about.n_tiles, 'tile')}"


def units(about: Effects) -> str:
    """Patients of the effects, or slides where no patient is known."""
    return count_text(
        0 if about.sizes is None else about.sizes.n_groups, "patient" if about.has_patients else "slide"
    )


def read_words(found: ScannerFindings, fact: str) -> str:
    """How well a label was read, from everything and from what follows cells, beside its baselines."""
    about = found.readings[fact]
    if about.reason:
        return f"The {fact} could not be read: {about.reason}."
    one = about.score(FEATURES)
    assert one is not None
    corrected = about.p_holm_of(FEATURES)
    beyond = "more than chance gives" if corrected <= LEVEL else "not shown to be more than chance gives"
    n_sources = len(about.sources)
    after = f", after Holm for {n_sources} sources {corrected:.3f}" if n_sources > 1 else ""
    said = (
        f"From all {about.width[FEATURES]:,} SAE features of a tile, a linear model reads the {fact} "
        f"({len(about.classes)} values) of patients it has not learned from with an AUROC of "
        f"{estimate_text(one.auroc, one.ci_low, one.ci_high)}; with labels shuffled between patients "
        f"{value_text(one.null_low)} to {value_text(one.null_high)}, {p_is_text(one.p)}{after}: {beyond} ({people(about)}; "
        f"whole slides: {value_text(one.slide_auroc)})."
    )
    others = [name for name in about.sources if name != FEATURES]
    if others:
        each = []
        for name in others:
            score = about.score(name)
            assert score is not None
            n = f"the {about.width[name]:,} " if name == BIOLOGY else ""
            p = p_is_text(about.p_holm_of(name))
            each.append(f"{n}{found.titles[name]} {value_text(score.auroc)} ({p})")
        said += (
            f" Beside it, on the same tiles, each p after Holm for {n_sources} sources: {'; '.join(each)}."
        )
    return f"{said} {_what_was_read(found, about.held_out, about.n_folds)}"


def _what_was_read(found: ScannerFindings, held_out: bool, n_folds: int) -> str:
    """From which SAE and patients, and why Depth may give another number."""
    whose = "the patients that report alone" if held_out else "all patients"
    return (
        f"This was read from the SAE of {found.set_title}, on {whose}, in {count_text(n_folds, 'fold')} of patients; Depth "
        "trains an SAE for each block and reads it on all patients, which gives it more to learn from, so that its AUROC may "
        "differ."
    )


def short(found: ScannerFindings, roles: npt.NDArray[np.int64]) -> str:
    """The answer without jargon."""
    fact = found.fact
    own = found.reading.score(FEATURES) if fact in found.facts else None
    auroc = np.nan if own is None else own.auroc
    p = found.reading.p_holm_of(FEATURES) if own else np.nan
    if not np.isfinite(auroc):
        first = f"How well the {fact} can be read from the features could not be judged."
    elif p <= LEVEL:
        first = f"The features still predict the {fact}: of two tiles the correct one is picked in {auroc:.0%} (by chance 50%)."
    else:
        first = f"The {fact} is not shown to be readable from the features ({auroc:.0%}, by chance 50%)."
    n = {name: int((roles == k).sum()) for k, name in enumerate(ROLES)}
    if not ((roles != SILENT) & (roles != NOT_JUDGED)).any():
        return first
    said = (
        f"{first} {n['biological']} features follow cells and are not shown to differ with the {fact}, {n['technical']} differ with "
        f"the {fact} and are not shown to follow cells, {n['entangled']} {'does' if n['entangled'] == 1 else 'do'} both"
    )
    return f"{said}{_cells_tell(found)}."


def _cells_tell(found: ScannerFindings) -> str:
    """That the features that follow cells tell the label together, though single ones are not shown to differ with it."""
    fact = found.fact
    one = found.reading.score(BIOLOGY) if fact in found.facts else None
    # By itself and not after Holm: it is a caution, and must not be lost for the number of the sources.
    if one is None or not one.p <= LEVEL:
        return ""
    n = found.reading.width[BIOLOGY]
    return (
        f"; together those that follow cells ({n:,} by the discovery half) still predict the {fact} "
        f"(AUROC {value_text(one.auroc)}, {p_is_text(one.p)})"
    )


def effect_words(found: ScannerFindings) -> str:
    """How many features differ between labels."""
    fact = found.fact
    about = found.effects[fact]
    if about.sizes is None:
        return f"Effects of the {fact} could not be judged: {about.reason}."
    p = about.sizes.p_family
    known = int(np.isfinite(p).sum())
    beats = int((np.nan_to_num(p, nan=1.0) <= LEVEL).sum())
    said = (
        f"{beats:,} of {count_text(known, 'feature')} that vary between slides differ between values of {fact} beyond "
        f"chance (family-wise p of {LEVEL} or less, {units(about)}, labels exchanged "
        f"{about.sizes.design})"
    )
    raw = about.raw_p_family
    if raw is not None:
        said += (
            f"; of the raw dimensions {int((np.nan_to_num(raw, nan=1.0) <= LEVEL).sum()):,} of {raw.size:,}"
        )
    return said + "."


def role_words(found: ScannerFindings, roles: npt.NDArray[np.int64], thresholds: tuple[float, float]) -> str:
    """How many features have each role."""
    known = roles[roles != SILENT]
    if not known.size:
        return "Features could not be sorted by role: neither cells nor the effects are known."
    each = ", ".join(f"{int((known == i).sum()):,} {name}" for i, name in enumerate(ROLES))
    words = (
        f"At |r| of at least {thresholds[0]:.2f} with a cell type and an effect of {found.fact} of at least "
        f"{thresholds[1]:.2f}, both beyond chance, features are: {each}."
    )
    if not found.has_cells:
        return words + " Without cells none can be sorted."
    if (known == NOT_JUDGED).any():
        words += f" Not judged are those whose r with cells or whose effect of {found.fact} is not known."
    if (known == ENTANGLED).any():
        words += f" Entangled ones follow cells and differ with the {found.fact}."
    return (
        f"{words} Biological ones are not shown to differ with the {found.fact}, technical ones not shown to follow cells; with "
        "few patients much is not shown."
    )


def index_words(found: ScannerFindings) -> str:
    """The neighbour index of features and baselines."""
    fact = found.fact
    about = found.readings[fact]
    if not about.sources:
        return ""
    reason = about.index_reasons[FEATURES]
    if reason:
        return f"The robustness index is not defined: {reason}."
    each = []
    for name in about.sources:
        index = about.index_of(name)
        ends = estimate_text(index.value, index.low, index.high)
        each.append(f"{found.titles[name]} {ends if name == FEATURES else value_text(index.value)}")
    chance = about.index_of(about.sources[0]).chance
    kinds = about.index_classes
    return (
        f"Among the {found.settings.neighbours} nearest tiles of other patients, of those with the same {kinds} and "
        f"another {fact} or another {kinds} and the same {fact}, the first are (robustness index; 1 where only biology makes "
        f"neighbours, 0 where only the {fact} does): {'; '.join(each)}; random neighbours would give {value_text(chance)} "
        f"({count_text(about.n_index_tiles, 'tile')})."
    )


def paired_words(found: ScannerFindings) -> str:
    """Agreement of paired scans."""
    about = found.paired
    own = about.features
    if own is None:
        return f"Paired scans were not compared: {about.reason}."
    icc = own.icc_a
    known = icc[np.isfinite(icc)]
    if not known.size:
        return "Paired scans were not compared: no feature varies over the matched tiles."
    raw = ""
    if about.raw is not None:
        dims = about.raw.icc_a
        raw = f"; raw dimensions {value_text(float(np.nanmedian(dims)))}" if np.isfinite(dims).any() else ""
    often = icc[np.isfinite(icc) & (own.n_active >= _OFTEN)]
    raw += (
        f"; the {often.size:,} that fire in {_OFTEN} matched tiles or more {float(np.median(often)):.2f}"
        if often.size
        else ""
    )
    return (
        f"On {count_text(about.n_glasses, 'glass')[:-1] + 'es' if about.n_glasses != 1 else '1 glass'} under "
        f"{', '.join(about.scanners)} ({count_text(about.n_tiles, 'matched tile')}) the median ICC(A,1) of "
        f"{count_text(known.size, 'feature')} is {float(np.median(known)):.2f} (middle half "
        f"{np.quantile(known, 0.25):.2f} to {np.quantile(known, 0.75):.2f}{raw}).{_shift_words(about, own)}{_no_intervals(about)}"
    )


def _shift_words(about: PairedScans, features: Agreement) -> str:
    """The median shift of features and raw dimensions, and that it is above 0 by construction; empty where not known."""
    own = median(features.shift)
    if not np.isfinite(own):
        return ""
    raw = np.nan if about.raw is None else median(about.raw.shift)
    beside = f" (raw dimensions {raw:.2f} SD)" if np.isfinite(raw) else ""
    what = (
        f"The largest difference between two of {len(about.scanners)} scanners"
        if len(about.scanners) > 2
        else "The difference between the two scanners, without its sign,"
    )
    return f" {what} has a median of {own:.2f} SD{beside}; chance alone would put it above 0, too."


def _no_intervals(about: PairedScans) -> str:
    few = few_units(about)
    return f" ICC and shift have no intervals, as there are {few}." if few else ""


def few_units(paired: PairedScans) -> str:
    """How many glasses, or patients where glasses share them, there are; empty where they are enough for intervals."""
    n = int(paired.n_units)
    if n >= MIN_UNITS:
        return ""
    own = f"{n} glass{'' if n == 1 else 'es'}" if n == paired.n_glasses else count_text(n, "patient")
    return f"{own} and {MIN_UNITS} are needed"


def median(values: npt.NDArray[Any]) -> float:
    """Median of what is finite, NaN without."""
    known = values[np.isfinite(values)]
    return float(np.median(known)) if known.size else float("nan")


def stress_words(found: ScannerFindings) -> str:
    """What changes of the pixels do."""
    about = found.stress
    if about.features is None or about.raw is None:
        return f"The stress test was left out: {about.reason}."
    each = []
    for i, kind in enumerate(about.kinds):
        own, raw = (float(moved.median[i, -1]) for moved in (about.features, about.raw))
        each.append(f"{kind.strongest} {kind.unit} {value_text(own)} (raw dimensions {value_text(raw)})")
    return (
        f"With changed pixels ({count_text(about.n_tiles, 'tile')} of {count_text(about.n_slides, 'slide')}) the median "
        f"feature moves at the strongest step, in SD of the unchanged tiles, by: {'; '.join(each)}."
    )
