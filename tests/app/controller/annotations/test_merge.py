"""A colleague's file meets this project's texts: chosen field by field, undoable, never silent."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from desktop_app.app import WindowStart, open_start
from desktop_app.export.annotations import export_json
from desktop_app.store import Store
from desktop_app.widgets.annotations.merge import MINE, THEIRS, MergeDialog
from tests.app.conftest import Parts
from tests.app.fixtures.fakes import SAE_DIGEST

pytestmark = pytest.mark.gl


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    path = tmp_path / "grace.json"
    with Store.create(tmp_path / "theirs", author="Grace") as store:
        store.annotations.set(SAE_DIGEST, 4, name="vessel", confidence=5, tags=["red"])
        store.annotations.set(SAE_DIGEST, 6, name="fold")
        store.comments.add(SAE_DIGEST, 4, "sure of it")
        export_json(store, path)
    return path


def test_texts_are_taken_and_undone(parts: Parts, project: Path, theirs: Path) -> None:
    with Store.open(project, author="Ada") as store:
        store.annotations.set(SAE_DIGEST, 4, name="gland", confidence=2)
    open_start(parts.desktop, WindowStart(project=project, feature=4))
    parts.dialogs.file = theirs
    parts.window.menus.requested("import_annotations").emit()
    assert "1 differ" in parts.window.notice.text and "left alone" in parts.window.notice.text
    assert "1 comments" in parts.window.notice.text
    assert parts.window.annotation.name.text() == "gland"
    assert parts.window.features.model.table.note(6).name == "fold"
    assert parts.window.annotation.comment_tabs.comments.count() == 1

    parts.dialogs.take = ("name", "tags")
    parts.window.menus.requested("import_annotations").emit()
    assert "texts of the file were taken" in parts.window.notice.text
    assert parts.window.annotation.name.text() == "vessel"
    with Store.open(project) as store:
        note = store.annotations.get(SAE_DIGEST, 4)
        assert (note.name, note.tags, note.confidence) == ("vessel", ("red",), 2)
    parts.window.menus.actions_by_text["Undo"].trigger()
    assert parts.window.annotation.name.text() == "gland"


def test_the_dialog_keeps_this_projects_texts_until_told(qtbot: QtBot, tmp_path: Path, theirs: Path) -> None:
    from desktop_app.export.annotations import import_json

    with Store.create(tmp_path / "mine", author="Ada") as store:
        store.annotations.set(SAE_DIGEST, 4, name="gland", confidence=2)
        store.annotations.set(SAE_DIGEST, 6, name="crease")
        report = import_json(store, theirs)
    dialog = MergeDialog(report.conflicts)
    qtbot.addWidget(dialog)
    assert dialog.choices() == []
    fields = {(item.parent().text(0), item.text(0)): item for item in dialog._fields()}
    assert set(fields) == {
        ("Feature 4", "Name"),
        ("Feature 4", "Tags"),
        ("Feature 4", "Confidence"),
        ("Feature 6", "Name"),
    }
    name = fields["Feature 4", "Name"]
    assert (name.text(MINE), name.text(THEIRS)) == ("“gland”", "“vessel”")
    name.setCheckState(THEIRS, Qt.CheckState.Checked)
    assert name.checkState(MINE) == Qt.CheckState.Unchecked
    assert [(c.mine.feature, taken) for c, taken in dialog.choices()] == [(4, ("name",))]
    dialog.choose_all(THEIRS)
    assert [(c.mine.feature, taken) for c, taken in dialog.choices()] == [
        (4, ("name", "tags", "confidence")),
        (6, ("name",)),
    ]
    dialog.choose_all(MINE)
    assert dialog.choices() == []
