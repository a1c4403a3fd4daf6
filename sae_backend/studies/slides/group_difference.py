"""Do two groups of patients differ in a feature? Rank sums, judged by exchanging the patients between the groups."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import comb
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import stats

from sae_backend.studies.framework.result import Progress

Floats = npt.NDArray[np.float64]

MIN_PATIENTS: Final = 3
"""With fewer in a group, no exchange of patients could give a small p."""

_SPAN: Final = 512
_STEPS: Final = 20_000
"""The size of a rank sum, from 0 to 1 as a correlation, is counted in so many steps."""
_CONSTANT: Final = "the same in all patients"


@dataclass(frozen=True)
class GroupDifference:
    """Each feature between the groups, float64 (F,) each; NaN where the feature is the same in all patients.

    Attributes
    ----------
    mean_a, mean_b
        Mean of the patients.
    difference, low, high
        mean_a - mean_b with its 95 % interval after Welch.
    effect
        The difference in pooled standard deviations of patients (Cohen's d).
    superiority
        Probability that a patient of A has more than one of B, ties counting half.
    p_single
        p of the feature by itself: the share of all features and exchanges with as large a rank sum.
    q
        False discovery rate of Benjamini and Hochberg over all features, from `p_single`.
    p
        p corrected for all features: the share of exchanges in which any feature has as large a rank sum.
    """

    mean_a: Floats
    mean_b: Floats
    difference: Floats
    low: Floats
    high: Floats
    effect: Floats
    superiority: Floats
    p_single: Floats
    q: Floats
    p: Floats


@dataclass(frozen=True)
class Exchange:
    """How patients are exchanged: `n` times, by `seed`, only within the same `strata` (P,)."""

    n: int
    seed: int
    strata: Sequence[str]


def compare(
    values: Floats, in_a: npt.NDArray[np.bool_], how: Exchange, progress: Progress
) -> GroupDifference:
    """Compare two groups of patients.

    Parameters
    ----------
    values
        One row a patient (P, F).
    in_a
        Which patients are of the first group (P,); the others are of the second.
    how
        Exchanges. Ranks are taken within each stratum (van Elteren 1960), so that what differs between strata alone,
        such as sites, is no difference between groups.
    progress
        Takes (stage, done, total) and may raise to cancel.
    """
    z = _standardised_ranks(values, how.strata)
    constant: npt.NDArray[np.bool_] = np.asarray(~np.isfinite(z).all(axis=0))
    labels = np.vstack([in_a, _exchanged(in_a, how)]).astype(np.float32)
    spread = _label_spread(in_a, how.strata)
    n_features = values.shape[1]
    seen, largest = np.zeros(n_features, np.int64), np.zeros(how.n, np.int64)
    pool = np.zeros(_STEPS + 2, np.int64)
    for a in range(0, n_features, _SPAN):
        progress("exchange patients", a, n_features)
        some = slice(a, a + _SPAN)
        # In whole steps, so that exchanges that give the same groups are as large as what was seen.
        r = np.abs(labels @ np.nan_to_num(z[:, some]).astype(np.float32)) / spread
        steps = np.rint(r * _STEPS).astype(np.int64)
        seen[some] = steps[0]
        drawn = steps[1:, ~constant[some]]
        if drawn.size:
            largest = np.maximum(largest, drawn.max(axis=1))
            pool += np.bincount(np.minimum(drawn, _STEPS + 1).ravel(), minlength=_STEPS + 2)
    progress("exchange patients", n_features, n_features)
    p = (1 + how.n - np.searchsorted(np.sort(largest), seen, side="left")) / (1 + how.n)
    reach = np.cumsum(pool[::-1])[::-1]
    p_single = (1 + reach[np.minimum(seen, _STEPS + 1)]) / (1 + max(int(pool.sum()), 1))
    q = np.full(seen.shape, np.nan)
    if (~constant).any():
        q[~constant] = stats.false_discovery_control(p_single[~constant])
    hide: Callable[[Floats], Floats] = lambda each: np.where(constant, np.nan, each)  # noqa: E731
    mean_a, mean_b = values[in_a].mean(axis=0), values[~in_a].mean(axis=0)
    low, high, effect = _welch(values[in_a], values[~in_a])
    return GroupDifference(
        mean_a=mean_a, mean_b=mean_b, difference=mean_a - mean_b, low=low, high=high,
        effect=hide(effect), superiority=hide(_superiority(values, in_a)),
        p_single=hide(p_single), q=q, p=hide(p),
    )  # fmt: skip


def _standardised_ranks(values: Floats, strata: Sequence[str]) -> Floats:
    """Ranks within strata, centred and scaled (P, F); NaN for a feature that is the same within all strata."""
    out = np.zeros_like(values)
    for name in dict.fromkeys(strata):
        mine = np.flatnonzero([other == name for other in strata])
        ranks = stats.rankdata(values[mine], axis=0)
        out[mine] = (ranks - ranks.mean(axis=0)) / (mine.size + 1)
    length = np.sqrt((out**2).sum(axis=0))
    return np.asarray(np.where(length > 1e-12, out / np.where(length > 1e-12, length, 1), np.nan))


def _label_spread(in_a: npt.NDArray[np.bool_], strata: Sequence[str]) -> float:
    """Length of the labels freed of the strata's shares."""
    total = 0.0
    for name in dict.fromkeys(strata):
        mine = in_a[[other == name for other in strata]]
        total += float(((mine - mine.mean()) ** 2).sum())
    return float(np.sqrt(total)) or 1.0


def _exchanged(in_a: npt.NDArray[np.bool_], how: Exchange) -> npt.NDArray[np.bool_]:
    """Groups after exchanging patients (n, P)."""
    rng = np.random.default_rng([how.seed, 0x6D])
    out = np.tile(in_a, (how.n, 1))
    for name in dict.fromkeys(how.strata):
        mine = np.flatnonzero([other == name for other in how.strata])
        out[:, mine] = rng.permuted(out[:, mine], axis=1)
    return out


def n_exchanges(in_a: npt.NDArray[np.bool_], strata: Sequence[str]) -> float:
    """Number of different ways to exchange the patients; p cannot be below one over it."""
    total = 1.0
    for name in dict.fromkeys(strata):
        mine = in_a[[other == name for other in strata]]
        total *= float(comb(mine.size, int(mine.sum())))
    return total


def _welch(a: Floats, b: Floats) -> tuple[Floats, Floats, Floats]:
    """95 % interval of the difference of means, and Cohen's d (F,)."""
    n_a, n_b = len(a), len(b)
    var_a, var_b = a.var(axis=0, ddof=1), b.var(axis=0, ddof=1)
    each_a, each_b = var_a / n_a, var_b / n_b
    error = np.sqrt(each_a + each_b)
    with np.errstate(invalid="ignore", divide="ignore"):
        freedom = (each_a + each_b) ** 2 / (each_a**2 / (n_a - 1) + each_b**2 / (n_b - 1))
        pooled = np.sqrt(((n_a - 1) * var_a + (n_b - 1) * var_b) / (n_a + n_b - 2))
        effect = (a.mean(axis=0) - b.mean(axis=0)) / pooled
    reach = stats.t.ppf(0.975, np.where(np.isfinite(freedom), freedom, 1.0)) * error
    middle = a.mean(axis=0) - b.mean(axis=0)
    return middle - reach, middle + reach, np.where(np.isfinite(effect), effect, np.nan)


def _superiority(values: Floats, in_a: npt.NDArray[np.bool_]) -> Floats:
    ranks = stats.rankdata(values, axis=0)
    n_a, n_b = int(in_a.sum()), int((~in_a).sum())
    return np.asarray((ranks[in_a].sum(axis=0) - n_a * (n_a + 1) / 2) / (n_a * n_b), np.float64)
