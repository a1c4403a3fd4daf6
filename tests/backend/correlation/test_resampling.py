"""Intervals and nulls of the correlations against slower, plainer ways to make them."""

import numpy as np
import pytest
from scipy import stats

from sae_backend.correlation.engine import CorrelationSpec, correlate
from sae_backend.correlation.target_groups import TargetGroup
from sae_backend.errors import UserInputError
from sae_backend.statistics.permutation import exchange as exchange_null
from sae_backend.statistics.permutation.arrangements import MIN_OVERLAP, shifts
from sae_backend.statistics.permutation.null_distribution import pooled_p
from sae_backend.statistics.resampling_units import form_clusters
from sae_backend.statistics.slide_parts import assemble
from tests.worlds.correlation import TYPES, independent_maps, part, slide_null, sparse_features


def test_bca_intervals_are_scipys():
    rng = np.random.default_rng(0)
    parts = []
    for s in range(15):
        x = sparse_features(rng, 30, 1, 0.5) * rng.gamma(2, 0.5)
        parts.append(part(x, rng.poisson(1 + 2 * x).repeat(2, axis=1), f"slide {s}"))
    spec = CorrelationSpec(n_bootstrap=4000, n_permutations=1, interval="bca", statistics=("pearson",))
    found = correlate(parts, TYPES, spec).pearson
    x = [p.features.toarray()[:, 0].astype(float) for p in parts]
    y = [p.counts[:, 0].astype(float) for p in parts]

    def r(index):
        return np.corrcoef(np.concatenate([x[i] for i in index]), np.concatenate([y[i] for i in index]))[0, 1]

    expected = stats.bootstrap(
        (np.arange(15),), r, vectorized=False, n_resamples=1500, method="BCa", rng=np.random.default_rng(1)
    ).confidence_interval
    assert found.ci_low[0, 0] == pytest.approx(expected.low, abs=0.02)
    assert found.ci_high[0, 0] == pytest.approx(expected.high, abs=0.02)
    assert found.percentile_low[0, 0] != found.ci_low[0, 0], "the percentile interval is kept beside it"


def test_studentised_intervals_are_those_of_a_loop_over_draws():
    rng = np.random.default_rng(11)
    parts = []
    for s in range(9):
        n = int(rng.integers(20, 60))
        x = sparse_features(rng, n, 1, 0.3) * rng.gamma(2, 0.5)
        parts.append(part(x, rng.poisson(1 + 2 * x).repeat(2, axis=1), f"slide {s}"))
    found = correlate(
        parts, TYPES, CorrelationSpec(n_bootstrap=3000, n_permutations=1, statistics=("pearson",))
    ).pearson
    x = [p.features.toarray()[:, 0].astype(float) for p in parts]
    y = [p.counts[:, 0].astype(float) for p in parts]

    def z_and_error(index):
        u, v = np.concatenate([x[i] for i in index]), np.concatenate([y[i] for i in index])
        owner = np.repeat(np.arange(len(index)), [len(x[i]) for i in index])
        u, v = (u - u.mean()) / u.std(), (v - v.mean()) / v.std()
        r = (u * v).mean()
        influence = np.bincount(owner, u * v - r / 2 * (u**2 + v**2))
        k = len(index)
        return np.arctanh(r), np.sqrt(k / (k - 1) * (influence**2).sum()) / len(u) / (1 - r**2)

    z, error = z_and_error(range(9))
    t = []
    for _ in range(3000):
        drawn, its_error = z_and_error(rng.integers(0, 9, 9))
        t.append((drawn - z) / its_error)
    low, high = np.tanh(z - np.quantile(t, [0.975, 0.025]) * error)
    assert found.ci_low[0, 0] == pytest.approx(low, abs=0.03)
    assert found.ci_high[0, 0] == pytest.approx(high, abs=0.03)


def test_patients_are_the_units_where_they_are_known():
    parts = slide_null(np.random.default_rng(1), n_slides=14)
    owned = [type(p)(**{**vars(p), "patient": f"patient {i // 2}"}) for i, p in enumerate(parts)]
    spec = CorrelationSpec(n_bootstrap=50, n_permutations=49)
    found = correlate(owned, TYPES, spec)
    assert (found.n_clusters, found.unit, found.n_slides) == (7, "patient", 14)
    by_slide = correlate(owned, TYPES, CorrelationSpec(n_bootstrap=50, n_permutations=49, cluster="slide"))
    assert by_slide.n_clusters == 14 and any("not independent" in note for note in by_slide.notes)
    np.testing.assert_allclose(found.pearson.value, by_slide.pearson.value, atol=1e-12)
    half = [
        type(p)(**{**vars(p), "patient": f"patient {i // 2}" if i > 3 else ""}) for i, p in enumerate(parts)
    ]
    assert correlate(half, TYPES, spec).n_clusters == 9
    with pytest.raises(UserInputError, match="names its patient"):
        correlate(parts, TYPES, CorrelationSpec(cluster="patient"))
    with pytest.raises(UserInputError, match="no unit called"):
        form_clusters([], 1000, "tile")


def test_fewer_than_five_patients_conclude_nothing_even_when_asked_for():
    parts = slide_null(np.random.default_rng(2), n_slides=4)
    found = correlate(parts, TYPES, CorrelationSpec(n_bootstrap=50, n_permutations=49, cluster="slide"))
    assert np.isnan(found.pearson.ci_low).all() and np.isnan(found.pearson.p_fwer).all()
    assert any("cannot be concluded" in note for note in found.notes)


@pytest.mark.parametrize("statistic", ["pearson", "within", "partial"])
def test_both_ways_to_exchange_units_agree(statistic, monkeypatch):
    rng = np.random.default_rng(3)
    parts = [
        type(p)(**{**vars(p), "measures": {"tissue": rng.random(p.n_tiles)}})
        for p in slide_null(rng, n_slides=7, n_features=6)
    ]
    spec = CorrelationSpec(
        n_bootstrap=2,
        n_permutations=40,
        min_active=1,
        statistics=("pearson", statistic),
        covariates=("tissue", "other types"),
    )
    by_pairs = correlate(parts, TYPES, spec).arrays()
    monkeypatch.setattr(exchange_null.ExchangeNull, "_by_pairs", None)
    monkeypatch.setattr(exchange_null, "_TABLE_VALUES", 0)
    for name, array in correlate(parts, TYPES, spec).arrays().items():
        np.testing.assert_allclose(array, by_pairs[name], atol=1e-12, err_msg=name)


def test_partial_null_is_that_of_exchanged_residuals():
    rng = np.random.default_rng(4)
    parts = []
    for s in range(6):
        x = sparse_features(rng, 30, 3, 0.5)
        made = part(x, rng.poisson(2, (30, 2)), f"slide {s}")
        parts.append(type(made)(**{**vars(made), "measures": {"tissue": rng.random(30)}}))
    spec = CorrelationSpec(
        n_bootstrap=2, n_permutations=60, min_active=1, statistics=("partial",), covariates=("tissue",)
    )
    tiles = assemble(parts, 2, 1000.0)
    group = TargetGroup(tiles, np.arange(2), spec, np.ones(2, bool))
    found = correlate(parts, TYPES, spec).statistics["partial"]
    z = np.column_stack([np.ones(180), tiles.gather([p.measures["tissue"] for p in tiles.parts])])
    x = tiles.columns.block(0, 3).toarray()
    x_left = x - z @ np.linalg.lstsq(z, x, rcond=None)[0]
    y_left = tiles.counts - z @ np.linalg.lstsq(z, tiles.counts, rcond=None)[0]
    sources = group.arrangements["partial"].sources(0, 60)
    laid = [y_left[s] - z @ np.linalg.lstsq(z, y_left[s], rcond=None)[0] for s in sources]
    null = np.array([np.abs(np.corrcoef(x_left.T, y.T)[:3, 3:]) for y in laid])
    observed = np.abs(found.value)
    np.testing.assert_allclose(found.p_single, (1 + (null >= observed - 1e-10).sum(axis=0)) / 61)
    largest = null.max(axis=(1, 2))
    np.testing.assert_allclose(found.p_fwer[0, 0], (1 + (largest >= observed[0, 0] - 1e-10).sum()) / 61)
    np.testing.assert_allclose(found.band, np.quantile(null.max(axis=1), 0.95, axis=0))


def test_shifted_maps_are_those_of_a_loop_over_tiles():
    parts = independent_maps(np.random.default_rng(5), side=9)
    spec = CorrelationSpec(n_bootstrap=2, n_permutations=30, min_active=1, statistics=("pearson",))
    tiles = assemble(parts, 2, 1000.0)
    assert tiles.clusters.kind == "block"
    group = TargetGroup(tiles, np.arange(2), spec, np.ones(2, bool))
    offsets = group.arrangements["pearson"].offsets[:, 0]
    assert len({tuple(o) for o in offsets.tolist()}) == 30 and (offsets != 0).any(axis=1).all()
    row = tiles.gather([p.rows for p in tiles.parts])
    col = tiles.gather([p.cols for p in tiles.parts])
    place = {(r, c): i for i, (r, c) in enumerate(zip(row.tolist(), col.tolist(), strict=True))}
    x = tiles.columns.block(0, 20).toarray()
    x, y = x - x.mean(axis=0), tiles.counts - tiles.counts.mean(axis=0)
    length = np.outer(np.linalg.norm(x, axis=0), np.linalg.norm(y, axis=0))
    expected = []
    for dy, dx in offsets.tolist():
        total, n = np.zeros((20, 2)), 0
        for i, (r, c) in enumerate(zip(row.tolist(), col.tolist(), strict=True)):
            j = place.get((r + dy, c + dx))
            if j is not None:
                total += np.outer(x[i], y[j])
                n += 1
        assert n >= MIN_OVERLAP * len(x)
        with np.errstate(invalid="ignore"):
            expected.append(np.nanmax(np.abs(total / length), axis=0) / np.sqrt(n / len(x)))
    correlate(parts, TYPES, spec)
    found = TargetGroup(tiles, np.arange(2), spec, np.ones(2, bool))
    from sae_backend.correlation.result import PairStatistics
    from sae_backend.statistics.parallel import ChunkWork

    found.run(ChunkWork(1, None), {"pearson": PairStatistics.empty(20, 2)}, np.zeros((20, 2)))
    np.testing.assert_allclose(found.nulls["pearson"].largest, np.minimum(expected, 1), atol=1e-12)


def test_few_tiles_can_be_shifted_in_too_few_ways():
    line = np.zeros(4, np.int64), np.zeros(4, np.int64), np.arange(4)
    arrangement, n_possible = shifts(line, 99, np.random.default_rng(0))
    assert arrangement is None and n_possible == 6


def test_the_share_of_the_pool_counts_ties_and_the_data():
    histogram = np.zeros(4097, np.int64)
    histogram[[0, 2048, 4096]] = [7, 2, 1]
    found = pooled_p(np.array([0.0, 0.5, 0.6, 1.0, np.nan]), histogram)
    np.testing.assert_allclose(found, [1.0, 4 / 11, 2 / 11, 2 / 11, np.nan])


def test_partial_null_given_other_types_leaves_each_type_free_of_the_others():
    rng = np.random.default_rng(6)
    parts = [
        part(sparse_features(rng, 30, 3, 0.5), rng.poisson(rng.gamma(1, 3, 3), (30, 3)), f"slide {s}")
        for s in range(6)
    ]
    spec = CorrelationSpec(
        n_bootstrap=2, n_permutations=50, min_active=1, statistics=("partial",), covariates=("other types",)
    )
    tiles = assemble(parts, 3, 1000.0)
    group = TargetGroup(tiles, np.arange(3), spec, np.ones(3, bool))
    found = correlate(parts, ("A", "B", "C"), spec).statistics["partial"]
    x, y = tiles.columns.block(0, 3).toarray(), tiles.counts
    for c in range(3):
        z = np.column_stack([np.ones(len(y)), np.delete(y, c, axis=1)])

        def free(values, z=z):
            return values - z @ np.linalg.lstsq(z, values, rcond=None)[0]

        y_left = free(y[:, c])
        null = [
            np.abs(np.corrcoef(free(x).T, free(y_left[s]))[:3, 3])
            for s in group.arrangements["partial"].sources(0, 50)
        ]
        observed = np.abs(found.value[:, c])
        np.testing.assert_allclose(observed, np.abs(np.corrcoef(free(x).T, y_left)[:3, 3]), atol=1e-9)
        np.testing.assert_allclose(found.p_single[:, c], (1 + (null >= observed - 1e-10).sum(axis=0)) / 51)
        np.testing.assert_allclose(found.band[c], np.quantile(np.max(null, axis=1), 0.95), atol=1e-9)


def test_slides_that_are_one_block_each_give_no_interval():
    parts = slide_null(np.random.default_rng(12), n_slides=12)
    found = correlate(
        parts, TYPES, CorrelationSpec(n_bootstrap=50, n_permutations=49, cluster="block", block_um=1e6)
    )
    assert found.n_clusters == 12 and not found.judged
    assert np.isnan(found.pearson.ci_low).all() and np.isnan(found.pearson.p_fwer).all()
    assert any("one block each" in note for note in found.notes)


def test_few_draws_are_said():
    parts = slide_null(np.random.default_rng(13), n_slides=8)
    few = correlate(parts, TYPES, CorrelationSpec(n_bootstrap=20, n_permutations=19))
    assert any("are few" in note for note in few.notes)
    enough = correlate(parts, TYPES, CorrelationSpec(n_bootstrap=200, n_permutations=99))
    assert not any("are few" in note for note in enough.notes)
