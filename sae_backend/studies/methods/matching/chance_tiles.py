"""How tiles are laid on other tiles to see what chance would show: whole patients, shifted maps, or single tiles."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from sae_backend.statistics.permutation.arrangements import Exchange, Shifts, exchange, shifts
from sae_backend.statistics.permutation.unit_layout import unit_layout
from sae_backend.studies.methods.matching.cross_products import Laid
from sae_backend.studies.methods.matching.shared_tiles import SharedTiles

Ints = npt.NDArray[np.int64]

MIN_ARRANGEMENTS: Final = 19
"""With fewer of them nothing can be said at the level of 5 %."""

_TRIES: Final = 200


@dataclass(frozen=True)
class Arrangements:
    """Ways to lay the tiles of one set on those of another.

    `words` say what changes places; `n` is their number, 0 where none is possible.
    """

    words: str
    source: Exchange | Shifts | None

    @property
    def n(self) -> int:
        """Number of arrangements."""
        return 0 if self.source is None else self.source.n

    def laid(self, number: int) -> Laid:
        """Arrangement `number`."""
        assert self.source is not None
        rows = self.source.sources(number, number + 1)[0]
        return Laid(rows, isinstance(self.source, Shifts))


def arrangements(tiles: SharedTiles, n: int, seed: int, *, move_all: bool = False) -> Arrangements:
    """Whole units change places where there are enough of them, else maps are shifted on their slides.

    Tiles keep their neighbours and slides their level, as features that are unrelated have both. A unit may stay
    where it is, as it must for p to be exact: with orders in which none did, worlds of unrelated dictionaries
    claimed 57, 35 and 12 % at a level of 5 % with 5, 8 and 12 patients, and with all orders 5, 5 and 7 % (60 worlds
    each). The price is power, for what is sought shows in the null where patients are few.

    Parameters
    ----------
    tiles
        The tiles.
    n
        Arrangements wanted.
    seed
        Decides them.
    move_all
        Let no unit stay, where the null is looked at and nothing is judged by it.
    """
    rng = np.random.default_rng([seed, 0xC4])
    clusters = tiles.clusters
    slide, row, col = tiles.places
    if clusters.can_judge and clusters.kind != "block":
        layout = unit_layout(clusters, row, col)
        found = exchange(clusters, layout, n, rng)
        if found is not None and move_all:
            found = replace(found, orders=deranged(clusters.n_clusters, n, rng))
        return Arrangements(f"whole {clusters.kind}s exchanged", found)
    shifted, n_possible = shifts((slide, row, col), n, rng)
    if shifted is None or n_possible < MIN_ARRANGEMENTS:
        return Arrangements("too few tiles to shift maps", None)
    return Arrangements("maps shifted within their slides", shifted)


def deranged(n_units: int, n: int, rng: np.random.Generator) -> Ints:
    """Random orders (n, n_units) in which no unit is at its own place, each once where there are enough."""
    found: dict[tuple[int, ...], None] = {}
    spare: list[tuple[int, ...]] = []
    own = np.arange(n_units)
    for _ in range(n * _TRIES):
        if len(found) >= n:
            break
        order = rng.permutation(n_units)
        if not (order == own).any():
            key = tuple(order.tolist())
            if key in found:
                spare.append(key)
            found[key] = None
    orders = [*found, *spare][:n]
    return np.array(orders, np.int64).reshape(len(orders), n_units)


def shuffled(n_rows: int, seed: int) -> Laid:
    """Single tiles change places at random, which keeps neither neighbours nor slides."""
    rng = np.random.default_rng([seed, 0x5F])
    return Laid(rng.permutation(n_rows).astype(np.int32))
