"""Comments, examples, bookmarks, terms, lists and the name of the author, as a user meets them."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from desktop_app.app import WindowStart, open_start
from desktop_app.canvas.slide_layers import TILE
from desktop_app.project.preferences import PreferencesFile
from desktop_app.project.vocabulary import of_project
from desktop_app.store import Store
from desktop_app.widgets.annotations.editors import ADD_TERM
from tests.app.conftest import Parts
from tests.app.fixtures.fakes import SAE_DIGEST

pytestmark = pytest.mark.gl
KEY = Qt.Key


@pytest.fixture
def opened(parts: Parts, project: Path) -> Parts:
    open_start(parts.desktop, WindowStart(project=project, feature=4))
    return parts


def stored(project: Path) -> Store:
    return Store.open(project)


def test_a_comment_is_kept_withdrawn_and_put_in_again(opened: Parts, project: Path) -> None:
    tabs = opened.window.annotation.comment_tabs
    QTest.keyClicks(tabs.words, "a vessel?")
    QTest.keyClick(tabs.words, KEY.Key_Return)
    assert tabs.words.text() == "" and tabs.tabText(0) == "Comments (1)"
    with stored(project) as store:
        (said,) = store.comments.all(SAE_DIGEST, 4)
        assert said.text == "a vessel?"
    opened.window.features.search.setText("vessel")
    assert opened.window.features.model.rowCount() == 0, "searched in once the table is filled anew"
    opened.controller.features.fill_table()
    assert opened.window.features.model.features() == [4]
    tabs.comments.setCurrentRow(0)
    tabs.withdraw.click()
    assert tabs.comments.count() == 0
    opened.window.menus.actions_by_text["Undo"].trigger()
    assert tabs.comments.count() == 1
    opened.window.menus.actions_by_text["Undo"].trigger()
    assert tabs.comments.count() == 0
    opened.window.menus.actions_by_text["Redo"].trigger()
    with stored(project) as store:
        assert [c.uid for c in store.comments.all(SAE_DIGEST, 4)] == [said.uid]


def test_only_its_author_withdraws_a_comment(opened: Parts, project: Path) -> None:
    with stored(project) as store:
        store.author = "Grace"
        store.comments.add(SAE_DIGEST, 4, "mine")
    opened.controller.comments.refresh()
    tabs = opened.window.annotation.comment_tabs
    tabs.comments.setCurrentRow(0)
    tabs.withdraw.click()
    assert "by Grace" in opened.window.notice.text and tabs.comments.count() == 1


def test_the_picked_tile_becomes_an_example_to_fly_to(opened: Parts, project: Path) -> None:
    window = opened.window
    QTest.keyClick(window.features.view, KEY.Key_E)
    assert "Select a tile first" in window.notice.text
    opened.controller.features.go_to_tile(3)
    QTest.keyClick(window.features.view, KEY.Key_E)
    with stored(project) as store:
        (example,) = store.examples.all(SAE_DIGEST, 4)
    grid = opened.controller._context.session.features.grid
    assert (example.y_l0, example.x_l0) == tuple(grid.origins_l0()[3])
    assert example.height_l0 == grid.tile_l0
    opened.controller._context.session.set_tile(-1)
    assert TILE not in opened.layers
    tabs = window.annotation.comment_tabs
    tabs.example_shown.emit(example.uid)
    assert opened.controller._context.session.tile == 3 and TILE in opened.layers
    tabs.examples.setCurrentRow(0)
    tabs.drop_example.click()
    assert tabs.examples.count() == 0
    window.menus.actions_by_text["Undo"].trigger()
    assert tabs.examples.count() == 1


def test_b_bookmarks_and_undo_takes_it_away(opened: Parts, project: Path) -> None:
    window = opened.window
    QTest.keyClick(window.viewer.window._qt_viewer.canvas.native, KEY.Key_B)
    assert window.features.model.table.bookmarks == {4} and window.annotation.bookmark.isChecked()
    window.features.status.setCurrentText("Bookmarked")
    assert window.features.model.features() == [4]
    window.features.status.setCurrentText("All")
    window.menus.actions_by_text["Undo"].trigger()
    with stored(project) as store:
        assert store.lists.bookmarks(SAE_DIGEST) == frozenset()
    assert not window.annotation.bookmark.isChecked()


def test_a_term_is_chosen_and_a_new_one_added(opened: Parts, project: Path) -> None:
    panel = opened.window.annotation
    panel.concept.setCurrentIndex(panel.concept.findData("artefact: fold"))
    with stored(project) as store:
        assert store.annotations.get(SAE_DIGEST, 4).concept == "artefact: fold"
    opened.dialogs.words = "Stroma:  keloid   collagen "
    panel.concept.setCurrentIndex(panel.concept.findData(ADD_TERM))
    with stored(project) as store:
        assert store.annotations.get(SAE_DIGEST, 4).concept == "stroma: keloid collagen"
        assert "stroma: keloid collagen" in of_project(store).concepts
    opened.dialogs.words = "artefact: fold\nmine: odd"
    opened.window.menus.actions_by_text["Vocabulary of concepts…"].trigger()
    with stored(project) as store:
        assert of_project(store).concepts == ("artefact: fold", "mine: odd")
    assert panel.concept.currentData() == "stroma: keloid collagen", "what was said stays"


def test_a_state_of_the_history_is_restored(opened: Parts, project: Path) -> None:
    panel = opened.window.annotation
    for name in ("vessel", "gland"):
        panel.name.setText(name)
        panel.flush()
    panel.history.setCurrentRow(1)
    panel.comment_tabs.restore.click()
    assert panel.name.text() == "vessel"
    opened.window.menus.actions_by_text["Undo"].trigger()
    with stored(project) as store:
        assert store.annotations.get(SAE_DIGEST, 4).name == "gland"
        assert store.annotations.get(SAE_DIGEST, 4).revision == 4


def test_the_author_is_asked_once(opened: Parts, project: Path, tmp_path: Path) -> None:
    panel = opened.window.annotation
    assert panel.author_row.isVisibleTo(panel)
    panel.author.setText(" Ada Lovelace ")
    panel.sign.click()
    assert not panel.author_row.isVisibleTo(panel)
    panel.editors["nature"].setCurrentIndex(2)
    with stored(project) as store:
        note = store.annotations.get(SAE_DIGEST, 4)
        assert (note.author, note.nature) == ("Ada Lovelace", "technical")
    opened.controller.projects.open_project(project)
    assert not panel.author_row.isVisibleTo(panel)
    kept = PreferencesFile(tmp_path / "config" / "preferences.json")
    kept.change(author="Ada")
    kept.opened(project)
    again = PreferencesFile(tmp_path / "config" / "preferences.json")
    assert again.current.author == "Ada" and again.recent_projects() == [project]
    (tmp_path / "config" / "preferences.json").write_text('{"author": 5, "recent_projects": [1]}')
    assert PreferencesFile(tmp_path / "config" / "preferences.json").current.author == ""


def test_features_are_put_into_lists(opened: Parts, project: Path) -> None:
    window = opened.window
    opened.dialogs.words = "glands"
    window.features.list_requested.emit([4, 2])
    window.features.status.setCurrentIndex(window.features.status.findText("List: glands (2)"))
    assert sorted(window.features.model.features()) == [2, 4]
    window.features.unlist_requested.emit("glands", 2)
    assert window.features.model.features() == [4]
    window.features.list_deleted.emit("glands")
    assert window.features.model.rowCount() == 12
    with stored(project) as store:
        assert store.lists.of_sae(SAE_DIGEST) == []
