"""The study of scanner and stain on worlds whose features have planted roles, and on what is too little."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from sae_backend.compute import dispatch
from sae_backend.compute.encoders.load import CONTROL_ID, load_encoder
from sae_backend.compute.jobs.embed import JobContext
from sae_backend.compute.studies.reencode import equip
from sae_backend.compute.studies.study_job import run_study_job
from sae_backend.studies.framework.inputs import FeatureSet, StudyInput
from sae_backend.studies.framework.registry import study
from sae_backend.studies.framework.report import Points
from sae_backend.studies.framework.result import Checkpoints, StudyResult
from sae_backend.studies.framework.run import run_study
from sae_backend.studies.framework.storage import open_input, read_result
from sae_backend.studies.robustness.array_names import INDEX_FIELDS
from sae_backend.worker.requests import StudyRequest
from tests.backend.fixtures.runs import SPEC as TILES
from tests.backend.fixtures.runs import request_for, small_sae, small_slide
from tests.worlds.robustness import (
    ENTANGLED,
    FAST,
    TECHNICAL,
    planted_input,
    planted_result,
    scanner_world,
    scores,
)
from tests.worlds.study import PROGRESS, study_input, true_set


@pytest.fixture(scope="module")
def world():
    return scanner_world()


@pytest.fixture(scope="module")
def found() -> StudyResult:
    return planted_result()


def test_steps_that_are_kept_give_the_same(found: StudyResult, tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    for _ in range(2):
        again = run_study("robustness", planted_input(), FAST, PROGRESS, checkpoints)
        for name, values in found.arrays.items():
            np.testing.assert_array_equal(values, again.arrays[name], name)


def test_the_scanner_is_read_where_it_is_planted(found: StudyResult) -> None:
    about = found.meta["read"]["scanner"]
    assert about["sources"] == ["features", "biology", "matched", "rest", "raw", "pca", "control"]
    assert about["held_out"] and about["n_patients"] in (11, 12) and about["n_folds"] >= 2
    everything, raw = scores(found, "features"), scores(found, "raw")
    assert (
        everything["slide_auroc"] > 0.95
        and everything["p"] <= 0.05
        and everything["auroc"] > everything["null_high"]
    )
    assert raw["auroc"] > 0.95 and scores(found, "pca")["auroc"] > 0.95
    # The entangled one is among those that follow cells, and tells the scanner.
    assert ENTANGLED in found.arrays["group/biology"]
    assert scores(found, "biology")["p"] <= 0.05
    assert set(found.arrays["group/biology"]).isdisjoint(found.arrays["group/rest"])
    assert set(found.arrays["group/matched"]) <= set(found.arrays["group/rest"])
    assert found.meta["read"]["site"]["reason"].startswith("there is only one label")
    json.dumps(found.meta, allow_nan=False)


def test_features_that_do_not_know_the_scanner_do_not_give_it_away(world) -> None:
    clean = [f for f in range(30) if f not in (*TECHNICAL, ENTANGLED)]
    truth = true_set(world.slides, world.dictionary)
    some = FeatureSet(
        "clean",
        [sparse.csc_array(x[:, clean]) for x in truth.features],
        truth.valid,
        [None] * len(world.slides),
    )
    inputs = replace(study_input(world, [some]), halves=None)
    result = run_study(
        "robustness", replace(inputs, type_names=(), slides=_without_cells(inputs)), FAST, PROGRESS
    )
    one = scores(result, "features")
    assert one["ci_low"] <= 0.5 <= one["ci_high"] and one["p"] > 0.05
    assert (result.arrays["effect/scanner/p_family"] > 0.05).all()
    shown = study("robustness").report(result)
    assert "not shown to be more than chance gives" in shown.found and "none can be sorted" in shown.found


def _without_cells(inputs: StudyInput):
    return [replace(slide, counts=np.zeros((slide.n_tiles, 0))) for slide in inputs.slides]


def test_roles_are_the_planted_ones(world, found: StudyResult) -> None:
    shown = study("robustness").report(found)
    table = next(table for table in shown.tables if table.key == "features")
    said = dict(zip(table.columns["feature"], table.columns["role"], strict=True))
    named = {
        "biology": "biological",
        "technical": "technical",
        "entangled": "entangled",
        "other": "unexplained",
    }
    planted = {f: named[role] for f, role in enumerate(world.roles)}
    assert planted[ENTANGLED] == "entangled" and sorted(
        f for f, r in planted.items() if r == "technical"
    ) == list(TECHNICAL)
    assert said == planted
    assert table.targets[0].feature == table.columns["feature"][0]
    assert all(table.columns["why"])
    # Rows begin with the largest effect.
    effects = [e for e in table.columns["effect"] if e is not None]
    assert effects == sorted(effects, reverse=True)
    for f in (*TECHNICAL, ENTANGLED):
        row = table.columns["feature"].index(f)
        assert table.columns["slide AUROC"][row] > 0.95 and table.columns["p family"][row] <= 0.05


def test_thresholds_move_the_roles(found: StudyResult) -> None:
    plain, strict = (
        study("robustness").report(found, thresholds)
        for thresholds in ({}, {"least_r": 0.99, "least_effect": 0.99})
    )
    roles = strict.tables[0].columns["role"]
    assert set(roles) == {"unexplained"} and set(plain.tables[0].columns["role"]) > set(roles)
    assert [threshold.value for threshold in strict.thresholds] == [0.99, 0.99]
    quadrant = next(figure for figure in plain.figures if figure.key == "roles")
    clouds = [mark for mark in quadrant.marks if isinstance(mark, Points)]
    assert sum(cloud.x.size for cloud in clouds) == 30
    assert [cloud.is_baseline for cloud in clouds] == [True, False, False, False]
    assert {t.feature for cloud in clouds for t in cloud.targets} == set(range(30))


def test_what_goes_with_the_scanner_is_a_warning(world, found: StudyResult) -> None:
    # The entangled feature makes lymphocytes under one scanner only.
    shown = study("robustness").report(found)
    assert any("mix of cell types differs with the scanner" in text for text in shown.warnings)
    assert not any("cannot be told apart" in text for text in shown.warnings)
    inputs = study_input(world)
    slides = [replace(s, facts={**s.facts, "diagnosis": f"of {s.facts['scanner']}"}) for s in inputs.slides]
    quick = {**FAST, "n_shuffles": 9, "n_permutations": 39, "most_tiles": 200, "label": "diagnosis"}
    result = run_study("robustness", replace(inputs, slides=slides), quick, PROGRESS)
    shown = study("robustness").report(result)
    assert shown.warnings[0].startswith(
        "Scanner and diagnosis cannot be told apart: every diagnosis has one scanner only"
    )
    index = dict(zip(INDEX_FIELDS, result.arrays["read/scanner/index"][0], strict=True))
    assert np.isnan(index["value"])
    assert "robustness index is not defined" in shown.found


def test_a_rare_scanner_is_left_out_and_said(world) -> None:
    inputs = study_input(world)
    slides = list(inputs.slides)
    slides[0] = replace(slides[0], facts={"scanner": "third", "site": "x"})
    bare = replace(
        inputs, slides=slides, halves=None, sets=[replace(inputs.sets[0], vectors=[None] * len(slides))]
    )
    bare = replace(bare, slides=_without_cells(bare), type_names=())
    result = run_study("robustness", bare, {**FAST, "n_permutations": 39, "most_tiles": 200}, PROGRESS)
    about = result.meta["read"]["scanner"]
    assert about["left_out"] == ["third"] == about["effects"]["left_out"] and about["n_slides"] == 23
    warnings = study("robustness").report(result).warnings
    assert any("Too few" in text and "the scanner third" in text for text in warnings)
    # What is read beside the scanner leaves out, too.
    sites = [
        replace(s, facts={**s.facts, "site": "x" if k == 0 else "ab"[k % 2]}) for k, s in enumerate(slides)
    ]
    result = run_study(
        "robustness", replace(bare, slides=_without_cells(replace(bare, slides=sites))),
        {**FAST, "n_permutations": 19, "n_shuffles": 9, "most_tiles": 100}, PROGRESS,
    )  # fmt: skip
    assert any("the site x: it takes no part" in text for text in study("robustness").report(result).warnings)


def test_neighbours_are_judged_beside_random_ones(found: StudyResult) -> None:
    values = found.arrays["read/scanner/index"]
    names = found.meta["read"]["scanner"]["sources"]
    index = {name: dict(zip(INDEX_FIELDS, row, strict=True)) for name, row in zip(names, values, strict=True)}
    assert 0 < index["features"]["chance"] < 1
    assert index["raw"]["value"] < index["raw"]["chance"] < index["biology"]["value"] + 0.2
    assert index["features"]["low"] <= index["features"]["value"] <= index["features"]["high"]


def test_figures_and_tables_say_what_they_rest_on(found: StudyResult) -> None:
    shown = study("robustness").report(found)
    assert [figure.key for figure in shown.figures] == ["reading-scanner", "roles", "effects", "neighbours"]
    assert [table.key for table in shown.tables] == ["features", "reading", "confounding"]
    for figure in shown.figures:
        assert figure.caption.endswith(".") and "rey" in figure.caption
    effects = [mark for mark in shown.figures[2].marks if not mark.is_baseline]
    assert [len(mark.targets) for mark in effects] == [len(mark.x) for mark in effects] != []
    n = found.meta["read"]["scanner"]["n_patients"]
    assert f"{n} patients" in shown.figures[0].caption and "half of the patients" in shown.figures[0].caption
    for table in shown.tables:
        assert all(len(column) == table.n_rows for column in table.columns.values())
        assert set(table.notes) <= set(table.columns)
    assert "shuffled between patients" in shown.found and "raw dimensions" in shown.found


def two_slides(world) -> StudyInput:
    inputs = study_input(world)
    one = inputs.sets[0]
    few = FeatureSet("two", one.features[:2], one.valid[:2], [None, None])
    return StudyInput(inputs.slides[:2], [few], inputs.type_names)


def test_too_little_is_said_and_shown(world) -> None:
    inputs = two_slides(world)
    bare = [replace(slide, facts={}, patient="") for slide in inputs.slides]
    same = [replace(slide, facts={"scanner": "s"}) for slide in inputs.slides]
    silent = FeatureSet(
        "silent", [x * 0 for x in inputs.sets[0].features], inputs.sets[0].valid, [None, None]
    )
    cases = (
        inputs, replace(inputs, slides=bare), replace(inputs, slides=same), replace(inputs, sets=[silent]),
        replace(inputs, slides=_without_cells(inputs), type_names=()),
    )  # fmt: skip
    for case in cases:
        result = run_study("robustness", case, {**FAST, "stress_tiles": 5, "paired_by": "glass"}, PROGRESS)
        json.dumps(result.meta, allow_nan=False)
        shown = study("robustness").report(result)
        assert "could not be read" in shown.found and "could not be judged" in shown.found
        assert any("stress test was left out" in text for text in shown.warnings)
        assert any("Paired scans were not compared" in text for text in shown.warnings)
        assert "nan" not in shown.found and shown.limits


def job_request(tmp_path: Path, **spec) -> StudyRequest:
    """Two glasses of two scans each, analysed with the control encoder."""
    path = tmp_path / "sae"
    small_sae(load_encoder(CONTROL_ID).card).save(path)
    slides, results = [], []
    for number in range(4):
        slide = small_slide(tmp_path / f"s{number}.tif", 3, 4)
        results.append(dispatch.run(request_for(slide, tmp_path / "cache", path)))
        facts = {"scanner": f"s{number % 2}", "glass": f"G{number // 2}"}
        slides.append(
            {"name": slide.name, "patient": f"P{number // 2}", "facts": facts, "path": str(slide), "mpp": None,
             "fingerprint": "", "targets_file": ""}
        )  # fmt: skip
    model = {
        "encoder": CONTROL_ID, "encoder_digest": results[0]["encoder_digest"], "layer": 4, "pooling": "cls",
        "weights": None, "sae_dir": str(path), "is_control": True,
    }  # fmt: skip
    entry = {
        "title": "current", "model": model, "tile_spec": TILES,
        "feature_dirs": [each["feature_dir"] for each in results],
        "embedding_dirs": [each["embedding_dir"] for each in results],
    }  # fmt: skip
    spec = {**FAST, "stress_tiles": 6, "paired_by": "glass", **spec}
    return StudyRequest(
        "robustness", tuple(slides), (entry,), (), str(tmp_path / "cache"), str(tmp_path / "work"), spec,
        device="cpu",
    )  # fmt: skip


def test_a_job_encodes_changed_tiles_again(tmp_path: Path) -> None:
    request = job_request(tmp_path)
    result = read_result(Path(run_study_job(request, JobContext())["work_dir"]))
    about = result.meta["stress"]
    assert about["reason"] == "" and about["n_tiles"] == 6 and about["n_slides"] == 4
    assert about["drift"] < 1e-3
    moved = result.arrays["stress/features/median"]
    assert moved.shape == (5, 4) and (moved > 0).all() and (moved[:, -1] > moved[:, 0]).all()
    assert (result.arrays["stress/raw/median"][:, -1] > 0).all()
    # All four files hold the same pixels: scans of a glass agree to the last digit.
    icc = result.arrays["paired/features/icc_a"]
    assert result.meta["paired"]["n_tiles"] == 24
    assert icc[np.isfinite(icc)] == pytest.approx(1, abs=1e-4)
    shown = study("robustness").report(result)
    figures = {figure.key: figure for figure in shown.figures}
    assert {"agreement", "shift", "stress", "stress-features"} <= set(figures)
    for key in ("agreement", "shift", "stress", "stress-features"):
        own = [mark for mark in figures[key].marks if not mark.is_baseline]
        assert own and all(len(mark.targets) == len(mark.x) for mark in own)
    (blur,) = [mark for mark in figures["stress"].marks if mark.label.startswith("blur")]
    every = result.arrays["stress/features/moved"][2, -1]
    middle = abs(every - blur.y[-1])
    assert middle[blur.targets[-1].feature] == np.nanmin(middle)
    (agreed,) = [mark for mark in figures["agreement"].marks if not mark.is_baseline]
    assert agreed.y[-1] == 1 and (np.diff(agreed.x) >= 0).all()
    assert np.clip(icc[[one.feature for one in agreed.targets]], -0.2, 1) == pytest.approx(agreed.x)
    assert "stress" in {table.key for table in shown.tables}
    assert any("random weights" in text for text in shown.warnings)

    # What is not that of the analysis is never compared, and what is gone is said.
    entry = request.sets[0]
    other = {**entry, "model": {**entry["model"], "encoder_digest": "0" * 64}}
    wrong = replace(request, sets=(other,), work_dir=str(tmp_path / "other"))
    reason = read_result(Path(run_study_job(wrong, JobContext())["work_dir"])).meta["stress"]["reason"]
    assert "is not the one of the analysis" in reason
    Path(request.slides[1].path).unlink()
    gone = equip(open_input(request), request, JobContext())
    assert gone.reencode is None and "s1.tif is not there" in gone.not_reencoded
