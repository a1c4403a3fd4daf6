"""Tells the study of scanner and stain; thresholds move the roles of features and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from sae_backend.studies.framework.report import Knob, Shown
from sae_backend.studies.framework.result import StudyResult
from sae_backend.studies.robustness import caveats, figures, stress_figures, tables, words
from sae_backend.studies.robustness.roles import Axes, find_roles

LEAST_R: Final = "least_r"
LEAST_EFFECT: Final = "least_effect"
_R: Final = 0.2
_EFFECT: Final = 0.3


def show(result: StudyResult, knobs: Mapping[str, float]) -> Shown:
    """Tell how well the scanner is read, which features it moves, and what cannot be told apart."""
    meta, arrays = result.meta, result.arrays
    thresholds = thresholds_of(knobs)
    axes = role_axes(meta, arrays)
    roles = find_roles(axes, *thresholds)
    found = [words.read_words(meta, arrays, fact) for fact in meta["facts"]]
    found += [
        words.effect_words(meta, arrays),
        words.role_words(meta, roles, thresholds),
        words.index_words(meta, arrays),
        words.paired_words(meta, arrays),
        words.stress_words(meta, arrays),
    ]
    drawn = [
        *(figures.reading(meta, arrays, fact) for fact in meta["facts"]),
        figures.quadrant(meta, arrays, roles, thresholds),
        figures.effects(meta, arrays),
        figures.neighbours(meta, arrays),
        *figures.agreement(meta, arrays),
        stress_figures.stress_lines(meta, arrays),
        stress_figures.stress_features(meta, arrays),
    ]
    told = [
        tables.features_table(meta, arrays, axes, roles, thresholds),
        tables.reading_table(meta, arrays),
        tables.confounding_table(meta),
        tables.stress_table(meta, arrays),
    ]
    return Shown(
        found="\n".join(text for text in found if text),
        limits=caveats.limits(meta),
        warnings=caveats.warnings(meta),
        figures=[figure for figure in drawn if figure is not None],
        tables=[table for table in told if table is not None],
        knobs=[
            Knob(LEAST_R, "Least |r| with a cell type", 0.0, 1.0, 0.01, thresholds[0]),
            Knob(LEAST_EFFECT, f"Least effect of {meta['fact']}", 0.0, 1.0, 0.01, thresholds[1]),
        ],
        short=words.short(meta, arrays, roles),
    )


def thresholds_of(knobs: Mapping[str, float]) -> tuple[float, float]:
    """Least |r| and least effect from which a role follows."""
    return float(knobs.get(LEAST_R, _R)), float(knobs.get(LEAST_EFFECT, _EFFECT))


def role_axes(meta: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> Axes:
    """The two axes that roles follow from; NaN where cells or effects are not known."""
    nothing = np.full(int(meta["n_features"]), np.nan)
    effect = f"effect/{meta['fact']}"
    return Axes(
        r=arrays.get("cells/r", nothing),
        p_r=arrays.get("cells/p", nothing),
        effect=arrays.get(f"{effect}/omega2", nothing),
        p_effect=arrays.get(f"{effect}/p_family", nothing),
    )
