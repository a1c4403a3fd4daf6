"""Text that the project refuses until the window closes is not lost."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import QStandardPaths

from desktop_app.app import WindowStart, open_start
from desktop_app.project import unsaved_drafts
from desktop_app.store import Store
from desktop_app.store.rows.annotations import AnnotationRows
from sae_backend.errors import StoreError
from tests.app.conftest import Parts
from tests.app.fixtures.fakes import SAE_DIGEST

ENTRY = unsaved_drafts.UnsavedDraft("/p", "5ae", 4, 2, {"name": "glands", "tags": ["a", "b"]})


def test_entries_are_found_again_by_their_project(tmp_path: Path) -> None:
    full, spare = tmp_path / "full", tmp_path / "spare"
    full.write_text("a file, so that no folder can be made here")
    mine = unsaved_drafts.UnsavedDraft(str(tmp_path), "5ae", 4, 2, {"name": "glands"})
    path = unsaved_drafts.keep([mine], (full, spare))
    assert path is not None and path.parent == spare
    unsaved_drafts.keep([ENTRY], (spare,))
    (spare / "sparsescope-unsaved-broken.json").write_text("{")
    assert unsaved_drafts.find(tmp_path, (full, spare)) == {path: (mine,)}
    assert unsaved_drafts.keep([mine], (full,)) is None
    moved = unsaved_drafts.keep([ENTRY], (tmp_path,))
    assert moved in unsaved_drafts.find(tmp_path, (tmp_path,))


def refuse(*_: object, **__: object) -> None:
    raise StoreError("The disk is full.", "Make room.")


def close_with_refused_text(parts: Parts, project: Path, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(QStandardPaths, "writableLocation", lambda _kind: str(project.parent / "home"))
    open_start(parts.desktop, WindowStart(project=project, feature=4))
    with patch.context() as full:
        full.setattr(AnnotationRows, "set", refuse)
        parts.window.annotation.name.setText("glands")
        parts.window.annotation.editors["tags"].setText("round, lumen")
        parts.controller.close()


@pytest.mark.gl
def test_it_is_saved_when_the_project_is_opened_again(
    parts: Parts, other_parts: Parts, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    close_with_refused_text(parts, project, monkeypatch)
    with Store.open(project) as store:
        assert store.annotations.get(SAE_DIGEST, 4).revision == 0
    open_start(other_parts.desktop, WindowStart(project=project, feature=4))
    assert "has now been saved" in other_parts.window.notice.text
    assert other_parts.window.annotation.name.text() == "glands"
    with Store.open(project) as store:
        note = store.annotations.get(SAE_DIGEST, 4)
        assert (note.name, note.tags) == ("glands", ("round", "lumen"))
    assert not list(project.glob("sparsescope-unsaved-*"))


@pytest.mark.gl
def test_a_later_change_by_another_is_not_overwritten(
    parts: Parts, other_parts: Parts, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    close_with_refused_text(parts, project, monkeypatch)
    with Store.open(project) as store:
        store.annotations.set(SAE_DIGEST, 4, name="ducts")
    open_start(other_parts.desktop, WindowStart(project=project, feature=4))
    assert "Your text is in" in other_parts.window.notice.text
    (kept,) = project.glob("sparsescope-unsaved-*")
    assert "glands" in kept.read_text()
    with Store.open(project) as store:
        assert store.annotations.get(SAE_DIGEST, 4).name == "ducts"
