"""The inner loops, compiled: sums of products under many arrangements, and errors of many draws."""

from __future__ import annotations

from functools import partial
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def compiled(function: Any, **options: Any) -> Any:
    """Compile when first called, without Python's lock; the result is kept on disk where there is a place."""
    try:
        return numba.njit(nogil=True, cache=True, **options)(function)
    except RuntimeError:
        # Neither the program's folder nor the user's can be written: compile anew in each process.
        return numba.njit(nogil=True, **options)(function)


_reordered = partial(compiled, fastmath={"reassoc", "contract"})
"""For sums whose order does not matter beyond rounding."""


@compiled
def _mirrored(place: Any, size: Any) -> Any:
    """Place within 0 to size - 1 that a place beyond the edges is the mirror image of."""
    place %= 2 * size
    return place if place < size else 2 * size - 1 - place


@compiled
def _source(i: Any, other: Any, layout: Any) -> Any:
    """Row of the unit `other` that comes to lie on row i; see :class:`UnitLayout` for the layout."""
    segment, row, col, partner, down, right, heights, widths, starts, nearest = layout
    s = segment[i]
    t = partner[s, other]
    height, width = heights[t], widths[t]
    y, x = row[i] + down[s, other], col[i] + right[s, other]
    if y < 0 or y >= height:
        y = _mirrored(y, height)
    if x < 0 or x >= width:
        x = _mirrored(x, width)
    return nearest[starts[t] + y * width + x]


@compiled
def exchanged_products(pointers: Any, rows: Any, values: Any, counts: Any, layout: Any, table: Any) -> None:
    """Add to `table[f, s, l]` (F, S, K, C) the products of column f with unit l laid on segment s.

    Columns are stored as in a sparse matrix, rows ascending: those of f are `pointers[f]` to
    `pointers[f + 1]`. `counts` are (N, C). Units are gone through outermost, as the counts of one stay in the processor's cache.
    """
    n_features, _, n_units, n_types = table.shape
    segment, row_of, col_of, partner, down, right, heights, widths, starts, nearest = layout
    total = np.zeros(n_types)
    for other in range(n_units):
        for f in range(n_features):
            # Rows ascend, so those of a segment follow each other, and what depends on it is looked up once.
            s = -1
            dy = dx = height = width = start = 0
            for i in range(pointers[f], pointers[f + 1]):
                row, value = rows[i], values[i]
                if segment[row] != s:
                    if s >= 0:
                        table[f, s, other] += total
                    total[:] = 0.0
                    s = segment[row]
                    t = partner[s, other]
                    dy, dx, start = down[s, other], right[s, other], starts[t]
                    height, width = heights[t], widths[t]
                y, x = row_of[row] + dy, col_of[row] + dx
                if y < 0 or y >= height:
                    y = _mirrored(y, height)
                if x < 0 or x >= width:
                    x = _mirrored(x, width)
                source = nearest[start + y * width + x]
                for c in range(n_types):
                    total[c] += value * counts[source, c]
            if s >= 0:
                table[f, s, other] += total


@compiled
def sparse_products(left: Any, right: Any, table: Any) -> None:
    """Add to `table` (F, G) the products of sparse columns with those of the same tiles.

    `left` is stored by column (pointers, rows, values) and may name a row of -1, which has no partner; `right` is stored
    by row (pointers, columns, values).
    """
    pointers, rows, values = left
    starts, columns, others = right
    for f in range(table.shape[0]):
        for i in range(pointers[f], pointers[f + 1]):
            row, value = rows[i], values[i]
            if row >= 0:
                for j in range(starts[row], starts[row + 1]):
                    table[f, columns[j]] += value * others[j]


@compiled
def exchanged_rows(orders: Any, layout: Any, unit_of_segment: Any, out: Any) -> None:
    """Fill in `out` (P, N): the row that comes to lie on each row under each order (P, K)."""
    segment = layout[0]
    for p in range(orders.shape[0]):
        for i in range(segment.size):
            out[p, i] = _source(i, orders[p, unit_of_segment[segment[i]]], layout)


@compiled
def gather_exchanged(table: Any, orders: Any, unit_of_segment: Any, out: Any) -> None:
    """Add up `table` (S, K, C) for each order (P, K) into `out` (P, C)."""
    n_types = out.shape[1]
    for p in range(orders.shape[0]):
        for s in range(unit_of_segment.size):
            other = orders[p, unit_of_segment[s]]
            for c in range(n_types):
                out[p, c] += table[s, other, c]


@compiled
def rearranged_products(rows: Any, values: Any, y: Any, sources: Any, out: Any) -> None:
    """Add to `out` (P, C) the products of one column with `y` (N, C) under `sources` (P, N)."""
    n_types = y.shape[1]
    for i in range(rows.size):
        row, value = rows[i], values[i]
        for p in range(sources.shape[0]):
            source = sources[p, row]
            for c in range(n_types):
                out[p, c] += value * y[source, c]


@compiled
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


@compiled
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


@_reordered
def _weighted(weights: Any, values: Any) -> Any:
    """Sum of products of two rows, whose order is free so that several are taken at once."""
    total = 0.0
    for k in range(weights.size):
        total += weights[k] * values[k]
    return total


@_reordered
def _influence(weights: Any, by_unit: Any, factors: Any) -> Any:
    """Sum over units of the squared sum of six numbers (6, K) times their factors."""
    xy, xx, yy, x, y, n = by_unit
    of_xy, of_xx, of_yy, of_x, of_y, of_n = factors
    squares = 0.0
    for k in range(weights.size):
        influence = of_xy * xy[k] + of_xx * xx[k] + of_yy * yy[k] + of_x * x[k] + of_y * y[k] + of_n * n[k]
        squares += weights[k] * influence * influence
    return squares


@compiled
def drawn_z(by_unit: Any, weights: Any, drawn_sums: Any, z: Any, error: Any) -> None:
    """Fisher's z of one feature with C types in each draw, and its standard error, into (C, B) each.

    `by_unit` are the sums n, x, xx (K,), y, yy, xy (C, K), `weights` (B, K), and `drawn_sums` the sums of
    y, yy and xy (C, B) with these weights. What is not defined stays as it was.
    """
    n, x, xx, y, yy, xy = by_unit
    sum_y, sum_yy, sum_xy = drawn_sums
    all_xx = max(xx.sum(), 0.0)
    all_yy = np.empty(len(yy))
    for c in range(len(yy)):
        all_yy[c] = max(yy[c].sum(), 0.0)
    for b in range(weights.shape[0]):
        drawn = weights[b]
        total, n_drawn = _weighted(drawn, n), drawn.sum()
        mx = _weighted(drawn, x) / total
        vx = _weighted(drawn, xx) / total - mx * mx
        if vx * total <= 1e-12 * all_xx:
            continue
        for c in range(len(yy)):
            my = sum_y[c, b] / total
            vy = sum_yy[c, b] / total - my * my
            if vy * total <= 1e-12 * all_yy[c]:
                continue
            scale = 1 / np.sqrt(vx * vy)
            r = (sum_xy[c, b] / total - mx * my) * scale
            r = min(max(r, -1 + 1e-9), 1 - 1e-9)
            half_x, half_y = r / (2 * vx), r / (2 * vy)
            of_n = mx * my * scale - half_x * mx * mx - half_y * my * my
            factors = (
                scale,
                -half_x,
                -half_y,
                2 * mx * half_x - my * scale,
                2 * my * half_y - mx * scale,
                of_n,
            )
            squares = _influence(drawn, (xy[c], xx, yy[c], x, y[c], n), factors)
            if squares > 0:
                z[c, b] = np.arctanh(r)
                error[c, b] = np.sqrt(squares * n_drawn / (n_drawn - 1)) / total / (1 - r * r)


@compiled
def standardise(products: Any, x: Any, mean_y: Any, scale_x: Any, scale_y: Any) -> None:
    """Turn sums of products (F, C, B) into r in place, all at once, as they are too many to pass through often.

    `x`, `scale_x` are (F, B), `mean_y`, `scale_y` (C, B).
    """
    for f in range(products.shape[0]):
        for c in range(products.shape[1]):
            for b in range(products.shape[2]):
                centred = products[f, c, b] - x[f, b] * mean_y[c, b]
                products[f, c, b] = centred * scale_x[f, b] * scale_y[c, b]
