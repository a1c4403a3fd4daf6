"""Clusters of features by average linkage down to a cut, without a table of all pairs, and how stable they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt
from scipy import sparse

from sae_backend.studies.matching.cross_products import Columns, correlation_blocks

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

MIN_SIZE: Final = 3
"""A pair is no cluster: it is listed among the duplicates and splits."""

_MAX_DENSE: Final = 6_000
"""Most features whose pairs are held at once (288 MB)."""

_ALIKE: Final = 0.999

_BLOCK_VALUES: Final = 4_000_000


class Similarity(Protocol):
    """How alike the features are."""

    @property
    def n_features(self) -> int:
        """Their number, F."""

    def blocks(self) -> Iterator[tuple[int, Floats]]:
        """Number of the first feature, and its similarity and that of those that follow with all (f, F)."""

    def among(self, features: Ints) -> Floats:
        """Similarity of some features with each other (n, n)."""


class CoActivation:
    """Pearson's r of the activations over tiles, each tile counting as often as `weights` (N,) say."""

    def __init__(self, columns: Columns, weights: Floats | None = None) -> None:
        self._columns, self._weights = columns, weights
        self.n_features = columns.n_features

    def blocks(self) -> Iterator[tuple[int, Floats]]:
        """See :class:`Similarity`."""
        return correlation_blocks(self._columns, self._columns, weights=self._weights)

    def among(self, features: Ints) -> Floats:
        """See :class:`Similarity`."""
        some = self._columns.only(features)
        return np.concatenate([r for _, r in correlation_blocks(some, some, weights=self._weights)])


class Directions:
    """Cosine of unit directions float32 (F, d)."""

    def __init__(self, directions: npt.NDArray[np.float32]) -> None:
        self._directions = directions
        self.n_features = len(directions)

    def blocks(self) -> Iterator[tuple[int, Floats]]:
        """See :class:`Similarity`."""
        step = max(1, _BLOCK_VALUES // max(1, self.n_features))
        for a in range(0, self.n_features, step):
            yield a, (self._directions[a : a + step] @ self._directions.T).astype(np.float64)

    def among(self, features: Ints) -> Floats:
        """See :class:`Similarity`."""
        some = self._directions[features]
        return (some @ some.T).astype(np.float64)


def find_clusters(
    similarity: Similarity, cut: float, alive: Callable[[], None] = lambda: None, min_size: int = MIN_SIZE
) -> Ints:
    """Clusters by average linkage (Sokal and Michener 1958): merged while the mean similarity is at least `cut`.

    Two clusters with a mean of `cut` have a pair of at least `cut`, so that clusters never reach beyond what such
    pairs connect; each connected part is linked by itself. A part of more than 6,000 features is first taken apart
    at a higher cut.

    Returns
    -------
    ndarray
        Number of the cluster (F,), the largest first, -1 for features in none of at least `min_size`.
    """
    found: list[Ints] = []
    waiting = [_edges(similarity, cut, alive)]
    places = [np.arange(similarity.n_features, dtype=np.int64)]
    limits = [cut]
    while waiting:
        graph, place, limit = waiting.pop(), places.pop(), limits.pop()
        n_parts, part = sparse.csgraph.connected_components(graph, directed=False)
        order = np.argsort(part, kind="stable")
        ends = np.cumsum(np.bincount(part, minlength=n_parts))
        for members in np.split(order, ends[:-1]):
            alive()
            if members.size < min_size:
                continue
            higher = limit + 0.1 * (1 - limit)
            if members.size > _MAX_DENSE and higher > _ALIKE:
                # Copies of one another, which nothing takes apart.
                found.append(place[members])
                continue
            if members.size > _MAX_DENSE:
                inner = graph[members][:, members]
                inner.data = np.where(inner.data >= higher, inner.data, 0.0)
                inner.eliminate_zeros()
                waiting.append(inner)
                places.append(place[members])
                limits.append(higher)
                continue
            found += _linked(similarity, place[members], cut, min_size)
    labels = np.full(similarity.n_features, -1, np.int64)
    found.sort(key=lambda members: (-members.size, int(members[0])))
    for number, members in enumerate(found):
        labels[members] = number
    return labels


def _edges(similarity: Similarity, cut: float, alive: Callable[[], None]) -> sparse.csr_array:
    rows, columns, values = [], [], []
    for first, block in similarity.blocks():
        alive()
        row, column = np.nonzero(block >= cut)
        keep = row + first < column
        rows.append(row[keep] + first)
        columns.append(column[keep])
        values.append(block[row[keep], column[keep]].astype(np.float32))
    n = similarity.n_features
    if not rows:
        return sparse.csr_array(sparse.coo_array((n, n), dtype=np.float32))
    place = (np.concatenate(rows), np.concatenate(columns))
    return sparse.csr_array(sparse.coo_array((np.concatenate(values), place), shape=(n, n)))


def _linked(similarity: Similarity, members: Ints, cut: float, min_size: int) -> list[Ints]:
    from scipy.cluster.hierarchy import fcluster, linkage

    distance = np.maximum(1 - similarity.among(members), 0.0)
    condensed = distance[np.triu_indices(members.size, 1)]
    del distance
    tree = linkage(condensed, "average")
    number = fcluster(tree, 1 - cut, "distance")
    sizes = np.bincount(number)
    return [members[number == k] for k in np.flatnonzero(sizes >= min_size)]


def best_jaccard(labels: Ints, again: Ints, kept: npt.NDArray[np.bool_] | None = None) -> Floats:
    """Largest Jaccard index of each of C clusters with a cluster of a second clustering (C,).

    Parameters
    ----------
    labels, again
        Number of the cluster of each feature (F,), -1 for none.
    kept
        Features that the second clustering saw (F,); the others are left out of the first, too. NaN for a cluster of
        which fewer than two are left.
    """
    seen = np.ones(labels.size, np.bool_) if kept is None else kept
    first, second = np.where(seen, labels, -1), np.where(seen, again, -1)
    n_first, n_second = int(labels.max(initial=-1)) + 1, int(second.max(initial=-1)) + 1
    sizes = np.bincount(first[first >= 0], minlength=n_first)
    best = np.zeros(n_first)
    both = (first >= 0) & (second >= 0)
    if both.any():
        others = np.bincount(second[second >= 0], minlength=n_second)
        key, n_both = np.unique(first[both] * n_second + second[both], return_counts=True)
        row, column = np.divmod(key, n_second)
        np.maximum.at(best, row, n_both / (sizes[row] + others[column] - n_both))
    return np.where(sizes >= 2, best, np.nan)


def cohesion(similarity: Similarity, labels: Ints) -> Floats:
    """Mean similarity of the pairs within each cluster (C,)."""
    found = []
    for number in range(int(labels.max(initial=-1)) + 1):
        table = similarity.among(np.flatnonzero(labels == number))
        n = len(table)
        found.append((table.sum() - np.trace(table)) / max(n * (n - 1), 1))
    return np.array(found, np.float64)
