"""Which clusters of features hold: drawn again with other patients, seen on the other half, and set beside chance."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
import numpy.typing as npt

from sae_backend.resampling import bootstrap_weights
from sae_backend.studies.geometry.coactivation_chance import scrambled
from sae_backend.studies.geometry.feature_clusters import (
    CoActivation,
    Directions,
    best_jaccard,
    cohesion,
    find_clusters,
)
from sae_backend.studies.matching.chance_tiles import arrangements
from sae_backend.studies.matching.cross_products import Columns, correlation_blocks
from sae_backend.studies.matching.family_chance import LEVEL, family_chance
from sae_backend.studies.matching.random_dictionary import random_directions
from sae_backend.studies.matching.shared_tiles import SharedTiles
from sae_backend.studies.result import Arrays, Steps

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Alive = Callable[[], None]

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
        Mean similarity of the pairs of each cluster (C,) where it was found, and on the half that reports.
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
    settings: StabilitySettings,
    alive: Alive,
    steps: Steps,
) -> JudgedClusters:
    """Cluster features by the tiles they fire in.

    They are found on the half that chooses. Stability is Hennig's (2007, Computational Statistics and Data Analysis
    52): patients are drawn again with replacement, the features clustered anew, and the largest Jaccard index with
    any new cluster averaged. Chance for it are the same features, each with its patients exchanged in its own way.
    p is that of the mean r within the cluster on the half that reports, with whole patients exchanged there.
    """
    choose, report = halves
    labels = find_clusters(CoActivation(columns[0]), settings.cut, alive)
    stability = _resampled(choose, columns[0], labels, settings, "resample", alive, steps)
    chance = _chance_stability(choose, columns[0], labels, settings, alive, steps)
    clustered = np.flatnonzero(labels >= 0)
    some = columns[1].only(clustered)
    held_out = _cohesions(some, labels[clustered], alive)
    ways = arrangements(report, settings.n_null, settings.seed + 1)
    draws = np.full((ways.n, held_out.size), np.nan)
    if clustered.size:
        for p in range(ways.n):

            def make(p: int = p) -> Arrays:
                blocks = correlation_blocks(some, some, ways.laid(p))
                return {"r": _mean_within(blocks, labels[clustered], alive)}

            draws[p] = steps.get(f"within-{p}", make)["r"]
    p_family = family_chance(held_out, draws).p
    limit = max(DISSOLVED, float(chance.max(initial=0.0)))
    stable = (np.nan_to_num(stability) > limit) & (np.nan_to_num(p_family, nan=1.0) <= LEVEL + 1e-12)
    within = _cohesions(columns[0].only(clustered), labels[clustered], alive)
    return JudgedClusters(
        labels, settings.cut, within, held_out, stability, p_family, chance, np.asarray(stable, np.bool_)
    )


def _cohesions(some: Columns, labels: Ints, alive: Alive) -> Floats:
    return _mean_within(correlation_blocks(some, some), labels, alive)


def _mean_within(blocks: Iterable[tuple[int, Floats]], labels: Ints, alive: Alive) -> Floats:
    """Mean r over the pairs of different features of each cluster (C,), from blocks of all pairs."""
    n = int(labels.max(initial=-1)) + 1
    sizes = np.bincount(labels, minlength=n)
    sums = np.zeros(n)
    for a, r in blocks:
        alive()
        own = np.arange(len(r))
        r[own, a + own] = 0.0
        mine = labels[a : a + len(r)]
        same = mine[:, None] == labels
        sums += np.bincount(mine, np.where(same, r, 0.0).sum(axis=1), minlength=n)
    return np.asarray(sums / np.maximum(sizes * (sizes - 1), 1), np.float64)


def _resampled(
    tiles: SharedTiles,
    columns: Columns,
    labels: Ints,
    settings: StabilitySettings,
    name: str,
    alive: Alive,
    steps: Steps,
) -> Floats:
    n_clusters = int(labels.max(initial=-1)) + 1
    if not tiles.clusters.can_judge or n_clusters == 0 or settings.n_resamples == 0:
        return np.full(n_clusters, np.nan)
    rng = np.random.default_rng([settings.seed, 0xC1])
    weights = bootstrap_weights(tiles.clusters, settings.n_resamples, rng)
    found = []
    for b, drawn in enumerate(weights):
        make = partial(_again, columns, drawn[tiles.unit], settings.cut, alive)
        found.append(best_jaccard(labels, steps.get(f"{name}-{b}", make)["labels"]))
    return np.asarray(np.mean(found, axis=0), np.float64)


def _again(columns: Columns, weights: Floats, cut: float, alive: Alive) -> Arrays:
    return {"labels": find_clusters(CoActivation(columns, weights), cut, alive)}


def _chance_stability(
    tiles: SharedTiles,
    columns: Columns,
    labels: Ints,
    settings: StabilitySettings,
    alive: Alive,
    steps: Steps,
) -> Floats:
    """Stability of all clusters of features that have nothing to do with each other (n,)."""
    if not tiles.clusters.can_judge or settings.n_null == 0:
        return np.zeros(0)
    few = StabilitySettings(
        min(settings.n_resamples, N_SCRAMBLED_RESAMPLES), settings.n_null, settings.seed, settings.cut
    )
    # Members of one cluster follow each other, so that no two of them keep their tiles together.
    order = np.argsort(np.where(labels < 0, labels.size, labels), kind="stable")
    found = [np.zeros(0)]
    for k in range(N_SCRAMBLED):

        def make(k: int = k) -> Arrays:
            ways = arrangements(tiles, min(_MOST_WAYS, columns.n_features), settings.seed + 100 + k)
            if ways.n == 0:
                return {"stability": np.zeros(0)}
            alone = scrambled(columns, ways, order, alive)
            alive()
            own = find_clusters(CoActivation(alone), settings.cut, alive)
            return {"stability": _resampled(tiles, alone, own, few, "", alive, Steps())}

        found.append(steps.get(f"scrambled-{k}", make)["stability"])
    joined = np.concatenate(found)
    return joined[np.isfinite(joined)]


def direction_clusters(
    directions: npt.NDArray[np.float32], settings: StabilitySettings, alive: Alive, steps: Steps
) -> JudgedClusters:
    """Cluster unit directions (F, d).

    There are no patients to draw again: half of the features is left out each time. As any close group survives
    that, what decides is p: the similarity beyond the cut, summed over the pairs of a cluster, beside the largest
    such sum of any cluster of random directions with the decoder's mean and covariance.
    """
    whole = Directions(directions)
    labels = find_clusters(whole, settings.cut, alive)
    within = cohesion(whole, labels)
    n_clusters = within.size
    found = []
    for b in range(settings.n_resamples if n_clusters else 0):
        kept = np.random.default_rng([settings.seed, b, 0xD5]).random(len(directions)) < 0.5
        again = np.full(len(directions), -1, np.int64)
        # Of a cluster of three, two may be left.
        again[kept] = find_clusters(Directions(directions[kept]), settings.cut, alive, 2)
        found.append(best_jaccard(labels, again, kept))
    drawn = np.array(found).reshape(len(found), n_clusters)
    known = np.isfinite(drawn)
    n_known = known.sum(axis=0)
    stability = np.divide(
        np.where(known, drawn, 0.0).sum(axis=0), n_known, out=np.full(n_clusters, np.nan), where=n_known > 0
    )
    excess = _excess(labels, within, settings.cut)
    largest = np.array(
        [
            float(
                steps.get(f"random-directions-{p}", partial(_random_excess, directions, settings, p, alive))[
                    "x"
                ]
            )
            for p in range(settings.n_null if n_clusters else 0)
        ]
    )
    p_family = np.full(n_clusters, np.nan)
    if largest.size >= 1 / LEVEL - 1 - 1e-9:
        p_family = (1 + (largest[:, None] >= excess).sum(axis=0)) / (largest.size + 1)
    stable = (np.nan_to_num(stability) > DISSOLVED) & (np.nan_to_num(p_family, nan=1.0) <= LEVEL + 1e-12)
    nothing = np.full(n_clusters, np.nan)
    return JudgedClusters(
        labels, settings.cut, within, nothing, stability, p_family, np.zeros(0), np.asarray(stable, np.bool_)
    )


def _excess(labels: Ints, within: Floats, cut: float) -> Floats:
    sizes = np.bincount(labels[labels >= 0], minlength=within.size)
    return np.asarray(sizes * (sizes - 1) / 2 * (within - cut), np.float64)


def _random_excess(
    directions: npt.NDArray[np.float32], settings: StabilitySettings, p: int, alive: Alive
) -> Arrays:
    drawn = Directions(random_directions(directions, (settings.seed, p)))
    labels = find_clusters(drawn, settings.cut, alive)
    return {"x": np.array(_excess(labels, cohesion(drawn, labels), settings.cut).max(initial=0.0))}


def direction_limits(
    directions: npt.NDArray[np.float32], share: float, seed: int, alive: Alive
) -> tuple[float, float]:
    """Cosine that a share of the pairs of random directions stays below, and 95 % of their largest ones.

    Both from 20 draws of random directions with the decoder's mean and covariance, the first from one of them.
    """
    largest = []
    cut = float("nan")
    edges = np.linspace(-1, 1, 4001)
    for p in range(20):
        drawn = Directions(random_directions(directions, (seed, p, 1)))
        histogram = np.zeros(edges.size - 1)
        top = -1.0
        for a, block in drawn.blocks():
            alive()
            own = np.arange(len(block))
            block[own, a + own] = -1.0
            top = max(top, float(block.max(initial=-1.0)))
            if p == 0:
                block[own, a + own] = np.nan
                histogram += np.histogram(block, edges)[0]
        if p == 0 and histogram.sum() > 0:
            place = int(np.searchsorted(np.cumsum(histogram), share * histogram.sum()))
            cut = float(edges[min(place + 1, edges.size - 1)])
        largest.append(top)
    return cut, float(np.sort(largest)[-1])
