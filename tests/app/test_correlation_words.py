"""What is said of correlations, which of them are found, and what slides say by themselves."""

from __future__ import annotations

import numpy as np
import pytest

from desktop_app.correlation_frame import CHANCE, LIKELY, NO_VALUE, TOLD, UNKNOWN
from desktop_app.correlation_query import (
    ABOVE_BAND,
    BY_GAP,
    SMALL_P,
    Names,
    PairQuery,
    find,
    matrix_order,
    ordered,
)
from desktop_app.correlation_sentences import (
    best_sentence,
    facts,
    few_words,
    pair_details,
    pair_sentence,
    selectivity_sentence,
    signed,
)
from desktop_app.pair_points import PairPoints, fisher_interval, pooled_within
from desktop_app.run_comparison import compare
from sae_backend.errors import MismatchError
from tests.widgets.correlation_frames import P, R, frame_of, meta_of, without_p


def test_a_verdict_claims_no_more_than_interval_p_and_q_allow() -> None:
    frame = frame_of()
    verdicts = [[frame.verdict(f, c) for c in range(3)] for f in range(4)]
    assert [row[0] for row in verdicts] == [TOLD, TOLD, CHANCE, CHANCE]
    assert verdicts[0][1] == CHANCE, "the interval holds 0"
    assert verdicts[1][1] == LIKELY, "only q is small"
    assert {row[2] for row in verdicts} == {NO_VALUE}
    assert without_p().verdict(0, 0) == UNKNOWN


@pytest.mark.parametrize(
    ("at", "words"),
    [
        ((0, 0), "Follows lymphocyte: r 0.70, 95 % interval 0.60 to 0.80, 12 slides."),
        ((1, 0), "Avoids lymphocyte: r −0.50, 95 % interval −0.60 to −0.40, 12 slides."),
        (
            (0, 1),
            "Plasma cell: r 0.10, 95 % interval 0.00 to 0.20, 12 slides; cannot be told from chance (p 0.4).",
        ),
        ((0, 2), "Stroma: no value (constant cell type)."),
    ],
)
def test_sentences_of_pairs(at: tuple[int, int], words: str) -> None:
    frame = frame_of()
    assert pair_sentence(frame, frame.pair(*at)) == words


def test_sentences_are_careful_where_little_is_known() -> None:
    frame = frame_of()
    assert pair_sentence(frame, frame.pair(1, 1)).startswith("Probably follows plasma cell")
    few = without_p()
    assert "cannot be told from chance" in pair_sentence(few, few.pair(0, 0))
    assert "no interval" in pair_details(few, few.pair(0, 0))
    assert facts(few.meta).endswith("only 3 patients: no intervals and no p")
    assert "nothing can be concluded" in few_words(few.meta)
    assert selectivity_sentence(few, 0) == ""


def test_the_best_feature_is_the_one_that_was_chosen_and_stands_beside_its_baselines() -> None:
    choose = np.where(np.isnan(R), np.nan, 0.0)
    choose[2, 0] = 0.9
    frame = frame_of(arrays={"pearson/choose": choose})
    assert frame.best_features.tolist() == [2, 0, -1]
    words = best_sentence(frame, 0, lambda feature: "small" if feature == 2 else "")
    assert words.startswith(
        "Lymphocyte: feature 2 (small), r 0.05 (−0.05 to 0.15), where chosen 0.90; this cannot be"
    )
    assert "best of raw embedding dimensions 0.40. The feature is better than all of them." in words
    assert best_sentence(frame, 2, lambda _: "") == "Stroma: no feature has a value."
    assert (
        selectivity_sentence(frame_of(), 0)
        == "Lymphocyte stands out: |r| 0.70 against 0.10 for the next, plasma cell."
    )
    assert "not above" not in selectivity_sentence(frame_of(), 2)


def test_facts_say_who_reports() -> None:
    assert facts(meta_of()) == (
        "held out: 12 of 24 patients report; 8,310 tiles of 12 slides; 95 % intervals and p from 12 patients"
    )
    assert facts(meta_of(held_out=False, split=None, unit="block of 1 mm")).startswith(
        "nothing held out; 8,310"
    )
    assert "12 blocks of 1 mm" in facts(meta_of(unit="block of 1 mm"))
    assert signed(-0.001) == "0.00" and signed(-0.5) == "−0.50" and signed(float("nan")) == "–"


def test_words_find_numbers_types_and_names() -> None:
    frame, names = frame_of(), Names({3: "Glands, round"})
    assert find(frame, PairQuery("3"), names).features.tolist() == [3]
    assert find(frame, PairQuery("gland"), names).features.tolist() == [3]
    found = find(frame, PairQuery("plasma"), names)
    assert found.columns.tolist() == [1] and found.features.size == 4
    assert find(frame, PairQuery("", SMALL_P), names).features.tolist() == [0, 1, 3]
    assert find(frame, PairQuery("", ABOVE_BAND), names).features.tolist() == [0, 1, 3]
    assert find(frame, PairQuery("lymph", ABOVE_BAND), names).features.tolist() == [0, 1, 3]
    assert find(frame, PairQuery("nothing of that name"), names).features.size == 0


def test_orders_put_the_strong_first_and_what_has_no_value_last() -> None:
    frame, all_features = frame_of(), np.arange(4)
    assert matrix_order(frame, all_features, 0, largest_first=True).tolist() == [0, 1, 3, 2]
    assert matrix_order(frame, all_features, BY_GAP, largest_first=True)[0] == 0
    assert ordered(np.array([np.nan, 1.0, 3.0]), largest_first=True).tolist() == [2, 1, 0]
    assert ordered(np.array([np.nan, 3.0, 1.0]), largest_first=False).tolist() == [2, 1, 0]


def test_a_comparison_marks_what_changed() -> None:
    p = P.copy()
    p[0, 0], p[3, 1] = 0.5, 0.002
    value = R.copy()
    value[1, 0] = 0.5
    arrays = {
        "pearson/value": value,
        "pearson/p": p,
        "pearson/ci_low": value - 0.1,
        "pearson/ci_high": value + 0.1,
    }
    found = compare(frame_of(), frame_of(arrays=arrays, id=2, name="Run 2"))
    assert found.name == "Run 2" and found.n_changed == 2
    assert found.changed[0, 0], "no longer sure"
    assert found.changed[1, 0], "another sign"
    assert found.difference[1, 0] == pytest.approx(-1.0)
    with pytest.raises(MismatchError):
        compare(frame_of(), frame_of(sae_digest="b"))


def test_a_comparison_goes_by_the_names_of_types() -> None:
    other = frame_of({"type_names": ["plasma cell", "lymphocyte", "other"]})
    found = compare(frame_of(), other)
    assert found.value[0, 0] == R[0, 1] and np.isnan(found.value[:, 2]).all()


def test_what_slides_say_by_themselves() -> None:
    # Fisher's z of r 0.5 and n 28: 0.5493 +- 1.96 / 5.
    assert fisher_interval(0.5, 28) == pytest.approx((0.156, 0.736), abs=1e-3)
    assert np.isnan(fisher_interval(0.5, 3)).all()
    rng = np.random.default_rng(0)
    slide = np.repeat([0, 1], 200)
    x = rng.normal(size=400) + 10 * slide
    y = rng.normal(size=400) + 10 * slide
    points = PairPoints(x, y, np.arange(400), slide, ((1, "a"), (2, "b")))
    assert np.corrcoef(x, y)[0, 1] > 0.9 and abs(pooled_within(points)) < 0.15
    assert points.of(1).x.size == 200
