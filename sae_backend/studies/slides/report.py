"""Tells a study of slides and patients: sentences, figures and tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from sae_backend.statistics.holm import holm
from sae_backend.studies.framework.report import Figure, Number, Report, Table, Target, Threshold, as_column
from sae_backend.studies.framework.result import StudyResult
from sae_backend.studies.slides.figures import (
    MEASURE_WORDS,
    Arrays,
    Meta,
    barcode,
    order_of,
    plane,
    shared,
    strip,
    volcano,
)

_MOST_LINES: Final = 8
LEVEL: Final = 0.05
Q: Final = 0.05
_STRONG: Final = 0.5
_LEAST_PATIENTS: Final = 6


def make_report(result: StudyResult, thresholds: Mapping[str, float]) -> Report:
    """Tell how slides differ; the threshold `q` is the false discovery rate up to which a difference is listed as found."""
    meta, arrays = result.meta, result.arrays
    q = float(thresholds.get("q", Q))
    figures: list[Figure] = []
    tables: list[Table] = []
    if meta["compared"]:
        figures += [volcano(meta, arrays, q), strip(meta, arrays)]
        tables.append(_differences(meta, arrays))
    figures += [plane(meta, arrays), barcode(meta, arrays)]
    if meta["facts"]:
        figures.append(shared(meta, arrays))
        tables.append(_shared_table(meta, arrays))
    tables += [_nearest(meta, arrays), _profiles(meta, arrays)]
    threshold = Threshold(
        "q", "False discovery rate up to which a difference counts as found", 0.01, 0.25, 0.01, q
    )
    return Report(
        _found(meta, arrays, q), _limits(meta), _warnings(meta), figures, tables,
        (threshold,) if meta["compared"] else (), _short(meta, arrays, q),
    )  # fmt: skip


def _found(meta: Meta, arrays: Arrays, q: float) -> str:
    n = len(meta["slides"])
    who = f"{n} slides of {_counted(meta)}" if meta["knows_patients"] else f"{n} slides"
    parts = [f"{who}, {meta['n_features']:,} features, by {MEASURE_WORDS[meta['measure']]}."]
    if meta["compared"]:
        parts.append(_difference_words(meta, arrays, q))
    corrected = holm(arrays["shared_p"])
    shares = [
        f"the same {key} in {arrays['shared'][m]:.0%} of {arrays['shared_n'][m, 0]} slides "
        f"(by chance {arrays['shared_chance'][m]:.0%}, p {_p(float(corrected[m]))})"
        for m, key in enumerate(meta["facts"])
        if np.isfinite(arrays["shared"][m])
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


def _short(meta: Meta, arrays: Arrays, q: float) -> str:
    parts = []
    if meta["compared"]:
        n_family, n_q = int((arrays["group/p"] <= LEVEL).sum()), int((arrays["group/q"] <= q).sum())
        if n_family or n_q:
            tested = int(np.isfinite(arrays["group/p"]).sum())
            parts.append(
                f"{meta['a']} and {meta['b']} differ in {n_family} of {tested:,} features that vary, {n_q} where one in "
                f"{round(1 / q)} may be wrong; most in feature {int(order_of(arrays)[0])}."
            )
        else:
            parts.append(
                f"No feature is shown to differ between {meta['a']} and {meta['b']} ({meta['n_a']} and {meta['n_b']} patients)."
            )
    known = np.flatnonzero(holm(arrays["shared_p"]) <= LEVEL)
    if known.size:
        keys = ", ".join(meta["facts"][m] for m in known)
        parts.append(f"Slides that look alike to the model share more than by chance: {keys}.")
    elif meta["facts"]:
        parts.append(
            "Slides that look alike to the model share no column of the slide table more than by chance."
        )
    if not parts:
        parts.append(
            "No groups were compared, and nothing can be said of what alike slides of different patients share."
        )
    return " ".join(parts)


def _difference_words(meta: Meta, arrays: Arrays, q: float) -> str:
    family, rate = arrays["group/p"], arrays["group/q"]
    n_family, n_q = int((family <= 0.05).sum()), int((rate <= q).sum())
    within = f", exchanged within {meta['within']}" if meta["within"] else ""
    head = (
        f"{meta['a']} ({meta['n_a']} {_people(meta)}) against {meta['b']} ({meta['n_b']}), the patient being the unit"
        f"{within}: {n_family} feature{'s differ' if n_family != 1 else ' differs'} at a family-wise p of 0.05, {n_q} at a "
        f"false discovery rate of {q:g} (rank sums, {meta['n_exchanges']:,} exchanges of patients; the rate takes the chance "
        "of all features together)."
    )
    order = order_of(arrays)
    if not order.size:
        return f"{head} No feature varies between patients."
    best = [_one(arrays, int(f)) for f in order[:3]]
    said = "The strongest" if n_family or n_q else "The largest, none of them beyond chance"
    return f"{head} {said}: {'; '.join(best)}. They were chosen for their difference, which is likely smaller in new patients."


def _one(arrays: Arrays, feature: int) -> str:
    low, high = float(arrays["group/low"][feature]), float(arrays["group/high"][feature])
    return (
        f"feature {feature}, difference of means {float(arrays['group/difference'][feature]):.3g} "
        f"({low:.3g} to {high:.3g}), {float(arrays['group/effect'][feature]):+.2f} SD of patients, "
        f"p {_p(float(arrays['group/p'][feature]))}"
    )


def _counted(meta: Meta) -> str:
    n = int(meta["n_patients"])
    return "1 patient" if n == 1 and not meta["n_without_patient"] else f"{n} {_people(meta)}"


def _people(meta: Meta) -> str:
    """What the units are: patients, or also slides where no patient is known."""
    return "patients" if not meta["n_without_patient"] else "patients or slides"


def _limits(meta: Meta) -> str:
    parts = []
    if not meta["knows_patients"]:
        parts.append(
            "No patients are on record, so slides stand for patients: where several slides are of one patient, p is too "
            "small."
        )
    if meta["compared"]:
        parts.append(
            "A difference between groups is one of everything that goes with them: age of the blocks, site, who was sampled."
        )
        parts.append(
            "p pooled takes the rank sums of all features together as chance; that of a feature alone cannot be below "
            f"{meta['least_p']:.2g} here."
        )
        if min(meta["n_a"], meta["n_b"]) < _LEAST_PATIENTS:
            parts.append(
                f"With {meta['n_a']} and {meta['n_b']} patients p cannot be below {meta['least_p']:.2g}, whatever the difference."
            )
    else:
        parts.append("No groups were compared: name a column of the slide table for that.")
    if meta["n_patients"] == 1:
        parts.append("All slides are of one patient, so nothing can be said of how patients differ.")
    if len(meta["facts"]) > 1:
        parts.append(
            "Columns of the slide table may go together, so that alike slides can share one because of another."
        )
    parts.append("A profile is an average over a slide: where on it a feature fires is not in it.")
    return " ".join(parts)


def _warnings(meta: Meta) -> list[str]:
    found = []
    if meta["knows_patients"] and meta["n_without_patient"]:
        n = meta["n_without_patient"]
        found.append(
            f"{n} of {len(meta['slides'])} slides have no patient on record and count as patients of their own: where they "
            "are not, every p is too small."
        )
    for key, value in (meta.get("goes_with") or {}).items():
        if value >= _STRONG and key.casefold() != str(meta["within"]).casefold():
            found.append(
                f"{key} goes with the groups (Cramer's V {value:.2f} over patients): a difference may be one of {key}. "
                f"Compare within it, or choose other slides."
            )
    if meta.get("n_other_slides"):
        found.append(f"{meta['n_other_slides']} slides are in neither group.")
    return found


def _shared_table(meta: Meta, arrays: Arrays) -> Table:
    columns: dict[str, Any] = {"column": list(meta["facts"])}
    for title, key in (
        ("shared", "shared"),
        ("by chance", "shared_chance"),
        ("95 % of chance", "shared_high"),
        ("p", "shared_p"),
    ):
        columns[title] = as_column(arrays[key])
    columns["p Holm"] = as_column(holm(arrays["shared_p"]))
    for k, title in enumerate(("slides", "patients")):
        columns[title] = [int(n) for n in arrays["shared_n"][:, k]]
    notes = {
        "p Holm": "corrected for all columns of the slide table",
        "shared": "share of the slides that have a value, as their most alike slide of another patient has; no interval",
        "slides": "of which the share is; a patient with several slides counts as often",
        "p": "share of 999 exchanges of the patients' values with at least as many, one-sided; it cannot be below 0.001",
    }
    return Table("slides-shared", "What alike slides share", columns, notes)


def _differences(meta: Meta, arrays: Arrays) -> Table:
    order = order_of(arrays)
    columns: dict[str, Any] = {"feature": [int(f) for f in order]}
    for title, key in (
        (f"mean {meta['a']}", "mean_a"), (f"mean {meta['b']}", "mean_b"), ("difference", "difference"), ("low", "low"),
        ("high", "high"), ("effect (SD)", "effect"), ("superiority", "superiority"), ("p pooled", "p_single"),
        ("q", "q"), ("p family", "p"),
    ):  # fmt: skip
        columns[title] = as_column(arrays[f"group/{key}"][order])
    notes = {
        "difference": "of the means of patients, with its 95 % interval after Welch",
        "effect (SD)": "the difference in pooled standard deviations of patients",
        "superiority": f"probability that a patient of {meta['a']} has more than one of {meta['b']}",
        "p pooled": "share of all features and exchanges together with as large a rank sum; q is made from it",
        "p family": "corrected for all features by the largest of them in each exchange; with "
        f"{meta['n_exchanges']:,} exchanges it cannot be below {meta['least_p']:.2g}",
    }
    return Table(
        "slides-difference",
        f"{meta['a']} against {meta['b']}",
        columns,
        notes,
        [Target(0, int(f)) for f in order],
    )


def _nearest(meta: Meta, arrays: Arrays) -> Table:
    alike = arrays["similarity"]
    units = meta["units"]
    columns: dict[str, list[Any]] = {
        key: [] for key in ("slide", "rank", "alike slide", "similarity", "same patient")
    }
    targets = []
    for k, name in enumerate(meta["slides"]):
        row = np.where(np.arange(len(units)) == k, -np.inf, np.nan_to_num(alike[k], nan=-np.inf))
        for rank, other in enumerate(np.argsort(-row, kind="stable")[:_MOST_LINES], start=1):
            if not np.isfinite(row[other]):
                break
            for key, value in zip(
                columns,
                (name, rank, meta["slides"][other], float(row[other]), units[k] == units[other]),
                strict=True,
            ):
                columns[key].append(value)
            targets.append(Target(0, None, meta["slides"][other]))
    notes = {"similarity": "cosine of the profiles, each feature centred and scaled over all slides"}
    return Table("slides-nearest", "Slides that are alike", dict(columns), notes, targets)


def _profiles(meta: Meta, arrays: Arrays) -> Table:
    columns: dict[str, Any] = {
        "slide": list(meta["slides"]),
        "tiles": [int(n) for n in arrays["n_tiles"]],
        "features that fire": [int((row > 0).sum()) for row in arrays["rate"]],
        "L0": [
            float(row.sum(dtype=np.float64)) if np.isfinite(row).all() else None for row in arrays["rate"]
        ],
    }
    notes = {"L0": "mean number of features that fire in a tile"}
    targets = [Target(0, None, name) for name in meta["slides"]]
    return Table("slides-profiles", "The slides", columns, notes, targets)


def _p(value: float) -> str:
    return "not defined" if not np.isfinite(value) else f"{value:.2g}" if value >= 0.001 else f"{value:.1e}"


def numbers(result: StudyResult, thresholds: Mapping[str, float]) -> list[Number]:
    """How many features differ between the groups, and what slides that are alike share."""
    meta, arrays = result.meta, result.arrays
    found = [
        Number("slides", len(meta["slides"])),
        Number("patients", meta["n_patients"]),
        Number("features", meta["n_features"]),
    ]
    if meta["compared"]:
        q = float(thresholds.get("q", Q))
        groups = f"{meta['a']} and {meta['b']}"
        found += [
            Number(f"patients of {meta['a']}", meta["n_a"]),
            Number(f"patients of {meta['b']}", meta["n_b"]),
            Number(
                f"features that differ between {groups} (family-wise)",
                int((arrays["group/p"] <= LEVEL).sum()),
            ),
            Number(f"features that differ between {groups} (q)", int((arrays["group/q"] <= q).sum())),
        ]
    for k, key in enumerate(meta["facts"]):
        found += [
            Number(f"most alike slide has the same {key}", float(arrays["shared"][k])),
            Number(f"the same by chance, {key}", float(arrays["shared_chance"][k])),
        ]
    return found
