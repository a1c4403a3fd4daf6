"""Features and counts of several slides, checked and brought into one order of tiles."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy import sparse

from sae_backend.errors import MismatchError, UserInputError
from sae_backend.statistics.resampling_units import Clusters, TilePlaces, form_clusters

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class SlidePart:
    """Features and counts on the tiles of one slide.

    Parameters
    ----------
    features
        Activations, sparse float32 (N, F).
    counts
        Cells per tile and type, or any other number of a tile (N, C).
    valid
        Which tiles may be used, bool (N,).
    rows, cols
        Places on the tile grid, int32 (N,).
    tile_um
        Step of the grid in um.
    slide
        Name of the slide; parts of the same name belong to one slide.
    patient
        Its patient, empty where unknown.
    facts
        What is known of the whole slide, such as `site`, `scanner` and `organ`.
    measures
        Numbers of each tile beside the counts, such as `tissue` and `haematoxylin`, float (N,).
    vectors
        Embeddings (N, D) that the features were made from, for the baselines; None without.
    """

    features: sparse.csc_array
    counts: npt.NDArray[Any]
    valid: npt.NDArray[np.bool_]
    rows: npt.NDArray[np.int32]
    cols: npt.NDArray[np.int32]
    tile_um: float
    slide: str
    patient: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)
    measures: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)
    vectors: npt.NDArray[Any] | None = None

    @property
    def n_features(self) -> int:
        """Number of features, F."""
        return int(self.features.shape[1])

    @property
    def n_tiles(self) -> int:
        """Number of tiles, N, usable or not."""
        return int(self.features.shape[0])

    def only(self, tiles: npt.NDArray[np.bool_]) -> SlidePart:
        """The same part with no other than these tiles (N,) valid."""
        return replace(self, valid=self.valid & tiles)


@dataclass(frozen=True)
class AssembledTiles:
    """The usable tiles of all parts, sorted by cluster and within it by slide.

    `columns` (N, F) are the features, `counts` float64 (N, C); `parts` and `kept` say where each row
    came from.
    """

    columns: FeatureColumns
    counts: Floats
    clusters: Clusters
    parts: tuple[SlidePart, ...]
    kept: tuple[Ints, ...]
    notes: tuple[str, ...]

    @property
    def n_rows(self) -> int:
        """Number of tiles, N."""
        return self.columns.n_rows

    def gather(self, arrays: Sequence[npt.NDArray[Any]]) -> npt.NDArray[Any]:
        """One array per part, (N_part, ...), as one array (N, ...) in the order of the rows."""
        chosen = [array[keep] for array, keep in zip(arrays, self.kept, strict=True)]
        return np.concatenate(chosen)[self.clusters.order]

    def alike(self, facts: Sequence[str]) -> Ints:
        """Number the units (K,): those whose slides agree in these facts share a number."""
        clusters = self.clusters
        slides = list({part.slide: part for part in self.parts}.values())
        seen: list[set[tuple[str, ...]]] = [set() for _ in range(clusters.n_clusters)]
        for unit, slide in zip(clusters.segment_cluster, clusters.segment_slide, strict=True):
            seen[unit].add(tuple(slides[slide].facts.get(name, "") for name in facts))
        keys = [frozenset(each) for each in seen]
        numbers = {key: number for number, key in enumerate(dict.fromkeys(keys))}
        return np.array([numbers[key] for key in keys], np.int64)


def assemble(
    parts: Sequence[SlidePart], n_types: int, block_um: float, cluster: str = "auto"
) -> AssembledTiles:
    """Drop unusable tiles and sort the others into units; see :func:`form_clusters`.

    Raises
    ------
    MismatchError
        If the parts do not belong together.
    UserInputError
        If there are no parts, or the unit cannot be used.
    """
    if not parts:
        raise UserInputError("There is no slide to correlate.", "Analyse a slide and import its cells first.")
    if len({part.features.shape[1] for part in parts}) > 1:
        raise MismatchError("The slides have different numbers of features.", "Encode all with the same SAE.")
    names = list(dict.fromkeys(part.slide for part in parts))
    ordered = sorted(parts, key=lambda part: names.index(part.slide))
    kept = []
    n_broken = 0
    for part in ordered:
        usable = _finite_tiles(part, n_types)
        n_broken += int((part.valid & ~usable).sum())
        kept.append(np.flatnonzero(part.valid & usable))
    places = [_places(ordered, kept, name) for name in names]
    clusters = form_clusters(places, block_um, cluster)
    counts = [np.asarray(part.counts, np.float64)[keep] for part, keep in zip(ordered, kept, strict=True)]
    return AssembledTiles(
        columns=FeatureColumns([part.features for part in ordered], kept, clusters.order),
        counts=np.concatenate(counts)[clusters.order],
        clusters=clusters,
        parts=tuple(ordered),
        kept=tuple(kept),
        notes=(f"{n_broken:,} tiles with values that are not finite were left out.",) if n_broken else (),
    )


def _finite_tiles(part: SlidePart, n_types: int) -> npt.NDArray[np.bool_]:
    n = part.n_tiles
    lengths = {len(part.valid), len(part.rows), len(part.cols), *map(len, part.measures.values())}
    if part.vectors is not None:
        lengths.add(len(part.vectors))
    if part.counts.shape != (n, n_types) or lengths != {n}:
        raise MismatchError(
            f"Features, counts and tiles of {part.slide} do not match.", "Count its cells again on this grid."
        )
    usable = np.ones(n, np.bool_)
    usable[~np.isfinite(np.asarray(part.counts, np.float64)).all(axis=1)] = False
    usable[part.features.indices[~np.isfinite(part.features.data)]] = False
    return usable


def _places(parts: Sequence[SlidePart], kept: Sequence[Ints], name: str) -> TilePlaces:
    mine = [(part, keep) for part, keep in zip(parts, kept, strict=True) if part.slide == name]
    if len({part.tile_um for part, _ in mine}) > 1:
        raise MismatchError(f"The parts of {name} have tiles of different sizes.", "Use one grid a slide.")
    if len({part.patient for part, _ in mine}) > 1:
        raise MismatchError(f"The parts of {name} name different patients.", "A slide has one patient.")
    return TilePlaces(
        rows=np.concatenate([part.rows[keep] for part, keep in mine]).astype(np.int64),
        cols=np.concatenate([part.cols[keep] for part, keep in mine]).astype(np.int64),
        tile_um=mine[0][0].tile_um,
        patient=mine[0][0].patient,
    )


_SPAN_VALUES: Final = 600_000


class FeatureColumns:
    """Kept tiles of all parts, in a given order of rows.

    Parameters
    ----------
    features
        Activations of each part, sparse (N_part, F).
    kept
        Tiles of each part that are used, ascending.
    order
        Row r is the tile number `order[r]`, counted through the kept tiles of all parts.
    """

    def __init__(self, features: Sequence[sparse.csc_array], kept: Sequence[Ints], order: Ints) -> None:
        self._features = features
        self.n_rows = int(order.size)
        self.n_features = int(features[0].shape[1])
        position = np.empty(order.size, np.int64)
        position[order] = np.arange(order.size)
        self._row_of: list[Ints] = []
        first = 0
        for part, keep in zip(features, kept, strict=True):
            row_of = np.full(part.shape[0], -1, np.int64)
            row_of[keep] = position[first : first + keep.size]
            self._row_of.append(row_of)
            first += keep.size

    def spans(self, max_width: int) -> Iterator[tuple[int, int]]:
        """Spans [a, b) of columns that hold few enough values to work on at once."""
        per_column = np.sum([np.diff(part.indptr) for part in self._features], axis=0)
        before = np.concatenate([[0], np.cumsum(per_column)])
        a = 0
        while a < self.n_features:
            fits = int(np.searchsorted(before, before[a] + _SPAN_VALUES, side="right")) - 1
            b = min(max(fits, a + 1), a + max_width, self.n_features)
            yield a, b
            a = b

    def block(self, a: int, b: int) -> sparse.csc_array:
        """Columns [a, b) as float64 (n_rows, b - a).

        A column without any zero is given less its mean, which keeps digits where it varies little.
        """
        rows, cols, data = [], [], []
        for part, row_of in zip(self._features, self._row_of, strict=True):
            start, stop = int(part.indptr[a]), int(part.indptr[b])
            row = row_of[part.indices[start:stop]]
            used = row >= 0
            rows.append(row[used])
            cols.append(np.repeat(np.arange(b - a), np.diff(part.indptr[a : b + 1]))[used])
            data.append(part.data[start:stop][used].astype(np.float64))
        column, value = np.concatenate(cols), np.concatenate(data)
        n_stored = np.bincount(column, minlength=b - a)
        full = n_stored == max(self.n_rows, 1)
        if full.any():
            mean = np.bincount(column, value, minlength=b - a) / max(self.n_rows, 1)
            value -= np.where(full, mean, 0.0)[column]
        place = (np.concatenate(rows), column)
        return sparse.csc_array(sparse.coo_array((value, place), shape=(self.n_rows, b - a)))

    def activity(self) -> tuple[Ints, npt.NDArray[np.bool_]]:
        """Tiles with a value other than zero, int64 (F,), and which columns are constant, bool (F,)."""
        n_active = np.zeros(self.n_features, np.int64)
        low, high = np.full(self.n_features, np.inf), np.full(self.n_features, -np.inf)
        for part, row_of in zip(self._features, self._row_of, strict=True):
            column = np.repeat(np.arange(self.n_features), np.diff(part.indptr))
            used = (row_of[part.indices] >= 0) & (part.data != 0)
            column, value = column[used], np.asarray(part.data[used], np.float64)
            n_active += np.bincount(column, minlength=self.n_features)
            np.minimum.at(low, column, value)
            np.maximum.at(high, column, value)
        some_zero = n_active < self.n_rows
        return n_active, (n_active == 0) | (~some_zero & (low == high))
