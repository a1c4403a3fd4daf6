"""Tells the study of scanner and stain; thresholds move the roles of features and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from sae_backend.studies.framework.report import Number, Report, Threshold
from sae_backend.studies.framework.result import StudyResult
from sae_backend.studies.robustness import caveats, figures, stress_figures, tables, text
from sae_backend.studies.robustness.array_names import FEATURES
from sae_backend.studies.robustness.roles import LEVEL, ROLES, Axes, find_roles
from sae_backend.studies.robustness.text import score

LEAST_R: Final = "least_r"
LEAST_EFFECT: Final = "least_effect"
_R: Final = 0.2
_EFFECT: Final = 0.3


def make_report(result: StudyResult, thresholds: Mapping[str, float]) -> Report:
    """Tell how well the scanner is read, which features it moves, and what cannot be told apart."""
    meta, arrays = result.meta, result.arrays
    limits = thresholds_of(thresholds)
    axes = role_axes(meta, arrays)
    roles = find_roles(axes, *limits)
    found = [text.read_words(meta, arrays, fact) for fact in meta["facts"]]
    found += [
        text.effect_words(meta, arrays),
        text.role_words(meta, roles, limits),
        text.index_words(meta, arrays),
        text.paired_words(meta, arrays),
        text.stress_words(meta, arrays),
    ]
    drawn = [
        *(figures.reading(meta, arrays, fact) for fact in meta["facts"]),
        figures.quadrant(meta, arrays, roles, limits),
        figures.effects(meta, arrays),
        figures.neighbours(meta, arrays),
        *figures.agreement(meta, arrays),
        stress_figures.stress_lines(meta, arrays),
        stress_figures.stress_features(meta, arrays),
    ]
    told = [
        tables.features_table(meta, arrays, axes, roles, limits),
        tables.reading_table(meta, arrays),
        tables.confounding_table(meta),
        tables.stress_table(meta, arrays),
    ]
    return Report(
        found="\n".join(text for text in found if text),
        limits=caveats.limits(meta),
        warnings=caveats.warnings(meta),
        figures=[figure for figure in drawn if figure is not None],
        tables=[table for table in told if table is not None],
        thresholds=[
            Threshold(LEAST_R, "Least |r| with a cell type", 0.0, 1.0, 0.01, limits[0]),
            Threshold(LEAST_EFFECT, f"Least effect of {meta['fact']}", 0.0, 1.0, 0.01, limits[1]),
        ],
        short=text.short(meta, arrays, roles),
    )


def thresholds_of(thresholds: Mapping[str, float]) -> tuple[float, float]:
    """Least |r| and least effect from which a role follows."""
    return float(thresholds.get(LEAST_R, _R)), float(thresholds.get(LEAST_EFFECT, _EFFECT))


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


def numbers(result: StudyResult, thresholds: Mapping[str, float]) -> list[Number]:
    """How well labels are read and from what, effects, roles, neighbours, agreement and the stress test."""
    meta, arrays = result.meta, result.arrays
    found = []
    for fact in meta["facts"]:
        about = meta["read"][fact]
        for place, name in enumerate(about["sources"]):
            one = score(meta, arrays, fact, name)
            if one:
                title = f"AUROC of the {fact} from {meta['sources'][name]}"
                found.append(Number(title, one["auroc"], one["ci_low"], one["ci_high"]))
            if name == FEATURES and not about["index_reasons"][name]:
                index = (float(value) for value in arrays[f"read/{fact}/index"][place][:3])
                found.append(Number(f"robustness index of the features, {fact}", *index))
        p = arrays.get(f"effect/{fact}/p_family")
        if p is not None:
            n = int((np.nan_to_num(p, nan=1.0) <= LEVEL).sum())
            found.append(Number(f"features that differ between values of {fact}", n))
    roles = find_roles(role_axes(meta, arrays), *thresholds_of(thresholds))
    found += [
        Number(f"{name} features, {meta['fact']}", int((roles == k).sum())) for k, name in enumerate(ROLES)
    ]
    if not meta["paired"]["reason"]:
        found.append(Number("median ICC(A,1) of paired scans", _median(arrays["paired/features/icc_a"])))
    if not meta["stress"]["reason"]:
        for k, kind in enumerate(meta["stress"]["kinds"]):
            title = f"median feature moved by {kind['name']} {kind['strengths'][-1]:g} (SD)"
            found.append(Number(title, float(arrays["stress/features/median"][k, -1])))
    return found


def _median(values: npt.NDArray[np.float64]) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if known.size else float("nan")
