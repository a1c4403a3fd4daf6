"""What a study of geometry stored, as values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from sae_backend.studies.framework.result import StudyResult
from sae_backend.studies.framework.typed import typed, under
from sae_backend.studies.geometry.absorption import Presence
from sae_backend.studies.geometry.cluster_cells import ClusterCells
from sae_backend.studies.geometry.feature_pairs import FeaturePairs, MergeGroup

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

COACTIVATION, DIRECTIONS = "coactivation", "directions"
TITLES: Final = {COACTIVATION: "co-activation", DIRECTIONS: "direction"}


@dataclass(frozen=True)
class ClusterFindings:
    """C clusters of the features.

    Attributes
    ----------
    kind
        `coactivation` or `directions`.
    cut
        Mean similarity down to which clusters were merged.
    labels, members
        Cluster of each feature (F,), -1 for none; and the features of each cluster, those that fire most first.
    cohesion, held_out, stability, p, is_stable
        Mean similarity where they were found and held out, stability, p, and whether both speak for it (C,).
    chance
        Stability of clusters of exchanged features.
    cells
        What each follows, and its tiles.
    between
        Mean r between the members of the largest ones.
    in_seeds
        Largest Jaccard index with a cluster of each other SAE (S, C), None without one.
    """

    kind: str
    cut: float
    labels: Ints
    members: list[Ints]
    cohesion: Floats
    held_out: Floats
    stability: Floats
    p: Floats
    is_stable: Bools
    chance: Floats
    cells: ClusterCells
    between: Floats
    in_seeds: Floats | None = None

    def stable(self, least: float) -> Bools:
        """Which are stable, and of this stability at least (C,)."""
        return np.asarray(self.is_stable & (np.nan_to_num(self.stability) >= least), np.bool_)

    @property
    def is_by_firing(self) -> bool:
        """Whether it is by the tiles in which features fire."""
        return self.kind == COACTIVATION


@dataclass(frozen=True)
class GeometryFindings:
    """What was found of F features.

    Attributes
    ----------
    title
        Of the SAE.
    n_features, n_live, n_slides, n_patients
        Numbers; `n_live` take part.
    n_tiles, n_tiles_clustered, n_units, unit
        Tiles and units of the discovery and held-out halves, tiles that made the clusters, and what a unit is.
    held_out, halves_unit
        Whether a half reports that did not choose, and what is on either.
    type_names, slide_names
        Cell types and slides.
    dissolved, n_scrambled
        Stability up to which a cluster has dissolved; sets of exchanged features.
    arrangement, n_exchanged, n_seed_sets
        How and how often units were exchanged; other SAEs that clusters were looked for in.
    plane, xy
        What the map is, and the places of the features (F, 2).
    min_active, n_null, n_resamples, share
        Settings.
    warnings
        What has to be known.
    clusters
        By kind.
    kinds, pairs, present
        What pairs can be, the pairs that are listed, and how often the parent's direction is there.
    merge
        Groups that are proposed for one concept.
    """

    title: str
    n_features: int
    n_live: int
    n_slides: int
    n_patients: int
    n_tiles: tuple[int, int]
    n_tiles_clustered: int
    n_units: tuple[int, int]
    unit: str
    held_out: bool
    halves_unit: str
    type_names: Sequence[str]
    slide_names: Sequence[str]
    dissolved: float
    n_scrambled: int
    arrangement: str
    n_exchanged: int
    n_seed_sets: int
    plane: str
    xy: Floats
    min_active: int
    n_null: int
    n_resamples: int
    share: float
    warnings: Sequence[str]
    clusters: Mapping[str, ClusterFindings]
    kinds: Sequence[str]
    pairs: FeaturePairs
    present: Presence
    merge: Sequence[MergeGroup]

    @classmethod
    def of(cls, result: StudyResult) -> GeometryFindings:
        """Read back what was stored."""
        arrays, meta = result.arrays, result.meta
        pairs = under(arrays, "pair")
        return typed(
            cls,
            # Runs of earlier versions clustered all tiles.
            {"n_tiles_clustered": meta["n_tiles"][0], **meta},
            meta["settings"],
            arrays,
            plane=meta["plane"],
            clusters={kind: _clusters(result, kind) for kind in TITLES if f"{kind}/labels" in arrays},
            pairs=typed(FeaturePairs, pairs, n_found=meta["n_pairs_found"]),
            present=typed(Presence, pairs),
            merge=[typed(MergeGroup, group) for group in meta["merge"]],
        )


def _clusters(result: StudyResult, kind: str) -> ClusterFindings:
    arrays, n_active = under(result.arrays, kind), result.arrays["n_active"]
    labels = arrays["labels"]
    each = [np.flatnonzero(labels == k) for k in range(int(labels.max(initial=-1)) + 1)]
    return typed(
        ClusterFindings,
        arrays,
        kind=kind,
        cut=result.meta["cut"][kind],
        members=[mine[np.argsort(-n_active[mine], kind="stable")] for mine in each],
        cells=typed(ClusterCells, arrays),
    )
