"""The second view: what it shows, that both move together, and that no key harms it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from desktop_app.app import WindowStart, open_start
from desktop_app.canvas.slide_layers import HEATMAP, SLIDE, TILE, tile_corners_um
from desktop_app.store import Store
from desktop_app.widgets.slide.pointer_mark import PointerMark
from desktop_app.widgets.slide.second_view import SecondView
from sae_backend.slides.slide import Slide
from tests.app.conftest import MPP, Parts
from tests.app.controller.shell.test_keys import DANGEROUS
from tests.app.fixtures.fakes import add_analysis, write_slide
from tests.app.fixtures.pointer import move_over
from tests.waiting import wait_until, wait_until_drawn

pytestmark = pytest.mark.gl
KEY = Qt.Key


@pytest.fixture
def opened(parts: Parts, project: Path) -> Parts:
    open_start(parts.desktop, WindowStart(project=project, feature=4))
    return parts


def second_of(parts: Parts) -> SecondView:
    second = parts.window.views.second
    assert second is not None
    return second


def names(parts: Parts) -> list[str]:
    return [layer.name for layer in second_of(parts).viewer.layers]


def place(viewer: object) -> tuple[float, ...]:
    camera = viewer.scene.camera  # type: ignore[attr-defined]
    return (*camera.center, camera.zoom)


def test_d_opens_the_slide_alone_beside_the_map_and_closes_it(opened: Parts) -> None:
    window = opened.window
    assert window.views.second is None, "a second canvas is made when it is wanted"
    QTest.keyClick(window.features.view, KEY.Key_D)
    assert window.views.is_open and names(opened) == [SLIDE]
    assert window.views.header.isVisible() and window.views.header.text == "Feature 4"
    assert second_of(opened).header.text == "Slide"
    assert not second_of(opened).legend.isVisible()
    sizes = window.views.sizes()
    assert abs(sizes[0] - sizes[1]) < 5
    QTest.keyClick(second_of(opened).qt_viewer.canvas.native, KEY.Key_H)
    assert window.views.header.text == "Slide", "the map is hidden"
    QTest.keyClick(second_of(opened).qt_viewer.canvas.native, KEY.Key_D)
    assert not window.views.is_open and not window.views.header.isVisible()
    assert not window.menus.action("second").isChecked()
    assert names(opened) == []


def test_a_feature_stays_in_the_second_view_while_the_first_steps_on(opened: Parts) -> None:
    window = opened.window
    window.menus.requested("second_feature").emit()
    opened.controller.select_feature(5)
    second = second_of(opened)
    assert window.legend.text.startswith("Feature 5") and second.legend.text.startswith("Feature 4")
    assert (window.views.header.text, second.header.text) == ("Feature 5", "Feature 4")
    maps = [view.layers[HEATMAP] for view in (window.viewer, second.viewer)]
    assert not np.array_equal(maps[0].data, maps[1].data, equal_nan=True)
    # The colours are common, the ends of the bar those of each feature.
    for layer in maps:
        assert layer.contrast_limits[1] == pytest.approx(np.nanmax(layer.data))
    window.heatmap.high.setValue(0.3)
    assert maps[0].contrast_limits[1] == pytest.approx(0.3) and maps[1].contrast_limits[1] > 0.3
    window.heatmap.log.setChecked(True)
    assert second.legend.map is not None and second.legend.map.look.log
    window.heatmap.opacity_requested.emit(0.2)
    assert maps[1].opacity == pytest.approx(0.2)
    opened.controller.select_feature(4)
    window.annotation.name.setText("glands")
    window.annotation.flush()
    assert second.header.text == "Feature 4: glands"
    second.header.cross.click()
    assert not window.views.is_open


def test_both_move_together_drawn_or_not(opened: Parts, qtbot: QtBot) -> None:
    window = opened.window
    window.menus.action("second").setChecked(True)
    QApplication.processEvents()
    views = [window.viewer, second_of(opened).viewer]
    rng = np.random.default_rng(1)
    for step in range(200):
        leader = views[int(rng.integers(2))]
        if step % 3:
            leader.scene.camera.center = (0.0, *(float(v) for v in rng.random(2) * 400))
        else:
            leader.scene.camera.zoom = float(np.exp(rng.normal()))
        if step % 20 == 0:
            qtbot.wait(20)
        assert place(views[0]) == place(views[1])
    qtbot.wait(100)
    assert place(views[0]) == place(views[1])


def test_opening_and_filling_it_leaves_the_first_view_where_it_is(opened: Parts) -> None:
    window = opened.window
    window.zoom_to(0.3)
    window.look_at(120.0, 310.0)
    before = place(window.viewer)
    window.menus.action("second").setChecked(True)
    assert place(window.viewer) == before == place(second_of(opened).viewer)
    opened.controller.second_view.show_feature()
    window.menus.action("second").setChecked(False)
    window.menus.action("second").setChecked(True)
    QApplication.processEvents()
    assert place(window.viewer) == before == place(second_of(opened).viewer)


def test_far_out_on_a_slide_the_first_view_follows_every_px(opened: Parts, qtbot: QtBot) -> None:
    window = opened.window
    window.menus.action("second").setChecked(True)
    # At 50 mm napari itself takes over a drag from half a um on: two px here.
    window.zoom_to(0.25)
    window.look_at(50000.0, 50000.0)
    wait_until_drawn(second_of(opened).qt_viewer.canvas, qtbot)
    native = second_of(opened).qt_viewer.canvas.native
    middle = QPoint(native.width() // 2, native.height() // 2)
    QTest.mousePress(native, Qt.MouseButton.LeftButton, pos=middle)
    move_over(native, middle + QPoint(1, 0), Qt.MouseButton.LeftButton)
    wait_until(lambda: place(window.viewer)[2] == pytest.approx(49999.75, abs=1e-6), qtbot)
    QTest.mouseRelease(native, Qt.MouseButton.LeftButton, pos=middle + QPoint(1, 0))
    assert place(window.viewer) == place(second_of(opened).viewer)


def test_a_drag_in_the_second_view_moves_the_first(opened: Parts, qtbot: QtBot) -> None:
    window = opened.window
    window.menus.action("second").setChecked(True)
    window.zoom_to(0.25)
    window.look_at(150.0, 200.0)
    wait_until_drawn(second_of(opened).qt_viewer.canvas, qtbot)
    native = second_of(opened).qt_viewer.canvas.native
    middle = QPoint(native.width() // 2, native.height() // 2)
    QTest.mousePress(native, Qt.MouseButton.LeftButton, pos=middle)
    for shift in (5, 10, 15, 20):
        move_over(native, middle + QPoint(shift, 0), Qt.MouseButton.LeftButton)
        qtbot.wait(20)
    QTest.mouseRelease(native, Qt.MouseButton.LeftButton, pos=middle + QPoint(20, 0))
    wait_until(lambda: place(window.viewer)[2] < 196.5, qtbot)
    assert place(window.viewer) == place(second_of(opened).viewer)


def test_a_click_in_the_second_view_picks_the_tile_in_both(opened: Parts, qtbot: QtBot) -> None:
    window, session = opened.window, opened.controller._context.session
    window.menus.action("second").setChecked(True)
    grid = session.features.grid
    for angle in (0.0, 30.0):
        opened.controller.turn.turn_to(angle)
        y, x = tile_corners_um(grid, 10).mean(axis=0)
        window.zoom_to(0.5)
        window.look_at(float(y), float(x))
        wait_until_drawn(second_of(opened).qt_viewer.canvas, qtbot)
        session.set_tile(-1)
        native = second_of(opened).qt_viewer.canvas.native
        QTest.mouseClick(
            native, Qt.MouseButton.LeftButton, pos=QPoint(native.width() // 2, native.height() // 2)
        )
        assert session.tile == 10
        for view in (window.viewer, second_of(opened).viewer):
            np.testing.assert_allclose(view.layers[TILE].data[0], tile_corners_um(grid, 10))


def test_no_key_of_naparis_harms_the_second_view(opened: Parts) -> None:
    window = opened.window
    window.menus.requested("second_feature").emit()
    opened.window.slide_clicked.emit(30.0, 30.0)
    second = second_of(opened)
    before = names(opened)
    affines = {layer.name: np.asarray(layer.affine).copy() for layer in second.viewer.layers}
    assert before == [SLIDE, HEATMAP, TILE]
    for key, modifier in DANGEROUS:
        if key in (KEY.Key_D,):
            continue
        second.viewer.layers.selection = {second.viewer.layers[TILE]}
        QTest.keyClick(second.qt_viewer.canvas.native, key, modifier)
        assert names(opened) == before, (key, modifier)
        assert second.viewer.dims.ndisplay == 2 and not second.viewer.canvas.grid.enabled, (key, modifier)
        for layer in second.viewer.layers:
            assert str(layer.mode) == "pan_zoom", (key, modifier)
            np.testing.assert_array_equal(np.asarray(layer.affine), affines[layer.name])
    QTest.keyClick(second.qt_viewer.canvas.native, KEY.Key_J)
    assert opened.controller._context.session.feature != 4, "our keys act there"


def test_one_capped_cache_serves_both_views(opened: Parts) -> None:
    opened.window.menus.action("second").setChecked(True)
    first, second = opened.controller._context.layers, opened.controller.second_view._layers
    assert first.cache is not None and second.cache is first.cache
    window = opened.window
    assert window.viewer.layers[SLIDE].data._cache is second_of(opened).viewer.layers[SLIDE].data._cache


def test_another_slide_and_another_autoencoder_are_followed(
    opened: Parts, project: Path, tmp_path: Path
) -> None:
    session, window = opened.controller._context.session, opened.window
    window.menus.requested("second_feature").emit()
    assert names(opened) == [SLIDE, HEATMAP]
    store = session.store
    assert isinstance(store, Store)
    with Slide.open(write_slide(tmp_path / "other.tif", 600, 800), MPP) as other:
        record = store.slides.add(other.info)
        add_analysis(store, record.id, other)
        add_analysis(store, record.id, other, sae_digest="77" * 12)
    older = store.analyses.all(record.id)[0]
    before = place(window.viewer)
    opened.controller.projects.open_record(record.id)
    assert place(window.viewer) != before
    assert place(window.viewer) == place(second_of(opened).viewer)
    assert second_of(opened).viewer.layers[SLIDE].data.shape[:2] == (600, 800)
    shown = {session.features.sae_digest: names(opened)}
    opened.controller.features.choose_analysis(
        next(a.id for a in store.analyses.all(record.id) if a.sae_digest != session.features.sae_digest)
    )
    shown[session.features.sae_digest] = names(opened)
    # The pinned number means another thing in another autoencoder, so nothing is drawn for it there.
    assert shown[str(older.sae_digest)] == [SLIDE, HEATMAP] or "77" in str(older.sae_digest)
    assert sorted(shown.values()) == [[SLIDE], [SLIDE, HEATMAP]]
    session.set_slide(None, None)
    assert names(opened) == []
    window.menus.action("second").setChecked(False)
    window.menus.action("second").setChecked(True)
    assert not window.views.is_open and "Open a slide" in window.notice.text


def test_a_ring_marks_in_one_view_where_the_pointer_is_in_the_other(opened: Parts, qtbot: QtBot) -> None:
    window = opened.window
    window.menus.action("second").setChecked(True)
    opened.controller.turn.turn_to(30.0)
    window.zoom_to(0.5)
    window.look_at(150.0, 200.0)
    wait_until_drawn(second_of(opened).qt_viewer.canvas, qtbot)
    main = window.viewer.window._qt_viewer.canvas.native
    there = second_of(opened).qt_viewer.canvas.native
    rings = main.findChild(PointerMark), there.findChild(PointerMark)
    assert not rings[0].isVisible() and not rings[1].isVisible()
    at = QPoint(main.width() // 2 + 60, main.height() // 2 - 40)
    move_over(main, at)
    wait_until(rings[1].isVisible, qtbot)
    assert not rings[0].isVisible(), "there is a pointer already"
    offset = rings[1].geometry().center() - there.rect().center()
    assert (offset - QPoint(60, -40)).manhattanLength() <= 4
    window.zoom_to(0.25)
    offset = rings[1].geometry().center() - there.rect().center()
    assert (offset - QPoint(120, -80)).manhattanLength() <= 6, "it stays on the tissue"
    QApplication.sendEvent(main, QEvent(QEvent.Type.Leave))
    assert not rings[1].isVisible()
