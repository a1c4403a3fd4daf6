"""Whether a curve rises or falls with depth, and where two curves cross, judged over patients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import stats

from sae_backend.statistics.resampling_units import MIN_RESAMPLING_UNITS
from sae_backend.studies.depth.variance import (
    FEATURES,
    PARTS,
    SCANNER,
    TOTAL,
    Cohort,
    SlideSums,
    variance_parts,
)

Floats = npt.NDArray[np.float64]

LEVEL: Final = 0.95
FAMILIES: Final = 2
"""Correlations and variances are judged apart; each family's intervals hold with 1 - 0.05 / 2."""
SHARES: Final = tuple(name for name in PARTS if name != TOTAL)


def slope_weights(depths: Sequence[float]) -> Floats:
    """What the values at these depths (B,) are multiplied by and added up to the least-squares slope."""
    x = np.asarray(depths, np.float64)
    x = x - x.mean()
    return np.asarray(x / (x @ x))


@dataclass(frozen=True)
class VarianceCurves:
    """Variances of B blocks, and how they change with depth.

    Attributes
    ----------
    parts, parts_error
        (B, 4) in the order of `PARTS`, with jackknife standard errors over patients.
    share, share_low, share_high
        Shares of the total (B, 3) in the order of `SHARES`, with 95 % intervals.
    slope, slope_low, slope_high
        Change of each share per block (3,); the intervals hold for all three at once.
    gap, gap_low, gap_high
        Features less scanner (B,), with 95 % intervals.
    reason
        Why there are no intervals, empty where there are.
    """

    parts: Floats
    parts_error: Floats
    share: Floats
    share_low: Floats
    share_high: Floats
    slope: Floats
    slope_low: Floats
    slope_high: Floats
    gap: Floats
    gap_low: Floats
    gap_high: Floats
    reason: str = ""


def variance_curves(blocks: Sequence[SlideSums], cohort: Cohort, depths: Sequence[float]) -> VarianceCurves:
    """Variances of each block with intervals from leaving out one patient at a time (Efron and Tibshirani 1993, ch. 11).

    The same patient is left out of all blocks, so what a patient does to all of them alike is no change with depth.
    """
    patients = np.unique(cohort.patient)
    whole = np.stack([variance_parts(sums, cohort) for sums in blocks])
    weights = slope_weights(depths)

    def curves(parts: Floats) -> Floats:
        share = parts[:, : len(SHARES)] / parts[:, len(SHARES) :]
        gap = parts[:, PARTS.index(FEATURES)] - parts[:, PARTS.index(SCANNER)]
        return np.concatenate([parts.ravel(), share.ravel(), weights @ share, gap])

    value = curves(whole)
    reason = "" if patients.size >= MIN_RESAMPLING_UNITS else f"fewer than {MIN_RESAMPLING_UNITS} patients"
    error = np.full(value.size, np.nan)
    if not reason:
        left = np.stack(
            [curves(np.stack([variance_parts(sums, cohort, int(p)) for sums in blocks])) for p in patients]
        )
        k = patients.size
        error = np.sqrt((k - 1) / k * ((left - left.mean(axis=0)) ** 2).sum(axis=0))
    n, s = whole.size, len(blocks) * len(SHARES)
    cuts = np.cumsum([n, s, len(SHARES)])
    values, errors = np.split(value, cuts), np.split(error, cuts)
    free = max(patients.size - 1, 1)
    one = float(stats.t.ppf((1 + LEVEL) / 2, free))
    family = float(stats.t.ppf(1 - (1 - LEVEL) / FAMILIES / 2 / len(SHARES), free))
    share, share_error = (each[1].reshape(len(blocks), -1) for each in (values, errors))
    return VarianceCurves(
        parts=whole,
        parts_error=errors[0].reshape(whole.shape),
        share=share,
        share_low=share - one * share_error,
        share_high=share + one * share_error,
        slope=values[2],
        slope_low=values[2] - family * errors[2],
        slope_high=values[2] + family * errors[2],
        gap=values[3],
        gap_low=values[3] - one * errors[3],
        gap_high=values[3] + one * errors[3],
        reason=reason,
    )


@dataclass(frozen=True)
class Crossing:
    """Where the features' variance comes to be at least the scanner's: places among the blocks, -1 for none.

    `first` and `last` are the first block where that may be, and the first where it surely is, by the 95 %
    intervals of the differences.
    """

    place: int
    first: int
    last: int


def crossing(gap: Floats, low: Floats, high: Floats) -> Crossing:
    """Find it from the differences (B,) of features less scanner and their intervals."""

    def at(values: Floats) -> int:
        found = np.flatnonzero(values >= 0)
        return int(found[0]) if found.size else -1

    return Crossing(at(gap), at(high), at(low))
