"""The turned window: what is under the pointer, in the middle and in the overview stays what it is on the slide."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPoint, Qt
from PySide6.QtGui import QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from desktop_app.app import WindowStart, open_start
from desktop_app.canvas.layer_names import TILE_GRID
from desktop_app.canvas.slide_layers import SLIDE, TILE, tile_corners_um
from sae_backend.slides.slide import Slide
from tests.app.conftest import MPP, Parts
from tests.app.fixtures.fakes import write_slide
from tests.app.fixtures.pointer import move_over
from tests.waiting import wait_until, wait_until_drawn

pytestmark = pytest.mark.gl


@pytest.fixture
def opened(parts: Parts, project: Path) -> Parts:
    open_start(parts.desktop, WindowStart(project=project, feature=4))
    return parts


def native(parts: Parts):  # type: ignore[no-untyped-def]
    return parts.window.viewer.window._qt_viewer.canvas.native


def displayed_px(parts: Parts, y_um: float, x_um: float) -> QPoint:
    """Where on the canvas a point of the slide is drawn."""
    window = parts.window
    y, x = window.turned.turn.forward(y_um, x_um)
    camera, (height, width) = window.viewer.scene.camera, window.viewer.canvas.size
    return QPoint(
        round(width / 2 + (x - camera.center[-1]) * camera.zoom),
        round(height / 2 + (y - camera.center[-2]) * camera.zoom),
    )


def shown_colour(parts: Parts, at: QPoint) -> np.ndarray:
    shot = parts.window.viewer.window._qt_viewer.canvas.screenshot()
    ratio = shot.devicePixelRatio()
    colour = shot.pixelColor(round(at.x() * ratio), round(at.y() * ratio))
    return np.array([colour.red(), colour.green(), colour.blue()])


@pytest.mark.parametrize("angle", [0.0, 30.0, 90.0, 180.0])
def test_a_click_picks_the_tile_that_is_drawn_there(opened: Parts, qtbot: QtBot, angle: float) -> None:
    window, session = opened.window, opened.controller._context.session
    window.menus.action("heatmap").setChecked(False)
    opened.controller.turn.turn_to(angle)
    window.zoom_to(0.4)
    window.look_at(120.0, 160.0)
    wait_until_drawn(window.viewer.window._qt_viewer.canvas, qtbot)
    for tile in (10, 11, 18):
        y, x = tile_corners_um(session.features.grid, tile).mean(axis=0)
        at = displayed_px(opened, float(y), float(x))
        # The pixel at (row, column) is (row mod 256, column mod 256, 200): the picture itself says what is there.
        row, col = y / MPP, x / MPP
        np.testing.assert_allclose(shown_colour(opened, at), (row % 256, col % 256, 200), atol=6)
        move_over(native(opened), at)
        QTest.mouseClick(native(opened), Qt.MouseButton.LeftButton, pos=at)
        assert session.tile == tile
    wait_until(lambda: "µm" in window.status.cursor_at.text(), qtbot)
    said = [float(part.split()[1].replace(",", "")) for part in window.status.cursor_at.text().split(", ")]
    assert said == pytest.approx((x, y), abs=1.0)


def test_the_same_tissue_stays_in_the_middle_and_is_found_again(opened: Parts) -> None:
    window, status = opened.window, opened.window.status
    window.zoom_to(0.3)
    window.look_at(100.0, 300.0)
    for degrees in (30.0, 90.0, -45.0):
        opened.controller.turn.turn_by(degrees)
        middle = window.field_corners_um().mean(axis=0)
        np.testing.assert_allclose(middle, (100.0, 300.0), atol=1e-6)
        assert window.um_per_px == pytest.approx(0.3), "the scale bar means the same"
    status.place.setText("210, 150")
    status.place_requested.emit("210, 150")
    np.testing.assert_allclose(window.field_corners_um().mean(axis=0), (150.0, 210.0), atol=1e-6)
    assert window.turn_mark.isVisible() and "75° clockwise" in window.turn_mark.text()
    window.turn_mark.click()
    assert window.turned.turn.is_upright and not window.turn_mark.isVisible()
    np.testing.assert_allclose(window.field_corners_um().mean(axis=0), (150.0, 210.0), atol=1e-6)


def test_the_overview_shows_the_turned_field_and_leads_there(opened: Parts, qtbot: QtBot) -> None:
    window = opened.window
    wait_until(lambda: window.overview.has_slide, qtbot)
    opened.controller.turn.turn_to(30.0)
    assert window.overview.sees_all, "the whole slide is fitted into the turned view too"
    window.zoom_to(0.1)
    window.look_at(175.0, 225.0)
    field = window.overview.field_polygon()
    corners = np.array([(p.y(), p.x()) for p in list(field)[:4]])
    sides = np.diff(np.vstack([corners, corners[:1]]), axis=0)
    slopes = np.degrees(np.arctan2(np.abs(sides[:, 0]), np.abs(sides[:, 1])))
    assert sorted(round(s) for s in slopes) == [30, 30, 60, 60]
    centre = field.boundingRect().center()
    assert (centre.y(), centre.x()) == pytest.approx(
        (window.overview.height() / 2, window.overview.width() / 2), abs=1
    )
    at = QPoint(window.overview.width() // 4, window.overview.height() // 2)
    QTest.mouseClick(window.overview, Qt.MouseButton.LeftButton, pos=at)
    np.testing.assert_allclose(window.field_corners_um().mean(axis=0), (175, 450 / 4), atol=4)


def test_another_slide_lies_upright_and_a_typed_angle_turns_it(opened: Parts, tmp_path: Path) -> None:
    window = opened.window
    opened.controller.turn.turn_to(30.0)
    write_slide(tmp_path / "other.tif", 400, 1000)
    opened.controller.projects.open_slide(tmp_path / "other.tif", MPP)
    assert window.turned.turn.is_upright
    np.testing.assert_array_equal(np.asarray(window.viewer.layers[SLIDE].affine), np.eye(3))
    y0, x0, y1, x1 = window.field_um()
    assert y0 <= 0 and x0 <= 0 and y1 >= 200 and x1 >= 500
    opened.dialogs.words = "-30°"
    window.menus.requested("angle").emit()
    assert window.turned.turn.angle_deg == 330.0
    # About the middle of this slide, not of the one before.
    assert window.turned.turn.centre_um == pytest.approx((399 / 2 * MPP, 999 / 2 * MPP))
    opened.dialogs.words = "north"
    window.menus.requested("angle").emit()
    assert window.turned.turn.angle_deg == 330.0 and "no angle" in window.notice.text


def test_the_tile_grid_is_drawn_where_single_tiles_can_be_seen(
    opened: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("desktop_app.canvas.tile_grid_layer.MAX_SEEN_TILES", 20)
    window = opened.window
    window.fit()
    QTest.keyClick(native(opened), Qt.Key.Key_G, Qt.KeyboardModifier.ShiftModifier)
    assert window.menus.action("tile_grid").isChecked()
    assert not window.viewer.layers[TILE_GRID].visible and "Zoom in to see single tiles" in window.notice.text
    window.say("")
    window.zoom_to(0.1)
    window.look_at(100.0, 100.0)
    layer = window.viewer.layers[TILE_GRID]
    assert layer.visible and layer.edge_width == pytest.approx(0.2, rel=0.15)
    window.fit()
    assert not layer.visible and window.notice.text == "", "it is said once"
    window.menus.action("tile_grid").setChecked(False)
    assert TILE_GRID not in opened.layers


def test_a_turn_without_a_slide_does_nothing(parts: Parts) -> None:
    parts.controller.turn.turn_by(90.0)
    assert parts.window.turned.turn.is_upright
    with pytest.raises(IndexError):
        _ = parts.window.viewer.layers[0]


def test_the_middle_of_the_slide_stays_where_it_is(opened: Parts, tmp_path: Path) -> None:
    with Slide.open(tmp_path / "field.tif", MPP) as slide:
        middle = ((slide.info.height_px - 1) / 2 * MPP, (slide.info.width_px - 1) / 2 * MPP)
    opened.controller.turn.turn_to(77.0)
    assert opened.window.turned.turn.forward(*middle) == pytest.approx(middle)


def canvas_rgb(parts: Parts) -> np.ndarray:
    QApplication.processEvents()
    shot = parts.window.viewer.window._qt_viewer.canvas.screenshot().convertToFormat(
        QImage.Format.Format_RGB888
    )
    rows = np.frombuffer(shot.constBits(), np.uint8).reshape(shot.height(), shot.bytesPerLine())
    return rows[:, : 3 * shot.width()].reshape(shot.height(), shot.width(), 3).astype(int)


@pytest.mark.parametrize("what", [TILE, TILE_GRID])
def test_lines_are_as_wide_on_the_screen_after_a_zoom_as_when_drawn_there(opened: Parts, what: str) -> None:
    window, session = opened.window, opened.controller._context.session
    window.menus.action("heatmap").setChecked(False)

    def draw(on: bool) -> np.ndarray:
        session.set_tile(0 if on and what == TILE else -1)
        window.menus.action("tile_grid").setChecked(on and what == TILE_GRID)
        return canvas_rgb(opened)

    for first, then in ((2.0, 0.1), (0.1, 2.0)):
        window.zoom_to(first)
        window.look_at(25.0, 25.0)
        draw(True)
        window.zoom_to(then)
        zoomed, bare, right = canvas_rgb(opened), draw(False), draw(True)
        drawn_now, drawn_then = (
            int((np.abs(shot - bare).max(axis=2) > 20).sum()) for shot in (right, zoomed)
        )
        assert drawn_now > 50 and drawn_then == pytest.approx(drawn_now, rel=0.1)


@pytest.mark.parametrize("angle", [0.0, 30.0])
def test_the_tile_under_the_pointer_is_outlined_until_the_pointer_leaves(opened: Parts, angle: float) -> None:
    window, session, outline = (
        opened.window,
        opened.controller._context.session,
        opened.controller.pointer.outline,
    )
    opened.controller.turn.turn_to(angle)
    window.zoom_to(0.4)
    window.look_at(120.0, 160.0)
    for tile in (11, 18):
        corners = tile_corners_um(session.features.grid, tile)
        window.cursor_moved.emit(*corners.mean(axis=0))
        seen = [displayed_px(opened, *corner) for corner in corners]
        box = outline.geometry()
        assert outline.isVisible()
        assert abs(box.left() + 3 - min(at.x() for at in seen)) <= 2
        assert abs(box.bottom() - 3 - max(at.y() for at in seen)) <= 2
    before = outline.geometry()
    window.zoom_to(0.2)
    assert outline.width() > 1.7 * before.width(), "it follows the camera"
    window.cursor_moved.emit(-50.0, -50.0)
    assert not outline.isVisible(), "there is no tile"
    window.cursor_moved.emit(*corners.mean(axis=0))
    QApplication.sendEvent(native(opened), QEvent(QEvent.Type.Leave))
    assert not outline.isVisible()
    window.cursor_moved.emit(*corners.mean(axis=0))
    window.zoom_to(20.0)
    assert not outline.isVisible(), "a tile of a few px would be hidden by its outline"
