"""Dictionaries that have learned nothing: random directions that fire as often as given features do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import sparse

from sae_backend.studies.methods.matching.cross_products import Columns

Ints = npt.NDArray[np.int64]

_WIDTH: Final = 256


class RandomDictionaries:
    """Random dictionaries on the vectors of some tiles.

    Dimensions are standardised first, as a loud one would otherwise decide all directions; each direction then
    has the threshold that lets it fire in as many tiles as one feature of the set that it stands for.

    Parameters
    ----------
    vectors
        float32 (N, d), finite.
    n_active
        Tiles in which each feature fires (F,).
    """

    def __init__(self, vectors: npt.NDArray[np.float32], n_active: Ints) -> None:
        spread = vectors.std(axis=0)
        self._z = (vectors - vectors.mean(axis=0)) / np.where(spread > 0, spread, 1)
        self._n_active = np.clip(n_active, 0, len(vectors) - 1)

    def draw(self, seed: tuple[int, ...], check_cancelled: Callable[[], None] = lambda: None) -> Columns:
        """One dictionary: its activations, sparse (N, F).

        Parameters
        ----------
        seed
            Decides the directions.
        check_cancelled
            Called now and then; may raise to end the work.
        """
        rng = np.random.default_rng([*seed, 0xD1C7])
        rows, columns, values = [], [], []
        for a in range(0, self._n_active.size, _WIDTH):
            check_cancelled()
            wanted = self._n_active[a : a + _WIDTH]
            directions = rng.standard_normal((self._z.shape[1], wanted.size)).astype(np.float32)
            seen = (self._z @ (directions / np.linalg.norm(directions, axis=0))).T
            for f, (row, n) in enumerate(zip(seen, wanted.tolist(), strict=True)):
                if n == 0:
                    continue
                # A copy, as a view would hold the places of all tiles for every feature.
                best = np.argpartition(row, row.size - n - 1)[row.size - n - 1 :].astype(np.int32)
                limit, fires = row[best[0]], best[1:]
                rows.append(fires)
                columns.append(np.full(n, a + f, np.int32))
                # The threshold is the first value that is left out.
                values.append(np.maximum(row[fires].astype(np.float64) - float(limit), 1e-12))
        shape = (len(self._z), self._n_active.size)
        if not rows:
            return Columns(sparse.csr_array(shape))
        place = (np.concatenate(rows), np.concatenate(columns))
        return Columns(sparse.csr_array(sparse.coo_array((np.concatenate(values), place), shape=shape)))


def random_directions(like: npt.NDArray[np.float32], seed: tuple[int, ...]) -> npt.NDArray[np.float32]:
    """Directions (F, d) of unit length with the mean and covariance of given ones, and no groups among them."""
    rng = np.random.default_rng([*seed, 0xD1C8])
    mean = like.mean(axis=0, dtype=np.float64)
    centred = like - mean
    sizes, axes = np.linalg.eigh(centred.T @ centred / max(len(like), 1))
    root = (axes * np.sqrt(np.maximum(sizes, 0))).T.astype(np.float32)
    drawn = rng.standard_normal((len(like), len(root)), dtype=np.float32) @ root + mean
    lengths = np.linalg.norm(drawn, axis=1, keepdims=True)
    return np.asarray(drawn / np.where(lengths > 0, lengths, 1), np.float32)
