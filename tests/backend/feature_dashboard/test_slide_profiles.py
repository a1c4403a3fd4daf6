"""One feature over slides: the unit is the slide, and what cannot be measured is None."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sae_backend.activations.feature_matrix import FeatureMatrix
from sae_backend.errors import MismatchError, UserInputError
from sae_backend.feature_dashboard.slide_profiles import (
    GroupProfile,
    SlideProfile,
    ValueProfile,
    profile_by_value,
    profile_feature,
)
from tests.backend.fixtures.activations import laid


def slide(folder: Path, side: int, n_firing: int, value: float = 2.0, sae: str = "a") -> FeatureMatrix:
    dense = np.zeros((side * side, 2))
    dense[:n_firing, 1] = value
    if n_firing:
        dense[0, 1] = 2 * value
    valid = np.ones(side * side, bool)
    valid[-1] = False
    return laid(folder, dense, valid, sae_digest=sae)


def test_groups_are_means_over_slides_whatever_their_size(tmp_path: Path) -> None:
    slides = [
        ("large", slide(tmp_path / "1", 101, 1020)),  # 10,200 valid tiles, rate 0.1
        ("small", slide(tmp_path / "2", 3, 4)),  # 8 valid tiles, rate 0.5
        ("silent", slide(tmp_path / "3", 3, 0)),
        ("nothing", slide(tmp_path / "4", 1, 0)),  # no valid tile at all
    ]
    found = profile_feature(
        slides, 1, {"large": "Argus", "small": "Argus", "nothing": "Borealis", "gone": "x"}
    )
    assert found.slides[1] == SlideProfile("small", 8, 4, 0.5, 2.5, 4.0)
    assert found.slides[2] == SlideProfile("silent", 8, 0, 0.0, None, 0.0)
    assert found.slides[3] == SlideProfile("nothing", 0, 0, None, None, 0.0)
    argus, borealis = found.groups
    assert (argus.label, argus.n_slides, argus.min_rate, argus.max_rate) == ("Argus", 2, 0.1, 0.5)
    assert argus.mean_rate == pytest.approx(0.3)  # tiles pooled would give 0.1003
    assert borealis == GroupProfile("Borealis", 0, None, None, None)
    assert found.n_ungrouped == 1
    assert found.overall.n_slides == 3 and found.overall.mean_rate == pytest.approx(0.2)
    assert profile_feature(slides, 1).groups == ()


def test_slides_that_share_a_value_are_put_together(tmp_path: Path) -> None:
    slides = [
        ("large", slide(tmp_path / "1", 5, 3)),  # 24 valid tiles: 4 + 2 + 2 = 8, mean 1/3
        ("small", slide(tmp_path / "2", 3, 1, value=4.0)),  # 8 valid tiles: 8, mean 1
        ("silent", slide(tmp_path / "3", 3, 0)),
        ("nothing", slide(tmp_path / "4", 1, 0)),  # no valid tile at all
        ("other", slide(tmp_path / "5", 3, 2)),  # 8 valid tiles: 4 + 2 = 6, mean 0.75
    ]
    found = profile_feature(slides, 1).slides
    assert [one.mean_activation for one in found] == pytest.approx([1 / 3, 1.0, 0.0, None, 0.75])
    by_patient = {"large": "P10", "small": "P10", "silent": "P2", "nothing": "P2", "gone": "P7"}
    ten, two, rest = sorted(profile_by_value(found, by_patient), key=lambda group: -group.n_slides)
    assert ten == ValueProfile(
        "P10", 2, 32, pytest.approx(0.5), pytest.approx(2 / 3), pytest.approx(1 / 3), 1.0
    )
    assert two == ValueProfile("P2", 1, 8, 0.0, 0.0, 0.0, 0.0)
    assert rest == ValueProfile(None, 1, 8, 0.75, 0.75, 0.75, 0.75)
    (bare,) = profile_by_value(found[3:4], {"nothing": "x"})
    assert bare == ValueProfile("x", 0, 0, None, None, None, None)


def test_values_come_in_an_order_that_people_expect(tmp_path: Path) -> None:
    empty = slide(tmp_path / "1", 2, 0)
    values = ["P10", "p2", "P1", "", "grade 3", "10", "9"]
    found = profile_feature([(f"s{i}", empty) for i in range(8)], 1).slides
    by_value = profile_by_value(found, {f"s{i}": value for i, value in enumerate(values)})
    assert [group.value for group in by_value] == ["9", "10", "grade 3", "P1", "p2", "P10", None]
    assert by_value[-1].n_slides == 2


def test_what_does_not_belong_together_is_refused(tmp_path: Path) -> None:
    one = slide(tmp_path / "1", 3, 1)
    other = slide(tmp_path / "2", 3, 1, sae="b")
    with pytest.raises(MismatchError):
        profile_feature([("one", one), ("other", other)], 1)
    with pytest.raises(UserInputError, match="called one"):
        profile_feature([("one", one), ("one", one)], 1)
    with pytest.raises(UserInputError):
        profile_feature([], 1)
    with pytest.raises(UserInputError, match="no feature 2"):
        profile_feature([("one", one)], 2)
