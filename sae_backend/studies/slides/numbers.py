"""The numbers that sum up a study of slides and patients."""

from __future__ import annotations

from collections.abc import Mapping

from sae_backend.studies.framework.report import Number
from sae_backend.studies.framework.result import StudyResult
from sae_backend.studies.slides.shown import LEVEL, Q


def numbers(result: StudyResult, knobs: Mapping[str, float]) -> list[Number]:
    """How many features differ between the groups, and what slides that are alike share."""
    meta, arrays = result.meta, result.arrays
    found = [
        Number("slides", len(meta["slides"])),
        Number("patients", meta["n_patients"]),
        Number("features", meta["n_features"]),
    ]
    if meta["compared"]:
        q = float(knobs.get("q", Q))
        groups = f"{meta['a']} and {meta['b']}"
        found += [
            Number(f"patients of {meta['a']}", meta["n_a"]),
            Number(f"patients of {meta['b']}", meta["n_b"]),
            Number(
                f"features that differ between {groups} (family-wise)",
                int((arrays["group/p"] <= LEVEL).sum()),
            ),
            Number(f"features that differ between {groups} (q)", int((arrays["group/q"] <= q).sum())),
        ]
    for k, key in enumerate(meta["facts"]):
        found += [
            Number(f"most alike slide has the same {key}", float(arrays["shared"][k])),
            Number(f"the same by chance, {key}", float(arrays["shared_chance"][k])),
        ]
    return found
