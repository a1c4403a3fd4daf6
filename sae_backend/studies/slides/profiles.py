"""Each slide as one row of numbers: how strongly, how often and how strongly at best each feature fires on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from sae_backend.studies.framework.inputs import FeatureSet
from sae_backend.studies.framework.result import Progress

Single = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]

MEASURES: Final = ("mean", "rate", "top")
"""Mean activation over all usable tiles; share of them in which the feature fires; mean over the tenth of them in
which it is strongest."""

_TOP: Final = 0.1


@dataclass(frozen=True)
class Profiles:
    """Profiles of S slides, float32 (S, F) each, NaN for a slide without a usable tile; `n_tiles` (S,)."""

    mean: Single
    rate: Single
    top: Single
    n_tiles: npt.NDArray[np.int64]

    def of(self, measure: str) -> Single:
        """The profile by one of `MEASURES`."""
        return {"mean": self.mean, "rate": self.rate, "top": self.top}[measure]


def profile_slides(some: FeatureSet, progress: Progress) -> Profiles:
    """Profile every slide of a set, one after the other."""
    n_slides, n_features = len(some.features), some.n_features
    out = np.full((3, n_slides, n_features), np.nan, np.float32)
    n_tiles = np.zeros(n_slides, np.int64)
    for k, (features, valid) in enumerate(zip(some.features, some.valid, strict=True)):
        progress("profile slides", k, n_slides)
        n = n_tiles[k] = int(valid.sum())
        if n == 0:
            continue
        column = np.repeat(np.arange(n_features), np.diff(features.indptr))
        used = valid[features.indices] & (features.data != 0)
        column, value = column[used], np.asarray(features.data[used], np.float64)
        out[0, k] = np.bincount(column, value, n_features) / n
        out[1, k] = np.bincount(column, minlength=n_features) / n
        out[2, k] = _top_mean(column, value, n_features, max(1, round(_TOP * n)))
    progress("profile slides", n_slides, n_slides)
    return Profiles(out[0], out[1], out[2], n_tiles)


def _top_mean(column: npt.NDArray[np.intp], value: Floats, n_features: int, most: int) -> Floats:
    """Mean of the `most` largest values of each column, tiles in which it is silent counting as 0."""
    order = np.lexsort((-value, column))
    column, value = column[order], value[order]
    first = np.searchsorted(column, np.arange(n_features))
    rank = np.arange(column.size) - first[column]
    among = rank < most
    return np.asarray(np.bincount(column[among], value[among], n_features) / most, np.float64)


def by_unit(values: Single, units: Sequence[str]) -> tuple[list[str], Floats]:
    """Mean profile of each patient over the slides that have one: names (P,) and float64 (P, F).

    Every slide of a patient counts the same, however large it is.
    """
    known: npt.NDArray[np.bool_] = np.asarray(np.isfinite(values).all(axis=1))
    names = list(dict.fromkeys(unit for unit, is_known in zip(units, known, strict=True) if is_known))
    out = np.zeros((len(names), values.shape[1]))
    for p, name in enumerate(names):
        mine = [k for k, unit in enumerate(units) if unit == name and known[k]]
        out[p] = values[mine].mean(axis=0, dtype=np.float64)
    return names, out


def similarity(values: Single) -> Floats:
    """Cosine of the profiles of all slides with one another (S, S), NaN for slides without a profile.

    Each feature is first centred and scaled over the slides, so that features that fire much do not decide alone.
    """
    known = np.isfinite(values).all(axis=1)
    x = values[known].astype(np.float64)
    spread = x.std(axis=0)
    x = (x - x.mean(axis=0)) / np.where(spread > 1e-12, spread, np.inf)
    length = np.linalg.norm(x, axis=1, keepdims=True)
    x = x / np.where(length > 0, length, 1)
    out = np.full((values.shape[0], values.shape[0]), np.nan)
    out[np.ix_(known, known)] = x @ x.T
    return out


def plane(values: Single) -> tuple[Floats, Floats]:
    """First two principal components of the scaled profiles (S, 2), and their share of the variance (2,)."""
    known = np.isfinite(values).all(axis=1)
    x = values[known].astype(np.float64)
    spread = x.std(axis=0)
    x = (x - x.mean(axis=0)) / np.where(spread > 1e-12, spread, np.inf)
    out, share = np.full((values.shape[0], 2), np.nan), np.zeros(2)
    if x.shape[0] < 3 or not x.any():
        return out, share
    u, s, _ = np.linalg.svd(x, full_matrices=False)
    # The sign of a component is free: the largest entry is positive, so that a plot does not flip.
    scores = u[:, :2] * s[:2]
    scores *= np.sign(scores[np.abs(scores).argmax(axis=0), [0, 1]])
    out[known] = scores
    return out, np.asarray(s[:2] ** 2 / (s**2).sum(), np.float64)
