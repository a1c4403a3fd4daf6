"""Magnifications and places, as people type them."""

from __future__ import annotations

import pytest

from desktop_app.canvas.coordinates import magnification_text, place_of, um_per_px_of
from sae_backend.errors import UserInputError

SIZE_UM = (3000.0, 4000.0)


@pytest.mark.parametrize(
    ("text", "um_per_px"), [("10x", 1.0), ("40", 0.25), (" 2.5 X", 4.0), ("1,25×", 8.0), ("0.5x", 20.0)]
)
def test_a_typed_magnification(text: str, um_per_px: float) -> None:
    assert um_per_px_of(text) == pytest.approx(um_per_px)
    assert um_per_px_of(magnification_text(um_per_px)) == pytest.approx(um_per_px)


@pytest.mark.parametrize("text", ["", "x", "ten", "0x", "-10x", "10x10", "1e9", "100000x", "nan"])
def test_no_magnification(text: str) -> None:
    with pytest.raises(UserInputError, match="no magnification"):
        um_per_px_of(text)


@pytest.mark.parametrize(
    ("um_per_px", "text"),
    [(0.5, "20x"), (0.2527, "39.6x"), (16.1, "0.621x"), (0.0, ""), (float("nan"), ""), (0.05, "200x")],
)
def test_magnification_in_words(um_per_px: float, text: str) -> None:
    assert magnification_text(um_per_px) == text


@pytest.mark.parametrize(
    ("text", "y_x"),
    [
        ("1250, 830", (830.0, 1250.0)),
        ("1250 830", (830.0, 1250.0)),
        ("x 1250 µm, y 830 µm", (830.0, 1250.0)),
        ("x=1.25 mm; y=0.83 mm", (830.0, 1250.0)),
        ("1.25, 0.83 mm", (830.0, 1250.0)),
        ("1250,5; 830,25", (830.25, 1250.5)),
        ("0 0", (0.0, 0.0)),
        ("1250,830", (830.0, 1250.0)),
    ],
)
def test_a_typed_place(text: str, y_x: tuple[float, float]) -> None:
    assert place_of(text, SIZE_UM) == pytest.approx(y_x)


@pytest.mark.parametrize("text", ["", "12", "1, 2, 3", "a, b", "1 px, 2 px", "nan, nan"])
def test_no_place(text: str) -> None:
    with pytest.raises(UserInputError, match="no place"):
        place_of(text, SIZE_UM)


@pytest.mark.parametrize("text", ["-1, 5", "5, 3001", "4001, 5"])
def test_a_place_off_the_slide_names_its_size(text: str) -> None:
    with pytest.raises(UserInputError, match="off the slide") as caught:
        place_of(text, SIZE_UM)
    assert "4,000 µm wide and 3,000 µm high" in caught.value.hint
