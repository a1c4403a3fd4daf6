"""Out of domain: what was planted to stay is kept, what was planted to go is lost, and B never has a say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse, stats

from sae_backend.compute.jobs.embed import JobContext
from sae_backend.compute.studies.prepare_domain import prepare
from sae_backend.correlation.baselines import best_columns
from sae_backend.correlation.representations import SaeColumns
from sae_backend.correlation.result import CorrelationSpec
from sae_backend.errors import CancelledError, UserInputError
from sae_backend.statistics.holm import holm
from sae_backend.statistics.slide_parts import assemble
from sae_backend.statistics.split import CHOOSE, REPORT, draw_halves, half_of
from sae_backend.studies.domain.pairs import (
    FADED,
    KEPT,
    LOST,
    REVERSED,
    UNDECIDED,
    VERDICTS,
    WEAKER,
    difference_interval,
    difference_p,
    verdicts,
)
from sae_backend.studies.domain.report import make_report
from sae_backend.studies.framework.cohorts import two_groups
from sae_backend.studies.framework.inputs import FeatureSet, StudyInput
from sae_backend.studies.framework.result import Checkpoints
from sae_backend.studies.framework.run import run_study
from sae_backend.worker.requests import StudyRequest
from tests.backend.studies.test_universality import embedded
from tests.worlds.study import PROGRESS, study_slide, true_set
from tests.worlds.vectors.features import FeatureSpec
from tests.worlds.vectors.slides import CellType, NuisanceSpec, SlideSpec, VectorWorldSpec, make_world

N_EACH = 20
STAYS, GOES = 2, 5
SPEC = {"fact": "cohort", "a": "first", "b": "second", "retrain": False}


def two_cohorts(seed: int = 0, *, null: bool = False, goes: int = 9) -> StudyInput:
    """Type `stays` follows feature 2 in both cohorts; type `goes` follows 5 in A and `goes` in B."""
    base = VectorWorldSpec(
        seed=seed,
        width=48,
        features=FeatureSpec(24, rate_high=0.4, rate_low=0.15, patchy_share=0.0),
        slides=SlideSpec(n_slides=2 * N_EACH, tiles=(60, 90)),
        nuisance=NuisanceSpec(scanner_weight=0.3, slide_weight=0.2),
        cell_types=(CellType("stays", ((STAYS, 2.0),)), CellType("goes", ((GOES, 2.0),))),
    )
    here = make_world(base)
    moved = (base.cell_types[0], CellType("goes", ((goes, 2.0),)))
    there = make_world(replace(base, cell_types=moved, null=null))
    drawn = [*here.slides[:N_EACH], *there.slides[N_EACH:]]
    slides = [study_slide(slide, cohort="first" if k < N_EACH else "second") for k, slide in enumerate(drawn)]
    return StudyInput(slides, [true_set(drawn, here.dictionary)], here.type_names)


@pytest.fixture(scope="module")
def found():
    return run_study("domain", two_cohorts(), SPEC, PROGRESS)


def verdict(found, feature: int, kind: int) -> int:
    arrays = found.arrays
    (place,) = np.flatnonzero((arrays["pair/feature"] == feature) & (arrays["pair/type"] == kind))
    return int(arrays["pair/verdict"][place])


def test_what_stays_is_kept_and_what_goes_is_lost(found) -> None:
    assert found.meta["held_out"] and (found.meta["n_slides_a"], found.meta["n_slides_b"]) == (20, 20)
    assert verdict(found, STAYS, 0) == KEPT
    assert verdict(found, GOES, 1) == LOST
    best = found.arrays["pair/is_best"]
    assert list(found.arrays["pair/feature"][best]) == [STAYS, GOES]


def test_the_answer_names_what_was_kept_and_lost(found) -> None:
    shown = make_report(found, {})
    assert "1 of 2" in shown.found and "feature 5" in shown.found and "goes" in shown.found
    table = next(table for table in shown.tables if table.key == "domain-pairs")
    assert set(table.columns["verdict"]) <= set(VERDICTS) and table.n_rows == found.meta["n_pairs"]
    assert {figure.key for figure in shown.figures} >= {"domain-r", "domain-best"}


def test_nothing_of_the_second_cohort_takes_part_in_choice_or_scaling(found) -> None:
    inputs = two_cohorts()
    (own,) = inputs.sets
    rng = np.random.default_rng(1)

    def other(k: int, array):
        return rng.normal(5, 40, array.shape).astype(np.float32) if k >= N_EACH else array

    changed = FeatureSet(
        "truth",
        [
            sparse.csc_array(each * np.float32(37)) if k >= N_EACH else each
            for k, each in enumerate(own.features)
        ],
        own.valid,
        [other(k, each) for k, each in enumerate(own.vectors)],
        own.decoder,
        own.offset,
        own.model,
    )
    slides = [
        slide if k < N_EACH else replace(slide, counts=rng.poisson(9, slide.counts.shape).astype(float))
        for k, slide in enumerate(inputs.slides)
    ]
    again = run_study("domain", StudyInput(slides, [changed], inputs.type_names), SPEC, PROGRESS)
    for name in found.arrays:
        of_b = name.startswith("b/") or name.rsplit("/", 1)[-1] in (
            "r_b", "low_b", "high_b", "p_b", "b", "difference_low", "difference_high", "p_difference", "verdict",
        )  # fmt: skip
        if not of_b:
            np.testing.assert_array_equal(found.arrays[name], again.arrays[name], err_msg=name)
    assert not np.array_equal(found.arrays["pair/r_b"], again.arrays["pair/r_b"])


def test_cells_that_know_nothing_of_the_second_cohort_keep_nothing() -> None:
    found = run_study("domain", two_cohorts(3, null=True), SPEC, PROGRESS)
    best = found.arrays["pair/is_best"]
    assert set(found.arrays["pair/verdict"][best]) <= {LOST, UNDECIDED}
    assert (found.arrays["pair/p_b"] > 0.05).all()


def test_explained_variance_is_that_of_the_sums() -> None:
    inputs = two_cohorts()
    found = run_study("domain", inputs, SPEC, PROGRESS)
    (own,) = inputs.sets
    x = np.concatenate(own.vectors[:N_EACH]).astype(float)
    made = np.concatenate([part.toarray() for part in own.features[:N_EACH]]) @ own.decoder.astype(float)
    share = 1 - ((x - made) ** 2).sum(axis=1).mean() / x.var(axis=0).sum()
    assert found.arrays["a/explained"][0] == pytest.approx(share, abs=1e-9)
    assert found.arrays["a/explained"][1] < share < found.arrays["a/explained"][2]
    assert not any("train it longer" in words for words in make_report(found, {}).warnings)
    poor = replace(found, arrays={**found.arrays, "b/explained": np.array([-0.2, -0.3, -0.1])})
    assert any(
        "less than half of the variance (second: -0.20)" in words for words in make_report(poor, {}).warnings
    )


def test_without_cells_only_the_fit_is_told() -> None:
    inputs = two_cohorts()
    slides = [replace(slide, counts=np.full((slide.n_tiles, 0), 0.0)) for slide in inputs.slides]
    found = run_study("domain", StudyInput(slides, inputs.sets, ()), SPEC, PROGRESS)
    shown = make_report(found, {})
    assert "cells" in shown.limits and "explained variance" in shown.found


def test_cohorts_that_cannot_be_told_apart_are_refused() -> None:
    inputs = two_cohorts()
    for spec, words in (
        ({"fact": "nothing"}, "No slide has a value"),
        ({**SPEC, "b": "third"}, "No slide has 'third'"),
        ({"fact": "scanner", "a": "scanner 0"}, "both groups"),
    ):
        slides = [replace(slide, patient=f"P{k // 2}") for k, slide in enumerate(inputs.slides)]
        with pytest.raises(UserInputError, match=words):
            run_study("domain", StudyInput(slides, inputs.sets, inputs.type_names), spec, PROGRESS)


def test_several_values_are_named_with_their_patients_and_the_way_on() -> None:
    texts = ["one"] * 5 + ["two"] * 3 + ["three x"] * 3
    units = ["P1", "P2", "P3", "P4", "P5", "P1", "P2", "P2", "P6", "P7", "P8"]
    facts = [{"Site": text} for text in texts]
    ask = "sparsescope study domain --project here"
    with pytest.raises(
        UserInputError, match=r"one \(5 patients\), three x \(3 patients\), two \(2 patients\)"
    ) as told:
        two_groups(facts, units, "Site", ask=ask)
    # No patient is in both of the groups that are proposed.
    assert f"{ask} --fact Site --a one --b 'three x'" in told.value.hint
    found = two_groups(facts, units, "site", "one", "three x")
    assert found.slides_b == (8, 9, 10)
    with pytest.raises(UserInputError) as told:
        two_groups(facts, units, "Site", b="two", ask=ask)
    assert "--a 'three x' --b two" in told.value.hint


def test_intervals_of_differences_are_those_computed_by_hand() -> None:
    # 0.13 - sqrt(0.135^2 + 0.159^2) and 0.13 + sqrt(0.115^2 + 0.183^2).
    low, high = difference_interval(
        np.array([0.49]),
        (np.array([0.355]), np.array([0.605])),
        np.array([0.36]),
        (np.array([0.177]), np.array([0.519])),
    )
    np.testing.assert_allclose([low[0], high[0]], [-0.07858, 0.34613], atol=1e-5)
    np.testing.assert_allclose(holm(np.array([0.01, np.nan, 0.03, 0.02])), [0.03, np.nan, 0.04, 0.04])


def test_few_units_make_a_difference_less_certain_and_what_is_still_there_is_not_lost() -> None:
    a, b = np.array([0.6]), np.array([0.1])
    ends = (np.array([0.5]), np.array([0.7])), (np.array([-0.2]), np.array([0.4]))
    many, few = (float(difference_p(a, ends[0], b, ends[1], n)[0]) for n in ((4000, 4000), (8, 6)))
    error = np.hypot(*((np.arctanh(high[0]) - np.arctanh(low[0])) / 3.92 for low, high in ends))
    normal = 2 * stats.norm.sf((np.arctanh(0.6) - np.arctanh(0.1)) / error)
    assert many == pytest.approx(normal, rel=0.01) and few > 2 * many
    no, yes = np.array([0.4]), np.array([0.01])
    for low, what in ((-0.1, LOST), (0.05, FADED)):
        assert verdicts(a, b, no, yes, (np.array([low]), np.array([0.4])))[0] == what
    assert verdicts(a, b, yes, yes, ends[1])[0] == WEAKER and verdicts(a, b, yes, no, ends[1])[0] == KEPT
    assert (
        verdicts(a, b, no, no, ends[1])[0] == UNDECIDED and verdicts(a, -b, yes, yes, ends[1])[0] == REVERSED
    )


def test_the_autoencoder_is_trained_on_the_first_cohort_alone(tmp_path: Path) -> None:
    """Other slides in the second cohort change neither the autoencoder nor what it makes of the first."""
    found = []
    for way, second in (("one", range(6, 10)), ("two", range(10, 14))):
        folders = embedded(tmp_path / way, 14)
        chosen = [*range(6), *second]
        slides = tuple(
            {
                "name": f"slide {k}", "patient": f"P{k}", "facts": {"cohort": "first" if k < 6 else "second"},
                "path": "", "mpp": None, "fingerprint": "", "targets_file": "",
            }
            for k in chosen
        )  # fmt: skip
        current = {
            "title": "current", "model": {"training": {"expansion": 2, "l1": 0.3}}, "tile_spec": {},
            "embedding_dirs": [folders[k] for k in chosen], "feature_dirs": [],
        }  # fmt: skip
        request = StudyRequest(
            "domain", slides, (current,), (), str(tmp_path / way), str(tmp_path / f"{way}-work"),
            {"fact": "cohort", "a": "first", "b": "second", "retrain": True, "epochs": 20, "seed": 0}, {}, "cpu",
        )  # fmt: skip
        (made,) = prepare(request, JobContext())
        assert made["title"] == "SAE of first"
        found.append(made)
    one, two = found
    assert one["model"]["sae_digest"] == two["model"]["sae_digest"]
    assert [Path(p).name for p in one["feature_dirs"][:6]] == [Path(p).name for p in two["feature_dirs"][:6]]
    assert one["feature_dirs"][6:] != two["feature_dirs"][6:]
    own = replace(request, spec={**request.spec, "retrain": False})
    assert prepare(own, JobContext()) == [current]


def test_every_stage_can_be_ended_and_baselines_are_not_made_again(tmp_path: Path, monkeypatch) -> None:
    inputs, seen = two_cohorts(), set()
    checkpoints = Checkpoints(tmp_path)
    first = run_study("domain", inputs, SPEC, lambda stage, *_: seen.add(stage), checkpoints)
    assert seen == {"explained variance", "choose", "report on first", "report on second", "baselines"}
    for stage in seen:

        def end(now: str, *_: int, stage: str = stage) -> None:
            if now == stage:
                raise CancelledError("Stopped.", "Start again.")

        with pytest.raises(CancelledError):
            run_study("domain", inputs, SPEC, end)
    monkeypatch.setattr("sae_backend.studies.domain.study.best_columns", None)
    again = run_study("domain", inputs, SPEC, PROGRESS, checkpoints)
    assert np.array_equal(first.arrays["best/random/a"], again.arrays["best/random/a"])


def test_the_best_features_are_those_that_all_columns_together_would_give(found) -> None:
    inputs = two_cohorts()
    names = list(inputs.type_names)
    parts = inputs.parts(0, range(N_EACH))
    choosing, reporting = (half_of(parts, draw_halves(parts, 0), side) for side in (CHOOSE, REPORT))
    settings = CorrelationSpec(n_bootstrap=50, statistics=("pearson",))
    tiles = [assemble(each, len(names), settings.block_um) for each in (choosing, reporting)]
    own = best_columns(SaeColumns(tiles[0]), *tiles, settings, lambda _: None)
    assert np.array_equal(found.arrays["best/sae/column"], own.column)
    assert np.allclose(found.arrays["best/sae/a"], own.value)
