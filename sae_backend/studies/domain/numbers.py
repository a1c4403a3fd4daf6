"""The numbers that sum up an out-of-domain study."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sae_backend.studies.domain.pairs import VERDICTS
from sae_backend.studies.framework.report import Number
from sae_backend.studies.framework.result import StudyResult


def numbers(result: StudyResult, _knobs: Mapping[str, float]) -> list[Number]:
    """What was kept and what was lost, and how well the SAE describes both cohorts."""
    meta, arrays = result.meta, result.arrays
    found = []
    for side in ("a", "b"):
        found += [
            Number(f"slides of {meta[side]}", meta[f"n_slides_{side}"]),
            Number(f"patients of {meta[side]}", meta[f"n_patients_{side}"]),
        ]
    if meta["has_cells"]:
        found.append(Number(f"features above chance on {meta['a']}", meta["n_beating_null"]))
        for which, chosen in (
            ("best features", arrays["pair/verdict"][arrays["pair/is_best"].astype(bool)]),
            ("pairs", arrays["pair/verdict"]),
        ):
            counts = np.bincount(chosen, minlength=len(VERDICTS))
            found += [
                Number(f"{which} {name} on {meta['b']}", int(n))
                for name, n in zip(VERDICTS, counts, strict=True)
            ]
        for name, title in meta["representations"].items():
            values = np.abs(arrays[f"best/{name}/b"])
            known = values[np.isfinite(values)]
            if known.size:
                found.append(Number(f"median |r| on {meta['b']}, {title}", float(np.median(known))))
    for side in ("a", "b"):
        if f"{side}/explained" in arrays:
            ends = (float(value) for value in arrays[f"{side}/explained"])
            found.append(Number(f"explained variance on {meta[side]}", *ends))
        never = float(arrays[f"{side}/dead"][0])
        found.append(Number(f"share of features that never fire on {meta[side]}", never))
    return found
