"""How alike the features of a cluster are, without going through all pairs."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import sparse

from sae_backend.studies.methods.matching.cross_products import Columns, Laid, centre

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def mean_within(columns: Columns, labels: Ints, laid: Laid | None = None) -> Floats:
    """Mean r over the pairs of different features of each cluster (C,).

    A sum of correlations over all pairs is one correlation of two sums of features; so the cost is that of reading the
    activations once, and not that of all pairs.

    Parameters
    ----------
    columns
        Features (N, F).
    labels
        Cluster of each feature (F,), -1 for none.
    laid
        Moves the tiles of the second feature of a pair; None leaves them.
    """
    n = int(labels.max(initial=-1)) + 1
    member = np.flatnonzero(labels >= 0)
    c = centre(columns, columns, laid)
    left, right = (_summed(columns, labels, scale, n) for scale in (c.scale_left, c.scale_right))
    source = np.arange(columns.n_rows) if laid is None else laid.source

    def by_cluster(values: Floats) -> Floats:
        return np.bincount(labels[member], values[member], minlength=n).astype(np.float64)

    sums = _own_products(left, right, source)
    sums -= by_cluster(c.mean_left * c.scale_left) * by_cluster(c.gap * c.scale_right)
    sums -= by_cluster(c.sum_left * c.scale_left) * by_cluster(c.mean_right * c.scale_right)
    own = _own_products(columns.by_tile, columns.by_tile, source)
    own = (own - c.mean_left * c.gap - c.sum_left * c.mean_right) * c.scale_left * c.scale_right
    sizes = np.bincount(labels[member], minlength=n)
    return np.asarray((sums - by_cluster(own)) / np.maximum(sizes * (sizes - 1), 1), np.float64)


def _summed(columns: Columns, labels: Ints, scale: Floats, n: int) -> sparse.csr_array:
    """Sums of the members' activations, each times its scale (N, C)."""
    member = np.flatnonzero(labels >= 0)
    place = (member, labels[member])
    weights = sparse.csr_array(sparse.coo_array((scale[member], place), shape=(labels.size, n)))
    return sparse.csr_array(columns.by_tile @ weights)


def _own_products(left: sparse.csr_array, right: sparse.csr_array, source: npt.NDArray[np.integer]) -> Floats:
    # Slow to load, and the window imports this package to tell what was found.
    from sae_backend.statistics import pair_kernels

    found = np.zeros(left.shape[1])
    stored = []
    for each in (left, right):
        each.sort_indices()
        stored.append((each.indptr, each.indices, each.data))
    pair_kernels.own_products(*stored, source, found)
    return found
