"""Like with like: an SAE of the first one's recipe, trained on the tiles of the SAEs that it is matched with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from sae_backend.studies.framework.inputs import FeatureSet, StudyInput
from sae_backend.studies.methods.matching.pair_sums import middle_of
from sae_backend.studies.methods.matching.set_comparison import Comparison

Floats = npt.NDArray[np.float64]

SAME, OTHER, UNKNOWN = "same", "other", "unknown"
TILES: Final = "tiles_digest"


def reference_of(inputs: StudyInput) -> int | None:
    """Number of the reference, None where there is none."""
    return next((k for k, some in enumerate(inputs.sets) if k and some.model.get("is_reference")), None)


def training_tiles(one: FeatureSet, other: FeatureSet) -> str:
    """Whether two SAEs were trained on the same slides and tiles: `same`, `other`, or `unknown`."""
    first, second = ((some.model.get("training") or {}).get(TILES) for some in (one, other))
    if not first or not second:
        return UNKNOWN
    return SAME if first == second else OTHER


def like_sets(inputs: StudyInput, reference: int) -> list[int]:
    """Numbers of the sets that were trained on the reference's tiles, the reference itself left out."""
    own = inputs.sets[reference]
    return [
        k
        for k, some in enumerate(inputs.sets)
        if k not in (0, reference) and training_tiles(own, some) == SAME
    ]


def mean_r_difference(like: Comparison, unlike: Comparison) -> dict[str, Any]:
    """Mean held-out r of the pairs of the reference less that of the first set's, with a 95 % interval over units.

    Units are drawn for both alike; there is no interval where the two were not judged on the same tiles.
    """
    means = like.meta["mean_r"], unlike.meta["mean_r"]
    if None in means:
        return {"value": None, "low": None, "high": None}
    found = {"value": float(means[0] - means[1]), "low": None, "high": None}
    draws = like.arrays["mean_draws"], unlike.arrays["mean_draws"]
    keys = ("n_tiles", "n_units", "unit")
    if all(like.meta[key] == unlike.meta[key] for key in keys) and draws[0].size == draws[1].size > 0:
        low, high = middle_of(draws[0] - draws[1])
        if np.isfinite(low) and np.isfinite(high):
            found |= {"low": float(low), "high": float(high)}
    return found


def reference_meta(
    inputs: StudyInput, reference: int | None, like: Mapping[int, Comparison], unlike: Any
) -> Any:
    """What is said of the reference: its number, and each set that was matched with both; None without one.

    `like` and `unlike` are the comparisons of the reference and of the first set by the number of the other set.
    """
    if reference is None:
        return None
    return {
        "set": reference,
        "first_tiles": training_tiles(inputs.sets[0], inputs.sets[reference]),
        "comparisons": [dict(each.meta) for each in like.values()],
        "differences": [mean_r_difference(each, unlike[number]) for number, each in like.items()],
    }
