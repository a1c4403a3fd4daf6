"""What the newest studies say of each feature, as columns of the feature table and of its export."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from desktop_app.store import Store, StudyRecord

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
    for kind, make in _COLUMNS.items():
        runs = [one for one in store.studies.all(kind) if one.sae_digest == sae_digest]
        if runs:
            found += make(store, runs[-1])
    return [score for score in found if score.values.shape == (n_features,)]


def _universality(store: Store, record: StudyRecord) -> list[FeatureScore]:
    arrays = store.studies.arrays(record.id, ("stability", "found_in"))
    over = len(record.meta.get("stability_over") or ())
    saes = f"{over} other SAE{'s' * (over != 1)} ({record.name} of Universality)"
    told = {
        "stability": ("Stability", f"Mean held-out r with its match in {saes}"),
        "found_in": ("Found again", f"Share of {saes} in which it has a match beyond chance"),
    }
    return [FeatureScore(*told[key], _floats(arrays[key])) for key in told if key in arrays]


def _robustness(store: Store, record: StudyRecord) -> list[FeatureScore]:
    fact = str(record.request["spec"]["fact"])
    arrays = store.studies.arrays(record.id, (f"effect/{fact}/omega2",))
    note = f"Share of the variance between slides that lies between values of {fact} (omega2; {record.name} of Scanner and stain)"
    return [FeatureScore(f"{fact} effect", note, _floats(values)) for values in arrays.values()]


def _slides(store: Store, record: StudyRecord) -> list[FeatureScore]:
    arrays = store.studies.arrays(record.id, ("group/effect",))
    title = f"{record.meta.get('a')} less {record.meta.get('b')}"
    note = f"Difference of the means of patients in standard deviations of patients ({record.name} of Slides and patients)"
    return [FeatureScore(title, note, _floats(values)) for values in arrays.values()]


def _floats(values: npt.NDArray[Any]) -> Floats:
    return np.asarray(values, np.float64)


_COLUMNS: Final[Mapping[str, Callable[[Store, StudyRecord], list[FeatureScore]]]] = {
    "universality": _universality,
    "robustness": _robustness,
    "slides": _slides,
}
