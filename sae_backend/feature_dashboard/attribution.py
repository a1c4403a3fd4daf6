"""What fires here: how much of one tile's vector each feature explains."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sae_backend.activations.embeddings import Embeddings
from sae_backend.activations.feature_matrix import FeatureMatrix
from sae_backend.activations.histogram import percentile_of
from sae_backend.errors import MismatchError, UserInputError
from sae_backend.models.sae_weights import SaeArrays

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class TileExplanation:
    """The features that fire in one tile, those that explain most first.

    Attributes
    ----------
    features
        Their numbers, int64 (k,).
    values
        Their activations, float64 (k,).
    shares
        How much each explains, float64 (k,); see :func:`explain_vector`.
    explained
        How much all together explain, 1 at best; NaN where the vector equals `b_dec`.
    """

    features: npt.NDArray[np.int64]
    values: Floats
    shares: Floats
    explained: float


@dataclass(frozen=True)
class FiringFeature:
    """A feature in a tile: its value, its share, and the percentile of the value among its firing values."""

    feature: int
    value: float
    share: float
    percentile: float


def reconstruct(sae: SaeArrays, features: npt.NDArray[Any], values: npt.NDArray[Any]) -> Floats:
    """The vector float64 (d,) that an SAE makes of activations `values` (k,) of `features` (k,)."""
    return np.asarray(values, np.float64) @ sae.w_dec[features].astype(np.float64) + sae.b_dec


def explain_vector(
    x: npt.NDArray[Any], features: npt.NDArray[Any], values: npt.NDArray[Any], sae: SaeArrays
) -> TileExplanation:
    """Share of a tile's vector that each firing feature explains.

    With `x_c = x - b_dec` (what the SAE rebuilds, its own centre taken away), `d_j` a feature's direction,
    `v_j` its value and `e = x_c - sum_j v_j d_j` what is left:

    - `explained = 1 - |e|^2 / |x_c|^2`;
    - `share_j = (|e + v_j d_j|^2 - |e|^2) / |x_c|^2`, the growth of the squared error when the
      feature alone is taken away.

    Shares add up to `explained` only where the directions are at right angles and the values those of the
    projections; features that say the same share their part and each looks smaller. A negative share
    means that the reconstruction would be closer without the feature.

    Parameters
    ----------
    x
        The tile's vector (d,).
    features, values
        The features (k,) that fire and their activations (k,), as :meth:`FeatureMatrix.row` gives them.
    sae
        The SAE they come from.

    Raises
    ------
    MismatchError
        When the width of the vector is not the SAE's, or a feature is not one of its own.
    UserInputError
        When the tile has no vector.
    """
    numbers = np.asarray(features, np.int64)
    if x.shape != (sae.d_in,) or (numbers.size and int(numbers.max()) >= sae.n_features):
        raise MismatchError(
            f"The SAE has {sae.n_features} features and takes vectors of width {sae.d_in}; this tile's do not fit.",
            "Use the SAE that the analysis was made with.",
        )
    if not np.isfinite(x).all():
        raise UserInputError("This tile could not be read, so it has no vector.", "Choose another tile.")
    activations = np.asarray(values, np.float64)
    centred = np.asarray(x, np.float64) - sae.b_dec
    parts = activations[:, None] * sae.w_dec[numbers].astype(np.float64)
    left = centred - parts.sum(axis=0)
    energy = float(centred @ centred)
    if energy == 0:
        nothing = np.full(numbers.size, np.nan)
        return TileExplanation(numbers, activations, nothing, float("nan"))
    # |e + p|^2 - |e|^2 = (2 e + p) . p, without the difference of two large numbers.
    shares = ((2 * left + parts) * parts).sum(axis=1) / energy
    order = np.argsort(-shares, kind="stable")
    return TileExplanation(
        numbers[order], activations[order], shares[order], 1.0 - float(left @ left) / energy
    )


def what_fires_here(
    tile: int, features: FeatureMatrix, embeddings: Embeddings, sae: SaeArrays
) -> tuple[float, tuple[FiringFeature, ...]]:
    """How much of a tile's vector the SAE explains, and by which features, most first.

    Raises
    ------
    MismatchError
        When the activations come from other embeddings or another SAE.
    UserInputError
        When there is no such tile, or it could not be read.
    """
    if (features.embedding_digest, features.sae_digest) != (embeddings.digest, sae.digest):
        raise MismatchError(
            "The features were not made from these vectors with this SAE.", "Open the analysis again."
        )
    numbers, values = features.row(tile)
    found = explain_vector(np.asarray(embeddings.vectors[tile]), numbers, values, sae)
    rows = zip(found.features.tolist(), found.values.tolist(), found.shares.tolist(), strict=True)
    return found.explained, tuple(
        FiringFeature(feature, value, share, percentile_of(features.column(feature)[1], value))
        for feature, value, share in rows
    )
