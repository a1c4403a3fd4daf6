import numpy as np
import pytest
from scipy import stats

from sae_backend.correlation.engine import CorrelationSpec, SlidePart, correlate
from sae_backend.errors import MismatchError, UserInputError
from tests.worlds.correlation import TYPES, laid_rows, part, slide_null, sparse_features

QUICK = CorrelationSpec(n_bootstrap=50, n_permutations=49)


def dense(parts: list[SlidePart]):
    x = np.concatenate([p.features.toarray()[p.valid] for p in parts]).astype(np.float64)
    return x, np.concatenate([p.counts[p.valid] for p in parts])


def world(rng, n_slides=6):
    parts = []
    for s in range(n_slides):
        n = 30 + 7 * s
        x = sparse_features(rng, n, 5)
        x[:, 2] = 1e4 + rng.normal(size=n)  # never zero, varies little
        x[:, 3] = np.round(x[:, 3])  # many ties
        x[:, 4] -= 0.5 * (rng.random(n) < 0.3)
        parts.append(part(x, rng.poisson(2, (n, 2)), f"slide {s}", valid=rng.random(n) < 0.9))
    return parts


@pytest.mark.parametrize("n_slides", [1, 6])
def test_values_are_those_of_scipy(n_slides):
    parts = world(np.random.default_rng(3), n_slides)
    result = correlate(parts, TYPES, CorrelationSpec(n_bootstrap=5, n_permutations=5, min_active=1))
    x, y = dense(parts)
    assert result.n_tiles == len(x) and result.n_slides == n_slides
    for f, c in np.ndindex(5, 2):
        assert result.pearson.value[f, c] == pytest.approx(
            stats.pearsonr(x[:, f], y[:, c]).statistic, abs=1e-10
        )
        assert result.spearman.value[f, c] == pytest.approx(
            stats.spearmanr(x[:, f], y[:, c]).statistic, abs=1e-10
        )


@pytest.mark.parametrize("rank", [False, True])
def test_intervals_are_those_of_a_bootstrap_over_tiles_of_drawn_slides(rank):
    parts = world(np.random.default_rng(4))
    result = correlate(parts, TYPES, CorrelationSpec(n_bootstrap=4000, n_permutations=1, min_active=1))
    x, y = dense(parts)
    if rank:
        x, y = stats.rankdata(x, axis=0), stats.rankdata(y, axis=0)
    members = np.split(np.arange(len(x)), np.cumsum([p.valid.sum() for p in parts])[:-1])
    rng = np.random.default_rng(0)
    draws = []
    for _ in range(4000):
        index = np.concatenate([members[k] for k in rng.integers(0, 6, 6)])
        draws.append(np.corrcoef(x[index, 0], y[index, 0])[0, 1])
    pairs = result.spearman if rank else result.pearson
    low, high = np.quantile(draws, [0.025, 0.975])
    assert pairs.percentile_low[0, 0] == pytest.approx(low, abs=0.012)
    assert pairs.percentile_high[0, 0] == pytest.approx(high, abs=0.012)


def test_p_and_q_are_those_of_explicit_rearrangements():
    rng = np.random.default_rng(5)
    parts = slide_null(rng, n_slides=5, n_features=4)
    spec = CorrelationSpec(n_bootstrap=10, n_permutations=400, min_active=1)
    result = correlate(parts, TYPES, spec)
    x, y = dense(parts)
    observed = np.abs(np.corrcoef(x.T, y.T)[:4, 4:])
    np.testing.assert_allclose(np.abs(result.pearson.value), observed, atol=1e-10)
    null = []
    for _ in range(600):
        rows = [start + near[0] for start, near in laid_rows(parts, rng.permutation(5))]
        null.append(np.abs(np.corrcoef(x.T, y[rows].T)[:4, 4:]))
    largest = np.max(null, axis=(1, 2))
    expected = np.array([[(largest >= r - 1e-10).mean() for r in row] for row in observed])
    np.testing.assert_allclose(result.pearson.p_fwer, expected, atol=0.09)
    single = (np.array(null) >= observed - 1e-10).mean(axis=0)
    np.testing.assert_allclose(result.pearson.p_single, single, atol=0.09)
    pooled = np.array([(np.array(null) >= r - 1e-10).mean() for r in observed.ravel()])
    expected_q = stats.false_discovery_control(pooled).reshape(single.shape)
    np.testing.assert_allclose(result.pearson.q_bh, expected_q, atol=0.09)


def test_a_planted_feature_is_found_and_only_it():
    rng = np.random.default_rng(6)
    parts = []
    for s in range(10):
        x = sparse_features(rng, 60, 30)
        counts = np.stack([rng.poisson(1 + 4 * x[:, 7]), rng.poisson(2, 60)], axis=1)
        parts.append(part(x, counts, f"slide {s}"))
    result = correlate(parts, TYPES, CorrelationSpec(n_bootstrap=500, n_permutations=199))
    for pairs in result.statistics.values():
        assert [tuple(pair) for pair in np.argwhere(pairs.p_fwer <= 0.05)] == [(7, 0)]
        assert pairs.ci_low[7, 0] > 0.3 and pairs.value[7, 0] < pairs.ci_high[7, 0]
        assert np.nanargmin(pairs.q_bh) == 14
    assert (result.n_clusters, result.unit) == (10, "slide") and result.notes == ()


def test_the_same_seed_gives_the_same_numbers_and_spans_do_not_matter(monkeypatch):
    parts = world(np.random.default_rng(7))
    whole = correlate(parts, TYPES, QUICK)
    monkeypatch.setattr("sae_backend.statistics.slide_parts._SPAN_VALUES", 50)
    monkeypatch.setattr("sae_backend.statistics.bootstrap._WORK_VALUES", 100)
    split = correlate(parts, TYPES, QUICK)
    for name, pairs in whole.statistics.items():
        for field in ("value", "ci_low", "ci_high", "p_fwer", "q_bh"):
            np.testing.assert_allclose(
                getattr(pairs, field), getattr(split.statistics[name], field), atol=1e-12
            )


def test_parts_of_one_slide_are_one_unit():
    rng = np.random.default_rng(8)
    parts = [part(sparse_features(rng, 50, 3), rng.poisson(2, (50, 2)), f"slide {s % 5}") for s in range(10)]
    result = correlate(parts, TYPES, QUICK)
    assert (result.n_slides, result.n_clusters, result.unit) == (5, 5, "slide")
    assert any("only 120 ways" in note for note in correlate(parts, TYPES, CorrelationSpec(20, 499)).notes)


def test_rows_are_plain_and_complete():
    result = correlate(world(np.random.default_rng(9)), TYPES, QUICK)
    rows = list(result.rows())
    assert len(rows) == 5 * 2 * 2
    assert {row["statistic"] for row in rows} == {"pearson", "spearman"}
    row = rows[0]
    assert (row["feature"], row["cell_type"], row["unit"]) == (0, "A", "slide")
    assert type(row["value"]) is float and row["p"] == result.pearson.p_fwer[0, 0]
    assert (
        "49 exchanges of the maps of the counts of whole units (slide)" in row["method"]
        and "50 draws" in row["method"]
    )


def test_progress_rises_to_the_end_and_can_stop_the_run():
    seen = []
    correlate(world(np.random.default_rng(10)), TYPES, QUICK, lambda done, total: seen.append((done, total)))
    done = [d for d, _ in seen]
    assert done == sorted(done) and seen[-1][0] == seen[-1][1] and len({t for _, t in seen}) == 1

    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        correlate(world(np.random.default_rng(10)), TYPES, QUICK, stop)


def test_what_does_not_belong_together_is_refused():
    one = part(np.ones((4, 2)), np.ones((4, 2)))
    with pytest.raises(UserInputError, match="no slide"):
        correlate([], TYPES, QUICK)
    with pytest.raises(MismatchError, match="numbers of features"):
        correlate([one, part(np.ones((4, 3)), np.ones((4, 2)), "two")], TYPES, QUICK)
    with pytest.raises(MismatchError, match="do not match"):
        correlate([part(np.ones((4, 2)), np.ones((5, 2)))], TYPES, QUICK)
    with pytest.raises(MismatchError, match="different sizes"):
        correlate([one, part(np.ones((4, 2)), np.ones((4, 2)), tile_um=50.0)], TYPES, QUICK)
    with pytest.raises(UserInputError, match="block edge"):
        CorrelationSpec(block_um=float("nan"))
    with pytest.raises(UserInputError, match="draws"):
        CorrelationSpec(n_permutations=0)
