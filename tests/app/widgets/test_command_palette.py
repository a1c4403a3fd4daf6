"""The command palette: found by words, moved in by keys, and the command is given."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QAction
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from desktop_app.app import WindowStart, open_start
from desktop_app.canvas.slide_layers import HEATMAP
from desktop_app.widgets.shell.command_palette import Palette, matches
from tests.app.conftest import Parts


def test_words_match_in_any_order() -> None:
    assert matches("map heat", "Stronger heat map")
    assert matches("", "Anything")
    assert not matches("heat cells", "Stronger heat map")


def test_it_lists_what_can_be_done_and_says_when_nothing_fits(qtbot: QtBot) -> None:
    actions = {text: QAction(text) for text in ("Open slide…", "Fit the slide", "Cells")}
    actions["Cells"].setEnabled(False)
    palette = Palette(actions)
    qtbot.addWidget(palette)
    chosen: list[str] = []
    palette.chosen.connect(chosen.append)
    assert palette.list.count() == 2
    palette.words.setText("slide")
    QTest.keyClick(palette.words, Qt.Key.Key_Down)
    QTest.keyClick(palette.words, Qt.Key.Key_Return)
    assert chosen == ["Fit the slide"]
    palette.words.setText("zebra")
    assert "No command" in palette.list.item(0).text()
    QTest.keyClick(palette.words, Qt.Key.Key_Return)
    assert chosen == ["Fit the slide"]


@pytest.mark.gl
def test_the_window_gives_the_chosen_command(parts: Parts, project: Path) -> None:
    open_start(parts.desktop, WindowStart(project=project, feature=4))
    canvas = parts.window.viewer.window._qt_viewer.canvas.native
    QTest.keyClick(canvas, Qt.Key.Key_P, Qt.KeyboardModifier.ControlModifier)
    palette = parts.window.palette
    assert palette is not None and palette.isVisible()
    palette.words.setText("heat map")
    names = [palette.list.item(row).text() for row in range(palette.list.count())]
    palette.list.setCurrentRow(next(row for row, name in enumerate(names) if name.startswith("Heat map")))
    QTest.keyClick(palette.words, Qt.Key.Key_Return)
    assert not palette.isVisible()
    assert not parts.window.viewer.layers[HEATMAP].visible
