"""What the study of geometry writes down: arrays over features, clusters and pairs, and everything in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy import sparse

from sae_backend.studies.framework.inputs import StudyInput
from sae_backend.studies.geometry.absorption import Presence
from sae_backend.studies.geometry.cluster_cells import ClusterCells
from sae_backend.studies.geometry.cluster_stability import DISSOLVED, N_SCRAMBLED, JudgedClusters
from sae_backend.studies.geometry.feature_pairs import KINDS, FeaturePairs, merge_groups
from sae_backend.studies.methods.matching.cross_products import Columns
from sae_backend.studies.methods.matching.shared_tiles import SharedTiles

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class GeometrySettings:
    """Settings as the registry has them.

    Attributes
    ----------
    seed
        Decides all draws.
    min_active
        A feature that fires in fewer tiles of the discovery half takes no part.
    n_null, n_resamples, n_boot
        Draws of chance, of patients or features for the stability, and of the bootstrap.
    least_r
        Clusters are never merged below this mean r or cosine.
    share
        Share of the tiles of one feature in which the other has to fire for a duplicate or split.
    same_cosine
        Cosine of the same direction.
    plane
        `umap`, or `pca` for principal components.
    """

    seed: int
    min_active: int
    n_null: int
    n_resamples: int
    n_boot: int
    least_r: float
    share: float
    same_cosine: float
    plane: str

    @classmethod
    def of(cls, spec: Mapping[str, Any]) -> GeometrySettings:
        """Take them from the settings of a study."""
        return cls(
            seed=int(spec["seed"]),
            min_active=int(spec["min_active"]),
            n_null=int(spec["n_null"]),
            n_resamples=int(spec["n_resamples"]),
            n_boot=int(spec["n_boot"]),
            least_r=float(spec["least_r"]),
            share=float(spec["share"]),
            same_cosine=float(spec["same_cosine"]),
            plane=str(spec["plane"]),
        )


@dataclass(frozen=True)
class LiveFeatures:
    """Features that take part, on both halves: numbers (F,), activations and firing.

    `rows` are the tiles of the discovery half from which clusters by firing and chance are made (n,): all, or some
    of them evenly spread where they are many.
    """

    numbers: Ints
    halves: tuple[SharedTiles, SharedTiles]
    columns: tuple[Columns, Columns]
    firing: tuple[Columns, Columns]
    directions: npt.NDArray[np.float32] | None
    rows: Ints


def widened(values: npt.NDArray[Any], empty: Any, size: int, at: Ints) -> npt.NDArray[Any]:
    """Values of some features (n, ...) at their places `at` among all (size, ...), the others `empty`."""
    whole = np.full((size, *values.shape[1:]), empty, values.dtype)
    whole[at] = values
    return whole


def answer_arrays(
    inputs: StudyInput,
    live: LiveFeatures,
    clusters: tuple[JudgedClusters, JudgedClusters | None],
    cells: list[ClusterCells],
    found: tuple[FeaturePairs, Presence],
) -> dict[str, npt.NDArray[Any]]:
    """Arrays of the result by name.

    Parameters
    ----------
    inputs, live
        What the study was given, and the features that take part.
    clusters
        By co-activation and by direction, None without a decoder.
    cells
        Of the clusters that there are, in the same order.
    found
        Pairs, and how often the parent's direction is there.
    """
    n = inputs.sets[0].n_features
    arrays: dict[str, npt.NDArray[Any]] = {
        "is_live": widened(np.ones(live.numbers.size, np.bool_), False, n, live.numbers),
        "n_active": widened(live.firing[0].n_active, 0, n, live.numbers),
    }
    named = [
        (name, each) for name, each in zip(("coactivation", "directions"), clusters, strict=True) if each
    ]
    for (name, each), described in zip(named, cells, strict=True):
        arrays[f"{name}/labels"] = widened(each.labels, -1, n, live.numbers)
        for key in ("cohesion", "held_out", "stability", "p", "chance", "is_stable"):
            arrays[f"{name}/{key}"] = getattr(each, key)
        for key, values in vars(described).items():
            arrays[f"{name}/{key}"] = values
        arrays[f"{name}/between"] = _between(live.columns[1], each.labels)
    pairs, present = found
    for key, values in vars(pairs).items():
        if isinstance(values, np.ndarray):
            arrays[f"pair/{key}"] = live.numbers[values] if key in ("child", "parent") else values
    arrays["pair/beside_child"], arrays["pair/elsewhere"] = present.beside_child, present.elsewhere
    return arrays


_MOST_BETWEEN: Final = 60


def _between(columns: Columns, labels: Ints) -> Floats:
    """Mean r between the members of the largest clusters on the held-out half, at most (60, 60)."""
    n = min(int(labels.max(initial=-1)) + 1, _MOST_BETWEEN)
    chosen = np.flatnonzero((labels >= 0) & (labels < n))
    some, mine = columns.only(chosen), labels[chosen]
    mean, scale = some.mean_and_scale(np.ones(some.n_rows))
    # Sums of standardised activations by cluster; their products are sums of r over all pairs.
    member = sparse.csc_array(
        sparse.coo_array((scale, (np.arange(chosen.size), mine)), shape=(chosen.size, n))
    )
    sums = np.asarray((some.by_tile @ member).toarray())
    sums -= np.bincount(mine, mean * scale, minlength=n)
    table = sums.T @ sums
    sizes = np.bincount(mine, minlength=n).astype(np.float64)
    varied = np.bincount(mine, scale > 0, minlength=n)
    own = np.arange(n)
    found = table / np.outer(sizes, sizes)
    found[own, own] = (table[own, own] - varied) / np.maximum(sizes * (sizes - 1), 1)
    return np.asarray(found, np.float64)


def answer_meta(
    inputs: StudyInput,
    live: LiveFeatures,
    settings: GeometrySettings,
    clusters: tuple[JudgedClusters, JudgedClusters | None],
    pairs: FeaturePairs,
) -> dict[str, Any]:
    """Names, numbers, settings and warnings of the result; parameters as of `answer_arrays`."""
    some, halves = inputs.sets[0], inputs.halves
    together, aligned = clusters
    units = live.halves[1].clusters
    notes = [*live.halves[0].clusters.notes, *units.notes]
    if halves is None:
        notes.insert(0, "Nothing was held out: clusters and pairs were found and judged on the same tiles.")
    if some.decoder is None:
        notes.append("The directions of the features are not known: only their activations were compared.")
    if not live.halves[0].clusters.can_judge:
        notes.append("Too few patients, slides or blocks to draw again: no cluster is called stable.")
    groups = merge_groups(pairs, live.numbers)
    return {
        "title": some.title,
        "encoder": some.model.get("encoder"),
        "layer": some.model.get("layer"),
        "is_control": bool(some.model.get("is_control")),
        "n_features": some.n_features,
        "n_live": int(live.numbers.size),
        "n_slides": len(inputs.slides),
        "slide_names": [slide.name for slide in inputs.slides],
        "n_patients": len({slide.unit for slide in inputs.slides}),
        "n_tiles": [tiles.n_rows for tiles in live.halves],
        "n_tiles_clustered": int(live.rows.size),
        "n_units": [tiles.clusters.n_clusters for tiles in live.halves],
        "unit": units.unit,
        "held_out": halves is not None,
        "halves_unit": None if halves is None else halves.unit,
        "type_names": list(inputs.type_names),
        "cut": {"coactivation": together.cut, "directions": None if aligned is None else aligned.cut},
        "dissolved": DISSOLVED,
        "n_scrambled": N_SCRAMBLED,
        "kinds": list(KINDS),
        "n_pairs_found": pairs.n_found,
        "merge": [{"kind": g.kind, "features": list(g.features), "reason": g.reason} for g in groups],
        "settings": dict(vars(settings)),
        "warnings": list(dict.fromkeys(notes)),
    }


def plain(value: float) -> float | None:
    """Give a number as JSON can hold it: None where it is not finite."""
    return float(value) if np.isfinite(value) else None
