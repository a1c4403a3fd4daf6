"""The numbers that sum up a study of depth."""

from __future__ import annotations

from collections.abc import Mapping

from sae_backend.studies.framework.report import Number
from sae_backend.studies.framework.result import StudyResult
from sae_backend.studies.methods.cell_types.held_out_shown import mean_of, oriented

_ENDS = {"first": 0, "last": -1}


def numbers(result: StudyResult, _knobs: Mapping[str, float]) -> list[Number]:
    """First and last block, and the change between them; there is no threshold to move."""
    arrays, meta = result.arrays, result.meta
    found = [
        Number("slides", meta["n_slides"]),
        Number("patients", meta["n_patients"]),
        Number("tiles", meta["n_tiles"]),
    ]
    if meta["types"]:
        for end, k in _ENDS.items():
            for name, words in (("sae", "best features"), ("raw", "best raw dimensions")):
                r = mean_of(oriented(arrays[f"{name}/value"][k], arrays[f"{name}/choose"][k]))
                found.append(Number(f"mean r of the {words}, {end} block", r))
            found.append(Number(f"features above chance, {end} block", float(arrays["sae/n_beating"][k])))
        ends = (float(arrays[f"slope/{key}"][0]) for key in ("value", "family_low", "family_high"))
        found.append(Number("change of the mean r a block", *ends))
    for name, about in meta["read"].items():
        if not about["reason"]:
            for end, k in _ENDS.items():
                scores = (float(value) for value in arrays[name][k, 0, :3])
                found.append(Number(f"AUROC of the {about['fact']}, {end} block", *scores))
    if "variance/share" in arrays:
        for end, k in _ENDS.items():
            shares = (float(arrays[f"variance/{key}"][k, 0]) for key in ("share", "share_low", "share_high"))
            found.append(Number(f"share of the variance of the {meta['fact']}, {end} block", *shares))
    return found
