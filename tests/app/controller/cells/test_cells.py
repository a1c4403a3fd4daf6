"""Cells on the slide: their types hidden and shown, in both views, in the legend and in the picture of the view."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QImage
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from desktop_app.app import WindowStart, open_start
from desktop_app.canvas.layer_names import REGIONS
from desktop_app.canvas.slide_layers import CELL_COLOURS, CELLS, DENSITY
from tests.app.conftest import Parts
from tests.waiting import wait_until, wait_until_drawn

pytestmark = pytest.mark.gl
KEY = Qt.Key


@pytest.fixture
def opened(parts: Parts, project: Path, tmp_path: Path, qtbot: QtBot) -> Parts:
    open_start(parts.desktop, WindowStart(project=project, feature=4))
    parts.dialogs.file = tmp_path / "cells.csv"
    parts.window.menus.requested("import_cells").emit()
    wait_until(lambda: "imported" in parts.window.notice.text, qtbot)
    return parts


def entry(parts: Parts, words: str):  # type: ignore[no-untyped-def]
    return next(action for action in parts.window.menus.cell_types.menu.actions() if action.text() == words)


def test_a_type_can_be_hidden_in_both_views_and_stays_so(opened: Parts, project: Path) -> None:
    window = opened.window
    entries = [action.text() for action in window.menus.cell_types.menu.actions() if action.text()]
    assert entries == ["All types", "a (20)", "b (20)"]
    window.menus.requested("second_feature").emit()
    second = window.views.second.viewer
    entry(opened, "a (20)").setChecked(False)
    for viewer in (window.viewer, second):
        # Cells take turns: a, b, a, b.
        np.testing.assert_array_equal(viewer.layers[CELLS].shown, np.arange(40) % 2 == 1)
        density = viewer.layers[DENSITY].data
        seen = density[density[..., 3] > 0][:, :3].astype(int)
        blue = [int(CELL_COLOURS[1][i : i + 2], 16) for i in (1, 3, 5)]
        assert len(seen) and (np.abs(seen - blue) <= 1).all()
    assert "b 20" in window.legend.text and "a 20" not in window.legend.text
    assert "1 type hidden." in window.legend.text
    opened.controller.projects.open_project(project)
    assert not window.viewer.layers[CELLS].shown[0] and not entry(opened, "a (20)").isChecked()
    entry(opened, "All types").trigger()
    assert window.viewer.layers[CELLS].shown.all() and entry(opened, "a (20)").isChecked()
    assert "hidden" not in window.legend.text


def test_a_slide_without_cells_says_how_they_come(parts: Parts, project: Path) -> None:
    open_start(parts.desktop, WindowStart(project=project, feature=4))
    assert not parts.window.menus.cell_types.menu.isEnabled()
    parts.window.menus.action("cells").setChecked(True)
    assert "Cells > Import cells" in parts.window.notice.text


def test_regions_are_seen_in_the_second_view_too(opened: Parts) -> None:
    window, store = opened.window, opened.controller._context.session.store
    ring = [(100.0, 100.0), (100.0, 300.0), (300.0, 300.0), (300.0, 100.0)]
    window.menus.action("second").setChecked(True)
    second = window.views.second.viewer
    assert REGIONS not in second.layers
    from shapely import MultiPolygon, Polygon

    opened.controller.regions.add("polygon", MultiPolygon([Polygon(ring)]))
    assert len(store.regions.all(1)) == 1
    drawn, beside = (viewer.layers[REGIONS].data for viewer in (window.viewer, second))
    assert len(drawn) == len(beside) > 0
    np.testing.assert_array_equal(drawn[0], beside[0])
    window.menus.action("regions").setChecked(False)
    assert not second.layers[REGIONS].visible
    opened.controller.undo.undo()
    assert REGIONS not in second.layers
    window.menus.action("second").setChecked(False)
    opened.controller.undo.redo()
    assert REGIONS in window.viewer.layers and REGIONS not in second.layers


def test_the_picture_of_the_view_names_regions_and_colours(
    opened: Parts, tmp_path: Path, qtbot: QtBot
) -> None:
    from shapely import MultiPolygon, Polygon

    window = opened.window
    window.menus.action("heatmap").setChecked(False)
    window.menus.action("cells").setChecked(False)
    ring = [(200.0, 200.0), (200.0, 500.0), (500.0, 500.0), (500.0, 200.0)]
    opened.controller.regions.add("polygon", MultiPolygon([Polygon(ring)]))
    window.fit()
    wait_until_drawn(window.viewer.window._qt_viewer.canvas, qtbot)
    opened.dialogs.target = tmp_path / "bare.png"
    window.menus.requested("export_view").emit()
    region = opened.controller.regions.regions()[0]
    opened.controller.regions.rename(region.uid, "Follicle")
    opened.dialogs.target = tmp_path / "named.png"
    window.menus.requested("export_view").emit()
    bare, named = (pixels(tmp_path / name) for name in ("bare.png", "named.png"))
    rows, cols = np.nonzero((np.abs(bare - named) > 40).any(axis=2))
    box = opened.controller.regions.names.boxes()[region.uid]
    ratio = bare.shape[1] / opened.controller.regions.names.width()
    assert len(rows) and rows.min() >= ratio * box.top() - 2 and cols.max() <= ratio * box.right() + 2
    for feature in (4, 5):
        opened.controller.select_feature(feature)
        QTest.keyClick(window.features.view, KEY.Key_C)
    window.menus.action("heatmap").setChecked(True)
    opened.dialogs.target = tmp_path / "together.png"
    window.menus.requested("export_view").emit()
    foot = pixels(tmp_path / "together.png")[bare.shape[0] - 64 :]
    for _, colour in window.legend.together:
        want = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)])
        assert int((np.abs(foot - want) <= 2).all(axis=2).sum()) >= 80, colour


def pixels(path: Path) -> np.ndarray:
    image = QImage(str(path)).convertToFormat(QImage.Format.Format_RGB888)
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine())
    return rows[:, : 3 * image.width()].reshape(image.height(), image.width(), 3).astype(int)
