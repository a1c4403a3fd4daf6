"""The null of exchanged units: the counts of one patient or slide on the features of another."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial as bind
from typing import Final

import numpy as np
import numpy.typing as npt

from sae_backend.statistics.moments import row_sums
from sae_backend.statistics.permutation.arrangements import Exchange
from sae_backend.statistics.permutation.null_distribution import Null, NullView, Seen, Span, kernels

Floats = npt.NDArray[np.float64]

_CHUNK: Final = 64
_SOURCES: Final = 16_000_000
"""Row numbers of the arrangements that are gone through together (64 MB a thread)."""

_PREPARED_ROWS: Final = 8_192
_TABLE_VALUES: Final = 8_000_000
"""Largest table of products of pairs of units (64 MB a thread)."""

_SPAN_VALUES: Final = 4_000_000
"""Values of the tables of the features that are gone through together (32 MB a thread)."""


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
        self._squares = self._y[:0]
        n_segments, n_units = view.segment_sizes.size, arrangement.layout.n_units
        controls = np.zeros((len(self._y), 0)) if view.controls is None else view.controls
        self._controls = np.ascontiguousarray(controls.T)
        self._scale = np.zeros((arrangement.n, n_types))
        self._control_sums = np.zeros((arrangement.n, len(self._controls), n_types))
        self._by_table = n_units <= arrangement.n and n_segments * n_units * n_types <= _TABLE_VALUES
        tables = 2 + len(self._controls) if self._by_table else 0
        self._tables = np.zeros((tables, n_segments, n_units, n_types))
        self._sums = np.zeros((0 if self._by_table else arrangement.n, n_segments, n_types))

    def preparation(self) -> Iterator[Callable[[], None]]:
        """Sums of the counts alone, as they come to lie in each segment."""
        if self._by_table:
            self._squares = self._y**2
            for first in range(0, len(self._y), _PREPARED_ROWS):
                yield bind(self._tabulate, first, min(first + _PREPARED_ROWS, len(self._y)))
        else:
            for p in range(self._arrangement.n):
                yield bind(self._prepare, p)

    def _tabulate(self, first: int, last: int) -> None:
        rows = np.arange(first, last, dtype=np.int32)
        layout = self._arrangement.layout.arrays()
        weights = [np.ones(rows.size), np.ones(rows.size), *(part[first:last] for part in self._controls)]
        pointers = np.array([0, rows.size])
        for at, weight in enumerate(weights):
            found = np.zeros((1, *self._tables.shape[1:]))
            y = self._squares if at == 1 else self._y
            kernels().exchanged_products(pointers, rows, weight, y, layout, found)
            with self._lock:
                self._tables[at] += found[0]

    def prepared(self) -> None:
        """Turn the tables into one number an arrangement and type."""
        if not self._by_table:
            return
        self._squares = self._y[:0]
        view, size = self._view, self._view.segment_sizes[:, None, None]
        alone, squares, *controls = self._tables
        if view.centred_within:
            beside = self._gathered(alone**2 / size)
        else:
            beside = self._gathered(alone) ** 2 / len(self._y)
        for q, table in enumerate(controls):
            self._control_sums[:, q] = self._gathered(table)
        self._set_scale(slice(None), self._gathered(squares), beside)

    def _gathered(self, table: Floats) -> Floats:
        out = np.zeros(self._scale.shape)
        kernels().gather_exchanged(table, self._arrangement.orders, self._view.unit_of_segment, out)
        return out

    def _prepare(self, p: int) -> None:
        view = self._view
        laid = self._y[self._arrangement.sources(p, p + 1)[0]]
        sums, squares = row_sums(laid, view.segment_sizes), np.einsum("ij,ij->j", laid, laid)
        if view.centred_within:
            beside = (sums**2 / view.segment_sizes[:, None]).sum(axis=0)
        else:
            beside = sums.sum(axis=0) ** 2 / len(laid)
        self._sums[p] = sums
        self._control_sums[p] = self._controls @ laid
        self._set_scale(slice(p, p + 1), squares[None], beside[None])

    def _set_scale(self, part: slice, squares: Floats, beside: Floats) -> None:
        """Norm of the counts as they lie, less what the covariates explain of them there.

        Residuals that changed places are no longer free of the covariates; r without this second fit is
        too small, and claimed 10 % at a level of 5 % where slides of a site were exchanged.
        """
        left = squares - beside
        if self._view.inverse is not None:
            left -= self._explained(self._control_sums[part], self._view.inverse)
        self._scale[part] = np.where(left > 1e-9 * np.maximum(squares, 1e-300), left, np.inf) ** -0.5

    def _explained(self, products: Floats, inverse: Floats) -> Floats:
        """Sum of squares (P, C) that the covariates explain; `products` (P, Q, C) are freed of own ones."""
        mix = self._view.mix
        if mix is None:
            return np.asarray(np.einsum("pqc,qr,prc->pc", products, inverse, products, optimize=True))
        # A type is no control of its own: it is left out of the products, and of the inverse by the
        # rule for the inverse of a matrix less a row and a column.
        types = np.arange(products.shape[2])
        others = products.copy()
        others[:, types, types] = 0.0
        whole = np.einsum("pqc,qr,prc->pc", others, inverse, others, optimize=True)
        along = np.einsum("cq,pqc->pc", mix, others)
        products[:, types, types] -= np.einsum("cq,pqc->pc", mix, products)
        return np.asarray(whole - along**2 * np.diagonal(inverse)[types])

    def _go_through(self, span: Span, seen: Seen, advance: Callable[[int], None]) -> None:
        n, n_types = self.largest.shape
        if self._by_table:
            self._by_pairs(span, seen, advance)
            return
        chunk = max(1, min(_CHUNK, _SOURCES // max(1, len(self._y))))
        for first in range(0, n, chunk):
            last = min(first + chunk, n)
            sources = self._arrangement.sources(first, last)
            for f in np.flatnonzero(span.scale.any(axis=1)).tolist():
                out = np.zeros((last - first, n_types))
                kernels().rearranged_products(*span.column(f), self._y, sources, out)
                out -= np.einsum("s,psc->pc", span.means[f], self._sums[first:last])
                self._scaled(span, f, out, (first, last), seen)
                advance((last - first) * n_types)

    def _by_pairs(self, span: Span, seen: Seen, advance: Callable[[int], None]) -> None:
        layout, (n, n_types) = self._arrangement.layout.arrays(), self.largest.shape
        alone, x = self._tables[0], span.columns
        wanted = np.flatnonzero(span.scale.any(axis=1))
        step = max(1, _SPAN_VALUES // max(1, alone.size))
        for first in range(0, wanted.size, step):
            some = wanted[first : first + step]
            part = x[:, some]
            table = -span.means[some][:, :, None, None] * alone
            advance(0)
            kernels().exchanged_products(part.indptr, part.indices, part.data, self._y, layout, table)
            for f, products in zip(some.tolist(), table, strict=True):
                self._scaled(span, f, self._gathered(products), (0, n), seen)
                advance(n * n_types)

    def _scaled(self, span: Span, f: int, out: Floats, chunk: tuple[int, int], seen: Seen) -> None:
        part = slice(*chunk)
        if span.beta is not None:
            out -= np.einsum("q,pqc->pc", span.beta[f], self._control_sums[part])
        out *= span.scale[f]
        out *= self._scale[part]
        seen.take_in(out, span, f, chunk)
