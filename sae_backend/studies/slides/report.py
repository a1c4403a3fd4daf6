"""Tells a study of slides and patients: sentences, figures and tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from sae_backend.statistics.holm import holm
from sae_backend.statistics.number_text import p_is_text
from sae_backend.studies.framework.report import Figure, Number, Report, Table, Target, Threshold, as_column
from sae_backend.studies.framework.result import StudyResult
from sae_backend.studies.slides.figures import (
    MEASURE_WORDS,
    barcode,
    plane,
    shared,
    strip,
    volcano,
)
from sae_backend.studies.slides.findings import ComparedGroups, SlideFindings, strongest
from sae_backend.studies.slides.group_difference import GroupDifference

_MOST_LINES: Final = 8
LEVEL: Final = 0.05
Q: Final = 0.05
_STRONG: Final = 0.5
_LEAST_PATIENTS: Final = 6


def make_report(result: StudyResult, thresholds: Mapping[str, float]) -> Report:
    """Tell how slides differ; the threshold `q` is the false discovery rate up to which a difference is listed as found."""
    found = SlideFindings.of(result)
    groups = found.groups
    q = float(thresholds.get("q", Q))
    figures: list[Figure] = []
    tables: list[Table] = []
    if groups:
        figures += [volcano(groups, q), strip(found, groups)]
        tables.append(_differences(groups))
    figures += [plane(found), barcode(found)]
    if found.facts:
        figures.append(shared(found))
        tables.append(_shared_table(found))
    tables += [_nearest(found), _profiles(found)]
    threshold = Threshold(
        "q", "False discovery rate up to which a difference counts as found", 0.01, 0.25, 0.01, q
    )
    return Report(
        _found(found, q), _limits(found), _warnings(found), figures, tables,
        (threshold,) if groups else (), _short(found, q),
    )  # fmt: skip


def _found(found: SlideFindings, q: float) -> str:
    n = len(found.slides)
    who = f"{n} slides of {_counted(found)}" if found.knows_patients else f"{n} slides"
    parts = [f"{who}, {found.n_features:,} features, by {MEASURE_WORDS[found.measure]}."]
    if found.groups:
        parts.append(_difference_words(found, found.groups, q))
    corrected = holm(found.shared_p)
    shares = [
        f"the same {key} in {found.shared[m]:.0%} of {found.shared_n[m, 0]} slides "
        f"(by chance {found.shared_chance[m]:.0%}, {p_is_text(float(corrected[m]))})"
        for m, key in enumerate(found.facts)
        if np.isfinite(found.shared[m])
    ]
    if shares:
        n = int(np.isfinite(corrected).sum())
        after = (
            f"; p by exchanging patients, after Holm for {n} columns"
            if n > 1
            else "; p by exchanging patients"
        )
        parts.append(f"The most alike slide of another patient has {', '.join(shares)}{after}.")
    return "\n".join(parts)


def _short(found: SlideFindings, q: float) -> str:
    parts, groups = [], found.groups
    if groups:
        n_family, n_q = int((groups.difference.p <= LEVEL).sum()), int((groups.difference.q <= q).sum())
        if n_family or n_q:
            tested = int(np.isfinite(groups.difference.p).sum())
            parts.append(
                f"{groups.a} and {groups.b} differ in {n_family} of {tested:,} features that vary, {n_q} where one in "
                f"{round(1 / q)} may be wrong; most in feature {int(strongest(groups)[0])}."
            )
        else:
            parts.append(
                f"No feature is shown to differ between {groups.a} and {groups.b} ({groups.n_a} and {groups.n_b} patients)."
            )
    known = np.flatnonzero(holm(found.shared_p) <= LEVEL)
    if known.size:
        keys = ", ".join(found.facts[m] for m in known)
        parts.append(f"Slides that look alike to the model share more than by chance: {keys}.")
    elif found.facts:
        parts.append(
            "Slides that look alike to the model share no column of the slide table more than by chance."
        )
    if not parts:
        parts.append(
            "No groups were compared, and nothing can be said of what alike slides of different patients share."
        )
    return " ".join(parts)


def _difference_words(found: SlideFindings, groups: ComparedGroups, q: float) -> str:
    family, rate = groups.difference.p, groups.difference.q
    n_family, n_q = int((family <= 0.05).sum()), int((rate <= q).sum())
    within = f", exchanged within {groups.within}" if groups.within else ""
    head = (
        f"{groups.a} ({groups.n_a} {_people(found)}) against {groups.b} ({groups.n_b}), the patient being the unit"
        f"{within}: {n_family} feature{'s differ' if n_family != 1 else ' differs'} at a family-wise p of 0.05, {n_q} at a "
        f"false discovery rate of {q:g} (rank sums, {groups.n_exchanges:,} exchanges of patients; the rate takes the chance "
        "of all features together)."
    )
    order = strongest(groups)
    if not order.size:
        return f"{head} No feature varies between patients."
    best = [_one(groups.difference, int(f)) for f in order[:3]]
    said = "The strongest" if n_family or n_q else "The largest, none of them beyond chance"
    return f"{head} {said}: {'; '.join(best)}. They were chosen for their difference, which is likely smaller in new patients."


def _one(difference: GroupDifference, feature: int) -> str:
    low, high = float(difference.low[feature]), float(difference.high[feature])
    return (
        f"feature {feature}, difference of means {float(difference.difference[feature]):.3g} "
        f"({low:.3g} to {high:.3g}), {float(difference.effect[feature]):+.2f} SD of patients, "
        f"{p_is_text(float(difference.p[feature]))}"
    )


def _counted(found: SlideFindings) -> str:
    n = found.n_patients
    return "1 patient" if n == 1 and not found.n_without_patient else f"{n} {_people(found)}"


def _people(found: SlideFindings) -> str:
    """What the units are: patients, or also slides where no patient is known."""
    return "patients" if not found.n_without_patient else "patients or slides"


def _limits(found: SlideFindings) -> str:
    parts, groups = [], found.groups
    if not found.knows_patients:
        parts.append(
            "No patients are on record, so slides stand for patients: where several slides are of one patient, p is too "
            "small."
        )
    if groups:
        parts.append(
            "A difference between groups is one of everything that goes with them: age of the blocks, site, who was sampled."
        )
        parts.append(
            "p pooled takes the rank sums of all features together as chance; that of a feature alone cannot be below "
            f"{groups.least_p:.2g} here."
        )
        if min(groups.n_a, groups.n_b) < _LEAST_PATIENTS:
            parts.append(
                f"With {groups.n_a} and {groups.n_b} patients p cannot be below {groups.least_p:.2g}, whatever the difference."
            )
    else:
        parts.append("No groups were compared: name a column of the slide table for that.")
    if found.n_patients == 1:
        parts.append("All slides are of one patient, so nothing can be said of how patients differ.")
    if len(found.facts) > 1:
        parts.append(
            "Columns of the slide table may go together, so that alike slides can share one because of another."
        )
    parts.append("A profile is an average over a slide: where on it a feature fires is not in it.")
    return " ".join(parts)


def _warnings(found: SlideFindings) -> list[str]:
    notes, groups = [], found.groups
    if found.knows_patients and found.n_without_patient:
        n = found.n_without_patient
        notes.append(
            f"{n} of {len(found.slides)} slides have no patient on record and count as patients of their own: where they "
            "are not, every p is too small."
        )
    if groups is None:
        return notes
    for key, value in groups.goes_with.items():
        if value >= _STRONG and key.casefold() != groups.within.casefold():
            notes.append(
                f"{key} goes with the groups (Cramer's V {value:.2f} over patients): a difference may be one of {key}. "
                f"Compare within it, or choose other slides."
            )
    if groups.n_other_slides:
        notes.append(f"{groups.n_other_slides} slides are in neither group.")
    return notes


def _shared_table(found: SlideFindings) -> Table:
    columns: dict[str, Any] = {"column": list(found.facts)}
    for title, values in (
        ("shared", found.shared),
        ("by chance", found.shared_chance),
        ("95 % of chance", found.shared_high),
        ("p", found.shared_p),
    ):
        columns[title] = as_column(values)
    columns["p Holm"] = as_column(holm(found.shared_p))
    for k, title in enumerate(("slides", "patients")):
        columns[title] = [int(n) for n in found.shared_n[:, k]]
    notes = {
        "p Holm": "corrected for all columns of the slide table",
        "shared": "share of the slides that have a value, as their most alike slide of another patient has; no interval",
        "slides": "of which the share is; a patient with several slides counts as often",
        "p": "share of 999 exchanges of the patients' values with at least as many, one-sided; it cannot be below 0.001",
    }
    return Table("slides-shared", "What alike slides share", columns, notes)


def _differences(groups: ComparedGroups) -> Table:
    difference = groups.difference
    order = strongest(groups)
    columns: dict[str, Any] = {"feature": [int(f) for f in order]}
    for title, values in (
        (f"mean {groups.a}", difference.mean_a), (f"mean {groups.b}", difference.mean_b), ("difference", difference.difference), ("low", difference.low),
        ("high", difference.high), ("effect (SD)", difference.effect), ("superiority", difference.superiority), ("p pooled", difference.p_single),
        ("q", difference.q), ("p family", difference.p),
    ):  # fmt: skip
        columns[title] = as_column(values[order])
    notes = {
        "difference": "of the means of patients, with its 95 % interval after Welch",
        "effect (SD)": "the difference in pooled standard deviations of patients",
        "superiority": f"probability that a patient of {groups.a} has more than one of {groups.b}",
        "p pooled": "share of all features and exchanges together with as large a rank sum; q is made from it",
        "p family": "corrected for all features by the largest of them in each exchange; with "
        f"{groups.n_exchanges:,} exchanges it cannot be below {groups.least_p:.2g}",
    }
    return Table(
        "slides-difference",
        f"{groups.a} against {groups.b}",
        columns,
        notes,
        [Target(0, int(f)) for f in order],
    )


def _nearest(found: SlideFindings) -> Table:
    alike = found.similarity
    units = found.units
    columns: dict[str, list[Any]] = {
        key: [] for key in ("slide", "rank", "alike slide", "similarity", "same patient")
    }
    targets = []
    for k, name in enumerate(found.slides):
        row = np.where(np.arange(len(units)) == k, -np.inf, np.nan_to_num(alike[k], nan=-np.inf))
        for rank, other in enumerate(np.argsort(-row, kind="stable")[:_MOST_LINES], start=1):
            if not np.isfinite(row[other]):
                break
            for key, value in zip(
                columns,
                (name, rank, found.slides[other], float(row[other]), units[k] == units[other]),
                strict=True,
            ):
                columns[key].append(value)
            targets.append(Target(0, None, found.slides[other]))
    notes = {"similarity": "cosine of the profiles, each feature centred and scaled over all slides"}
    return Table("slides-nearest", "Slides that are alike", dict(columns), notes, targets)


def _profiles(found: SlideFindings) -> Table:
    columns: dict[str, Any] = {
        "slide": list(found.slides),
        "tiles": [int(n) for n in found.profiles.n_tiles],
        "features that fire": [int((row > 0).sum()) for row in found.profiles.rate],
        "L0": [
            float(row.sum(dtype=np.float64)) if np.isfinite(row).all() else None
            for row in found.profiles.rate
        ],
    }
    notes = {"L0": "mean number of features that fire in a tile"}
    targets = [Target(0, None, name) for name in found.slides]
    return Table("slides-profiles", "The slides", columns, notes, targets)


def numbers(result: StudyResult, thresholds: Mapping[str, float]) -> list[Number]:
    """How many features differ between the groups, and what slides that are alike share."""
    found = SlideFindings.of(result)
    summed = [
        Number("slides", len(found.slides)),
        Number("patients", found.n_patients),
        Number("features", found.n_features),
    ]
    if found.groups:
        groups = found.groups
        q = float(thresholds.get("q", Q))
        names = f"{groups.a} and {groups.b}"
        summed += [
            Number(f"patients of {groups.a}", groups.n_a),
            Number(f"patients of {groups.b}", groups.n_b),
            Number(
                f"features that differ between {names} (family-wise)",
                int((groups.difference.p <= LEVEL).sum()),
            ),
            Number(f"features that differ between {names} (q)", int((groups.difference.q <= q).sum())),
        ]
    for k, key in enumerate(found.facts):
        summed += [
            Number(f"most alike slide has the same {key}", float(found.shared[k])),
            Number(f"the same by chance, {key}", float(found.shared_chance[k])),
        ]
    return summed
