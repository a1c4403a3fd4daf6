"""Mid-ranks of dense and of sparse columns, exact and without filling in the zeros."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import sparse

Floats = npt.NDArray[np.float64]


def midranks(values: Floats) -> Floats:
    """Ranks from 1 within each column of `values` (N, C); ties share their mean rank. float64 (N, C)."""
    ranks = np.zeros(values.shape, np.float64)
    for column in range(values.shape[1] if values.size else 0):
        ranks[:, column] = _ranks_of(np.ascontiguousarray(values[:, column]))
    return ranks


def shifted_midranks(columns: sparse.csc_array) -> sparse.csc_array:
    """Mid-ranks of each column less the rank that its zeros share, float64 (N, F) in the same places.

    All zeros of a column share one rank, so that after the shift, which no correlation notices,
    they are zeros again and the result is as sparse as the input. Stored zeros are allowed.
    """
    n_rows = columns.shape[0]
    ranked = np.zeros(columns.data.size, np.float64)
    for start, stop in zip(columns.indptr[:-1], columns.indptr[1:], strict=True):
        stored = columns.data[start:stop]
        firing = stored != 0
        values = stored[firing]
        n_zero = n_rows - values.size
        rank = _ranks_of(values)
        if n_zero == 0:
            ranked[start:stop] = rank - (n_rows + 1) / 2
            continue
        zero_rank = (values < 0).sum() + (n_zero + 1) / 2
        ranked[start:stop][firing] = rank + np.where(values > 0, n_zero, 0) - zero_rank
    return sparse.csc_array((ranked, columns.indices, columns.indptr), shape=columns.shape)


def _ranks_of(values: Floats) -> Floats:
    """Mid-ranks (N,) from 1 of one column."""
    if not values.size:
        return np.empty(0)
    low, high = values.min(), values.max()
    if low >= 0 and high < values.size and (values == np.floor(values)).all():
        # Counts are few and whole: counting them is several times faster than sorting them.
        whole = values.astype(np.int64)
        n = np.bincount(whole)
        return np.asarray((np.cumsum(n) - (n - 1) / 2)[whole])
    order = np.argsort(values)
    ascending = values[order]
    first = np.flatnonzero(np.concatenate([[True], ascending[1:] != ascending[:-1]]))
    n = np.diff(np.append(first, values.size))
    ranks = np.empty(values.size)
    ranks[order] = np.repeat(first + (n + 1) / 2, n)
    return ranks
