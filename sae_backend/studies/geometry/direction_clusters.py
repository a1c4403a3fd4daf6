"""Clusters of directions: found by cosine, and set beside random directions of the same covariance."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

import numpy as np
import numpy.typing as npt

from sae_backend.studies.framework.inputs import StudyInput
from sae_backend.studies.framework.result import Arrays, Checkpoints
from sae_backend.studies.framework.stage import Stage
from sae_backend.studies.geometry.cluster_stability import DISSOLVED, JudgedClusters, StabilitySettings
from sae_backend.studies.geometry.feature_clusters import Directions, best_jaccard, cohesion, find_clusters
from sae_backend.studies.methods.matching.family_chance import LEVEL
from sae_backend.studies.methods.matching.feature_matching import match
from sae_backend.studies.methods.matching.random_dictionary import random_directions
from sae_backend.studies.methods.matching.set_space import directions, same_space

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

N_LIMITS: Final = 20
"""Draws of random directions for the cut and for the largest cosine that chance gives."""


def direction_clusters(
    directions: npt.NDArray[np.float32], settings: StabilitySettings, stage: Stage, checkpoints: Checkpoints
) -> JudgedClusters:
    """Cluster unit directions (F, d).

    There are no patients to draw again: half of the features is left out each time. As any close group survives
    that, what decides is p: the similarity beyond the cut, summed over the pairs of a cluster, beside the largest
    such sum of any cluster of random directions with the decoder's mean and covariance.
    """
    whole = Directions(directions)
    labels = find_clusters(whole, settings.cut, stage.check_cancelled)
    stage.step()
    within = cohesion(whole, labels)
    n_clusters = within.size
    found = []
    for b in range(settings.n_resamples if n_clusters else 0):
        kept = np.random.default_rng([settings.seed, b, 0xD5]).random(len(directions)) < 0.5
        again = np.full(len(directions), -1, np.int64)
        # Of a cluster of three, two may be left.
        again[kept] = find_clusters(Directions(directions[kept]), settings.cut, stage.check_cancelled, 2)
        found.append(best_jaccard(labels, again, kept))
        stage.step()
    drawn = np.array(found).reshape(len(found), n_clusters)
    known = np.isfinite(drawn)
    n_known = known.sum(axis=0)
    stability = np.divide(
        np.where(known, drawn, 0.0).sum(axis=0), n_known, out=np.full(n_clusters, np.nan), where=n_known > 0
    )
    excess = _excess(labels, within, settings.cut)
    drawn_excess = []
    for p in range(settings.n_null if n_clusters else 0):
        make = partial(_random_excess, directions, settings, p, stage.check_cancelled)
        drawn_excess.append(float(checkpoints.get(f"random-directions-{p}", make)["x"]))
        stage.step()
    largest = np.array(drawn_excess)
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
    directions: npt.NDArray[np.float32],
    settings: StabilitySettings,
    p: int,
    check_cancelled: Callable[[], None],
) -> Arrays:
    drawn = Directions(random_directions(directions, (settings.seed, p)))
    labels = find_clusters(drawn, settings.cut, check_cancelled)
    return {"x": np.array(_excess(labels, cohesion(drawn, labels), settings.cut).max(initial=0.0))}


def direction_limits(
    directions: npt.NDArray[np.float32], share: float, seed: int, stage: Stage
) -> tuple[float, float]:
    """Cosine that a share of the pairs of random directions stays below, and 95 % of their largest ones.

    Both from 20 draws of random directions with the decoder's mean and covariance, the first from one of them.
    """
    largest = []
    cut = float("nan")
    edges = np.linspace(-1, 1, 4001)
    for p in range(N_LIMITS):
        drawn = Directions(random_directions(directions, (seed, p, 1)))
        histogram = np.zeros(edges.size - 1)
        top = -1.0
        for _, block in drawn.blocks():
            stage.check_cancelled()
            # Each pair once, and none of a direction with itself: below all that a cosine can be.
            block[np.tril_indices(len(block), 0, block.shape[1])] = -2.0
            top = max(top, float(block.max(initial=-1.0)))
            if p == 0:
                histogram += np.histogram(block, edges)[0]
        if p == 0 and histogram.sum() > 0:
            place = int(np.searchsorted(np.cumsum(histogram), share * histogram.sum()))
            cut = float(edges[min(place + 1, edges.size - 1)])
        largest.append(top)
        stage.step()
    return cut, float(np.sort(largest)[-1])


def again_in_seeds(
    inputs: StudyInput, numbers: Ints, labels: Ints, cut: float, check_cancelled: Callable[[], None]
) -> Floats | None:
    """Largest Jaccard index of each cluster with one of each further set in the same space (S, C); None without such a set.

    Features are the same where they are each other's partner one for one by cosine, at least `cut`; others are left
    out of both clusterings. NaN where fewer than two of a cluster have a partner.

    Parameters
    ----------
    inputs
        Sets, of which the first was clustered.
    numbers
        Features of the first set that take part (F,).
    labels
        Their clusters (F,), -1 for none.
    cut
        Cosine down to which clusters were merged.
    check_cancelled
        Called now and then; may raise.
    """
    found = []
    for other in inputs.sets[1:]:
        if not same_space(inputs.sets[0], other):
            continue
        theirs = directions(other, np.arange(other.n_features))
        theirs = theirs[theirs.any(axis=1)]
        own = directions(inputs.sets[0], numbers)
        again = find_clusters(Directions(theirs), cut, check_cancelled)
        step = max(1, 4_000_000 // max(1, len(theirs)))
        blocks = ((a, (own[a : a + step] @ theirs.T).astype(np.float64)) for a in range(0, len(own), step))
        pairs = match(blocks, (len(own), len(theirs)))
        known = np.nan_to_num(pairs.value, nan=-1.0) >= cut
        mapped = np.full(labels.size, -1, np.int64)
        mapped[known] = again[pairs.partner[known]]
        found.append(best_jaccard(labels, mapped, known))
    return np.array(found) if found else None
