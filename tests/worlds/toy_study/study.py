"""Counts the tiles in which each feature fires."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from sae_backend.studies.framework.inputs import StudyInput
from sae_backend.studies.framework.result import Checkpoints, Progress, StudyResult


def run(
    inputs: StudyInput, spec: Mapping[str, Any], progress: Progress, checkpoints: Checkpoints
) -> StudyResult:
    """Share of the tiles of all slides in which each feature fires."""
    progress("count tiles", 0, 1)
    n_tiles = sum(slide.n_tiles for slide in inputs.slides)
    found = checkpoints.get(
        "rate",
        lambda: {"rate": sum(np.diff(features.indptr) for features in inputs.sets[0].features) / n_tiles},
    )
    progress("count tiles", 1, 1)
    labels = sorted(set(inputs.fact(spec["by"])) - {""})
    return StudyResult(
        found, {"n_tiles": n_tiles, "labels": labels, "least": spec["least_rate"], "most": spec["most"]}
    )
