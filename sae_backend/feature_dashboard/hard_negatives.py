"""Tiles where a feature is silent although they resemble those where it fires most."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from sae_backend.activations.embeddings import Embeddings
from sae_backend.activations.feature_matrix import FeatureMatrix
from sae_backend.errors import MismatchError

_ROWS: Final = 2048

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

BY_VECTORS: Final = "cosine of the tiles' vectors, less the slide's mean vector"
BY_FEATURES: Final = "cosine of the tiles' other features"


@dataclass(frozen=True)
class CentredVectors:
    """The vectors of one slide with their mean and their distances from it; made once a slide.

    Attributes
    ----------
    vectors
        Float16 or float32 (N, d), memory-mapped or not; rows of tiles that are not valid are not looked at.
    valid
        bool (N,).
    mean
        Mean of the valid rows, float32 (d,).
    lengths
        Distances of the rows from the mean, float32 (N,); NaN where not valid.
    digest
        Of the embeddings, as :attr:`FeatureMatrix.embedding_digest`.
    """

    vectors: npt.NDArray[np.floating]
    valid: Mask
    mean: Floats
    lengths: Floats
    digest: str

    @classmethod
    def of(cls, embeddings: Embeddings) -> CentredVectors:
        """Centre the vectors of finished embeddings."""
        return cls.measure(embeddings.vectors, embeddings.valid, embeddings.digest)

    @classmethod
    def measure(cls, vectors: npt.NDArray[np.floating], valid: Mask, digest: str) -> CentredVectors:
        """Centre vectors (N, d) of which the rows `valid` count."""
        total = np.zeros(vectors.shape[1])
        for where, part in _parts(vectors):
            total += part[valid[where]].sum(axis=0, dtype=np.float64)
        mean = (total / max(int(valid.sum()), 1)).astype(np.float32)
        lengths = np.full(len(vectors), np.nan, np.float32)
        for where, part in _parts(vectors):
            centred = part - mean
            lengths[where] = np.sqrt(np.einsum("ij,ij->i", centred, centred))
        lengths[~valid] = np.nan
        return cls(vectors, valid, mean, lengths, digest)

    def similarities(self, tiles: Ints) -> Floats:
        """Cosine of every tile with the mean vector of some valid tiles, float32 (N,), both less the slide's mean.

        NaN where a tile is not valid, or lies at the mean and so has no direction.
        """
        wanted = np.asarray(self.vectors[np.sort(tiles)], np.float32).mean(axis=0) - self.mean
        length = float(np.linalg.norm(wanted))
        found = np.full(len(self.vectors), np.nan, np.float32)
        if length == 0:
            return found
        direction = wanted / length
        for where, part in _parts(self.vectors):
            # Subtracted first: the mean may be far longer than what tells tiles apart. Not `@`, whose threads
            # wait for each other at every one of these short steps, ten times as long on a busy machine.
            found[where] = np.einsum("ij,j->i", part - self.mean, direction)
        usable = self.valid & (self.lengths > 0)
        np.divide(found, self.lengths, out=found, where=usable)
        found[~usable] = np.nan
        return found


def _parts(vectors: npt.NDArray[np.floating]) -> Iterator[tuple[slice, Floats]]:
    """A few thousand rows at a time as float32, so that they stay in the processor's cache."""
    for start in range(0, len(vectors), _ROWS):
        where = slice(start, start + _ROWS)
        yield where, np.asarray(vectors[where], np.float32)


def feature_similarities(features: FeatureMatrix, feature: int, tiles: Ints) -> Floats:
    """Cosine of every tile's activations with the mean activations of some tiles, float32 (N,).

    `feature` itself is left out of both. NaN where nothing else fires.
    """
    matrix = features.csc()
    matrix.data = matrix.data.astype(np.float64)
    start, stop = matrix.indptr[feature : feature + 2]
    matrix.data[start:stop] = 0
    chosen = np.zeros(features.n_tiles)
    chosen[tiles] = 1 / max(tiles.size, 1)
    wanted = matrix.T @ chosen
    squares = np.bincount(matrix.indices, matrix.data**2, features.n_tiles)
    lengths = np.sqrt(squares) * np.linalg.norm(wanted)
    found = np.full(features.n_tiles, np.nan)
    np.divide(matrix @ wanted, lengths, out=found, where=features.valid & (lengths > 0))
    return found.astype(np.float32)


def rank_look_alikes(
    features: FeatureMatrix, feature: int, tiles: Ints, vectors: CentredVectors | None, n: int
) -> tuple[Ints, Floats]:
    """The `n` silent tiles that resemble `tiles` most, best first, int64 (n,), and how much, float32 (n,).

    Raises
    ------
    MismatchError
        When the vectors are not those that the activations were made from.
    """
    if vectors is not None and vectors.digest != features.embedding_digest:
        raise MismatchError(
            "The vectors are not those that the features were made from.", "Open the analysis again."
        )
    if not tiles.size:
        return np.zeros(0, np.int64), np.zeros(0, np.float32)
    found = feature_similarities(features, feature, tiles) if vectors is None else vectors.similarities(tiles)
    silent = features.valid & np.isfinite(found)
    silent[features.column(feature)[0]] = False
    candidates = np.flatnonzero(silent)
    if candidates.size > n:
        candidates = candidates[np.argpartition(-found[candidates], n - 1)[:n]]
    candidates = candidates[np.argsort(-found[candidates], kind="stable")]
    return candidates, found[candidates]
