"""Clusters of features by average linkage down to a cut, without a table of all pairs, and how stable they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt
from scipy import sparse

from sae_backend.studies.methods.matching.cross_products import Columns, centre, column_blocks

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

MIN_SIZE: Final = 3
"""A pair is no cluster: it is listed among the duplicates and splits."""

_MAX_DENSE: Final = 4_000
"""Most features whose pairs are held at once (128 MB), and linked in one call, which cannot be ended (about a second)."""

_ALIKE: Final = 0.999

_BLOCK_VALUES: Final = 4_000_000


class Similarity(Protocol):
    """How alike the features are."""

    @property
    def n_features(self) -> int:
        """Their number, F."""

    def close(self, cut: float, check_cancelled: Callable[[], None]) -> Iterator[tuple[Ints, Ints, Floats]]:
        """Pairs at least as alike as `cut`, each once: smaller number, larger number, similarity; part by part."""

    def among(self, features: Ints) -> Floats:
        """Similarity of some features with each other (n, n)."""


class CoActivation:
    """Pearson's r of the activations over tiles, each tile counting as often as `weights` (N,) say."""

    def __init__(self, columns: Columns, weights: Floats | None = None) -> None:
        self._columns, self._weights = columns, weights
        self._centring = centre(columns, columns, None, weights)
        self.n_features = columns.n_features

    def close(self, cut: float, check_cancelled: Callable[[], None]) -> Iterator[tuple[Ints, Ints, Floats]]:
        """See :class:`Similarity`."""
        # Slow to load, and the window imports this package to tell what was found.
        from sae_backend.statistics import pair_kernels

        table = self._columns.by_tile
        table.sort_indices()
        right = table.indptr, table.indices, table.data
        room = max(2 * self.n_features, _BLOCK_VALUES // 4)
        found = np.zeros(room, np.int64), np.zeros(room, np.int64), np.zeros(room)
        centring = tuple(vars(self._centring).values())
        for a, left in column_blocks(self._columns, None, self._weights):
            done = 0
            while done < left[0].size - 1:
                check_cancelled()
                done, n = pair_kernels.close_pairs(left, right, centring, (a, done), cut, found)
                yield found[0][:n].copy(), found[1][:n].copy(), found[2][:n].copy()

    def among(self, features: Ints) -> Floats:
        """See :class:`Similarity`."""
        # Slow to load, and the window imports this package to tell what was found.
        from sae_backend.statistics import kernels as null_kernels

        # Out of what lies by feature: to pick columns of what lies by tile reads all of it.
        own = sparse.csc_array(self._columns.by_feature[:, features])
        values = own.data if self._weights is None else own.data * self._weights[own.indices]
        by_tile = sparse.csr_array(own)
        r = np.zeros((features.size, features.size))
        right = by_tile.indptr, by_tile.indices, by_tile.data
        null_kernels.sparse_products((own.indptr, own.indices, values), right, r)
        # In place: of many features the table is large.
        for k, feature in enumerate(features.tolist()):
            r[k] -= self._centring.sum_left[feature] * self._centring.mean_right[features]
            r[k] *= self._centring.scale_left[feature]
            r[k] *= self._centring.scale_right[features]
        return np.clip(r, -1, 1, out=r)


class Directions:
    """Cosine of unit directions float32 (F, d)."""

    def __init__(self, directions: npt.NDArray[np.float32]) -> None:
        self._directions = directions
        self.n_features = len(directions)

    def blocks(self) -> Iterator[tuple[int, npt.NDArray[np.float32]]]:
        """Number of the first feature, and the cosine of it and those that follow with all from it on (f, F - first)."""
        step = max(1, _BLOCK_VALUES // max(1, self.n_features))
        for a in range(0, self.n_features, step):
            yield a, self._directions[a : a + step] @ self._directions[a:].T

    def close(self, cut: float, check_cancelled: Callable[[], None]) -> Iterator[tuple[Ints, Ints, Floats]]:
        """See :class:`Similarity`."""
        for first, block in self.blocks():
            check_cancelled()
            row, column = np.nonzero(block >= cut)
            later = row < column
            row, column = row[later], column[later]
            yield row + first, column + first, block[row, column].astype(np.float64)

    def among(self, features: Ints) -> Floats:
        """See :class:`Similarity`."""
        some = self._directions[features]
        return (some @ some.T).astype(np.float64)


def find_clusters(
    similarity: Similarity,
    cut: float,
    check_cancelled: Callable[[], None] = lambda: None,
    min_size: int = MIN_SIZE,
) -> Ints:
    """Clusters by average linkage (Sokal and Michener 1958): merged while the mean similarity is at least `cut`.

    Two clusters with a mean of `cut` have a pair of at least `cut`, so that clusters never reach beyond what such
    pairs connect; each connected part is linked by itself. A part of more than 4,000 features is first taken apart
    at a higher cut.

    Returns
    -------
    ndarray
        Number of the cluster (F,), the largest first, -1 for features in none of at least `min_size`.
    """
    found: list[Ints] = []
    waiting = [_edges(similarity, cut, check_cancelled)]
    places = [np.arange(similarity.n_features, dtype=np.int64)]
    limits = [cut]
    while waiting:
        graph, place, limit = waiting.pop(), places.pop(), limits.pop()
        n_parts, part = sparse.csgraph.connected_components(graph, directed=False)
        order = np.argsort(part, kind="stable")
        ends = np.cumsum(np.bincount(part, minlength=n_parts))
        for members in np.split(order, ends[:-1]):
            check_cancelled()
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
            found += _linked(similarity, place[members], cut, min_size, check_cancelled)
    labels = np.full(similarity.n_features, -1, np.int64)
    found.sort(key=lambda members: (-members.size, int(members[0])))
    for number, members in enumerate(found):
        labels[members] = number
    return labels


def _edges(similarity: Similarity, cut: float, check_cancelled: Callable[[], None]) -> sparse.csr_array:
    n = similarity.n_features
    small = np.int32
    parts = [
        (first.astype(small), second.astype(small), value.astype(np.float32))
        for first, second, value in similarity.close(cut, check_cancelled)
    ]
    if not parts:
        return sparse.csr_array(sparse.coo_array((n, n), dtype=np.float32))
    first, second, value = (np.concatenate(each) for each in zip(*parts, strict=True))
    return sparse.csr_array(sparse.coo_array((value, (first, second)), shape=(n, n)))


def _linked(
    similarity: Similarity, members: Ints, cut: float, min_size: int, check_cancelled: Callable[[], None]
) -> list[Ints]:
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    distance = similarity.among(members)
    # In place: of many features the table is large.
    np.subtract(1, distance, out=distance)
    np.maximum(distance, 0, out=distance)
    condensed = squareform(distance, checks=False)
    del distance
    check_cancelled()
    tree = linkage(condensed, "average")
    check_cancelled()
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
