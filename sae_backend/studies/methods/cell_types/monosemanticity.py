"""Do features follow one type of cell or several, and do they so more or less than the embedding's dimensions?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy import sparse, stats

from sae_backend.correlation.engine import correlate
from sae_backend.correlation.result import PEARSON, CorrelationSpec
from sae_backend.correlation.selectivity import selectivity
from sae_backend.statistics.slide_parts import SlidePart
from sae_backend.studies.framework.result import Progress

Floats = npt.NDArray[np.float64]

_MOST_VALUES: Final = 30_000_000
"""Values of the dimensions that are looked at; of more tiles an even share is taken (360 MB)."""


@dataclass(frozen=True)
class RawEntropies:
    """Dimensions of the embedding as features: `beats` bool (d,), `entropy` (d,) in nats, NaN unless it beats.

    `n_tiles` is how many tiles were looked at.
    """

    beats: npt.NDArray[np.bool_]
    entropy: Floats
    n_tiles: int

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """The arrays by name."""
        return {"beats": self.beats, "entropy": self.entropy}


def raw_entropies(
    parts: Sequence[SlidePart], type_names: Sequence[str], spec: CorrelationSpec, progress: Progress
) -> RawEntropies:
    """Judge dimensions as features are judged: r with each type, family-wise p over all, entropy of those above chance.

    Parameters
    ----------
    parts
        Slides of the held-out half, with vectors; none where some have no vectors.
    type_names
        Of the C columns of the counts.
    spec
        Seeds and draws, those of the features.
    progress
        Takes (stage, done, total).
    """
    used = [part for part in parts if part.valid.any()]
    if not used or any(part.vectors is None for part in used):
        return RawEntropies(np.zeros(0, np.bool_), np.zeros(0), 0)
    width = int(np.asarray(used[0].vectors).shape[1])
    n_tiles = sum(int(part.valid.sum()) for part in used)
    step = max(1, -(-n_tiles * width // _MOST_VALUES))
    dense = [_as_features(part, step) for part in used]
    found = correlate(
        dense, type_names, replace(spec, statistics=(PEARSON,)), lambda a, b: progress("raw dimensions", a, b)
    )
    pairs = found.statistics[PEARSON]
    judged = selectivity(pairs.value, pairs.p_fwer)
    return RawEntropies(judged.beats_null.astype(np.bool_), judged.entropy, found.n_tiles)


def _as_features(part: SlidePart, step: int) -> SlidePart:
    """The part with its vectors in place of its features, every `step`-th usable tile."""
    keep = np.flatnonzero(part.valid)[::step]
    vectors = (
        np.asarray(part.vectors[keep], np.float32)
        if part.vectors is not None
        else np.zeros((0, 0), np.float32)
    )
    finite = np.asarray(np.isfinite(vectors).all(axis=1), np.bool_)
    vectors = np.where(finite[:, None], vectors, np.float32(0))
    n, width = vectors.shape
    columns = sparse.csc_array(
        (
            vectors.T.ravel(),
            np.tile(np.arange(n, dtype=np.int32), width),
            np.arange(width + 1, dtype=np.int64) * n,
        ),
        shape=(n, width),
    )
    return replace(
        part,
        features=columns,
        counts=np.asarray(part.counts)[keep],
        valid=finite,
        rows=part.rows[keep],
        cols=part.cols[keep],
        measures={},
        vectors=None,
    )


@dataclass(frozen=True)
class EntropyContrast:
    """Entropies of features beside those of dimensions.

    Attributes
    ----------
    n_features, n_dimensions
        How many of each beat the null and have an entropy.
    median_features, median_dimensions
        In nats; NaN without any.
    effect
        Rank-biserial correlation: the share of pairs in which the feature's entropy is lower, less that in which it is
        higher; above 0 the features are the more selective ones. NaN without pairs.
    p
        Of the two-sided Mann-Whitney test. Its unit is the feature: it says how clearly the two lists differ, and
        nothing about other patients. NaN with fewer than two of either.
    """

    n_features: int
    n_dimensions: int
    median_features: float
    median_dimensions: float
    effect: float
    p: float

    def row(self) -> Floats:
        """All as numbers, in the order of the fields (6,)."""
        return np.array([float(value) for value in vars(self).values()])


def entropy_contrast(features: Floats, dimensions: Floats) -> EntropyContrast:
    """Compare two lists of entropies (n,) and (m,); NaN are left out (Mann and Whitney 1947)."""
    a, b = features[np.isfinite(features)], dimensions[np.isfinite(dimensions)]
    effect = p = np.nan
    if a.size and b.size:
        found = stats.mannwhitneyu(a, b)
        effect = 1 - 2 * float(found.statistic) / (a.size * b.size)
        p = float(found.pvalue) if min(a.size, b.size) > 1 else np.nan
    medians = [float(np.median(each)) if each.size else np.nan for each in (a, b)]
    return EntropyContrast(a.size, b.size, medians[0], medians[1], effect, p)
