"""Import of cells in the window: looked at over the slide, renamed, rescaled on request, and only then kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from desktop_app.app import WindowStart, open_start
from desktop_app.widgets.cells.cell_import import CellImportDialog
from sae_backend.cells.class_map import ClassMap
from tests.app.conftest import Parts
from tests.waiting import wait_until

pytestmark = pytest.mark.gl


class Desk:
    """A window with a project, and the dialog of an import in the hands of the test."""

    def __init__(self, parts: Parts, project: Path, qtbot: QtBot) -> None:
        self.parts, self.qtbot, self.folder = parts, qtbot, project.parent
        open_start(parts.desktop, WindowStart(project=project, feature=4))
        parts.dialogs.looks_at_imports = True
        self.ended: list[object] = []
        parts.controller.cell_import.read_ended.connect(self.ended.append)
        self.changed: list[int] = []
        parts.controller.cells.changed.connect(self.changed.append)

    @property
    def store(self):  # type: ignore[no-untyped-def]
        return self.parts.controller._context.session.store

    def begin(self, path: Path) -> CellImportDialog:
        self.parts.dialogs.file = path
        self.parts.window.menus.requested("import_cells").emit()
        dialog = self.parts.controller.cell_import.dialog
        assert dialog is not None and dialog.isVisible() and not dialog.accept_button.isEnabled()
        self.wait_for_look(dialog)
        return dialog

    def wait_for_look(self, dialog: CellImportDialog) -> None:
        wait_until(lambda: dialog.pages.currentIndex() == 1, self.qtbot)

    def wait_for_end(self) -> None:
        wait_until(lambda: len(self.ended) == 1, self.qtbot)


@pytest.fixture
def desk(parts: Parts, project: Path, qtbot: QtBot) -> Desk:
    return Desk(parts, project, qtbot)


def table(folder: Path, scale: float = 1.0, name: str = "half.csv") -> Path:
    rng = np.random.default_rng(0)
    rows = [
        f"{x * 899:.1f},{y * 699:.1f},{'ab'[i % 2]}\n" for i, (x, y) in enumerate(rng.random((60, 2)) * scale)
    ]
    path = folder / name
    path.write_text("x,y,type\n" + "".join(rows))
    return path


def test_types_are_named_and_left_out_before_the_import(desk: Desk) -> None:
    dialog = desk.begin(desk.folder / "cells.csv")
    assert "40 cells of 2 types" in dialog.lead.text() and "lie on the slide" in dialog.fit.text()
    model = dialog.types.types
    assert [model.index(row, 0).data() for row in range(2)] == ["a", "b"]
    assert model.setData(model.index(0, 2), "Tumour")
    assert model.setData(model.index(1, 0), Qt.CheckState.Unchecked, Qt.ItemDataRole.CheckStateRole)
    assert dialog.counts.text() == "Counts as: Tumour 20."
    assert desk.store.cells.current(1) is None
    dialog.accept_button.click()
    desk.wait_for_end()
    assert desk.ended == [None] and desk.changed == [1]
    assert desk.store.cells.get(1).type_names == ("Tumour",) and desk.store.cells.raw(1).n_cells == 40
    assert desk.store.class_map.get() == ClassMap({"a": "Tumour"}, frozenset({"b"}))
    assert "Tumour 20" in desk.parts.window.legend.text
    # The names are known for the next file.
    again = desk.begin(table(desk.folder))
    assert again.counts.text() == "Counts as: Tumour 30."


def test_a_wrong_scale_is_seen_and_mended_only_when_asked(desk: Desk) -> None:
    dialog = desk.begin(table(desk.folder, 0.5))
    assert dialog.cloud.cloud.yx_l0.max() < 460
    button = dialog.suggestions.itemAt(0).widget().findChild(type(dialog.accept_button))
    assert button.text() == "Use scale 2"
    button.click()
    desk.wait_for_look(dialog)
    assert dialog.cloud.cloud.yx_l0.max() > 700 and dialog.placement.value.value() == 2
    assert desk.store.cells.current(1) is None
    dialog.accept_button.click()
    desk.wait_for_end()
    assert desk.store.cells.current(1).assumed["scale"] == 2
    assert "× 2" not in desk.parts.window.notice.text


def test_columns_are_chosen_where_their_names_do_not_tell(desk: Desk) -> None:
    path = desk.folder / "odd.csv"
    path.write_text("left,down,kind,x1\n" + "".join(f"{i},{2 * i},T,0\n" for i in range(30)))
    dialog = desk.begin(path)
    assert "no columns for x and y" in dialog.question.text() and not dialog.accept_button.isEnabled()
    place = dialog.placement
    for box, column in ((place.x_column, "left"), (place.y_column, "down"), (place.type_column, "kind")):
        box.setCurrentIndex(box.findData(column))
    place.unit.setCurrentIndex(place.unit.findData("um"))
    place.button.click()
    desk.wait_for_look(dialog)
    assert not dialog.question.text() and dialog.accept_button.isEnabled()
    dialog.accept_button.click()
    desk.wait_for_end()
    assert desk.store.cells.get(1).x_l0.max() == 58


def test_an_import_can_be_called_off(desk: Desk) -> None:
    dialog = desk.begin(desk.folder / "cells.csv")
    dialog.reject()
    assert desk.ended == [None] and desk.store.cells.current(1) is None and desk.changed == []
    assert "was not imported" in desk.parts.window.notice.text
    # Also while it is being read.
    desk.parts.window.menus.requested("import_cells").emit()
    desk.parts.controller.cell_import.dialog.close()
    assert len(desk.ended) == 2 and desk.parts.controller.cell_import.dialog is None
    desk.qtbot.wait(100)
    assert desk.store.cells.current(1) is None


def test_what_cannot_be_read_is_refused_above_the_slide(desk: Desk) -> None:
    path = desk.folder / "bad.csv"
    path.write_text("x,y\n1,2\nthree,4\n")
    desk.parts.dialogs.file = path
    desk.parts.window.menus.requested("import_cells").emit()
    desk.wait_for_end()
    assert "no number" in desk.parts.window.notice.text and desk.parts.controller.cell_import.dialog is None


def test_cells_beside_the_slide_are_shown_there(desk: Desk) -> None:
    dialog = desk.begin(table(desk.folder, 1.9))
    assert dialog.fit.property("warning") and "of them lie on the slide" in dialog.fit.text()
    y0, x0, y1, x1 = dialog.cloud.field_l0()
    assert y1 > 1000 and x1 > 1200 and (y0, x0) == (0, 0)
    picture = dialog.cloud.grab().toImage()
    assert not picture.isNull()
