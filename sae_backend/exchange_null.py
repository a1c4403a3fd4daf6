"""The null of exchanged units: the counts of one patient or slide on the features of another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt

from sae_backend.moments import row_sums
from sae_backend.null import Null, NullView, Seen, Span, kernels
from sae_backend.rearrangements import Exchange

Floats = npt.NDArray[np.float64]

_CHUNK: Final = 64


class ExchangeNull(Null):
    """Whole units change places.

    Where there are fewer units than arrangements, the products of every pair of units are summed
    once, and each arrangement only adds up those that it brings together.
    """

    def __init__(self, view: NullView, arrangement: Exchange, n_features: int) -> None:
        n_types = view.y.shape[1]
        super().__init__(arrangement.n, n_features, n_types)
        self._view, self._arrangement = view, arrangement
        self._y = np.ascontiguousarray(view.y)
        n_controls = 0 if view.controls is None else view.controls.shape[1]
        self._scale = np.zeros((arrangement.n, n_types))
        self._control_sums = np.zeros((arrangement.n, n_controls, n_types))
        self._sums = np.zeros((arrangement.n, view.segment_sizes.size, n_types))
        for p in range(arrangement.n):
            self._prepare(p, arrangement.sources(p, p + 1)[0])
        self._by_table = arrangement.sizes.size <= arrangement.n

    def _prepare(self, p: int, source: npt.NDArray[np.int32]) -> None:
        """Sums of the counts alone, as they come to lie in each segment."""
        view = self._view
        laid = self._y[source]
        sums, squares = row_sums(laid, view.segment_sizes), np.einsum("ij,ij->j", laid, laid)
        if view.centred_within:
            left = squares - (sums**2 / view.segment_sizes[:, None]).sum(axis=0)
        else:
            left = squares - sums.sum(axis=0) ** 2 / len(laid)
        self._sums[p] = sums
        self._scale[p] = np.where(left > 1e-12 * np.maximum(squares, 1e-300), left, np.inf) ** -0.5
        if view.controls is not None:
            products = view.controls.T @ laid
            if view.mix is not None:
                types = np.arange(laid.shape[1])
                products[types, types] -= np.einsum("cq,qc->c", view.mix, products)
            self._control_sums[p] = products

    def _go_through(self, span: Span, seen: Seen, advance: Callable[[int], None]) -> None:
        n, n_types = self.largest.shape
        if self._by_table:
            self._by_pairs(span, seen, advance)
            return
        for first in range(0, n, _CHUNK):
            last = min(first + _CHUNK, n)
            sources = self._arrangement.sources(first, last)
            for f in np.flatnonzero(span.scale.any(axis=1)).tolist():
                out = np.zeros((last - first, n_types))
                kernels().rearranged_products(*span.column(f), self._y, sources, out)
                out -= np.einsum("s,psc->pc", span.means[f], self._sums[first:last])
                self._scaled(span, f, out, (first, last), seen)
            advance((last - first) * span.scale.size)

    def _by_pairs(self, span: Span, seen: Seen, advance: Callable[[int], None]) -> None:
        view, sizes = self._view, self._arrangement.sizes
        starts = np.cumsum(sizes) - sizes
        unit = np.repeat(np.arange(sizes.size), sizes)
        segment = np.repeat(np.arange(view.segment_sizes.size), view.segment_sizes)
        n, n_types = self.largest.shape
        every, one = np.arange(segment.size, dtype=np.int32), np.ones(segment.size)
        alone = np.zeros((view.segment_sizes.size, sizes.size, n_types))
        kernels().exchanged_products(every, one, self._y, segment, unit, starts, sizes, alone)
        for f in range(len(span.scale)):
            if span.scale[f].any():
                table = alone * -span.means[f][:, None, None]
                kernels().exchanged_products(*span.column(f), self._y, segment, unit, starts, sizes, table)
                out = np.zeros((n, n_types))
                kernels().gather_exchanged(table, self._arrangement.orders, view.unit_of_segment, out)
                self._scaled(span, f, out, (0, n), seen)
            advance(n * n_types)

    def _scaled(self, span: Span, f: int, out: Floats, chunk: tuple[int, int], seen: Seen) -> None:
        part = slice(*chunk)
        if span.beta is not None:
            out -= np.einsum("q,pqc->pc", span.beta[f], self._control_sums[part])
        out *= span.scale[f]
        out *= self._scale[part]
        seen.take_in(out, span, f, chunk)
