"""How well the scanner can be read from the features of one block and from its raw dimensions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy import sparse

from sae_backend.studies.framework.inputs import StudyInput
from sae_backend.studies.framework.result import Progress
from sae_backend.studies.methods.labels.folds import form_units, frequent
from sae_backend.studies.methods.labels.predictability import (
    MIN_GROUPS,
    Predictability,
    PredictSpec,
    predict_slide_label,
    sampled_tiles,
)

FIELDS: Final = ("auroc", "ci_low", "ci_high", "null_low", "null_high", "p")
SOURCES: Final = ("features", "raw")
NUMBERS: Final = ("n_patients", "n_slides", "n_tiles", "n_folds")


def read_scanner(
    inputs: StudyInput, number: int, spec: Mapping[str, Any], progress: Progress
) -> tuple[npt.NDArray[np.float64], dict[str, Any]]:
    """Predict `spec["fact"]` of slides from their tiles, on patients that the model has not learned from.

    Slides of labels that fewer than 3 patients have take no part where two labels or more are left.

    Returns
    -------
    values, meta
        (2, 6): `FIELDS` of the features and of the raw dimensions, NaN where not defined; and what it rests on.
    """
    some, labels = inputs.sets[number], inputs.fact(str(spec["fact"]))
    labelled = [k for k, label in enumerate(labels) if label and some.valid[k].any()]
    known = frequent(inputs, str(spec["fact"]), labelled, MIN_GROUPS) or labelled
    settings = PredictSpec(
        seed=int(spec["seed"]),
        n_shuffles=int(spec["n_shuffles"]),
        most_tiles=int(spec["most_tiles"]),
        stage=f"read the {spec['fact']}",
    )
    usable = [np.flatnonzero(some.valid[k]) for k in known]
    taken = [
        tiles[chosen]
        for tiles, chosen in zip(usable, sampled_tiles([t.size for t in usable], settings), strict=True)
    ]
    values = np.full((len(SOURCES), len(FIELDS)), np.nan)
    if not known:
        return values, {
            "reason": f"no slide has a {spec['fact']} on record",
            "classes": [],
            "groups_per_class": [],
            "left_out": [],
        }
    sizes = [tiles.size for tiles in taken]
    units = form_units(
        np.repeat([labels[k] for k in known], sizes),
        np.repeat([inputs.slides[k].unit for k in known], sizes),
        np.repeat([inputs.slides[k].name for k in known], sizes),
    )
    rows = sparse.vstack(
        [sparse.csr_array(some.features[k])[tiles] for k, tiles in zip(known, taken, strict=True)]
    )
    found = [predict_slide_label(sparse.csr_array(rows), units, settings, progress)]
    if all(some.vectors[k] is not None for k in known) and not found[0].reason:
        dense = np.concatenate([_rows(some.vectors[k], tiles) for k, tiles in zip(known, taken, strict=True)])
        if np.isfinite(dense).all():
            found.append(predict_slide_label(dense, units, settings, progress))
    for i, each in enumerate(found):
        values[i] = [getattr(each, name) for name in FIELDS]
    left_out = {labels[k] for k in labelled} - {labels[k] for k in known}
    return values, _meta(found[0]) | {"left_out": sorted(left_out)}


def _rows(vectors: npt.NDArray[Any] | None, tiles: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    assert vectors is not None
    return np.asarray(vectors[tiles], np.float32)


def _meta(found: Predictability) -> dict[str, Any]:
    return {
        "reason": found.reason,
        "classes": list(found.classes),
        "groups_per_class": [int(n) for n in found.groups_per_class],
        "n_patients": int(found.n_groups),
        "n_slides": int(found.n_slides),
        "n_tiles": int(found.n_tiles),
        "n_folds": int(found.n_folds),
    }
