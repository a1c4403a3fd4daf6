"""Settings of studies that make no sense are refused with what they may be."""

from __future__ import annotations

import pytest

from desktop_app.project.studies.settings import StudyOptions
from sae_backend.errors import UserInputError
from sae_backend.studies.framework.registry import studies


@pytest.mark.parametrize("study", studies(), ids=lambda one: one.kind)
def test_the_defaults_make_sense(study) -> None:
    study.check(study.defaults)


@pytest.mark.parametrize(
    ("kind", "settings", "words"),
    [
        ("universality", {"n_random": 9}, "9 random dictionaries"),
        ("universality", {"n_null": 18}, "18 exchanges"),
        ("robustness", {"neighbours": 0}, "neighbours cannot be 0"),
        ("geometry", {"least_r": 2.0}, "least r cannot be 2"),
        ("geometry", {"plane": "3d"}, "cannot be '3d'"),
        ("slides", {"measure": "median"}, "cannot be 'median'"),
        ("depth", {"layers": [0, 4]}, "numbers from 1 on"),
        ("depth", {"expansion": 0}, "expansion cannot be 0"),
        ("slides", {"seeds": 2}, "has no setting 'seeds'"),
        ("nothing", {}, "There is no study 'nothing'"),
    ],
)
def test_senseless_settings_are_refused(kind: str, settings: dict[str, object], words: str) -> None:
    with pytest.raises(UserInputError, match=words) as refused:
        StudyOptions(kind, settings)
    assert len(refused.value.hint) > 5


def test_a_chance_may_be_left_out_or_drawn_often_enough() -> None:
    for n in (0, 19, 999):
        StudyOptions("universality", {"n_random": n, "n_null": n})
