"""Two runs of one autoencoder side by side, pair by pair."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from desktop_app.project.correlation.frame import LEVEL, CorrelationFrame
from sae_backend.errors import MismatchError


@dataclass(frozen=True)
class RunComparison:
    """What another run says of the pairs (F, C) of one: `value`, its `difference` (this less other), `changed`.

    A pair has changed where its sign is another and neither interval holds 0, or where one run calls it
    sure (family-wise p below 0.05) and the other does not. NaN and False where the other run has no value.
    """

    name: str
    value: npt.NDArray[np.float64]
    difference: npt.NDArray[np.float64]
    changed: npt.NDArray[np.bool_]

    @property
    def n_common(self) -> int:
        """Number of pairs that both runs have a value for."""
        return int(np.isfinite(self.difference).sum())

    @property
    def n_changed(self) -> int:
        """Number of pairs that have changed."""
        return int(self.changed.sum())


def compare(frame: CorrelationFrame, other: CorrelationFrame) -> RunComparison:
    """Lay another run on the features and types of this one.

    Raises
    ------
    MismatchError
        When the runs are of different autoencoders: their features have nothing to do with each other.
    """
    if frame.record.sae_digest != other.record.sae_digest or frame.shape[0] != other.shape[0]:
        raise MismatchError(
            "The runs are of different autoencoders, so their features cannot be compared.",
            "Choose a run of the same autoencoder.",
        )
    place = {name: column for column, name in enumerate(other.type_names)}
    columns = np.array([place.get(name, -1) for name in frame.type_names], np.int64)

    def laid(array: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        if not other.shape[1]:
            return np.full(frame.shape, np.nan)
        return np.where(columns >= 0, array[:, columns], np.nan)

    value, low, high, p = (laid(array) for array in (other.value, other.ci_low, other.ci_high, other.p))
    known = np.isfinite(value) & np.isfinite(frame.value)
    apart = (np.sign(value) != np.sign(frame.value)) & _clear(low, high) & _clear(frame.ci_low, frame.ci_high)
    judged = np.isfinite(p) & np.isfinite(frame.p)
    decided = judged & ((np.nan_to_num(p, nan=1) < LEVEL) != (np.nan_to_num(frame.p, nan=1) < LEVEL))
    return RunComparison(other.record.name, value, frame.value - value, known & (apart | decided))


def _clear(low: npt.NDArray[np.float64], high: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Whether intervals leave out 0."""
    return (np.nan_to_num(low, nan=-1.0) > 0) | (np.nan_to_num(high, nan=1.0) < 0)
