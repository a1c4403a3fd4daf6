"""Groups of features that are proposed to be called one concept."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sae_backend.studies.geometry.feature_pairs import ABSORBED, DUPLICATE, KINDS, SPLIT, FeaturePairs

Ints = npt.NDArray[np.int64]


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
