"""The numbers that sum up a comparison of encoders."""

from __future__ import annotations

from collections.abc import Mapping

from sae_backend.studies.framework.report import Number
from sae_backend.studies.framework.result import StudyResult
from sae_backend.studies.methods.cell_types.held_out_shown import BASELINE_TITLES, mean_of, oriented


def numbers(result: StudyResult, _knobs: Mapping[str, float]) -> list[Number]:
    """Mean r of every encoder beside its baselines, and the differences between encoders."""
    arrays, meta = result.arrays, result.meta
    found = [Number("slides", meta["n_slides"]), Number("patients", meta["n_patients"])]
    if not meta["types"]:
        return found
    for k, title in enumerate(meta["titles"]):
        for name, words in {"sae": "best features", **BASELINE_TITLES}.items():
            r = mean_of(oriented(arrays[f"{name}/value"][k], arrays[f"{name}/choose"][k]))
            found.append(Number(f"mean r, {words} of {title}", r))
        found.append(Number(f"features above chance, {title}", float(arrays["sae/n_beating"][k])))
    for i, (a, b) in enumerate(meta["pairs"]):
        ends = (float(arrays[f"difference/{key}"][i, 0]) for key in ("value", "family_low", "family_high"))
        found.append(Number(f"mean r of {meta['titles'][a]} less {meta['titles'][b]}", *ends))
    return found
