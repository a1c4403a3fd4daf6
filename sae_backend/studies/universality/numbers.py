"""The numbers that sum up a study of universality."""

from __future__ import annotations

from collections.abc import Mapping
from math import nan

import numpy as np

from sae_backend.studies.framework.report import Number
from sae_backend.studies.framework.result import StudyResult
from sae_backend.studies.universality.counted import comes_back, is_judged, is_matched, prefix_of
from sae_backend.studies.universality.shown import LEAST_R


def numbers(result: StudyResult, knobs: Mapping[str, float]) -> list[Number]:
    """How many features come back in each other SAE, and how stable they are over all."""
    meta, arrays = result.meta, result.arrays
    least = float(knobs.get(LEAST_R, 0.0))
    found = [Number("slides", meta["n_slides"]), Number("patients", meta["n_patients"])]
    for comparison in meta["comparisons"]:
        k = int(comparison["set"])
        title = meta["sets"][k]["title"]
        found.append(Number(f"features that fire often enough, {title}", comparison["n_live"][0]))
        if comparison["n_exchanged"] or comparison["n_random"]:
            found.append(Number(f"come back in {title}", int(comes_back(result, k, least).sum())))
        if comparison["n_random"]:
            words = f"come back in {title} closer than random directions"
            found.append(Number(words, int(is_matched(result, k, least).sum())))
        if comparison["mean_r"] is not None:
            ends = (nan if end is None else float(end) for end in comparison["mean_r_interval"])
            found.append(Number(f"mean held-out r of all pairs, {title}", comparison["mean_r"], *ends))
    for comparison in (meta["reference"] or {}).get("comparisons", ()):
        title = meta["sets"][int(comparison["set"])]["title"]
        if is_judged(comparison):
            n = int(comes_back(result, prefix_of(comparison), least).sum())
            found.append(
                Number(f"features of the reference that fire often enough, {title}", comparison["n_live"][0])
            )
            found.append(Number(f"come back in {title}, of the reference", n))
    for key, words in (("stability", "median stability"), ("found_in", "mean share of SAEs it is found in")):
        known = arrays[key][np.isfinite(arrays[key])]
        if known.size:
            value = np.median(known) if key == "stability" else known.mean()
            found.append(Number(words, float(value)))
    return found
