"""A second encoder shares what it should, and the layers of one cross where they should."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from sae_backend.errors import UserInputError
from tests.worlds.vectors.slides import FeatureSpec, NuisanceSpec, SlideSpec, VectorWorldSpec, make_world
from tests.worlds.vectors.views import DepthSchedule, SecondEncoderSpec, layer_view, second_encoder

WORLD = VectorWorldSpec(
    width=24,
    features=FeatureSpec(n_features=40, rate_low=0.02),
    slides=SlideSpec(n_slides=40, tiles=(100, 100), n_scanners=3),
    nuisance=NuisanceSpec(slide_weight=0.1, noise_sigma=0.05),
)
SECOND = SecondEncoderSpec(
    width=17,
    n_shared=12,
    private=FeatureSpec(n_features=8, rate_low=0.02, scanner_features=(5,)),
    nuisance=NuisanceSpec(scanner_weight=0.5, noise_sigma=0.1),
)


def dense(slides):
    return np.concatenate([slide.activations.toarray() for slide in slides]).astype(np.float64)


def test_a_second_encoder_has_k_shared_and_m_private_features():
    world = make_world(WORLD)
    view = second_encoder(world, SECOND)
    assert view.shared.size == 12 == len(set(view.shared.tolist()))
    assert view.dictionary.shape == (20, 17)
    np.testing.assert_allclose(np.linalg.norm(view.dictionary, axis=1), 1, atol=1e-14)
    ours, theirs = dense(world.slides), dense(view.slides)
    np.testing.assert_array_equal(theirs[:, :12], ours[:, view.shared])
    r = np.abs(np.corrcoef(ours.T, theirs.T)[:40, 40:])
    first, second = linear_sum_assignment(-r)
    matched = {(a, b) for a, b in zip(first.tolist(), second.tolist(), strict=True) if r[a, b] > 0.2}
    assert matched == {(int(a), b) for b, a in enumerate(view.shared)}
    assert r[:, 12:].max() < 0.1  # the private ones are like no feature of the first


def test_a_second_encoder_sees_the_same_tiles():
    world = make_world(WORLD)
    view = second_encoder(world, SECOND)
    for slide, seen in zip(world.slides, view.slides, strict=True):
        assert (slide.name, slide.patient, slide.scanner) == (seen.name, seen.patient, seen.scanner)
        assert seen.cells is slide.cells and seen.rows is slide.rows
        assert seen.vectors.shape == (100, 17) and seen.vectors.dtype == np.float32
        features = seen.activations.toarray().astype(np.float64) @ view.dictionary
        np.testing.assert_allclose(seen.vectors - features - seen.nuisance.total, seen.noise, atol=1e-6)
        assert np.linalg.norm(seen.nuisance.scanner) == pytest.approx(0.5)
        own = seen.activations[:, [12 + 5]].count_nonzero()
        assert (own > 0) == (seen.scanner == 5 % 3)


def test_encoders_differ_by_number_and_slides_do_not_know_how_many_there_are():
    world = make_world(WORLD)
    view, other = (second_encoder(world, replace(SECOND, number=number)) for number in (0, 1))
    assert np.abs(view.dictionary - other.dictionary).max() > 0.1
    private = np.corrcoef(dense(view.slides)[:, 12:].T, dense(other.slides)[:, 12:].T)[:8, 8:]
    assert np.abs(private).max() < 0.1
    few = make_world(replace(WORLD, slides=replace(WORLD.slides, n_slides=3)))
    again = second_encoder(few, SECOND)
    for a, b in zip(again.slides, view.slides[:3], strict=True):
        assert a.vectors.tobytes() == b.vectors.tobytes()
        assert a.activations.data.tobytes() == b.activations.data.tobytes()
    same_law = second_encoder(world, replace(SECOND, private=WORLD.features))
    r = np.corrcoef(dense(world.slides).T, dense(same_law.slides)[:, 12:].T)[:40, 40:]
    assert np.abs(r).max() < 0.1  # also with the plan of the first encoder


def spreads(world):
    """Standard deviations of the vectors between scanners, and due to features within slides."""
    scanner = np.array([slide.scanner for slide in world.slides])
    means = np.array([slide.vectors.mean(axis=0, dtype=np.float64) for slide in world.slides])
    centres = np.array([means[scanner == s].mean(axis=0) for s in range(3)])
    between = ((centres - centres.mean(axis=0)) ** 2).sum(axis=1).mean()
    within = np.mean([slide.vectors.astype(np.float64).var(axis=0).sum() for slide in world.slides])
    return np.sqrt(within - world.spec.width * world.spec.nuisance.noise_sigma**2), np.sqrt(between)


def test_biology_rises_and_scanner_falls_and_they_cross_where_the_schedule_says():
    world = make_world(WORLD)
    schedule = DepthSchedule()
    assert (schedule.n_layers, schedule.crossing) == (12, 7)
    layers = [layer_view(world, schedule, layer) for layer in range(1, 13)]
    biology, scanner = np.array([spreads(layer) for layer in layers]).T
    assert (np.diff(biology) > 0).all() and (np.diff(scanner) < 0).all()
    np.testing.assert_allclose(biology, schedule.biology_weights, rtol=0.1)
    np.testing.assert_allclose(scanner, schedule.scanner_weights, rtol=0.1)
    assert int(np.flatnonzero(biology >= scanner)[0]) + 1 == 7
    for layer in layers:
        for slide in layer.slides[:3]:
            features = slide.activations.toarray().astype(np.float64) @ layer.dictionary
            np.testing.assert_allclose(
                slide.vectors - features - slide.nuisance.total, slide.noise, atol=1e-6
            )
    noises = [layer.slides[0].noise.ravel() for layer in layers]
    assert np.abs(np.corrcoef(noises) - np.eye(12)).max() < 0.1
    np.testing.assert_allclose(layers[3].true_correlation(), world.true_correlation(), atol=1e-5)


def test_a_flat_schedule_is_flat_and_never_crosses():
    schedule = DepthSchedule(n_layers=3, biology=(0.5, 0.5), scanner=(1.0, 1.0))
    assert schedule.crossing is None
    world = make_world(WORLD)
    biology, scanner = np.array([spreads(layer_view(world, schedule, layer)) for layer in (1, 2, 3)]).T
    np.testing.assert_allclose(biology, biology[0], rtol=0.01)
    np.testing.assert_allclose(scanner, scanner[0], rtol=0.01)


def test_what_cannot_be_shown_is_refused():
    world = make_world(replace(WORLD, slides=SlideSpec(1, (5, 5), n_scanners=1)))
    with pytest.raises(UserInputError, match="41 features"):
        second_encoder(world, replace(SECOND, n_shared=41))
    with pytest.raises(UserInputError, match="no layer 13"):
        layer_view(world, DepthSchedule(), 13)
    with pytest.raises(UserInputError, match="one scanner"):
        layer_view(world, DepthSchedule(), 1)
