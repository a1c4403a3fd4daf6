"""Numbers that the user brings for places on a slide: expression of genes, scores of other programs."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from sae_backend.errors import MismatchError

if TYPE_CHECKING:
    from sae_backend.slides.tiles import TileGrid

_COLUMNS_AT_ONCE: Final = 256  # keeps the float64 copies of a table of genes near 100 MB


@dataclass(frozen=True)
class TileValues:
    """K numbers at each of N places of a slide.

    Attributes
    ----------
    y_l0, x_l0
        Places in level-0 px, float64 (N,).
    names
        Names of the K columns.
    values
        float32 (N, K), NaN where not known.
    source_name, source_sha256
        File that they were read from.
    notes
        What to know of the reading.
    """

    y_l0: npt.NDArray[np.float64]
    x_l0: npt.NDArray[np.float64]
    names: tuple[str, ...]
    values: npt.NDArray[np.float32]
    source_name: str
    source_sha256: str
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        n = self.y_l0.size
        if self.x_l0.size != n or self.values.shape != (n, len(self.names)):
            raise MismatchError("The values have unequal numbers of places or columns.", "Import them again.")
        if len(set(self.names)) != len(self.names):
            raise MismatchError("Two columns of values have one name.", "Rename one of them in the file.")

    def values_on(self, grid: TileGrid) -> npt.NDArray[np.float64]:
        """Mean of the places in each tile, float64 (n_tiles, K), NaN where a tile has none.

        A place in several overlapping tiles goes to the nearest centre; what is not known of a place
        is left out of the mean.
        """
        tile = grid.tiles_at(np.stack([self.y_l0, self.x_l0], axis=1)).astype(np.int64)
        inside = np.flatnonzero(tile >= 0)
        inside = inside[np.argsort(tile[inside], kind="stable")]
        out = np.full((grid.n_tiles, len(self.names)), np.nan)
        if inside.size == 0:
            return out
        tiles, first = np.unique(tile[inside], return_index=True)
        for start in range(0, len(self.names), _COLUMNS_AT_ONCE):
            columns = slice(start, start + _COLUMNS_AT_ONCE)
            values = self.values[inside, columns].astype(np.float64)
            known = np.isfinite(values)
            sums = np.add.reduceat(np.where(known, values, 0.0), first, axis=0)
            counts = np.add.reduceat(known.astype(np.int64), first, axis=0)
            out[tiles, columns] = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
        return out


def join_tile_values(parts: Sequence[TileValues]) -> TileValues:
    """Values of several sources in one table.

    Sources of the same places share their rows; where places differ, the rows of one source have NaN in
    the columns of another. A name that several sources have gets the source's name behind it, except in the first.

    Raises
    ------
    MismatchError
        When there are no parts.
    """
    if not parts:
        raise MismatchError("There are no values to join.", "Import some first.")
    if len(parts) == 1:
        return parts[0]
    places: list[TileValues] = []
    starts: list[int] = []
    for part in parts:
        same = [i for i, known in enumerate(places) if _same_places(known, part)]
        starts.append(same[0] if same else len(places))
        if not same:
            places.append(part)
    first_rows = np.concatenate([[0], np.cumsum([place.y_l0.size for place in places])]).astype(np.int64)
    names = _joined_names(parts)
    values = np.full((int(first_rows[-1]), len(names)), np.nan, np.float32)
    column = 0
    for part, place in zip(parts, starts, strict=True):
        rows = slice(int(first_rows[place]), int(first_rows[place + 1]))
        values[rows, column : column + len(part.names)] = part.values
        column += len(part.names)
    return TileValues(
        np.concatenate([place.y_l0 for place in places]),
        np.concatenate([place.x_l0 for place in places]),
        names,
        values,
        ", ".join(part.source_name for part in parts),
        hashlib.sha256("".join(part.source_sha256 for part in parts).encode()).hexdigest(),
        tuple(note for part in parts for note in part.notes),
    )


def _same_places(one: TileValues, other: TileValues) -> bool:
    return np.array_equal(one.y_l0, other.y_l0) and np.array_equal(one.x_l0, other.x_l0)


def _joined_names(parts: Sequence[TileValues]) -> tuple[str, ...]:
    names: dict[str, None] = {}
    for part in parts:
        for name in part.names:
            free, number = name, 1
            while free in names:
                behind = part.source_name if number == 1 else f"{part.source_name}, {number}"
                free, number = f"{name} ({behind})", number + 1
            names[free] = None
    return tuple(names)
