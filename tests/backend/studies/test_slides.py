"""Slides and patients: a planted difference is found, patients that merely have many slides make none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse, stats

from sae_backend.errors import UserInputError
from sae_backend.studies.framework.inputs import FeatureSet, StudyInput, StudySlide
from sae_backend.studies.framework.run import run_study
from sae_backend.studies.slides.findings import order_of
from sae_backend.studies.slides.group_difference import Exchange, compare
from sae_backend.studies.slides.profiles import profile_slides, similarity
from sae_backend.studies.slides.report import make_report
from tests.worlds.study import PROGRESS

N_FEATURES = 30
PLANTED = 4


def patients(
    seed: int = 0, *, n: int = 16, slides_each: int = 3, shift: float = 1.5, patient_effect: float = 0.6
) -> StudyInput:
    """Patients with several slides; every feature varies by patient, one of them by group, another by site."""
    rng = np.random.default_rng(seed)
    slides, features = [], []
    for p in range(n):
        group, site = p % 2, int(rng.integers(2))
        level = rng.normal(0, patient_effect, N_FEATURES)
        level[PLANTED] += shift * group
        level[9] += 1.5 * site
        for s in range(slides_each):
            n_tiles = int(rng.integers(40, 80))
            own = level + rng.normal(0, 0.1, N_FEATURES)
            on = rng.random((n_tiles, N_FEATURES)) < 0.3
            values = np.where(on, np.exp(own) * rng.gamma(2.0, 0.5, (n_tiles, N_FEATURES)), 0)
            features.append(sparse.csc_array(values.astype(np.float32)))
            facts = {"group": "cases" if group else "controls", "site": f"site {site}"}
            places = np.divmod(np.arange(n_tiles), 8)
            slides.append(
                StudySlide(
                    f"{p}-{s}.tif", f"P{p:02d}", facts, places[0].astype(np.int32), places[1].astype(np.int32),
                    112.0, np.zeros((n_tiles, 0)),
                )
            )  # fmt: skip
    some = FeatureSet(
        "truth", features, [np.ones(f.shape[0], np.bool_) for f in features], [None] * len(features)
    )
    return StudyInput(slides, [some], ())


GROUPS = {"fact": "group", "a": "cases", "b": "controls"}


@pytest.fixture(scope="module")
def found():
    return run_study("slides", patients(), GROUPS, PROGRESS)


def test_profiles_are_means_rates_and_means_of_the_strongest_tenth() -> None:
    inputs = patients(n=2, slides_each=1)
    (some,) = inputs.sets
    valid = some.valid[0].copy()
    valid[:5] = False
    made = profile_slides(replace(some, valid=[valid, some.valid[1]]), PROGRESS)
    dense = some.features[0].toarray()[valid]
    np.testing.assert_allclose(made.mean[0], dense.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(made.rate[0], (dense > 0).mean(axis=0), rtol=1e-6)
    most = max(1, round(0.1 * valid.sum()))
    np.testing.assert_allclose(made.top[0], np.sort(dense, axis=0)[-most:].mean(axis=0), rtol=1e-5)
    assert list(made.n_tiles) == [valid.sum(), some.features[1].shape[0]]


def test_the_planted_difference_is_found_and_no_other(found) -> None:
    assert found.meta["n_a"] == found.meta["n_b"] == 8
    significant = np.flatnonzero(found.arrays["group/p"] <= 0.05)
    assert list(significant) == [PLANTED]
    low, high = found.arrays["group/low"][PLANTED], found.arrays["group/high"][PLANTED]
    assert 0 < low < found.arrays["group/difference"][PLANTED] < high
    shown = make_report(found, {})
    assert f"feature {PLANTED}" in shown.found and "8 patients" in shown.found


def test_many_slides_of_few_patients_make_no_difference() -> None:
    """With effects of patients alone, a test over slides claims features in most worlds, and this one does not."""
    claims = naive = 0
    for seed in range(12):
        inputs = patients(50 + seed, shift=0.0, slides_each=8, n=10)
        result = run_study("slides", inputs, GROUPS, PROGRESS)
        claims += bool((result.arrays["group/p"] <= 0.05).any())
        values = profile_slides(inputs.sets[0], PROGRESS).mean
        cases = np.array([slide.facts["group"] == "cases" for slide in inputs.slides])
        p = stats.mannwhitneyu(values[cases], values[~cases]).pvalue
        naive += bool((p * N_FEATURES <= 0.05).any())
    assert naive >= 10 and claims <= 2


def test_what_differs_between_sites_only_is_no_difference_within_them() -> None:
    rng = np.random.default_rng(3)
    site = np.repeat([0, 1], 20)
    in_a = np.r_[np.arange(20) < 15, np.arange(20) < 5]
    values = rng.normal(0, 1, (40, 6))
    values[:, 2] += 4 * site
    plain = compare(values, in_a, Exchange(1999, 0, [""] * 40), PROGRESS)
    held = compare(values, in_a, Exchange(1999, 0, [str(s) for s in site]), PROGRESS)
    assert plain.p[2] <= 0.05 < held.p[2]


def test_single_p_is_close_to_that_of_the_rank_sum_test() -> None:
    rng = np.random.default_rng(5)
    values = rng.normal(0, 1, (40, 200))
    values[:20, :20] += 0.6
    in_a = np.arange(40) < 20
    made = compare(values, in_a, Exchange(1999, 0, [""] * 40), PROGRESS)
    expected = stats.mannwhitneyu(values[in_a], values[~in_a], method="exact").pvalue
    np.testing.assert_allclose(np.log10(made.p_single), np.log10(expected), atol=0.1)
    superiority = stats.mannwhitneyu(values[in_a], values[~in_a]).statistic / 400
    np.testing.assert_allclose(made.superiority, superiority, atol=1e-12)
    welch = stats.ttest_ind(values[in_a], values[~in_a], equal_var=False).confidence_interval()
    np.testing.assert_allclose(made.low, welch.low, atol=1e-9)


def test_a_patient_under_several_scanners_counts_under_each() -> None:
    inputs = patients(n=12, slides_each=2)
    # The last slide of everybody is of one scanner: what the first one says goes with the group.
    slides = [
        replace(
            slide,
            facts={
                **slide.facts,
                "scanner": slide.facts["group"] if slide.name.endswith("-0.tif") else "all",
            },
        )
        for slide in inputs.slides
    ]
    result = run_study("slides", replace(inputs, slides=slides), GROUPS, PROGRESS)
    assert result.meta["goes_with"]["scanner"] > 0.5
    assert any(words.startswith("scanner goes with the groups") for words in make_report(result, {}).warnings)


def test_equal_rank_sums_are_told_by_the_larger_effect() -> None:
    single, effect = np.array([0.2, 0.01, 0.01, np.nan]), np.array([5.0, 1.0, -2.0, 9.0])
    assert order_of(single, effect).tolist() == [2, 1, 0]


def test_alike_slides_of_other_patients_share_the_site_where_it_was_planted() -> None:
    inputs = patients(7, n=20, shift=0.0, patient_effect=0.05)
    strong = [
        sparse.csc_array(
            part.toarray() * np.where(np.arange(N_FEATURES) % 2, 1 + 3 * (slide.facts["site"] == "site 1"), 1)
        )
        for part, slide in zip(inputs.sets[0].features, inputs.slides, strict=True)
    ]
    result = run_study(
        "slides", StudyInput(inputs.slides, [replace(inputs.sets[0], features=strong)], ()), {}, PROGRESS
    )
    column = dict(zip(result.meta["facts"], range(9), strict=False))
    assert (
        result.arrays["shared"][column["site"]] > 0.95 and result.arrays["shared_p"][column["site"]] <= 0.01
    )
    assert result.arrays["shared_p"][column["group"]] > 0.05
    assert result.arrays["shared_n"][column["site"]].tolist() == [
        len(inputs.slides),
        len({s.patient for s in inputs.slides}),
    ]
    # Of several columns chance finds one: p is corrected for all that were asked.
    table = next(t for t in make_report(result, {}).tables if t.key == "slides-shared").columns
    asked = sum(p is not None for p in table["p"])
    assert asked > 1 and table["p Holm"][column["site"]] == pytest.approx(asked * min(table["p"]))
    many = replace(
        result, arrays={**result.arrays, "shared_p": np.where(result.arrays["shared_p"] > 0.05, 0.5, 0.04)}
    )
    assert "share no column of the slide table" in make_report(many, {}).short
    alike = similarity(result.arrays["mean"])
    nearest = result.arrays["nearest"]
    assert all(inputs.slides[k].patient != inputs.slides[n].patient for k, n in enumerate(nearest))
    assert alike[0, nearest[0]] == max(alike[0, 3:])


def test_barcodes_have_groups_apart_and_short_names() -> None:
    inputs = patients(n=8)
    slides = [replace(slide, name=f"{slide.name}-with-a-name-of-some-length.tiff") for slide in inputs.slides]
    result = run_study("slides", replace(inputs, slides=slides), GROUPS, PROGRESS)
    figure = next(one for one in make_report(result, {}).figures if one.key == "slides-barcode")
    (cells,) = figure.marks
    empty = np.flatnonzero(np.isnan(cells.values).all(axis=1))
    n_a = sum(side == "a" for side in result.meta["in_group"])
    assert empty.tolist() == [n_a] and len(cells.values) == len(slides) + 1 == len(cells.row_names)
    assert all(name.startswith(f"{result.meta['a']} · ") for name in cells.row_names[:n_a])
    assert not any("tiff" in name or len(name.split(" · ")[1]) > 16 for name in cells.row_names if name)
    behind = [row[0].slide for row in cells.targets]
    assert behind.pop(n_a) == "" and sorted(behind) == sorted(slide.name for slide in slides)
    # From what is most in the first group to what is most in the second.
    effect = result.arrays["group/effect"][[int(name) for name in cells.col_names]]
    assert (np.diff(effect) <= 0).all()


def test_the_answer_can_be_told_without_groups_and_refuses_too_few_patients() -> None:
    shown = make_report(run_study("slides", patients(n=4), {}, PROGRESS), {})
    assert "12 slides of 4 patients" in shown.found and not any("difference" in t.key for t in shown.tables)
    assert {figure.key for figure in shown.figures} >= {"slides-plane", "slides-barcode"}
    with pytest.raises(UserInputError, match="3 are needed"):
        run_study("slides", patients(n=4), GROUPS, PROGRESS)
    with pytest.raises(UserInputError, match="no measure"):
        run_study("slides", patients(n=4), {"measure": "median"}, PROGRESS)
