"""Colours of states and of lesser text, for the dark and the light theme."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from napari.settings import get_settings


@dataclass(frozen=True)
class Tones:
    """Colours by what they mean; all ink is at least 4.5:1 on the background and on `card`."""

    ink: str
    muted: str
    done: str
    next: str
    failed: str
    card: str
    line: str
    accent: str
    accent_hover: str
    on_accent: str = "#ffffff"


DARK: Final = Tones(
    ink="#f0f1f2",
    muted="#aeb5bf",
    done="#6fcf97",
    next="#8ab4ff",
    failed="#ffb4a8",
    card="#2c2f38",
    line="#4a515d",
    accent="#3d63c4",
    accent_hover="#4a71d6",
)
LIGHT: Final = Tones(
    ink="#1e1e21",
    muted="#54575d",
    done="#1a6b3e",
    next="#1d4fb0",
    failed="#9c1f16",
    card="#f7f5f4",
    line="#b5b2af",
    accent="#2f58bd",
    accent_hover="#2449a3",
)


def tones() -> Tones:
    """Return the colours of the theme that the program is painted in."""
    # Not from a palette: while a style is taken over it is that of the system for a moment.
    return LIGHT if get_settings().appearance.theme == "light" else DARK
