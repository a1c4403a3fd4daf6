"""The study of scanner and stain in words: what is not shown is not told as absent, and what is uncertain is said."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sae_backend.studies.framework.registry import study
from sae_backend.studies.framework.result import StudyResult
from sae_backend.studies.robustness.array_names import SCORES
from tests.worlds.robustness import planted_result, scores


@pytest.fixture(scope="module")
def found() -> StudyResult:
    return planted_result()


def test_what_is_read_is_corrected_for_the_number_of_sources(found: StudyResult) -> None:
    """With p 0.010 from each of seven sources nothing is read after Holm; with 0.005 everything is."""
    told = {}
    for p in (0.005, 0.010):
        values = found.arrays["read/scanner/scores"].copy()
        values[:, SCORES.index("p")] = p
        shown = study("robustness").report(
            replace(found, arrays={**found.arrays, "read/scanner/scores": values})
        )
        table = next(table for table in shown.tables if table.key == "reading")
        assert table.columns["p"][:7] == pytest.approx([p] * 7)
        assert table.columns["p Holm"][:7] == pytest.approx([7 * p] * 7)
        assert f"after Holm for 7 sources {7 * p:.3f}" in shown.found
        told[p] = shown
    assert (
        ": more than chance gives" in told[0.005].found and "still predict the scanner:" in told[0.005].short
    )
    assert "not shown to be more than chance gives" in told[0.010].found
    assert "is not shown to be readable" in told[0.010].short


def test_what_is_not_shown_is_not_told_as_absent(found: StudyResult) -> None:
    shown = study("robustness").report(found)
    assert "follow cells and are not shown to differ with the scanner" in shown.short
    assert "differ with the scanner and are not shown to follow cells" in shown.short
    n, one = found.arrays["group/biology"].size, scores(found, "biology")
    told = f"together those that follow cells ({n} by the discovery half) still predict the scanner (AUROC {one['auroc']:.2f}, p "
    assert told in shown.short
    assert "not shown to differ with the scanner" in shown.tables[0].notes["role"]
    values = found.arrays["read/scanner/scores"].copy()
    values[found.meta["read"]["scanner"]["sources"].index("biology"), SCORES.index("p")] = 0.2
    silent = replace(found, arrays={**found.arrays, "read/scanner/scores": values})
    assert "together those" not in study("robustness").report(silent).short


def test_intervals_say_over_whom_they_were_drawn(found: StudyResult) -> None:
    assert "come from draws over all patients" in study("robustness").report(found).limits
    read = {k: {n: v for n, v in one.items() if n != "draws_over"} for k, one in found.meta["read"].items()}
    older = study("robustness").report(replace(found, meta={**found.meta, "read": read}))
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
    shown = study("robustness").report(_paired_result(found, 4))
    assert "ICC and shift have no intervals, as there are 4 glasses and 5 are needed." in shown.found
    assert (
        "has a median of 0.13 SD (raw dimensions 0.34 SD); chance alone would put it above 0, too"
        in shown.found
    )
    caption = next(figure.caption for figure in shown.figures if figure.key == "shift")
    assert "No intervals, as there are 4 glasses" in caption and "above 0 by chance alone" in caption
    notes = shown.tables[0].notes
    assert all("no interval" in notes[key] for key in ("ICC low", "ICC high", "shift low", "shift high"))
    enough = study("robustness").report(_paired_result(found, 5))
    assert "no intervals" not in enough.found and "no interval" not in enough.tables[0].notes["ICC low"]


def test_a_warning_is_given_before_it_is_proven(found: StudyResult) -> None:
    """Four columns: p 0.049 by itself, a large V with a large p, neither, and one that holds after Holm."""
    one = {"p_holm": 0.147, "is_perfect": False, "n_groups": 16, "n_slides": 30, "table": [], "labels": [], "values": [],
           "reason": ""}  # fmt: skip
    rows = [
        {**one, "column": "group", "v": 0.37, "p": 0.049}, {**one, "column": "organ", "v": 0.6, "p": 0.2},
        {**one, "column": "sex", "v": 0.1, "p": 0.4}, {**one, "column": "site", "v": 0.4, "p": 0.001, "p_holm": 0.004},
    ]  # fmt: skip
    told = study("robustness").report(replace(found, meta={**found.meta, "confounding": rows}))
    said = [text for text in told.warnings if "cannot be ruled out" in text]
    assert len(said) == 3
    assert said[0].startswith("Scanner and group may go together (Cramér's V 0.37, p 0.049, after Holm for 4")
    assert "one column in twenty" in said[0] and "for the strength alone" in said[1]
    assert "Scanner and site go together" in said[2] and "one column in twenty" not in said[2]
