"""Every key that napari or the window knows, pressed wherever the focus may be: only what the help says happens.

A key that is ours may change what its line in the help names, any other key nothing: not what is drawn, where the
view is, what the project holds, nor which windows are open.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLabel, QLineEdit, QPlainTextEdit
from pytestqt.qtbot import QtBot

from desktop_app.app import WindowStart, build_window, open_start
from desktop_app.canvas.layer_names import CELLS, DRAWING, REGIONS, TILE, TILE_GRID
from desktop_app.store import Store
from sae_backend.cells.counts import CellImport, CellTable
from sae_backend.slides.slide import Slide
from tests.app.conftest import MPP
from tests.app.fixtures.fakes import FakeBackend, FakeDialogs, add_analysis, write_slide
from tests.app.fixtures.key_bench import FITS, MAP, SLOW, Bench, keys_of_napari, known_keys, may_change, press
from tests.app.fixtures.window_life import make_way, shut
from tests.waiting import WAIT_MS, WAIT_S, wait_until_drawn

pytestmark = pytest.mark.gl

NL: Final = chr(10)
LEFT: Final = Qt.MouseButton.LeftButton
FEATURE: Final = 4
SQUARE: Final = ((((100.0, 100.0), (100.0, 300.0), (300.0, 300.0), (300.0, 100.0)),),)


@pytest.fixture
def start(tmp_path: Path) -> WindowStart:
    rng = np.random.default_rng(0)
    table = CellTable(rng.random(60) * 700, rng.random(60) * 900, np.zeros(60, np.uint16), ("tumour",))
    folder = tmp_path / "project"
    with (
        Store.create(folder, author="tester") as store,
        Slide.open(write_slide(tmp_path / "field.tif"), MPP) as slide,
    ):
        record = store.slides.add(slide.info)
        analysis = add_analysis(store, record.id, slide)
        store.cells.add(record.id, CellImport(table, "cells.csv", "0" * 64, "test", ()))
        store.regions.add(record.id, SQUARE, "polygon")
        store.annotations.set(str(analysis.sae_digest), FEATURE, name="glands")
    return WindowStart(project=folder, feature=FEATURE)


@pytest.fixture
def bench(qtbot: QtBot) -> Iterator[Bench]:
    make_way()
    dialogs = FakeDialogs()
    built = Bench(build_window(FakeBackend(), dialogs, live_backend=FakeBackend), dialogs)
    built.desktop.window.show()
    built.desktop.controller.start()
    # Only in the active window do keys go the way of menus and shortcuts too.
    with qtbot.waitActive(built.desktop.window.qt_window, timeout=WAIT_MS):
        built.desktop.window.qt_window.activateWindow()
    yield built
    shut(built.desktop.window)


@pytest.fixture
def full(bench: Bench, start: WindowStart, qtbot: QtBot) -> Bench:
    """Slide, map, cells, regions, tile grid and a picked tile, looked at from near."""
    window = bench.desktop.window
    open_start(bench.desktop, start)
    window.menus.action("cells").setChecked(True)
    window.menus.action("tile_grid").setChecked(True)
    bench.look()
    window.slide_clicked.emit(60.0, 60.0)
    wait_until_drawn(window.viewer.window._qt_viewer.canvas, qtbot)
    bench.desktop.controller.reading.finish(WAIT_S)
    shown = [layer.name for layer in window.viewer.layers]
    assert {REGIONS, CELLS, TILE, TILE_GRID} <= set(shown)
    return bench


def test_on_the_canvas_whichever_layer_is_active(full: Bench) -> None:
    viewer, canvas = full.desktop.window.viewer, full.canvas()
    full.press_all(canvas, "the canvas")
    for name in [layer.name for layer in viewer.layers]:
        before = full.state()
        for key in keys_of_napari():
            if name not in viewer.layers:
                break
            viewer.layers.selection = {viewer.layers[name]}
            if hasattr(viewer.layers[name], "selected_data"):
                viewer.layers[name].selected_data = {0}
            press(canvas, key)
            before = full.check(f"the canvas, {name} being active", key, before)
            full.tidy()
    assert not full.failures, NL.join(full.failures)


def test_on_the_second_canvas(full: Bench, qtbot: QtBot) -> None:
    window = full.desktop.window
    window.menus.requested("second_feature").emit()
    assert window.views.second is not None
    wait_until_drawn(window.views.second.qt_viewer.canvas, qtbot)
    full.press_all(full.canvas("second"), "the second view", leave_out=SLOW)
    assert not full.failures, NL.join(full.failures)


def test_while_a_polygon_is_half_drawn(full: Bench, qtbot: QtBot) -> None:
    window, canvas = full.desktop.window, full.canvas()
    press(canvas, "P")
    middle = QPoint(canvas.width() // 2, canvas.height() // 2)
    for corner in (QPoint(0, 0), QPoint(60, 0), QPoint(60, 60)):
        QTest.mouseClick(canvas, LEFT, pos=middle + corner)
        qtbot.wait(12)
    assert DRAWING in [layer.name for layer in window.viewer.layers]
    # What the tool itself does with these is told in test_window_regions.
    ours = frozenset(("Return", "Enter", "Backspace", "Esc", "P", "R", "W"))
    full.press_all(canvas, "the canvas while drawing", leave_out=ours | SLOW)
    before = full.state()
    press(canvas, "P")
    full.check("the canvas while drawing", "P", before)
    press(canvas, "Backspace")
    full.check("the canvas while drawing", "Backspace", before, (f"first {DRAWING}",))
    assert not full.failures, NL.join(full.failures)


def test_in_the_feature_table(full: Bench) -> None:
    """Keys that move within a list may choose another feature."""
    table = full.desktop.window.features.view
    moves = ("Up", "Down", "PgUp", "PgDown", "Home", "End")
    moving = frozenset(key for key in known_keys() if key.rpartition("+")[2] in moves)
    full.press_all(table, "the feature table", leave_out=moving | SLOW)
    for key in sorted(moving):
        before = full.state()
        press(table, key)
        full.check("the feature table", key, before, MAP)
    assert not full.failures, NL.join(full.failures)


def test_in_the_fields(full: Bench) -> None:
    """Letters and signs are typed, deleting deletes text, and nothing else happens."""
    window = full.desktop.window
    type_into(full, "search", window.features.search, every_key=True)
    window.features.search.clear()
    type_into(full, "name", window.annotation.name)
    type_into(full, "description", window.annotation.editors["description"], every_key=True)
    type_into(full, "comment", window.annotation.comment_tabs.words)
    assert not full.failures, NL.join(full.failures)


def type_into(
    bench: Bench, where: str, target: QLineEdit | QPlainTextEdit, *, every_key: bool = False
) -> None:
    def text() -> str:
        return (target.text() if isinstance(target, QLineEdit) else target.toPlainText()).upper()

    typed = "".join(key for key in known_keys() if len(key) == 1)
    assert len(typed) > 40
    target.setFocus()
    target.clear()
    before = bench.state()
    for letter in typed:
        press(target, letter)
    assert text() == typed, where
    bench.check(where, "typing", before)
    for key, left in (("Backspace", typed[:-1]), ("Ctrl+A", typed[:-1]), ("Del", "")):
        press(target, key)
        assert text() == left, (where, key)
    bench.check(where, "deleting", before)
    for key in ("F1", "Ctrl+S", "Ctrl+O"):
        asked = len(bench.dialogs.asked)
        press(target, key)
        # Once: the menu has the same key.
        assert len(bench.dialogs.asked) == asked + 1, (where, key)
    keys = known_keys() if every_key else ["Ctrl+Y", "Ctrl+T", "Ctrl+Del", "Ctrl+Backspace", "Alt+Shift+Up"]
    before = bench.state()
    for key in keys:
        if len(key) == 1 or key in SLOW or key in ("Return", "Enter"):
            continue
        target.setFocus()
        press(target, key)
        # What was typed may be saved meanwhile: the name of the feature is not among these fields' keys.
        bench.check(where, key, before, (*may_change(key), "annotations"))
        bench.tidy()
        before = bench.state()


def test_where_there_is_nothing_to_act_on(bench: Bench, tmp_path: Path, qtbot: QtBot) -> None:
    """Before anything is open, and with a slide that is in no project."""
    window = bench.desktop.window
    for where, target in (("the start page", window.qt_window), ("a slide alone", bench.canvas())):
        if where == "a slide alone":
            open_start(bench.desktop, WindowStart(slide=write_slide(tmp_path / "field.tif"), mpp=MPP))
            bench.look()
            wait_until_drawn(window.viewer.window._qt_viewer.canvas, qtbot)
        for key in known_keys():
            if key in SLOW:
                continue
            target.setFocus()
            before = bench.state()
            press(target, key)
            # A tool asks for a project first, and none is chosen.
            bench.check(where, key, before, (*may_change(key), "asked"))
            bench.tidy()
            if key in FITS:
                bench.look()
    assert not bench.failures, NL.join(bench.failures)


def test_alt_and_a_letter_of_the_form_open_no_menu(full: Bench) -> None:
    window = full.desktop.window
    menus = {letter_of(action.text()) for action in window.qt_window.menuBar().actions()}
    form = [letter_of(label.text()) for label in window.annotation.findChildren(QLabel) if label.buddy()]
    assert len(form) == len(set(form)) == 6 and not menus & set(form)


def letter_of(text: str) -> str:
    return text.partition("&")[2][:1].upper()
