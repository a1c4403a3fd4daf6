"""Whole runs on input that gives nothing, or little, to correlate: a value or a reason, never a crash."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

from sae_backend.correlation.result import STATISTICS, CorrelationSpec
from sae_backend.correlation.run import RunInput, run
from sae_backend.errors import CancelledError, UserInputError
from sae_backend.statistics.split import CHOOSE, REPORT, draw_halves
from tests.worlds.correlation import part, sparse_features

TYPES = ("A", "B", "C")


def project(n_slides=12, n=40, n_features=5):
    rng = np.random.default_rng(0)
    return [
        replace(
            part(sparse_features(rng, n, n_features, 0.5), rng.poisson(2.0, (n, 3)).astype(float), f"slide {s}"),
            patient=f"patient {s}",
            facts={"site": f"Clinic {s % 3}"},
            measures={"tissue": rng.random(n)},
            vectors=rng.normal(size=(n, 4)).astype(np.float32),
        )
        for s in range(n_slides)
    ]  # fmt: skip


PARTS = project()
HALVES = draw_halves(PARTS, 0)


def of_half(one, half):
    return HALVES.assignments[one.patient] == half


def counts(one, values, column=0):
    changed = np.array(one.counts)
    changed[:, column] = values
    return replace(one, counts=changed)


def features(one, values, column=0):
    changed = one.features.toarray()
    changed[:, column] = values
    return replace(one, features=sparse.csc_array(changed))


def all_features(one, values):
    return replace(
        one, features=sparse.csc_array(np.broadcast_to(values, one.features.shape).astype(np.float32))
    )


CASES = {
    "a type without cells": [counts(p, 0) for p in PARTS],
    "a type on one slide": [counts(p, 0) if i else p for i, p in enumerate(PARTS)],
    "a type that is constant where it is chosen": [counts(p, 2) if of_half(p, CHOOSE) else p for p in PARTS],
    "a type that is constant where it is reported": [counts(p, 2) if of_half(p, REPORT) else p for p in PARTS],
    "a type that is constant in each slide": [counts(p, i) for i, p in enumerate(PARTS)],
    "large numbers that are constant in each slide": [counts(p, 1e8 + i / 7, 2) for i, p in enumerate(PARTS)],
    "a feature that is constant in each slide": [features(p, 1 + i / 7) for i, p in enumerate(PARTS)],
    "a feature on one slide": [features(p, 0) if i else p for i, p in enumerate(PARTS)],
    "no feature fires": [all_features(p, 0) for p in PARTS],
    "all tiles are alike": [counts(counts(counts(all_features(p, 1), 3), 3, 1), 3, 2) for p in PARTS],
    "no features": [replace(p, features=p.features[:, :0]) for p in PARTS],
    "a feature is the count": [features(p, p.counts[:, 0]) for p in PARTS],
    "tiny activations": [replace(p, features=p.features * np.float32(1e-8)) for p in PARTS],
    "no vectors": [replace(p, vectors=None) for p in PARTS],
    "one slide without vectors": [replace(p, vectors=None) if i == 3 else p for i, p in enumerate(PARTS)],
    "vectors that are not finite": [replace(p, vectors=p.vectors * np.nan) if i == 3 else p for i, p in enumerate(PARTS)],
    "vectors that are alike": [replace(p, vectors=np.ones_like(p.vectors)) for p in PARTS],
    "a number that no tile has": [counts(p, np.nan, 2) for p in PARTS],
    "a number that no reporting tile has": [counts(p, np.nan, 2) if of_half(p, REPORT) else p for p in PARTS],
    "a number that no choosing tile has": [counts(p, np.nan, 2) if of_half(p, CHOOSE) else p for p in PARTS],
    "a number that some tiles have": [counts(p, np.where(p.rows == 1, np.nan, p.counts[:, 2]), 2) for p in PARTS],
    "a number of few slides": [counts(p, np.nan, 2) if i > 2 else p for i, p in enumerate(PARTS)],
    "infinite numbers": [counts(p, np.where(p.rows == 1, np.inf, p.counts[:, 2]), 2) for p in PARTS],
    "counts that are missing everywhere": [counts(p, np.nan) for p in PARTS],
    "a slide whose tiles are all invalid": [p.only(p.valid & (i > 0)) for i, p in enumerate(PARTS)],
    "a site for each slide": [replace(p, facts={"site": p.slide}) for p in PARTS],
    "one site": [replace(p, facts={"site": "Clinic 7"}) for p in PARTS],
    "sites that one half lacks": [
        replace(p, facts={"site": p.slide if of_half(p, CHOOSE) else "Clinic 7"}) for p in PARTS
    ],
    "a covariate that is the count": [replace(p, measures={"tissue": p.counts[:, 0]}) for p in PARTS],
    "strange names": [replace(p, slide=f'{p.slide} "=\n,;ü', patient=f"{p.patient}") for p in PARTS],
}  # fmt: skip


def result_of(parts, halves=HALVES, is_count=(True, True, False), progress=lambda *_: None, **chosen):
    spec = CorrelationSpec(
        n_bootstrap=40, n_permutations=29, statistics=STATISTICS, covariates=("site", "tissue"), **chosen
    )
    return run(RunInput(parts, TYPES, np.array(is_count), halves), spec, progress)


@pytest.mark.parametrize("case", CASES)
def test_every_pair_has_a_value_or_a_reason(case):
    seen: dict[str, tuple[int, int]] = {}

    def watch(stage, done, total):
        before, whole = seen.get(stage, (0, total))
        assert before <= done <= total == whole
        seen[stage] = done, total

    found = result_of(CASES[case], progress=watch)
    assert all(done == total for done, total in seen.values())
    json.dumps(found.meta, allow_nan=False)
    for name in STATISTICS:
        value, reason = found.arrays[f"{name}/value"], found.arrays[f"{name}/reason"]
        np.testing.assert_array_equal(np.isnan(value), reason > 0, err_msg=name)
        assert (reason < len(found.meta["reasons"])).all()
        low, high = found.arrays[f"{name}/ci_low"], found.arrays[f"{name}/ci_high"]
        assert not (low > high).any() and np.isnan(low[reason > 0]).all()
    assert not any("Clinic" in text for text in [*found.meta["notes"], found.meta["method"]]), (
        "no site is told"
    )


def reasons(found, statistic, feature, column):
    return found.meta["reasons"][found.arrays[f"{statistic}/reason"][feature, column]]


def test_the_reasons_are_the_right_ones():
    flat = result_of(CASES["a feature that is constant in each slide"])
    assert (
        reasons(flat, "within", 0, 0) == "constant within every slide"
        and reasons(flat, "pearson", 0, 0) == ""
    )
    flat = result_of(CASES["large numbers that are constant in each slide"])
    assert reasons(flat, "within", 1, 2) == "constant within every slide"
    assert reasons(flat, "log_pearson", 1, 2) == "not a count"
    none = result_of(CASES["a number that no reporting tile has"])
    assert reasons(none, "pearson", 1, 2) == "no tile has a value" and reasons(none, "pearson", 1, 1) == ""
    assert np.isfinite(none.arrays["pearson/choose"][:, 2]).any()
    hidden = result_of(CASES["a covariate that is the count"])
    assert reasons(hidden, "partial", 1, 0) == "explained by the covariates"
    assert reasons(result_of(CASES["a type without cells"]), "pearson", 1, 0) == "constant cell type"


def test_notes_say_what_is_missing():
    def notes(case):
        return " ".join(result_of(CASES[case]).meta["notes"])

    for case in ("no vectors", "one slide without vectors", "vectors that are not finite"):
        assert "embeddings of some slides are missing" in notes(case)
        assert result_of(CASES[case]).meta["baselines"] == ["sae"]
    assert "same in all tiles were left out: site" in notes("one site")
    assert "Too few units agree in site" in notes("a site for each slide")
    assert "too few or too unequal for an interval or a p: C" in notes("a number of few slides")
    only_site = run(
        RunInput(CASES["one site"], TYPES, np.ones(3, bool), HALVES),
        CorrelationSpec(40, 29, statistics=("pearson", "partial"), covariates=("site",)),
        lambda *_: None,
    )
    assert any("No covariate varies" in note for note in only_site.meta["notes"])
    np.testing.assert_allclose(
        only_site.arrays["partial/value"], only_site.arrays["pearson/value"], atol=1e-9
    )


def test_an_empty_half_is_an_error_in_a_sentence():
    for half, verb in ((CHOOSE, "chooses"), (REPORT, "reports")):
        left = [p for p in PARTS if not of_half(p, half)]
        with pytest.raises(UserInputError, match=f"half that {verb}"):
            result_of(left)
        with pytest.raises(UserInputError, match=f"half that {verb}"):
            result_of([p.only(p.valid & (not of_half(p, half))) for p in PARTS])


def test_cellularity_is_held_fixed_for_numbers_that_some_tiles_lack():
    rng = np.random.default_rng(1)
    parts = []
    for s in range(8):
        x = sparse_features(rng, 60, 4, 0.5)
        cells = rng.poisson(2 + 4 * x[:, 0]).astype(float)
        size = cells + rng.normal(0, 0.5, 60)
        size[rng.random(60) < 0.2] = np.nan
        parts.append(part(x, np.column_stack([cells, size]), f"slide {s}"))
    spec = CorrelationSpec(40, 29, statistics=("pearson", "partial"), covariates=("cellularity",))
    found = run(RunInput(parts, ("cells", "size"), np.array([True, False])), spec, lambda *_: None)
    assert found.arrays["pearson/value"][0, 1] > 0.6
    assert abs(found.arrays["partial/value"][0, 1]) < 0.2
    other = replace(spec, covariates=("other types",))
    found = run(RunInput(parts, ("cells", "size"), np.array([True, False])), other, lambda *_: None)
    assert reasons(found, "partial", 0, 1) == "not a count"


@pytest.mark.parametrize("stage", ["choose", "correlate", "baselines"])
def test_every_stage_can_be_stopped_at_its_first_word(stage):
    def stop(now, done, total):
        if now == stage:
            raise CancelledError("Stopped.", "")

    with pytest.raises(CancelledError):
        result_of(PARTS, progress=stop)


def test_baselines_are_judged_as_the_features_are():
    for interval in ("studentised", "bca", "percentile"):
        found = result_of(PARTS, interval=interval, min_active=15).arrays
        for c, column in enumerate(found["baseline/sae/column"]):
            for key in ("value", "ci_low", "ci_high"):
                expected = found[f"pearson/{key}"][column, c]
                np.testing.assert_allclose(found[f"baseline/sae/{key}"][c], expected, atol=1e-9)
    rare = [replace(p, vectors=np.where(p.rows[:, None] + p.cols[:, None] == 0, p.vectors, 0)) for p in PARTS]
    found = result_of(rare, min_active=10).arrays
    assert (found["baseline/raw/column"] == -1).all(), "a column that differs in 6 tiles is not chosen"
