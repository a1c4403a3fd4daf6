"""The features of several slides as one sparse matrix, read a span of columns at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import sparse

Ints = npt.NDArray[np.int64]

_SPAN_VALUES: Final = 600_000


class FeatureColumns:
    """Kept tiles of all parts, in a given order of rows.

    Parameters
    ----------
    features
        Activations of each part, sparse (N_part, F).
    kept
        Tiles of each part that are used, ascending.
    order
        Row r is the tile number `order[r]`, counted through the kept tiles of all parts.
    """

    def __init__(self, features: Sequence[sparse.csc_array], kept: Sequence[Ints], order: Ints) -> None:
        self._features = features
        self.n_rows = int(order.size)
        self.n_features = int(features[0].shape[1])
        position = np.empty(order.size, np.int64)
        position[order] = np.arange(order.size)
        self._row_of: list[Ints] = []
        first = 0
        for part, keep in zip(features, kept, strict=True):
            row_of = np.full(part.shape[0], -1, np.int64)
            row_of[keep] = position[first : first + keep.size]
            self._row_of.append(row_of)
            first += keep.size

    def spans(self, max_width: int) -> Iterator[tuple[int, int]]:
        """Spans [a, b) of columns that hold few enough values to work on at once."""
        per_column = np.sum([np.diff(part.indptr) for part in self._features], axis=0)
        before = np.concatenate([[0], np.cumsum(per_column)])
        a = 0
        while a < self.n_features:
            fits = int(np.searchsorted(before, before[a] + _SPAN_VALUES, side="right")) - 1
            b = min(max(fits, a + 1), a + max_width, self.n_features)
            yield a, b
            a = b

    def block(self, a: int, b: int) -> sparse.csc_array:
        """Columns [a, b) as float64 (n_rows, b - a).

        A column without any zero is given less its mean, which keeps digits where it varies little.
        """
        rows, cols, data = [], [], []
        for part, row_of in zip(self._features, self._row_of, strict=True):
            start, stop = int(part.indptr[a]), int(part.indptr[b])
            row = row_of[part.indices[start:stop]]
            used = row >= 0
            rows.append(row[used])
            cols.append(np.repeat(np.arange(b - a), np.diff(part.indptr[a : b + 1]))[used])
            data.append(part.data[start:stop][used].astype(np.float64))
        column, value = np.concatenate(cols), np.concatenate(data)
        n_stored = np.bincount(column, minlength=b - a)
        full = n_stored == max(self.n_rows, 1)
        if full.any():
            mean = np.bincount(column, value, minlength=b - a) / max(self.n_rows, 1)
            value -= np.where(full, mean, 0.0)[column]
        place = (np.concatenate(rows), column)
        return sparse.csc_array(sparse.coo_array((value, place), shape=(self.n_rows, b - a)))

    def activity(self) -> tuple[Ints, npt.NDArray[np.bool_]]:
        """Tiles with a value other than zero, int64 (F,), and which columns are constant, bool (F,)."""
        n_active = np.zeros(self.n_features, np.int64)
        low, high = np.full(self.n_features, np.inf), np.full(self.n_features, -np.inf)
        for part, row_of in zip(self._features, self._row_of, strict=True):
            column = np.repeat(np.arange(self.n_features), np.diff(part.indptr))
            used = (row_of[part.indices] >= 0) & (part.data != 0)
            column, value = column[used], np.asarray(part.data[used], np.float64)
            n_active += np.bincount(column, minlength=self.n_features)
            np.minimum.at(low, column, value)
            np.maximum.at(high, column, value)
        some_zero = n_active < self.n_rows
        return n_active, (n_active == 0) | (~some_zero & (low == high))
