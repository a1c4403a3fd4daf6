"""Encoders side by side: what is planted is told, and what is alike is not told apart."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

from sae_backend.errors import UserInputError
from sae_backend.statistics.split import draw_halves
from sae_backend.studies.encoders.findings import EncoderFindings
from sae_backend.studies.encoders.study import judge_of
from sae_backend.studies.encoders.triage import SEVERAL, triaged
from sae_backend.studies.framework.inputs import StudyInput
from sae_backend.studies.framework.registry import study
from sae_backend.studies.framework.result import StudyResult
from sae_backend.studies.framework.run import run_study
from tests.worlds.depth import LITTLE, QUICK
from tests.worlds.encoder import CROSS, first_set, other_set, rotated_set, world_of
from tests.worlds.study import PROGRESS, study_input


@pytest.fixture(scope="module")
def world():
    return world_of(1)


@pytest.fixture(scope="module")
def compared(world) -> StudyResult:
    sets = [
        first_set(world),
        other_set(world, 0, "natural", noise=0.6),
        other_set(world, 1, "random", n_shared=0, is_control=True),
    ]
    return run_study("encoders", study_input(world, sets), QUICK, PROGRESS)


def words(result: StudyResult, **thresholds: float):
    json.dumps(result.meta, allow_nan=False)
    shown = study("encoders").report(result, thresholds)
    assert shown.found and shown.limits
    for figure in shown.figures:
        assert figure.caption and figure.marks
    for table in shown.tables:
        assert {len(column) for column in table.columns.values()} == {table.n_rows}
        assert not table.targets or len(table.targets) == table.n_rows
    assert "nan" not in (shown.found + shown.limits)
    return shown


def test_the_better_encoder_is_called_better(compared: StudyResult) -> None:
    shown = words(compared)
    assert "pathology follow cells better than those of natural on average" in shown.found
    assert "pathology follow cells better than those of random on average" in shown.found
    assert "random (control, random weights)" in shown.found
    assert not any("control set" in warning for warning in shown.warnings)
    assert compared.arrays["sae/n_beating"][0] >= 4 and compared.arrays["sae/n_beating"][2] == 0
    low = compared.arrays["difference/family_low"]
    assert (low[:2, 0] > 0).all() and (compared.arrays["difference/family_high"][:, 0] > low[:, 0]).all()
    assert {figure.key for figure in shown.figures} == {
        "best-r", "differences", "baselines", "probes", "above-null", "entropy", "alike", "triage",
    }  # fmt: skip
    assert [table.key for table in shown.tables] == [
        "sets", "types", "differences", "features-0", "features-1", "features-2",
    ]  # fmt: skip
    # Cancer follows two features: one column cannot do what two can, and a third adds nothing.
    r2 = compared.arrays["sae/probe_r2"][0][:, 0]
    assert r2[1] > r2[0] + 0.03


def test_a_cross_class_feature_is_poly_by_labels_and_mono_without(compared: StudyResult) -> None:
    judged = triaged(EncoderFindings.of(compared).sets[0], 0.5)
    assert judged.words[CROSS] == SEVERAL and judged.above_chance[CROSS]
    assert judged.words[2] == judged.words[8] == "one type"
    assert compared.meta["judges"] == ["natural", "pathology", "pathology"]
    table = words(compared).tables[3]
    assert table.columns["by labels"][CROSS] == SEVERAL and table.columns["above chance"][CROSS] == "yes"
    assert len(table.columns["feature"]) == compared.meta["n_features"][0]  # none is left out
    strict = words(compared, second=1.0).tables[3].columns["by labels"]
    assert strict.count(SEVERAL) < table.columns["by labels"].count(SEVERAL)


def test_silent_features_are_told_as_silent_and_all_have_their_share_of_tiles() -> None:
    world = world_of(4, 12, 40)
    one, two = first_set(world), other_set(world, 0, "two", is_control=True)
    inputs = study_input(world, [one, two])
    features = []
    for slide, matrix in zip(inputs.slides, one.features, strict=True):
        changed = matrix.tolil()
        changed[:, 0] = 0
        if inputs.halves.assignments[slide.patient] == "report":
            changed[:, 1] = 0
        features.append(sparse.csc_array(changed))
    inputs = replace(inputs, sets=[replace(one, features=features), two])
    shown = words(run_study("encoders", inputs, LITTLE, PROGRESS))
    table = next(table for table in shown.tables if table.key == "features-0")
    columns = table.columns
    assert columns["by labels"][:2] == ["never fires", "silent where reported"]
    assert columns["prevalence"][0] == 0 and 0 < columns["prevalence"][1] < columns["prevalence"][2]
    n_tiles = sum(slide.n_tiles for slide in inputs.slides)
    fired = sum(int((matrix[:, [2]] != 0).sum()) for matrix in features)
    assert columns["prevalence"][2] == pytest.approx(fired / n_tiles)
    empty = ("entropy", "label entropy", "label-free score", "AUPRC cancer", "AUPRC plasma", "follows most")
    assert all(columns[name][0] is None for name in empty)
    assert columns["AUPRC cancer"][1] is None and columns["AUPRC cancer"][2] is not None
    entropies = [value for value in columns["label entropy"] if value is not None]
    assert entropies and all(math.copysign(1, value) > 0 for value in entropies)


def test_one_encoder_seen_twice_is_not_told_apart(world) -> None:
    sets = [rotated_set(world, 0, "one"), rotated_set(world, 1, "two")]
    result = run_study("encoders", study_input(world, sets), QUICK, PROGRESS)
    shown = words(result)
    assert "Between one and two no difference of the mean r can be claimed" in shown.found
    assert "No single type differs significantly" in shown.found
    assert set(shown.tables[2].columns["verdict"]) == {"no difference can be claimed"}
    assert any("no control set" in warning for warning in shown.warnings)
    assert abs(result.arrays["difference/value"]).max() < 0.1


def test_the_judge_is_another_encoder(world) -> None:
    one, two = first_set(world), other_set(world, 0, "two", is_control=True)
    again = replace(one, title="again")
    inputs = study_input(world, [one, again, two])
    assert [judge_of(inputs, k) for k in range(3)] == [2, 2, 0]
    assert judge_of(study_input(world, [one, again]), 0) is None
    blind = replace(two, vectors=[None] * len(world.slides))
    assert judge_of(study_input(world, [one, blind]), 0) is None


@pytest.mark.parametrize("what", ["cells", "types", "halves", "vectors", "patients", "one encoder"])
def test_little_is_told_as_little(what: str) -> None:
    world = world_of(4, 12, 40)
    inputs = study_input(world, [first_set(world), other_set(world, 0, "two", is_control=True)])
    slides, sets, types = list(inputs.slides), list(inputs.sets), inputs.type_names
    if what == "cells":
        slides = [replace(slide, counts=np.full(slide.counts.shape, np.nan)) for slide in slides]
    if what == "types":
        slides, types = [replace(slide, counts=slide.counts[:, :0]) for slide in slides], ()
    if what == "vectors":
        sets = [replace(some, vectors=[None] * len(slides)) for some in sets]
    if what == "patients":
        slides = [replace(slide, patient="one") for slide in slides]
    if what == "one encoder":
        sets[1] = replace(sets[0], title="again")
    made = StudyInput(slides, sets, types)
    halves = None if what in ("halves", "cells", "types") else draw_halves(made.parts(), 0)
    spec = QUICK if what == "one encoder" else LITTLE
    result = run_study("encoders", StudyInput(slides, sets, types, halves), spec, PROGRESS)
    shown = words(result)
    expected = {
        "cells": "No slide has cells",
        "types": "No slide has cells",
        "halves": "chosen and reported on the same tiles",
        "vectors": "cannot be said without labels",
        "patients": "cannot be judged: fewer than 5 patients report",
        "one encoder": "no difference of the mean r can be claimed",
    }
    assert expected[what] in shown.found
    assert ("has no value for raw dimensions" in shown.limits) == (what == "vectors")
    if what == "one encoder":
        assert any("of one encoder" in warning for warning in shown.warnings)


def test_one_set_is_refused(world) -> None:
    with pytest.raises(UserInputError, match="two or more"):
        run_study("encoders", study_input(world, [first_set(world)]), LITTLE, PROGRESS)
