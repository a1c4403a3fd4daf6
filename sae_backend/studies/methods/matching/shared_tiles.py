"""Tiles that several autoencoders saw, in one order, and what each autoencoder sees there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from sae_backend.errors import UserInputError
from sae_backend.statistics.resampling_units import Clusters
from sae_backend.statistics.slide_parts import AssembledTiles, SlidePart, assemble
from sae_backend.statistics.split import CHOOSE, REPORT, half_of
from sae_backend.studies.framework.inputs import StudyInput

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

BLOCK_UM = 1000.0
"""Edge of the blocks that stand in for slides where these are few."""


@dataclass(frozen=True)
class SharedTiles:
    """Tiles of some slides that every set has activations for, sorted by unit and slide.

    Attributes
    ----------
    inputs
        What the study was given.
    tiles
        The tiles in their order, with their units.
    slide, tile
        Number of the slide, and of the tile on it, of each row, int64 (N,).
    """

    inputs: StudyInput
    tiles: AssembledTiles
    slide: Ints
    tile: Ints

    @property
    def n_rows(self) -> int:
        """Number of tiles, N."""
        return self.tiles.n_rows

    @property
    def clusters(self) -> Clusters:
        """The units that are drawn again and change places."""
        return self.tiles.clusters

    @property
    def places(self) -> tuple[Ints, Ints, Ints]:
        """Number of the slide, row and column on its grid, int64 (N,) each."""
        parts = self.tiles.parts
        rows, cols = (
            self.tiles.gather([getattr(part, key) for part in parts]).astype(np.int64)
            for key in ("rows", "cols")
        )
        return self.slide, rows, cols

    @property
    def unit(self) -> Ints:
        """Number of the unit of each row, int64 (N,)."""
        return np.repeat(np.arange(self.clusters.n_clusters), self.clusters.sizes)

    def activations(
        self, number: int, check_cancelled: Callable[[], None] = lambda: None
    ) -> sparse.csr_array:
        """What set `number` sees, sparse float64 (N, F) by tile; `check_cancelled` is called at every slide, and may raise."""
        features = self.inputs.sets[number].features
        slides = _slide_numbers(self.inputs, self.tiles.parts)
        found = []
        for slide, keep in zip(slides, self.tiles.kept, strict=True):
            check_cancelled()
            found.append(_compact(sparse.csr_array(features[slide])[keep]))
        stacked = sparse.csr_array(sparse.vstack(found, format="csr"))
        order = self.clusters.order
        return stacked if bool((np.diff(order) == 1).all()) else sparse.csr_array(stacked[order])

    def has_vectors(self, number: int) -> bool:
        """Whether the embeddings behind set `number` are there for all rows."""
        vectors = self.inputs.sets[number].vectors
        return all(
            keep.size == 0 or vectors[slide] is not None
            for slide, keep in zip(
                _slide_numbers(self.inputs, self.tiles.parts), self.tiles.kept, strict=True
            )
        )

    def vectors(self, number: int, rows: Ints) -> npt.NDArray[np.float32]:
        """Embeddings of some rows (n,), float32 (n, d)."""
        known = self.inputs.sets[number].vectors
        found: npt.NDArray[np.float32] | None = None
        for slide in np.unique(self.slide[rows]):
            mine = np.flatnonzero(self.slide[rows] == slide)
            source = known[slide]
            assert source is not None
            tiles = self.tile[rows[mine]]
            # Memory maps are read in the order of the disk.
            ascending = np.argsort(tiles, kind="stable")
            if found is None:
                found = np.empty((rows.size, source.shape[1]), np.float32)
            found[mine[ascending]] = source[tiles[ascending]]
        return np.zeros((0, 0), np.float32) if found is None else found

    def counts(self) -> Floats:
        """Cells of each type, float64 (N, C), NaN where unknown."""
        slides = _slide_numbers(self.inputs, self.tiles.parts)
        arrays = [np.asarray(self.inputs.slides[slide].counts, np.float64) for slide in slides]
        return np.asarray(self.tiles.gather(arrays), np.float64)


def _compact(by_tile: sparse.csr_array) -> sparse.csr_array:
    """The same with float64 values, and with places in 32 bits where they fit: half the memory of 64."""
    small = np.int32 if by_tile.nnz < 2**31 else np.int64
    places = by_tile.indices.astype(small), by_tile.indptr.astype(small)
    return sparse.csr_array((by_tile.data.astype(np.float64), *places), shape=by_tile.shape)


def shared_halves(inputs: StudyInput, numbers: Sequence[int]) -> tuple[SharedTiles, SharedTiles]:
    """Tiles that choose and tiles that report; twice the same where nothing is held out.

    Parameters
    ----------
    inputs
        Slides and sets.
    numbers
        Sets that have to have activations for a tile.

    Raises
    ------
    UserInputError
        When a half has no tile.
    """
    parts = _parts(inputs, numbers)
    if inputs.halves is None:
        whole = _shared(inputs, parts, "no tile is known to all of the autoencoders")
        return whole, whole
    halves = inputs.halves
    return (
        _shared(inputs, half_of(parts, halves, CHOOSE), "the discovery half has no tile"),
        _shared(inputs, half_of(parts, halves, REPORT), "the held-out half has no tile"),
    )


def _parts(inputs: StudyInput, numbers: Sequence[int]) -> list[SlidePart]:
    parts = []
    for k, part in enumerate(inputs.parts(numbers[0])):
        valid = np.array(part.valid, np.bool_)
        for number in numbers:
            some = inputs.sets[number]
            valid &= some.valid[k]
            matrix = some.features[k]
            valid[matrix.indices[~np.isfinite(matrix.data)]] = False
        nothing: npt.NDArray[Any] = np.zeros((part.n_tiles, 0))
        parts.append(replace(part, counts=nothing, valid=valid, vectors=None))
    return parts


def _shared(inputs: StudyInput, parts: Sequence[SlidePart], problem: str) -> SharedTiles:
    if not any(part.valid.any() for part in parts):
        raise UserInputError(
            f"The study cannot be done: {problem}.", "Analyse more slides with each autoencoder."
        )
    filled = [part for part in parts if part.valid.any()]
    tiles = assemble(filled, 0, BLOCK_UM)
    slides = _slide_numbers(inputs, tiles.parts)
    return SharedTiles(
        inputs,
        tiles,
        tiles.gather([np.full(part.n_tiles, k) for k, part in zip(slides, tiles.parts, strict=True)]),
        tiles.gather([np.arange(part.n_tiles) for part in tiles.parts]),
    )


def _slide_numbers(inputs: StudyInput, parts: Sequence[SlidePart]) -> list[int]:
    number = {slide.name: k for k, slide in enumerate(inputs.slides)}
    return [number[part.slide] for part in parts]
