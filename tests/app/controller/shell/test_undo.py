"""Undo and redo of annotations: across features, into the history, never over another's change."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from desktop_app.app import WindowStart, open_start
from desktop_app.store import Store
from tests.app.conftest import Parts
from tests.app.fixtures.fakes import SAE_DIGEST

pytestmark = pytest.mark.gl
KEY, CTRL, SHIFT = Qt.Key, Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier


@pytest.fixture
def opened(parts: Parts, project: Path) -> Parts:
    open_start(parts.desktop, WindowStart(project=project, feature=4))
    return parts


def write(parts: Parts, feature: int, name: str) -> None:
    parts.controller.select_feature(feature)
    parts.window.annotation.name.setText(name)
    parts.window.annotation.flush()


def test_changes_are_taken_back_and_made_again_with_history(opened: Parts, project: Path) -> None:
    window, table = opened.window, opened.window.features.view
    undo, redo = (window.menus.actions_by_text[text] for text in ("Undo", "Redo"))
    assert not undo.isEnabled() and not redo.isEnabled()
    write(opened, 4, "glands")
    write(opened, 5, "stroma")
    window.annotation.confidence.setCurrentIndex(3)
    assert undo.text() == "Undo: confidence of feature 5"
    opened.controller.select_feature(7)
    with Store.open(project) as store:

        def said(feature: int) -> tuple[str, int | None]:
            note = store.annotations.get(SAE_DIGEST, feature)
            return note.name, note.confidence

        QTest.keyClick(table, KEY.Key_Z, CTRL)
        assert said(5) == ("stroma", None)
        # The window goes to the feature whose annotation changed.
        assert window.annotation.feature == 5 and window.annotation.confidence.currentIndex() == 0
        QTest.keyClick(table, KEY.Key_Z, CTRL)
        QTest.keyClick(table, KEY.Key_Z, CTRL)
        assert (said(4), said(5)) == (("", None), ("", None))
        assert window.annotation.feature == 4 and window.annotation.name.text() == ""
        assert window.features.model.table.note(4).name == ""
        assert not undo.isEnabled() and redo.text() == "Redo: name, status of feature 4"
        assert (store.annotations.get(SAE_DIGEST, 4).status, store.annotations.get(SAE_DIGEST, 5).status) == (
            "unseen",
            "unseen",
        )
        for _ in range(3):
            QTest.keyClick(table, KEY.Key_Z, CTRL | SHIFT)
        assert (said(4), said(5)) == (("glands", None), ("stroma", 3))
        assert not redo.isEnabled()
        # Nothing is forgotten: each step is in the history.
        assert store.annotations.get(SAE_DIGEST, 4).status == "draft", (
            "whoever writes about a feature has seen it"
        )
        assert [(h.before, h.after) for h in store.annotations.history(SAE_DIGEST, 4) if h.field == "name"] == [
            ("", "glands"), ("glands", ""), ("", "glands"),
        ]  # fmt: skip


def test_what_is_being_typed_is_undone_first(opened: Parts, project: Path) -> None:
    write(opened, 4, "glands")
    opened.window.annotation.name.setText("glands, cut across")
    opened.window.menus.requested("undo").emit()
    assert opened.window.annotation.name.text() == "glands"
    with Store.open(project) as store:
        assert store.annotations.get(SAE_DIGEST, 4).name == "glands"


def test_a_new_change_ends_the_redo(opened: Parts) -> None:
    write(opened, 4, "glands")
    opened.window.menus.requested("undo").emit()
    write(opened, 4, "ducts")
    assert not opened.window.menus.actions_by_text["Redo"].isEnabled()


def test_anothers_change_is_not_overwritten(opened: Parts, project: Path) -> None:
    write(opened, 4, "glands")
    with Store.open(project) as store:
        store.author = "colleague"
        store.annotations.set(SAE_DIGEST, 4, name="ducts")
        opened.window.menus.requested("undo").emit()
        assert store.annotations.get(SAE_DIGEST, 4).name == "ducts"
    assert "changed again by colleague" in opened.window.notice.text
