"""Runs in words and in a paragraph on methods: true for every combination of units, halves and statistics."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from desktop_app.project.correlation.methods_text import _halves, _statistics
from desktop_app.project.correlation.text import facts_text, strongest_text, units_text

SPEC = {"interval": "studentised", "n_bootstrap": 2000, "n_permutations": 999, "seed": 0}
REASONS = ["", "constant feature", "constant cell type"]


def meta(**changed: Any) -> dict[str, Any]:
    return {
        "n_tiles": 1200, "n_slides": 12, "n_clusters": 6, "unit": "patient", "kind": "patient", "method": "m",
        "notes": ["n"], "type_names": ["A"], "statistics": ["pearson"], "reasons": REASONS, "held_out": False,
        "split": None, "baselines": [], "judged": True, "n_arrangements": {"pearson": 999}, "covariates": ["site"],
    } | changed  # fmt: skip


def split(unit: str) -> dict[str, Any]:
    return {"held_out": True, "split": {"unit": unit, "seed": 4, "n_choose": 6, "n_report": 7}}


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, "1,200 tiles of 12 slides; intervals and p from 6 patients. Features were chosen and evaluated on the same"),
        (split("patient"), "The held-out half (7 of 13 patients) was not used to choose features (seed 4)"),
        (split("slide") | {"unit": "slide"}, "from 6 slides. The held-out half (7 of 13 slides)"),
        (split("half slide") | {"unit": "block of 1 mm"}, "from 6 blocks of 1 mm. This is one half of each slide"),
        ({"n_clusters": 1, "n_slides": 1, "judged": False}, "of 1 slide; 1 patient, so no interval and no p."),
    ],
)  # fmt: skip
def test_facts_are_those_of_the_run(changed: dict[str, Any], expected: str) -> None:
    assert expected in facts_text(meta(**changed))


def test_the_statistic_is_named_and_an_undefined_value_has_its_reason() -> None:
    nothing = np.full((2, 1), np.nan)
    arrays = {f"spearman/{key}": nothing for key in ("ci_low", "ci_high", "p", "q")}
    arrays |= {
        "spearman/value": np.array([[np.nan], [0.3]]), "spearman/choose": np.array([[0.9], [0.2]]),
        "spearman/reason": np.array([[1], [0]], np.uint8), "spearman/band": np.array([0.25]),
    }  # fmt: skip
    run: Any = SimpleNamespace(meta=meta(statistics=["spearman"], **split("patient")))
    text = strongest_text(run, arrays)
    assert text.startswith("Spearman's rho over 1,200 tiles") and "Pearson" not in text
    assert "not defined: constant feature; on discovery half 0.90" in text
    assert "by chance alone the best of all features exceeds 0.25 in 5 of 100 draws" in text


def test_units_are_singular_and_plural() -> None:
    assert units_text(meta(n_clusters=1, unit="block of 0.5 mm")) == "1 block of 0.5 mm"


def methods(**changed: Any) -> str:
    spec = SPEC | {"interval": changed.pop("interval", "studentised")}
    made = meta(**changed)
    return " ".join([*_halves(made), *_statistics(made, spec)])


def test_methods_of_patients_and_of_blocks() -> None:
    text = methods(**split("patient"))
    assert "Half of the patients (6) served to choose" in text and "those of the other 7" in text
    assert "resample whole patients (6 of them, 2000 draws" in text
    assert "the maps of the counts of whole patients were exchanged" in text and "(999 times)" in text
    assert "for each statistic by itself" in text and "which saw no counts" in text
    text = methods(kind="block", unit="block of 1 mm", n_arrangements={"pearson": 40}, **split("half slide"))
    assert "cut across its longer side" in text and "split seed 4" in text
    assert "shifted over its features without wrapping" in text and "(40 times)" in text


def test_methods_claim_no_interval_and_no_p_that_was_not_made() -> None:
    text = methods(n_clusters=3, judged=False)
    assert "With 3 patients neither intervals nor p were computed." in text and "Benjamini" not in text
    text = methods(kind="block", unit="block of 1 mm", n_arrangements={})
    assert "No p was computed" in text and "Benjamini" not in text and "95 % bootstrap-t" in text
    text = methods(statistics=["pearson", "partial"])
    assert "those of partial correlations are BCa" in text and "have no p" in text
    text = methods(
        statistics=["pearson", "partial"], n_arrangements={"pearson": 9, "partial": 9}, interval="bca"
    )
    assert "only between units that agree" in text and "are BCa)" not in text


def test_runs_of_earlier_versions_have_words_too() -> None:
    old = meta()
    del old["judged"], old["n_arrangements"]
    assert "from 6 patients" in facts_text(old)
    assert "(999 times)" in " ".join(_statistics(old, SPEC))
