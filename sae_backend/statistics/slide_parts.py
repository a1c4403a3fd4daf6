"""Features and counts of several slides, checked and brought into one order of tiles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from sae_backend.errors import MismatchError, UserInputError
from sae_backend.statistics.feature_columns import FeatureColumns
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
