"""The numbers that sum up a study of scanner and stain."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from sae_backend.studies.framework.report import Number
from sae_backend.studies.framework.result import StudyResult
from sae_backend.studies.robustness.fields import FEATURES
from sae_backend.studies.robustness.roles import LEVEL, ROLES, find_roles
from sae_backend.studies.robustness.shown import role_axes, thresholds_of
from sae_backend.studies.robustness.words import score


def numbers(result: StudyResult, knobs: Mapping[str, float]) -> list[Number]:
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
    roles = find_roles(role_axes(meta, arrays), *thresholds_of(knobs))
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
