"""Figures and tables of an out-of-domain study."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from sae_backend.correlation.representations import SAE
from sae_backend.studies.domain.findings import DomainFindings, JudgedPairs
from sae_backend.studies.domain.pairs import FADED, KEPT, LOST, REVERSED, UNDECIDED, VERDICTS, WEAKER
from sae_backend.studies.framework.report import Bars, Figure, Line, Mark, Points, Table, Target, as_column

Floats = npt.NDArray[np.float64]

_COLOURS: Final = {UNDECIDED: 0, KEPT: 2, WEAKER: 5, LOST: 1, REVERSED: 4, FADED: 3}
_NOTES: Final = {
    "r chosen": "Pearson r on the half of cohort A that chose the feature",
    "r in A": "Pearson r on the other half of cohort A, which took no part in the choice",
    "r in B": "Pearson r on cohort B",
    "p in B": "family-wise p that there is nothing in B: corrected for all chosen features and all types",
    "A low": "95 % bootstrap-t interval of this r alone, by resampling the units of A, not corrected for other pairs",
    "B low": "95 % bootstrap-t interval of this r alone, by resampling the units of B, not corrected for other pairs",
    "difference low": "95 % interval of A less B for this pair alone, not corrected for other pairs",
    "p difference": "p that r is the same in A and B, by t on Fisher's z, after Holm's correction for all pairs",
    "verdict": "kept: p in B at most 0.05 with the same sign, not shown to be weaker; weaker: there, and smaller; lost: "
    "not shown in B, its interval there holds 0, and smaller there; weaker or lost: smaller there, not shown by the "
    "corrected p, though the interval of this r alone leaves 0 out; reversed: there with the other sign; undecided: neither is shown",
}


def scatter(found: DomainFindings, pairs: JudgedPairs) -> Figure:
    """R of each pair in A against that in B."""
    seen = np.concatenate([[0.0], pairs.r_a, pairs.r_b, pairs.low_a, pairs.low_b])
    line = np.array([max(-1.0, float(np.nanmin(seen))), 1.0])
    marks: list[Mark] = [Line(line, line, "the same in both", is_dashed=True)]
    few = pairs.feature.size <= 40
    for code in (UNDECIDED, LOST, FADED, REVERSED, WEAKER, KEPT):
        place = np.flatnonzero(pairs.verdict == code)
        if not place.size:
            continue
        marks.append(
            Points(
                pairs.r_a[place], pairs.r_b[place], f"{VERDICTS[code]} ({place.size})",
                [Target(0, int(f)) for f in pairs.feature[place]],
                [
                    f"feature {f}, {found.type_names[t]}"
                    for f, t in zip(pairs.feature[place], pairs.type[place], strict=True)
                ],
                x_low=pairs.low_a[place] if few else None, x_high=pairs.high_a[place] if few else None,
                y_low=pairs.low_b[place] if few else None, y_high=pairs.high_b[place] if few else None,
                is_baseline=code == UNDECIDED, colour=_COLOURS[code],
            )
        )  # fmt: skip
    return Figure(
        "domain-r",
        f"r of the same features in {found.a.name} and in {found.b.name}",
        f"{pairs.feature.size} pairs of feature and cell type, chosen on one half of {found.a.name}. Across: "
        + (
            f"its other half ({found.a.n_clusters} units: {found.a.unit}). "
            if found.held_out
            else "the same tiles. "
        )
        + f"Up: {found.b.name} ({found.b.n_clusters} units: {found.b.unit}). "
        + ("Bars are 95 % bootstrap-t intervals. " if few else "")
        + "Grey: undecided.",
        f"r in {found.a.name}" + (" (held out)" if found.held_out else " (not held out)"),
        f"r in {found.b.name}",
        marks,
        is_square=True,
    )


def best(found: DomainFindings) -> Figure:
    """The best column of each type beside its baselines, in A and in B."""
    marks: list[Mark] = []
    for name, best_of in found.best.items():
        of_sae = name == SAE
        targets = [Target(0, int(c) if of_sae and c >= 0 else None) for c in best_of.column]
        known = [(best_of.b, best_of.low_b, best_of.high_b, found.b.name)]
        if of_sae:
            known.insert(0, (best_of.a, best_of.low_a, best_of.high_a, found.a.name))
        for r, low, high, cohort in known:
            title = f"{best_of.title}, {cohort}"
            marks.append(Bars(np.abs(r), title, *_sized(r, low, high), targets, is_baseline=not of_sae))
    return Figure(
        "domain-best",
        f"The best column of each type, chosen on {found.a.name}",
        f"|r| on {found.a.name}{' (held-out half)' if found.held_out else ''} and on {found.b.name}; 95 % intervals by "
        f"resampling ({found.b.unit}). Grey, from left to right: "
        + ", ".join(best_of.title for name, best_of in found.best.items() if name != SAE)
        + f" on {found.b.name}, chosen and fitted on {found.a.name} in the same way.",
        "cell type",
        "|r|",
        marks,
        x_names=found.type_names,
        y_limits=(0.0, 1.0),
    )


def _sized(r: Floats, low: Floats, high: Floats) -> tuple[Floats, Floats]:
    """Interval of |r|: that of r, turned where r is negative and cut at 0."""
    turned = r < 0
    return np.clip(np.where(turned, -high, low), 0, 1), np.clip(np.where(turned, -low, high), 0, 1)


def pairs(found: DomainFindings, pairs: JudgedPairs) -> Table:
    """Every pair with what became of it."""
    features = pairs.feature
    columns: dict[str, Any] = {
        "feature": [int(f) for f in features],
        "cell type": [found.type_names[int(t)] for t in pairs.type],
        "verdict": [VERDICTS[int(code)] for code in pairs.verdict],
        "r chosen": as_column(pairs.r_choose),
        "r in A": as_column(pairs.r_a),
        "A low": as_column(pairs.low_a),
        "A high": as_column(pairs.high_a),
        "r in B": as_column(pairs.r_b),
        "B low": as_column(pairs.low_b),
        "B high": as_column(pairs.high_b),
        "p in B": as_column(pairs.p_b),
        "difference low": as_column(pairs.difference_low),
        "difference high": as_column(pairs.difference_high),
        "p difference": as_column(pairs.p_difference),
    }
    return Table(
        "domain-pairs", f"Kept and lost between {found.a.name} (A) and {found.b.name} (B)", columns, _NOTES,
        [Target(0, int(f)) for f in features],
    )  # fmt: skip


def best_table(found: DomainFindings) -> Table:
    """The best columns and their baselines as numbers."""
    columns: dict[str, list[Any]] = {
        key: []
        for key in ("cell type", "from", "column", "r in A", "A low", "A high", "r in B", "B low", "B high")
    }
    for some in found.best.values():
        for c, kind in enumerate(found.type_names):
            numbers = np.array([some.a, some.low_a, some.high_a, some.b, some.low_b, some.high_b])[:, c]
            values = [kind, some.title, int(some.column[c]), *as_column(numbers)]
            for key, value in zip(columns, values, strict=True):
                columns[key].append(value)
    notes = {"column": "number of the feature, dimension or component; -1 where none varies"}
    return Table("domain-best", "The best column of each type beside its baselines", dict(columns), notes)


def quality(found: DomainFindings) -> Figure | None:
    """Explained variance on both cohorts; None where it is not known."""
    if found.a.explained is None or found.b.explained is None:
        return None
    values = np.array([found.a.explained, found.b.explained])
    return Figure(
        "domain-explained",
        "How much of the embeddings the SAE explains",
        f"Explained variance over {found.a.n_tiles:,} tiles of {found.a.name}"
        + (", most of which it was trained on," if found.retrained else "")
        + f" and {found.b.n_tiles:,} of {found.b.name}; 95 % percentile intervals by resampling patients.",
        "cohort",
        "explained variance",
        [Bars(values[:, 0], "", values[:, 1], values[:, 2])],
        x_names=(found.a.name, found.b.name),
        y_limits=(min(0.0, float(np.nanmin(values))), 1.0),
    )


def quality_table(found: DomainFindings) -> Table:
    """How the SAE does on both cohorts."""
    columns: dict[str, list[Any]] = {
        "cohort": [found.a.name, found.b.name],
        "tiles": [each.n_tiles for each in found.cohorts],
        "never fire": [each.never_fires for each in found.cohorts],
        "fire in under 1 of 10,000": [each.rarely_fires for each in found.cohorts],
    }
    for several, title in (
        ([each.explained for each in found.cohorts], "explained variance"),
        ([each.l0 for each in found.cohorts], "L0"),
    ):
        for place, word in enumerate(("", " low", " high")):
            columns[title + word] = [
                None if values is None else as_column(values[place : place + 1])[0] for values in several
            ]
    notes = {
        "never fire": "share of all features that fire in no tile of the cohort",
        "L0": "mean number of features that fire in a tile",
    }
    return Table("domain-quality", "The SAE on both cohorts", dict(columns), notes)
