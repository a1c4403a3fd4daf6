"""What chance gives the best partner of every feature: exchanged patients, random dictionaries, shuffled tiles."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
import numpy.typing as npt

from sae_backend.studies.framework.result import Arrays, Checkpoints
from sae_backend.studies.methods.matching.chance_tiles import Arrangements, shuffled
from sae_backend.studies.methods.matching.cross_products import Columns, Laid, correlation_blocks
from sae_backend.studies.methods.matching.feature_matching import best_values
from sae_backend.studies.methods.matching.random_dictionary import RandomDictionaries
from sae_backend.studies.methods.matching.shared_tiles import SharedTiles

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

MAX_RANDOM_TILES: Final = 50_000
"""Random dictionaries are drawn on an even sample where there are more tiles."""

N_SHUFFLES: Final = 5
"""Enough to show how lenient shuffled tiles are; nothing is judged by them."""


@dataclass(frozen=True)
class Draws:
    """Largest correlation of every feature in each of D draws: of the first set (D, F), of the second (D, G)."""

    left: Floats
    right: Floats


@dataclass(frozen=True)
class Pair:
    """Two sets on the tiles that choose.

    Attributes
    ----------
    name
        Of the steps of this pair.
    tiles
        The tiles.
    numbers
        Of the two sets.
    left, right
        Their live features (N, F), (N, G).
    seed
        Decides all draws.
    """

    name: str
    tiles: SharedTiles
    numbers: tuple[int, int]
    left: Columns
    right: Columns
    seed: int

    @property
    def shape(self) -> tuple[int, int]:
        """Number of live features of both."""
        return self.left.n_features, self.right.n_features

    def sample(self) -> Ints:
        """Rows on which random dictionaries are drawn, ascending."""
        step = max(1, -(-self.tiles.n_rows // MAX_RANDOM_TILES))
        return np.arange(0, self.tiles.n_rows, step)


def exchanged(
    pair: Pair, ways: Arrangements, check_cancelled: Callable[[int], None], checkpoints: Checkpoints
) -> Draws:
    """Best partners where the tiles of the second set have changed places.

    `check_cancelled` takes the number of draws that are done and may raise.
    """
    found = []
    for p in range(ways.n):
        check_cancelled(p)
        found.append(_step(pair, f"exchanged-{p}", ways.laid(p), partial(check_cancelled, p), checkpoints))
    return _joined(found, pair.shape)


def shuffled_tiles(pair: Pair, check_cancelled: Callable[[int], None], checkpoints: Checkpoints) -> Draws:
    """Best partners where single tiles have changed places."""
    found = []
    for p in range(N_SHUFFLES):
        laid = shuffled(pair.tiles.n_rows, pair.seed + p)
        found.append(_step(pair, f"shuffled-{p}", laid, partial(check_cancelled, p), checkpoints))
    return _joined(found, pair.shape)


def random_dictionaries(
    pair: Pair, n: int, check_cancelled: Callable[[int], None], checkpoints: Checkpoints
) -> Draws:
    """Best partners of each set in dictionaries of the size and firing rates of the other, on the same vectors.

    Empty where the vectors of either set are missing or not finite.
    """
    rows = pair.sample()
    left, right = (_thinned(columns, rows, pair.tiles.n_rows) for columns in (pair.left, pair.right))
    sides: list[list[Floats]] = [[], []]
    for side, (number, columns) in enumerate(zip(reversed(pair.numbers), (right, left), strict=True)):
        if n == 0 or not pair.tiles.has_vectors(number):
            return _joined([], pair.shape)
        vectors = pair.tiles.vectors(number, rows)
        if not np.isfinite(vectors).all():
            return _joined([], pair.shape)
        dictionaries = RandomDictionaries(vectors, columns.n_active)
        for p in range(n):
            done = side * n + p

            make = partial(
                _against_random,
                (left, right),
                dictionaries,
                (pair.seed, side, p),
                partial(check_cancelled, done),
            )
            sides[side].append(checkpoints.get(f"{pair.name}-random-{side}-{p}", make)["best"])
    return Draws(np.array(sides[0]), np.array(sides[1]))


def _against_random(
    sets: tuple[Columns, Columns],
    dictionaries: RandomDictionaries,
    seed: tuple[int, int, int],
    check_cancelled: Callable[[], None],
) -> Arrays:
    """Best partners of one set (0 or 1, the second number of the seed) in a random dictionary."""
    drawn = dictionaries.draw(seed, check_cancelled)
    left, right = (sets[0], drawn) if seed[1] == 0 else (drawn, sets[1])
    shape = left.n_features, right.n_features
    return {"best": best_values(correlation_blocks(left, right), shape, check_cancelled)[seed[1]]}


def _thinned(columns: Columns, rows: Ints, n_rows: int) -> Columns:
    return columns if rows.size == n_rows else columns.rows(rows)


def _step(
    pair: Pair, name: str, laid: Laid, check_cancelled: Callable[[], None], checkpoints: Checkpoints
) -> tuple[Floats, Floats]:
    def make() -> Arrays:
        found = best_values(correlation_blocks(pair.left, pair.right, laid), pair.shape, check_cancelled)
        return {"left": found[0], "right": found[1]}

    kept = checkpoints.get(f"{pair.name}-{name}", make)
    return kept["left"], kept["right"]


def _joined(found: list[tuple[Floats, Floats]], shape: tuple[int, int]) -> Draws:
    left, right = (
        np.array([each[side] for each in found]).reshape(len(found), shape[side]) for side in (0, 1)
    )
    return Draws(left, right)
