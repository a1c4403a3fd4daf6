"""Tables about scanner and stain."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from sae_backend.studies.framework.report import Table, Target, as_column
from sae_backend.studies.methods.labels.confounding import COMPOSITION
from sae_backend.studies.robustness.array_names import INDEX_FIELDS, SCORES
from sae_backend.studies.robustness.findings import Effects, ScannerFindings
from sae_backend.studies.robustness.roles import ROLES, SILENT, Axes, reason
from sae_backend.studies.robustness.text import few_units

Columns = dict[str, Any]


def features_table(
    found: ScannerFindings, axes: Axes, roles: npt.NDArray[np.int64], thresholds: tuple[float, float]
) -> Table:
    """Every feature that varies, those with the largest effect first."""
    fact = found.fact
    which = np.flatnonzero(roles != SILENT)
    which = which[np.argsort(-np.nan_to_num(axes.effect[which], nan=-2.0), kind="stable")]
    types = np.full(roles.size, -1) if found.cells is None else found.cells.type
    names = [found.type_names[int(t)] if t >= 0 else "" for t in types[which]]
    columns: Columns = {
        "feature": [int(f) for f in which],
        "role": [ROLES[int(roles[f])] for f in which],
        "why": [reason(axes, int(f), thresholds, (name, fact)) for f, name in zip(which, names, strict=True)],
        "cell type": names,
    }
    notes = {
        "role": f"at |r| {thresholds[0]:.2f} and effect {thresholds[1]:.2f}; an axis counts beyond chance only: biological ones "
        f"follow cells and are not shown to differ with the {fact}, technical ones differ with it and are not shown to follow "
        "cells",
        "r": "Pearson r with the cell type, on the half that did not choose it where halves were drawn",
        "p r": "family-wise p of r",
        "effect": f"omega squared: share of the variance between slides that lies between values of {fact}",
        "difference": f"the two values of {fact} that differ most, in SD of slides of one value",
        "slide AUROC": "share of pairs of slides that the mean sets in the right order; at least 0.5",
        "p effect": f"share of the labellings of patients with at least this effect of {fact}{_least_p(found.effect)}",
        "p family": f"the same for the largest effect of all features{_least_p(found.effect)}",
        "q": "p after Benjamini and Hochberg",
    }
    cells, sizes = found.cells, found.effect.sizes
    known: list[tuple[str, npt.NDArray[np.float64]]] = []
    if cells is not None:
        known += [("r", cells.r), ("r low", cells.r_low), ("r high", cells.r_high), ("p r", cells.p)]
    if sizes is not None:
        known += [
            ("effect", sizes.omega2), ("difference", sizes.difference), ("slide AUROC", sizes.auroc),
            ("p effect", sizes.p), ("p family", sizes.p_family), ("q", sizes.q),
        ]  # fmt: skip
        for label, means in zip(found.effect.classes, sizes.means, strict=True):
            known.append((f"mean {label}", means))
            notes[f"mean {label}"] = "mean activation over slides, averaged by patient"
    for title, values in known:
        columns[title] = as_column(values[which])
    _paired_columns(found, which, columns, notes)
    _stress_columns(found, which, columns, notes)
    return Table(
        "features", "Features with their roles", columns, {k: v for k, v in notes.items() if k in columns},
        [Target(feature=int(f)) for f in which],
    )  # fmt: skip


def _least_p(effects: Effects) -> str:
    """What p is at least, as the labels as they are count as one of the labellings."""
    n = 0 if effects.sizes is None else effects.sizes.n_labellings
    return f"; with {n:,} labellings it cannot be below {1 / n:.2g}" if n else ""


def _paired_columns(
    found: ScannerFindings, which: npt.NDArray[np.int64], columns: Columns, notes: dict[str, str]
) -> None:
    own = found.paired.features
    if own is None:
        return
    n = f"{found.paired.n_tiles:,} matched tiles of {found.paired.n_glasses} glasses"
    few = few_units(found.paired)
    interval = f"no interval, as there are {few}" if few else "95 % interval by resampling patients"
    for title, values, note in (
        ("ICC(A,1)", own.icc_a, f"absolute agreement of single scans, two-way; {n}"),
        ("ICC low", own.icc_a_low, interval),
        ("ICC high", own.icc_a_high, interval),
        ("ICC(C,1)", own.icc_c, "consistency: a shift of a whole scanner is forgiven"),
        (
            "shift",
            own.shift,
            "highest less lowest scanner mean, in SD of tiles under one scanner; above 0 by chance alone",
        ),
        ("shift low", own.shift_low, interval),
        ("shift high", own.shift_high, interval),
        ("shift %", own.percent, "the same in per cent of the mean"),
    ):
        columns[title] = as_column(values[which])
        notes[title] = note
    columns["matched tiles firing"] = as_column(own.n_active[which])
    notes["matched tiles firing"] = (
        "under one scanner at least; where they are few, single tiles decide the ICC"
    )
    names = found.paired.scanners
    for title, which_scanner in (("highest scanner", own.high), ("lowest scanner", own.low)):
        columns[title] = [names[int(i)] for i in which_scanner[which]]


def _stress_columns(
    found: ScannerFindings, which: npt.NDArray[np.int64], columns: Columns, notes: dict[str, str]
) -> None:
    own = found.stress.features
    if own is None:
        return
    for i, kind in enumerate(found.stress.kinds):
        title = kind.strongest
        columns[f"moved, {title}"] = as_column(own.moved[i, -1, which])
        columns[f"rank r, {title}"] = as_column(own.rank[i, -1, which])
        notes[f"moved, {title}"] = f"mean absolute change in SD of the unchanged tiles ({kind.unit})"
        notes[f"rank r, {title}"] = "Spearman correlation of tiles before and after"


def stress_table(found: ScannerFindings) -> Table | None:
    """Features by how far any change at its strongest step moves them."""
    own = found.stress.features
    if own is None:
        return None
    last = own.moved[:, -1]
    known = np.flatnonzero(np.isfinite(last).any(axis=0))
    if not known.size:
        return None
    most = np.nan_to_num(last[:, known], nan=-1.0)
    order = np.argsort(-most.max(axis=0), kind="stable")
    which, by = known[order], most.argmax(axis=0)[order]
    moved, rank = (values[by, :, which] for values in (own.moved, own.rank))
    kinds = found.stress.kinds
    columns: Columns = {
        "feature": [int(f) for f in which],
        "moved most by": [kinds[int(i)].name for i in by],
        **{f"step {j + 1}": as_column(moved[:, j]) for j in range(moved.shape[1])},
        "shift": as_column(own.shift[by, -1, which]),
        "rank r": as_column(rank[:, -1]),
        "grows with strength": ["yes" if (np.diff(row) >= 0).all() else "no" for row in moved],
    }
    notes = {
        "moved most by": "the change whose strongest step moves it most",
        "step 1": "mean absolute change of a tile in SD of the unchanged tiles, weakest step",
        "shift": "mean change at the strongest step, with its sign",
        "rank r": "Spearman correlation of the tiles before and after the strongest step",
    }
    return Table(
        "stress", "Features by how far changed pixels move them", columns, notes,
        [Target(feature=int(f)) for f in which],
    )  # fmt: skip


def reading_table(found: ScannerFindings) -> Table | None:
    """Predictability and neighbour index of every label and source."""
    rows: list[list[Any]] = []
    for fact in found.facts:
        about = found.readings[fact]
        corrected = as_column(about.p_holm()) or [None] * len(about.sources)
        for i, name in enumerate(about.sources):
            assert about.scores is not None
            scores = as_column(np.array([values[i] for values in vars(about.scores).values()]))
            index = as_column(np.array(list(vars(about.index_of(name)).values())))
            reasons = [about.reason, about.index_reasons[name]]
            rows.append(
                [fact, found.titles[name], about.width[name], *scores[:6], corrected[i], *scores[6:], *index[:4],
                 about.n_patients, about.n_slides, about.n_tiles, "; ".join(filter(None, reasons))]
            )  # fmt: skip
    if not rows:
        return None
    titles = [
        "label", "read from", "columns", "AUROC", "low", "high", "shuffled low", "shuffled high", "p", "p Holm", "slide AUROC",
        "slide low", "slide high", "slide p", "robustness index", "index low", "index high", "random neighbours",
        "patients", "slides", "tiles", "why not",
    ]  # fmt: skip
    assert (
        len(SCORES) + 4 == titles.index("patients") - 4
        and titles.index("p") == 3 + SCORES.index("p")
        and INDEX_FIELDS[3] == "chance"
    )
    return Table(
        "reading", "What the label is read from",
        {title: [row[i] for row in rows] for i, title in enumerate(titles)},
        {
            "AUROC": "over pairs of tiles of unseen patients in one fold, each slide weighing the same",
            "low": "95 % interval by resampling patients, widened as folds share what they learn from",
            "shuffled low": "middle 95 % with labels shuffled between patients",
            "p": "share of the labellings, the true one with them, with at least this AUROC; with "
            f"{found.settings.n_shuffles} shuffles it cannot be below {1 / (found.settings.n_shuffles + 1):.2g}",
            "p Holm": "p after Holm over all that one label is read from; what is said goes by it",
            "slide AUROC": "the same with the mean score of each slide",
            "robustness index": "SO / (SO + OS) over the nearest tiles of other patients",
        },
    )  # fmt: skip


def confounding_table(found: ScannerFindings) -> Table | None:
    """What goes together with the label."""
    rows = found.confounding
    if not rows:
        return None
    return Table(
        "confounding",
        f"What goes together with the {found.fact}",
        {
            "column": ["mix of cell types" if one.column == COMPOSITION else one.column for one in rows],
            "strength": as_column(np.array([one.v for one in rows])),
            "p": as_column(np.array([one.p for one in rows])),
            "p Holm": as_column(np.array([one.p_holm for one in rows])),
            "one decides the other": ["yes" if one.is_perfect else "no" for one in rows],
            "patients": [one.n_groups for one in rows],
            "slides": [one.n_slides for one in rows],
            "why not": [one.reason for one in rows],
        },
        {
            "strength": "Cramér's V freed of bias; for cells the largest omega squared of a type",
            "p": "share of the labellings of patients with at least this chi squared (cells: sum of eta squared)",
            "p Holm": "after Holm over all rows; a note is given by p, or by a strength of a column of 0.5 or more",
        },
    )
