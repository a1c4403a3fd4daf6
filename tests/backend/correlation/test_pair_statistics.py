"""Every statistic of the correlations against an independent way to compute it."""

import numpy as np
import pytest
from scipy import stats

from sae_backend.correlation.engine import CorrelationSpec, correlate
from sae_backend.correlation.result import EXPLAINED, NOT_A_COUNT, ONE_SLIDE
from sae_backend.errors import UserInputError
from tests.worlds.correlation import TYPES, part, slide_null, sparse_features
from tests.worlds.vectors.slides import Cellularity, SlideSpec, VectorWorldSpec, make_world

ALL = ("pearson", "spearman", "log_pearson", "within")


def values(parts, **more):
    spec = CorrelationSpec(n_bootstrap=5, n_permutations=5, min_active=1, **more)
    return correlate(parts, TYPES, spec, values_only=True)


def joined(parts):
    x = np.concatenate([p.features.toarray()[p.valid] for p in parts]).astype(np.float64)
    y = np.concatenate([p.counts[p.valid] for p in parts]).astype(np.float64)
    slide = np.repeat(np.arange(len(parts)), [p.valid.sum() for p in parts])
    return x, y, slide


def test_two_hundred_small_problems_with_ties_and_zeros_are_scipys():
    rng = np.random.default_rng(0)
    for _ in range(200):
        n = int(rng.integers(5, 40))
        x = sparse_features(rng, n, 3, rate=rng.uniform(0.1, 1.0))
        x[:, 1] = np.round(x[:, 1] * 2)
        x[:, 2] -= rng.integers(0, 2, n)
        counts = rng.poisson(rng.uniform(0.3, 3), (n, 2))
        found = values([part(x, counts)], statistics=("pearson", "spearman", "log_pearson"))
        x = x.astype(np.float32).astype(np.float64)
        for f, c in np.ndindex(3, 2):
            if np.ptp(x[:, f]) == 0 or np.ptp(counts[:, c]) == 0:
                assert found.reason[f, c] != "" and np.isnan(found.pearson.value[f, c])
                continue
            expected = {
                "pearson": stats.pearsonr(x[:, f], counts[:, c]).statistic,
                "spearman": stats.spearmanr(x[:, f], counts[:, c]).statistic,
                "log_pearson": stats.pearsonr(x[:, f], np.log1p(counts[:, c])).statistic,
            }
            for name, value in expected.items():
                assert found.statistics[name].value[f, c] == pytest.approx(value, abs=1e-10)


def test_how_tiles_are_parted_does_not_matter():
    rng = np.random.default_rng(1)
    whole = slide_null(rng, n_slides=6, n_features=8)
    pieces = []
    for one in whole:
        cuts = np.array_split(np.arange(one.n_tiles), 3)
        pieces += [
            part(
                one.features.toarray()[cut], one.counts[cut], one.slide, places=(one.rows[cut], one.cols[cut])
            )
            for cut in cuts
        ]
    spec = CorrelationSpec(n_bootstrap=50, n_permutations=19, min_active=1, statistics=ALL)
    first, second = correlate(whole, TYPES, spec), correlate(pieces, TYPES, spec)
    for name, array in first.arrays().items():
        np.testing.assert_allclose(second.arrays()[name], array, atol=1e-12, err_msg=name)


def test_pooled_within_slides_is_pearson_after_the_slides_means_are_taken_off():
    parts = slide_null(np.random.default_rng(2))
    x, y, slide = joined(parts)
    for s in np.unique(slide):
        x[slide == s] -= x[slide == s].mean(axis=0)
        y[slide == s] -= y[slide == s].mean(axis=0)
    expected = np.corrcoef(x.T, y.T)[: x.shape[1], x.shape[1] :]
    np.testing.assert_allclose(values(parts, statistics=ALL).statistics["within"].value, expected, atol=1e-10)


def test_the_share_of_slides_with_the_same_sign_is_counted():
    rng = np.random.default_rng(3)
    parts = []
    for s in range(8):
        x = sparse_features(rng, 40, 1, 0.5)
        sign = -1 if s < 2 else 1
        parts.append(
            part(x, rng.poisson(4 + 3 * sign * np.clip(x, 0, 1), (40, 1)).repeat(2, 1), f"slide {s}")
        )
    found = values(parts)
    assert found.pearson.value[0, 0] > 0 and found.pearson.same_sign[0, 0] == 0.75


def residual(values, controls):
    controls = np.column_stack([np.ones(len(controls)), controls])
    return values - controls @ np.linalg.lstsq(controls, values, rcond=None)[0]


def covaried(rng, n_slides=8, n=60):
    parts = []
    for s in range(n_slides):
        x = sparse_features(rng, n, 4, 0.5)
        tissue = rng.random(n)
        cellular = rng.gamma(4.0, 0.25, n)
        counts = rng.poisson(
            np.stack([1 + 3 * x[:, 0] + cellular, 2 * cellular + 4 * tissue, 3 + x[:, 1]], 1)
        )
        made = part(x, counts, f"slide {s}")
        parts.append(
            type(made)(**{**vars(made), "measures": {"tissue": tissue}, "facts": {"site": f"site {s % 3}"}})
        )
    return parts


def test_partial_correlation_is_that_of_what_regressions_leave():
    parts = covaried(np.random.default_rng(4))
    x, y, slide = joined(parts)
    tissue = np.concatenate([p.measures["tissue"] for p in parts])
    sites = np.stack([slide % 3 == 1, slide % 3 == 2], axis=1).astype(float)
    names = ("A", "B", "C")
    spec = CorrelationSpec(
        min_active=1, statistics=("partial",), covariates=("cellularity", "tissue", "site")
    )
    found = correlate(parts, names, spec, values_only=True).statistics["partial"].value
    controls = np.column_stack([y.sum(axis=1), tissue, sites])
    expected = np.corrcoef(residual(x, controls).T, residual(y, controls).T)[:4, 4:]
    np.testing.assert_allclose(found, expected, atol=1e-9)
    spec = CorrelationSpec(min_active=1, statistics=("partial",), covariates=("other types", "tissue"))
    found = correlate(parts, names, spec, values_only=True).statistics["partial"].value
    for c in range(3):
        controls = np.column_stack([np.delete(y, c, axis=1), tissue])
        expected = np.corrcoef(residual(x, controls).T, residual(y[:, c], controls))[:4, 4]
        np.testing.assert_allclose(found[:, c], expected, atol=1e-9)


@pytest.mark.parametrize("covariates", [("tissue", "site"), ("other types",)])
def test_intervals_of_the_partial_correlation_are_those_of_refitted_draws(covariates):
    parts = covaried(np.random.default_rng(5), n_slides=9)
    x, y, slide = joined(parts)
    tissue = np.concatenate([p.measures["tissue"] for p in parts])
    sites = np.stack([slide % 3 == 1, slide % 3 == 2], axis=1).astype(float)
    spec = CorrelationSpec(n_bootstrap=2000, n_permutations=9, statistics=("partial",), covariates=covariates)
    found = correlate(parts, ("A", "B", "C"), spec).statistics["partial"]
    rng = np.random.default_rng(0)
    draws = []
    for _ in range(800):
        rows = np.concatenate([np.flatnonzero(slide == k) for k in rng.integers(0, 9, 9)])
        others = y[rows][:, 1:] if covariates == ("other types",) else np.column_stack([tissue, sites])[rows]
        draws.append(np.corrcoef(residual(x[rows, 0], others), residual(y[rows, 0], others))[0, 1])
    np.testing.assert_allclose(
        [found.ci_low[0, 0], found.ci_high[0, 0]], np.quantile(draws, [0.025, 0.975]), atol=0.02
    )


def test_a_pair_that_shares_only_cellularity_vanishes_when_it_is_held_fixed():
    spec = VectorWorldSpec(
        seed=3,
        slides=SlideSpec(n_slides=16, tiles=(150, 200)),
        cellularity=Cellularity(drivers=((20, 2.0),), cv=0.3),
    )
    world = make_world(spec)
    names = world.type_names
    spec = CorrelationSpec(
        n_bootstrap=200, n_permutations=199, statistics=("pearson", "partial"), covariates=("cellularity",)
    )
    found = correlate(world.parts(), names, spec).statistics
    own = (2, 5, 8, 11, 14), range(5)
    # Feature 20 drives the cells of all types, the features in `own` one each.
    assert (found["pearson"].value[20] > 0.2).all() and (found["pearson"].p_fwer[20] <= 0.05).all()
    assert (np.abs(found["partial"].value[20]) < 0.12).all()
    assert (found["partial"].value[own] > 0.25).all() and (found["partial"].p_fwer[own] <= 0.05).all()


def test_what_covariates_leave_nothing_of_is_said():
    parts = covaried(np.random.default_rng(7))
    same = [type(p)(**{**vars(p), "counts": p.counts[:, [0, 0, 1]] * np.array([1, 2, 1])}) for p in parts]
    spec = CorrelationSpec(statistics=("partial",), covariates=("other types",))
    found = correlate(same, ("A", "twice A", "B"), spec, values_only=True).statistics["partial"]
    assert (found.reason[:, :2] == EXPLAINED).all() and np.isfinite(found.value[:, 2]).all()
    with pytest.raises(UserInputError, match="cannot be held fixed together"):
        correlate(
            same,
            ("A", "B", "C"),
            CorrelationSpec(statistics=("partial",), covariates=("cellularity", "other types")),
        )
    with pytest.raises(UserInputError, match="scanner.*not known for 8 of 8"):
        correlate(same, ("A", "B", "C"), CorrelationSpec(statistics=("partial",), covariates=("scanner",)))


def test_numbers_that_are_no_counts_may_be_missing_and_have_no_logarithm():
    rng = np.random.default_rng(8)
    parts = slide_null(rng, n_slides=7, n_features=5)
    some = []
    for one in parts:
        area = rng.normal(40, 5, one.n_tiles)
        area[rng.random(one.n_tiles) < 0.3] = np.nan
        some.append(type(one)(**{**vars(one), "counts": np.column_stack([one.counts[:, 0], area])}))
    spec = CorrelationSpec(n_bootstrap=50, n_permutations=49, min_active=1, statistics=ALL)
    found = correlate(some, ("A", "area"), spec, is_count=np.array([True, False]))
    x, y, _ = joined(some)
    known = np.isfinite(y[:, 1])
    for f in range(5):
        expected = stats.pearsonr(x[known, f], y[known, 1]).statistic
        assert found.pearson.value[f, 1] == pytest.approx(expected, abs=1e-10)
        rank = stats.spearmanr(x[known, f], y[known, 1]).statistic
        assert found.spearman.value[f, 1] == pytest.approx(rank, abs=1e-10)
    assert np.isfinite(found.pearson.p_fwer).all() and np.isfinite(found.pearson.q_bh).all()
    assert (found.statistics["log_pearson"].reason[:, 1] == NOT_A_COUNT).all()
    assert any("missing in some tiles" in note for note in found.notes)


def test_the_area_under_the_curve_is_the_share_of_pairs_in_the_right_order():
    parts = slide_null(np.random.default_rng(9), n_features=4)
    x, y, _ = joined(parts)
    found = values(parts).auroc
    for f, c in np.ndindex(4, 2):
        with_type, without = x[y[:, c] > 0, f], x[y[:, c] == 0, f]
        expected = stats.mannwhitneyu(with_type, without).statistic / (with_type.size * without.size)
        assert found[f, c] == pytest.approx(expected, abs=1e-12)


def test_one_slide_has_nothing_to_pool():
    rng = np.random.default_rng(10)
    found = values([part(sparse_features(rng, 60, 3), rng.poisson(2, (60, 2)))], statistics=ALL)
    assert (found.statistics["within"].reason == ONE_SLIDE).all()
    assert np.isnan(found.statistics["within"].value).all()
