"""Figures about what changed pixels do to features."""

from __future__ import annotations

from typing import Final

import numpy as np

from sae_backend.studies.framework.report import Figure, Line, Mark, Points, Target
from sae_backend.studies.robustness.findings import ScannerFindings
from sae_backend.studies.robustness.text import counted

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
            f"the unchanged tiles ({counted(about.n_tiles, 'tile')} of {counted(about.n_slides, 'slide')}). Grey: the "
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
            f"({counted(about.n_tiles, 'tile')} of {counted(about.n_slides, 'slide')}; bands: 95 % intervals by "
            "resampling slides). Grey: raw dimensions. Steps of different changes are not comparable with each other. A "
            "point leads to the feature in the middle."
        ),
        x_label="step, from weak to strong",
        y_label="median change (SD)",
        marks=marks,
        x_names=[str(step + 1) for step in range(max(len(kind.strengths) for kind in about.kinds))],
    )
