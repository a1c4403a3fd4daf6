"""The features nearest to one: by what they mean to the decoder, and by the tiles they fire in."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.sparse import csc_array

from sae_backend.activations.feature_matrix import FeatureMatrix
from sae_backend.errors import UserInputError
from sae_backend.models.sae_weights import SaeArrays

_CONSTANT_SHARE: Final = 1e-12

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class NearDirection:
    """A feature and the cosine of its direction with that of the feature asked for."""

    feature: int
    cosine: float


@dataclass(frozen=True)
class NearActivation:
    """A feature that fires in some of the same tiles.

    Attributes
    ----------
    feature
        Its number.
    r
        Pearson correlation of the two features' values over all valid tiles, zeros included.
    jaccard
        Tiles where both fire, as a share of those where at least one does.
    n_both
        Number of tiles where both fire.
    """

    feature: int
    r: float
    jaccard: float
    n_both: int


@dataclass(frozen=True)
class DecoderDirections:
    """Directions of all features, float32 (F, d) of unit length, zeros where the decoder has none."""

    sae_digest: str
    directions: npt.NDArray[np.float32]

    @classmethod
    def open(cls, sae_dir: Path) -> DecoderDirections:
        """Read the folder of an SAE.

        Raises
        ------
        WeightsError
            When it cannot be read.
        """
        return cls.of(SaeArrays.open(sae_dir))

    @classmethod
    def of(cls, sae: SaeArrays) -> DecoderDirections:
        """Directions of an SAE that was read."""
        lengths = np.linalg.norm(sae.w_dec, axis=1, keepdims=True)
        directions = np.divide(sae.w_dec, lengths, out=np.zeros_like(sae.w_dec), where=lengths > 0)
        return cls(sae.digest, directions)

    @property
    def n_features(self) -> int:
        """Number of features, F."""
        return int(self.directions.shape[0])

    def nearest(self, feature: int, n: int = 10) -> tuple[NearDirection, ...]:
        """The `n` other features of the largest cosine, best first.

        Raises
        ------
        UserInputError
            When there is no such feature.
        """
        _check_feature(feature, self.n_features)
        cosine = self.directions @ self.directions[feature]
        cosine[feature] = -np.inf
        best = _largest(cosine, min(n, self.n_features - 1))
        return tuple(NearDirection(int(f), float(np.clip(cosine[f], -1, 1))) for f in best)


@dataclass(frozen=True)
class CoActivation:
    """Which features of one slide fire together; made once a slide.

    `sums` and `squares` are float64 (F,) over the values and their squares.
    """

    matrix: csc_array
    n_tiles: int
    sums: Floats
    squares: Floats
    n_firing: npt.NDArray[np.int64]

    @classmethod
    def of(cls, features: FeatureMatrix) -> CoActivation:
        """Take the sums of a slide's activations."""
        matrix = features.csc()
        matrix.data = matrix.data.astype(np.float64)
        ones = np.ones(features.n_tiles)
        squared = csc_array((matrix.data**2, matrix.indices, matrix.indptr), shape=matrix.shape)
        n_firing = np.diff(matrix.indptr).astype(np.int64)
        return cls(matrix, int(features.valid.sum()), matrix.T @ ones, squared.T @ ones, n_firing)

    def nearest(self, feature: int, n: int = 10) -> tuple[NearActivation, ...]:
        """The `n` other features of the largest r among those that ever fire together with `feature`.

        Features that never vary have no r and are left out.

        Raises
        ------
        UserInputError
            When there is no such feature.
        """
        n_features = int(self.sums.size)
        _check_feature(feature, n_features)
        start, stop = self.matrix.indptr[feature : feature + 2]
        tiles, values = self.matrix.indices[start:stop], self.matrix.data[start:stop]
        column = np.zeros(self.matrix.shape[0])
        column[tiles] = values
        fires = column != 0
        before = np.concatenate([[0], np.cumsum(fires[self.matrix.indices])])
        n_both = np.diff(before[self.matrix.indptr])
        spread = self.squares - self.sums**2 / max(self.n_tiles, 1)
        varies = spread > _CONSTANT_SHARE * self.squares
        others = (n_both > 0) & varies
        others[feature] = False
        found = np.flatnonzero(others)
        if not (varies[feature] and found.size):
            return ()
        products = (self.matrix.T @ column)[found]
        shared = products - self.sums[found] * self.sums[feature] / self.n_tiles
        r = np.clip(shared / np.sqrt(spread[found] * spread[feature]), -1, 1)
        either = self.n_firing[found] + self.n_firing[feature] - n_both[found]
        return tuple(
            NearActivation(
                int(found[i]), float(r[i]), float(n_both[found[i]] / either[i]), int(n_both[found[i]])
            )
            for i in _largest(r, min(n, found.size))
        )


def _check_feature(feature: int, n_features: int) -> None:
    if not 0 <= feature < n_features:
        raise UserInputError(
            f"There is no feature {feature}.", f"This SAE has features 0 to {n_features - 1}."
        )


def _largest(scores: npt.NDArray[np.floating], n: int) -> npt.NDArray[np.int64]:
    """Places of the `n` largest scores, largest first."""
    if n < 1:
        return np.zeros(0, np.int64)
    best = np.argpartition(-scores, n - 1)[:n]
    return best[np.lexsort((best, -scores[best]))]
