"""The inner loops of the null, compiled: sums of products under many arrangements of the counts."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@numba.njit(nogil=True, cache=True)
def exchanged_products(
    rows: Any, values: Any, y: Any, segment: Any, unit: Any, starts: Any, sizes: Any, table: Any
) -> None:
    """Add to `table[s, l]` (S, K, C) the products of one column with unit l stretched over segment s.

    `rows`, `values` are the column's stored values; `segment`, `unit` (N,) say where a row belongs;
    `starts`, `sizes` (K,) where the units lie in `y` (N, C).
    """
    n_units, n_types = sizes.size, y.shape[1]
    for i in range(rows.size):
        row, value = rows[i], values[i]
        s, k = segment[row], unit[row]
        position, size = row - starts[k], sizes[k]
        for other in range(n_units):
            source = starts[other] + position * sizes[other] // size
            for c in range(n_types):
                table[s, other, c] += value * y[source, c]


@numba.njit(nogil=True, cache=True)
def gather_exchanged(table: Any, orders: Any, unit_of_segment: Any, out: Any) -> None:
    """Add up `table` (S, K, C) for each order (P, K) into `out` (P, C)."""
    n_types = out.shape[1]
    for p in range(orders.shape[0]):
        for s in range(unit_of_segment.size):
            other = orders[p, unit_of_segment[s]]
            for c in range(n_types):
                out[p, c] += table[s, other, c]


@numba.njit(nogil=True, cache=True)
def rearranged_products(rows: Any, values: Any, y: Any, sources: Any, out: Any) -> None:
    """Add to `out` (P, C) the products of one column with `y` (N, C) under `sources` (P, N)."""
    n_types = y.shape[1]
    for i in range(rows.size):
        row, value = rows[i], values[i]
        for p in range(sources.shape[0]):
            source = sources[p, row]
            for c in range(n_types):
                out[p, c] += value * y[source, c]


@numba.njit(nogil=True, cache=True)
def shifted_products(rows: Any, values: Any, y: Any, sources: Any, out: Any) -> None:
    """Do as :func:`rearranged_products`, where a source of -1 adds nothing."""
    n_types = y.shape[1]
    for i in range(rows.size):
        row, value = rows[i], values[i]
        for p in range(sources.shape[0]):
            source = sources[p, row]
            if source >= 0:
                for c in range(n_types):
                    out[p, c] += value * y[source, c]


@numba.njit(nogil=True, cache=True)
def take_in(r: Any, observed: Any, tie: float, largest: Any, reached: Any, histogram: Any) -> None:
    """Compare r (P, C) of one feature with what was observed (C,), infinite where that is not defined.

    Updates the `largest` |r| (P, C) of all features, in how many arrangements this one was `reached`
    (C,), and the `histogram` of all |r| on [0, 1], whose last bin holds 1 alone.
    """
    n_bins = histogram.size - 1
    for p in range(r.shape[0]):
        for c in range(r.shape[1]):
            value = abs(r[p, c])
            if observed[c] == np.inf:
                continue
            if value > largest[p, c]:
                largest[p, c] = value
            if value >= observed[c] - tie:
                reached[c] += 1
            histogram[min(n_bins, int((value + tie) * n_bins))] += 1
