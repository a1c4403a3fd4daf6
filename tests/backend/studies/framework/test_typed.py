"""Stored values become dataclasses: what is missing is said, what has a default may be missing."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

from sae_backend.studies.framework.result import StudyResult
from sae_backend.studies.framework.typed import typed, under
from sae_backend.studies.slides.findings import SlideFindings


@dataclass(frozen=True)
class Pair:
    r: float
    names: list[str] = field(default_factory=list)
    unit: str = "patient"


def test_fields_come_from_the_first_source_that_has_them() -> None:
    assert typed(Pair, {"r": 0.5, "other": 1}, {"r": 0.1, "unit": "slide"}) == Pair(0.5, [], "slide")
    assert typed(Pair, {"r": 0.5}, r=0.7).r == 0.7
    with pytest.raises(KeyError, match="r"):
        typed(Pair, {"names": ["a"]})


def test_names_are_taken_from_under_a_path() -> None:
    arrays = {"read/site/auroc": 1, "read/site": 2, "read/siteb/auroc": 3, "auroc": 4}
    assert under(arrays, "read", "site") == {"auroc": 1}
    assert under(arrays, "read") == {"site/auroc": 1, "site": 2, "siteb/auroc": 3}


def test_a_result_that_lacks_a_number_is_not_reported_as_something_else() -> None:
    with pytest.raises(KeyError, match="compared"):
        SlideFindings.of(StudyResult({"mean": np.zeros((2, 3))}, {"slides": ["a", "b"]}))
