"""Numbers by place, imported in the window."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pytestqt.qtbot import QtBot

from desktop_app.app import WindowStart, open_start
from tests.app.conftest import Parts
from tests.waiting import wait_until


def test_numbers_by_place_come_into_the_project_and_bad_tables_are_refused(
    parts: Parts, project: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    menus, notice = parts.window.menus, parts.window.notice
    menus.requested("import_values").emit()
    assert "Open the slide" in notice.text
    open_start(parts.desktop, WindowStart(project=project, feature=4))
    table = tmp_path / "genes.csv"
    table.write_text("x,y,EPCAM,kind\n10,20,1.5,a\n30,40,,b\n", encoding="utf-8")
    parts.dialogs.file = table
    menus.requested("import_values").emit()
    wait_until(lambda: "2 places of" in notice.text, qtbot)
    session = parts.controller._context.session
    values = session.store.tile_values.get(session.slide_record.id)
    assert values.names == ("EPCAM",)
    np.testing.assert_array_equal(values.values[:, 0], np.array([1.5, np.nan], np.float32))
    table.write_text("x,y,kind\n10,20,a\n", encoding="utf-8")
    menus.requested("import_values").emit()
    wait_until(lambda: "no column of numbers" in notice.text and "kind" in notice.text, qtbot)
