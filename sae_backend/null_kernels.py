"""The inner loops, compiled: sums of products under many arrangements, and errors of many draws."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@numba.njit(nogil=True, cache=True)
def _mirrored(place: Any, size: Any) -> Any:
    """Place within 0 to size - 1 that a place beyond the edges is the mirror image of."""
    if 0 <= place < size:
        return place
    place %= 2 * size
    return place if place < size else 2 * size - 1 - place


@numba.njit(nogil=True, cache=True)
def _source(i: Any, other: Any, layout: Any) -> Any:
    """Row of the unit `other` that comes to lie on row i; see :class:`UnitLayout` for the layout."""
    segment, row, col, ordinal, first_segment, n_segments, heights, widths, starts, nearest = layout
    s = segment[i]
    t = first_segment[other] + ordinal[s] % n_segments[other]
    height, width = heights[t], widths[t]
    y = _mirrored(row[i] + (height - heights[s]) // 2, height)
    x = _mirrored(col[i] + (width - widths[s]) // 2, width)
    return nearest[starts[t] + y * width + x]


@numba.njit(nogil=True, cache=True)
def exchanged_products(rows: Any, values: Any, y: Any, layout: Any, table: Any) -> None:
    """Add to `table[s, l]` (S, K, C) the products of one column with unit l laid on segment s.

    `rows`, `values` are the column's stored values, `y` is (N, C).
    """
    n_units, n_types = table.shape[1], y.shape[1]
    segment = layout[0]
    for i in range(rows.size):
        row, value = rows[i], values[i]
        s = segment[row]
        for other in range(n_units):
            source = _source(row, other, layout)
            for c in range(n_types):
                table[s, other, c] += value * y[source, c]


@numba.njit(nogil=True, cache=True)
def exchanged_rows(orders: Any, layout: Any, unit_of_segment: Any, out: Any) -> None:
    """Fill in `out` (P, N): the row that comes to lie on each row under each order (P, K)."""
    segment = layout[0]
    for p in range(orders.shape[0]):
        for i in range(segment.size):
            out[p, i] = _source(i, orders[p, unit_of_segment[segment[i]]], layout)


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


@numba.njit(nogil=True, cache=True)
def drawn_z(n: Any, x: Any, xx: Any, y: Any, yy: Any, xy: Any, weights: Any, z: Any, error: Any) -> None:
    """Fisher's z of one feature with C types in each draw, and its standard error, into (C, B) each.

    `n`, `x`, `xx` (K,), `y`, `yy`, `xy` (C, K) are sums by unit; `weights` (B, K). What is not defined
    stays as it was.
    """
    n_types, n_units = xy.shape
    all_xx = xx.sum()
    for b in range(weights.shape[0]):
        total = sx = sxx = 0.0
        n_drawn = 0.0
        for k in range(n_units):
            w = weights[b, k]
            if w > 0:
                total += w * n[k]
                sx += w * x[k]
                sxx += w * xx[k]
                n_drawn += w
        mx = sx / total
        vx = sxx / total - mx * mx
        if vx * total <= 1e-12 * max(all_xx, 0.0):
            continue
        for c in range(n_types):
            sy = syy = sxy = all_yy = 0.0
            for k in range(n_units):
                w = weights[b, k]
                all_yy += yy[c, k]
                sy += w * y[c, k]
                syy += w * yy[c, k]
                sxy += w * xy[c, k]
            my = sy / total
            vy = syy / total - my * my
            if vy * total <= 1e-12 * max(all_yy, 0.0):
                continue
            scale = 1 / np.sqrt(vx * vy)
            r = (sxy / total - mx * my) * scale
            r = min(max(r, -1 + 1e-9), 1 - 1e-9)
            half_x, half_y = r / (2 * vx), r / (2 * vy)
            of_x = 2 * mx * half_x - my * scale
            of_y = 2 * my * half_y - mx * scale
            of_n = mx * my * scale - half_x * mx * mx - half_y * my * my
            squares = 0.0
            for k in range(n_units):
                influence = (
                    scale * xy[c, k]
                    - half_x * xx[k]
                    - half_y * yy[c, k]
                    + of_x * x[k]
                    + of_y * y[c, k]
                    + of_n * n[k]
                )
                squares += weights[b, k] * influence * influence
            if squares > 0:
                z[c, b] = np.arctanh(r)
                error[c, b] = np.sqrt(squares * n_drawn / (n_drawn - 1)) / total / (1 - r * r)
