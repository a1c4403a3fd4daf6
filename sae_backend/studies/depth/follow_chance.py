"""How close random directions come to the feature that is followed: what a match takes no training for."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy import sparse

from sae_backend.statistics.slide_parts import SlidePart
from sae_backend.statistics.split import CHOOSE, REPORT, HalfSide, Halves, half_of
from sae_backend.studies.framework.result import Progress
from sae_backend.studies.methods.matching.cross_products import Columns
from sae_backend.studies.methods.matching.random_dictionary import RandomDictionaries

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

MAX_TILES: Final = 20_000
"""Of more tiles an even share is taken."""

_STAGE: Final = "random directions"


def random_matches(
    parts: Sequence[SlidePart],
    halves: Halves | None,
    draws: tuple[int, int],
    min_active: int,
    progress: Progress,
) -> Floats:
    """Reported r of the best match in each of D random dictionaries (D,), chosen as the feature's match is.

    A dictionary has as many directions as the block has features, on the same vectors, each firing as often as one of
    these. The direction of the largest r on the discovery half is taken; its r is that of the held-out half.

    Parameters
    ----------
    parts
        Slides with the features and vectors of the block; the one column of the counts is the followed feature.
    halves
        Who chooses and who reports; None to use all for both.
    draws
        Number of dictionaries, and the seed.
    min_active
        A direction that fires in fewer tiles of the discovery half takes no part.
    progress
        Takes (stage, done, total).

    Returns
    -------
    ndarray
        Empty where vectors are missing or not finite, or a half has no tile; NaN for a draw without a match.
    """
    n_draws, seed = draws
    tiles = _Tiles.of(parts, halves)
    if n_draws == 0 or tiles is None:
        return np.zeros(0)
    dictionaries = RandomDictionaries(tiles.vectors, tiles.n_active)
    found = []
    for p in range(n_draws):
        progress(_STAGE, p, n_draws)
        drawn = dictionaries.draw((seed, 0xDE, p), partial(progress, _STAGE, p, n_draws)).by_tile
        found.append(_best(drawn, tiles, min_active))
    progress(_STAGE, n_draws, n_draws)
    return np.array(found, np.float64)


class _Tiles:
    """Vectors and the followed feature's activations of the tiles that take part, and of which half each is."""

    def __init__(self, vectors: npt.NDArray[np.float32], n_active: npt.NDArray[np.int64], x: Floats) -> None:
        self.vectors, self.n_active, self.x = vectors, n_active, x
        self.choose = self.report = np.ones(x.size, np.bool_)

    @classmethod
    def of(cls, parts: Sequence[SlidePart], halves: Halves | None) -> _Tiles | None:
        if not parts or any(part.vectors is None for part in parts):
            return None
        step = max(1, -(-sum(int(part.valid.sum()) for part in parts) // MAX_TILES))
        kept = [np.flatnonzero(part.valid)[::step] for part in parts]
        pairs = list(zip(parts, kept, strict=True))
        vectors = np.concatenate(
            [np.asarray(_rows(part.vectors, tiles), np.float32) for part, tiles in pairs]
        )
        if not len(vectors) or not np.isfinite(vectors).all():
            return None
        stacked = sparse.vstack([sparse.csr_array(part.features)[tiles] for part, tiles in pairs])
        found = cls(
            vectors,
            Columns(sparse.csr_array(stacked)).n_active,
            np.concatenate([np.asarray(part.counts[tiles, 0], np.float64) for part, tiles in pairs]),
        )
        if halves is not None:
            found.choose, found.report = (_mask(parts, kept, halves, side) for side in (CHOOSE, REPORT))
        return found if found.choose.any() and found.report.any() else None


def _rows(vectors: npt.NDArray[Any] | None, tiles: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
    assert vectors is not None
    return np.asarray(vectors[tiles])


def _mask(
    parts: Sequence[SlidePart], kept: Sequence[npt.NDArray[np.int64]], halves: Halves, side: HalfSide
) -> Bools:
    half = {part.slide: part.valid for part in half_of(parts, halves, side)}
    nothing = [np.zeros(tiles.size, np.bool_) for tiles in kept]
    return np.concatenate(
        [
            np.asarray(half[part.slide][tiles], np.bool_) if part.slide in half else none
            for part, tiles, none in zip(parts, kept, nothing, strict=True)
        ]
    )


def _best(drawn: sparse.csr_array, tiles: _Tiles, min_active: int) -> float:
    chosen = Columns(sparse.csr_array(drawn[tiles.choose]))
    r = np.where(chosen.n_active >= min_active, _correlations(chosen, tiles.x[tiles.choose]), np.nan)
    if not np.isfinite(r).any():
        return float("nan")
    best = np.array([int(np.nanargmax(r))])
    reported = Columns(sparse.csr_array(drawn[tiles.report])).only(best)
    return float(_correlations(reported, tiles.x[tiles.report])[0])


def _correlations(columns: Columns, x: Floats) -> Floats:
    """Pearson's r of each column (N, F) with x (N,): (F,), NaN where either is constant."""
    centred = x - x.mean()
    length = float(centred @ centred)
    if length <= 1e-12 * max(float(x @ x), 1e-300):
        return np.full(columns.n_features, np.nan)
    _, scale = columns.mean_and_scale(np.ones(x.size))
    r = np.asarray(columns.by_tile.T @ centred, np.float64) * scale / np.sqrt(length)
    return np.where(scale > 0, np.clip(r, -1, 1), np.nan)
