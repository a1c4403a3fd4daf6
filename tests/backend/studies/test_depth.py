"""Depth: the planted crossing is found, a flat encoder is called flat, and nothing breaks where little is known."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from sae_backend.compute.jobs.embed import JobContext
from sae_backend.compute.studies.study_job import run_study_job
from sae_backend.correlation.result import CorrelationSpec
from sae_backend.errors import CancelledError, UserInputError
from sae_backend.statistics.split import draw_halves
from sae_backend.studies.depth.follow import Followed, follow
from sae_backend.studies.depth.trend import crossing
from sae_backend.studies.depth.variance import PARTS, Cohort, slide_sums, variance_parts
from sae_backend.studies.framework.inputs import StudyInput
from sae_backend.studies.framework.registry import study
from sae_backend.studies.framework.result import Checkpoints, StudyResult
from sae_backend.studies.framework.run import run_study
from sae_backend.studies.framework.storage import read_result
from tests.backend.studies.test_depth_layers import layer_request
from tests.worlds.depth import LITTLE, QUICK, blocks, world_of
from tests.worlds.study import PROGRESS
from tests.worlds.vectors.views import DepthSchedule

RISING = DepthSchedule(n_layers=6)
FLAT = DepthSchedule(n_layers=3, biology=(0.8, 0.8), scanner=(0.5, 0.5))


@pytest.fixture(scope="module")
def world():
    return world_of(3)


@pytest.fixture(scope="module")
def rising(world) -> StudyResult:
    return run_study("depth", blocks(world, RISING), QUICK, PROGRESS)


def words(result: StudyResult):
    json.dumps(result.meta, allow_nan=False)
    shown = study("depth").report(result)
    assert shown.found and shown.limits
    for figure in shown.figures:
        assert figure.caption and figure.marks
    for table in shown.tables:
        assert {len(column) for column in table.columns.values()} == {table.n_rows}
        assert not table.targets or len(table.targets) == table.n_rows
    return shown


def test_the_crossing_is_where_it_was_planted(rising: StudyResult) -> None:
    place = int(rising.arrays["variance/crossing"][0]) + 1
    assert RISING.crossing is not None and abs(place - RISING.crossing) <= 1
    scanner = rising.arrays["variance/parts"][:, PARTS.index("scanner")]
    np.testing.assert_allclose(scanner, RISING.scanner_weights**2, rtol=0.1, atol=0.02)
    shown = words(rising)
    assert f"as much of it as the scanner in block {place} (95 % interval" in shown.found
    assert "The mean r rises with depth" in shown.found
    assert "share of the scanner falls with depth" in shown.found
    assert "that of the features rises with depth" in shown.found
    auroc = rising.arrays["scanner"][:, 0, 0]
    assert (
        auroc[0] > 0.97 > auroc[-1]
        and rising.arrays["scanner"][0, 0, 3] < 0.5 < rising.arrays["scanner"][0, 0, 4]
    )
    # Sites were drawn by patient and are in no vector.
    assert np.median(rising.arrays["site"][:, 0, 5]) > 0.05 and "the site of other patients" in shown.found
    # What was read is said, and why another study may say otherwise.
    assert "trained for each block here, on 144 tiles of all 24 patients in 5 folds" in shown.found
    assert {figure.key for figure in shown.figures} == {
        "best-r", "variance", "scanner-auroc", "site-auroc", "above-null", "entropy", "sae-quality", "sae-l0",
        "followed",
    }  # fmt: skip


def test_an_early_crossing_is_found_early(world) -> None:
    schedule = DepthSchedule(n_layers=6, biology=(0.5, 1.5), scanner=(1.0, 0.1))
    assert schedule.crossing == 3
    inputs = blocks(world, schedule, [1, 2, 3, 4])
    cohort = Cohort.of(inputs, "scanner")
    parts = np.stack([variance_parts(slide_sums(inputs, k, (0, 1, 2)), cohort) for k in range(4)])
    gap = parts[:, PARTS.index("features")] - parts[:, PARTS.index("scanner")]
    found = crossing(gap, gap - 0.01, gap + 0.01)
    assert abs(found.place + 1 - 3) <= 1 and found.first <= found.place <= found.last


def test_the_planted_features_are_the_best_and_beat_their_baselines(rising: StudyResult) -> None:
    assert rising.arrays["sae/column"][-1].tolist() == [2, 5, 8]
    assert (rising.arrays["p"][-1] <= 0.05).all()
    for name in ("raw", "pca", "random"):
        assert (rising.arrays["sae/value"][-1] > np.abs(rising.arrays[f"{name}/value"][-1])).all()
    assert rising.arrays["sae/n_beating"][-1] >= 3
    n_features, n_dimensions, low, high, effect, _ = rising.arrays["entropy_contrast"][-1]
    assert n_features >= 3 and n_dimensions > 3 and low < high and effect > 0.3
    assert rising.arrays["quality"][-1, 0] > rising.arrays["quality"][0, 0]
    poor = rising.arrays["quality"].copy()
    poor[:, 0], poor[1, 0] = 0.9, 0.3
    warned = study("depth").report(replace(rising, arrays={**rising.arrays, "quality": poor})).warnings
    assert any(f"({rising.meta['titles'][1]}: 0.30)" in words for words in warned)


def test_a_feature_is_followed_through_the_blocks(rising: StudyResult) -> None:
    assert rising.meta["followed"] == {"set": 5, "feature": 2}
    assert rising.arrays["follow/feature"][1:].tolist() == [2] * 5
    r, chance = rising.arrays["follow/r"], rising.arrays["follow/chance"]
    assert r[-1] == pytest.approx(1) and (np.diff(r[1:]) > 0).all() and (chance < r).all()
    # Random directions come less close where the feature has a direction of its own; nothing is drawn in its own block.
    random, low, high = (rising.arrays[f"follow/{key}"] for key in ("random", "random_low", "random_high"))
    assert np.isnan(random[-1]) and (low[:-1] < random[:-1]).all() and (random[:-1] < high[:-1]).all()
    assert (rising.arrays["follow/random_p"][2:-1] == 0.05).all() and (random[2:-1] < r[2:-1]).all()
    shown = study("depth").report(rising)
    assert (
        "match above chance in block 1, block 2, block 3, block 4 and block 5, each block by itself (r"
        in shown.found
    )
    assert "closer than at least 95 % of the draws in" in shown.found
    figure = next(figure for figure in shown.figures if figure.key == "followed")
    assert any(getattr(mark, "label", "") == "best random direction" for mark in figure.marks)
    np.testing.assert_allclose(rising.arrays["follow/type_r"][-1, 0], rising.arrays["sae/value"][-1, 0])


def test_a_match_that_any_direction_gives_is_told_as_such() -> None:
    """One direction holds nearly all of the variance: the feature that stands for it is found by random ones, too."""
    world = world_of(6, 16, 60)
    rng = np.random.default_rng(0)
    loud = np.zeros(world.spec.width, np.float32)
    loud[:] = 1 / np.sqrt(world.spec.width)
    inputs = blocks(world, FLAT, [1, 2])
    levels = [np.abs(rng.normal(0, 30, slide.n_tiles)).astype(np.float32) for slide in world.slides]
    sets = [
        replace(
            some,
            vectors=[v + np.outer(level, loud) for v, level in zip(some.vectors, levels, strict=True)],
            features=[
                sparse.hstack([features, sparse.csc_array(np.maximum(level - 30, 0)[:, None])], format="csc")
                for features, level in zip(some.features, levels, strict=True)
            ],
            decoder=np.vstack([some.decoder, loud]).astype(np.float32),
        )
        for some in inputs.sets
    ]
    parts = inputs.parts(0)
    followed = Followed(1, inputs.sets[0].n_features)
    found = follow(
        replace(inputs, sets=sets),
        followed,
        0,
        CorrelationSpec(40, 19, statistics=("pearson",)),
        19,
        PROGRESS,
    )
    assert len(parts) == 16 and found["r"][0] == pytest.approx(1) and found["feature"][0] == followed.feature
    assert (
        found["random"][0] > 0.85 and found["random_low"][0] <= found["random"][0] <= found["random_high"][0]
    )


def test_another_encoder_judges_how_alike_tiles_are() -> None:
    """The judge sees the planted features: tiles of one feature are alike to it, and more so than any two tiles."""
    world = world_of(5, 12, 30)
    inputs = blocks(world, FLAT, [1, 2])
    other = replace(
        inputs.sets[0], title="judge", vectors=[slide.activations.toarray() for slide in world.slides],
        model={"is_judge": True},
    )  # fmt: skip
    result = run_study("depth", replace(inputs, sets=[*inputs.sets, other]), LITTLE, PROGRESS)
    shown = words(result)
    assert result.meta["titles"] == ["block 1", "block 2"] and result.meta["judge"]["title"] == "judge"
    features, raw, pairs = (result.arrays[f"alike/{key}"] for key in ("sae", "raw", "pairs"))
    assert (features[:, 1] > 1.5 * pairs[:, 0]).all() and (features[:, 1] > raw[:, 1]).all()
    assert (features[:, 2] <= features[:, 1]).all() and (features[:, 1] <= features[:, 3]).all()
    assert "in the eyes of judge tiles" in shown.found
    assert "label-free" in {figure.key for figure in shown.figures}
    assert "label-free score, features" in shown.tables[0].columns
    plain = run_study("depth", inputs, LITTLE, PROGRESS)
    assert "takes another encoder" in words(plain).found
    for name, values in plain.arrays.items():
        if not name.startswith("alike/"):
            np.testing.assert_array_equal(values, result.arrays[name], name)


def test_a_flat_encoder_is_called_flat(world) -> None:
    result = run_study("depth", blocks(world, FLAT), QUICK, PROGRESS)
    found = words(result).found
    assert "The mean r shows no change with depth" in found
    assert "share of the scanner shows no change with depth" in found
    assert "Types with a change of their own: none" in found
    assert np.ptp(result.arrays["sae/value"], axis=0).max() < 0.1
    assert np.ptp(result.arrays["variance/share"][:, 0]) < 0.02
    assert "in the first block already" in found


def test_finished_blocks_are_not_done_again(tmp_path: Path) -> None:
    inputs = blocks(world_of(5, 12, 30), FLAT, [1, 2])
    stages: list[str] = []

    def stop(stage: str, done: int, total: int) -> None:
        if stage.startswith("block 2"):
            raise CancelledError("Stopped.", "Again.")

    with pytest.raises(CancelledError):
        run_study("depth", inputs, LITTLE, stop, Checkpoints(tmp_path))
    again = run_study("depth", inputs, LITTLE, lambda stage, *_: stages.append(stage), Checkpoints(tmp_path))
    assert {stage.split(":")[0] for stage in stages if "choose" in stage} >= {"block 2"}
    assert not any(stage == "block 1: baselines" for stage in stages)
    straight = run_study("depth", inputs, LITTLE, PROGRESS)
    for name, values in straight.arrays.items():
        np.testing.assert_array_equal(again.arrays[name], values, err_msg=name)


def without(inputs: StudyInput, what: str) -> StudyInput:
    """The same slides with less known of them."""
    slides, sets, types = list(inputs.slides), list(inputs.sets), inputs.type_names
    if what == "cells":
        slides = [replace(slide, counts=np.full(slide.counts.shape, np.nan)) for slide in slides]
    if what == "scanner":
        slides = [replace(slide, facts={}) for slide in slides]
    if what == "vectors":
        sets = [replace(some, vectors=[None] * len(slides)) for some in sets]
    if what == "decoder":
        sets = [replace(some, decoder=None, offset=None) for some in sets]
    if what == "types":
        slides, types = [replace(slide, counts=slide.counts[:, :0]) for slide in slides], ()
    if what == "patients":
        slides = [replace(slide, patient="one") for slide in slides]
    if what == "cells of some":
        slides = [
            replace(slide, counts=slide.counts * (np.nan if k % 5 == 0 else 1))
            for k, slide in enumerate(slides)
        ]
    if what == "activations":
        sets[0] = replace(sets[0], features=[features * 0 for features in sets[0].features])
        for features in sets[0].features:
            features.eliminate_zeros()
    made = StudyInput(slides, sets, types)
    halves = None if what in ("halves", "types", "cells") else draw_halves(made.parts(), 0)
    return StudyInput(slides, sets, types, halves)


@pytest.mark.parametrize(
    "what",
    ["cells", "types", "halves", "scanner", "vectors", "decoder", "patients", "cells of some", "activations"],
)
def test_little_is_told_as_little(what: str) -> None:
    inputs = without(blocks(world_of(5, 12, 30), FLAT, [1, 3]), what)
    result = run_study("depth", inputs, LITTLE, PROGRESS)
    shown = words(result)
    expected = {
        "cells": "No slide has cells",
        "types": "No slide has cells",
        "halves": "chosen and reported on the same tiles",
        "scanner": "no slide has a scanner on record",
        "vectors": "the embeddings of some slides are missing",
        "patients": "fewer than 5 patients report",
        "activations": "some block has no value",
    }
    assert expected.get(what, "mean r of") in shown.found
    assert "nan" not in (shown.found + shown.limits).replace("nanc", "")


def test_a_rare_site_is_left_out_and_said() -> None:
    """Two sites with five patients each are read, though a third has one and another two."""
    inputs = blocks(world_of(5, 13, 30), FLAT, [1, 3])
    sites = ["north", "south"] * 5 + ["east", "west", "west"]
    slides = [
        replace(s, facts={**s.facts, "site": site}) for s, site in zip(inputs.slides, sites, strict=True)
    ]
    result = run_study("depth", replace(inputs, slides=slides), LITTLE, PROGRESS)
    about = result.meta["read"]["site"]
    assert about["reason"] == "" and about["classes"] == ["north", "south"] and about["n_patients"] == 10
    assert about["left_out"] == ["east", "west"] and np.isfinite(result.arrays["site"][:, 0, 0]).all()
    shown = words(result)
    assert (
        "10 patients with north and south; east and west left out, as fewer than 3 patients have"
        in shown.found
    )
    assert "of all 13 patients" in shown.found and "come from draws over all patients" in shown.limits
    older = {key: value for key, value in about.items() if key not in ("left_out", "draws_over")}
    meta = {**result.meta, "read": {"site": {**older, "reason": "fewer than 3 patients have the label east"}}}
    assert "The site was not read from the tiles: fewer" in words(replace(result, meta=meta)).found


def test_one_block_or_a_feature_that_is_not_there_is_refused(world) -> None:
    with pytest.raises(UserInputError, match="two or more blocks"):
        run_study("depth", blocks(world, FLAT, [1]), LITTLE, PROGRESS)
    with pytest.raises(UserInputError, match="no feature 99"):
        run_study("depth", blocks(world_of(5, 10, 20), FLAT, [1, 2]), {**LITTLE, "feature": 99}, PROGRESS)


def test_from_slides_to_the_paragraph(tmp_path: Path) -> None:
    request = layer_request(tmp_path, **LITTLE)
    counts = np.random.default_rng(0).poisson(2.0, (42, 2)).astype(float)
    slides = []
    for entry in request.slides:
        file = tmp_path / f"{entry.name}.npy"
        np.save(file, counts[: 36 if entry.name == "s0.tif" else 42])
        slides.append(replace(entry, targets_file=str(file), facts={"scanner": "A"}))
    request = replace(request, slides=tuple(slides), type_names=("a", "b"))
    done = run_study_job(request, JobContext())
    assert [entry["title"] for entry in done["sets"]] == ["block 1", "block 4"]
    result = read_result(Path(done["work_dir"]))
    assert result.meta["quality_source"] == ["the SAE's card"] * 2
    assert result.meta["n_tiles"] == 78 and result.meta["blocks"] == [1, 4]
    assert "control" in result.meta["warnings"][0]
    shown = words(result)
    assert "cannot be judged: fewer than 5 patients report" in shown.found
    assert "there is only one label (A)" in shown.found
