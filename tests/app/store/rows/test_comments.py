"""Comments, examples, regions, lists: kept, withdrawn, merged, never lost."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from desktop_app.export.annotations import export_json, import_json
from desktop_app.store import Store
from desktop_app.store.records.records import BOOKMARKS
from sae_backend.errors import StoreError, UserInputError
from sae_backend.slides.slide import SlideInfo

SAE = "sae-1"
SQUARE = (((0.0, 0.0), (0.0, 10.0), (10.0, 10.0), (10.0, 0.0)),)


def test_comments_keep_author_and_time_and_are_withdrawn_not_deleted(store: Store) -> None:
    first = store.comments.add(SAE, 3, "  looks like a vessel ")
    store.author = "Grace"
    second = store.comments.add(SAE, 3, "no, a gland")
    assert [(c.text, c.author) for c in store.comments.all(SAE, 3)] == [
        ("looks like a vessel", "Ada"),
        ("no, a gland", "Grace"),
    ]
    assert first.at <= second.at and store.comments.all(SAE, 4) == []
    store.comments.withdraw(first.uid)
    assert [c.uid for c in store.comments.all(SAE, 3)] == [second.uid]
    assert [c.uid for c in store.comments.all(SAE, 3, withdrawn=True)] == [first.uid, second.uid]
    store.comments.withdraw(first.uid, withdrawn=False)
    assert len(store.comments.all(SAE)) == 2
    with pytest.raises(UserInputError, match="empty"):
        store.comments.add(SAE, 3, "  ")
    with pytest.raises(StoreError, match="no such comment"):
        store.comments.withdraw("0")


def test_an_example_is_kept_once_by_its_place(store: Store) -> None:
    box = (10.0, 20.5, 448.0, 448.0)
    first = store.examples.add(SAE, 3, "f" * 40, box)
    assert store.examples.add(SAE, 3, "f" * 40, box) == first
    store.examples.withdraw(first.uid)
    assert store.examples.all(SAE, 3) == []
    assert store.examples.add(SAE, 3, "f" * 40, box) == first, "put in again, it is the same one"
    assert (first.y_l0, first.x_l0, first.height_l0, first.region_uid) == (10.0, 20.5, 448.0, "")
    for bad in ((0, 0, 0, 5), (0, float("nan"), 5, 5)):
        with pytest.raises(UserInputError):
            store.examples.add(SAE, 3, "f" * 40, bad)


def test_regions_are_renamed_redrawn_and_withdrawn(
    store: Store, slide_info: Callable[..., SlideInfo]
) -> None:
    slide = store.slides.add(slide_info())
    region = store.regions.add(slide.id, [[[*SQUARE[0], SQUARE[0][0]]]], "polygon", " tumour ")
    assert region.polygons_l0 == (SQUARE,) and region.name == "tumour" and region.author == "Ada"
    assert store.regions.all(slide.id) == [region]
    hole = ((2.0, 2.0), (2.0, 4.0), (4.0, 4.0))
    changed = store.regions.change(region.uid, name="nest", polygons_l0=[[SQUARE[0], hole]])
    assert changed.polygons_l0 == ((SQUARE[0], hole),) and changed.name == "nest"
    store.regions.change(region.uid, withdrawn=True)
    assert store.regions.all(slide.id) == [] and store.regions.all(withdrawn=True)[0].uid == region.uid
    for bad in ([], [[]], [[[(0, 0), (1, 1)]]], [[[(0, 0), (1, float("inf")), (2, 5)]]]):
        with pytest.raises(UserInputError):
            store.regions.add(slide.id, bad, "polygon")
    with pytest.raises(StoreError, match="no such region"):
        store.regions.change("0", name="x")


def test_lists_hold_features_and_bookmarks_come_first(store: Store) -> None:
    store.lists.add("glands", SAE, [5, 2, 5])
    store.lists.set_bookmark(SAE, 9, on=True)
    store.lists.set_bookmark(SAE, 9, on=True)
    store.lists.add("glands", "other", [1])
    names = [(known.name, [ref.index for ref in known.features]) for known in store.lists.of_sae(SAE)]
    assert names == [(BOOKMARKS, [9]), ("glands", [2, 5])] or names == [(BOOKMARKS, [9]), ("glands", [5, 2])]
    assert store.lists.bookmarks(SAE) == {9} and store.lists.bookmarks("other") == frozenset()
    store.lists.set_bookmark(SAE, 9, on=False)
    assert store.lists.bookmarks(SAE) == frozenset()
    store.lists.remove("glands", SAE, [5])
    store.lists.rename("glands", "ducts")
    assert [ref.index for ref in store.lists.of_sae(SAE)[-1].features] == [2]
    with pytest.raises(StoreError):
        store.lists.rename("ducts", BOOKMARKS)
    store.lists.delete("ducts")
    assert [known.name for known in store.lists.of_sae(SAE)] == [BOOKMARKS]


def test_a_concept_and_its_marks_are_part_of_the_annotation(store: Store) -> None:
    note = store.annotations.set(SAE, 3, concept="vessel", nature="technical", polysemantic=True)
    assert (note.concept, note.nature, note.polysemantic) == ("vessel", "technical", True)
    store.annotations.set(SAE, 3, polysemantic=False)
    assert [(h.field, h.after) for h in store.annotations.history(SAE, 3)][-1] == ("polysemantic", False)
    assert store.annotations.restore(SAE, 3, 1).polysemantic is True
    for bad in ({"nature": "magic"}, {"polysemantic": 1}, {"concept": 5}):
        with pytest.raises(UserInputError):
            store.annotations.set(SAE, 3, **bad)


def test_a_colleagues_file_adds_comments_and_examples_once(store: Store, tmp_path: Path) -> None:
    store.annotations.set(SAE, 3, name="vessel", concept="vessel", polysemantic=True)
    comment = store.comments.add(SAE, 3, "sure")
    store.examples.add(SAE, 3, "f" * 40, (0, 0, 5, 5))
    path = tmp_path / "theirs.json"
    export_json(store, path)
    with Store.create(tmp_path / "mine", author="Grace") as mine:
        own = mine.comments.add(SAE, 3, "not sure")
        report = import_json(mine, path)
        assert (report.added, report.comments_added, report.examples_added) == (1, 1, 1)
        again = import_json(mine, path)
        assert (again.unchanged, again.comments_added, again.examples_added) == (1, 0, 0)
        assert {c.uid for c in mine.comments.all(SAE, 3)} == {own.uid, comment.uid}
        assert mine.annotations.get(SAE, 3).polysemantic is True
    document = json.loads(path.read_text())
    assert [line["field"] for line in document["history"]] == ["name", "concept", "polysemantic"]
    document["comments"][0]["at"] = 5
    path.write_text(json.dumps(document))
    with Store.create(tmp_path / "third") as third:
        with pytest.raises(UserInputError, match="wrong kind"):
            import_json(third, path)
        assert third.annotations.all() == [], "nothing of a file that is refused"


def test_a_project_of_revision_0001_takes_the_new_things(tmp_path: Path) -> None:
    shutil.copyfile(Path(__file__).parents[1] / "assets" / "0001.sqlite", tmp_path / "project.sqlite")
    with Store.open(tmp_path, author="Ada") as store:
        note = store.annotations.get("sae-1", 7)
        assert (note.concept, note.nature, note.polysemantic) == ("", "", False)
        assert store.annotations.set("sae-1", 7, nature="biological").revision == 3
        store.comments.add("sae-1", 7, "kept")
        store.lists.set_bookmark("sae-1", 7, on=True)
        assert store.lists.bookmarks("sae-1") == {7}
