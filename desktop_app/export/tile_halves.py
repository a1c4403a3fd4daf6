"""Which half of a run each tile of a slide belongs to: those that chose, or those that report."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from desktop_app.project.correlation.jobs import patient_of, slide_labels
from desktop_app.store import CorrelationRecord, Store
from sae_backend.activations.feature_matrix import FeatureMatrix
from sae_backend.statistics.split import BLOCK, CHOOSE, REPORT, low_end


def tile_halves(
    store: Store, run: CorrelationRecord, slide_id: int, features: FeatureMatrix
) -> npt.NDArray[np.object_]:
    """Give `choose`, `report` or, where nothing was held out, an empty text for every tile (N,)."""
    found = np.full(features.n_tiles, "", object)
    split = next((split for split in store.splits() if split.id == run.split_id), None)
    if split is None:
        return found
    label = slide_labels(store)[slide_id]
    if split.unit == BLOCK:
        side = split.assignments.get(label)
        if side is not None:
            low = low_end(features.grid.rows, features.grid.cols, features.valid)
            other = REPORT if side == CHOOSE else CHOOSE
            found[:] = np.where(low, side, other)
        return found
    owner = patient_of(store.slide_values().get(slide_id, {})) if split.unit == "patient" else ""
    found[:] = split.assignments.get(owner or label, "")
    return found
