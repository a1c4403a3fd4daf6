"""Correlations of chosen columns from sums by patient, and intervals of what is compared between sets.

The same patients are drawn for all sets, so that what a patient does to all of them alike drops out of a difference.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from sae_backend.statistics.resampling_units import MAX_SHARE, MIN_RESAMPLING_UNITS
from sae_backend.statistics.slide_parts import SlidePart

Floats = npt.NDArray[np.float64]

_N, _X, _Y, _XX, _YY, _XY = range(6)
_FLAT: Final = 1e-12
_MIN_DEFINED_SHARE: Final = 0.9
_CHUNK: Final = 4_000_000


@dataclass(frozen=True)
class PatientSums:
    """Sums over the tiles of each of K patients, float64 (P, K, 6), for P pairs of a column with a type.

    The six are the number of tiles and the sums of x, y, x^2, y^2 and x y. `patients` are their names.
    """

    patients: tuple[str, ...]
    sums: Floats

    @property
    def reason(self) -> str:
        """Why there can be no interval, empty where there can."""
        n = self.sums[:, :, _N].max(axis=0, initial=0.0)
        if (n > 0).sum() < MIN_RESAMPLING_UNITS:
            return f"fewer than {MIN_RESAMPLING_UNITS} patients report"
        if n.max() > MAX_SHARE * n.sum():
            return f"one patient holds more than {MAX_SHARE:.0%} of the tiles"
        return ""


def patient_sums(parts: Sequence[SlidePart], columns: Sequence[int]) -> PatientSums:
    """Sums of column `columns[c]` with type c, for all types (C, K, 6); -1 for a type without a column.

    Patients are sorted by name; where a part has none, its slide stands for it.
    """
    names = sorted({part.patient or part.slide for part in parts})
    place = {name: k for k, name in enumerate(names)}
    sums = np.zeros((len(columns), len(names), 6))
    for part in parts:
        keep = part.valid & np.isfinite(part.counts).all(axis=1)
        k = place[part.patient or part.slide]
        for c, j in enumerate(columns):
            if j < 0:
                continue
            a, b = part.features.indptr[j : j + 2]
            x = np.zeros(part.n_tiles)
            x[part.features.indices[a:b]] = part.features.data[a:b]
            x, y = x[keep], np.asarray(part.counts[keep, c], np.float64)
            sums[c, k] += (x.size, x.sum(), y.sum(), x @ x, y @ y, x @ y)
    return PatientSums(tuple(names), sums)


def joined(sums: Sequence[PatientSums]) -> PatientSums:
    """Pairs of several sets one after the other, over all patients of any of them."""
    names = sorted({name for each in sums for name in each.patients})
    place = {name: k for k, name in enumerate(names)}
    whole = np.zeros((sum(len(each.sums) for each in sums), len(names), 6))
    first = 0
    for each in sums:
        columns = [place[name] for name in each.patients]
        whole[first : first + len(each.sums), columns] = each.sums
        first += len(each.sums)
    return PatientSums(tuple(names), whole)


def correlations(sums: PatientSums, weights: Floats | None = None) -> tuple[Floats, Floats]:
    """Pearson's r of each pair, and the influence of each patient on it.

    Parameters
    ----------
    sums
        Of P pairs and K patients.
    weights
        How often each patient counts (B, K); None for once each.

    Returns
    -------
    r, influence
        (B, P) and (B, P, K), NaN where r is not defined. The influence of a patient is the sum of
        (u v - r / 2 (u^2 + v^2)) over its tiles, u and v being standardised, over the number of all tiles; the
        standard error of r is the root of the sum of its squares (Efron and Tibshirani 1993).
    """
    s = sums.sums
    w = np.ones((1, s.shape[1])) if weights is None else weights
    total = np.einsum("bk,pks->bps", w, s)
    with np.errstate(invalid="ignore", divide="ignore"):
        n = total[:, :, _N]
        mx, my = total[:, :, _X] / n, total[:, :, _Y] / n
        vx, vy = total[:, :, _XX] / n - mx**2, total[:, :, _YY] / n - my**2
        sx = np.sqrt(np.where(vx > _FLAT * total[:, :, _XX] / n, vx, np.nan))
        sy = np.sqrt(np.where(vy > _FLAT * total[:, :, _YY] / n, vy, np.nan))
        r = (total[:, :, _XY] / n - mx * my) / (sx * sy)
        mx, my, sx, sy, n = (each[:, :, None] for each in (mx, my, sx, sy, n))
        k_n, k_x, k_y, k_xx, k_yy, k_xy = (s[None, :, :, i] for i in range(6))
        uv = (k_xy - mx * k_y - my * k_x + k_n * mx * my) / (sx * sy)
        uu = (k_xx - 2 * mx * k_x + k_n * mx**2) / sx**2
        vv = (k_yy - 2 * my * k_y + k_n * my**2) / sy**2
        return r, (uv - r[:, :, None] / 2 * (uu + vv)) / n


@dataclass(frozen=True)
class Contrasts:
    """Weighted sums of correlations (Q,) with intervals.

    Attributes
    ----------
    value, error
        The sums and their standard errors.
    low, high
        The interval of each by itself.
    family_low, family_high
        Intervals that hold all at once.
    reason
        Why there are no intervals, empty where there are.
    """

    value: Floats
    error: Floats
    low: Floats
    high: Floats
    family_low: Floats
    family_high: Floats
    reason: str = ""


def contrast_intervals(
    sums: PatientSums, matrix: Floats, level: float, n_bootstrap: int, seed: int
) -> Contrasts:
    """Bootstrap-t intervals of weighted sums of correlations over patients (Efron and Tibshirani 1993, ch. 12).

    Every draw of patients serves all correlations and is measured in its own standard errors. Intervals that hold
    all at once take the largest |t| of any sum in each draw.

    Parameters
    ----------
    sums
        Of P pairs.
    matrix
        Weights (Q, P); pairs of weight 0 may be undefined.
    level
        Coverage, such as 0.95.
    n_bootstrap, seed
        Draws.
    """
    value, error = _of(sums, matrix, None)
    value, error = value[0], error[0]
    nothing = np.full(value.size, np.nan)
    if sums.reason:
        return Contrasts(value, nothing, nothing, nothing, nothing, nothing, sums.reason)
    n_patients = len(sums.patients)
    rng = np.random.default_rng([seed, 0xC0])
    t = []
    size = max(1, _CHUNK // max(1, sums.sums.shape[0] * n_patients))
    for a in range(0, n_bootstrap, size):
        n = min(size, n_bootstrap - a)
        weights = rng.multinomial(n_patients, np.full(n_patients, 1 / n_patients), n).astype(np.float64)
        drawn, spread = _of(sums, matrix, weights)
        with np.errstate(invalid="ignore", divide="ignore"):
            t.append((drawn - value) / spread)
    draws = np.concatenate(t)
    draws[~np.isfinite(draws)] = np.nan
    fine = (np.isfinite(draws).mean(axis=0) >= _MIN_DEFINED_SHARE) & np.isfinite(value) & (error > 0)
    low, high, family_low, family_high = (nothing.copy() for _ in range(4))
    if fine.any():
        ends = np.nanquantile(draws[:, fine], [(1 - level) / 2, (1 + level) / 2], axis=0)
        low[fine] = value[fine] - ends[1] * error[fine]
        high[fine] = value[fine] - ends[0] * error[fine]
        some = draws[:, fine]
        largest = np.nanmax(np.abs(some[np.isfinite(some).any(axis=1)]), axis=1)
        reach = float(np.quantile(largest, level))
        family_low[fine] = value[fine] - reach * error[fine]
        family_high[fine] = value[fine] + reach * error[fine]
    return Contrasts(value, error, low, high, family_low, family_high)


def _of(sums: PatientSums, matrix: Floats, weights: Floats | None) -> tuple[Floats, Floats]:
    """Weighted sums of r (B, Q) and their standard errors."""
    r, influence = correlations(sums, weights)
    value = np.full((len(r), len(matrix)), np.nan)
    error = value.copy()
    w = np.ones((1, influence.shape[2])) if weights is None else weights
    n = influence.shape[2]
    for q, row in enumerate(matrix):
        used = np.flatnonzero(row)
        value[:, q] = r[:, used] @ row[used]
        together = np.einsum("bpk,p->bk", influence[:, used], row[used])
        error[:, q] = np.sqrt((w * together**2).sum(axis=1) * n / max(n - 1, 1))
    return value, error
