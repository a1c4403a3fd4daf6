"""Regions in the window: real mouse and keys on the canvas, what is kept, undone, exported and imported."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QMouseEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLineEdit, QWidget
from pytestqt.qtbot import QtBot

from desktop_app.app import WindowStart, open_start
from desktop_app.canvas.layer_names import DRAWING, REGIONS, TILE
from desktop_app.canvas.rotation import Turn
from desktop_app.store import Store
from desktop_app.store.records.records import RegionRecord
from sae_backend.slides.regions import area_l0, box_l0
from tests.app.conftest import MPP, Parts
from tests.app.controller.shell.test_keys import DANGEROUS
from tests.app.fixtures.fakes import SAE_DIGEST, write_slide
from tests.waiting import wait_until, wait_until_drawn

pytestmark = pytest.mark.gl
KEY, NO, ALT = Qt.Key, Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.AltModifier
LEFT, MIDDLE = Qt.MouseButton.LeftButton, Qt.MouseButton.MiddleButton
SLIDE_ID = 1


@pytest.fixture
def opened(parts: Parts, project: Path, qtbot: QtBot) -> Parts:
    open_start(parts.desktop, WindowStart(project=project, feature=4))
    wait_until_drawn(parts.window.viewer.window._qt_viewer.canvas, qtbot)
    return parts


def canvas(parts: Parts) -> QWidget:
    return parts.window.viewer.window._qt_viewer.canvas.native


def at(parts: Parts, y_l0: float, x_l0: float) -> QPoint:
    """The px of the canvas that shows a place of the slide."""
    y0, x0, _, _ = parts.window.field_um()
    um = parts.window.um_per_px
    return QPoint(round(((x_l0 - 0.5) * MPP - x0) / um), round(((y_l0 - 0.5) * MPP - y0) / um))


def px_l0(parts: Parts) -> float:
    return parts.window.um_per_px / MPP


def send(
    parts: Parts, kind: QEvent.Type, spot: QPoint, buttons: Qt.MouseButton, keys: Qt.KeyboardModifier = NO
) -> None:
    widget = canvas(parts)
    moving = kind == QEvent.Type.MouseMove
    button = Qt.MouseButton.NoButton if moving else buttons
    held = Qt.MouseButton.NoButton if kind == QEvent.Type.MouseButtonRelease else buttons
    place = QPointF(spot)
    event = QMouseEvent(kind, place, QPointF(widget.mapToGlobal(spot)), button, held, keys)
    QApplication.sendEvent(widget, event)
    # vispy takes a move every 10 ms.
    QTest.qWait(12)


def drag(
    parts: Parts,
    *way: tuple[float, float],
    keys: Qt.KeyboardModifier = NO,
    button: Qt.MouseButton = LEFT,
    release: bool = True,
) -> None:
    spots = [at(parts, *spot) for spot in way]
    send(parts, QEvent.Type.MouseButtonPress, spots[0], button, keys)
    for spot in spots[1:]:
        send(parts, QEvent.Type.MouseMove, spot, button, keys)
    if release:
        send(parts, QEvent.Type.MouseButtonRelease, spots[-1], button, keys)


def click(parts: Parts, y_l0: float, x_l0: float) -> None:
    drag(parts, (y_l0, x_l0))


def kept(project: Path, *, withdrawn: bool = False) -> list[RegionRecord]:
    with Store.open(project) as store:
        return store.regions.all(SLIDE_ID, withdrawn=withdrawn)


def trigger(parts: Parts, text: str) -> None:
    parts.window.menus.actions_by_text[text].trigger()


def test_a_rectangle_lies_where_it_was_drawn_and_is_there_again_later(
    opened: Parts, project: Path, other_parts: Parts
) -> None:
    window = opened.window
    window.zoom_to(0.2)
    window.look_at(175.0, 225.0)
    centre = window.viewer.scene.camera.center
    QTest.keyClick(canvas(opened), KEY.Key_R)
    assert window.regions.tools["rectangle"].isChecked() and not window.viewer.scene.camera.mouse_pan
    drag(opened, (300.0, 400.0), (330.0, 480.0), (420.0, 560.0))
    (region,) = kept(project)
    assert region.kind == "rectangle" and region.slide_id == SLIDE_ID
    y, x, height, width = box_l0(region.polygons_l0)
    # Within a px of the screen, which is 0.4 level-0 px here.
    assert (y, x, y + height, x + width) == pytest.approx((300, 400, 420, 560), abs=px_l0(opened))
    assert window.viewer.scene.camera.center == centre, "the left button moves nothing"
    assert TILE not in opened.layers and DRAWING in opened.layers
    QTest.keyClick(canvas(opened), KEY.Key_Escape)
    assert DRAWING not in opened.layers and window.viewer.scene.camera.mouse_pan
    click(opened, 350.0, 450.0)
    assert TILE in opened.layers, "without a tool a click picks a tile again"
    opened.controller.close()
    open_start(other_parts.desktop, WindowStart(project=project))
    panel = other_parts.window.regions
    assert [row.uid for row in panel.model.rows] == [region.uid]
    assert panel.model.rows[0].area == pytest.approx(height * width * MPP**2 * 1e-6)
    corners = other_parts.window.viewer.layers[REGIONS].data[0][:4]
    np.testing.assert_allclose(corners, (np.array(region.polygons_l0[0][0]) - 0.5) * MPP, atol=1e-3)


def test_a_polygon_is_clicked_and_closed_by_a_double_click_or_enter(opened: Parts, project: Path) -> None:
    window = opened.window
    zoom = window.viewer.scene.camera.zoom
    QTest.keyClick(window.features.view, KEY.Key_P)
    corners = [(100.0, 100.0), (100.0, 400.0), (300.0, 400.0), (300.0, 100.0)]
    for spot in corners:
        click(opened, *spot)
    send(opened, QEvent.Type.MouseButtonDblClick, at(opened, *corners[-1]), LEFT)
    send(opened, QEvent.Type.MouseButtonRelease, at(opened, *corners[-1]), LEFT)
    assert window.viewer.scene.camera.zoom == zoom, "napari does not zoom by a double click meanwhile"
    for spot in corners[:3]:
        click(opened, *spot)
    feature = window.features.selected()
    QTest.keyClick(window.qt_window, KEY.Key_Return)
    first, second = kept(project)
    np.testing.assert_allclose(first.polygons_l0[0][0], corners, atol=px_l0(opened))
    np.testing.assert_allclose(second.polygons_l0[0][0], corners[:3], atol=px_l0(opened))
    assert window.features.selected() == feature, "Enter belongs to the tool"
    for spot in corners[:2]:
        click(opened, *spot)
    QTest.keyClick(canvas(opened), KEY.Key_Escape)
    QTest.keyClick(canvas(opened), KEY.Key_Return)
    assert len(kept(project)) == 2 and window.regions.tools["polygon"].isChecked()
    QTest.keyClick(canvas(opened), KEY.Key_Escape)
    assert not window.regions.tools["polygon"].isChecked()


def test_the_brush_paints_grows_and_erases_and_every_step_is_undone(opened: Parts, project: Path) -> None:
    window = opened.window
    QTest.keyClick(canvas(opened), KEY.Key_W)
    radius = window.regions.radius_words.text()
    QTest.keyClick(canvas(opened), KEY.Key_Minus)
    assert window.regions.radius_words.text() != radius
    QTest.keyClick(canvas(opened), KEY.Key_Plus, Qt.KeyboardModifier.ShiftModifier)
    assert window.regions.radius_words.text() == radius == "Radius 50 µm"
    opened.controller.drawing.tools.set_radius(20.0)
    drag(opened, (200.0, 200.0), (200.0, 300.0), (200.0, 400.0))
    (first,) = kept(project)
    assert area_l0(first.polygons_l0) == pytest.approx(200 * 80 + np.pi * 40**2, rel=0.04)
    drag(opened, (200.0, 400.0), (300.0, 400.0))
    (grown,) = kept(project)
    assert grown.uid == first.uid and area_l0(grown.polygons_l0) > area_l0(first.polygons_l0) + 6000
    opened.controller.drawing.tools.set_radius(25.0)
    drag(opened, (200.0, 300.0), keys=ALT)
    (cut,) = kept(project)
    assert len(cut.polygons_l0) == 2, "the eraser is wider than the stroke, so it cuts it in two"
    drag(opened, (600.0, 700.0), (600.0, 800.0))
    assert kept(project)[0].uid == first.uid and len(kept(project)) == 2
    for expected in ([cut], [grown], [first], []):
        QTest.keyClick(canvas(opened), KEY.Key_Z, Qt.KeyboardModifier.ControlModifier)
        assert [r.polygons_l0 for r in kept(project)] == [r.polygons_l0 for r in expected]
    for _ in range(4):
        trigger(opened, "Redo")
    assert kept(project)[0].polygons_l0 == cut.polygons_l0 and len(kept(project)) == 2
    assert len(window.regions.model.rows) == 2
    window.regions.choose("")
    drag(opened, (600.0, 700.0), keys=ALT)
    assert "Select the region" in window.notice.text and len(kept(project)) == 2


def test_regions_are_named_flown_to_and_deleted(opened: Parts, project: Path, qtbot: QtBot) -> None:
    window, panel = opened.window, opened.window.regions
    trigger(opened, "Draw a rectangle")
    drag(opened, (100.0, 100.0), (200.0, 300.0))
    drag(opened, (400.0, 500.0), (600.0, 800.0))
    trigger(opened, "Stop drawing")
    first = panel.model.index(0, 0)
    assert first.data() == "Rectangle without a name"
    panel.table.edit(first)
    editor = panel.table.findChild(QLineEdit)
    assert editor is not None
    QTest.keyClicks(editor, "rw")
    QTest.keyClick(editor, KEY.Key_Return)
    wait_until(lambda: kept(project)[0].name == "rw", qtbot)
    assert [region.name for region in kept(project)] == ["rw", ""], "letters typed into a name draw nothing"
    assert panel.model.index(0, 0).data() == "rw"
    trigger(opened, "Undo")
    assert kept(project)[0].name == ""
    trigger(opened, "Redo")
    spot = panel.table.visualRect(panel.model.index(1, 0)).center()
    QTest.mouseClick(panel.table.viewport(), LEFT, pos=spot)
    y, x = window.viewer.scene.camera.center[-2:]
    assert (y, x) == pytest.approx((250, 325), abs=1)
    QTest.keyClick(panel.table, KEY.Key_Delete)
    assert [region.name for region in kept(project)] == ["rw"]
    assert len(kept(project, withdrawn=True)) == 2
    trigger(opened, "Undo")
    assert len(kept(project)) == 2 and len(panel.model.rows) == 2


def test_a_region_drawn_while_asking_what_fires_is_answered_at_once(opened: Parts, project: Path) -> None:
    window = opened.window
    window.zoom_to(0.4)
    window.look_at(175.0, 225.0)
    window.show_panel("Fires here")
    QTest.keyClick(canvas(opened), KEY.Key_R)
    assert window.fires_here.isVisible() and "are listed when you finish" in window.notice.text
    # The middles of four tiles, 100 px apart, lie inside.
    drag(opened, (120.0, 120.0), (200.0, 200.0), (280.0, 280.0))
    assert len(kept(project)) == 1
    assert "4 tiles" in window.fires_here.title.text()
    drag(opened, (320.0, 320.0), (350.0, 350.0), (380.0, 380.0))
    assert "1 tile" in window.fires_here.title.text()
    window.show_panel("Regions")
    drag(opened, (420.0, 120.0), (450.0, 250.0), (580.0, 280.0))
    assert len(kept(project)) == 3 and window.regions.isVisible()


def test_what_fires_in_a_region_is_averaged_over_its_tiles(opened: Parts, project: Path) -> None:
    panel = opened.window.fires_here
    features = opened.controller._context.session.features
    trigger(opened, "Draw a rectangle")
    # Tiles of 100 px: two by three have their middle inside.
    drag(opened, (20.0, 30.0), (210.0, 310.0))
    trigger(opened, "Features in the region")
    grid = features.grid
    inside = [i for i in range(grid.n_tiles) if grid.rows[i] < 2 and grid.cols[i] < 3]
    mean = features.csc().toarray()[inside].mean(axis=0)
    assert "6 tiles" in panel.title.text() and "middle lies inside" in panel.title.text()
    assert panel.rows() == [int(i) for i in np.argsort(-mean, kind="stable") if mean[i] > 0]
    top = int(np.argmax(mean))
    assert float(panel.sorted.index(0, 1).data(Qt.ItemDataRole.UserRole)) == pytest.approx(mean[top])
    panel.feature_requested.emit(top)
    trigger(opened, "Mark region as example")
    (region,) = kept(project)
    with Store.open(project) as store:
        (example,) = store.examples.all(SAE_DIGEST, top)
    assert example.region_uid == region.uid
    assert (example.y_l0, example.x_l0, example.height_l0, example.width_l0) == box_l0(region.polygons_l0)
    drag(opened, (601.0, 820.0), (640.0, 880.0))
    trigger(opened, "Features in the region")
    assert "No tile has its middle" in panel.pages.sentence


def test_export_has_true_coordinates_and_comes_back_once(
    opened: Parts, project: Path, tmp_path: Path
) -> None:
    window, path = opened.window, tmp_path / "out.geojson"
    opened.dialogs.target = opened.dialogs.file = path
    trigger(opened, "Export regions…")
    assert "no regions to export" in window.notice.text and not path.exists()
    trigger(opened, "Draw a rectangle")
    drag(opened, (100.0, 150.0), (300.0, 450.0))
    (region,) = kept(project)
    trigger(opened, "Export regions…")
    (feature,) = json.loads(path.read_text())["features"]
    ring = np.array(feature["geometry"]["coordinates"][0])
    np.testing.assert_allclose(ring[:-1, ::-1], region.polygons_l0[0][0], atol=1e-6)
    assert feature["id"].replace("-", "") == region.uid
    trigger(opened, "Import regions…")
    assert "0 regions added" in window.notice.text and "1 already there" in window.notice.text
    feature["geometry"]["coordinates"][0] = (ring + 5).tolist()
    other = {**feature, "id": "00000000-0000-0000-0000-00000000000a"}
    off = {**feature, "id": "00000000-0000-0000-0000-00000000000b"}
    off = {**off, "geometry": {"type": "Polygon", "coordinates": [(ring + 5000).tolist()]}}
    path.write_text(json.dumps([feature, other, off]))
    trigger(opened, "Import regions…")
    assert "1 region added" in window.notice.text and "1 differ" in window.notice.text
    assert "1 lie outside" in window.notice.text
    assert [r.uid for r in kept(project)] == [region.uid, "0" * 31 + "a"]
    assert kept(project)[0] == region
    trigger(opened, "Undo")
    assert kept(project) == [region]
    path.write_text(json.dumps([off]))
    trigger(opened, "Import regions…")
    assert "lie outside this slide" in window.notice.text and kept(project) == [region]


def test_lines_stay_thin_and_names_stay_above_them(opened: Parts) -> None:
    window, regions = opened.window, opened.controller.regions
    trigger(opened, "Draw a rectangle")
    drag(opened, (300.0, 300.0), (500.0, 500.0))
    trigger(opened, "Stop drawing")
    window.menus.action("heatmap").setChecked(False)
    uid = window.regions.chosen
    regions.rename(uid, "nest")
    window.regions.choose("")
    # From near the left edge alone is in view, from far both; turned by a quarter, upper and lower edge are.
    for um_per_px, degrees, edges in ((0.8, 0, 2), (0.1, 0, 1), (0.8, 90, 2)):
        window.zoom_to(um_per_px)
        window.look_at(199.75, 149.75 if edges == 1 else 199.75)
        window.set_turn(Turn(degrees, (199.75, 199.75)))
        middle = canvas(opened).height() // 2
        row = window.viewer.screenshot(canvas_only=True, flash=False)[middle].astype(int)
        yellow = (row[:, 0] > 200) & (row[:, 1] > 170) & (row[:, 2] < 90)
        assert edges <= yellow.sum() <= 3 * edges, (um_per_px, degrees)
        if um_per_px > 0.5:
            box, edge = regions.names.boxes()[uid], 200 * MPP / um_per_px
            assert box.bottom() == pytest.approx(middle - edge / 2 - 5, abs=3), degrees
    window.menus.action("regions").setChecked(False)
    assert not regions.names.isVisible() and not window.viewer.layers[REGIONS].visible


def test_without_a_project_one_is_asked_for_first(parts: Parts, tmp_path: Path, qtbot: QtBot) -> None:
    trigger(parts, "Draw a polygon")
    assert "Open a slide first" in parts.window.notice.text
    open_start(parts.desktop, WindowStart(slide=write_slide(tmp_path / "field.tif"), mpp=MPP))
    trigger(parts, "Draw a rectangle")
    assert "Regions need a project" in parts.window.notice.text
    assert parts.controller.drawing.tools.kind is None
    parts.dialogs.directory = tmp_path / "new"
    trigger(parts, "Draw a rectangle")
    wait_until_drawn(parts.window.viewer.window._qt_viewer.canvas, qtbot)
    drag(parts, (100.0, 150.0), (300.0, 450.0))
    assert len(kept(tmp_path / "new")) == 1


def test_another_slide_puts_the_tool_down_and_undo_goes_back_to_its_slide(
    opened: Parts, project: Path, tmp_path: Path
) -> None:
    trigger(opened, "Draw a rectangle")
    drag(opened, (100.0, 150.0), (300.0, 450.0))
    opened.controller.projects.open_slide(write_slide(tmp_path / "other.tif", 500, 600), MPP)
    assert opened.controller.drawing.tools.kind is None and REGIONS not in opened.layers
    assert opened.window.regions.model.rows == []
    trigger(opened, "Undo")
    assert opened.controller._context.session.slide_record.id == SLIDE_ID and kept(project) == []


def test_the_middle_button_and_space_move_the_slide_while_a_tool_is_in_use(
    opened: Parts, project: Path
) -> None:
    camera = opened.window.viewer.scene.camera
    QTest.keyClick(canvas(opened), KEY.Key_R)
    before = camera.center
    drag(opened, (300.0, 300.0), (400.0, 400.0), button=MIDDLE)
    moved = np.subtract(before, camera.center)[-2:]
    np.testing.assert_allclose(moved, (100 * MPP, 100 * MPP), atol=2 * opened.window.um_per_px)
    before = camera.center
    QTest.keyPress(canvas(opened), KEY.Key_Space)
    drag(opened, (300.0, 300.0), (350.0, 350.0), (400.0, 400.0))
    QTest.keyRelease(canvas(opened), KEY.Key_Space)
    assert camera.center != before and kept(project) == []
    drag(opened, (300.0, 300.0), (400.0, 400.0))
    assert len(kept(project)) == 1


def test_naparis_dangerous_keys_change_no_region(opened: Parts, project: Path, qtbot: QtBot) -> None:
    window = opened.window
    trigger(opened, "Draw a rectangle")
    drag(opened, (100.0, 150.0), (300.0, 450.0))
    trigger(opened, "Stop drawing")
    viewer, before = window.viewer, kept(project)
    shapes = [np.array(shape) for shape in viewer.layers[REGIONS].data]
    targets = [canvas(opened), window.qt_window, window.slides.list, window.docks["Feature"]]
    for target in targets:
        for key, modifier in DANGEROUS:
            viewer.layers.selection = {viewer.layers[REGIONS]}
            viewer.layers[REGIONS].selected_data = {0, 1}
            QTest.keyClick(target, key, modifier)
            QTest.keyClick(target, KEY.Key_Escape)
            assert REGIONS in opened.layers, (key, modifier)
            layer = viewer.layers[REGIONS]
            assert str(layer.mode) == "pan_zoom" and viewer.dims.ndisplay == 2, (key, modifier)
            assert len(layer.data) == len(shapes), (key, modifier)
            for shape, same in zip(layer.data, shapes, strict=True):
                np.testing.assert_array_equal(shape, same)
    assert kept(project) == before
