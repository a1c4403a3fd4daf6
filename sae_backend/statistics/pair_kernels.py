"""Inner loops over all pairs of sparse features, compiled: what is wanted of a pair is taken while its sums are at hand.

A table of all pairs of 12,288 features has 151 million numbers; to write it, and to pass through it again for every
step, costs several times what the sums themselves do.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sae_backend.statistics.kernels import compiled


@compiled
def strongest_pairs(
    left: Any, right: Any, centring: Any, counts: Any, place: Any, strongest: Any, histogram: Any
) -> None:
    """Find what goes most with each of some features.

    Parameters
    ----------
    left
        These features by column: pointers, rows and values. A row of -1 has no partner.
    right
        All G features by row: pointers, columns and values.
    centring
        The fields of :class:`~sae_backend.studies.methods.matching.cross_products.Centring`, of all features.
    counts
        Rows in which each feature is not 0 on the left and on the right, float64 (G,) each.
    place
        Number of the first of the features, and number of rows of the right.
    strongest
        Float64 (2, f), filled in: the largest r with another feature, and the largest strength with which a more
        frequent one holds it, see `coactivation_chance.holding`.
    histogram
        Pairs of different features by r from -1 to 1, int64, added to; of length 0 where it is not wanted.
    """
    pointers, rows, values = left
    starts, columns, others = right
    mean_left, gap, sum_left, mean_right, scale_left, scale_right = centring
    n_left, n_right = counts
    first, n_rows = place
    n_bins = histogram.size
    sums, both = np.zeros(n_right.size), np.zeros(n_right.size)
    for k in range(pointers.size - 1):
        f = first + k
        sums[:] = 0.0
        both[:] = 0.0
        for i in range(pointers[k], pointers[k + 1]):
            row, value = rows[i], values[i]
            if row < 0 or value == 0:
                continue
            for j in range(starts[row], starts[row + 1]):
                sums[columns[j]] += value * others[j]
                both[columns[j]] += 1.0 if others[j] != 0 else 0.0
        top, held = -1.0, 0.0
        child = n_left[f]
        for g in range(n_right.size):
            if g == f:
                continue
            r = sums[g] - mean_left[f] * gap[g] - sum_left[f] * mean_right[g]
            r = min(max(r * scale_left[f] * scale_right[g], -1.0), 1.0)
            top = max(top, r)
            if n_bins:
                histogram[min(int((r + 1) / 2 * n_bins), n_bins - 1)] += 1
            chance = child * n_right[g] / n_rows
            more = both[g] - chance
            if n_right[g] <= n_right[f] or more <= 0:
                continue
            # A divergence is at most its chi squared: most pairs need no logarithm to be ruled out.
            if more * more * child <= held * chance * (child - chance):
                continue
            inside = both[g] * np.log(both[g] / chance)
            if child > both[g]:
                inside += (child - both[g]) * np.log((child - both[g]) / (child - chance))
            held = max(held, inside)
        strongest[0, k] = top
        strongest[1, k] = np.sqrt(2 * held)


@compiled
def close_pairs(left: Any, right: Any, centring: Any, place: Any, cut: float, found: Any) -> tuple[int, int]:
    """Find the pairs of some features with later ones whose r is at least `cut`.

    Parameters
    ----------
    left, right, centring
        As for :func:`strongest_pairs`; within a row of `right` columns ascend.
    place
        Number of the first feature, and how many of them are done.
    cut
        The least r.
    found
        First and second feature and r, three arrays of the same length, filled in from the start.

    Returns
    -------
    tuple of int
        How many features are done, which are fewer than there are where `found` is nearly full, and pairs found.
    """
    pointers, rows, values = left
    starts, columns, others = right
    mean_left, gap, sum_left, mean_right, scale_left, scale_right = centring
    first, done = place
    ones, twos, r_values = found
    n_features = mean_right.size
    sums = np.zeros(n_features)
    n = 0
    for k in range(done, pointers.size - 1):
        if n + n_features > ones.size:
            return k, n
        f = first + k
        sums[f:] = 0.0
        for i in range(pointers[k], pointers[k + 1]):
            row, value = rows[i], values[i]
            for j in range(starts[row + 1] - 1, starts[row] - 1, -1):
                if columns[j] <= f:
                    break
                sums[columns[j]] += value * others[j]
        for g in range(f + 1, n_features):
            r = sums[g] - mean_left[f] * gap[g] - sum_left[f] * mean_right[g]
            r = min(max(r * scale_left[f] * scale_right[g], -1.0), 1.0)
            if r >= cut:
                ones[n], twos[n], r_values[n] = f, g, r
                n += 1
    return pointers.size - 1, n


@compiled
def own_products(left: Any, right: Any, sources: Any, out: Any) -> None:
    """Add to `out` (G,) the products of each column of `left` with the same column of `right`, whose rows are moved.

    Both are stored by row (pointers, columns, values), columns ascending; `sources` (N,) is the row of `right` that
    comes to lie on each row of `left`, -1 for none.
    """
    starts, columns, values = left
    others, other_columns, other_values = right
    for row in range(sources.size):
        source = sources[row]
        if source < 0:
            continue
        j, end = others[source], others[source + 1]
        for i in range(starts[row], starts[row + 1]):
            while j < end and other_columns[j] < columns[i]:
                j += 1
            if j < end and other_columns[j] == columns[i]:
                out[columns[i]] += values[i] * other_values[j]
