"""Mid-ranks of dense and of sparse columns, exact and without filling in the zeros."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import sparse, stats

Floats = npt.NDArray[np.float64]


def midranks(values: Floats) -> Floats:
    """Ranks from 1 within each column of `values` (N, C); ties share their mean rank. float64 (N, C)."""
    if values.size == 0:
        return np.zeros(values.shape, np.float64)
    return np.asarray(stats.rankdata(values, axis=0), np.float64)


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
        rank = stats.rankdata(values) if values.size else np.empty(0)
        if n_zero == 0:
            ranked[start:stop] = rank - (n_rows + 1) / 2
            continue
        zero_rank = (values < 0).sum() + (n_zero + 1) / 2
        ranked[start:stop][firing] = rank + np.where(values > 0, n_zero, 0) - zero_rank
    return sparse.csc_array((ranked, columns.indices, columns.indptr), shape=columns.shape)
