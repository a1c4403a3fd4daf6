"""How selective a feature is: does it follow one type, or several alike?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_LEVEL: Final = 0.05


@dataclass(frozen=True)
class Selectivity:
    """One number a feature (F,).

    Attributes
    ----------
    best_type
        Type with the largest |r|, -1 for none.
    beats_null
        Whether chance lets the best of all pairs reach that |r| in at most 5 of 100 draws: its p (family)
        is 0.05 or less.
    entropy
        Entropy in nats of |r| over types, each divided by their sum; from 0 (one type alone) to ln C
        (all alike). NaN unless the null is beaten: noise has an entropy, too, and it says nothing.
    gap
        Largest |r| less the second largest; NaN with fewer than two types.
    """

    best_type: npt.NDArray[np.int64]
    beats_null: npt.NDArray[np.uint8]
    entropy: Floats
    gap: Floats

    def arrays(self) -> dict[str, npt.NDArray[np.generic]]:
        """All arrays by the names under which they are stored."""
        return {f"selectivity/{key}": value for key, value in vars(self).items()}


def selectivity(value: Floats, p: Floats) -> Selectivity:
    """Judge features by their r (F, C) and its family-wise p (F, C), NaN where there is none.

    A band for each type would let noise beat it in more than 5 of 100 runs, as there are many types.

    The entropy is that of p_i = |r_i| / sum_j |r_j|, as used for human-interpretable features in
    arXiv 2407.10785's workshop version.
    """
    n_features, n_types = value.shape
    strength = np.nan_to_num(np.abs(value))
    known = np.isfinite(value).any(axis=1)
    if n_types == 0:
        nothing = np.full(n_features, np.nan)
        return Selectivity(np.full(n_features, -1), np.zeros(n_features, np.uint8), nothing, nothing.copy())
    best = np.where(known, strength.argmax(axis=1), -1)
    beats = known & (np.nan_to_num(p, nan=1.0) <= _LEVEL).any(axis=1)
    total = strength.sum(axis=1, keepdims=True)
    share = strength / np.where(total > 0, total, 1)
    entropy = -(share * np.log(np.where(share > 0, share, 1))).sum(axis=1)
    ordered = np.sort(strength, axis=1)
    gap = ordered[:, -1] - ordered[:, -2] if n_types > 1 else np.full(n_features, np.nan)
    return Selectivity(
        best_type=best.astype(np.int64),
        beats_null=np.asarray(beats, np.uint8),
        entropy=np.where(beats, entropy, np.nan),
        gap=np.where(known, gap, np.nan),
    )
