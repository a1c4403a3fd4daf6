"""Selectivity with and without labels, against brute force and against planted features."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse
from sklearn.metrics import average_precision_score

from sae_backend.correlation.result import CorrelationSpec
from sae_backend.studies.framework.inputs import FeatureSet, StudyInput
from sae_backend.studies.methods.cell_types.held_out_sums import (
    contrast_intervals,
    correlations,
    joined,
    patient_sums,
)
from sae_backend.studies.methods.cell_types.monosemanticity import entropy_contrast, raw_entropies
from sae_backend.studies.methods.cell_types.monosemanticity_score import MIN_FIRING, alikeness
from sae_backend.studies.methods.cell_types.monosemanticity_triage import average_precisions
from tests.worlds.encoder import CROSS, first_set, other_set, world_of
from tests.worlds.study import PROGRESS, study_input, study_slide


def brute_score(a, vectors, patient, between=False):
    """The score by its definition, pair by pair."""
    scaled = (a - a.min()) / (a.max() - a.min())
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    weight = np.outer(scaled, scaled)
    np.fill_diagonal(weight, 0)
    if between:
        weight[patient[:, None] == patient[None, :]] = 0
    return (weight * (unit @ unit.T)).sum() / weight.sum()


def small_input(seed=0):
    world = world_of(seed, 6, 25)
    slides = [study_slide(slide) for slide in world.slides]
    slides[1] = replace(slides[1], patient=slides[0].patient)
    sets = [first_set(world), other_set(world, 0, "natural")]
    dense = sets[0].features[0].toarray()
    valid = [np.ones(slide.n_tiles, np.bool_) for slide in slides]
    valid[2][:5] = False
    full = [
        sparse.csc_array(
            np.concatenate([features.toarray(), np.abs(slide.vectors[:, :1]) + 0.3], axis=1).astype(
                np.float32
            )
        )
        for features, slide in zip(sets[0].features, world.slides, strict=True)
    ]
    assert dense.shape[0] == 25
    sets[0] = replace(sets[0], features=full, valid=valid)
    return StudyInput(slides, sets, world.type_names)


def test_the_label_free_score_is_what_all_pairs_give() -> None:
    inputs = small_input()
    found = alikeness(inputs, 0, 1, PROGRESS)
    keep = np.concatenate([np.asarray(v) for v in inputs.sets[0].valid])
    a = np.concatenate([features.toarray() for features in inputs.sets[0].features])[keep].astype(np.float64)
    judge = np.concatenate(inputs.sets[1].vectors)[keep].astype(np.float64)
    own = np.concatenate(inputs.sets[0].vectors)[keep].astype(np.float64)
    patient = np.concatenate([np.full(s.n_tiles, int(s.patient[1:])) for s in inputs.slides])[keep]
    assert found.n_tiles == keep.sum() == 145
    for j in range(a.shape[1]):
        if (a[:, j] > 0).sum() < MIN_FIRING:
            assert np.isnan(found.features.score[j])
            continue
        assert found.features.score[j] == pytest.approx(brute_score(a[:, j], judge, patient))
        assert found.features.between[j] == pytest.approx(brute_score(a[:, j], judge, patient, between=True))
    for j in range(5):
        assert found.dimensions.score[j] == pytest.approx(brute_score(own[:, j], judge, patient))
    ones = np.ones(len(judge))
    unit = judge / np.linalg.norm(judge, axis=1, keepdims=True)
    pairs = unit @ unit.T
    assert found.all_pairs == pytest.approx((pairs.sum() - ones.sum()) / (len(judge) * (len(judge) - 1)))


def test_a_feature_of_two_types_is_alike_without_labels_and_chance_is_low() -> None:
    world = world_of(1)
    inputs = study_input(world, [first_set(world), other_set(world, 0, "natural")])
    found = alikeness(inputs, 0, 1, PROGRESS).features
    assert found.score[CROSS] > np.nanquantile(found.chance, 0.95)
    assert found.between[CROSS] > np.nanquantile(found.chance, 0.95)
    # The mean cosine of tiles of other patients is no higher for a feature than for all tiles.
    assert abs(np.nanmedian(found.chance) - alikeness(inputs, 0, 1, PROGRESS).all_between) < 0.05


def test_average_precision_is_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    values = np.round(rng.exponential(1, (80, 6)) * (rng.random((80, 6)) < [0, 0.1, 0.5, 0.9, 1, 1]), 1)
    values[:, 5] -= values[:, 5].mean()
    labels = np.stack(
        [rng.random(80) < 0.4, values[:, 2] + rng.normal(0, 0.3, 80) > 0.5, np.ones(80, bool)], axis=1
    )
    found = average_precisions(sparse.csc_array(values), labels)
    for j in range(6):
        for c in range(2):
            assert found[j, c] == pytest.approx(average_precision_score(labels[:, c], values[:, j]))
    assert np.isnan(found[:, 2]).all()


def test_dimensions_have_entropies_as_features_have() -> None:
    world = world_of(2)
    slides = [study_slide(slide) for slide in world.slides]
    vectors = [np.asarray(slide.activations.toarray(), np.float32) for slide in world.slides]
    some = FeatureSet("x", [slide.activations.tocsc() for slide in world.slides],
                      [np.ones(slide.n_tiles, np.bool_) for slide in world.slides], vectors)  # fmt: skip
    inputs = StudyInput(slides, [some], world.type_names)
    spec = CorrelationSpec(n_bootstrap=50, n_permutations=199, statistics=("pearson",))
    found = raw_entropies(inputs.parts(), world.type_names, spec, PROGRESS)
    assert found.beats[[2, 5, 8, CROSS]].all() and found.beats.sum() <= 6
    # A pure dimension is far below the mixed one, whose entropy is that of two types alike.
    assert found.entropy[8] < 0.6 < 0.7 < found.entropy[CROSS] < np.log(3)
    assert np.isnan(found.entropy[~found.beats]).all()


def test_two_lists_of_entropies_are_compared() -> None:
    found = entropy_contrast(np.array([0.1, 0.2, np.nan, 0.3]), np.array([0.25, 1.0]))
    assert (found.n_features, found.n_dimensions) == (3, 2)
    assert found.effect == pytest.approx(4 / 6) and found.median_features == pytest.approx(0.2)
    nothing = entropy_contrast(np.full(3, np.nan), np.array([1.0]))
    assert np.isnan(nothing.effect) and np.isnan(nothing.p) and nothing.n_features == 0


def test_sums_by_patient_give_r_its_influence_and_paired_intervals() -> None:
    world = world_of(3)
    inputs = study_input(world, [first_set(world), other_set(world, 0, "worse", noise=0.5)])
    sums = [patient_sums(inputs.parts(k), [2, 5, -1]) for k in range(2)]
    r, influence = correlations(sums[0])
    x = np.concatenate([features.toarray() for features in inputs.sets[0].features])
    y = np.concatenate([slide.counts for slide in inputs.slides])
    assert r[0, :2] == pytest.approx(
        [np.corrcoef(x[:, 2], y[:, 0])[0, 1], np.corrcoef(x[:, 5], y[:, 1])[0, 1]]
    )
    assert np.isnan(r[0, 2])
    left = np.ones((24, 24)) - np.eye(24)
    jackknife = np.sqrt(
        23
        / 24
        * ((correlations(sums[0], left)[0][:, 0] - correlations(sums[0], left)[0][:, 0].mean()) ** 2).sum()
    )
    assert np.sqrt((influence[0, 0] ** 2).sum()) == pytest.approx(jackknife, rel=0.15)
    both = joined(sums)
    matrix = np.array([[1.0, 0, 0, -1, 0, 0], [0, 1, 0, 0, -1, 0], [0, 0, 1, 0, 0, -1]])
    found = contrast_intervals(both, matrix, 0.95, 500, 0)
    assert found.value[0] == pytest.approx(r[0, 0] - correlations(sums[1])[0][0, 0])
    assert (found.family_low[:2] > 0).all() and (found.family_low[:2] < found.low[:2]).all()
    assert np.isnan(found.family_low[2])
    same = contrast_intervals(joined([sums[0], sums[0]]), matrix[:2], 0.95, 200, 0)
    assert same.value == pytest.approx([0, 0])
