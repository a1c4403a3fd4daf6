"""Geometry: planted groups, splits, duplicates and absorbed features are found, and unrelated features form nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse
from sklearn.metrics import adjusted_rand_score

from sae_backend.errors import CancelledError, UserInputError
from sae_backend.statistics.split import draw_halves
from sae_backend.studies.framework.inputs import StudyInput
from sae_backend.studies.framework.registry import study
from sae_backend.studies.framework.result import Checkpoints
from sae_backend.studies.framework.run import run_study
from sae_backend.studies.geometry import study as geometry_study
from tests.worlds.study import PROGRESS, study_input, study_slide, true_set
from tests.worlds.vectors.slides import (
    CellType,
    FeatureGroup,
    FeatureSpec,
    Hierarchy,
    SlideSpec,
    VectorWorld,
    VectorWorldSpec,
    make_world,
)

QUICK = {"plane": "pca", "n_boot": 50, "n_null": 19, "n_resamples": 8}
N_FEATURES, N_GROUPS, SIZE = 80, 6, 6


def grouped_world(
    seed: int, n_groups: int = N_GROUPS, n_slides: int = 24, tree: Hierarchy | None = None
) -> tuple[VectorWorld, np.ndarray]:
    """Groups of features that fire together, others that do not, and a type of cell that follows one group."""
    order = np.random.default_rng(seed).permutation(N_FEATURES)
    groups = tuple(
        FeatureGroup(tuple(int(f) for f in order[k * SIZE : (k + 1) * SIZE]), 0.8) for k in range(n_groups)
    )
    features = FeatureSpec(
        n_features=N_FEATURES, rate_low=0.04, rate_high=0.25, groups=groups, hierarchy=tree
    )
    drivers = tuple((int(f), 1.0) for f in order[:SIZE])
    world = make_world(
        VectorWorldSpec(
            seed=seed,
            width=64,
            features=features,
            slides=SlideSpec(n_slides=n_slides, tiles=(60, 110), smoothness_tiles=1.5),
            cell_types=(CellType("lymphocyte", drivers), CellType("fibroblast", ((int(order[-1]), 2.0),))),
        )
    )
    labels = 1000 + np.arange(N_FEATURES)
    labels[order[: n_groups * SIZE]] = np.repeat(np.arange(n_groups), SIZE)
    return world, labels


def test_planted_groups_are_the_stable_clusters() -> None:
    world, planted = grouped_world(0)
    inputs = study_input(world)
    stages: dict[str, list[tuple[int, int]]] = {}
    result = run_study(
        "geometry", inputs, QUICK, lambda stage, *said: stages.setdefault(stage, []).append(said)
    )
    arrays, meta = result.arrays, result.meta
    live, labels, stable = arrays["is_live"], arrays["coactivation/labels"], arrays["coactivation/is_stable"]
    found = np.where(np.isin(labels, np.flatnonzero(stable)), labels, 1000 + np.arange(N_FEATURES))
    assert live.mean() > 0.9 and adjusted_rand_score(planted[live], found[live]) > 0.8
    assert stable.sum() == N_GROUPS and (arrays["coactivation/held_out"][stable] > 0.2).all()
    # Directions of the world are even over the sphere.
    assert not arrays["directions/is_stable"].any()
    # The group that drives a type is found by it, better than its best feature and random ones do.
    driven = np.flatnonzero(planted == 0)
    cluster = np.bincount(labels[driven][labels[driven] >= 0]).argmax()
    assert meta["type_names"][arrays["coactivation/type_number"][cluster]] == "lymphocyte"
    r, low, high, single, random = (
        arrays[f"coactivation/{name}"][cluster] for name in ("r", "low", "high", "single", "random")
    )
    assert low < r < high and r > single > random and r > 0.5
    slides, tiles = arrays["coactivation/slide"][cluster], arrays["coactivation/tile"][cluster]
    report = {name for name, half in inputs.halves.assignments.items() if half == "report"}
    assert all(inputs.slides[s].patient in report for s in slides if s >= 0) and (slides >= 0).all()
    values = np.asarray(world.slides[slides[0]].activations[:, driven].sum(axis=1)).ravel()
    assert values[tiles[0]] > np.quantile(values, 0.9)
    assert {"what chance gives", "duplicates and splits", "map of the features"} <= set(stages)
    for stage in ("what chance gives", "clusters of features that fire together"):
        counts = [done for done, _ in stages[stage]]
        # Each moves to its end in steps, so that there is a rate and a time that is left.
        assert counts == sorted(counts) and counts[-1] == stages[stage][-1][1] - 1 >= 20
        assert len(set(counts)) > 0.5 * counts[-1]
    within = arrays["coactivation/between"]
    assert np.diag(within)[stable[: len(within)]].min() > np.abs(within[0, 1:]).max()
    shown = study("geometry").report(result)
    assert f"of which {N_GROUPS} with" in shown.found and "lymphocyte" in shown.found
    keys = {figure.key for figure in shown.figures}
    assert {
        "map-coactivation",
        "stability-coactivation",
        "cells-coactivation",
        "pairs",
    } <= keys
    plane = next(figure for figure in shown.figures if figure.key == "map-coactivation")
    assert sum(mark.x.size for mark in plane.marks) == live.sum() and len(plane.marks) == N_GROUPS + 1
    assert [mark.label for mark in plane.marks if "(" in mark.label] == [
        f"cluster {cluster + 1} (lymphocyte)"
    ]
    table = next(table for table in shown.tables if table.key == "clusters-coactivation")
    assert table.n_rows == stable.size and table.columns["stable"] == stable.tolist()
    assert "cannot be below 0.05" in table.notes["p"]
    none = study("geometry").report(result, {"least_stability": 1.01})
    assert "none of which is stable" in none.found and " 0 " not in none.found.split("Grouped")[1]
    plane = next(figure for figure in none.figures if figure.key == "map-coactivation")
    assert "All are grey: none of the" in plane.caption and [mark.label for mark in plane.marks] == [""]


def test_of_many_tiles_some_make_the_clusters_and_the_answer_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(geometry_study, "_MOST_CLUSTERED", 600)
    world, planted = grouped_world(0)
    result = run_study("geometry", study_input(world), QUICK, PROGRESS)
    arrays, meta = result.arrays, result.meta
    live, labels, stable = arrays["is_live"], arrays["coactivation/labels"], arrays["coactivation/is_stable"]
    found = np.where(np.isin(labels, np.flatnonzero(stable)), labels, 1000 + np.arange(N_FEATURES))
    assert adjusted_rand_score(planted[live], found[live]) > 0.8
    assert meta["n_tiles_clustered"] == 600 < meta["n_tiles"][0]
    assert f"Of the {meta['n_tiles'][0]:,} tiles that choose, 600" in study("geometry").report(result).found


def test_planted_children_are_splits() -> None:
    tree = Hierarchy(n_roots=4, branching=2, depth=1)
    world, _ = grouped_world(1, n_groups=0, tree=tree)
    result = run_study("geometry", study_input(world), QUICK, PROGRESS)
    arrays, names = result.arrays, result.meta["kinds"]
    planted = {(child, int(parent)) for child, parent in enumerate(world.plan.parent.tolist()) if parent >= 0}
    live = {(f, g) for f, g in planted if arrays["is_live"][f] and arrays["is_live"][g]}
    named = {
        (int(f), int(g))
        for f, g, k in zip(arrays["pair/child"], arrays["pair/parent"], arrays["pair/kind"], strict=True)
        if names[k] in ("split", "duplicate")
    }
    assert len(live) >= 7 and len(named & live) >= len(live) - 1 and not named - live
    groups = [group for group in result.meta["merge"] if group["kind"] == "split"]
    assert all(
        (child, group["features"][0]) in planted for group in groups for child in group["features"][1:]
    )
    shown = study("geometry").report(result)
    assert f"{len(groups)} groups are proposed" in shown.found
    merge = next(table for table in shown.tables if table.key == "merge")
    assert merge.targets[0].other == (0, result.meta["merge"][0]["features"][1])


def test_copies_are_duplicates_and_an_absorbed_parent_is_suspected() -> None:
    world, _ = grouped_world(2, n_groups=0, tree=Hierarchy(n_roots=1, branching=1, depth=1))
    child = int(np.flatnonzero(world.plan.parent >= 0)[0])
    parent = int(world.plan.parent[child])
    truth = true_set(world.slides, world.dictionary)
    decoder = np.asarray(truth.decoder).copy()
    both = decoder[child] + decoder[parent]
    decoder[child] = both / np.linalg.norm(both)
    rng = np.random.default_rng(0)
    features = []
    for matrix in truth.features:
        dense = matrix.toarray()
        # The narrow feature takes the broad one's part where it fires, and feature 4 is a copy of feature 3.
        dense[dense[:, child] > 0, parent] = 0
        dense[:, 4] = dense[:, 3] * rng.lognormal(0, 0.1, len(dense)) * (rng.random(len(dense)) < 0.95)
        features.append(sparse.csc_array(dense.astype(np.float32)))
    decoder[4] = decoder[3]
    some = replace(truth, features=features, decoder=decoder)
    slides = [study_slide(slide) for slide in world.slides]
    inputs = StudyInput(slides, [some], world.type_names)
    inputs = replace(inputs, halves=draw_halves(inputs.parts(), 0))
    arrays_of = run_study("geometry", inputs, QUICK, PROGRESS)
    arrays, names = arrays_of.arrays, arrays_of.meta["kinds"]
    kinds = {
        frozenset((int(f), int(g))): names[k]
        for f, g, k in zip(arrays["pair/child"], arrays["pair/parent"], arrays["pair/kind"], strict=True)
    }
    assert kinds[frozenset((3, 4))] == "duplicate"
    assert kinds[frozenset((child, parent))] == "absorbed"
    assert list(kinds.values()).count("absorbed") == 1
    at = next(i for i, k in enumerate(arrays["pair/kind"]) if names[k] == "absorbed")
    assert arrays["pair/beside_child"][at] > 0.5 > 0.25 >= arrays["pair/elsewhere"][at]


def test_unrelated_features_form_no_stable_cluster() -> None:
    # The benchmark says how often they do.
    world, _ = grouped_world(3, n_groups=0)
    result = run_study("geometry", study_input(world), QUICK, PROGRESS)
    assert not result.arrays["coactivation/is_stable"].any()
    assert not result.arrays["directions/is_stable"].any() and result.meta["merge"] == []


def test_clusters_of_other_seeds_are_looked_for() -> None:
    world, _ = grouped_world(4)
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((5, 64))
    noise = 0.5 * rng.standard_normal((2, 30, 64))
    decoder = np.asarray(world.dictionary).copy()
    decoder[:30] = np.repeat(centres, 6, axis=0) + noise[0]
    space = {"encoder_digest": "e", "layer": 1, "pooling": "cls"}
    order = rng.permutation(N_FEATURES)
    sets = [
        true_set(world.slides, rows / np.linalg.norm(rows, axis=1, keepdims=True), title, **space)
        for title, rows in (
            ("one", decoder),
            ("seed 1", decoder[order] + 0.05 * rng.standard_normal(decoder.shape)),
        )
    ]
    result = run_study("geometry", study_input(world, sets), QUICK, PROGRESS)
    stable = result.arrays["directions/is_stable"]
    assert stable.sum() == 5
    assert result.arrays["directions/in_seeds"].shape == (1, stable.size)
    assert result.arrays["directions/in_seeds"][0, stable].min() > 0.8
    shown = study("geometry").report(result)
    assert "In 1 other SAE of this encoder" in shown.found


@pytest.mark.parametrize("what", ["no cells, no vectors, no decoder", "two slides"])
def test_little_is_told_of_little(what: str) -> None:
    world, _ = grouped_world(5, n_slides=2 if what == "two slides" else 12)
    inputs = study_input(world)
    if what == "no cells, no vectors, no decoder":
        bare = replace(inputs.sets[0], vectors=[None] * 12, decoder=None, offset=None)
        slides = [replace(slide, counts=np.full_like(slide.counts, np.nan)) for slide in inputs.slides]
        inputs = replace(inputs, sets=[bare], slides=slides)
    spec = {**QUICK, "min_active": 10, "n_null": 19}
    result = run_study("geometry", inputs, spec, PROGRESS)
    assert json.loads(json.dumps(result.meta, allow_nan=False)) == result.meta
    shown = study("geometry").report(result)
    assert shown.found and shown.limits and all(figure.caption for figure in shown.figures)
    if what == "two slides":
        assert inputs.halves is None and "Nothing was held out" in shown.warnings[0]
    else:
        assert "directions/labels" not in result.arrays
        assert (result.arrays["coactivation/type_number"] == -1).all()
        assert any("directions of the features are not known" in words for words in shown.warnings)
        assert "activations over tiles" in result.meta["plane"]


def test_features_that_are_all_too_rare_are_refused_with_a_way_out() -> None:
    world, _ = grouped_world(5, n_slides=2)
    with pytest.raises(UserInputError, match=r"0 features fire in at least 1,000,000 tiles") as caught:
        run_study("geometry", study_input(world), {**QUICK, "min_active": 10**6}, PROGRESS)
    assert "--min-active" in caught.value.hint


def test_a_cancelled_study_goes_on(tmp_path: Path) -> None:
    world, _ = grouped_world(6, n_slides=12)
    inputs = study_input(world)
    spec = {**QUICK, "n_null": 19, "n_resamples": 4}

    def stop(stage: str, done: int, _: int) -> None:
        if stage == "what chance gives" and done == 9:
            raise CancelledError("Enough.")

    with pytest.raises(CancelledError):
        run_study("geometry", inputs, spec, stop, Checkpoints(tmp_path))
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert len(kept) >= 8
    again = run_study("geometry", inputs, spec, PROGRESS, Checkpoints(tmp_path))
    assert all(path.stat().st_mtime_ns == when for path, when in kept.items())
    whole = run_study("geometry", inputs, spec, PROGRESS)
    for name, values in whole.arrays.items():
        np.testing.assert_array_equal(values, again.arrays[name], name)
