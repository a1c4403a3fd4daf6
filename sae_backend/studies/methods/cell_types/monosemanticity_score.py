"""Are the tiles in which a feature fires alike, in the eyes of an encoder that has nothing to do with it?

No label is asked: a feature of something that no cell type stands for can be of one meaning, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy import sparse

from sae_backend.studies.framework.inputs import StudyInput
from sae_backend.studies.framework.result import Progress

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

MIN_FIRING: Final = 10
"""With fewer tiles in which it fires a feature has no score."""

_BLOCK_VALUES: Final = 6_000_000
_TILES: Final = 8192


@dataclass(frozen=True)
class Alikeness:
    """Monosemanticity scores (Pach et al. 2025, arXiv 2504.02821) of W columns.

    With a the activations scaled to 0 to 1 and cos the cosine of the judging encoder's vectors, the score is
    sum a_i a_j cos_ij / sum a_i a_j over pairs of different tiles i and j.

    Attributes
    ----------
    score
        Over all pairs (W,), NaN where a column fires in fewer than `MIN_FIRING` tiles or has no pair.
    between
        Over pairs of tiles of different patients (W,): what one patient alone looks like does not count.
    chance
        `score` when the judging vectors are those of another patient's tiles (W,).
    """

    score: Floats
    between: Floats
    chance: Floats

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """The arrays by name."""
        return dict(vars(self))


@dataclass(frozen=True)
class Judged:
    """Scores of the features and of the raw dimensions of one set.

    `all_pairs` and `all_between` are the mean cosine of all pairs of tiles, and of those of different patients: what a
    column without any choice would score. `n_tiles` is how many were looked at.
    """

    features: Alikeness
    dimensions: Alikeness | None
    all_pairs: float
    all_between: float
    n_tiles: int


def alikeness(inputs: StudyInput, number: int, judge: int, progress: Progress) -> Judged:
    """Score all features of one set, and its dimensions, with the vectors of another encoder.

    Sums of weighted unit vectors stand for the sums over pairs, so time and memory grow with tiles, not with pairs.

    Parameters
    ----------
    inputs
        Slides and sets; the judging set has vectors of all slides.
    number, judge
        Of the set, and of the set whose encoder judges.
    progress
        Takes (stage, done, total).
    """
    seen = _Seen(inputs, number, judge)
    n_features, d = inputs.sets[number].n_features, seen.width
    width = max(1, _BLOCK_VALUES // max(d, 1))
    n_blocks = -(-n_features // width)
    raw_width = seen.raw_width
    total = n_blocks + (1 if raw_width else 0) + 1
    found = []
    for block in range(n_blocks):
        columns = slice(block * width, min((block + 1) * width, n_features))
        low = seen.lowest(columns, partial(progress, "alike", block, total))
        found.append(
            _scored(
                seen,
                lambda k, tiles, c=columns, m=low: seen.features(k, tiles, c, m),
                low.size,
                lambda b=block: progress("alike", b, total),
            )
        )
    features = Alikeness(
        *(np.concatenate(values) for values in zip(*(vars(each).values() for each in found), strict=True))
    )
    dimensions = None
    if raw_width:
        ends = seen.raw_ends(lambda: progress("alike", n_blocks, total))
        dimensions = _scored(
            seen,
            lambda k, tiles: seen.dimensions(k, tiles, ends),
            raw_width,
            lambda: progress("alike", n_blocks, total),
        )
    ones = _scored(
        seen, lambda _k, tiles: np.ones((tiles.size, 1)), 1, lambda: progress("alike", total - 1, total)
    )
    progress("alike", total, total)
    return Judged(features, dimensions, float(ones.score[0]), float(ones.between[0]), seen.n_tiles)


class _Seen:
    """The tiles that both encoders have seen."""

    def __init__(self, inputs: StudyInput, number: int, judge: int) -> None:
        self._given, self._some, self._judge = inputs, inputs.sets[number], inputs.sets[judge]
        self.tiles = [self._usable(k) for k in range(len(inputs.slides))]
        self.n_tiles = sum(tiles.size for tiles in self.tiles)
        patients = [slide.unit for slide in inputs.slides]
        self.by_patient = [
            [k for k, name in enumerate(patients) if name == patient and self.tiles[k].size]
            for patient in dict.fromkeys(patients)
        ]
        self.by_patient = [slides for slides in self.by_patient if slides]
        self._partner = self._partners()

    @property
    def width(self) -> int:
        """Dimensions of the judging vectors."""
        vectors = self._judge.vectors[0]
        return 0 if vectors is None else int(vectors.shape[1])

    @property
    def raw_width(self) -> int:
        """Dimensions of the set's own vectors, 0 where some are missing."""
        if any(vectors is None for vectors in self._some.vectors):
            return 0
        return int(np.asarray(self._some.vectors[0]).shape[1])

    def _usable(self, k: int) -> npt.NDArray[np.int64]:
        valid = np.asarray(self._some.valid[k], np.bool_) & np.asarray(self._judge.valid[k], np.bool_)
        return np.flatnonzero(valid)

    def _partners(self) -> dict[int, int]:
        """For each slide one of the next patient; itself where there is one patient."""
        found: dict[int, int] = {}
        for place, slides in enumerate(self.by_patient):
            others = self.by_patient[(place + 1) % len(self.by_patient)]
            found |= {k: others[i % len(others)] for i, k in enumerate(slides)}
        return found

    def judging(self, k: int, chosen: npt.NDArray[np.int64]) -> tuple[Floats, Floats]:
        """Unit vectors of tiles (places among the usable ones) of a slide, and of tiles at like places elsewhere."""
        other = self._partner[k]
        n, m = self.tiles[k].size, self.tiles[other].size
        away = chosen * m // n if other != k else (chosen + n // 2) % n
        return self._units(k, self.tiles[k][chosen]), self._units(other, self.tiles[other][away])

    def _units(self, k: int, tiles: npt.NDArray[np.int64]) -> Floats:
        vectors = self._judge.vectors[k]
        assert vectors is not None
        found = np.nan_to_num(np.asarray(vectors[tiles], np.float64))
        length = np.linalg.norm(found, axis=1, keepdims=True)
        return np.asarray(found / np.where(length > 0, length, 1))

    def lowest(self, columns: slice, check_cancelled: Callable[[], None]) -> Floats:
        """Least activation of each column over all used tiles; 0 unless it fires in all of them."""
        n, low = np.zeros(columns.stop - columns.start), np.full(columns.stop - columns.start, np.inf)
        for k, tiles in enumerate(self.tiles):
            check_cancelled()
            block = sparse.csr_array(self._some.features[k][:, columns])[tiles]
            n += np.bincount(block.indices, minlength=low.size)
            np.minimum.at(low, block.indices, block.data)
        return np.where(n == self.n_tiles, low, 0.0)

    def features(
        self, k: int, chosen: npt.NDArray[np.int64], columns: slice, low: Floats
    ) -> sparse.csr_array:
        """Activations of tiles, less the least of each column; the scale drops out of the score."""
        block = sparse.csr_array(self._some.features[k][:, columns]).astype(np.float64)[self.tiles[k][chosen]]
        block.data -= low[block.indices]
        return sparse.csr_array(block)

    def raw_ends(self, check_cancelled: Callable[[], None]) -> Floats:
        """Least and largest value of each dimension (2, d)."""
        ends = np.stack([np.full(self.raw_width, np.inf), np.full(self.raw_width, -np.inf)])
        for k, tiles in enumerate(self.tiles):
            for a in range(0, tiles.size, _TILES):
                check_cancelled()
                values = self._raw(k, tiles[a : a + _TILES])
                ends = np.stack([np.fmin(ends[0], values.min(axis=0)), np.fmax(ends[1], values.max(axis=0))])
        return ends

    def dimensions(self, k: int, chosen: npt.NDArray[np.int64], ends: Floats) -> Floats:
        """Dimensions scaled to 0 to 1."""
        spread = ends[1] - ends[0]
        return np.asarray((self._raw(k, self.tiles[k][chosen]) - ends[0]) / np.where(spread > 0, spread, 1))

    def _raw(self, k: int, tiles: npt.NDArray[np.int64]) -> Floats:
        vectors = self._some.vectors[k]
        assert vectors is not None
        return np.nan_to_num(np.asarray(vectors[tiles], np.float64))

    def pieces(self, k: int) -> Iterator[npt.NDArray[np.int64]]:
        """Places among the usable tiles of a slide, some at a time."""
        n = self.tiles[k].size
        for a in range(0, n, _TILES):
            yield np.arange(a, min(a + _TILES, n))


def _scored(seen: _Seen, columns: Any, n_columns: int, check_cancelled: Any) -> Alikeness:
    """Scores of columns that are asked for by slide and tiles."""
    d = seen.width
    whole, away = np.zeros((n_columns, d)), np.zeros((n_columns, d))
    weight, squares = np.zeros(n_columns), np.zeros(n_columns)
    same, same_weight, firing = np.zeros(n_columns), np.zeros(n_columns), np.zeros(n_columns)
    for slides in seen.by_patient:
        own, own_weight = np.zeros((n_columns, d)), np.zeros(n_columns)
        for k in slides:
            for chosen in seen.pieces(k):
                check_cancelled()
                units, others = seen.judging(k, chosen)
                a = columns(k, chosen)
                own += a.T @ units
                away += a.T @ others
                own_weight += np.asarray(a.sum(axis=0)).ravel()
                squares += np.asarray((a * a).sum(axis=0)).ravel()
                firing += np.asarray((a > 0).sum(axis=0)).ravel()
        same += np.einsum("ij,ij->i", own, own)
        same_weight += own_weight**2
        whole += own
        weight += own_weight
    fine = firing >= MIN_FIRING
    pairs = np.einsum("ij,ij->i", whole, whole)
    return Alikeness(
        score=_ratio(pairs - squares, weight**2 - squares, weight**2, fine),
        between=_ratio(pairs - same, weight**2 - same_weight, weight**2, fine),
        chance=_ratio(np.einsum("ij,ij->i", away, away) - squares, weight**2 - squares, weight**2, fine),
    )


def _ratio(above: Floats, below: Floats, scale: Floats, fine: Bools) -> Floats:
    has = fine & (below > 1e-9 * scale)
    return np.where(has, above / np.where(has, below, 1.0), np.nan)
