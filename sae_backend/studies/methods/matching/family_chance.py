"""Which features beat chance, all features of a set together: each is measured in its own chance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

LEVEL: Final = 0.05
_LARGEST_R: Final = 1 - 1e-6
"""So that Fisher's z is finite; a limit at or above it cannot be exceeded, and is given as 1."""
_LEAST_SPREAD: Final = 0.01
"""In Fisher's z; below it the spread of a few draws is luck."""


@dataclass(frozen=True)
class FamilyChance:
    """What chance gives the best of each feature's values.

    Attributes
    ----------
    p
        Family-wise p (F,), NaN where the feature takes no part or there are too few draws.
    q
        Expected share of false ones among the features with at least this value (F,), NaN likewise.
    threshold
        What a feature's r has to exceed for a family-wise p of 0.05 or less (F,); 1 where none is enough.
    mean
        Mean of its value in the draws (F,).
    n_draws
        Number of draws.
    """

    p: Floats
    q: Floats
    threshold: Floats
    mean: Floats
    n_draws: int


def family_chance(observed: Floats, draws: Floats, *, is_r: bool = True) -> FamilyChance:
    """Judge the best value of each feature by draws under chance.

    Features differ in what chance gives them: a rare one has large values. So each value is taken as a
    distance from the mean of all other draws (the observed one among them) in their standard deviation, and the
    largest distance of any feature in each draw is what has to be exceeded (Westfall and Young 1993, max T).
    Where the observed values are one more draw, p is exact.

    Parameters
    ----------
    observed
        Best value of each feature (F,), NaN where it takes no part.
    draws
        The same in D draws (D, F).
    is_r
        Whether the values are correlations, which are then taken as Fisher's z.
    """
    n_draws, n_features = len(draws), observed.size
    nothing = np.full(n_features, np.nan)
    takes_part = np.isfinite(observed) & np.isfinite(draws).all(axis=0)
    if n_draws < 1 / LEVEL - 1 - 1e-9 or not takes_part.any():
        return FamilyChance(nothing, nothing.copy(), nothing.copy(), nothing.copy(), n_draws)
    values = np.vstack([observed[takes_part], draws[:, takes_part]])
    z = np.arctanh(np.clip(values, -_LARGEST_R, _LARGEST_R)) if is_r else values
    floor = _LEAST_SPREAD if is_r else _LEAST_SPREAD * max(float(np.std(z)), 1e-12)
    mean = (z.sum(axis=0) - z) / n_draws
    centre = z.mean(axis=0)
    squares = ((z - centre) ** 2).sum(axis=0) - (z - centre) ** 2 - n_draws * (mean - centre) ** 2
    spread = np.sqrt(np.maximum(squares, 0) / (n_draws - 1) + floor**2)
    distance = (z - mean) / spread
    largest = np.sort(distance[1:].max(axis=1))
    above = n_draws - np.searchsorted(largest, distance[0] - 1e-12)
    n_allowed = int(np.floor(LEVEL * (n_draws + 1) + 1e-9)) - 1
    limit = mean[0] + spread[0] * largest[n_draws - 1 - n_allowed]
    found = {name: nothing.copy() for name in ("p", "q", "threshold", "mean")}
    found["p"][takes_part] = (1 + above) / (n_draws + 1)
    found["q"][takes_part] = _false_share(values)
    if is_r:
        limit = np.where(limit < np.arctanh(_LARGEST_R), np.tanh(limit), 1.0)
    found["threshold"][takes_part] = limit
    found["mean"][takes_part] = values[1:].mean(axis=0)
    return FamilyChance(n_draws=n_draws, **found)


def _false_share(values: Floats) -> Floats:
    """Expected number of values of a draw at least this large, over the number observed: q (F,)."""
    observed = values[0]
    order = np.argsort(observed, kind="stable")
    ascending = observed[order]
    pool = np.sort(values[1:].ravel())
    chance = (pool.size - np.searchsorted(pool, ascending - 1e-12)) / (len(values) - 1)
    n_found = ascending.size - np.searchsorted(ascending, ascending - 1e-12)
    share = np.minimum(chance / n_found, 1.0)
    found = np.empty(order.size)
    # A larger value has at most the q of a smaller one.
    found[order] = np.minimum.accumulate(share)
    return found


def is_beyond(chances: tuple[FamilyChance, ...]) -> tuple[npt.NDArray[np.bool_], bool]:
    """Which features beat chance family-wise under every null there is (F,), and whether there is one."""
    known = [chance for chance in chances if np.isfinite(chance.p).any()]
    if not known:
        return np.zeros(chances[0].p.size, np.bool_), False
    beyond = np.all([np.nan_to_num(chance.p, nan=1.0) <= LEVEL + 1e-12 for chance in known], axis=0)
    return np.asarray(beyond, np.bool_), True
