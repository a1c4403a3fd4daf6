"""Effects, paired scans, neighbours, roles and confounding against planted truth and against others' formulas."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse, stats

from sae_backend.studies.framework.inputs import FeatureSet, StudyInput, StudySlide
from sae_backend.studies.methods.labels.confounding import COMPOSITION, SlideFacts, confounding
from sae_backend.studies.methods.labels.effect_sizes import BETWEEN, MIXED, WITHIN, effect_sizes, slide_means
from sae_backend.studies.methods.labels.folds import form_units
from sae_backend.studies.robustness.index import robustness_index
from sae_backend.studies.robustness.paired_scans import paired_scans
from sae_backend.studies.robustness.roles import ROLES, SILENT, Axes, find_roles, reason

NAMES = [f"{i:02d}" for i in range(22)]
STEP = lambda *_: None  # noqa: E731


def test_effects_are_those_of_an_analysis_of_variance() -> None:
    rng = np.random.default_rng(0)
    means = rng.normal(size=(15, 6))
    labels = ["abc"[i % 3] for i in range(15)]
    means[:, 1] += 3.0 * (np.array(labels) == "b")
    means[:, 5] = 2.0
    found = effect_sizes(means, form_units(labels, NAMES[:15], NAMES[:15]), 999, 0, STEP)
    assert found.design == BETWEEN and found.n_units == 15 and found.n_labellings == 1000
    for f in range(5):
        known = stats.f_oneway(*(means[np.array(labels) == name, f] for name in "abc"))
        eta2 = known.statistic * 2 / (known.statistic * 2 + 12)
        assert found.eta2[f] == pytest.approx(eta2)
        assert found.omega2[f] == pytest.approx(2 * (known.statistic - 1) / (2 * known.statistic + 13))
        assert found.p[f] == pytest.approx(known.pvalue, abs=0.05)
    assert found.p_family[1] <= 0.05 and (found.p_family[[0, 2, 3, 4]] > 0.05).all()
    assert (found.p_family[:5] >= found.p[:5]).all()
    assert found.q[:5] == pytest.approx(stats.false_discovery_control(found.p[:5]))
    assert found.auroc[1] > 0.9 and found.difference[1] > 2
    assert np.isnan([found.eta2[5], found.p[5], found.q[5], found.auroc[5]]).all()
    assert found.means[1] == pytest.approx(means[np.array(labels) == "b"].mean(axis=0))


def test_a_patient_with_several_labels_is_its_own_control() -> None:
    rng = np.random.default_rng(1)
    patient = np.repeat(np.arange(10), 2)
    labels = [f"s{i % 2}" for i in range(20)]
    means = rng.normal(0, 10, (10, 3))[patient] + rng.normal(0, 0.3, (20, 3))
    means[1::2, 2] += 1.0
    units = form_units(labels, patient, NAMES[:20])
    found = effect_sizes(means, units, 999, 0, STEP)
    assert found.design == WITHIN
    assert found.omega2[2] > 0.5 and found.p_family[2] <= 0.01
    assert found.p_family[:2].min() > 0.05
    # Three slides of a patient with one label count once.
    more = form_units([*labels, "s0", "s0"], [*patient, 10, 10], NAMES[:22])
    mixed = effect_sizes(np.concatenate([means, means[:2]]), more, 99, 0, STEP)
    assert mixed.design == MIXED and mixed.n_units == 21 and mixed.n_groups == 11


def test_means_of_slides_leave_bad_tiles_out() -> None:
    matrix = sparse.csc_array(np.array([[1.0, 0], [3, 0], [100, 100]], np.float32))
    found = slide_means([matrix, matrix], [np.array([True, True, False]), np.zeros(3, bool)])
    assert found[0].tolist() == [2.0, 0.0] and np.isnan(found[1]).all()


def scans(n_glasses: int = 6, shift: float = 1.5, patient: str = "P") -> StudyInput:
    """Feature 0 is the same under both scanners, 1 has as much noise as truth, 2 is shifted, 3 never fires, 4 is noise.

    The second scan of each glass lacks its first tiles, and its tiles come in another order.
    """
    rng = np.random.default_rng(0)
    slides, features = [], []
    for glass in range(n_glasses):
        truth = rng.gamma(4, 0.5, 120)
        for scanner in range(2):
            x = np.zeros((120, 5), np.float32)
            x[:, 0] = truth
            x[:, 1] = 20 + truth + rng.normal(0, truth.std(), 120)
            x[:, 2] = truth + shift * scanner
            x[:, 4] = rng.gamma(4, 0.5, 120)
            rows, cols = np.divmod(np.arange(120, dtype=np.int32), np.int32(12))
            order = rng.permutation(np.arange(20, 120)) if scanner else np.arange(120)
            slides.append(
                StudySlide(
                    f"g{glass}s{scanner}", f"{patient}{glass}" if patient else "",
                    {"Scanner": f"s{scanner}", "glass": f"G{glass}"},
                    rows[order], cols[order], 112.0, np.zeros((order.size, 0)),
                )
            )  # fmt: skip
            features.append(sparse.csc_array(x[order]))
    vectors = [x.toarray() @ np.eye(5, 3, dtype=np.float32) for x in features]
    valid = [np.ones(slide.n_tiles, bool) for slide in slides]
    return StudyInput(slides, [FeatureSet("truth", features, valid, vectors)], ())


def anova_icc(table: np.ndarray) -> tuple[float, float]:
    """ICC(A,1) and ICC(C,1) of (tiles, scanners), from the mean squares written out."""
    n, k = table.shape
    grand = table.mean()
    tiles = k * ((table.mean(axis=1) - grand) ** 2).sum() / (n - 1)
    scanners = n * ((table.mean(axis=0) - grand) ** 2).sum() / (k - 1)
    left = table - table.mean(axis=1, keepdims=True) - table.mean(axis=0) + grand
    error = (left**2).sum() / ((n - 1) * (k - 1))
    below = tiles + (k - 1) * error
    return (tiles - error) / (below + k / n * (scanners - error)), (tiles - error) / below


def test_paired_scans_agree_as_planted() -> None:
    inputs = scans()
    found = paired_scans(inputs, 0, ("scanner", "glass"), (300, 0), STEP)
    assert found.reason == "" and found.scanners == ("s0", "s1")
    assert (found.n_glasses, found.n_units, found.n_tiles) == (6, 6, 600)
    agree = found.features
    assert agree is not None and found.raw is not None
    assert agree.icc_a[0] == pytest.approx(1) and agree.icc_c[0] == pytest.approx(1)
    assert agree.icc_a_low[1] < 0.5 < agree.icc_a_high[1]
    assert agree.icc_c[2] == pytest.approx(1) and agree.icc_a[2] < 0.6
    assert agree.icc_a_low[4] < 0 < agree.icc_a_high[4]
    assert np.isnan([agree.icc_a[3], agree.shift[3], agree.percent[3]]).all()
    assert agree.shift[0] == pytest.approx(0, abs=1e-6)
    assert agree.n_active.tolist() == [600, 600, 600, 0, 600]
    x = np.concatenate([f.toarray()[:, 2] for f in inputs.sets[0].features[1::2]])
    assert agree.shift[2] == pytest.approx(1.5 / x.std(), rel=0.02)
    assert agree.shift_low[2] < agree.shift[2] < agree.shift_high[2]
    assert (agree.high[2], agree.low[2]) == (1, 0)
    assert found.raw.icc_a == pytest.approx(agree.icc_a[:3], abs=1e-5)
    pairs = []
    for first, second in zip(inputs.slides[::2], inputs.slides[1::2], strict=True):
        k = inputs.slides.index(second)
        order = second.rows.astype(int) * 12 + second.cols
        pairs.append(
            np.stack(
                [
                    inputs.sets[0].features[k - 1].toarray()[order, 1],
                    inputs.sets[0].features[k].toarray()[:, 1],
                ],
                1,
            )
        )
        assert first.patient == second.patient
    assert (agree.icc_a[1], agree.icc_c[1]) == pytest.approx(
        anova_icc(np.concatenate(pairs).astype(float)), abs=1e-6
    )


def test_paired_scans_say_what_is_missing() -> None:
    few = paired_scans(scans(3), 0, ("scanner", "glass"), (50, 0), STEP)
    assert few.features is not None and np.isnan(few.features.icc_a_low).all()
    assert np.isfinite(few.features.icc_a[0])
    assert "no two slides" in paired_scans(scans(3), 0, ("scanner", "block"), (50, 0), STEP).reason
    apart = scans(2)
    for slide in apart.slides[1::2]:
        slide.rows[:] += 100
    assert "no place" in paired_scans(apart, 0, ("scanner", "glass"), (50, 0), STEP).reason


@pytest.mark.parametrize("is_sparse", [True, False])
def test_neighbours_are_of_a_class_or_of_a_scanner_as_planted(is_sparse: bool) -> None:
    rng = np.random.default_rng(0)
    n = 240
    kind, patient = rng.integers(0, 3, n), np.repeat(np.arange(12), 20)
    scanner = patient % 2
    noise = rng.random((n, 6)) * 0.1

    def index(values: np.ndarray, patients: np.ndarray = patient):
        rows = sparse.csr_array(values) if is_sparse else values
        return robustness_index(rows, (kind, scanner, patients), 5, (200, 0), STEP)

    by_class, by_scanner = np.eye(6)[kind], np.eye(6)[3 + scanner]
    robust, frail, none = index(noise + by_class), index(noise + by_scanner), index(noise)
    assert robust.value > 0.95 and frail.value < 0.05
    assert none.low < none.chance < none.high
    assert robust.low <= robust.value <= robust.high
    same_class = (kind[:, None] == kind) & (scanner[:, None] != scanner)
    same_scanner = (kind[:, None] != kind) & (scanner[:, None] == scanner) & (patient[:, None] != patient)
    assert robust.chance == pytest.approx(same_class.sum() / (same_class.sum() + same_scanner.sum()))
    # With a patient of its own for each tile, neighbours of the same slide would count.
    lonely = robustness_index(
        np.eye(6)[np.zeros(40, int)], (np.zeros(40, int), scanner[:40], patient[:40]), 5, (20, 0), STEP
    )
    assert lonely.reason and np.isnan(lonely.value)


def test_roles_follow_both_thresholds_and_chance() -> None:
    axes = Axes(
        r=np.array([0.6, -0.6, 0.6, 0.05, 0.1, np.nan, 0.6]),
        p_r=np.array([0.01, 0.01, 0.01, 0.9, 0.9, np.nan, 0.2]),
        effect=np.array([0.0, 0.8, 0.8, 0.8, 0.05, np.nan, 0.8]),
        p_effect=np.array([0.9, 0.01, 0.3, 0.01, 0.9, np.nan, 0.01]),
    )
    names = [ROLES[i] if i != SILENT else "" for i in find_roles(axes, 0.2, 0.3)]
    assert names == [
        "biological", "entangled", "biological", "technical", "unexplained", "", "technical",
    ]  # fmt: skip
    assert [ROLES[i] for i in find_roles(axes, 0.7, 0.3)[:2]] == ["unexplained", "technical"]
    assert ROLES[find_roles(axes, 0.2, 0.9)[1]] == "biological"
    half = Axes(
        *(
            np.array([0.6, np.nan]),
            np.array([0.01, np.nan]),
            np.array([np.nan, 0.8]),
            np.array([np.nan, 0.01]),
        )
    )
    assert [ROLES[i] for i in find_roles(half, 0.2, 0.3)] == ["not judged", "not judged"]
    text = reason(axes, 6, (0.2, 0.3), ("plasma cell", "scanner"))
    assert "plasma cell 0.60, at least 0.20, within chance" in text and "beats chance (p 0.01)" in text
    assert "not known" in reason(axes, 5, (0.2, 0.3), ("", "scanner"))


def facts(**columns: list[str]) -> SlideFacts:
    n = 24
    rng = np.random.default_rng(0)
    return SlideFacts(
        labels=[f"s{i % 2}" for i in range(n)],
        groups=[f"P{i}" for i in range(n)],
        columns=columns,
        shares=rng.dirichlet([5, 5, 5], n),
    )


def test_confounding_is_found_and_perfect_confounding_is_known() -> None:
    rng = np.random.default_rng(0)
    both = [f"site {i % 2}" for i in range(24)]
    nested = [f"lab {i % 4}" for i in range(24)]  # labs 0 and 2 have scanner 0
    most = [f"organ {i % 2 if i < 20 else 0}" for i in range(24)]
    free = [f"sex {v}" for v in rng.integers(0, 2, 24)]
    ids = [f"case {i}" for i in range(24)]
    found = {
        one.column: one
        for one in confounding(
            facts(site=both, lab=nested, organ=most, sex=free, case=ids, one=["x"] * 24), 499, 0
        )
    }
    assert set(found) == {"site", "lab", "organ", "sex", COMPOSITION}
    assert found["site"].is_perfect and found["lab"].is_perfect
    assert found["site"].v == pytest.approx(1) and found["lab"].v > 0.9
    assert not found["organ"].is_perfect and found["organ"].p_holm <= 0.05
    assert found["sex"].p_holm > 0.05 and found[COMPOSITION].p_holm > 0.05
    assert all(one.p_holm >= one.p for one in found.values())
    # Slides of one patient are no evidence: six patients of four slides each.
    repeated = SlideFacts(
        ["ab"[i // 4 % 2] for i in range(24)], [f"P{i // 4}" for i in range(24)],
        {"organ": ["xy"[min(i // 4, 1) if i // 4 != 3 else 0] for i in range(24)]}, np.zeros((24, 0)),
    )  # fmt: skip
    assert confounding(repeated, 499, 0)[0].n_groups == 6
    assert confounding(repeated, 499, 0)[0].p > 0.05


def test_a_mix_of_cells_that_goes_with_the_scanner_is_found() -> None:
    known = facts()
    known.shares[::2, 0] += 0.4
    one = confounding(known, 499, 0)[0]
    assert one.column == COMPOSITION and one.p_holm <= 0.01 and one.v > 0.3
