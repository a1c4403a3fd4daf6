"""Absorption: a feature is silent where a narrower one fires, though its direction is in the vectors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from sae_backend.studies.methods.matching.cross_products import Columns
from sae_backend.studies.methods.matching.shared_tiles import SharedTiles

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

LEAST_PRESENT: Final = 0.5
MOST_ELSEWHERE: Final = 0.25
MAX_PAIRS: Final = 2_000
_MAX_TILES: Final = 50_000
_MIN_TILES: Final = 5
_WIDTH: Final = 64


@dataclass(frozen=True)
class Presence:
    """How often the direction of the parent is there (P,), NaN where too few tiles tell.

    `beside_child`: share of the tiles in which the child fires and the parent is silent, whose projection on the
    parent's direction is at least what three in four of the tiles have in which the parent fires; `elsewhere`: the
    same of tiles in which neither fires, which is the baseline.
    """

    beside_child: Floats
    elsewhere: Floats

    @property
    def is_absorbed(self) -> npt.NDArray[np.bool_]:
        """Whether the direction is there in half of the child's tiles, and in a quarter of the others at most."""
        present = np.nan_to_num(self.beside_child) >= LEAST_PRESENT
        return np.asarray(present & (np.nan_to_num(self.elsewhere, nan=1.0) <= MOST_ELSEWHERE), np.bool_)


def presence_steps(pairs: tuple[Ints, Ints]) -> int:
    """How often `presence` calls `check_cancelled` for these children and parents."""
    return -(-np.unique(pairs[1]).size // _WIDTH)


def presence(
    tiles: SharedTiles,
    firing: Columns,
    directions: npt.NDArray[np.float32],
    pairs: tuple[Ints, Ints],
    check_cancelled: Callable[[], None],
) -> Presence:
    """Measure the presence of the parents' directions where the children fire.

    Parameters
    ----------
    tiles
        Tiles with the vectors of the first set, of which an even sample is read.
    firing
        Where features fire (N, F).
    directions
        Unit directions of the features (F, d).
    pairs
        Numbers of children and parents (P,).
    check_cancelled
        Called now and then; may raise.
    """
    child, parent = pairs
    found = np.full((2, child.size), np.nan)
    if not child.size or not tiles.has_vectors(0):
        return Presence(*found)
    step = max(1, -(-tiles.n_rows // _MAX_TILES))
    rows = np.arange(0, tiles.n_rows, step)
    vectors = tiles.vectors(0, rows)
    some = firing if step == 1 else firing.rows(rows)
    parents = np.unique(parent)
    for a in range(0, parents.size, _WIDTH):
        check_cancelled()
        chosen = parents[a : a + _WIDTH]
        projected = vectors @ directions[chosen].T
        for column, p in enumerate(chosen.tolist()):
            fires = _fires(some, p)
            if fires.sum() < _MIN_TILES:
                continue
            along = projected[:, column]
            limit = np.quantile(along[fires], 0.25)
            for i in np.flatnonzero(parent == p).tolist():
                has_child = _fires(some, int(child[i]))
                alone, neither = has_child & ~fires, ~has_child & ~fires
                if alone.sum() >= _MIN_TILES and neither.sum() >= _MIN_TILES:
                    found[:, i] = [(along[each] >= limit).mean() for each in (alone, neither)]
    return Presence(*found)


def _fires(firing: Columns, feature: int) -> npt.NDArray[np.bool_]:
    columns = firing.by_feature
    part = slice(int(columns.indptr[feature]), int(columns.indptr[feature + 1]))
    fires = np.zeros(firing.n_rows, np.bool_)
    fires[columns.indices[part][columns.data[part] != 0]] = True
    return fires
