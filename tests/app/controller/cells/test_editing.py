"""Nuclei detected, typed, learned from and changed by hand in the window; every change kept and undone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from desktop_app.app import WindowStart, build_window, open_start
from desktop_app.canvas.layer_names import OUTLINES
from desktop_app.canvas.slide_layers import CELLS
from desktop_app.project.analysis_jobs import add_slide
from desktop_app.store import CellImportRecord, Store
from sae_backend.cells.class_map import ClassMap
from sae_backend.cells.edits import BY_HAND
from sae_backend.cells.nuclei.detection import DETECTOR
from sae_backend.cells.nuclei.segmentation import DetectSpec
from tests.app.conftest import Parts
from tests.app.fixtures.fakes import FakeDialogs
from tests.app.fixtures.inline_backend import InlineBackend
from tests.app.fixtures.pointer import move_over
from tests.app.fixtures.window_life import make_way
from tests.waiting import wait_until, wait_until_drawn
from tests.worlds.nucleus_fields import nuclei_slide

pytestmark = pytest.mark.gl
KEY, LEFT, NONE, SHIFT = (
    Qt.Key,
    Qt.MouseButton.LeftButton,
    Qt.KeyboardModifier.NoModifier,
    Qt.KeyboardModifier.ShiftModifier,
)


class Desk(Parts):
    """A window whose worker works at once, with a slide of nuclei that were detected."""

    def __init__(self, folder: Path, qtbot: QtBot) -> None:
        make_way()
        self.qtbot, self.folder = qtbot, folder
        self.backend, self.dialogs = InlineBackend(), FakeDialogs(detect=DetectSpec())
        self.desktop = build_window(self.backend, self.dialogs)
        self.window, self.controller = self.desktop.window, self.desktop.controller
        self.window.show()
        self.controller.start()
        open_start(self.desktop, WindowStart(project=folder / "project", slide=folder / "nuclei.tiff"))
        self.changed: list[int] = []
        self.cells.changed.connect(self.changed.append)

    @property
    def store(self) -> Store:
        store = self.controller._context.session.store
        assert store is not None
        return store

    @property
    def cells(self):  # type: ignore[no-untyped-def]
        return self.controller.cells

    @property
    def editing(self):  # type: ignore[no-untyped-def]
        return self.controller.cell_editing

    @property
    def record(self) -> CellImportRecord:
        record = self.store.cells.current(1)
        assert record is not None
        return record

    @property
    def canvas(self):  # type: ignore[no-untyped-def]
        return self.window.viewer.window._qt_viewer.canvas.native

    def detect(self) -> None:
        self.window.menus.actions_by_text["Detect nuclei…"].trigger()
        self.wait_for("per mm²")
        wait_until(lambda: self.cells.shown.details is not None, self.qtbot)

    def wait_for(self, words: str) -> None:
        wait_until(lambda: words in self.window.notice.text, self.qtbot)

    def place_um(self, place: int) -> tuple[float, float]:
        table, mpp = self.cells.shown.table, self.cells.shown.mpp
        return (float(table.y_l0[place]) - 0.5) * mpp, (float(table.x_l0[place]) - 0.5) * mpp

    def look_at(self, place: int) -> None:
        self.window.zoom_to(0.2)
        self.window.look_at(*self.place_um(place))
        self.cells.follow()
        wait_until_drawn(self.window.viewer.window._qt_viewer.canvas, self.qtbot)

    def click_middle(self, modifiers: Qt.KeyboardModifier = NONE) -> None:
        middle = QPoint(self.canvas.width() // 2, self.canvas.height() // 2)
        move_over(self.canvas, middle)
        QTest.mouseClick(self.canvas, LEFT, modifiers, middle)

    def type_some(self, kind: str, places: list[int]) -> None:
        self.dialogs.words = kind
        self.editing.ask_type()
        for place in places:
            self.editing.click(*self.place_um(place))


@pytest.fixture
def desk(tmp_path: Path, qtbot: QtBot) -> Iterator[Desk]:
    nuclei_slide(tmp_path / "nuclei.tiff")
    with Store.create(tmp_path / "project", author="tester") as store:
        add_slide(store, tmp_path / "nuclei.tiff")
    built = Desk(tmp_path, qtbot)
    yield built
    built.let_go()


def test_nuclei_are_detected_outlined_and_told_under_the_pointer(desk: Desk) -> None:
    desk.editing.start("type")
    assert desk.editing.mode == "" and "There are no cells yet" in desk.window.notice.text
    desk.detect()
    assert desk.record.tool == DETECTOR and desk.changed == [1]
    n = desk.record.n_cells
    assert f"Nucleus {n}" in desk.window.legend.text and n > 50
    desk.look_at(0)
    viewer = desk.window.viewer
    assert OUTLINES in viewer.layers and not viewer.layers[CELLS].visible
    desk.window.cursor_moved.emit(*desk.place_um(0))
    assert desk.window.status.value.text().startswith("Nucleus, area ")
    assert "eccentricity" in desk.window.status.value.toolTip()
    desk.window.menus.action("cells").setChecked(False)
    assert not viewer.layers[OUTLINES].visible
    desk.window.menus.action("cells").setChecked(True)
    desk.window.zoom_to(3.0)
    desk.cells.follow()
    assert not viewer.layers[OUTLINES].visible
    # The same again keeps nothing twice.
    desk.window.say("")
    desk.detect()
    assert len(desk.store.cells.imports(1)) == 1


def test_cells_can_be_added_to_a_slide_that_has_none(desk: Desk) -> None:
    desk.window.zoom_to(0.2)
    desk.editing.start("edit")
    assert desk.editing.mode == "edit" and desk.record.n_cells == 0
    desk.dialogs.words = "Mitosis"
    for place in ((50.0, 60.0), (80.0, 90.0)):
        desk.editing.select(())
        desk.editing.click(*place)
    table = desk.store.cells.get(1)
    assert table.n_cells == 2 and table.type_names == ("Mitosis",)
    np.testing.assert_allclose(table.y_l0 * 0.5, [50.25, 80.25], atol=0.3)
    assert "Mitosis 2" in desk.window.legend.text and desk.record.tool == BY_HAND
    desk.controller.undo.undo()
    assert desk.store.cells.get(1).n_cells == 1


def test_typed_nuclei_train_a_model_whose_proposals_are_asked_for(desk: Desk) -> None:
    desk.detect()
    desk.look_at(0)
    desk.window.menus.actions_by_text["Label nuclei"].trigger()
    bar = desk.editing.bar
    assert bar.isVisible() and not bar.types and not bar.train.isEnabled()
    order = np.argsort(desk.cells.shown.table.x_l0).tolist()
    desk.type_some("Left", order[:10])
    assert "two types" in bar.hint.toolTip()
    desk.type_some("Right", order[-7:])
    assert "1 more Right" in bar.train.toolTip() and not bar.train.isEnabled()
    desk.window.menus.actions_by_text["Train classifier on labelled nuclei"].trigger()
    desk.wait_for("1 more Right")
    desk.type_some("Right", order[-8:-7])
    assert [button.text() for button in bar.types] == ["1 Left (10)", "2 Right (8)"] and bar.train.isEnabled()
    first = desk.record
    # Turned down: nothing is written.
    desk.dialogs.accepts_types = False
    bar.train.click()
    desk.wait_for("were not accepted")
    assert len(desk.store.cells.imports(1)) == 1
    desk.dialogs.accepts_types = True
    bar.train.click()
    desk.wait_for("Types were proposed")
    scores = desk.dialogs.scores
    assert [(entry.name, entry.n) for entry in scores.types] == [("Left", 10), ("Right", 8)]
    assert 0 <= scores.balanced_accuracy <= 1 and scores.baseline == 0.5
    assert sum(scores.proposed.values()) == first.n_cells
    new = desk.record
    assert (
        new.id != first.id
        and set(new.type_counts) == {"Left", "Right"}
        and "probability" in new.measure_names
    )
    assert "proposals" in new.notes[-1] and "The types are model predictions" in desk.window.legend.text
    # What was typed by hand holds for the proposals too.
    labels = desk.editing.labels
    assert [labels[number] for number in (order[0], order[-1])] == ["Left", "Right"] and len(labels) == 18
    desk.controller.cell_lists.show_imports()
    shown = desk.controller.cell_lists.imports
    assert [row.is_current for row in shown.model.rows] == [True, False]
    shown.choose(first.id)
    shown.button.click()
    assert desk.record.id == first.id and "The types are model predictions" not in desk.window.legend.text


def test_cells_are_selected_deleted_retyped_and_added_and_all_of_it_undone(desk: Desk) -> None:
    desk.detect()
    desk.look_at(3)
    desk.window.menus.actions_by_text["Edit cells"].trigger()
    n = desk.record.n_cells
    layers = [layer.name for layer in desk.window.viewer.layers]
    desk.click_middle()
    assert desk.editing.selected == {3}
    QTest.keyClick(desk.canvas, KEY.Key_Delete)
    assert desk.store.cells.get(1).n_cells == n - 1 and desk.cells.shown.place_of(3) == -1
    assert [layer.name for layer in desk.window.viewer.layers] == layers
    QTest.keyClick(desk.canvas, KEY.Key_Delete)
    assert desk.store.cells.get(1).n_cells == n - 1, "nothing is selected any more"
    desk.dialogs.words = "Odd"
    desk.editing.ask_type()
    desk.click_middle()
    table = desk.store.cells.get(1)
    assert table.n_cells == n and table.type_names == ("Nucleus", "Odd") and desk.editing.selected == {n}
    QTest.keyClick(desk.canvas, KEY.Key_1)
    assert desk.store.cells.get(1).type_names == ("Nucleus",)
    history = desk.store.cell_edits.all(desk.record.id)
    assert [edit.edit.kind for edit in history] == ["delete", "add", "retype"]
    for _ in history:
        desk.controller.undo.undo()
    assert desk.store.cells.get(1).n_cells == n and desk.cells.shown.place_of(3) == 3
    desk.controller.undo.redo()
    assert desk.store.cells.get(1).n_cells == n - 1
    desk.window.menus.actions_by_text["Cell edit history…"].trigger()
    shown = desk.controller.cell_lists.history
    assert [row.is_past for row in shown.model.rows] == [True, True, False]
    shown.choose(history[0].id)
    shown.button.click()
    assert desk.store.cells.get(1).n_cells == n and shown.model.rows[2].is_past
    assert all(slide == 1 for slide in desk.changed) and len(desk.changed) >= 9
    QTest.keyClick(desk.canvas, KEY.Key_Escape)
    assert desk.editing.mode == "" and not desk.editing.bar.isVisible()
    # Keys and clicks are as before.
    QTest.keyClick(desk.canvas, KEY.Key_Delete)
    desk.click_middle()
    assert desk.store.cells.get(1).n_cells == n and len(desk.store.cell_edits.all(desk.record.id)) == 3


def test_shift_selects_more_and_a_tool_of_the_regions_ends_the_mode(desk: Desk) -> None:
    desk.detect()
    desk.look_at(0)
    desk.editing.start("edit")
    desk.editing.click(*desk.place_um(0))
    desk.editing.click(*desk.place_um(1), True)
    assert desk.editing.selected == {0, 1} and "2 cells selected" in desk.editing.bar.hint.toolTip()
    desk.editing.click(*desk.place_um(0), True)
    assert desk.editing.selected == {1}
    desk.window.menus.cell_types.hide(frozenset({"Nucleus"}))
    desk.editing.click(*desk.place_um(2))
    assert desk.editing.selected == {1} and not desk.store.cell_edits.all(desk.record.id)
    desk.window.menus.cell_types.hide(frozenset())
    callbacks = desk.window.viewer.mouse_drag_callbacks
    desk.window.menus.requested("tool").emit("polygon")
    assert desk.editing.mode == "" and desk.controller.drawing.tools.kind == "polygon"
    desk.editing.start("type")
    assert desk.controller.drawing.tools.kind is None and desk.editing.mode == "type"
    desk.editing.stop()
    assert len(callbacks) == 1 or desk.editing.clicks._pressed not in callbacks
    desk.window.zoom_to(5.0)
    desk.editing.start("edit")
    desk.editing.click(*desk.place_um(0))
    assert not desk.editing.selected and "Zoom in" in desk.window.notice.text


def test_cells_of_a_region_are_selected_and_names_are_the_projects(desk: Desk) -> None:
    from shapely import MultiPolygon, box

    desk.detect()
    n = desk.record.n_cells
    desk.window.menus.actions_by_text["Select the cells in the region"].trigger()
    assert "Draw a region" in desk.window.notice.text
    desk.controller.regions.add("polygon", MultiPolygon([box(0, 0, 200, 150)]))
    desk.controller.regions.refresh(desk.controller.regions.regions()[0].uid)
    desk.window.menus.actions_by_text["Select the cells in the region"].trigger()
    table = desk.store.cells.get(1)
    inside = int(((table.y_l0 < 150) & (table.x_l0 < 200)).sum())
    assert len(desk.editing.selected) == inside > 5 and desk.editing.mode == "edit"
    desk.window.menus.actions_by_text["Delete the selected cells"].trigger()
    assert desk.store.cells.get(1).n_cells == n - inside
    desk.controller.undo.undo()
    assert desk.store.cells.get(1).n_cells == n
    desk.dialogs.names = ClassMap({"Nucleus": "Cell"})
    desk.window.menus.actions_by_text["Rename cell types…"].trigger()
    assert desk.dialogs.named == {"Nucleus": n} and f"Cell {n}" in desk.window.legend.text
    assert "Nucleus counts as Cell" in desk.window.notice.text
