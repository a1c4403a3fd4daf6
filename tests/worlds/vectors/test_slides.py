"""The world of vectors is what it says: rates, dependence, slides, counts and what adds up to a vector."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse, stats

from sae_backend.errors import UserInputError
from tests.worlds.vectors.slides import (
    CellType,
    FeatureGroup,
    FeatureSpec,
    Hierarchy,
    NuisanceSpec,
    SlideSpec,
    VectorWorldSpec,
    make_world,
)

SMALL = VectorWorldSpec(
    width=16,
    features=FeatureSpec(n_features=30, rate_low=0.02, patchy_share=0.5, scanner_features=(7, 12)),
    slides=SlideSpec(n_slides=5, tiles=(20, 40), slides_per_patient=2, n_sites=3, smoothness_tiles=1.0),
    nuisance=NuisanceSpec(scanner_weight=1.0, stain_weight=0.5, slide_weight=0.3),
)


def tissue(features, *, n_slides=10, n_tiles=2000, smoothness_tiles=0.0, n_scanners=2, seed=0):
    """A world of which only the activations matter, and all of them as one csc array."""
    slides = SlideSpec(n_slides, (n_tiles, n_tiles), n_scanners=n_scanners, smoothness_tiles=smoothness_tiles)
    world = make_world(VectorWorldSpec(seed=seed, width=3, features=features, slides=slides, cell_types=()))
    return world, sparse.vstack([slide.activations for slide in world.slides]).tocsc()


def bytes_of(slide):
    a = slide.activations
    arrays = (
        slide.vectors,
        slide.noise,
        a.data,
        a.indices,
        a.indptr,
        slide.cells.counts,
        slide.cells.expected,
    )
    facts = (slide.name, slide.patient, slide.site, slide.scanner, slide.stain)
    return (*facts, *(array.tobytes() for array in (*arrays, slide.nuisance.total, slide.rows, slide.cols)))


def assert_rates(fires, expected, n):
    """Each rate within its sampling error, and all of them together no further off than chance has it."""
    z = (fires - n * expected) / np.sqrt(n * expected * (1 - expected))
    assert np.abs(z).max() < 4.5
    assert 1e-4 < stats.chi2.cdf((z**2).sum(), z.size) < 1 - 1e-4


def test_a_seed_gives_the_same_bytes_and_a_slide_does_not_know_how_many_there_are():
    world = make_world(SMALL)
    again = make_world(SMALL)
    more = make_world(replace(SMALL, slides=replace(SMALL.slides, n_slides=9)))
    other = make_world(replace(SMALL, seed=1))
    assert world.dictionary.tobytes() == again.dictionary.tobytes() == more.dictionary.tobytes()
    for k in range(5):
        assert bytes_of(world.slides[k]) == bytes_of(again.slides[k]) == bytes_of(more.slides[k])
        assert bytes_of(world.slides[k])[5:] != bytes_of(other.slides[k])[5:]
    assert len({slide.vectors.tobytes() for slide in more.slides}) == 9
    assert not np.allclose(world.dictionary, other.dictionary)


def test_cells_and_weights_change_nothing_else():
    world = make_world(SMALL)
    for changed in (
        replace(SMALL, null=True),
        replace(SMALL, cell_types=SMALL.cell_types[:1]),
        replace(SMALL, nuisance=NuisanceSpec(noise_sigma=1.0)),
    ):
        for slide, other in zip(world.slides, make_world(changed).slides, strict=True):
            assert slide.activations.data.tobytes() == other.activations.data.tobytes()
            assert (slide.scanner, slide.stain, slide.n_tiles) == (other.scanner, other.stain, other.n_tiles)
            if changed.nuisance == SMALL.nuisance:
                assert slide.vectors.tobytes() == other.vectors.tobytes()
            if changed.cell_types != SMALL.cell_types:
                np.testing.assert_array_equal(slide.cells.counts[:, :1], other.cells.counts)


def test_dtypes_shapes_and_facts():
    world = make_world(SMALL)
    assert [slide.patient for slide in world.slides] == [0, 0, 1, 1, 2]
    assert world.slides[0].site == world.slides[1].site and world.slides[2].site == world.slides[3].site
    assert len({slide.n_tiles for slide in world.slides}) > 1
    for slide in world.slides:
        n = slide.n_tiles
        assert 20 <= n <= 40
        assert (slide.vectors.shape, slide.vectors.dtype) == ((n, 16), np.float32)
        assert isinstance(slide.activations, sparse.csr_array)
        assert (slide.activations.shape, slide.activations.dtype) == ((n, 30), np.float32)
        assert slide.activations.has_canonical_format and (slide.activations.data > 0).all()
        assert (slide.cells.counts.shape, slide.cells.counts.dtype) == ((n, 5), np.int32)
        assert len(set(zip(slide.rows.tolist(), slide.cols.tolist(), strict=True))) == n
    bound = make_world(
        replace(SMALL, slides=SlideSpec(40, (1, 1), n_sites=4, n_scanners=2, site_decides_scanner=True))
    )
    assert {(slide.site, slide.scanner) for slide in bound.slides} == {(0, 0), (1, 1), (2, 0), (3, 1)}


def test_a_vector_is_the_sum_of_its_parts():
    world = make_world(SMALL)
    np.testing.assert_allclose(np.linalg.norm(world.dictionary, axis=1), 1.0, atol=1e-14)
    for slide in world.slides:
        features = slide.activations.toarray().astype(np.float64) @ world.dictionary
        residual = slide.vectors - features - slide.nuisance.total
        np.testing.assert_allclose(residual, slide.noise, rtol=0, atol=1e-6)
        assert np.linalg.norm(slide.nuisance.scanner) == pytest.approx(1.0)
        assert np.linalg.norm(slide.nuisance.stain) == pytest.approx(0.5 * abs(slide.stain))
    assert np.std(np.concatenate([slide.noise for slide in world.slides])) == pytest.approx(0.05, rel=0.05)
    together = np.corrcoef([slide.noise[:20].ravel() for slide in world.slides])
    assert np.abs(together - np.eye(5)).max() < 0.25
    bare = make_world(replace(SMALL, nuisance=NuisanceSpec(noise_sigma=0.0)))
    for slide in bare.slides:
        np.testing.assert_allclose(slide.vectors, slide.activations @ bare.dictionary, atol=1e-6)


def test_technical_effects_belong_to_their_slide():
    slides = SlideSpec(n_slides=400, tiles=(1, 1), n_scanners=3)
    world = make_world(replace(SMALL, slides=slides))
    scanners = {slide.scanner: slide.nuisance.scanner for slide in world.slides}
    np.testing.assert_allclose(scanners[0] + scanners[1] + scanners[2], 0, atol=1e-12)
    assert scanners[0] @ scanners[1] == pytest.approx(-0.5)
    assert all((slide.nuisance.scanner == scanners[slide.scanner]).all() for slide in world.slides)
    share = np.bincount([slide.scanner for slide in world.slides]) / 400
    np.testing.assert_allclose(share, 1 / 3, atol=0.08)
    stains = np.array([slide.nuisance.stain for slide in world.slides])
    assert np.linalg.matrix_rank(stains) == 1
    assert np.sqrt((stains**2).sum(axis=1).mean()) == pytest.approx(0.5, rel=0.1)
    intercepts = np.array([slide.nuisance.intercept for slide in world.slides])
    assert np.sqrt((intercepts**2).sum(axis=1).mean()) == pytest.approx(0.3, rel=0.05)
    np.testing.assert_allclose(intercepts.mean(axis=0), 0, atol=0.02)


@pytest.mark.parametrize("zipf_exponent", [1.0, 2.0, 50.0])
def test_features_fire_as_often_as_planned(zipf_exponent):
    world, x = tissue(FeatureSpec(n_features=120, zipf_exponent=zipf_exponent), n_slides=30)
    rates = world.plan.rates
    assert rates[0] == pytest.approx(0.4) and rates[-1] == pytest.approx(5e-4)
    assert (np.diff(rates) < 0).all()
    assert_rates(x.count_nonzero(axis=0), rates, x.shape[0])


@pytest.mark.parametrize("law", ["gamma", "lognormal"])
def test_activations_have_their_mean_and_spread(law):
    spec = FeatureSpec(n_features=40, rate_low=0.02, magnitude_law=law, magnitude_mean=3.0, magnitude_cv=0.7)
    world, x = tissue(spec, n_slides=60)
    assert x.data.mean() == pytest.approx(3.0, rel=0.02)
    assert x.data.std() / x.data.mean() == pytest.approx(0.7, rel=0.03)
    measured = x.power(2).sum(axis=0) / x.shape[0] - (x.sum(axis=0) / x.shape[0]) ** 2
    np.testing.assert_allclose(measured, world.plan.variances(spec), rtol=0.2)
    assert set(tissue(replace(spec, magnitude_cv=0.0))[1].data.tolist()) == {3.0}


@pytest.mark.parametrize("exclusive", [False, True])
def test_a_child_fires_only_with_its_parent(exclusive):
    spec = FeatureSpec(n_features=80, rate_low=0.02, hierarchy=Hierarchy(3, 3, 2, exclusive))
    world, x = tissue(spec, n_slides=20)
    plan = world.plan
    assert spec.hierarchy.n_nodes == 39 == (np.bincount(plan.level) * [0, 1, 1]).sum() + 3
    fires = x.toarray() > 0
    children = np.flatnonzero(plan.parent >= 0)
    assert not (fires[:, children] & ~fires[:, plan.parent[children]]).any()
    assert_rates(fires.sum(axis=0), plan.rates, len(fires))
    together = [
        (fires[:, a] & fires[:, b]).sum()
        for a in children
        for b in children
        if a < b and plan.parent[a] == plan.parent[b]
    ]
    assert len(together) == 3 * (1 + 3) * 3
    assert max(together) == 0 if exclusive else min(together[:9]) > 0


def phi(both, p, q):
    return (both - p * q) / np.sqrt(p * (1 - p) * q * (1 - q))


def test_groups_fire_together_by_the_latent_correlation_and_keep_their_rates():
    spec = FeatureSpec(n_features=30, rate_low=0.05, groups=(FeatureGroup((3, 9, 15), 0.6, opposed=(6,)),))
    world, x = tissue(spec, n_slides=20)
    fires, p = x.toarray() > 0, world.plan.rates
    assert_rates(fires.sum(axis=0), p, len(fires))
    measured = np.corrcoef(fires.T)
    for a, b, rho in ((3, 9, 0.6), (3, 15, 0.6), (9, 15, 0.6), (3, 6, -0.6), (6, 15, -0.6)):
        both = stats.multivariate_normal.cdf(stats.norm.ppf([p[a], p[b]]), cov=[[1, rho], [rho, 1]])
        expected = phi(both, p[a], p[b])
        assert np.sign(expected) == np.sign(rho) and abs(expected) > 0.1
        assert measured[a, b] == pytest.approx(expected, abs=0.025)
    outside = np.setdiff1d(np.arange(30), [3, 6, 9, 15])
    alone = measured[np.ix_(outside, outside)] - np.eye(len(outside))
    assert np.abs(alone).max() < 0.025
    assert np.abs(np.corrcoef(tissue(replace(spec, groups=()))[1].toarray().T)[3, [6, 9, 15]]).max() < 0.03


def test_random_factors_correlate_all_and_keep_the_rates():
    spec = FeatureSpec(n_features=60, rate_low=0.05, n_factors=4, factor_share=0.5)
    world, x = tissue(spec, n_slides=20)
    latent = world.plan.loadings @ world.plan.loadings.T
    np.testing.assert_allclose(np.diag(latent), 0.5)
    fires = x.toarray() > 0
    assert_rates(fires.sum(axis=0), world.plan.rates, len(fires))
    pairs = np.triu_indices(60, 1)
    measured = np.corrcoef(fires.T)[pairs]
    assert np.corrcoef(measured, latent[pairs])[0, 1] > 0.9
    assert measured.max() > 0.2 and measured.min() < -0.05


def test_children_take_no_part_in_random_factors_and_keep_their_rates():
    spec = FeatureSpec(
        n_features=40, rate_low=0.05, n_factors=1, factor_share=0.9, hierarchy=Hierarchy(4, 2, 2)
    )
    world, x = tissue(spec, n_slides=20)
    plan = world.plan
    assert not plan.loadings[plan.parent >= 0].any() and plan.loadings[plan.parent < 0].all()
    assert_rates(x.count_nonzero(axis=0), plan.rates, x.shape[0])


def test_patchy_features_are_on_in_some_slides_and_keep_their_rates():
    spec = FeatureSpec(n_features=40, rate_low=0.02, patchy_share=0.6, slide_share=0.25)
    world, x = tissue(spec, n_slides=600, n_tiles=60)
    fires = (x.toarray() > 0).reshape(600, 60, 40).mean(axis=1)
    patchy = world.plan.slide_share < 1
    assert 14 <= patchy.sum() <= 34
    frequent = world.plan.rates > 0.1  # silent in a slide only where they are off
    on = (fires > 0).mean(axis=0)
    np.testing.assert_allclose(on[patchy & frequent], world.plan.slide_share[patchy & frequent], atol=0.07)
    assert (on[~patchy & frequent] > 0.99).all()
    z = (fires.mean(axis=0) - world.plan.rates) / (fires.std(axis=0) / np.sqrt(600))
    assert np.abs(z).max() < 4.5 and np.abs(z).mean() < 1.3
    between = fires.var(axis=0) / (world.plan.rates * (1 - world.plan.rates) / 60)
    np.testing.assert_allclose(between[~patchy], 1, atol=0.35)
    assert between[patchy].min() > 3


def test_scanner_features_fire_on_their_scanner_only():
    spec = FeatureSpec(n_features=30, rate_low=0.02, scanner_features=(7, 9))
    world, x = tissue(spec, n_slides=300, n_tiles=50, n_scanners=3)
    scanner = np.repeat([slide.scanner for slide in world.slides], 50)
    for feature, own in ((7, 1), (9, 0)):
        rate = [(x[:, [feature]].toarray()[scanner == s] > 0).mean() for s in range(3)]
        assert rate[own] == pytest.approx(3 * world.plan.rates[feature], rel=0.1)
        assert sum(rate) == rate[own]


def test_neighbours_are_alike_on_request_and_rates_stay():
    spec = FeatureSpec(n_features=30, rate_low=0.05, magnitude_cv=0.0)
    smooth, x = tissue(spec, n_slides=60, n_tiles=900, smoothness_tiles=2.0)
    fires = (x.toarray() > 0).reshape(60, 30, 30, 30)
    z = fires.mean(axis=(1, 2)) - smooth.plan.rates
    assert np.abs(z.mean(axis=0) / (z.std(axis=0) / np.sqrt(60))).max() < 4.5
    assert (smooth.slides[0].rows[31], smooth.slides[0].cols[31]) == (1, 1)

    def alike(steps, on):
        moved = on[:, steps:], on[:, :-steps]
        across = on[:, :, steps:], on[:, :, :-steps]
        return [np.corrcoef(a[..., 0].ravel(), b[..., 0].ravel())[0, 1] for a, b in (moved, across)]

    assert min(alike(1, fires)) > 0.6 and max(alike(12, fires)) < 0.1
    rough = (tissue(spec, n_slides=60, n_tiles=900)[1].toarray() > 0).reshape(fires.shape)
    assert max(np.abs(alike(1, rough))) < 0.03


def test_roles_name_what_drives_what():
    spec = replace(SMALL, cell_types=(CellType("A", ((7, 1.0), (3, -0.5))),))
    world = make_world(spec)
    assert {f: role for f, role in enumerate(world.roles) if role != "other"} == {
        3: "biology",
        7: "entangled",
        12: "technical",
    }
    assert (world.gains[7, 0], world.gains[3, 0], np.count_nonzero(world.gains)) == (1.0, -0.5, 2)
    assert "biology" not in make_world(replace(spec, null=True)).roles


def test_what_makes_no_sense_is_refused():
    for wrong in (
        {"rate_low": 0.5},
        {"hierarchy": Hierarchy(50, 4, 2)},
        {"groups": (FeatureGroup((1, 1), 0.5),)},
        {"groups": (FeatureGroup((1, 200), 0.5),)},
        {"slide_share": 0.0},
        {"zipf_exponent": 0.0},
        {"magnitude_cv": -1.0},
    ):
        with pytest.raises(UserInputError, match="vector world"):
            FeatureSpec(**wrong)
    for features in (
        FeatureSpec(n_features=20, groups=(FeatureGroup((1, 2), 0.7), FeatureGroup((2, 3), 0.7))),
        FeatureSpec(n_features=20, hierarchy=Hierarchy(1, 2, 1), groups=(FeatureGroup((6, 19), 0.5),)),
        FeatureSpec(n_features=20, rate_high=0.6, scanner_features=(0,)),
    ):
        with pytest.raises(UserInputError, match="vector world"):
            make_world(VectorWorldSpec(features=features))
    for wrong in (
        {"width": 1},
        {"slides": SlideSpec(tiles=(5, 4))},
        {"slides": SlideSpec(n_sites=3, site_decides_scanner=True)},
        {"cell_types": (CellType("A", ((200, 1.0),)),)},
    ):
        with pytest.raises(UserInputError, match="vector world"):
            VectorWorldSpec(**wrong)
