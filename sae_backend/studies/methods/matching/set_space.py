"""Whether two sets of directions lie in one space, and how alike they are there."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sae_backend.studies.framework.inputs import FeatureSet
from sae_backend.studies.methods.matching.feature_matching import match

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def same_space(one: FeatureSet, other: FeatureSet) -> bool:
    """Whether the directions of two sets lie in one space: same encoder, layer and pooling."""
    if one.decoder is None or other.decoder is None or one.decoder.shape[1] != other.decoder.shape[1]:
        return False
    keys = ("encoder_digest", "layer", "pooling")
    return all(one.model.get(key) is not None for key in keys) and all(
        one.model.get(key) == other.model.get(key) for key in keys
    )


def directions(some: FeatureSet, features: Ints) -> npt.NDArray[np.float32]:
    """Directions of some features, of unit length (n, d); zeros stay."""
    assert some.decoder is not None
    chosen = some.decoder[features]
    lengths = np.linalg.norm(chosen, axis=1, keepdims=True)
    return np.asarray(np.divide(chosen, lengths, out=np.zeros_like(chosen), where=lengths > 0))


def pair_cosines(
    one: FeatureSet, other: FeatureSet, live: tuple[Ints, Ints], partner: Ints
) -> tuple[Floats, float]:
    """Cosine of each pair (F,), and the mean cosine of partners chosen by cosine; NaN in different spaces.

    Parameters
    ----------
    one, other
        The sets.
    live
        Features of each that take part.
    partner
        Place of the partner of each feature among those of the other set (F,), -1 for none.
    """
    cosine = np.full(partner.size, np.nan)
    if not same_space(one, other) or 0 in (live[0].size, live[1].size):
        return cosine, float("nan")
    left, right = directions(one, live[0]), directions(other, live[1])
    known = np.flatnonzero(partner >= 0)
    cosine[known] = np.einsum("ij,ij->i", left[known], right[partner[known]])
    step = max(1, 4_000_000 // len(right))
    blocks = ((a, (left[a : a + step] @ right.T).astype(np.float64)) for a in range(0, len(left), step))
    by_cosine = match(blocks, (len(left), len(right)))
    return cosine, float(np.nan_to_num(by_cosine.value).sum() / min(len(left), len(right)))
