"""A whole run: halves, baselines, probes, selectivity."""

import json
from dataclasses import replace

import numpy as np
import pytest

from sae_backend.correlation.result import CorrelationSpec
from sae_backend.correlation.run import RunInput, run
from sae_backend.correlation.selectivity import selectivity
from sae_backend.errors import CancelledError
from sae_backend.statistics.split import CHOOSE, MIN_UNITS, REPORT, Halves, draw_halves, half_of
from tests.worlds.correlation import part, sparse_features
from tests.worlds.vectors.slides import SlideSpec, VectorWorldSpec, make_world

OWN = np.array([2, 5, 8, 11, 14])
SPEC = CorrelationSpec(n_bootstrap=100, n_permutations=99)


@pytest.fixture(scope="module")
def world():
    return make_world(VectorWorldSpec(seed=5, slides=SlideSpec(n_slides=20, tiles=(80, 120))))


def parts_of(world, *, vectors=True):
    return [
        replace(
            slide.part(), patient=f"patient {slide.number if hasattr(slide, 'number') else slide.name}",
            vectors=slide.vectors if vectors else None,
        )
        for slide in world.slides
    ]  # fmt: skip


@pytest.fixture(scope="module")
def made(world):
    parts = parts_of(world)
    halves = draw_halves(parts, seed=1)
    given = RunInput(parts, world.type_names, np.ones(5, bool), halves)
    stages = []
    result = run(given, SPEC, lambda stage, done, total: stages.append(stage))
    assert set(stages) == {"choose", "correlate", "baselines"}
    return result


def test_the_driving_features_are_chosen_and_hold_on_the_other_half(made):
    chosen = np.nanargmax(np.abs(made.arrays["pearson/choose"]), axis=0)
    np.testing.assert_array_equal(chosen, OWN)
    reported = made.arrays["pearson/value"][OWN, range(5)]
    assert (reported > 0.2).all()
    np.testing.assert_array_equal(made.arrays["baseline/sae/column"], OWN)
    np.testing.assert_allclose(made.arrays["baseline/sae/value"], reported, atol=1e-12)
    np.testing.assert_allclose(
        made.arrays["baseline/sae/choose"], made.arrays["pearson/choose"][OWN, range(5)], atol=1e-12
    )


def test_planted_sparse_features_beat_every_baseline(made):
    own = made.arrays["baseline/sae/value"]
    assert made.meta["baselines"] == ["sae", "raw", "pca", "random"]
    for name in ("raw", "pca", "random"):
        other = np.abs(made.arrays[f"baseline/{name}/value"])
        assert (own > other).all()
        low, high = (made.arrays[f"baseline/{name}/{end}"] for end in ("ci_low", "ci_high"))
        assert ((low <= high) & (high - low < 1)).all()


def test_one_feature_is_enough_for_a_type_that_one_feature_drives(made):
    r2 = made.arrays["baseline/sae/probe_r2"]
    assert made.meta["probe_k"] == [1, 3, 5, 10]
    assert (r2[0] > 0.05).all()
    assert (np.abs(r2 - r2[0]) < 0.05).all(), "more columns add nothing"
    raw = made.arrays["baseline/raw/probe_r2"]
    assert (raw[0] < r2[0]).all() and raw[3].mean() > raw[0].mean()


def test_driving_features_are_selective_and_noise_has_no_entropy(made):
    best, beats = made.arrays["selectivity/best_type"], made.arrays["selectivity/beats_null"]
    np.testing.assert_array_equal(best[OWN], range(5))
    assert beats[OWN].all() and beats.sum() < 25
    assert np.isnan(made.arrays["selectivity/entropy"][beats == 0]).all()
    assert (made.arrays["selectivity/gap"][OWN] > 0.1).all()
    auroc = made.arrays["auroc"]
    assert (auroc[OWN, range(5)] > np.nanquantile(auroc, 0.95, axis=0)).all()


def test_the_meta_is_plain_and_says_what_was_held_out(made):
    json.dumps(made.meta, allow_nan=False)
    assert made.meta["held_out"] and made.meta["split"] == {
        "unit": "patient", "seed": 1, "n_choose": 10, "n_report": 10,
    }  # fmt: skip
    assert made.meta["unit"] == "patient" and made.meta["n_clusters"] == 10
    assert not any("held out" in note for note in made.meta["notes"])


def test_nothing_held_out_is_said(world):
    parts = parts_of(world, vectors=False)[:6]
    found = run(RunInput(parts, world.type_names, np.ones(5, bool)), SPEC, lambda *_: None)
    assert not found.meta["held_out"] and "pearson/choose" not in found.arrays
    assert any("Nothing was held out" in note for note in found.meta["notes"])
    assert found.meta["baselines"] == ["sae"], "without vectors there is nothing to compare with"


def test_a_run_ends_where_progress_wants_it(world):
    def stop(stage, done, total):
        if stage == "baselines":
            raise CancelledError("Stopped.", "")

    with pytest.raises(CancelledError):
        run(RunInput(parts_of(world), world.type_names, np.ones(5, bool)), SPEC, stop)


def test_baselines_take_numbers_that_are_missing_in_some_tiles(world):
    parts = []
    rng = np.random.default_rng(0)
    for one in parts_of(world):
        area = 40 + 5 * one.vectors[:, 3] + rng.normal(0, 0.1, one.n_tiles)
        area[rng.random(one.n_tiles) < 0.3] = np.nan
        parts.append(replace(one, counts=np.column_stack([one.counts[:, 0], area])))
    given = RunInput(parts, ("cancer", "area"), np.array([True, False]), draw_halves(parts, 1))
    found = run(given, SPEC, lambda *_: None)
    assert found.arrays["baseline/raw/column"][1] == 3
    assert found.arrays["baseline/raw/value"][1] > 0.8 > np.abs(found.arrays["baseline/sae/value"][1])
    assert found.arrays["baseline/sae/column"][0] == 2


def small(n_slides, patients=True, n=30):
    rng = np.random.default_rng(0)
    return [
        replace(
            part(sparse_features(rng, n, 2), rng.poisson(2, (n, 2)), f"slide {s}"),
            patient=f"patient {s // 2}" if patients else "",
        )
        for s in range(n_slides)
    ]


def test_patients_are_never_in_both_halves():
    parts = small(24)
    halves = draw_halves(parts, seed=3)
    assert halves.unit == "patient" and halves.n(CHOOSE) == halves.n(REPORT) == 6
    choosing, reporting = half_of(parts, halves, CHOOSE), half_of(parts, halves, REPORT)
    assert {p.patient for p in choosing}.isdisjoint({p.patient for p in reporting})
    assert len(choosing) + len(reporting) == 24
    assert draw_halves(parts, seed=3) == halves != draw_halves(parts, seed=4)


def test_halves_that_were_drawn_stay_and_new_patients_are_spread_evenly():
    parts = small(40)
    before = draw_halves(parts[:22], seed=3)
    after = draw_halves(parts, seed=9, known=before)
    assert after.seed == 3
    assert all(after.assignments[name] == side for name, side in before.assignments.items())
    assert abs(after.n(CHOOSE) - after.n(REPORT)) <= 1 and len(after.assignments) == 20


def test_few_slides_are_cut_and_too_few_tiles_are_not():
    parts = small(2, patients=False, n=300)
    halves = draw_halves(parts, seed=0)
    assert halves.unit == "block" and set(halves.assignments) == {"slide 0", "slide 1"}
    one, other = half_of(parts, halves, CHOOSE), half_of(parts, halves, REPORT)
    for a, b, whole in zip(one, other, parts, strict=True):
        assert not (a.valid & b.valid).any() and (a.valid | b.valid).all()
        assert 0.4 < a.valid.sum() / whole.n_tiles < 0.6
        apart = [
            (one[a.valid].max() < one[b.valid].min()) or (one[b.valid].max() < one[a.valid].min())
            for one in (whole.rows, whole.cols)
        ]
        assert any(apart)
    assert draw_halves(small(2, patients=False), seed=0) is None
    assert draw_halves(small(MIN_UNITS, patients=False, n=5), seed=0).unit == "slide"


def test_units_that_are_in_neither_half_take_no_part():
    parts = small(24)
    halves = draw_halves(parts[:22], seed=0)
    assert len(half_of(parts, halves, CHOOSE)) + len(half_of(parts, halves, REPORT)) == 22
    assert half_of(parts, Halves("slide", 0, {}), REPORT) == []


def test_entropy_is_known_for_planted_values():
    value = np.array([[0.8, 0.0, 0.0, 0.0], [0.4, -0.4, 0.0, 0.0], [0.05, 0.04, 0.03, 0.02], [np.nan] * 4])
    found = selectivity(value, np.where(np.isnan(value), np.nan, np.where(np.abs(value) > 0.1, 0.01, 0.3)))
    np.testing.assert_allclose(found.entropy, [0.0, np.log(2), np.nan, np.nan], atol=1e-12)
    np.testing.assert_allclose(found.gap, [0.8, 0.0, 0.01, np.nan], atol=1e-12)
    assert found.best_type.tolist() == [0, 0, 0, -1] and found.beats_null.tolist() == [1, 1, 0, 0]
    nothing = selectivity(np.zeros((3, 0)), np.zeros((3, 0)))
    assert nothing.best_type.tolist() == [-1] * 3
