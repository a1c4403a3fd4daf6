"""The numbers that sum up a study of geometry."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sae_backend.studies.framework.report import Number
from sae_backend.studies.framework.result import StudyResult
from sae_backend.studies.geometry.shown import KINDS, LEAST_STABILITY
from sae_backend.studies.geometry.tables import stable_clusters


def numbers(result: StudyResult, knobs: Mapping[str, float]) -> list[Number]:
    """How many clusters, stable ones, pairs of each kind and groups there are."""
    meta, arrays = result.meta, result.arrays
    least = float(knobs.get(LEAST_STABILITY, meta["dissolved"]))
    found = [
        Number("slides", meta["n_slides"]),
        Number("patients", meta["n_patients"]),
        Number("features that take part", meta["n_live"]),
    ]
    for kind, words in KINDS.items():
        labels = arrays.get(f"{kind}/labels")
        if labels is not None:
            stable = stable_clusters(result, kind, least)
            found += [
                Number(f"clusters {words}", int(labels.max(initial=-1)) + 1),
                Number(f"stable clusters {words}", int(stable.sum())),
                Number(
                    f"features in stable clusters {words}", int(np.isin(labels, np.flatnonzero(stable)).sum())
                ),
            ]
    found.append(Number("pairs that go together beyond chance", meta["n_pairs_found"]))
    found += [
        Number(f"pairs listed: {name}", int((arrays["pair/kind"] == k).sum()))
        for k, name in enumerate(meta["kinds"])
    ]
    return [*found, Number("groups proposed for one concept", len(meta["merge"]))]
