"""Both themes and any size of text can be read: contrast of what the window really paints."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPoint
from PySide6.QtGui import QImage
from PySide6.QtWidgets import (
    QAbstractItemView,
    QAbstractSpinBox,
    QApplication,
    QCheckBox,
    QComboBox,
    QLabel,
    QLineEdit,
    QPushButton,
    QSlider,
    QToolButton,
    QWidget,
)

from desktop_app.app import WindowStart, open_start
from desktop_app.widgets.controls.theme import TEXT_POINTS, text_points
from tests.app.conftest import Parts

pytestmark = pytest.mark.gl


def luminance(rgb: np.ndarray) -> np.ndarray:
    """Relative luminance of sRGB, as WCAG 2.2 defines it."""
    share = rgb / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    return linear @ np.array([0.2126, 0.7152, 0.0722])


def painted(window: QWidget) -> np.ndarray:
    image = window.grab().toImage().convertToFormat(QImage.Format.Format_RGB888)
    raw = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine())
    return raw[:, : 3 * image.width()].reshape(image.height(), image.width(), 3).copy()


def contrast(widget: QWidget, picture: np.ndarray) -> float:
    """Contrast between the commonest colour of a widget and the one furthest from it, inner part only."""
    corner = widget.mapTo(widget.window(), QPoint(0, 0))
    shown = widget.visibleRegion().boundingRect().translated(corner)
    pixels = picture[shown.top() : shown.bottom() + 1, shown.left() : shown.right() + 1].reshape(-1, 3)
    if not len(pixels):
        return np.inf
    colours, counts = np.unique(pixels, axis=0, return_counts=True)
    paper = luminance(colours[counts.argmax()].astype(float))
    ink = luminance(colours.astype(float))
    ratios = (np.maximum(ink, paper) + 0.05) / (np.minimum(ink, paper) + 0.05)
    return float(ratios.max())


@pytest.mark.parametrize("light", [False, True])
def test_what_is_written_has_contrast(parts: Parts, project: Path, light: bool) -> None:
    open_start(parts.desktop, WindowStart(project=project, feature=4))
    parts.window.menus.action("light").setChecked(light)
    looked_at, weak = 0, []
    for title in ("Annotation", "Examples", "About", "Fires here"):
        parts.window.show_panel(title)
        QApplication.processEvents()
        picture = painted(parts.window.qt_window)
        for kind in (QLabel, QPushButton, QCheckBox, QLineEdit):
            for widget in parts.window.qt_window.findChildren(kind):
                written = widget.text()
                if widget.isVisible() and widget.isEnabled() and written.strip() and widget.width() > 10:
                    looked_at += 1
                    if (found := contrast(widget, picture)) < 4.5:
                        weak.append((title, kind.__name__, written, round(found, 2)))
    assert weak == []
    assert looked_at > 40
    assert parts.controller._context.preferences.current.theme == ("light" if light else "dark")


def test_text_grows_within_limits_and_is_remembered(parts: Parts) -> None:
    before = text_points()
    label = parts.window.features.count
    pixels = label.fontMetrics().height()
    parts.window.menus.actions_by_text["Larger text"].trigger()
    assert text_points() == before + 1
    assert parts.controller._context.preferences.current.text_points == before + 1
    assert label.fontMetrics().height() > pixels
    for _ in range(40):
        parts.window.menus.actions_by_text["Smaller text"].trigger()
    assert text_points() == TEXT_POINTS[0]
    for _ in range(TEXT_POINTS[0], before):
        parts.window.menus.actions_by_text["Larger text"].trigger()


def test_everything_to_press_has_a_name(parts: Parts, project: Path) -> None:
    """What has no words of its own has a name for screen readers."""
    open_start(parts.desktop, WindowStart(project=project, feature=4))
    nameless = []
    for panel in parts.window.themed_parts():
        for kind in (QComboBox, QAbstractSpinBox, QSlider, QAbstractItemView, QLineEdit, QToolButton):
            for widget in panel.findChildren(kind):
                # Parts that Qt itself builds are read out with the widget that they belong to.
                owner = widget.parent()
                inner = widget.objectName().startswith("qt_") or isinstance(
                    owner, QComboBox | QAbstractSpinBox | QLineEdit | QAbstractItemView
                )
                inner |= isinstance(owner, QWidget) and isinstance(owner.parent(), QComboBox)
                shown = getattr(widget, "text", str)() if isinstance(widget, QToolButton) else ""
                words = widget.accessibleName() or widget.toolTip() or shown
                inner |= parts.window.viewer.window._qt_viewer.isAncestorOf(widget)
                # Popups of napari hang on the window and are never opened here.
                inner |= type(widget.window()).__name__ == "QtPopup"
                if not inner and not words:
                    grand = type(widget.parent().parent()).__name__
                    nameless.append(f"{grand}/{type(widget.parent()).__name__}/{type(widget).__name__}")
    assert sorted(set(nameless)) == []
