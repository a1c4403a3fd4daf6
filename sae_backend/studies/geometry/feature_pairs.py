"""Pairs of features that say the same, or of which one is part of the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from sae_backend.statistics.bootstrap import bootstrap_weights
from sae_backend.statistics.resampling_units import Clusters
from sae_backend.studies.geometry.coactivation_chance import holding
from sae_backend.studies.methods.matching.cross_products import Columns, correlation_blocks, product_blocks
from sae_backend.studies.methods.matching.pair_sums import PAIRS_AT_ONCE, PairSums, pair_sums

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

KINDS: Final = ("duplicate", "split", "absorbed", "same direction", "not confirmed", "co-active")
"""Both fire where the other does; one fires only where the other does; one is silent where the other fires though
its direction is there; same direction in other tiles; one of these only where pairs were chosen; none of these."""

DUPLICATE, SPLIT, ABSORBED, SAME_DIRECTION, NOT_CONFIRMED, COACTIVE = range(len(KINDS))

MAX_PAIRS: Final = 20_000


@dataclass(frozen=True)
class PairLimits:
    """What a pair has to exceed to be listed.

    Attributes
    ----------
    r, held
        Limits of each feature (F,) for its r with another, and for the strength with which a more frequent one holds
        it; infinite where chance is not judged.
    cosine
        Limit of the cosine, infinite without a decoder.
    """

    r: Floats
    held: Floats
    cosine: float


@dataclass(frozen=True)
class FeaturePairs:
    """P pairs; the child is the one that fires in fewer tiles of the discovery half.

    Attributes
    ----------
    child, parent
        Numbers (P,) among the features that take part.
    kind
        Place in :data:`KINDS` (P,).
    beyond
        Whether r, and whether the holding of the child by the parent, exceeds its limit (2, P).
    r, jaccard, in_parent, in_child, cosine
        Correlation, Jaccard index of the tiles where they fire, share of the child's tiles in which the parent
        fires and of the parent's in which the child does, where pairs were chosen (P,); cosine of the directions.
    held_r, held_jaccard, held_in_parent, held_in_child
        The same on the held-out half, NaN where not defined.
    low, high
        95 % percentile interval over units of `held_in_parent` (P,).
    rate
        Share of the tiles in which the parent fires: what `in_parent` is by chance (P,).
    n_found
        Pairs beyond a limit, of which the closest are kept.
    """

    child: Ints
    parent: Ints
    kind: npt.NDArray[np.int8]
    beyond: Bools
    r: Floats
    jaccard: Floats
    in_parent: Floats
    in_child: Floats
    cosine: Floats
    held_r: Floats
    held_jaccard: Floats
    held_in_parent: Floats
    held_in_child: Floats
    low: Floats
    high: Floats
    rate: Floats
    n_found: int


def find_pairs(
    columns: Columns,
    firing: Columns,
    directions: npt.NDArray[np.float32] | None,
    limits: PairLimits,
    reached: Callable[[int], None],
) -> tuple[Ints, Ints, Bools, int]:
    """Pairs beyond a limit: numbers of both (P,), which limits of r and holding are exceeded (2, P), and how many.

    At most :data:`MAX_PAIRS` are kept, those that are closest by overlap or cosine. `reached` takes how many features
    are done, and may raise.
    """
    n = columns.n_features
    n_active = firing.n_active.astype(np.float64)
    kept = _Closest()
    for (a, r), (_, both) in zip(
        correlation_blocks(columns, columns), product_blocks(firing, firing), strict=True
    ):
        reached(a)
        b = a + len(r)
        by_r = (r > limits.r[a:b, None]) | (r > limits.r)
        strength = holding(both, n_active[a:b], n_active / firing.n_rows)
        by_held = (strength > limits.held[a:b, None]) & (n_active[None] > n_active[a:b, None])
        overlap = both / np.maximum(np.minimum(n_active[a:b, None], n_active), 1)
        cosine = np.full((b - a, n), -1.0)
        if directions is not None:
            cosine = (directions[a:b] @ directions.T).astype(np.float64)
        wanted = by_r | by_held | (cosine > limits.cosine)
        wanted[np.arange(b - a), np.arange(a, b)] = False
        row, column = np.nonzero(wanted)
        first = row + a
        kept.take_in(
            np.minimum(first, column) * n + np.maximum(first, column),
            np.maximum(overlap, cosine)[row, column],
            np.stack([by_r[row, column], by_held[row, column]]),
        )
    keys, beyond, n_found = kept.found()
    return keys // max(n, 1), keys % max(n, 1), beyond, n_found


class _Closest:
    """The closest pairs while blocks pass by; each is seen from both sides."""

    def __init__(self) -> None:
        self._keys: list[Ints] = [np.zeros(0, np.int64)]
        self._scores: list[Floats] = [np.zeros(0)]
        self._beyond: list[Bools] = [np.zeros((2, 0), np.bool_)]
        self._n_seen = 0

    def take_in(self, keys: Ints, scores: Floats, beyond: Bools) -> None:
        self._n_seen += keys.size
        self._keys.append(keys)
        self._scores.append(scores)
        self._beyond.append(beyond)
        if sum(each.size for each in self._keys) > 8 * MAX_PAIRS:
            self._cut(4 * MAX_PAIRS)

    def _cut(self, n: int) -> None:
        scores = np.concatenate(self._scores)
        best = np.argsort(-scores, kind="stable")[:n]
        self._keys = [np.concatenate(self._keys)[best]]
        self._scores = [scores[best]]
        self._beyond = [np.concatenate(self._beyond, axis=1)[:, best]]

    def found(self) -> tuple[Ints, Bools, int]:
        keys, place = np.unique(np.concatenate(self._keys), return_inverse=True)
        scores = np.full(keys.size, -np.inf)
        np.maximum.at(scores, place, np.concatenate(self._scores))
        beyond = np.zeros((2, keys.size), np.bool_)
        for side, each in enumerate(np.concatenate(self._beyond, axis=1)):
            np.logical_or.at(beyond[side], place, each)
        order = np.argsort(-scores, kind="stable")[:MAX_PAIRS]
        # Where pairs were left out on the way, those seen once from each side are counted by halves.
        n_found = keys.size if self._n_seen <= 8 * MAX_PAIRS else max(keys.size, (self._n_seen + 1) // 2)
        return keys[order], beyond[:, order], n_found


@dataclass(frozen=True)
class PairRules:
    """When a pair has a name.

    `share` of the tiles of one in which the other has to fire, `cosine` of the same direction, draws of the
    bootstrap and its seed; `check_cancelled` is called while pairs are measured, and may raise to end it.
    """

    share: float
    cosine: float
    n_boot: int
    seed: int
    check_cancelled: Callable[[], None] = lambda: None


def describing_steps(n_pairs: int, rules: PairRules) -> int:
    """How often `describe_pairs` calls `check_cancelled` for so many pairs."""
    return 4 * -(-n_pairs // PAIRS_AT_ONCE) + -(-n_pairs // _drawn_at_once(rules))


def _drawn_at_once(rules: PairRules) -> int:
    return max(1, 4_000_000 // max(rules.n_boot, 1))


def describe_pairs(
    halves: tuple[tuple[Columns, Columns], tuple[Columns, Columns]],
    clusters: tuple[Clusters, Clusters],
    found: tuple[Ints, Ints, Bools, int],
    directions: npt.NDArray[np.float32] | None,
    rules: PairRules,
) -> FeaturePairs:
    """Measure pairs on both halves and name them.

    Parameters
    ----------
    halves
        Activations and firing where pairs were chosen, and where they are reported.
    clusters
        Units of both halves.
    found
        As `find_pairs` gave them.
    directions
        Unit directions (F, d), None without a decoder.
    rules
        When a pair has a name.
    """
    first, second, beyond, n_found = found
    n_active = halves[0][1].n_active
    swap = n_active[first] > n_active[second]
    child, parent = np.where(swap, second, first), np.where(swap, first, second)
    (values, fires), (told, told_fires) = halves
    chosen = _Overlap.of(pair_sums(fires, fires, (child, parent), clusters[0], rules.check_cancelled))
    sums = pair_sums(told_fires, told_fires, (child, parent), clusters[1], rules.check_cancelled)
    held = _Overlap.of(sums)
    cosine = np.full(child.size, np.nan)
    if directions is not None:
        cosine = np.einsum("ij,ij->i", directions[child], directions[parent]).astype(np.float64)
    low, high = _share_interval(sums, clusters[1], rules)
    return FeaturePairs(
        child=child,
        parent=parent,
        kind=_kinds(chosen, held, beyond[1], cosine, rules),
        beyond=beyond,
        r=pair_sums(values, values, (child, parent), clusters[0], rules.check_cancelled).r(),
        jaccard=chosen.jaccard,
        in_parent=chosen.in_parent,
        in_child=chosen.in_child,
        cosine=cosine,
        held_r=pair_sums(told, told, (child, parent), clusters[1], rules.check_cancelled).r(),
        held_jaccard=held.jaccard,
        held_in_parent=held.in_parent,
        held_in_child=held.in_child,
        low=low,
        high=high,
        rate=told_fires.n_active[parent] / max(told_fires.n_rows, 1),
        n_found=n_found,
    )


@dataclass(frozen=True)
class _Overlap:
    """How the tiles of pairs overlap (P,) each."""

    jaccard: Floats
    in_parent: Floats
    in_child: Floats

    @classmethod
    def of(cls, sums: PairSums) -> _Overlap:
        own, other, both = (each.sum(axis=1) for each in (sums.x, sums.y, sums.xy))
        nothing = np.full(own.size, np.nan)
        either = own + other - both
        return cls(
            np.divide(both, either, out=nothing.copy(), where=either > 0),
            np.divide(both, own, out=nothing.copy(), where=own > 0),
            np.divide(both, other, out=nothing.copy(), where=other > 0),
        )


def _kinds(
    chosen: _Overlap, held: _Overlap, is_held: Bools, cosine: Floats, rules: PairRules
) -> npt.NDArray[np.int8]:
    def named(overlap: _Overlap) -> tuple[Bools, Bools]:
        inside = np.nan_to_num(overlap.in_parent) >= rules.share
        around = np.nan_to_num(overlap.in_child) >= rules.share
        return inside & around, inside

    twin, inside = named(chosen)
    twin_again, inside_again = named(held)
    split = inside & ~twin & is_held
    kind = np.full(cosine.size, COACTIVE, np.int8)
    kind[np.nan_to_num(cosine) >= rules.cosine] = SAME_DIRECTION
    kind[split] = np.where(inside_again[split], SPLIT, NOT_CONFIRMED)
    kind[twin] = np.where(twin_again[twin], DUPLICATE, NOT_CONFIRMED)
    return kind


def _share_interval(sums: PairSums, clusters: Clusters, rules: PairRules) -> tuple[Floats, Floats]:
    low, high = np.full((2, len(sums.x)), np.nan)
    if not clusters.can_judge or rules.n_boot < 2:
        return low, high
    weights = bootstrap_weights(clusters, rules.n_boot, np.random.default_rng([rules.seed, 0xB2]))
    step = _drawn_at_once(rules)
    for a in range(0, low.size, step):
        rules.check_cancelled()
        part = PairSums(sums.n, *(each[a : a + step] for each in (sums.x, sums.xx, sums.y, sums.yy, sums.xy)))
        drawn = np.sort(part.ratio_both(weights), axis=1)
        n_known = np.isfinite(drawn).sum(axis=1)
        enough = n_known >= 0.9 * rules.n_boot
        for ends, share in ((low, 0.025), (high, 0.975)):
            place = np.round(share * np.maximum(n_known - 1, 0)).astype(np.int64)
            at = np.take_along_axis(drawn, place[:, None], axis=1)[:, 0]
            ends[a : a + step] = np.where(enough, at, np.nan)
    return low, high


@dataclass(frozen=True)
class MergeGroup:
    """Features proposed to be called one concept, none of which is lost: `kind`, numbers, and why."""

    kind: str
    features: tuple[int, ...]
    reason: str


def merge_groups(pairs: FeaturePairs, numbers: Ints) -> list[MergeGroup]:
    """Groups of duplicates, parents with their splits, and absorbed pairs; `numbers` (F,) name the features."""
    from scipy import sparse

    groups: list[MergeGroup] = []
    twin = np.flatnonzero(pairs.kind == DUPLICATE)
    n = numbers.size
    graph = sparse.csr_array(
        sparse.coo_array((np.ones(twin.size), (pairs.child[twin], pairs.parent[twin])), shape=(n, n))
    )
    _, part = sparse.csgraph.connected_components(graph, directed=False)
    sizes = np.bincount(part, minlength=1)
    for k in np.flatnonzero(sizes >= 2):
        members = np.flatnonzero(part == k)
        least = float(pairs.held_jaccard[twin[part[pairs.child[twin]] == k]].min())
        groups.append(
            MergeGroup(
                KINDS[DUPLICATE],
                _named(numbers, members),
                f"fire in the same tiles (Jaccard index of linked pairs at least {least:.2f})",
            )
        )
    split = np.flatnonzero(pairs.kind == SPLIT)
    for parent in np.unique(pairs.parent[split]):
        mine = split[pairs.parent[split] == parent]
        least = float(pairs.held_in_parent[mine].min())
        groups.append(
            MergeGroup(
                KINDS[SPLIT],
                (int(numbers[parent]), *_named(numbers, np.sort(pairs.child[mine]))),
                f"feature {numbers[parent]} fires in at least {least:.0%} of the tiles of each of the others",
            )
        )
    groups += [
        MergeGroup(
            KINDS[ABSORBED],
            _named(numbers, np.array([pairs.parent[i], pairs.child[i]])),
            f"feature {numbers[pairs.parent[i]]} is silent where {numbers[pairs.child[i]]} fires, "
            "though its direction is there",
        )
        for i in np.flatnonzero(pairs.kind == ABSORBED)
    ]
    return sorted(groups, key=lambda group: (-len(group.features), group.features))


def _named(numbers: Ints, members: Ints) -> tuple[int, ...]:
    return tuple(int(numbers[f]) for f in members)
