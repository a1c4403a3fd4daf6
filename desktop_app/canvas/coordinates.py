"""Magnifications and places as people type and read them."""

from __future__ import annotations

import math
import re
from typing import Final

from sae_backend.errors import UserInputError

UM_AT_1X: Final = 10.0
"""Um that one px of the screen shows at 1x: by convention 10x is 1 um/px, and 40x is 0.25."""

MAGNIFICATIONS: Final = (1.25, 2.5, 5.0, 10.0, 20.0, 40.0)
_RANGE: Final = (0.005, 400.0)
_NUMBER: Final = r"[-+]?(?:\d+(?:[.,]\d+)?|\.\d+)"
_UNITS: Final = {"": 1.0, "um": 1.0, "µm": 1.0, "μm": 1.0, "mm": 1000.0}


def magnification_text(um_per_px: float) -> str:
    """What a screen px of so many um is called, such as `10x` or `0.62x`; "" where that makes no sense."""
    if not (math.isfinite(um_per_px) and um_per_px > 0):
        return ""
    return f"{float(f'{UM_AT_1X / um_per_px:.3g}'):g}x"


def um_per_px_of(text: str) -> float:
    """Um per screen px of a typed magnification such as `10x`, `2.5 X` or `40`.

    Raises
    ------
    UserInputError
        When it is none, or beyond what a slide can be seen at.
    """
    found = re.fullmatch(rf"\s*({_NUMBER})\s*[x×]?\s*", text, re.IGNORECASE)
    value = float(found[1].replace(",", ".")) if found else 0.0
    if not _RANGE[0] <= value <= _RANGE[1]:
        raise UserInputError(
            f"{text.strip() or 'Nothing'} is no magnification.", "Type one such as 10x or 2.5x."
        )
    return UM_AT_1X / value


def place_of(text: str, size_um: tuple[float, float]) -> tuple[float, float]:
    """Read a typed place (x, y), as the status line writes it; returned as (y, x) in um.

    Parameters
    ----------
    text
        Two numbers with a comma, semicolon or space between them, in um, or with `mm` or `um` after one of
        them or both. A comma is a decimal sign only where the numbers are parted by a semicolon or a space.
    size_um
        (height, width) of the slide.

    Raises
    ------
    UserInputError
        When it is no place, or lies off the slide.
    """
    unit = r"(um|µm|μm|mm)?"
    label = r"(?:[xy]\s*[:=]?\s*)?"
    plain = r"[-+]?(?:\d+(?:\.\d+)?|\.\d+)"
    for number, between in ((plain, r"\s*[,;\s]\s*"), (_NUMBER, r"\s*[;\s]\s*")):
        found = re.fullmatch(
            rf"\s*{label}({number})\s*{unit}{between}{label}({number})\s*{unit}\s*", text, re.IGNORECASE
        )
        if found:
            break
    else:
        raise UserInputError(
            f"{text.strip() or 'Nothing'} is no place.", "Type x and y in µm, such as 1250, 830."
        )
    units = [(found[k] or found[6 - k] or "").lower() for k in (2, 4)]
    x_um, y_um = (
        float(found[k].replace(",", ".")) * _UNITS[name] for k, name in zip((1, 3), units, strict=True)
    )
    height, width = size_um
    if not (0 <= y_um <= height and 0 <= x_um <= width):
        raise UserInputError(
            f"x {x_um:,.0f} µm, y {y_um:,.0f} µm lies off the slide.",
            f"The slide is {width:,.0f} µm wide and {height:,.0f} µm high.",
        )
    return y_um, x_um
