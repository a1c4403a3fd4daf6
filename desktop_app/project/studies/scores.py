"""What the newest studies say of each feature, as columns of the feature table and of its export."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from desktop_app.store import Store
from sae_backend.studies.framework.registry import studies

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class FeatureScore:
    """A column: its title, what it means, and float64 (F,) with NaN where there is no value."""

    title: str
    note: str
    values: Floats


def study_scores(store: Store, sae_digest: str, n_features: int) -> list[FeatureScore]:
    """Columns of the newest run of each study; none where no study was done.

    Only runs whose first set is this autoencoder count, since a number means another feature elsewhere.
    """
    found: list[FeatureScore] = []
    for one in studies():
        runs = [record for record in store.studies.all(one.kind) if record.sae_digest == sae_digest]
        if not runs:
            continue
        newest = runs[-1]
        scores = one.scores(newest.meta, newest.request["spec"], f"{newest.name} of {one.title}")
        arrays = store.studies.arrays(newest.id, tuple(score.array for score in scores)) if scores else {}
        found += [
            FeatureScore(score.title, score.note, np.asarray(arrays[score.array], np.float64))
            for score in scores
            if score.array in arrays
        ]
    return [score for score in found if score.values.shape == (n_features,)]
