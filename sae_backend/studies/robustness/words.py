"""Sentences about scanner and stain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from sae_backend.studies.robustness.fields import BIOLOGY, FEATURES, INDEX_FIELDS, SCORES
from sae_backend.studies.robustness.roles import ENTANGLED, LEVEL, NOT_JUDGED, ROLES, SILENT

Arrays = Mapping[str, npt.NDArray[Any]]
Meta = Mapping[str, Any]

CELLS: Final = "cells"
_DRIFT: Final = 0.01
_OFTEN: Final = 20
_FEW_ARRANGEMENTS: Final = 40


def counted(n: int, word: str) -> str:
    """A number with its noun."""
    return f"{n:,} {word}{'' if n == 1 else 's'}"


def number(value: float, digits: int = 2) -> str:
    """A number, or that there is none."""
    return f"{value:.{digits}f}" if np.isfinite(value) else "not defined"


def with_interval(value: float, low: float, high: float) -> str:
    """A number and its interval."""
    ends = (
        f"95 % interval {low:.2f} to {high:.2f}" if np.isfinite(low) and np.isfinite(high) else "no interval"
    )
    return f"{number(value)} ({ends})"


def p_words(p: float) -> str:
    """A p value."""
    return "p not defined" if not np.isfinite(p) else f"p {p:.3f}" if p >= 0.001 else "p < 0.001"


def people(about: Meta) -> str:
    """What the label was read from: patients (or slides where none is known), slides, tiles."""
    unit = "patient" if about.get("has_patients") else "slide"
    slides = f", {counted(about['n_slides'], 'slide')}" if unit == "patient" else ""
    return f"{counted(about['n_patients'], unit)}{slides}, {counted(about['n_tiles'], 'tile')}"


def units(about: Meta) -> str:
    """Patients of the effects, or slides where no patient is known."""
    return counted(about["n_groups"], "patient" if about["has_patients"] else "slide")


def score(meta: Meta, arrays: Arrays, fact: str, source: str) -> dict[str, float]:
    """Numbers of one source by the names of `SCORES`; empty where there are none."""
    names = meta["read"][fact]["sources"]
    if source not in names or meta["read"][fact]["reason"]:
        return {}
    return dict(zip(SCORES, arrays[f"read/{fact}/scores"][names.index(source)].tolist(), strict=True))


def read_words(meta: Meta, arrays: Arrays, fact: str) -> str:
    """How well a label was read, from everything and from what follows cells, beside its baselines."""
    about = meta["read"][fact]
    if about["reason"]:
        return f"The {fact} could not be read: {about['reason']}."
    one = score(meta, arrays, fact, FEATURES)
    beyond = "more than chance gives" if one["p"] <= LEVEL else "no more than chance gives"
    said = (
        f"From all {about['width'][FEATURES]:,} SAE features of a tile, a linear model reads the {fact} "
        f"({len(about['classes'])} values) of patients it has not learned from with an AUROC of "
        f"{with_interval(one['auroc'], one['ci_low'], one['ci_high'])}; with labels shuffled between patients "
        f"{number(one['null_low'])} to {number(one['null_high'])}, {p_words(one['p'])}: {beyond} ({people(about)}; "
        f"whole slides: {number(one['slide_auroc'])})."
    )
    others = [name for name in about["sources"] if name != FEATURES]
    if others:
        each = []
        for name in others:
            found = score(meta, arrays, fact, name)
            n = f"the {about['width'][name]:,} " if name == BIOLOGY else ""
            each.append(f"{n}{meta['sources'][name]} {number(found['auroc'])} ({p_words(found['p'])})")
        said += f" Beside it, on the same tiles: {'; '.join(each)}."
    return f"{said} {_what_was_read(meta, about)}"


def _what_was_read(meta: Meta, about: Meta) -> str:
    """From which SAE and patients, and why Depth may give another number."""
    whose = "the patients that report alone" if about["held_out"] else "all patients"
    return (
        f"This was read from the SAE of {meta['set_title']}, on {whose}, in {counted(about['n_folds'], 'fold')} of patients; Depth "
        "trains an SAE for each block and reads it on all patients, which gives it more to learn from, so that its AUROC may "
        "differ."
    )


def short(meta: Meta, arrays: Arrays, roles: npt.NDArray[np.int64]) -> str:
    """The answer without jargon."""
    fact = meta["fact"]
    own = score(meta, arrays, fact, FEATURES) if fact in meta["facts"] else {}
    p, auroc = own.get("p", np.nan), own.get("auroc", np.nan)
    if not np.isfinite(auroc):
        first = f"How well the {fact} can be read from the features could not be judged."
    elif p <= LEVEL:
        first = f"The features still tell the {fact}: of two tiles the right one is picked in {auroc:.0%} (by chance 50%)."
    else:
        first = f"The {fact} is not shown to be readable from the features ({auroc:.0%}, by chance 50%)."
    n = {name: int((roles == k).sum()) for k, name in enumerate(ROLES)}
    if not ((roles != SILENT) & (roles != NOT_JUDGED)).any():
        return first
    return (
        f"{first} {n['biological']} features follow cells and not the {fact}, {n['technical']} the {fact} and not cells, "
        f"{n['entangled']} both."
    )


def effect_words(meta: Meta, arrays: Arrays) -> str:
    """How many features differ between labels."""
    fact = meta["fact"]
    about = meta["read"][fact]["effects"]
    if about["reason"]:
        return f"Effects of the {fact} could not be judged: {about['reason']}."
    p = arrays[f"effect/{fact}/p_family"]
    known = int(np.isfinite(p).sum())
    beats = int((np.nan_to_num(p, nan=1.0) <= LEVEL).sum())
    said = (
        f"{beats:,} of {counted(known, 'feature')} that vary between slides differ between values of {fact} beyond "
        f"chance (family-wise p of {LEVEL} or less, {units(about)}, labels exchanged "
        f"{about['design']})"
    )
    raw = arrays.get(f"effect/{fact}/raw_p_family")
    if raw is not None:
        said += (
            f"; of the raw dimensions {int((np.nan_to_num(raw, nan=1.0) <= LEVEL).sum()):,} of {raw.size:,}"
        )
    return said + "."


def role_words(meta: Meta, roles: npt.NDArray[np.int64], thresholds: tuple[float, float]) -> str:
    """How many features have each role."""
    known = roles[roles != SILENT]
    if not known.size:
        return "Features could not be sorted by role: neither cells nor the effects are known."
    each = ", ".join(f"{int((known == i).sum()):,} {name}" for i, name in enumerate(ROLES))
    words = (
        f"At |r| of at least {thresholds[0]:.2f} with a cell type and an effect of {meta['fact']} of at least "
        f"{thresholds[1]:.2f}, both beyond chance, features are: {each}."
    )
    if not meta["has_cells"]:
        return words + " Without cells none can be sorted."
    if (known == NOT_JUDGED).any():
        words += f" Not judged are those whose r with cells or whose effect of {meta['fact']} is not known."
    if (known == ENTANGLED).any():
        words += f" Entangled ones follow cells and differ with the {meta['fact']}."
    return words


def index_words(meta: Meta, arrays: Arrays) -> str:
    """The neighbour index of features and baselines."""
    fact = meta["fact"]
    about = meta["read"][fact]
    if not about["sources"]:
        return ""
    reason = about["index_reasons"][FEATURES]
    if reason:
        return f"The robustness index is not defined: {reason}."
    each = []
    for i, name in enumerate(about["sources"]):
        found = dict(zip(INDEX_FIELDS, arrays[f"read/{fact}/index"][i].tolist(), strict=True))
        ends = with_interval(found["value"], found["low"], found["high"])
        each.append(f"{meta['sources'][name]} {ends if name == FEATURES else number(found['value'])}")
    chance = float(arrays[f"read/{fact}/index"][0][INDEX_FIELDS.index("chance")])
    kinds = about["index_classes"]
    return (
        f"Among the {meta['settings']['neighbours']} nearest tiles of other patients, of those with the same {kinds} and "
        f"another {fact} or another {kinds} and the same {fact}, the first are (robustness index; 1 where only biology makes "
        f"neighbours, 0 where only the {fact} does): {'; '.join(each)}; random neighbours would give {number(chance)} "
        f"({counted(about['n_index_tiles'], 'tile')})."
    )


def paired_words(meta: Meta, arrays: Arrays) -> str:
    """Agreement of paired scans."""
    about = meta["paired"]
    if about["reason"]:
        return f"Paired scans were not compared: {about['reason']}."
    icc = arrays["paired/features/icc_a"]
    known = icc[np.isfinite(icc)]
    if not known.size:
        return "Paired scans were not compared: no feature varies over the matched tiles."
    raw = ""
    if "paired/raw/icc_a" in arrays:
        dims = arrays["paired/raw/icc_a"]
        raw = f"; raw dimensions {number(float(np.nanmedian(dims)))}" if np.isfinite(dims).any() else ""
    often = icc[np.isfinite(icc) & (arrays["paired/features/n_active"] >= _OFTEN)]
    raw += (
        f"; the {often.size:,} that fire in {_OFTEN} matched tiles or more {float(np.median(often)):.2f}"
        if often.size
        else ""
    )
    shift = arrays["paired/features/shift"]
    shift = shift[np.isfinite(shift)]
    moved = f", median shift {float(np.median(shift)):.2f} SD" if shift.size else ""
    return (
        f"On {counted(about['n_glasses'], 'glass')[:-1] + 'es' if about['n_glasses'] != 1 else '1 glass'} under "
        f"{', '.join(about['scanners'])} ({counted(about['n_tiles'], 'matched tile')}) the median ICC(A,1) of "
        f"{counted(known.size, 'feature')} is {float(np.median(known)):.2f} (middle half "
        f"{np.quantile(known, 0.25):.2f} to {np.quantile(known, 0.75):.2f}{raw}){moved}."
    )


def stress_words(meta: Meta, arrays: Arrays) -> str:
    """What changes of the pixels do."""
    about = meta["stress"]
    if about["reason"]:
        return f"The stress test was left out: {about['reason']}."
    each = []
    for i, kind in enumerate(about["kinds"]):
        own, raw = (float(arrays[f"stress/{name}/median"][i, -1]) for name in ("features", "raw"))
        each.append(
            f"{kind['name']} {kind['strengths'][-1]:g} {kind['unit']} {number(own)} (raw dimensions {number(raw)})"
        )
    return (
        f"With changed pixels ({counted(about['n_tiles'], 'tile')} of {counted(about['n_slides'], 'slide')}) the median "
        f"feature moves at the strongest step, in SD of the unchanged tiles, by: {'; '.join(each)}."
    )


def limits(meta: Meta) -> str:
    """What cannot be said, and why."""
    fact = meta["fact"]
    about = meta["read"][fact]
    parts = [
        f"A {fact} that a linear model does not read from single tiles may still be there in another form, and one that it "
        "reads need not disturb any use of the features. Folds share what they learn from, so intervals are wide on purpose.",
    ]
    if BIOLOGY in about["sources"] and not about["held_out"]:
        parts.append(
            f"The tiles that are judged also took part in choosing features that follow cells: {about['note']}."
        )
    effects = about["effects"]
    if not effects["reason"] and effects["design"] != "within patients":
        parts.append(
            f"Values of {fact} hold different patients: an effect of {fact} may be one of their tissue. Only scans of the "
            "same glass can tell."
        )
    if not meta["paired"]["reason"]:
        parts.append(
            "Paired tiles are matched by their place on the tile grid; a shift between scans lowers their agreement."
        )
    if not about["reason"] and about["n_folds"] < 3:
        parts.append(
            f"There are {about['n_folds']} folds only, as a value of {fact} has {min(about['groups_per_class'])} patients; "
            "what is read is read by models that learned from few."
        )
    if not meta["stress"]["reason"]:
        parts.append("Changed pixels imitate stain, focus and compression; they are no other laboratory.")
    return " ".join(parts)


def warnings(meta: Meta) -> list[str]:
    """What has to be known before anything is believed."""
    found = [_confounded(meta, one) for one in meta["confounding"]]
    said = sorted(filter(None, found), key=lambda text: "cannot be told apart" not in text)
    about = meta["read"][meta["fact"]]
    if meta["is_control"]:
        said.append(
            "The encoder has random weights: it is a control, and nothing here is evidence about a trained one."
        )
    if meta["paired"]["reason"] and meta["paired_by"]:
        said.append(f"Paired scans were not compared: {meta['paired']['reason']}.")
    if meta["stress"]["reason"]:
        said.append(f"The stress test was left out: {meta['stress']['reason'].rstrip('.')}.")
    drift = meta["stress"]["drift"]
    if drift is not None and drift > _DRIFT:
        said.append(
            f"Unchanged tiles that were encoded again differ from the stored activations by up to {drift:.1%} of the "
            "largest: the stress test compares like with like, but not with the stored ones."
        )
    if not about["reason"] and about["left_out"]:
        said.append(
            f"Too few of the judged patients have the {meta['fact']} {', '.join(about['left_out'])}: it takes no part in what is "
            "read."
        )
    if not about["reason"] and about["n_arrangements"] < _FEW_ARRANGEMENTS:
        said.append(
            f"Labels of so few patients can be exchanged in {about['n_arrangements']} ways only: p of the {meta['fact']} cannot "
            f"be much below {2 / about['n_arrangements']:.2g}, whatever the features hold."
        )
    if not about["reason"] and min(about["groups_per_class"]) < 5:
        few = about["classes"][int(np.argmin(about["groups_per_class"]))]
        said.append(
            f"Only {counted(min(about['groups_per_class']), 'patient')} with the {meta['fact']} {few!r} are among those that "
            "are judged: p can hardly be small, and intervals are rough."
        )
    return said


def _confounded(meta: Meta, one: Meta) -> str:
    fact, column = meta["fact"], one["column"]
    if one["is_perfect"]:
        table = np.array(one["table"])
        by_column = bool(((table > 0).sum(axis=0) == 1).all())
        first, second = (column, fact) if by_column else (fact, column)
        return (
            f"{fact.capitalize()} and {column} cannot be told apart: every {first} has one {second} only "
            f"({counted(one['n_groups'], 'patient')}). All that is said here of the {fact} holds of the {column} just as "
            f"well, and no statistics can divide them; only slides of the same {column} with another {fact} can."
        )
    p = one["p_holm"]
    if p is None or p > LEVEL:
        return ""
    if column == CELLS:
        return (
            f"The mix of cell types differs with the {fact} ({p_words(p)} after Holm, "
            f"{counted(one['n_groups'], 'patient')}): features that follow cells then differ with the {fact} although they "
            "do nothing wrong, and the two cannot be separated here."
        )
    strength = f"Cramér's V {one['v']:.2f}, " if one["v"] is not None else ""
    return (
        f"{fact.capitalize()} and {column} go together ({strength}{p_words(p)} after Holm, "
        f"{counted(one['n_groups'], 'patient')}): part of what looks like an effect of the {fact} may be one of the {column}."
    )
