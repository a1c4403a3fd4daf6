"""Counts follow their drivers and nothing else, and the statistics find just that."""

from dataclasses import replace

import numpy as np
import pytest

from sae_backend.correlation.engine import CorrelationSpec, correlate
from tests.worlds.vectors.slides import (
    CellType,
    Cellularity,
    FeatureSpec,
    SlideSpec,
    VectorWorldSpec,
    make_world,
)

FEATURES = FeatureSpec(n_features=40, rate_low=0.05)
DRIVEN = (
    CellType("strong", ((4, 3.0),)),
    CellType("weak", ((9, 0.7),)),
    CellType("two drivers", ((2, 1.0), (15, 2.0))),
    CellType("overdispersed", ((20, 2.0),), dispersion=0.5),
)
PAIRS = ((4, 0), (9, 1), (2, 2), (15, 2), (20, 3))
WORLD = VectorWorldSpec(
    width=4, features=FEATURES, slides=SlideSpec(n_slides=12, tiles=(60, 140)), cell_types=DRIVEN
)
# Features and types that are on in some slides only: where tiles of a slide resemble each other.
PATCHY = VectorWorldSpec(
    width=4,
    features=FeatureSpec(n_features=30, rate_low=0.05, patchy_share=1.0, slide_share=0.3),
    slides=SlideSpec(n_slides=16, tiles=(10, 80)),
    cell_types=(CellType("A", ((2, 2.0),), slide_cv=0.7), CellType("B", ((5, 2.0),), slide_cv=0.7)),
    null=True,
)


def implied_r(spec, plan, feature, kind):
    """Correlation of an activation with a count when tiles and features are independent."""
    variance = plan.variances(spec.features)
    gains = dict(kind.drivers)
    mean = kind.base + sum(g * plan.rates[f] * spec.features.magnitude_mean for f, g in gains.items())
    of_mean = sum(g**2 * variance[f] for f, g in gains.items())
    total = of_mean + mean + kind.dispersion * (of_mean + mean**2)
    return gains[feature] * np.sqrt(variance[feature] / total)


def stacked(world):
    """Activations (N, F) and counts (N, C) of all slides."""
    x = np.concatenate([slide.activations.toarray() for slide in world.slides]).astype(np.float64)
    return x, np.concatenate([slide.cells.counts for slide in world.slides]).astype(np.float64)


def test_every_planted_pair_is_found_and_nothing_else():
    world = make_world(WORLD)
    result = correlate(world.parts(), world.type_names, CorrelationSpec(n_bootstrap=400, n_permutations=199))
    for name, pairs in result.statistics.items():
        found = {tuple(pair) for pair in np.argwhere(pairs.p_fwer <= 0.05).tolist()}
        assert found == set(PAIRS), name
    np.testing.assert_allclose(result.pearson.value, world.true_correlation(), atol=1e-9)
    assert set(zip(*np.nonzero(world.gains), strict=True)) == set(PAIRS)


def test_intervals_hold_the_planted_correlations():
    held = []
    for seed in range(16):
        world = make_world(replace(WORLD, seed=seed))
        pairs = correlate(world.parts(), world.type_names, CorrelationSpec(400, 1)).pearson
        for feature, c in PAIRS:
            r = implied_r(WORLD, world.plan, feature, DRIVEN[c])
            held.append(pairs.ci_low[feature, c] <= r <= pairs.ci_high[feature, c])
    # 80 intervals of 95 % over 12 slides, which the bootstrap makes somewhat narrow.
    assert 0.86 <= np.mean(held) < 1.0


def test_correlations_are_the_implied_ones():
    world = make_world(replace(WORLD, slides=SlideSpec(n_slides=60, tiles=(2000, 2000))))
    r = world.true_correlation()
    for feature, c in PAIRS:
        assert r[feature, c] == pytest.approx(implied_r(WORLD, world.plan, feature, DRIVEN[c]), abs=0.02)
    r[tuple(zip(*PAIRS, strict=True))] = 0.0
    assert np.abs(r).max() < 0.02


def test_counts_are_poisson_or_negative_binomial_about_what_is_expected():
    types = (CellType("Poisson", (), base=4.0), CellType("spread", (), base=4.0, dispersion=0.5))
    world = make_world(replace(WORLD, cell_types=types, slides=SlideSpec(20, (1000, 1000))))
    counts = stacked(world)[1]
    np.testing.assert_allclose(counts.mean(axis=0), 4.0, rtol=0.03)
    np.testing.assert_allclose(counts.var(axis=0), [4.0, 4.0 + 0.5 * 16.0], rtol=0.05)
    assert all((slide.cells.expected == 4.0).all() for slide in world.slides)


def test_a_negative_gain_lowers_the_count_and_never_below_none():
    world = make_world(replace(WORLD, cell_types=(CellType("shy", ((1, -1.0),), base=2.0),)))
    assert world.true_correlation()[1, 0] < -0.3
    assert min(slide.cells.expected.min() for slide in world.slides) == 0.0


def test_slides_differ_in_their_counts_on_request():
    def between(slide_cv):
        types = (CellType("A", (), base=5.0, slide_cv=slide_cv),)
        world = make_world(replace(WORLD, cell_types=types, slides=SlideSpec(300, (100, 100))))
        means = np.array([slide.cells.counts.mean() for slide in world.slides])
        return means.mean(), means.std() / means.mean()

    assert between(0.0)[1] < 0.06
    mean, cv = between(0.6)
    assert mean == pytest.approx(5.0, rel=0.12) and cv == pytest.approx(0.6, rel=0.15)


def test_cellularity_confounds_all_types():
    types = (CellType("driven", ((4, 3.0),), base=3.0), CellType("bystander", (), base=3.0))
    many = SlideSpec(n_slides=20, tiles=(1000, 1000))
    spec = replace(WORLD, cell_types=types, slides=many, cellularity=Cellularity(((10, 1.5),), cv=0.3))
    world = make_world(spec)
    r = world.true_correlation()
    assert r[10].min() > 0.3 and r[4, 0] > 0.3 and abs(r[4, 1]) < 0.03
    assert world.roles[10] == "biology" and world.gains[10].sum() == 0
    # Among tiles with as many cells, the confounder says nothing and the driver still does.
    x, counts = stacked(world)
    ours, total = counts[:, 0], counts.sum(axis=1)
    share = ours[total > 0] / total[total > 0]
    confounder, driver = (np.corrcoef(x[total > 0, f], share)[0, 1] for f in (10, 4))
    assert abs(confounder) < 0.04 < 0.3 < driver
    plain = make_world(replace(spec, cellularity=None))
    assert np.abs(plain.true_correlation()[10]).max() < 0.03


def shuffled_p(x, y, rng):
    """What shuffling single tiles says of the best pair."""
    x = x[:, x.std(axis=0) > 0]
    x, y = (a - a.mean(axis=0) for a in (x, y))
    x, y = (a / np.linalg.norm(a, axis=0) for a in (x, y))
    observed = np.abs(x.T @ y).max()
    null = [np.abs(x.T @ y[rng.permutation(len(y))]).max() for _ in range(99)]
    return (1 + sum(best >= observed for best in null)) / 100


def test_where_slides_differ_shuffling_tiles_claims_what_is_not_there():
    n_worlds, claimed = 60, {"pearson": 0, "spearman": 0, "shuffled tiles": 0}
    for seed in range(n_worlds):
        world = make_world(replace(PATCHY, seed=seed))
        result = correlate(world.parts(), world.type_names, CorrelationSpec(1, 99))
        for name, pairs in result.statistics.items():
            claimed[name] += bool(np.nanmin(pairs.p_fwer) <= 0.05)
        claimed["shuffled tiles"] += shuffled_p(*stacked(world), np.random.default_rng(seed)) <= 0.05
    # 60 worlds at 5 %: 3 expected, sd 1.7; 8 is 3 sd above.
    assert max(claimed["pearson"], claimed["spearman"]) <= 8
    assert claimed["shuffled tiles"] >= 50


def test_where_slides_do_not_differ_tiles_may_be_shuffled():
    claimed = 0
    alike = replace(PATCHY.features, patchy_share=0.0)
    types = tuple(replace(kind, slide_cv=0.0) for kind in PATCHY.cell_types)
    for seed in range(40):
        world = make_world(replace(PATCHY, seed=seed, features=alike, cell_types=types))
        claimed += shuffled_p(*stacked(world), np.random.default_rng(seed)) <= 0.05
    assert claimed <= 6  # 2 expected, sd 1.4


def test_null_counts_keep_the_law_of_the_driven_ones():
    """The same spread, between and within slides, and the same likeness of neighbours."""
    slides = SlideSpec(n_slides=400, tiles=(256, 256), smoothness_tiles=1.5)
    types = (CellType("A", ((8, 2.0),), slide_cv=0.7), CellType("B", ((5, 2.0),), slide_cv=0.7))

    def law(null):
        world = make_world(replace(PATCHY, null=null, slides=slides, cell_types=types))
        counts = np.stack([slide.cells.counts for slide in world.slides]).astype(np.float64)
        means = counts.mean(axis=1)
        deviations = (counts - means[:, None]).reshape(400, 16, 16, 2)
        products = (deviations[:, :, 1:] * deviations[:, :, :-1]).mean(axis=(0, 1, 2))
        moments = np.array([means.mean(axis=0), means.std(axis=0), counts.std(axis=1).mean(axis=0), products])
        return moments, np.abs(world.true_correlation()[[8, 5], [0, 1]])

    driven, found = law(null=False)
    null, none = law(null=True)
    np.testing.assert_allclose(null, driven, rtol=0.3)
    assert driven[3].min() > 0.15  # neighbours are alike
    assert found.min() > 0.4 and none.max() < 0.1


def test_null_counts_do_not_know_the_scanner():
    features = replace(FEATURES, scanner_features=(4, 10))
    spec = replace(WORLD, features=features, slides=SlideSpec(n_slides=400, tiles=(50, 50)))
    driven, null = (make_world(replace(spec, null=null)).true_correlation()[:, 0] for null in (False, True))
    assert driven[4] > 0.6 and driven[10] > 0.08  # number 10 fires on the scanner of the driver
    assert abs(null[4]) < 0.05 and abs(null[10]) < 0.05
