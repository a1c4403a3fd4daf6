"""A label that is planted is read, one that is not is not, and neither patients nor slides leak."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from sklearn.metrics import roc_auc_score

from sae_backend.errors import CancelledError, MismatchError
from sae_backend.studies.methods.labels.folds import draw_folds, form_units, n_arrangements, shuffled_labels
from sae_backend.studies.methods.labels.predictability import (
    PredictSpec,
    predict_label,
    predict_slide_label,
    sampled_tiles,
)
from sae_backend.studies.methods.labels.scores import pair_auroc, slide_pairs
from tests.worlds.study import PROGRESS

SPEC = PredictSpec(n_shuffles=39, n_bootstrap=200)


def tiles(seed: int, n_patients: int = 16, n_labels: int = 2, effect: float = 0.0, intercept: float = 0.5):
    """Sparse columns with strong effects of patients; a column for each label knows it, where `effect` is not 0."""
    rng = np.random.default_rng(seed)
    rows, labels, groups = [], [], []
    for patient in range(n_patients):
        label, n = patient % n_labels, int(rng.integers(10, 25))
        rate = np.clip(0.3 * np.exp(rng.normal(0, intercept, 20)), 0, 0.9)
        x = (rng.random((n, 20)) < rate) * rng.gamma(2, 0.5, (n, 20))
        x[:, label] += effect
        rows.append(x)
        labels += [f"scanner {label}"] * n
        groups += [f"P{patient}"] * n
    return sparse.csr_array(np.concatenate(rows).astype(np.float32)), labels, groups


@pytest.mark.parametrize("n_labels", [2, 3])
@pytest.mark.parametrize("is_sparse", [True, False])
def test_a_planted_label_is_read(n_labels: int, is_sparse: bool) -> None:
    x, labels, groups = tiles(0, n_labels=n_labels, effect=6.0)
    found = predict_label(x if is_sparse else x.toarray(), labels, groups, SPEC, PROGRESS)
    assert found.reason == ""
    assert found.auroc > 0.95 and found.slide_auroc > 0.95
    assert found.p == 1 / 40 and found.null_high < found.auroc
    assert found.ci_low > 0.5 or found.ci_low == pytest.approx(0.025 ** (1 / min(found.groups_per_class)))
    assert found.n_groups == 16 and sum(found.groups_per_class) == 16
    assert found.classes == tuple(f"scanner {i}" for i in range(n_labels))


def test_sparse_and_dense_agree() -> None:
    x, labels, groups = tiles(1, effect=1.0)
    first, second = (predict_label(each, labels, groups, SPEC, PROGRESS) for each in (x, x.toarray()))
    assert first.auroc == pytest.approx(second.auroc, abs=1e-6)
    assert first.null == pytest.approx(second.null, abs=1e-6)


def test_what_tells_patients_apart_tells_no_label() -> None:
    """With tiles of a patient on both sides these columns would give the label away: AUROC 1."""
    values, covered, ps = [], 0, []
    for seed in range(8):
        x, labels, groups = tiles(seed, intercept=2.0)
        found = predict_label(x, labels, groups, PredictSpec(seed, n_shuffles=19, n_bootstrap=100), PROGRESS)
        values.append(found.auroc)
        ps.append(found.p)
        covered += found.ci_low <= 0.5 <= found.ci_high
    assert 0.4 < np.mean(values) < 0.6
    assert max(values) < 0.85
    assert covered >= 7
    assert sum(p <= 0.05 for p in ps) <= 3


def test_the_area_is_that_of_scikit_learn_where_slides_are_alike() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat(["a", "b", "b", "a"], 10)
    units = form_units(labels, np.repeat(list("wxyz"), 10), np.repeat(list("wxyz"), 10))
    scores = np.round(rng.normal(size=(40, 1)) + 0.5 * (labels == "b")[:, None], 1)  # with ties
    folds = np.zeros(4, np.int64)
    known = roc_auc_score(labels == "b", scores[:, 0])
    assert pair_auroc(scores, units.label, units, folds) == pytest.approx(known)
    assert slide_pairs(scores, units, folds).auroc == pytest.approx(known)
    low, high = slide_pairs(scores, units, folds).interval(units, 200, 0, 0.95)
    assert low < known < high


def test_a_patient_whose_labels_nobody_shares_is_not_in_every_draw() -> None:
    """Eight patients, each with labels of its own: drawn within the same labels there would be no interval at all."""
    rng = np.random.default_rng(0)
    sets = ["a", "b", "c", "ab", "ac", "bc", "abc", "aab"]
    labels, groups = zip(*((one, f"P{k}") for k, each in enumerate(sets) for one in each), strict=True)
    slides = [f"S{i:02d}" for i in range(len(labels))]
    units = form_units(*(np.repeat(each, 4) for each in (labels, groups, slides)))
    scores = rng.normal(size=(4 * len(labels), 3))
    low, high = slide_pairs(scores, units, np.zeros(len(labels), np.int64)).interval(units, 300, 0, 0.95)
    assert high - low > 0.1


def test_an_interval_that_is_not_known_is_not_the_whole_range() -> None:
    """Of four labels with three patients each, every eighth draw lacks one."""
    x, labels, groups = tiles(0, n_patients=12, n_labels=4)
    found = predict_label(x, labels, groups, PredictSpec(n_shuffles=3, n_bootstrap=400), PROGRESS)
    assert np.isfinite(found.auroc) and np.isnan([found.ci_low, found.ci_high]).all()


def test_where_draws_lack_a_label_there_is_no_interval() -> None:
    """One patient of two has the label: half of all draws lack one."""
    units = form_units(["a", "b"], ["P", "Q"], ["S", "T"])
    pairs = slide_pairs(np.array([[0.0], [1.0]]), units, np.zeros(2, np.int64))
    assert np.isnan(pairs.interval(units, 200, 0, 0.95)).all()


def test_patients_are_never_cut_and_labels_move_as_whole_units() -> None:
    rng = np.random.default_rng(0)
    slides = [f"S{i:02d}" for i in range(30)]
    groups = [f"P{i // 2:02d}" for i in range(30)]
    # Patients 0 to 4 were seen by both scanners, the others by one.
    labels = ["ab"[i % 2] if i < 10 else "ab"[(i // 2) % 2] for i in range(30)]
    order = rng.permutation(30)
    units = form_units(*([each[i] for i in order] for each in (labels, groups, slides)))
    folds = draw_folds(units, 4, 0)
    assert folds is not None
    assert all(np.unique(folds[units.group == g]).size == 1 for g in range(15))
    drawn = shuffled_labels(units, folds, 50, 0)
    assert (drawn[0] == units.label).all() and (drawn[1:] != units.label).any()
    for row in drawn:
        for k in range(4):
            assert sorted(row[folds == k]) == sorted(units.label[folds == k])
        for g in range(15):
            is_mixed = np.unique(units.label[units.group == g]).size == 2
            assert np.unique(row[units.group == g]).size == (2 if is_mixed else 1)


def test_labellings_are_counted() -> None:
    names = [f"P{i}" for i in range(8)]
    units = form_units(["a", "b", "a", "b", "a", "b", "a", "b"], [*names[:6], "P6", "P6"], names)
    folds = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    drawn = shuffled_labels(units, folds, 500, 0)
    # Six ways in the first fold, two in the second, two within the patient who was seen twice.
    assert n_arrangements(units, folds) == len({tuple(row) for row in drawn.tolist()}) == 24


def test_paired_patients_are_compared_within() -> None:
    rng = np.random.default_rng(3)
    rows, labels, groups = [], [], []
    for patient in range(8):
        own = rng.normal(0, 5, 6)
        for scanner in range(2):
            rows.append(own + rng.normal(0, 1, (12, 6)) + 2.0 * scanner * (np.arange(6) == 2))
            labels += [f"s{scanner}"] * 12
            groups += [f"P{patient}"] * 12
    found = predict_label(np.concatenate(rows), labels, groups, SPEC, PROGRESS)
    assert found.n_slides == 16 and found.n_groups == 8
    assert found.p <= 0.05 and found.auroc > 0.55


def test_reasons_where_nothing_can_be_said() -> None:
    x, labels, groups = tiles(0, n_patients=5)
    few = predict_label(x, labels, groups, SPEC, PROGRESS)
    assert "fewer than 3 patients have the label scanner 1" in few.reason and np.isnan(few.auroc)
    one = predict_label(x, ["s"] * x.shape[0], groups, SPEC, PROGRESS)
    assert "only one label" in one.reason and one.null.size == 0
    constant = predict_label(np.ones((120, 3)), *_design(), SPEC, PROGRESS)
    assert constant.auroc == 0.5 and constant.p == 1.0
    with pytest.raises(MismatchError, match="not finite"):
        predict_label(np.full((120, 3), np.nan), *_design(), SPEC, PROGRESS)
    with pytest.raises(MismatchError, match="differ in their label"):
        form_units(["a", "b"], ["P", "P"], ["S", "S"])
    with pytest.raises(MismatchError, match="number of tiles"):
        predict_slide_label(np.ones((3, 1)), form_units(["a", "b"], ["P", "Q"], ["S", "T"]), SPEC, PROGRESS)


def _design() -> tuple[list[str], list[str]]:
    return [f"s{i % 2}" for i in np.repeat(np.arange(12), 10)], [
        f"P{i}" for i in np.repeat(np.arange(12), 10)
    ]


def test_few_tiles_of_each_slide_are_taken_and_the_seed_decides() -> None:
    spec = PredictSpec(most_tiles=60)
    taken = sampled_tiles([500, 3, 40], spec)
    assert [t.size for t in taken] == [20, 3, 20]
    assert all((np.diff(t) > 0).all() for t in taken)
    assert [t.tolist() for t in sampled_tiles([500, 3, 40], spec)] == [t.tolist() for t in taken]
    x, labels, groups = tiles(0, effect=1.0)
    small = PredictSpec(n_shuffles=19, n_bootstrap=50, most_tiles=80)
    first, second = (predict_label(x, labels, groups, small, PROGRESS) for _ in range(2))
    assert first.n_tiles == 80
    assert (first.auroc, first.ci_low, first.p) == (second.auroc, second.ci_low, second.p)


def test_it_can_be_cancelled() -> None:
    def stop(_stage: str, done: int, _total: int) -> None:
        if done >= 3:
            raise CancelledError("The job was cancelled.", "")

    x, labels, groups = tiles(0)
    with pytest.raises(CancelledError):
        predict_label(x, labels, groups, SPEC, stop)
