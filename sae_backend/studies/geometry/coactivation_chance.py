"""What chance gives features that have nothing to do with each other: how alike they fire, and what holds what."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import sparse

from sae_backend.studies.matching.chance_tiles import Arrangements
from sae_backend.studies.matching.cross_products import Columns, Laid, correlation_blocks, product_blocks
from sae_backend.studies.result import Arrays, Steps

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_EDGES: Final = np.linspace(-1, 1, 2001)
_N_HISTOGRAMS: Final = 5


@dataclass(frozen=True)
class CoActivationChance:
    """Draws under chance.

    Attributes
    ----------
    r
        Largest correlation of each feature with another (D, F).
    held
        Largest strength with which each feature is held by a more frequent one (D, F), see `holding`.
    histogram
        Number of pairs by r, summed over some draws, in 2,000 bins from -1 to 1.
    observed_r, observed_held
        The largest as they are (F,).
    """

    r: Floats
    held: Floats
    histogram: Ints
    observed_r: Floats
    observed_held: Floats

    def quantile(self, share: float) -> float:
        """Correlation that this share of all pairs stays below; NaN without draws."""
        total = self.histogram.sum()
        if total == 0:
            return float("nan")
        place = int(np.searchsorted(np.cumsum(self.histogram), share * total))
        return float(_EDGES[min(place + 1, _EDGES.size - 1)])


def holding(n_both: Floats, n_child: Floats, share_parent: Floats) -> Floats:
    """How far the overlap of a feature with another exceeds what the other's rate gives (f, F).

    The signed root of the likelihood ratio of a binomial share (n_both of n_child against `share_parent`): unlike
    r, it is not bounded by how unlike the rates are, and unlike the share itself it is not 1 by mere chance.
    Zero where the overlap is no larger than expected.
    """
    expected = n_child[:, None] * share_parent
    # Most pairs of many features share no tile: logarithms are taken of the others alone.
    row, column = np.nonzero(n_both > expected)
    both, child, chance = n_both[row, column], n_child[row], expected[row, column]
    left = child - both
    inside = both * np.log(both / chance)
    some = left > 0
    inside[some] += left[some] * np.log(left[some] / (child[some] - chance[some]))
    found = np.zeros(n_both.shape)
    found[row, column] = np.sqrt(np.maximum(2 * inside, 0))
    return found


def coactivation_chance(
    columns: Columns, firing: Columns, ways: Arrangements, alive: Callable[[int], None], steps: Steps
) -> CoActivationChance:
    """Take the features against themselves with the tiles exchanged; `alive` takes the draws that are done."""
    found = []
    seen = _one(columns, firing, None, False, lambda: alive(0))
    for p in range(ways.n):
        alive(p)

        def make(p: int = p) -> Arrays:
            return _one(columns, firing, ways.laid(p), p < _N_HISTOGRAMS, lambda: alive(p))

        found.append(steps.get(f"chance-{p}", make))
    shape = (ways.n, columns.n_features)
    return CoActivationChance(
        np.array([each["r"] for each in found]).reshape(shape),
        np.array([each["held"] for each in found]).reshape(shape),
        np.sum([each["histogram"] for each in found], axis=0, dtype=np.int64)
        if found
        else np.zeros(_EDGES.size - 1, np.int64),
        seen["r"],
        seen["held"],
    )


def _one(
    columns: Columns, firing: Columns, laid: Laid | None, with_histogram: bool, alive: Callable[[], None]
) -> Arrays:
    n = columns.n_features
    best, held = np.zeros((2, n))
    histogram = np.zeros(_EDGES.size - 1, np.int64)
    for a, r in correlation_blocks(columns, columns, laid):
        alive()
        own = np.arange(len(r))
        r[own, a + own] = np.nan
        if with_histogram:
            histogram += np.histogram(r, _EDGES)[0]
        r[own, a + own] = -1.0
        best[a : a + len(r)] = r.max(axis=1, initial=-1.0)
    n_active = firing.n_active.astype(np.float64)
    for a, n_both in product_blocks(firing, firing, laid):
        alive()
        held[a : a + len(n_both)] = _held(n_both, a, n_active, firing.n_rows).max(axis=1, initial=0.0)
    return {"r": best, "held": held, "histogram": histogram}


def _held(n_both: Floats, first: int, n_active: Floats, n_rows: int) -> Floats:
    """Strength with which features are held by more frequent ones, 0 for others."""
    child = n_active[first : first + len(n_both)]
    n_both[n_active[None] <= child[:, None]] = 0.0
    return holding(n_both, child, n_active / n_rows)


def scrambled(
    columns: Columns, ways: Arrangements, order: Ints, alive: Callable[[], None] = lambda: None
) -> Columns:
    """The same features, each with its tiles exchanged in a way of its own, so that none goes with another.

    Features that follow each other in `order` (F,) get different ways; there are fewer ways than features. `alive` is called
    now and then, and may raise.
    """
    rows, cols, values = [], [], []
    for p in range(ways.n):
        alive()
        mine = order[p :: ways.n]
        some = sparse.csr_array(columns.by_feature[:, mine])
        source = ways.laid(p).source
        moved = sparse.coo_array(some[np.maximum(source, 0)])
        keep = source[moved.coords[0]] >= 0
        rows.append(moved.coords[0][keep])
        cols.append(mine[moved.coords[1][keep]])
        values.append(moved.data[keep])
    shape = (columns.n_rows, columns.n_features)
    place = (np.concatenate(rows), np.concatenate(cols))
    return Columns(sparse.csr_array(sparse.coo_array((np.concatenate(values), place), shape=shape)))
