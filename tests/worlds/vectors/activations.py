"""Where planted features fire on a slide, and how strongly."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage, sparse, special

from tests.worlds.vectors.features import FeaturePlan, FeatureSpec

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


def slide_gates(plan: FeaturePlan, scanner: int, rng: np.random.Generator) -> Bools:
    """Draw which features are on in a slide of this scanner, bool (F,)."""
    drawn = rng.random(plan.n_features) < plan.slide_share
    return np.where(plan.scanner >= 0, plan.scanner == scanner, drawn)


def latent_fields(rng: np.random.Generator, n_tiles: int, n_columns: int, smoothness_tiles: float) -> Floats:
    """Standard Gaussian columns (N, n) on tiles that fill a square row by row.

    With `smoothness_tiles` they are white noise under a Gaussian of this sigma, in tiles, scaled by
    the kernel's norm, so that each value keeps variance 1.
    """
    if smoothness_tiles == 0:
        return rng.standard_normal((n_tiles, n_columns))
    side = grid_side(n_tiles)
    margin = int(4 * smoothness_tiles + 0.5)
    white = rng.standard_normal((side + 2 * margin, side + 2 * margin, n_columns))
    field = ndimage.gaussian_filter(white, smoothness_tiles, axes=(0, 1), mode="constant", truncate=4.0)
    impulse = np.zeros(2 * margin + 1)
    impulse[margin] = 1.0
    kernel = ndimage.gaussian_filter1d(impulse, smoothness_tiles, mode="constant", truncate=4.0)
    inside = slice(margin, margin + side)
    flat = field[inside, inside].reshape(side * side, n_columns)[:n_tiles]
    return np.asarray(flat / (kernel**2).sum(), np.float64)


def grid_side(n_tiles: int) -> int:
    """Edge in tiles of the square that `n_tiles` fill row by row."""
    return max(1, math.isqrt(max(0, n_tiles - 1)) + 1)


@dataclass(frozen=True)
class Firing:
    """Where features are drawn: which are on in the slide (F,), the tiles and their smoothness in tiles."""

    on: Bools
    n_tiles: int
    smoothness_tiles: float


def draw_activations(
    spec: FeatureSpec, plan: FeaturePlan, slide: Firing, rng: np.random.Generator
) -> sparse.csr_array:
    """Draw the activations of one slide, sparse float32 (N, F), positive where a feature fires."""
    latent = latent_fields(rng, slide.n_tiles, plan.n_features, slide.smoothness_tiles)
    if plan.loadings.shape[1]:
        factors = latent_fields(rng, slide.n_tiles, plan.loadings.shape[1], slide.smoothness_tiles)
        latent *= np.sqrt(np.clip(1 - (plan.loadings**2).sum(axis=1), 0, 1))
        # Not BLAS, whose sums may depend on its number of threads.
        latent += np.einsum("nr,fr->nf", factors, plan.loadings, optimize=False)
    chance = np.where(plan.parent < 0, plan.high / plan.slide_share * slide.on, plan.high)
    column = latent[:, plan.source]
    fires = (column > -special.ndtri(chance)) & (column <= -special.ndtri(plan.low))
    for level in range(1, int(plan.level.max(initial=0)) + 1):
        children = np.flatnonzero(plan.level == level)
        fires[:, children] &= fires[:, plan.parent[children]]
    _, features = np.nonzero(fires)
    starts = np.concatenate([[0], np.cumsum(fires.sum(axis=1))])
    data = _magnitudes(spec, features.size, rng)
    return sparse.csr_array((data, features.astype(np.int32), starts.astype(np.int32)), shape=fires.shape)


def _magnitudes(spec: FeatureSpec, n: int, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    cv = spec.magnitude_cv
    if cv == 0:
        drawn = np.ones(n)
    elif spec.magnitude_law == "gamma":
        drawn = rng.gamma(1 / cv**2, cv**2, n)
    else:
        spread = math.log1p(cv**2)
        drawn = rng.lognormal(-spread / 2, math.sqrt(spread), n)
    smallest = float(np.finfo(np.float32).tiny)
    return np.maximum(drawn * spec.magnitude_mean, smallest).astype(np.float32)
