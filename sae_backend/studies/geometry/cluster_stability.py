"""Which clusters of features hold: drawn again with other patients, seen on the other half, and set beside chance."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import sparse

from sae_backend.statistics.bootstrap import bootstrap_weights
from sae_backend.statistics.resampling_units import Clusters
from sae_backend.studies.framework.result import Arrays, Checkpoints
from sae_backend.studies.framework.stage import Stage
from sae_backend.studies.geometry.coactivation_chance import scrambled
from sae_backend.studies.geometry.feature_clusters import CoActivation, best_jaccard, find_clusters
from sae_backend.studies.methods.matching.chance_tiles import arrangements
from sae_backend.studies.methods.matching.cross_products import Columns, Laid, centre
from sae_backend.studies.methods.matching.family_chance import LEVEL, family_chance
from sae_backend.studies.methods.matching.shared_tiles import SharedTiles

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

DISSOLVED: Final = 0.5
"""A cluster whose mean Jaccard index is no larger has dissolved (Hennig 2007)."""

N_SCRAMBLED: Final = 5
N_SCRAMBLED_RESAMPLES: Final = 10
_MOST_WAYS: Final = 97


@dataclass(frozen=True)
class JudgedClusters:
    """C clusters of F features.

    Attributes
    ----------
    labels
        Cluster of each feature (F,), -1 for none.
    cut
        Mean similarity down to which clusters were merged.
    cohesion, held_out
        Mean similarity of the pairs of each cluster (C,) where it was found, and on the held-out half.
    stability
        Mean largest Jaccard index over resamples (C,), NaN where nothing can be drawn again.
    p
        Family-wise p of its cohesion (C,), NaN where chance cannot be judged.
    chance
        Stability of all clusters found under chance (n,).
    is_stable
        Whether it did not dissolve, is stabler than every cluster of chance, and p is 0.05 or less (C,).
    """

    labels: Ints
    cut: float
    cohesion: Floats
    held_out: Floats
    stability: Floats
    p: Floats
    chance: Floats
    is_stable: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class StabilitySettings:
    """Resamples of the patients or features, draws of chance, the seed of all, and the cut."""

    n_resamples: int
    n_null: int
    seed: int
    cut: float


def coactivation_clusters(
    halves: tuple[SharedTiles, SharedTiles],
    columns: tuple[Columns, Columns],
    rows: Ints,
    settings: StabilitySettings,
    stage: Stage,
    checkpoints: Checkpoints,
) -> JudgedClusters:
    """Cluster features by the tiles they fire in; on the discovery half, of which the tiles `rows` (n,) are looked at.

    They are found on the discovery half. Stability is Hennig's (2007, Computational Statistics and Data Analysis
    52): patients are drawn again with replacement, the features clustered anew, and the largest Jaccard index with
    any new cluster averaged. Chance for it are the same features, each with its patients exchanged in its own way.
    p is that of the mean r within the cluster on the held-out half, with whole patients exchanged there.
    """
    choose, report = halves
    ways = arrangements(report, settings.n_null, settings.seed + 1)
    few = _few(settings)
    stage.expect(1 + settings.n_resamples + N_SCRAMBLED * (2 + few.n_resamples) + ways.n)
    chosen = columns[0] if rows.size == choose.n_rows else columns[0].rows(rows)
    labels = find_clusters(CoActivation(chosen), settings.cut, stage.check_cancelled)
    stage.step()
    drawn = _Units(choose.clusters, choose.unit[rows])
    stability = _resampled(drawn, chosen, labels, settings, "resample", stage, checkpoints)

    def alone(k: int, order: Ints) -> Columns | None:
        seed = settings.seed + 100 + k
        moves = arrangements(choose, min(_MOST_WAYS, chosen.n_features), seed)
        return None if moves.n == 0 else scrambled(columns[0], moves, rows, order, stage.check_cancelled)

    chance = _chance_stability(drawn, alone, labels, few, stage, checkpoints)
    clustered = np.flatnonzero(labels >= 0)
    some, own = columns[1].only(clustered), labels[clustered]
    held_out = mean_within(some, own)
    draws = np.full((ways.n, held_out.size), np.nan)
    for p in range(ways.n if clustered.size else 0):

        def make(p: int = p) -> Arrays:
            return {"r": mean_within(some, own, ways.laid(p))}

        draws[p] = checkpoints.get(f"within-{p}", make)["r"]
        stage.step()
    p_family = family_chance(held_out, draws).p
    limit = max(DISSOLVED, float(chance.max(initial=0.0)))
    stable = (np.nan_to_num(stability) > limit) & (np.nan_to_num(p_family, nan=1.0) <= LEVEL + 1e-12)
    within = mean_within(columns[0].only(clustered), own)
    return JudgedClusters(
        labels, settings.cut, within, held_out, stability, p_family, chance, np.asarray(stable, np.bool_)
    )


@dataclass(frozen=True)
class _Units:
    """The units that are drawn again, and the unit of each tile that is looked at (n,)."""

    clusters: Clusters
    unit: Ints


def _few(settings: StabilitySettings) -> StabilitySettings:
    """The same with the few resamples that are taken of features under chance."""
    n = min(settings.n_resamples, N_SCRAMBLED_RESAMPLES)
    return StabilitySettings(n, settings.n_null, settings.seed, settings.cut)


def _resampled(
    tiles: _Units,
    columns: Columns,
    labels: Ints,
    settings: StabilitySettings,
    name: str,
    stage: Stage,
    checkpoints: Checkpoints,
) -> Floats:
    n_clusters = int(labels.max(initial=-1)) + 1
    if not tiles.clusters.can_judge or n_clusters == 0 or settings.n_resamples == 0:
        return np.full(n_clusters, np.nan)
    rng = np.random.default_rng([settings.seed, 0xC1])
    weights = bootstrap_weights(tiles.clusters, settings.n_resamples, rng)
    found = []
    for b, drawn in enumerate(weights):
        make = partial(_again, columns, drawn[tiles.unit], settings.cut, stage.check_cancelled)
        found.append(best_jaccard(labels, checkpoints.get(f"{name}-{b}", make)["labels"]))
        stage.step()
    return np.asarray(np.mean(found, axis=0), np.float64)


def _again(columns: Columns, weights: Floats, cut: float, check_cancelled: Callable[[], None]) -> Arrays:
    return {"labels": find_clusters(CoActivation(columns, weights), cut, check_cancelled)}


def _chance_stability(
    tiles: _Units,
    alone: Callable[[int, Ints], Columns | None],
    labels: Ints,
    few: StabilitySettings,
    stage: Stage,
    checkpoints: Checkpoints,
) -> Floats:
    """Stability of all clusters of features that have nothing to do with each other (n,), as `alone` makes them."""
    if not tiles.clusters.can_judge or few.n_null == 0:
        return np.zeros(0)
    # Members of one cluster follow each other, so that no two of them keep their tiles together.
    order = np.argsort(np.where(labels < 0, labels.size, labels), kind="stable")
    found = [np.zeros(0)]
    for k in range(N_SCRAMBLED):
        first = stage.done

        def make(k: int = k) -> Arrays:
            columns = alone(k, order)
            stage.step()
            if columns is None:
                return {"stability": np.zeros(0)}
            own = find_clusters(CoActivation(columns), few.cut, stage.check_cancelled)
            stage.step()
            return {"stability": _resampled(tiles, columns, own, few, "", stage, Checkpoints())}

        found.append(checkpoints.get(f"scrambled-{k}", make)["stability"])
        # Whatever was kept from an earlier run, or had no cluster to draw again.
        stage.reach(first + 2 + few.n_resamples)
    joined = np.concatenate(found)
    return joined[np.isfinite(joined)]


def mean_within(columns: Columns, labels: Ints, laid: Laid | None = None) -> Floats:
    """Mean r over the pairs of different features of each cluster (C,).

    A sum of correlations over all pairs is one correlation of two sums of features; so the cost is that of reading the
    activations once, and not that of all pairs.

    Parameters
    ----------
    columns
        Features (N, F).
    labels
        Cluster of each feature (F,), -1 for none.
    laid
        Moves the tiles of the second feature of a pair; None leaves them.
    """
    n = int(labels.max(initial=-1)) + 1
    member = np.flatnonzero(labels >= 0)
    c = centre(columns, columns, laid)
    left, right = (_summed(columns, labels, scale, n) for scale in (c.scale_left, c.scale_right))
    source = np.arange(columns.n_rows) if laid is None else laid.source

    def by_cluster(values: Floats) -> Floats:
        return np.bincount(labels[member], values[member], minlength=n).astype(np.float64)

    sums = _own_products(left, right, source)
    sums -= by_cluster(c.mean_left * c.scale_left) * by_cluster(c.gap * c.scale_right)
    sums -= by_cluster(c.sum_left * c.scale_left) * by_cluster(c.mean_right * c.scale_right)
    own = _own_products(columns.by_tile, columns.by_tile, source)
    own = (own - c.mean_left * c.gap - c.sum_left * c.mean_right) * c.scale_left * c.scale_right
    sizes = np.bincount(labels[member], minlength=n)
    return np.asarray((sums - by_cluster(own)) / np.maximum(sizes * (sizes - 1), 1), np.float64)


def _summed(columns: Columns, labels: Ints, scale: Floats, n: int) -> sparse.csr_array:
    """Sums of the members' activations, each times its scale (N, C)."""
    member = np.flatnonzero(labels >= 0)
    place = (member, labels[member])
    weights = sparse.csr_array(sparse.coo_array((scale[member], place), shape=(labels.size, n)))
    return sparse.csr_array(columns.by_tile @ weights)


def _own_products(left: sparse.csr_array, right: sparse.csr_array, source: npt.NDArray[np.integer]) -> Floats:
    # Slow to load, and the window imports this package to tell what was found.
    from sae_backend.statistics import pair_kernels

    found = np.zeros(left.shape[1])
    stored = []
    for each in (left, right):
        each.sort_indices()
        stored.append((each.indptr, each.indices, each.data))
    pair_kernels.own_products(*stored, source, found)
    return found
