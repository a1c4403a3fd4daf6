"""Features and counts of several slides, checked and brought into one order of tiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from sae_backend.blocks import Clusters, TilePlaces, form_clusters
from sae_backend.errors import MismatchError, UserInputError
from sae_backend.feature_columns import FeatureColumns

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class SlidePart:
    """Features and counts on the tiles of one slide.

    Parameters
    ----------
    features
        Activations, sparse float32 (N, F).
    counts
        Cells per tile and type (N, C).
    valid
        Which tiles may be used, bool (N,).
    rows, cols
        Places on the tile grid, int32 (N,).
    tile_um
        Step of the grid in um.
    slide
        Name of the independent unit; parts of the same name belong to one slide.
    """

    features: sparse.csc_array
    counts: npt.NDArray[Any]
    valid: npt.NDArray[np.bool_]
    rows: npt.NDArray[np.int32]
    cols: npt.NDArray[np.int32]
    tile_um: float
    slide: str


@dataclass(frozen=True)
class AssembledTiles:
    """The usable tiles of all parts: `columns` (N, F) and `counts` float64 (N, C), sorted by cluster."""

    columns: FeatureColumns
    counts: npt.NDArray[np.float64]
    clusters: Clusters
    n_slides: int
    notes: tuple[str, ...]


def assemble(parts: Sequence[SlidePart], n_types: int, block_um: float) -> AssembledTiles:
    """Drop unusable tiles and sort the others into slides or into blocks of `block_um`.

    Raises
    ------
    MismatchError
        If the parts do not belong together.
    UserInputError
        If there are no parts.
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
    clusters = form_clusters(places, block_um)
    counts = [np.asarray(part.counts, np.float64)[keep] for part, keep in zip(ordered, kept, strict=True)]
    return AssembledTiles(
        columns=FeatureColumns([part.features for part in ordered], kept, clusters.order),
        counts=np.concatenate(counts)[clusters.order],
        clusters=clusters,
        n_slides=sum(place.rows.size > 0 for place in places),
        notes=(f"{n_broken:,} tiles with values that are not finite were left out.",) if n_broken else (),
    )


def _finite_tiles(part: SlidePart, n_types: int) -> npt.NDArray[np.bool_]:
    n = part.features.shape[0]
    if part.counts.shape != (n, n_types) or {len(part.valid), len(part.rows), len(part.cols)} != {n}:
        raise MismatchError(
            f"Features, counts and tiles of {part.slide} do not match.", "Count its cells again on this grid."
        )
    usable = np.ones(n, np.bool_)
    usable[~np.isfinite(np.asarray(part.counts, np.float64)).all(axis=1)] = False
    usable[part.features.indices[~np.isfinite(part.features.data)]] = False
    return usable


def _places(parts: Sequence[SlidePart], kept: Sequence[Ints], name: str) -> TilePlaces:
    mine = [(part, keep) for part, keep in zip(parts, kept, strict=True) if part.slide == name]
    steps = {part.tile_um for part, _ in mine}
    if len(steps) > 1:
        raise MismatchError(f"The parts of {name} have tiles of different sizes.", "Use one grid a slide.")
    return TilePlaces(
        rows=np.concatenate([part.rows[keep] for part, keep in mine]).astype(np.int64),
        cols=np.concatenate([part.cols[keep] for part, keep in mine]).astype(np.int64),
        tile_um=steps.pop(),
    )
