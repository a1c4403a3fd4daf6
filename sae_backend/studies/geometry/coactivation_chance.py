"""What chance gives features that have nothing to do with each other: how alike they fire, and what holds what."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import sparse

from sae_backend.studies.framework.result import Arrays, Checkpoints
from sae_backend.studies.methods.matching.chance_tiles import Arrangements
from sae_backend.studies.methods.matching.cross_products import Columns, Laid, centre, column_blocks

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
    columns: Columns,
    ways: Arrangements,
    rows: Ints,
    check_cancelled: Callable[[int], None],
    checkpoints: Checkpoints,
) -> CoActivationChance:
    """Take the features against themselves with the tiles exchanged.

    Parameters
    ----------
    columns
        Features (N, F).
    ways
        How tiles are laid on others.
    rows
        Tiles on which others are laid (n,): all of them, or some where they are many.
    check_cancelled
        Takes the draws that are done; may raise.
    checkpoints
        Where finished draws are kept.
    """
    found = []
    own = columns if rows.size == columns.n_rows else columns.rows(rows)
    seen = _one(own, columns, Laid(rows.astype(np.int32)), False, lambda: check_cancelled(0))
    for p in range(ways.n):
        check_cancelled(p)

        def make(p: int = p) -> Arrays:
            laid = ways.laid(p)
            laid = Laid(laid.source[rows], laid.is_shift)
            return _one(own, columns, laid, p < _N_HISTOGRAMS, lambda: check_cancelled(p))

        found.append(checkpoints.get(f"chance-{p}", make))
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
    own: Columns, columns: Columns, laid: Laid, with_histogram: bool, check_cancelled: Callable[[], None]
) -> Arrays:
    # Slow to load, and the window imports this package to tell what was found.
    from sae_backend.statistics import pair_kernels

    strongest = np.zeros((2, columns.n_features))
    histogram = np.zeros(_EDGES.size - 1 if with_histogram else 0, np.int64)
    centring = tuple(vars(centre(own, columns, laid)).values())
    counts = own.n_active.astype(np.float64), columns.n_active.astype(np.float64)
    table = columns.by_tile
    right = table.indptr, table.indices, table.data
    for a, left in column_blocks(own, laid):
        check_cancelled()
        part = strongest[:, a : a + left[0].size - 1]
        pair_kernels.strongest_pairs(left, right, centring, counts, (a, columns.n_rows), part, histogram)
    if not with_histogram:
        histogram = np.zeros(_EDGES.size - 1, np.int64)
    return {"r": strongest[0], "held": strongest[1], "histogram": histogram}


def scrambled(
    columns: Columns,
    ways: Arrangements,
    rows: Ints,
    order: Ints,
    check_cancelled: Callable[[], None] = lambda: None,
) -> Columns:
    """The same features, each with its tiles exchanged in a way of its own, so that none goes with another.

    Features that follow each other in `order` (F,) get different ways; there are fewer ways than features. What comes to
    lie on the tiles `rows` (n,) is given. `check_cancelled` is called now and then, and may raise.
    """
    parts, features = [], []
    for p in range(ways.n):
        check_cancelled()
        mine = order[p :: ways.n]
        source = ways.laid(p).source[rows]
        some = sparse.csr_array(columns.by_feature[:, mine])
        if (source < 0).any():
            # A row without anything stands in for tiles on which none comes to lie.
            nothing = sparse.csr_array((1, mine.size), dtype=some.dtype)
            some = sparse.csr_array(sparse.vstack([some, nothing], format="csr"))
        parts.append(sparse.csc_array(some[np.where(source >= 0, source, columns.n_rows)]))
        features.append(mine)
    place = np.argsort(np.concatenate(features), kind="stable")
    return Columns(sparse.csr_array(sparse.hstack(parts, format="csc")[:, place]))
