"""Theme and size of the text: what napari's style lacks, and the colours of messages in both themes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from napari.settings import get_settings
from PySide6.QtGui import QFontInfo
from PySide6.QtWidgets import QApplication, QLabel, QPlainTextEdit, QWidget

if TYPE_CHECKING:
    from collections.abc import Iterable

    from desktop_app.project.preferences import Theme

TEXT_POINTS: Final = (8, 24)
"""Smallest and largest size of the text."""

_FIELDS: Final[dict[str, str]] = {"dark": "rgb(66, 74, 84)", "light": "rgb(255, 255, 255)"}
_BORDERS: Final[dict[str, str]] = {"dark": "rgb(66, 74, 84)", "light": "rgb(150, 150, 150)"}
_WARNING: Final = "warning"
WARNINGS: Final[dict[str, str]] = {"dark": "#ffb454", "light": "#8a4b00"}
"""Colour of a warning's words; at least 4.5:1 on the theme's background."""


def apply_theme(parts: Iterable[QWidget], theme: Theme) -> None:
    """Paint the program in a theme; in `parts` the fields that napari's style leaves out get one of ours."""
    if get_settings().appearance.theme != theme:
        get_settings().appearance.theme = theme
    field = f"background: {_FIELDS[theme]}; border: 1px solid {_BORDERS[theme]}; border-radius: 2px;"
    for part in parts:
        # One by one: a sheet for a whole part would be worked out anew for everything in it.
        for text in part.findChildren(QPlainTextEdit):
            text.setStyleSheet(f"QPlainTextEdit {{ {field} }}")
        for label in part.findChildren(QLabel):
            if label.property(_WARNING) is not None:
                _colour(label)


def mark_warning(label: QLabel, on: bool) -> None:
    """Give a label the colour of a warning in the current theme, or take it away."""
    label.setProperty(_WARNING, on)
    _colour(label)


def _colour(label: QLabel) -> None:
    theme = str(get_settings().appearance.theme)
    ink = WARNINGS.get(theme, WARNINGS["dark"])
    label.setStyleSheet(f"color: {ink}; font-weight: bold;" if label.property(_WARNING) else "")


def text_points() -> int:
    """Size of the window's text in points."""
    return int(get_settings().appearance.font_size)


def set_text_points(points: int) -> int:
    """Set the size of the window's text, within limits; returns what it became."""
    size = min(max(points, TEXT_POINTS[0]), TEXT_POINTS[1])
    get_settings().appearance.font_size = size
    return size


def system_points() -> int:
    """Size of the system's own text in points."""
    return max(TEXT_POINTS[0], QFontInfo(QApplication.font()).pointSize())
