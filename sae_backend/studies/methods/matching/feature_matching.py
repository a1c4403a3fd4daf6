"""Which feature of one set goes with which of another: best partners, mutual ones, and one for one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import sparse

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

N_CANDIDATES: Final = 10
_NOBODY: Final = 1e-9
"""Weight of having no partner: less than that of any pair that takes part."""

_LEAST: Final = 1e-6


@dataclass(frozen=True)
class Candidates:
    """The best partners of every feature of a set.

    Attributes
    ----------
    partner
        Numbers in the other set (F, k), best first, -1 where there are fewer.
    value
        Their correlation or cosine (F, k), NaN where there are fewer.
    """

    partner: Ints
    value: Floats

    @property
    def best(self) -> Floats:
        """Value of the best partner (F,), NaN without one."""
        return self.value[:, 0]


@dataclass(frozen=True)
class Matching:
    """Partners between a set of F and one of G features.

    Attributes
    ----------
    left, right
        Best partners of each feature of the first, and of the second set.
    partner
        One for one, with the largest sum of correlations (F,), -1 without one.
    value
        The correlation with it (F,), NaN without one.
    is_mutual
        Whether both are each other's best (F,).
    """

    left: Candidates
    right: Candidates
    partner: Ints
    value: Floats
    is_mutual: npt.NDArray[np.bool_]


def match(blocks: Iterable[tuple[int, Floats]], shape: tuple[int, int], k: int = N_CANDIDATES) -> Matching:
    """Match two sets by the similarity of all pairs, which is seen a block at a time.

    Only the `k` best partners of every feature of either set are kept; the assignment (Kuhn 1955, here by
    `scipy.sparse.csgraph.min_weight_full_bipartite_matching`) is exact among these. Who is left without a
    partner has none; pairs of negative or no correlation are none.

    Parameters
    ----------
    blocks
        Number of the first feature, and similarity (f, G) of the features that follow; -inf for pairs that take
        no part.
    shape
        (F, G).
    k
        Partners kept for each feature.
    """
    best = _BestPartners(shape, k)
    for first, block in blocks:
        best.take_in(first, block)
    left, right = best.found()
    partner, value = assign(left, right)
    mutual = np.zeros(shape[0], np.bool_)
    known = np.flatnonzero(left.partner[:, 0] >= 0)
    mutual[known] = right.partner[left.partner[known, 0], 0] == known
    return Matching(left, right, partner, value, mutual)


def best_values(
    blocks: Iterable[tuple[int, Floats]],
    shape: tuple[int, int],
    check_cancelled: Callable[[], None] = lambda: None,
) -> tuple[Floats, Floats]:
    """Largest similarity of each feature of the first (F,) and of the second set (G,); see :func:`match`."""
    rows, columns = np.full(shape[0], -np.inf), np.full(shape[1], -np.inf)
    for first, block in blocks:
        check_cancelled()
        if block.size:
            rows[first : first + len(block)] = block.max(axis=1)
            np.maximum(columns, block.max(axis=0), out=columns)
    return rows, columns


def assign(left: Candidates, right: Candidates) -> tuple[Ints, Floats]:
    """Give each feature of the first set at most one partner, with the largest sum of values.

    Returns
    -------
    partner, value
        (F,) each; -1 and NaN without one.
    """
    from scipy.sparse.csgraph import min_weight_full_bipartite_matching

    n_left, n_right = len(left.partner), len(right.partner)
    own = np.repeat(np.arange(n_left), left.partner.shape[1]), left.partner.ravel(), left.value.ravel()
    theirs = right.partner.ravel(), np.repeat(np.arange(n_right), right.partner.shape[1]), right.value.ravel()
    row, column, value = (np.concatenate(each) for each in zip(own, theirs, strict=True))
    fine = (row >= 0) & (column >= 0) & (np.nan_to_num(value, nan=-1.0) > _LEAST)
    key, place = np.unique(row[fine].astype(np.int64) * n_right + column[fine], return_index=True)
    weight = value[fine][place]
    # Each may stay alone: it then has a partner that nobody else can have.
    rows = np.concatenate([key // max(n_right, 1), np.arange(n_left)])
    columns = np.concatenate([key % max(n_right, 1), n_right + np.arange(n_left)])
    weights = np.concatenate([weight, np.full(n_left, _NOBODY)])
    graph = sparse.csr_array((weights, (rows, columns)), shape=(n_left, n_right + n_left))
    partner, found = np.full(n_left, -1, np.int64), np.full(n_left, np.nan)
    if n_left == 0 or key.size == 0:
        return partner, found
    at, with_whom = min_weight_full_bipartite_matching(graph, maximize=True)
    real = with_whom < n_right
    partner[at[real]] = with_whom[real]
    found[at[real]] = weight[np.searchsorted(key, at[real].astype(np.int64) * n_right + with_whom[real])]
    return partner, found


class _BestPartners:
    """The best partners of both sets while blocks pass by."""

    def __init__(self, shape: tuple[int, int], k: int) -> None:
        self._k = k
        self._shape = shape
        sizes = (shape[0], max(1, min(k, shape[1]))), (shape[1], max(1, min(k, shape[0])))
        self._partner = [np.full(size, -1, np.int64) for size in sizes]
        self._value = [np.full(size, -np.inf) for size in sizes]

    def take_in(self, first: int, block: Floats) -> None:
        if not block.size:
            return
        rows = slice(first, first + len(block))
        n_own = self._value[0].shape[1]
        near = _largest(block, n_own)
        self._partner[0][rows], self._value[0][rows] = near, np.take_along_axis(block, near, axis=1)
        turned = block.T
        near = _largest(turned, min(self._value[1].shape[1], len(block)))
        partner = np.concatenate([self._partner[1], first + near], axis=1)
        value = np.concatenate([self._value[1], np.take_along_axis(turned, near, axis=1)], axis=1)
        keep = _largest(value, self._value[1].shape[1])
        self._partner[1] = np.take_along_axis(partner, keep, axis=1)
        self._value[1] = np.take_along_axis(value, keep, axis=1)

    def found(self) -> tuple[Candidates, Candidates]:
        return _ordered(self._partner[0], self._value[0]), _ordered(self._partner[1], self._value[1])


def _largest(values: Floats, k: int) -> Ints:
    """Places (n, k) of the largest of each row, in no order."""
    if k >= values.shape[1]:
        return np.tile(np.arange(values.shape[1]), (len(values), 1))
    return np.argpartition(values, values.shape[1] - k, axis=1)[:, values.shape[1] - k :].astype(np.int64)


def _ordered(partner: Ints, value: Floats) -> Candidates:
    order = np.lexsort((partner, -value), axis=1)
    partner, value = np.take_along_axis(partner, order, axis=1), np.take_along_axis(value, order, axis=1)
    known = np.isfinite(value)
    return Candidates(np.where(known, partner, -1), np.where(known, value, np.nan))
