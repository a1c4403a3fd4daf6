"""Planted sparse features: how often each fires and what it depends on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from sae_backend.errors import UserInputError
from tests.worlds.vectors.streams import Purpose, Streams

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_MOST_OFTEN: Final = 0.95
"""No feature fires more often than this in a slide where it is on."""

_CHILD_SHARE: Final = 0.9
"""Children together (exclusive ones) or one by one fire in at most this share of the parent's tiles."""


@dataclass(frozen=True)
class Hierarchy:
    """Trees of features: `n_roots` of them, `branching` children a node, `depth` levels below the root.

    A child fires only in tiles where its parent does. With `exclusive` at most one child of a node
    fires in a tile.
    """

    n_roots: int
    branching: int
    depth: int
    exclusive: bool = False

    @property
    def n_nodes(self) -> int:
        """Features in all trees."""
        return self.n_roots * sum(self.branching**level for level in range(self.depth + 1))


@dataclass(frozen=True)
class FeatureGroup:
    """Features that fire together: their latent Gaussians share a factor with correlation `rho` (0 to 1).

    Those in `opposed` have the correlation `-rho` with those in `features`, and `rho` with each other.
    """

    features: tuple[int, ...]
    rho: float
    opposed: tuple[int, ...] = ()


@dataclass(frozen=True)
class FeatureSpec:
    """Which sparse features a world has.

    Attributes
    ----------
    n_features
        Their number, F.
    rate_high, rate_low
        Share of tiles in which the first and the last feature fire; those between follow
        `(rank + q) ** -zipf_exponent` with q such that both ends fit (Zipf-Mandelbrot).
    zipf_exponent
        Small: few frequent features and many rare ones. Large: geometric.
    magnitude_law, magnitude_mean, magnitude_cv
        Law of the activation where a feature fires, its mean and its coefficient of variation
        (a gamma with 1 is the exponential, 0 is a constant).
    hierarchy
        Trees over part of the features, spread over all ranks.
    groups
        Correlated features; only those without a parent.
    n_factors, factor_share
        Random low-rank correlation: factors, and the share of each latent variance that they take.
        Latent correlations then lie in -factor_share to factor_share.
    patchy_share, slide_share
        Share of the features without a parent that are on in some slides only, and the share of
        the slides. They fire more often there, so the rate over all slides stays.
    scanner_features
        Features that fire in slides of one scanner only: number f on scanner `f % n_scanners`.
    """

    n_features: int = 200
    rate_high: float = 0.4
    rate_low: float = 5e-4
    zipf_exponent: float = 2.0
    magnitude_law: Literal["gamma", "lognormal"] = "gamma"
    magnitude_mean: float = 1.0
    magnitude_cv: float = 0.5
    hierarchy: Hierarchy | None = None
    groups: tuple[FeatureGroup, ...] = ()
    n_factors: int = 0
    factor_share: float = 0.0
    patchy_share: float = 0.0
    slide_share: float = 0.3
    scanner_features: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        nodes = self.hierarchy.n_nodes if self.hierarchy else 0
        _require(self.n_features >= 1, "n_features")
        _require(0 < self.rate_low <= self.rate_high <= _MOST_OFTEN, "rate_low")
        _require(self.zipf_exponent > 0, "zipf_exponent")
        _require(self.magnitude_mean > 0 and self.magnitude_cv >= 0, "magnitude_cv")
        _require(nodes <= self.n_features, "hierarchy")
        _require(0 <= self.factor_share <= 1 and self.n_factors >= 0, "factor_share")
        _require(0 <= self.patchy_share <= 1 and 0 < self.slide_share <= 1, "slide_share")
        _require(all(0 <= f < self.n_features for f in self.scanner_features), "scanner_features")
        for group in self.groups:
            members = (*group.features, *group.opposed)
            _require(0 <= group.rho <= 1, "groups")
            _require(all(0 <= f < self.n_features for f in members), "groups")
            _require(len(set(members)) == len(members), "groups")


def _require(fine: bool, name: str) -> None:
    if not fine:
        raise UserInputError(
            f"The {name} of the vector world makes no sense.", "Leave it away for the default."
        )


@dataclass(frozen=True)
class FeaturePlan:
    """What is true of each feature before any tile is drawn; arrays over F features.

    Attributes
    ----------
    rates
        Expected share of tiles in which a feature fires, over all slides, float64.
    parent
        Number of the parent, -1 without one, int64.
    level
        Steps from the root, int64.
    low, high
        A feature fires where its parent does, and the upper tail of the latent Gaussian numbered
        `source` lies in [low, high), float64. Exclusive siblings share the source.
    loadings
        Weights of the latent factors, float64 (F, R); the remainder of the variance is its own.
    slide_share
        Share of slides in which a feature is on, float64.
    scanner
        The scanner to whose slides it is bound, -1 for none, int64.
    """

    rates: Floats
    parent: Ints
    level: Ints
    source: Ints
    low: Floats
    high: Floats
    loadings: Floats
    slide_share: Floats
    scanner: Ints

    @property
    def n_features(self) -> int:
        """Number of features, F."""
        return int(self.rates.size)

    def variances(self, spec: FeatureSpec) -> Floats:
        """Variance of each activation over tiles of all slides, float64 (F,)."""
        squares = spec.magnitude_mean**2 * self.rates
        return np.asarray(squares * (1 + spec.magnitude_cv**2 - self.rates), np.float64)


def plan_features(spec: FeatureSpec, streams: Streams, n_scanners: int) -> FeaturePlan:
    """Decide rates, parents, correlations and slides of all features.

    The rate of a child is cut where it would not fit its parent's, and may then be below `rate_low`.

    Raises
    ------
    UserInputError
        If a child is in a group, if a feature's groups take more than its whole variance, or if a
        feature of one scanner would have to fire in nearly every tile of it.
    """
    n = spec.n_features
    rng = streams.of(Purpose.PLAN)
    parent, level = _trees(spec)
    rates, source, low, high = _rates(spec, parent)
    free = parent < 0
    slide_share = np.ones(n)
    patchy = (rng.random(n) < spec.patchy_share) & free
    slide_share[patchy] = np.maximum(spec.slide_share, rates[patchy] / _MOST_OFTEN)
    scanner = np.full(n, -1, np.int64)
    bound = np.array(spec.scanner_features, np.int64)
    scanner[bound] = bound % n_scanners
    slide_share[bound] = 1 / n_scanners
    _require(bool(free[bound].all() and (rates[bound] * n_scanners <= _MOST_OFTEN).all()), "scanner_features")
    loadings = _loadings(spec, free, rng)
    return FeaturePlan(rates, parent, level, source, low, high, loadings, slide_share, scanner)


def _trees(spec: FeatureSpec) -> tuple[Ints, Ints]:
    """Parents and levels; parents stand before their children."""
    parent, level = np.full(spec.n_features, -1, np.int64), np.zeros(spec.n_features, np.int64)
    tree = spec.hierarchy
    if tree is None or tree.n_nodes == 0:
        return parent, level
    # Nodes in the order of their levels, spread over all ranks, so that some trees are rare.
    place = np.arange(tree.n_nodes, dtype=np.int64) * spec.n_features // tree.n_nodes
    for node in range(tree.n_roots, tree.n_nodes):
        above = place[(node - tree.n_roots) // tree.branching]
        parent[place[node]], level[place[node]] = above, level[above] + 1
    return parent, level


def _rates(spec: FeatureSpec, parent: Ints) -> tuple[Floats, Ints, Floats, Floats]:
    n = spec.n_features
    rank = np.arange(n)
    ratio = (spec.rate_high / spec.rate_low) ** (1 / spec.zipf_exponent)
    rates = np.full(n, spec.rate_high)
    if n > 1 and ratio > 1:
        q = (n - 1) / (ratio - 1)
        rates = spec.rate_high * ((rank + q) / q) ** -spec.zipf_exponent
    source, low, high = rank.astype(np.int64), np.zeros(n), rates.copy()
    exclusive = spec.hierarchy is not None and spec.hierarchy.exclusive
    cap = _CHILD_SHARE / (spec.hierarchy.branching if spec.hierarchy and exclusive else 1)
    taken: dict[int, tuple[int, float]] = {}
    for child in np.flatnonzero(parent >= 0).tolist():
        above = int(parent[child])
        rates[child] = min(rates[child], cap * rates[above])
        high[child] = rates[child] / rates[above]
        if exclusive:
            source[child], low[child] = taken.get(above, (child, 0.0))
            high[child] += low[child]
            taken[above] = (int(source[child]), float(high[child]))
    return rates, source, low, high


def _loadings(spec: FeatureSpec, free: Bools, rng: np.random.Generator) -> Floats:
    columns = np.zeros((spec.n_features, len(spec.groups) + spec.n_factors))
    for g, group in enumerate(spec.groups):
        columns[list(group.features), g] = math.sqrt(group.rho)
        columns[list(group.opposed), g] = -math.sqrt(group.rho)
    # A child's chance given its parent is exact only if its latent is independent of the parent's.
    _require(bool(free[np.any(columns != 0, axis=1)].all()), "groups")
    if spec.n_factors:
        random = rng.standard_normal((spec.n_features, spec.n_factors))
        random *= math.sqrt(spec.factor_share) / np.linalg.norm(random, axis=1, keepdims=True)
        columns[:, len(spec.groups) :] = random * free[:, None]
    _require(bool(((columns**2).sum(axis=1) <= 1 + 1e-12).all()), "groups")
    return columns
