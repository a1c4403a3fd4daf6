"""Keys sent to the window's parts: napari's dangerous ones do nothing, ours act."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot

from desktop_app.app import Desktop, WindowStart, build_window, open_start
from desktop_app.canvas.slide_layers import CELLS, HEATMAP, SLIDE, TILE, TOGETHER
from desktop_app.store import Store
from sae_backend.cells.counts import CellImport, CellTable
from sae_backend.slides.slide import Slide
from tests.app.fixtures.fakes import FakeBackend, FakeDialogs, add_analysis, write_slide
from tests.app.fixtures.window_life import make_way, shut

pytestmark = pytest.mark.gl

KEY, NO, CTRL, SHIFT = (
    Qt.Key,
    Qt.KeyboardModifier.NoModifier,
    Qt.KeyboardModifier.ControlModifier,
    Qt.KeyboardModifier.ShiftModifier,
)
DANGEROUS = [
    *((key, NO) for key in (KEY.Key_1, KEY.Key_2, KEY.Key_3, KEY.Key_4, KEY.Key_5)),
    *((key, NO) for key in (KEY.Key_P, KEY.Key_S, KEY.Key_X, KEY.Key_I, KEY.Key_D, KEY.Key_C)),
    *((key, NO) for key in (KEY.Key_Delete, KEY.Key_Backspace)),
    *((key, CTRL) for key in (KEY.Key_Y, KEY.Key_E, KEY.Key_T, KEY.Key_G, KEY.Key_A, KEY.Key_V)),
    *((key, CTRL) for key in (KEY.Key_Delete, KEY.Key_Backspace)),
    (KEY.Key_A, SHIFT),
]


@pytest.fixture
def desktop(qtbot: QtBot, tmp_path: Path) -> Iterator[Desktop]:
    folder = tmp_path / "project"
    rng = np.random.default_rng(0)
    table = CellTable(rng.random(100) * 700, rng.random(100) * 900, np.zeros(100, np.uint16), ("tumour",))
    with Store.create(folder) as store, Slide.open(write_slide(tmp_path / "field.tif"), 0.5) as slide:
        record = store.slides.add(slide.info)
        add_analysis(store, record.id, slide)
        store.cells.add(record.id, CellImport(table, "cells.csv", "0" * 64, "test", ()))
    make_way()
    built = build_window(FakeBackend(), FakeDialogs())
    built.window.show()
    open_start(built, WindowStart(project=folder, feature=4))
    built.window.slide_clicked.emit(30.0, 30.0)
    yield built
    shut(built.window)


def targets(desktop: Desktop) -> list[QWidget]:
    canvas = desktop.window.viewer.window._qt_viewer.canvas.native
    return [canvas, desktop.window.qt_window, desktop.window.slides.list, desktop.window.docks["Feature"]]


@pytest.mark.parametrize("name", [SLIDE, HEATMAP, CELLS, TILE])
def test_no_key_of_naparis_harms_anything(desktop: Desktop, name: str) -> None:
    viewer = desktop.window.viewer
    affines = {layer.name: np.asarray(layer.affine).copy() for layer in viewer.layers}
    names = [layer.name for layer in viewer.layers]
    for target in targets(desktop):
        for key, modifier in DANGEROUS:
            viewer.layers.selection = {viewer.layers[name]}
            viewer.layers[CELLS].selected_data = set(range(10))
            QTest.keyClick(target, key, modifier)
            assert len(viewer.layers[CELLS].data) == 100, (key, modifier)
            # C shows the feature in a colour of its own, which is a layer that comes and goes.
            shown = [layer.name for layer in viewer.layers if layer.name != TOGETHER]
            assert shown == names, (key, modifier)
            assert viewer.dims.ndisplay == 2, (key, modifier)
            assert viewer.dims.order == (0, 1), (key, modifier)
            assert not viewer.canvas.grid.enabled, (key, modifier)
            for layer in viewer.layers:
                assert str(layer.mode) == "pan_zoom", (key, modifier)
                if layer.name != TOGETHER:
                    np.testing.assert_array_equal(np.asarray(layer.affine), affines[layer.name])


def test_our_keys_act_from_canvas_window_and_table(desktop: Desktop) -> None:
    window = desktop.window
    canvas = window.viewer.window._qt_viewer.canvas.native
    for target in (canvas, window.qt_window, window.features.view):
        before = window.features.selected()
        QTest.keyClick(target, KEY.Key_J)
        assert window.features.selected() != before
        QTest.keyClick(target, KEY.Key_K)
        assert window.features.selected() == before
        QTest.keyClick(target, KEY.Key_H)
        assert not window.viewer.layers[HEATMAP].visible
        QTest.keyClick(target, KEY.Key_H)
        assert window.viewer.layers[HEATMAP].visible
    assert not window.viewer.layers[CELLS].visible
    QTest.keyClick(canvas, KEY.Key_A)
    assert window.viewer.layers[CELLS].visible
    QTest.keyClick(canvas, KEY.Key_A)
    assert not window.viewer.layers[CELLS].visible


def test_signs_act_with_shift_or_without(desktop: Desktop) -> None:
    dialogs = desktop.controller._context.dialogs
    canvas = desktop.window.viewer.window._qt_viewer.canvas.native
    for key, modifier in ((KEY.Key_Question, SHIFT), (KEY.Key_Question, NO)):
        before = len(dialogs.asked)
        QTest.keyClick(canvas, key, modifier)
        assert len(dialogs.asked) == before + 1


def test_letters_typed_into_a_field_stay_letters(desktop: Desktop) -> None:
    window = desktop.window
    before = window.features.selected()
    QTest.keyClicks(window.annotation.name, "haj1")
    assert window.annotation.name.text() == "haj1"
    assert window.features.selected() == before
    assert window.viewer.layers[HEATMAP].visible
