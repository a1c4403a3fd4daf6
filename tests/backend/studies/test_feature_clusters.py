"""Clusters: average linkage in parts is that of the whole, stability is Hennig's, pairs and absorption are what was planted."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform
from sklearn.metrics import adjusted_rand_score

from sae_backend.statistics.resampling_units import Clusters
from sae_backend.studies.framework.result import Checkpoints
from sae_backend.studies.framework.stage import Stage
from sae_backend.studies.geometry import coactivation_chance as coactivation_chance_module
from sae_backend.studies.geometry import feature_clusters, feature_pairs
from sae_backend.studies.geometry.cluster_stability import StabilitySettings, mean_within
from sae_backend.studies.geometry.coactivation_chance import coactivation_chance, holding, scrambled
from sae_backend.studies.geometry.direction_clusters import direction_clusters, direction_limits
from sae_backend.studies.geometry.feature_clusters import (
    CoActivation,
    Directions,
    best_jaccard,
    cohesion,
    find_clusters,
)
from sae_backend.studies.geometry.feature_pairs import (
    COACTIVE,
    DUPLICATE,
    NOT_CONFIRMED,
    SPLIT,
    PairLimits,
    PairRules,
    describe_pairs,
    find_pairs,
    merge_groups,
)
from sae_backend.studies.methods.matching import cross_products
from sae_backend.studies.methods.matching.chance_tiles import arrangements
from sae_backend.studies.methods.matching.cross_products import (
    Columns,
    Laid,
    correlation_blocks,
    product_blocks,
)
from sae_backend.studies.methods.matching.shared_tiles import shared_halves
from tests.backend.studies.test_geometry import grouped_world, study_input


def check_cancelled(*_: object) -> None:
    pass


def unit_rows(rng: np.random.Generator, n: int, d: int) -> np.ndarray:
    rows = rng.standard_normal((n, d))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def grouped_directions(seed: int, n_groups: int = 6, each: int = 8, alone: int = 80, d: int = 48):
    rng = np.random.default_rng(seed)
    centres = unit_rows(rng, n_groups, d)
    rows = np.concatenate([np.repeat(centres, each, axis=0) + 0.09 * rng.standard_normal((n_groups * each, d)),
                           unit_rows(rng, alone, d)])  # fmt: skip
    labels = np.concatenate([np.repeat(np.arange(n_groups), each), 1000 + np.arange(alone)])
    order = rng.permutation(labels.size)
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True))[order].astype(np.float32), labels[order]


def alone_as_singles(labels: np.ndarray) -> np.ndarray:
    found = labels.copy()
    found[labels < 0] = 10_000 + np.arange((labels < 0).sum())
    return found


@pytest.mark.parametrize("cut", [0.05, 0.3, 0.6])
def test_linkage_in_parts_is_linkage_of_the_whole(cut: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feature_clusters, "_BLOCK_VALUES", 300)
    directions, _ = grouped_directions(0)
    cosine = directions.astype(np.float64) @ directions.T.astype(np.float64)
    distance = np.maximum(1 - (cosine + cosine.T) / 2, 0)
    np.fill_diagonal(distance, 0)
    want = fcluster(linkage(squareform(distance, checks=False), "average"), 1 - cut, "distance")
    want = np.where(np.bincount(want)[want] >= 3, want, -1)
    found = find_clusters(Directions(directions), cut)
    assert adjusted_rand_score(alone_as_singles(want), alone_as_singles(found)) == pytest.approx(1)
    assert (np.diff(np.bincount(found[found >= 0])) <= 0).all()
    within = cohesion(Directions(directions), found)
    first = np.flatnonzero(found == 0)
    assert within[0] == pytest.approx(
        cosine[np.ix_(first, first)][np.triu_indices(first.size, 1)].mean(), abs=1e-5
    )


def test_a_part_that_is_too_large_is_taken_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    directions, labels = grouped_directions(1)
    monkeypatch.setattr(feature_clusters, "_MAX_DENSE", 20)
    found = find_clusters(Directions(directions), 0.3)
    assert np.bincount(found[found >= 0]).max() <= 20
    assert adjusted_rand_score(labels[labels < 1000], found[labels < 1000]) > 0.9
    copies = np.tile(directions[:1], (30, 1))
    assert (find_clusters(Directions(copies), 0.1) == 0).all()


def test_jaccard_with_the_best_new_cluster() -> None:
    labels = np.array([0, 0, 0, 0, 1, 1, 1, -1, -1])
    again = np.array([5, 5, 5, 2, 2, -1, -1, 2, -1])
    np.testing.assert_allclose(best_jaccard(labels, again), [3 / 4, 1 / 5])
    kept = np.array([1, 1, 1, 0, 1, 0, 0, 1, 1], bool)
    np.testing.assert_allclose(best_jaccard(labels, again, kept), [1, np.nan])
    assert best_jaccard(labels, np.full(9, -1)).tolist() == [0, 0]


def test_groups_of_directions_are_found_and_random_ones_are_not() -> None:
    directions, labels = grouped_directions(2)
    cut, largest = direction_limits(directions, 0.995, 0, Stage(check_cancelled, ""))
    assert 0.2 < cut < largest < 0.9
    found = direction_clusters(
        directions, StabilitySettings(10, 19, 0, cut), Stage(check_cancelled, ""), Checkpoints()
    )
    assert found.is_stable.sum() == 6
    stable = np.where(np.isin(found.labels, np.flatnonzero(found.is_stable)), found.labels, -1)
    assert adjusted_rand_score(labels, alone_as_singles(stable)) > 0.9
    alone = unit_rows(np.random.default_rng(3), 128, 48)
    cut, _ = direction_limits(alone, 0.995, 0, Stage(check_cancelled, ""))
    assert not direction_clusters(
        alone, StabilitySettings(10, 19, 0, cut), Stage(check_cancelled, ""), Checkpoints()
    ).is_stable.any()


def test_holding_is_more_than_chance_overlap() -> None:
    # 40 of 40 in a parent of 40 % says more than 2 of 40 in one of 0.2 %; what is expected says nothing.
    found = holding(np.array([[40.0, 2.0, 16.0]]), np.array([40.0]), np.array([0.4, 0.002, 0.4]))
    assert found[0, 0] == pytest.approx(np.sqrt(2 * 40 * np.log(2.5)))
    assert found[0, 0] > 2 * found[0, 1] > 0 and found[0, 2] == 0


def test_scrambled_features_keep_their_maps_and_lose_each_other() -> None:
    inputs = study_input(grouped_world(0)[0])
    tiles, _ = shared_halves(inputs, (0,))
    columns = Columns(tiles.activations(0))
    live = np.flatnonzero(columns.n_active >= 20)
    columns = columns.only(live)
    ways = arrangements(tiles, 60, 1)
    alone = scrambled(columns, ways, np.arange(columns.n_rows), np.arange(live.size))
    # Units that are laid on others of another size are cut or mirrored, so that sums are alike and not equal.
    ratio = alone.n_active / columns.n_active
    assert 0.8 < np.median(ratio) < 1.25 and (alone.n_active > 0).all()

    def strong(some: Columns) -> int:
        r = np.concatenate([block for _, block in correlation_blocks(some, some)])
        return int((r[np.triu_indices(len(r), 1)] > 0.4).sum())

    assert strong(columns) > 30 and strong(alone) < 0.3 * strong(columns)


def nested(seed: int, n: int = 4000) -> sparse.csr_array:
    """Feature 1 repeats 0, 2 and 3 lie within 0, 4 to 9 are unrelated, 9 fires nearly everywhere."""
    rng = np.random.default_rng(seed)
    fires = rng.random((n, 10)) < np.array([0.3, 0, 0.4, 0.05, 0.1, 0.1, 0.1, 0.02, 0.02, 0.97])
    fires[:, 1] = fires[:, 0] & (rng.random(n) < 0.95)
    fires[:, 2] &= fires[:, 0]
    fires[:, 3] &= fires[:, 0]
    return sparse.csr_array(fires * rng.gamma(4.0, 0.25, fires.shape))


def test_duplicates_and_splits_are_named() -> None:
    columns = [Columns(nested(seed)) for seed in (0, 1)]
    firing = [some.firing() for some in columns]
    sizes = np.full(10, 400)
    units = Clusters(
        np.arange(4000), sizes, np.zeros(10, np.int64), sizes, np.arange(10), np.arange(10), "patient", "patient", ()
    )  # fmt: skip
    limits = PairLimits(np.full(10, 0.15), np.full(10, 5.0), np.inf)
    listed = find_pairs(columns[0], firing[0], None, limits, check_cancelled)
    rules = PairRules(0.8, 0.9, 100, 0)
    pairs = describe_pairs(
        ((columns[0], firing[0]), (columns[1], firing[1])), (units, units), listed, None, rules
    )
    kinds = {(int(f), int(g)): int(k) for f, g, k in zip(pairs.child, pairs.parent, pairs.kind, strict=True)}
    assert kinds[1, 0] == DUPLICATE
    assert kinds[2, 0] == kinds[3, 0] == kinds[2, 1] == kinds[3, 1] == SPLIT
    # What fires everywhere holds all others, but not beyond its rate.
    assert not any(9 in pair and kind in (SPLIT, NOT_CONFIRMED) for pair, kind in kinds.items())
    assert pairs.n_found == len(kinds) and set(kinds.values()) <= {DUPLICATE, SPLIT, COACTIVE}
    at = list(kinds).index((3, 0))
    assert pairs.low[at] == pairs.held_in_parent[at] == pairs.high[at] == 1
    assert pairs.rate[at] == pytest.approx(0.3, abs=0.03)
    groups = merge_groups(pairs, np.arange(100, 110))
    assert [(group.kind, group.features) for group in groups] == [
        ("split", (100, 102, 103)),
        ("split", (101, 102, 103)),
        ("duplicate", (100, 101)),
    ]


def test_the_closest_pairs_are_kept_where_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    columns = Columns(nested(0))
    everything = PairLimits(np.full(10, -2.0), np.full(10, np.inf), np.inf)
    first, second, _, n_found = find_pairs(columns, columns.firing(), None, everything, check_cancelled)
    assert first.size == n_found == 45
    monkeypatch.setattr(feature_pairs, "MAX_PAIRS", 5)
    first, second, _, n_found = find_pairs(columns, columns.firing(), None, everything, check_cancelled)
    assert first.size == 5 and n_found == 45
    assert {(0, 1), (0, 2), (0, 3)} <= set(zip(first.tolist(), second.tolist(), strict=True))


@pytest.mark.parametrize("way", ["as they lie", "moved", "shifted", "weighted"])
def test_loops_over_pairs_are_those_of_tables(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cross_products, "_BLOCK_VALUES", 30)
    columns, n = Columns(nested(3, 600)), 600
    rng = np.random.default_rng(0)
    source = np.where(rng.random(n) < 0.9, rng.permutation(n), -1).astype(np.int32)
    laid = Laid(source, is_shift=way == "shifted") if way in ("moved", "shifted") else None
    weights = rng.integers(0, 3, n).astype(float) if way == "weighted" else None
    r = np.concatenate([block for _, block in correlation_blocks(columns, columns, laid, weights)])
    labels = np.array([0, 0, 1, 1, 1, -1, -1, 2, 2, 2])
    if weights is not None:
        some = CoActivation(columns, weights)
        pairs = [np.concatenate(each) for each in zip(*some.close(0.05, check_cancelled), strict=True)]
        want = np.nonzero(np.triu(r >= 0.05, 1))
        np.testing.assert_array_equal(pairs[0], want[0])
        np.testing.assert_array_equal(pairs[1], want[1])
        np.testing.assert_allclose(pairs[2], r[want])
        np.testing.assert_allclose(
            some.among(np.array([1, 4, 9])), r[np.ix_([1, 4, 9], [1, 4, 9])], atol=1e-12
        )
        return
    other = r[~np.eye(10, dtype=bool)].reshape(10, 9)
    how = laid or Laid(np.arange(n, dtype=np.int32))
    found = coactivation_chance_module._one(columns, columns, how, True, check_cancelled)
    np.testing.assert_allclose(found["r"], other.max(axis=1))
    assert found["histogram"].sum() == 90
    firing = columns.firing()
    both = np.concatenate([block for _, block in product_blocks(firing, firing, laid)])
    held = holding(both, firing.n_active.astype(float), firing.n_active / n)
    held[firing.n_active <= firing.n_active[:, None]] = 0
    np.testing.assert_allclose(found["held"], held.max(axis=1), atol=1e-9)
    mean = [
        r[np.ix_(labels == k, labels == k)][~np.eye((labels == k).sum(), dtype=bool)].mean() for k in range(3)
    ]
    np.testing.assert_allclose(mean_within(columns, labels, laid), mean, atol=1e-12)


def test_chance_of_coactivation_has_its_quantile() -> None:
    inputs = study_input(grouped_world(1)[0])
    tiles, _ = shared_halves(inputs, (0,))
    columns = Columns(tiles.activations(0)).only(np.arange(20))
    ways = arrangements(tiles, 3, 0, move_all=True)
    found = coactivation_chance(columns, ways, np.arange(columns.n_rows), check_cancelled, Checkpoints())
    drawn = []
    for p in range(3):
        r = np.concatenate([block for _, block in correlation_blocks(columns, columns, ways.laid(p))])
        np.testing.assert_allclose(found.r[p], np.where(np.eye(20, dtype=bool), -1, r).max(axis=1))
        drawn.append(r[~np.eye(20, dtype=bool)])
    assert found.quantile(0.9) == pytest.approx(np.quantile(np.concatenate(drawn), 0.9), abs=0.01)
    assert CoActivation(columns).among(np.arange(5)).shape == (5, 5)
