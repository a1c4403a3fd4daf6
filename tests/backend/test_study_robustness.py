"""The study of scanner and stain on worlds whose features have planted roles, and on what is too little."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from sae_backend.compute import pipeline
from sae_backend.compute.embed import Watch
from sae_backend.compute.encoders import CONTROL_ID, load_encoder
from sae_backend.compute.reencode import equip
from sae_backend.compute.study_job import run_study_job
from sae_backend.demo.vectors import FeatureSpec, NuisanceSpec, SlideSpec, VectorWorldSpec, make_world
from sae_backend.messages import StudyRequest
from sae_backend.studies.given import FeatureSet, StudyInput
from sae_backend.studies.registry import study
from sae_backend.studies.result import Steps, StudyResult
from sae_backend.studies.robustness.fields import INDEX_FIELDS, SCORES
from sae_backend.studies.run import run_study
from sae_backend.studies.shown import Points
from sae_backend.study_files import open_input, read_result
from tests.backend.runs import SPEC as TILES
from tests.backend.runs import request_for, small_sae, small_slide
from tests.backend.study_worlds import PROGRESS, study_input, true_set

FAST = {"n_shuffles": 19, "n_permutations": 99, "n_bootstrap": 50, "stress_tiles": 0, "most_tiles": 600}
TECHNICAL, ENTANGLED = (21, 22, 29), 5
"""Planted: features of one scanner, and one of those that also drives lymphocytes."""


def scanner_world(null: bool = False):
    """Twenty-four patients, two scanners; everything but the planted features is alike under both."""
    return make_world(
        VectorWorldSpec(
            seed=3,
            width=40,
            features=FeatureSpec(
                n_features=30, rate_high=0.4, rate_low=0.08, scanner_features=(*TECHNICAL, ENTANGLED)
            ),
            slides=SlideSpec(n_slides=24, tiles=(50, 60), n_sites=1, n_scanners=2),
            nuisance=NuisanceSpec(scanner_weight=0.3),
            null=null,
        )
    )


@pytest.fixture(scope="module")
def world():
    return scanner_world()


@pytest.fixture(scope="module")
def found(world, tmp_path_factory) -> StudyResult:
    control = true_set(world.slides, world.dictionary, "control", is_control=True)
    rng = np.random.default_rng(0)
    control = replace(
        control, features=[sparse.csc_array(x[rng.permutation(x.shape[0])]) for x in control.features]
    )
    given = study_input(world, [true_set(world.slides, world.dictionary), control])
    # Halves in which each scanner has several patients.
    assert given.halves is not None
    sides = {f"P{s.patient:03d}": ("choose", "report") for s in world.slides}
    by_scanner: dict[int, int] = {0: 0, 1: 0}
    for slide in world.slides:
        name = f"P{slide.patient:03d}"
        sides[name] = ("choose", "report")[by_scanner[slide.scanner] % 2]  # type: ignore[assignment]
        by_scanner[slide.scanner] += 1
    given = replace(given, halves=replace(given.halves, assignments=sides))
    steps = Steps(tmp_path_factory.mktemp("steps"))
    first = run_study("robustness", given, FAST, PROGRESS, steps)
    again = run_study("robustness", given, FAST, PROGRESS, steps)
    for name, values in first.arrays.items():
        np.testing.assert_array_equal(values, again.arrays[name], name)
    return first


def scores(result: StudyResult, source: str, fact: str = "scanner") -> dict[str, float]:
    row = result.arrays[f"read/{fact}/scores"][result.meta["read"][fact]["sources"].index(source)]
    return dict(zip(SCORES, row.tolist(), strict=True))


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
    given = replace(study_input(world, [some]), halves=None)
    result = run_study(
        "robustness", replace(given, type_names=(), slides=_without_cells(given)), FAST, PROGRESS
    )
    one = scores(result, "features")
    assert one["ci_low"] <= 0.5 <= one["ci_high"] and one["p"] > 0.05
    assert (result.arrays["effect/scanner/p_family"] > 0.05).all()
    shown = study("robustness").show(result)
    assert "not shown to be more than chance gives" in shown.found and "none can be sorted" in shown.found


def test_what_is_read_is_corrected_for_the_number_of_sources(found: StudyResult) -> None:
    """With p 0.010 from each of seven sources nothing is read after Holm; with 0.005 everything is."""
    told = {}
    for p in (0.005, 0.010):
        values = found.arrays["read/scanner/scores"].copy()
        values[:, SCORES.index("p")] = p
        shown = study("robustness").show(
            replace(found, arrays={**found.arrays, "read/scanner/scores": values})
        )
        table = next(table for table in shown.tables if table.key == "reading")
        assert table.columns["p"][:7] == pytest.approx([p] * 7)
        assert table.columns["p Holm"][:7] == pytest.approx([7 * p] * 7)
        assert f"after Holm for 7 sources {7 * p:.3f}" in shown.found
        told[p] = shown
    assert ": more than chance gives" in told[0.005].found and "still tell the scanner:" in told[0.005].short
    assert "not shown to be more than chance gives" in told[0.010].found
    assert "is not shown to be readable" in told[0.010].short


def test_what_is_not_shown_is_not_told_as_absent(found: StudyResult) -> None:
    shown = study("robustness").show(found)
    assert "follow cells and are not shown to differ with the scanner" in shown.short
    assert "differ with the scanner and are not shown to follow cells" in shown.short
    n, one = found.arrays["group/biology"].size, scores(found, "biology")
    told = f"together those that follow cells ({n} by the half that chose) still tell the scanner (AUROC {one['auroc']:.2f}, p "
    assert told in shown.short
    assert "not shown to differ with the scanner" in shown.tables[0].notes["role"]
    values = found.arrays["read/scanner/scores"].copy()
    values[found.meta["read"]["scanner"]["sources"].index("biology"), SCORES.index("p")] = 0.2
    silent = replace(found, arrays={**found.arrays, "read/scanner/scores": values})
    assert "together those" not in study("robustness").show(silent).short


def test_intervals_say_over_whom_they_were_drawn(found: StudyResult) -> None:
    assert "come from draws over all patients" in study("robustness").show(found).limits
    read = {k: {n: v for n, v in one.items() if n != "draws_over"} for k, one in found.meta["read"].items()}
    older = study("robustness").show(replace(found, meta={**found.meta, "read": read}))
    assert "too narrow where nobody shares" in older.limits


def _paired_result(found: StudyResult, n_units: int) -> StudyResult:
    """The same run with paired scans of so many glasses."""
    n = found.meta["n_features"]
    about = {"reason": "", "scanners": ["a", "b", "c"], "n_glasses": n_units, "n_units": n_units, "n_tiles": 50,
             "has_raw": True}  # fmt: skip
    arrays = dict(found.arrays)
    for name, size, shift in (("features", n, 0.13), ("raw", 8, 0.34)):
        arrays |= {
            f"paired/{name}/{key}": np.full(size, value)
            for key, value in (
                ("icc_a", 0.5), ("icc_a_low", np.nan), ("icc_a_high", np.nan), ("icc_c", 0.6), ("shift", shift),
                ("shift_low", np.nan), ("shift_high", np.nan), ("percent", 3.0), ("n_active", 30.0),
            )
        } | {f"paired/{name}/{key}": np.zeros(size, np.int64) for key in ("high", "low")}  # fmt: skip
    return replace(found, arrays=arrays, meta={**found.meta, "paired": about})


def test_few_glasses_have_no_intervals_and_a_shift_is_above_0_by_chance(found: StudyResult) -> None:
    shown = study("robustness").show(_paired_result(found, 4))
    assert "ICC and shift have no intervals, as there are 4 glasses and 5 are needed." in shown.found
    assert "has a median of 0.13 SD (raw dimensions 0.34 SD); it is above 0 by chance alone" in shown.found
    caption = next(figure.caption for figure in shown.figures if figure.key == "shift")
    assert "No intervals, as there are 4 glasses" in caption and "above 0 by chance alone" in caption
    notes = shown.tables[0].notes
    assert all("no interval" in notes[key] for key in ("ICC low", "ICC high", "shift low", "shift high"))
    enough = study("robustness").show(_paired_result(found, 5))
    assert "no intervals" not in enough.found and "no interval" not in enough.tables[0].notes["ICC low"]


def test_a_warning_is_given_before_it_is_proven(found: StudyResult) -> None:
    """Four columns: p 0.049 by itself, a large V with a large p, neither, and one that holds after Holm."""
    one = {"p_holm": 0.147, "is_perfect": False, "n_groups": 16, "n_slides": 30, "table": [], "labels": [], "values": [],
           "reason": ""}  # fmt: skip
    rows = [
        {**one, "column": "group", "v": 0.37, "p": 0.049}, {**one, "column": "organ", "v": 0.6, "p": 0.2},
        {**one, "column": "sex", "v": 0.1, "p": 0.4}, {**one, "column": "site", "v": 0.4, "p": 0.001, "p_holm": 0.004},
    ]  # fmt: skip
    told = study("robustness").show(replace(found, meta={**found.meta, "confounding": rows}))
    said = [text for text in told.warnings if "cannot be ruled out" in text]
    assert len(said) == 3
    assert said[0].startswith("Scanner and group may go together (Cramér's V 0.37, p 0.049, after Holm for 4")
    assert all("one column in twenty" in text for text in map(str, said[:2]))
    assert "Scanner and site go together" in said[2] and "one column in twenty" not in said[2]


def _without_cells(given: StudyInput):
    return [replace(slide, counts=np.zeros((slide.n_tiles, 0))) for slide in given.slides]


def test_roles_are_the_planted_ones(world, found: StudyResult) -> None:
    shown = study("robustness").show(found)
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
        study("robustness").show(found, knobs) for knobs in ({}, {"least_r": 0.99, "least_effect": 0.99})
    )
    roles = strict.tables[0].columns["role"]
    assert set(roles) == {"unexplained"} and set(plain.tables[0].columns["role"]) > set(roles)
    assert [knob.value for knob in strict.knobs] == [0.99, 0.99]
    quadrant = next(figure for figure in plain.figures if figure.key == "roles")
    clouds = [mark for mark in quadrant.marks if isinstance(mark, Points)]
    assert sum(cloud.x.size for cloud in clouds) == 30
    assert [cloud.is_baseline for cloud in clouds] == [True, False, False, False]
    assert {t.feature for cloud in clouds for t in cloud.targets} == set(range(30))


def test_what_goes_with_the_scanner_is_a_warning(world, found: StudyResult) -> None:
    # The entangled feature makes lymphocytes under one scanner only.
    shown = study("robustness").show(found)
    assert any("mix of cell types differs with the scanner" in text for text in shown.warnings)
    assert not any("cannot be told apart" in text for text in shown.warnings)
    given = study_input(world)
    slides = [replace(s, facts={**s.facts, "diagnosis": f"of {s.facts['scanner']}"}) for s in given.slides]
    quick = {**FAST, "n_shuffles": 9, "n_permutations": 39, "most_tiles": 200, "label": "diagnosis"}
    result = run_study("robustness", replace(given, slides=slides), quick, PROGRESS)
    shown = study("robustness").show(result)
    assert shown.warnings[0].startswith(
        "Scanner and diagnosis cannot be told apart: every diagnosis has one scanner only"
    )
    index = dict(zip(INDEX_FIELDS, result.arrays["read/scanner/index"][0], strict=True))
    assert np.isnan(index["value"])
    assert "robustness index is not defined" in shown.found


def test_a_rare_scanner_is_left_out_and_said(world) -> None:
    given = study_input(world)
    slides = list(given.slides)
    slides[0] = replace(slides[0], facts={"scanner": "third", "site": "x"})
    bare = replace(
        given, slides=slides, halves=None, sets=[replace(given.sets[0], vectors=[None] * len(slides))]
    )
    bare = replace(bare, slides=_without_cells(bare), type_names=())
    result = run_study("robustness", bare, {**FAST, "n_permutations": 39, "most_tiles": 200}, PROGRESS)
    about = result.meta["read"]["scanner"]
    assert about["left_out"] == ["third"] == about["effects"]["left_out"] and about["n_slides"] == 23
    warnings = study("robustness").show(result).warnings
    assert any("Too few" in text and "the scanner third" in text for text in warnings)
    # What is read beside the scanner leaves out, too.
    sites = [
        replace(s, facts={**s.facts, "site": "x" if k == 0 else "ab"[k % 2]}) for k, s in enumerate(slides)
    ]
    result = run_study(
        "robustness", replace(bare, slides=_without_cells(replace(bare, slides=sites))),
        {**FAST, "n_permutations": 19, "n_shuffles": 9, "most_tiles": 100}, PROGRESS,
    )  # fmt: skip
    assert any("the site x: it takes no part" in text for text in study("robustness").show(result).warnings)


def test_neighbours_are_judged_beside_random_ones(found: StudyResult) -> None:
    values = found.arrays["read/scanner/index"]
    names = found.meta["read"]["scanner"]["sources"]
    index = {name: dict(zip(INDEX_FIELDS, row, strict=True)) for name, row in zip(names, values, strict=True)}
    assert 0 < index["features"]["chance"] < 1
    assert index["raw"]["value"] < index["raw"]["chance"] < index["biology"]["value"] + 0.2
    assert index["features"]["low"] <= index["features"]["value"] <= index["features"]["high"]


def test_figures_and_tables_say_what_they_rest_on(found: StudyResult) -> None:
    shown = study("robustness").show(found)
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
    given = study_input(world)
    one = given.sets[0]
    few = FeatureSet("two", one.features[:2], one.valid[:2], [None, None])
    return StudyInput(given.slides[:2], [few], given.type_names)


def test_too_little_is_said_and_shown(world) -> None:
    given = two_slides(world)
    bare = [replace(slide, facts={}, patient="") for slide in given.slides]
    same = [replace(slide, facts={"scanner": "s"}) for slide in given.slides]
    silent = FeatureSet("silent", [x * 0 for x in given.sets[0].features], given.sets[0].valid, [None, None])
    cases = (
        given, replace(given, slides=bare), replace(given, slides=same), replace(given, sets=[silent]),
        replace(given, slides=_without_cells(given), type_names=()),
    )  # fmt: skip
    for case in cases:
        result = run_study("robustness", case, {**FAST, "stress_tiles": 5, "paired_by": "glass"}, PROGRESS)
        json.dumps(result.meta, allow_nan=False)
        shown = study("robustness").show(result)
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
        results.append(pipeline.run(request_for(slide, tmp_path / "cache", path)))
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
    result = read_result(Path(run_study_job(request, Watch())["work_dir"]))
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
    shown = study("robustness").show(result)
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
    reason = read_result(Path(run_study_job(wrong, Watch())["work_dir"])).meta["stress"]["reason"]
    assert "is not the one of the analysis" in reason
    Path(request.slides[1]["path"]).unlink()
    gone = equip(open_input(request), request, Watch())
    assert gone.reencode is None and "s1.tif is not there" in gone.not_reencoded
