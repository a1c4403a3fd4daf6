"""Which tiles an autoencoder learns from, and which are held out to judge it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sae_backend.errors import CacheError, MismatchError, UserInputError

MIN_TILES = 32
_MIN_SLIDES = 5
_MIN_BLOCKS = 20
_BLOCK_TILES = (8, 4, 2, 1)
_RUN_TILES = 64


@dataclass(frozen=True)
class TrainPart:
    """The vectors of one slide.

    Attributes
    ----------
    vectors
        (N, d) float32 or float16, usually a memory map.
    valid
        (N,) bool, False for tiles without a vector; None when all have one.
    rows, cols
        (N,) int32 places in the grid, so that neighbours are held out together; None when unknown.
    slide
        Name or fingerprint; parts with the same one are one slide.
    """

    vectors: NDArray[np.float32] | NDArray[np.float16]
    valid: NDArray[np.bool_] | None = None
    rows: NDArray[np.int32] | None = None
    cols: NDArray[np.int32] | None = None
    slide: str = ""

    @property
    def kept(self) -> NDArray[np.int64]:
        """Indices of the valid tiles."""
        n_tiles = self.vectors.shape[0]
        return np.arange(n_tiles) if self.valid is None else np.flatnonzero(self.valid)


@dataclass(frozen=True)
class TileSet:
    """Chosen tiles of several parts, in one numbering.

    Attributes
    ----------
    parts
        Where the vectors lie.
    part, tile
        (n,) int64, which part and which tile of it.
    """

    parts: tuple[TrainPart, ...]
    part: NDArray[np.int64]
    tile: NDArray[np.int64]

    def __len__(self) -> int:
        return self.part.size

    def gather(self, chosen: NDArray[np.int64]) -> NDArray[np.float32]:
        """Vectors (len(chosen), d) float32 of some tiles of the set, in the order asked for.

        Raises
        ------
        CacheError
            When a vector is not finite.
        """
        found = np.empty((chosen.size, self.parts[0].vectors.shape[1]), np.float32)
        part, tile = self.part[chosen], self.tile[chosen]
        for number in np.unique(part):
            here = np.flatnonzero(part == number)
            here = here[np.argsort(tile[here], kind="stable")]  # disks like ascending reads
            found[here] = self.parts[int(number)].vectors[tile[here]]
        if not np.isfinite(found).all():
            raise CacheError("The embedding holds values that are not finite.", "Embed the slide again.")
        return found

    def batches(self, rows: int = 4096) -> Iterator[NDArray[np.float32]]:
        """All vectors in order, `rows` at a time."""
        for start in range(0, len(self), rows):
            yield self.gather(np.arange(start, min(len(self), start + rows)))


@dataclass(frozen=True)
class Split:
    """Tiles to learn from and tiles held out, and what was held out: slides, blocks or runs."""

    train: TileSet
    held_out: TileSet
    unit: str


def split_tiles(parts: Sequence[TrainPart], share: float, seed: int) -> Split:
    """Hold out whole slides, or spatial blocks where there are few slides.

    With five slides or more whole slides are held out. With fewer, square blocks of tiles, because
    neighbouring tiles look alike and a tile's neighbour in the training would flatter the
    autoencoder. Tiles without a place in a grid are held out in runs.

    Parameters
    ----------
    parts
        All slides.
    share
        Share of the tiles to hold out, above 0 and at most 0.5.
    seed
        Of the choice.

    Raises
    ------
    UserInputError
        When there are too few tiles, or the share makes no sense.
    MismatchError
        When widths, masks or grids disagree.
    """
    if not 0.0 < share <= 0.5:
        raise UserInputError(
            f"The held-out share {share} makes no sense.", "Give a share above 0, at most 0.5."
        )
    _check_parts(parts)
    kept = [part.kept for part in parts]
    part = np.repeat(np.arange(len(parts)), [tiles.size for tiles in kept])
    tile = np.concatenate(kept) if kept else np.zeros(0, np.int64)
    if tile.size < MIN_TILES:
        raise UserInputError(
            f"There are {tile.size} tiles with vectors, too few to train on.",
            f"Embed more tissue; at least {MIN_TILES} tiles are needed, and thousands are better.",
        )
    group, unit = _groups(parts, kept)
    held = _choose(group, share, seed)
    tiles = tuple(parts)
    return Split(TileSet(tiles, part[~held], tile[~held]), TileSet(tiles, part[held], tile[held]), unit)


def _check_parts(parts: Sequence[TrainPart]) -> None:
    for part in parts:
        width, first = part.vectors.shape[1], parts[0].vectors.shape[1]
        if width != first:
            raise MismatchError(
                f"Vectors of width {width} and of width {first} cannot train one SAE.",
                "Train on embeddings of one encoder and layer.",
            )
        for name in ("valid", "rows", "cols"):
            column = getattr(part, name)
            if column is not None and column.shape != part.vectors.shape[:1]:
                raise MismatchError(
                    f"The {name} of slide {part.slide!r} do not match its vectors.",
                    "Embed the slide again.",
                )


def _groups(parts: Sequence[TrainPart], kept: Sequence[NDArray[np.int64]]) -> tuple[NDArray[np.int64], str]:
    """Number (n,) of the group that each tile is held out with, and the name of the unit."""
    names = [part.slide or str(number) for number, part in enumerate(parts)]
    slides = {name: number for number, name in enumerate(dict.fromkeys(names))}
    if len(slides) >= _MIN_SLIDES:
        numbers = np.array([slides[name] for name in names])
        return np.repeat(numbers, [tiles.size for tiles in kept]), "slides"
    placed = all(part.rows is not None and part.cols is not None for part in parts)
    sizes = _BLOCK_TILES if placed else (_RUN_TILES, 16, 4, 1)
    for size in sizes:
        keys: list[NDArray[np.int64]] = []
        for number, (part, tiles) in enumerate(zip(parts, kept, strict=True)):
            key = np.zeros((tiles.size, 3), np.int64)
            key[:, 0] = number
            if part.rows is not None and part.cols is not None and placed:
                key[:, 1], key[:, 2] = part.rows[tiles] // size, part.cols[tiles] // size
            else:
                key[:, 1] = tiles // size
            keys.append(key)
        found, group = np.unique(np.concatenate(keys), axis=0, return_inverse=True)
        if found.shape[0] >= _MIN_BLOCKS:
            break
    what = f"blocks of {size} x {size} tiles" if placed else f"runs of {size} tiles"
    return group.ravel(), what


def _choose(group: NDArray[np.int64], share: float, seed: int) -> NDArray[np.bool_]:
    """Draw whole groups until the share is reached; at least one group stays on each side."""
    sizes = np.bincount(group)
    present = np.flatnonzero(sizes)
    order = np.random.Generator(np.random.Philox([seed, 0x5711])).permutation(present)
    reached = np.cumsum(sizes[order])
    n_held = int(np.searchsorted(reached, share * group.size)) + 1
    return np.isin(group, order[: min(max(1, n_held), order.size - 1)])
