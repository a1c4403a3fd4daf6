"""Explained variance, L0 and dead features of a set: its SAE's card, or counted here where there is no card."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from sae_backend.statistics.split import BLOCK, CHOOSE, REPORT
from sae_backend.studies.depth.variance import SlideSums
from sae_backend.studies.framework.inputs import StudyInput

Floats = npt.NDArray[np.float64]

NEVER_TRAIN, NEVER_HELD_OUT, RARE = (
    "dead_never_fired_on_train",
    "dead_never_fired_on_held_out",
    "dead_rate_below_1e-4_on_all",
)
EXPLAINED, L0 = "explained_variance", "l0"
FIELDS: Final = (EXPLAINED, L0, NEVER_TRAIN, NEVER_HELD_OUT, RARE)
CARD, COUNTED = "the SAE's card", "counted on the held-out half"
_RARE_RATE: Final = 1e-4


def quality(inputs: StudyInput, number: int, sums: SlideSums | None) -> tuple[Floats, str]:
    """The `FIELDS` of one set (5,), NaN for what is not known, and where they are from.

    Parameters
    ----------
    inputs, number
        The set.
    sums
        Of its vectors, for the explained variance; None without vectors.
    """
    metrics = inputs.sets[number].model.get("metrics") or {}
    if all(isinstance(metrics.get(name), int | float) for name in FIELDS):
        return np.array([float(metrics[name]) for name in FIELDS]), CARD
    choosing, reporting = _halves(inputs)
    fired = np.stack([np.diff(features.indptr) for features in inputs.sets[number].features]).astype(
        np.float64
    )
    n = np.array([float(np.asarray(valid).sum()) for valid in inputs.sets[number].valid])
    rate = fired.sum(axis=0) / max(n.sum(), 1.0)
    return np.array(
        [
            _explained(sums, reporting) if sums is not None else np.nan,
            fired[reporting].sum() / max(n[reporting].sum(), 1.0),
            float((fired[choosing].sum(axis=0) == 0).mean()),
            float((fired[reporting].sum(axis=0) == 0).mean()),
            float((rate < _RARE_RATE).mean()),
        ]
    ), COUNTED


def _halves(inputs: StudyInput) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Which slides are of each half; all are of both where slides are cut, or nothing is held out."""
    halves = inputs.halves
    if halves is None or halves.unit == BLOCK:
        every = np.ones(len(inputs.slides), np.bool_)
        return every, every
    names = [slide.unit if halves.unit == "patient" else slide.name for slide in inputs.slides]
    sides = np.array([halves.assignments.get(name, "") for name in names])
    return sides == CHOOSE, sides == REPORT


def _explained(sums: SlideSums, used: npt.NDArray[np.bool_]) -> float:
    """1 - E|x - x_hat|^2 / (E|x|^2 - |E x|^2) over the tiles of these slides."""
    n = sums.n[used]
    if n.sum() == 0:
        return np.nan
    mean = np.average(sums.mean[used], axis=0, weights=n)
    spread = float(sums.within[used].sum() + (n * ((sums.mean[used] - mean) ** 2).sum(axis=1)).sum())
    return 1 - float(sums.error[used].sum()) / spread if spread > 0 else np.nan
