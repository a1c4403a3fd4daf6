"""Figures about scanner and stain."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from sae_backend.statistics.number_text import count_text
from sae_backend.studies.framework.report import Bars, Figure, Line, Mark, Points, Rule, Target
from sae_backend.studies.robustness.array_names import FEATURES, PCA
from sae_backend.studies.robustness.findings import ScannerFindings
from sae_backend.studies.robustness.roles import NOT_JUDGED, ROLES, SILENT, UNEXPLAINED
from sae_backend.studies.robustness.text import few_units, people, units

_SHORTER: Final = {PCA: "PCA"}
"""Below a bar of a docked figure there is room for so much."""


def reading(found: ScannerFindings, fact: str) -> Figure | None:
    """AUROC of each source beside shuffled labels."""
    about = found.readings[fact]
    scores, null = about.scores, about.null
    if about.reason or scores is None or null is None:
        return None
    half = "on the half of the patients that chose no feature" if about.held_out else "not held out"
    return Figure(
        key=f"reading-{fact.casefold().replace(' ', '-')}",
        title=f"How well the {fact} is read from a tile",
        caption=(
            f"AUROC over pairs of tiles of patients that the linear model has not learned from, {half} ({people(about)}); "
            "bars with 95 % intervals by resampling patients. Grey: the mean of labels shuffled between patients, with "
            f"95 % of the {found.settings.n_shuffles} shuffles. PCA: principal components."
        ),
        x_label="",
        y_label=f"AUROC of the {fact}",
        marks=[
            Bars(
                null.mean(axis=1), "labels shuffled between patients",
                scores.null_low, scores.null_high, is_baseline=True,
            ),
            Bars(scores.auroc, "tiles", scores.ci_low, scores.ci_high),
            Bars(scores.slide_auroc, "whole slides", scores.slide_ci_low, scores.slide_ci_high),
            Rule("y", 0.5, "chance"),
        ],
        x_names=[f"{_SHORTER.get(name, found.titles[name])} ({about.width[name]:,})" for name in about.sources],
        y_limits=(0.0, 1.02),
    )  # fmt: skip


def quadrant(
    found: ScannerFindings, roles: npt.NDArray[np.int64], thresholds: tuple[float, float]
) -> Figure | None:
    """Features by effect and r, with the thresholds."""
    fact = found.fact
    sizes, cells = found.effect.sizes, found.cells
    if sizes is None or cells is None or not ((roles != SILENT) & (roles != NOT_JUDGED)).any():
        return None
    effect, r = sizes.omega2, cells.r
    marks: list[Mark] = []
    for role in sorted(range(NOT_JUDGED), key=lambda i: i != UNEXPLAINED):
        which = np.flatnonzero((roles == role) & np.isfinite(effect) & np.isfinite(r))
        if not which.size:
            continue
        marks.append(
            Points(
                effect[which], np.abs(r[which]), f"{ROLES[role]} ({which.size:,})",
                targets=[Target(feature=int(f)) for f in which],
                names=[f"feature {int(f)}: {found.type_names[int(cells.type[f])]}" for f in which],
                is_baseline=role == UNEXPLAINED,
                colour=role,
            )
        )  # fmt: skip
    if not marks:
        return None
    half = (
        "on patients that did not choose the type" if found.halves in ("patient", "slide") else "not held out"
    )
    return Figure(
        key="roles",
        title="Biological, technical, entangled or unexplained",
        caption=(
            f"Each point is a feature. Upwards: |r| with the cell type it follows, {half}; to the right: share of the "
            f"variance between slides that lies between values of {fact} (omega squared, "
            f"{count_text(sizes.n_units, 'slide')} averaged by patient, {sizes.design}). Grey: below a threshold or "
            "within chance on both axes. Biological ones are not shown to differ, technical ones not shown to follow cells; a point beyond a line whose colour says otherwise is within chance there. Not drawn: "
            f"{int((roles == NOT_JUDGED).sum()):,} that are not judged. Lines: the thresholds."
        ),
        x_label=f"effect of {fact} (omega squared)",
        y_label="|r| with cell type",
        marks=[*marks, Rule("y", thresholds[0], "least |r|"), Rule("x", thresholds[1], "least effect")],
        y_limits=(0.0, 1.0),
    )


def _shares(
    values: npt.NDArray[Any] | None, label: str, limits: tuple[float, float], *, is_baseline: bool
) -> list[Mark]:
    """Share of the columns with at most each value: a point a feature, a line for the many columns of a baseline."""
    if values is None or not np.isfinite(values).any():
        return []
    known = np.flatnonzero(np.isfinite(values))
    order = known[np.argsort(values[known], kind="stable")]
    x = np.clip(values[order], *limits)
    y = np.arange(1, order.size + 1) / order.size
    told = f"{label} ({order.size:,})"
    if is_baseline:
        return [Line(x, y, told, is_baseline=True)]
    targets = [Target(feature=int(f)) for f in order]
    names = [f"feature {int(f)}: {values[f]:.2f}" for f in order]
    return [Points(x, y, told, targets, names)]


def effects(found: ScannerFindings) -> Figure | None:
    """Distribution of the effects of features and raw dimensions."""
    fact = found.fact
    about = found.effect
    if about.sizes is None or not np.isfinite(about.sizes.omega2).any():
        return None
    limits = (-0.25, 1.0)
    return Figure(
        key="effects",
        title=f"How far features differ between values of {fact}",
        caption=(
            f"Each point is a feature: share of the variance between slides that lies between values of {fact} (omega "
            f"squared, free of bias: 0 on average by chance; {units(about)}, all slides), and the share of the features "
            "with no more. Grey: raw dimensions."
        ),
        x_label="omega squared",
        y_label="share of columns with no more",
        marks=[
            *_shares(about.raw_omega2, "raw dimensions", limits, is_baseline=True),
            *_shares(about.sizes.omega2, "SAE features", limits, is_baseline=False),
        ],
        y_limits=(0.0, 1.02),
    )


def neighbours(found: ScannerFindings) -> Figure | None:
    """Robustness index of each source beside random neighbours."""
    fact = found.fact
    about = found.readings[fact]
    if not about.sources or about.index_reasons[FEATURES]:
        return None
    index = about.index
    assert index is not None
    return Figure(
        key="neighbours",
        title="Are neighbours of one class, or of one scanner?",
        caption=(
            f"SO / (SO + OS) over the {found.settings.neighbours} nearest tiles of other patients by the cosine: same "
            f"{about.index_classes} and other {fact} against other {about.index_classes} and same {fact} "
            f"({count_text(about.n_index_tiles, 'tile')}; 95 % intervals by resampling patients). Grey: random neighbours. PCA: principal components."
        ),
        x_label="",
        y_label="robustness index",
        marks=[
            Bars(index.chance, "random neighbours", is_baseline=True),
            Bars(index.value, "nearest tiles", index.low, index.high),
        ],
        x_names=[_SHORTER.get(name, found.titles[name]) for name in about.sources],
        y_limits=(0.0, 1.0),
    )


def agreement(found: ScannerFindings) -> list[Figure]:
    """ICC of paired scans, and the shift of each feature."""
    about = found.paired
    own = about.features
    if own is None or not np.isfinite(own.icc_a).any():
        return []
    where = f"{count_text(about.n_tiles, 'matched tile')} of {about.n_glasses} glasses under {', '.join(about.scanners)}"
    limits = (-0.2, 1.0)
    icc, shift = own.icc_a, own.shift
    which = np.flatnonzero(np.isfinite(icc) & np.isfinite(shift))
    few = which.size <= 200
    too_few = few_units(about)
    intervals = (
        f"No intervals, as there are {too_few}."
        if too_few
        else "Bars: 95 % intervals by resampling patients."
        if few
        else ""
    ).strip()
    points = Points(
        shift[which], icc[which], "SAE features",
        targets=[Target(feature=int(f)) for f in which],
        names=[f"feature {int(f)}" for f in which],
        x_low=own.shift_low[which] if few else None, x_high=own.shift_high[which] if few else None,
        y_low=own.icc_a_low[which] if few else None, y_high=own.icc_a_high[which] if few else None,
    )  # fmt: skip
    return [
        Figure(
            key="agreement",
            title="Agreement of scans of the same tissue",
            caption=(
                f"Each point is a feature: ICC(A,1), two-way, absolute agreement of single scans, over {where}, and the share "
                "of the features with no more. 1 is the same value under every scanner; nothing is chosen. Grey: raw "
                "dimensions."
            ),
            x_label="ICC(A,1)",
            y_label="share of columns with no more",
            marks=[
                *_shares(
                    None if about.raw is None else about.raw.icc_a, "raw dimensions", limits, is_baseline=True
                ),
                *_shares(icc, "SAE features", limits, is_baseline=False),
            ],
            y_limits=(0.0, 1.02),
        ),
        Figure(
            key="shift",
            title="Shift between scanners",
            caption=(
                "Difference of the highest and the lowest scanner mean in SD of tiles under one scanner, above 0 by chance "
                f"alone, over {where}. {intervals}"
            ),
            x_label="shift (SD)",
            y_label="ICC(A,1)",
            marks=[points],
        ),
    ]


_LEAST_MOVED: Final = 0.001
"""SD; what moves less lies on the lower edge of a logarithmic axis."""


def stress_features(found: ScannerFindings) -> Figure | None:
    """Every feature by how far each change moves it at its strongest step."""
    about = found.stress
    own = about.features
    if own is None or not np.isfinite(own.moved[:, -1]).any():
        return None
    marks: list[Mark] = []
    names = []
    for i, kind in enumerate(about.kinds):
        moved = own.moved[i, -1]
        known = np.flatnonzero(np.isfinite(moved))
        known = known[np.argsort(moved[known], kind="stable")]
        # Beside one another in their order, so that each can be clicked.
        x = i + np.linspace(-0.35, 0.35, known.size)
        marks.append(
            Points(
                x, np.maximum(moved[known], _LEAST_MOVED), "",
                [Target(feature=int(f)) for f in known],
                [f"feature {int(f)}: {moved[f]:.2f} SD by {kind.name}" for f in known],
                colour=0,
            )
        )  # fmt: skip
        marks.append(
            Line(np.array([i - 0.38, i + 0.38]), np.full(2, np.median(moved[known]) if known.size else np.nan),
                 "" if i else "median", is_baseline=True)
        )  # fmt: skip
        names.append(f"{kind.strongest} {kind.unit}")
    return Figure(
        key="stress-features",
        title="Which features move when pixels change",
        caption=(
            "Each point is a feature, sorted within a change: mean absolute change of a tile at the strongest step, in SD of "
            f"the unchanged tiles ({count_text(about.n_tiles, 'tile')} of {count_text(about.n_slides, 'slide')}). Grey: the "
            "median. A feature that hardly fires in these tiles can move by many of its SD. Different changes are not "
            "comparable with each other."
        ),
        x_label="",
        y_label="change (SD)",
        marks=marks,
        x_names=names,
        y_is_log=True,
    )


def stress_lines(found: ScannerFindings) -> Figure | None:
    """Median movement by strength."""
    about = found.stress
    own, raw = about.features, about.raw
    if own is None or raw is None:
        return None
    marks: list[Mark] = []
    for i, kind in enumerate(about.kinds):
        steps = np.arange(len(kind.strengths), dtype=np.float64)
        marks.append(
            Line(
                steps,
                raw.median[i],
                "" if i else "raw dimensions, the same",
                is_baseline=True,
            )
        )
        label = f"{kind.name} ({', '.join(f'{s:g}' for s in kind.strengths)} {kind.unit})"
        low, high = own.median_low[i], own.median_high[i]
        median = own.median[i]
        away = np.abs(own.moved[i] - median[:, None])
        known = np.isfinite(away).any(axis=1).all()
        behind = [Target(feature=int(f)) for f in np.nanargmin(away, axis=1)] if known else []
        marks.append(Line(steps, median, label, low, high, behind))
    return Figure(
        key="stress",
        title="How far features move when pixels change",
        caption=(
            "Median over features of the mean absolute change of a tile, in SD of the unchanged tiles "
            f"({count_text(about.n_tiles, 'tile')} of {count_text(about.n_slides, 'slide')}; bands: 95 % intervals by "
            "resampling slides). Grey: raw dimensions. Steps of different changes are not comparable with each other. A "
            "point leads to the feature in the middle."
        ),
        x_label="step, from weak to strong",
        y_label="median change (SD)",
        marks=marks,
        x_names=[str(step + 1) for step in range(max(len(kind.strengths) for kind in about.kinds))],
    )
