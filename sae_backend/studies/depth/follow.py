"""One feature followed through the blocks: in each, the feature whose activations go with it best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from sae_backend.correlation.result import PEARSON, CorrelationSpec
from sae_backend.correlation.run import RunInput, run
from sae_backend.studies.depth.follow_chance import random_matches
from sae_backend.studies.framework.inputs import StudyInput
from sae_backend.studies.framework.result import Progress


@dataclass(frozen=True)
class Followed:
    """A feature of the reference set.

    Attributes
    ----------
    reference, feature
        Number of the set and of the feature.
    """

    reference: int
    feature: int


def follow(
    inputs: StudyInput,
    followed: Followed,
    number: int,
    spec: CorrelationSpec,
    n_random: int,
    progress: Progress,
) -> dict[str, npt.NDArray[Any]]:
    """Match the feature in another set by the correlation of activations over tiles.

    The match is the feature with the largest r on the discovery half; its r is that of the held-out half.

    Returns
    -------
    dict
        Arrays (1,): `feature` (-1 for none), `r`, `low`, `high` (95 % interval over patients), `p` (family-wise over all
        features of the set), `chance` (95 % quantile of the largest |r| of any feature when whole patients are
        exchanged), and of the best match in random dictionaries, chosen and reported alike: `random` (mean r),
        `random_low`, `random_high` (the middle 95 % of the dictionaries), `random_p` (share of the dictionaries, the
        set itself with them, that came as close). NaN where not defined. In the reference set itself nothing is drawn.
    """
    columns = [_column(inputs, followed, k) for k in range(len(inputs.slides))]
    parts = [
        replace(part, counts=values[:, None])
        for part, values in zip(inputs.parts(number), columns, strict=True)
    ]
    parts = [part for part in parts if (part.valid & np.isfinite(part.counts[:, 0])).any()]
    keys = ("r", "low", "high", "p", "chance", "random", "random_low", "random_high", "random_p")
    nothing = {key: np.full(1, np.nan) for key in keys}
    nothing["feature"] = np.full(1, -1, np.int64)
    if not parts:
        return nothing
    parts = [replace(part, valid=part.valid & np.isfinite(part.counts[:, 0])) for part in parts]
    parts = [replace(part, counts=np.nan_to_num(part.counts)) for part in parts]
    wanted = RunInput(
        [replace(part, vectors=None) for part in parts],
        ["the followed feature"],
        np.zeros(1, np.bool_),
        inputs.halves,
        baselines=False,
    )
    arrays = run(wanted, spec, progress).arrays
    chosen = arrays.get(f"{PEARSON}/choose", arrays[f"{PEARSON}/value"])[:, 0]
    if not np.isfinite(chosen).any():
        return nothing
    # A feature that falls silent where the other fires is no match, however regularly it does so.
    best = int(np.nanargmax(chosen))
    draws = (0 if number == followed.reference else n_random), spec.seed
    drawn = random_matches(parts, inputs.halves, draws, spec.min_active, progress)
    r = arrays[f"{PEARSON}/value"][best, :]
    return {
        **nothing,
        **_random(drawn[np.isfinite(drawn)], float(r[0])),
        "feature": np.array([best]),
        "r": r,
        "low": arrays[f"{PEARSON}/ci_low"][best, :],
        "high": arrays[f"{PEARSON}/ci_high"][best, :],
        "p": arrays[f"{PEARSON}/p"][best, :],
        "chance": arrays[f"{PEARSON}/band"],
    }


def _random(drawn: npt.NDArray[np.float64], r: float) -> dict[str, npt.NDArray[Any]]:
    """What random dictionaries gave, and whether the match is closer; nothing without a draw."""
    if not drawn.size:
        return {}
    low, high = np.quantile(drawn, [0.025, 0.975])
    p = (1 + (drawn >= r).sum()) / (drawn.size + 1) if np.isfinite(r) else np.nan
    found = {"random": drawn.mean(), "random_low": low, "random_high": high, "random_p": p}
    return {key: np.array([value], np.float64) for key, value in found.items()}


def _column(inputs: StudyInput, followed: Followed, slide: int) -> npt.NDArray[np.float64]:
    """Activation of the followed feature in each tile of a slide (N,), NaN where that set has none."""
    some = inputs.sets[followed.reference]
    features = some.features[slide]
    a, b = features.indptr[followed.feature : followed.feature + 2]
    values = np.zeros(features.shape[0])
    values[features.indices[a:b]] = features.data[a:b]
    values[~np.asarray(some.valid[slide], np.bool_)] = np.nan
    return values


def wanted_feature(wanted: int | None, best: Sequence[int]) -> int:
    """The feature asked for, else the best one of the first type that has one; -1 for none."""
    if wanted is not None:
        return int(wanted)
    return next((int(j) for j in best if j >= 0), -1)
