"""Differences between encoders in how well their best features follow cells, patient by patient."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from sae_backend.studies.framework.result import Arrays
from sae_backend.studies.methods.cell_types.held_out_sums import (
    Contrasts,
    PatientSums,
    contrast_intervals,
    joined,
)

Floats = npt.NDArray[np.float64]

LEVEL: Final = 0.95
DRAWS: Final = 4000


def pairs_of(n_sets: int) -> list[tuple[int, int]]:
    """All pairs of sets, the first one first."""
    return list(combinations(range(n_sets), 2))


def differences(found: Sequence[Arrays], n_types: int, seed: int) -> tuple[Contrasts, Floats]:
    """R of the first set less that of the second, for all pairs and, in each, the mean over types and each type.

    The columns are those chosen on the other half, with the sign turned where they were negative there. Each draw of
    patients serves both sets; the wide intervals hold for all pairs and types at once.

    Returns
    -------
    contrasts, matrix
        Of (pairs * (1 + C)) sums, and their weights on the correlations.
    """
    sums = joined([PatientSums(tuple(each["patients"].tolist()), each["sums"]) for each in found])
    sign = np.where(np.concatenate([each["sae/choose"] for each in found]) < 0, -1.0, 1.0)
    rows = []
    for a, b in pairs_of(len(found)):
        both = (found[a]["sae/column"] >= 0) & (found[b]["sae/column"] >= 0)
        share = both / both.sum() if both.any() else np.full(n_types, np.nan)
        for weights in (share, *np.eye(n_types)):
            row = np.zeros((len(found), n_types))
            row[a], row[b] = weights, -weights
            rows.append(row.ravel())
    matrix = np.stack(rows) * sign
    return contrast_intervals(sums, matrix, LEVEL, DRAWS, seed), matrix


def difference_arrays(found: Sequence[Arrays], n_types: int, seed: int) -> dict[str, npt.NDArray[Any]]:
    """The differences (pairs, 1 + C) and their intervals by name, and why there are none."""
    shape = (len(pairs_of(len(found))), 1 + n_types)
    names = ("value", "low", "high", "family_low", "family_high")
    if n_types == 0:
        return {f"difference/{key}": np.full(shape, np.nan) for key in names} | {
            "difference/reason": np.array("there are no cells")
        }
    contrasts, _ = differences(found, n_types, seed)
    return {f"difference/{key}": getattr(contrasts, key).reshape(shape) for key in names} | {
        "difference/reason": np.array(contrasts.reason)
    }
