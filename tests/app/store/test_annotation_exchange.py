"""Annotations to and from files."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from desktop_app.export.annotations import COLUMNS, export_csv, export_json, import_json
from desktop_app.store import Store
from sae_backend.errors import StoreError, UserInputError


@pytest.fixture
def filled(store: Store) -> Store:
    store.annotations.set("a", 9, name="Gland lumen", tags=["gland", "naïve 🧫"], confidence=4)
    store.annotations.set("a", 9, status="reviewed", description='two\nlines, and "quotes"')
    store.annotations.set("a", 10, name="=cmd|'/c calc'!A0", tags=["@x", "y"], description="+1")
    store.annotations.set("b", 0, name="gone")
    store.annotations.set("b", 0, name="")
    return store


@pytest.fixture
def exported(filled: Store, tmp_path: Path) -> Path:
    path = tmp_path / "annotations.json"
    export_json(filled, path)
    return path


def test_json_goes_round_unchanged(filled: Store, exported: Path, tmp_path: Path) -> None:
    with Store.create(tmp_path / "other", author="Grace") as other:
        report = import_json(other, exported)
        assert (report.added, report.unchanged, report.conflicts) == (3, 0, [])
        export_json(other, tmp_path / "again.json")
        assert other.annotations.get("a", 9).author == "Ada"
        assert {line.author for line in other.annotations.history("a", 9)} == {"Ada"}
        assert [r.content() for r in other.annotations.all()] == [
            r.content() for r in filled.annotations.all()
        ]
    assert (tmp_path / "again.json").read_bytes() == exported.read_bytes()


def test_a_history_that_does_not_lead_to_the_annotation_is_left_out(
    filled: Store, exported: Path, tmp_path: Path
) -> None:
    document = json.loads(exported.read_text())
    document["history"] = [line for line in document["history"] if line["revision"] != 1]
    exported.write_text(json.dumps(document))
    with Store.create(tmp_path / "other", author="Grace") as other:
        import_json(other, exported)
        assert other.annotations.get("a", 9).content() == filled.annotations.get("a", 9).content()
        assert {line.revision for line in other.annotations.history("a", 9)} == {1}


def test_lists_go_with_the_annotations_and_bookmarks_stay_with_who_set_them(
    store: Store, tmp_path: Path
) -> None:
    store.lists.set_bookmark("a", 4, on=True)
    store.lists.add("ask Bob", "a", [7, 2])
    store.lists.add("ask Bob", "b", [1])
    export_json(store, tmp_path / "lists.json")
    with Store.create(tmp_path / "hers", author="Grace") as hers:
        hers.lists.set_bookmark("a", 5, on=True)
        hers.lists.add("ask Bob", "a", [2])
        assert import_json(hers, tmp_path / "lists.json").listed == 3
        assert hers.lists.bookmarks("a") == {5}
        named = {
            known.name: sorted((ref.sae_digest, ref.index) for ref in known.features)
            for known in hers.lists.all()
        }
        assert named["Bookmarks of Ada"] == [("a", 4)]
        assert named["ask Bob"] == [("a", 2), ("a", 7), ("b", 1)]
        assert import_json(hers, tmp_path / "lists.json").listed == 0
    with Store.create(tmp_path / "copy", author="Ada") as copy:
        import_json(copy, tmp_path / "lists.json")
        assert copy.lists.bookmarks("a") == {4}
    for broken in ([["a"]], [["a", -1]], [["a", True]], "a"):
        text = json.loads((tmp_path / "lists.json").read_text())
        text["lists"][0]["features"] = broken
        (tmp_path / "broken.json").write_text(json.dumps(text))
        with pytest.raises(UserInputError, match="List 1 in broken.json"):
            import_json(store, tmp_path / "broken.json")


def test_importing_ones_own_changes_nothing(filled: Store, exported: Path) -> None:
    before = filled.annotations.all()
    report = import_json(filled, exported)
    assert (report.added, report.unchanged, report.conflicts) == (0, 3, [])
    assert filled.annotations.all() == before


def test_a_conflict_is_reported_and_ours_stays(exported: Path, tmp_path: Path) -> None:
    with Store.create(tmp_path / "other", author="Grace") as other:
        mine = other.annotations.set("a", 9, name="Vessel", confidence=4)
        report = import_json(other, exported)
        assert (report.added, report.unchanged) == (2, 0)
        (conflict,) = report.conflicts
        assert conflict.mine == mine and conflict.theirs.name == "Gland lumen"
        assert conflict.fields == ("name", "description", "tags", "status")
        assert other.annotations.get("a", 9) == mine


def test_csv_is_safe_to_open_in_a_spreadsheet(filled: Store, tmp_path: Path) -> None:
    filled.annotations.set("a", 11, name="-2", description="@SUM(A1)", tags=["\ttab"])
    export_csv(filled, tmp_path / "a.csv")
    with (tmp_path / "a.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert [row["name"] for row in rows] == ["Gland lumen", "'=cmd|'/c calc'!A0", "'-2", ""]
    assert rows[0]["description"] == 'two\nlines, and "quotes"'
    assert rows[0]["tags"] == "gland; naïve 🧫" and rows[0]["confidence"] == "4"
    assert rows[1]["confidence"] == "" and rows[1]["tags"] == "'@x; y"
    cells = [cell for row in rows for cell in row.values()]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]


@pytest.mark.parametrize("export", [export_json, export_csv])
def test_an_export_that_fails_leaves_the_older_file_whole(filled: Store, tmp_path: Path, export) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="cannot be written") as caught:
        export(filled, tmp_path / "file" / "a")
    assert caught.value.hint
    (tmp_path / "folder").mkdir()
    with pytest.raises(StoreError):
        export(filled, tmp_path / "folder")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder", "project"]
    target = tmp_path / "a"
    target.write_text("old")
    export(filled, target)
    assert "Gland lumen" in target.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "[" * 100_000,
        '{"format": "other"}',
        '{"format": "sparsescope-annotations", "version": 3, "annotations": []}',
        '{"format": "sparsescope-annotations", "version": 2, "annotations": [], "comments": [{}]}',
        '{"format": "sparsescope-annotations", "version": 2, "annotations": [], "history": [{}]}',
        '{"format": "sparsescope-annotations", "version": 1}',
        '{"format": "sparsescope-annotations", "version": 1, "annotations": [{"name": "x"}]}',
    ],
)
def test_a_file_that_is_none_is_refused(store: Store, tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(UserInputError) as caught:
        import_json(store, tmp_path / "a.json")
    assert caught.value.hint
    assert store.annotations.all() == []


@pytest.mark.parametrize(
    "change",
    [
        {"feature": -1},
        {"feature": "7"},
        {"feature": 1.5},
        {"sae_digest": 3},
        {"author": None},
        {"tags": "gland"},
        {"tags": [1]},
        {"tags": [["nested"]]},
        {"confidence": 9},
        {"status": ["draft"]},
        {"name": None},
    ],
)
def test_one_illegal_value_stops_the_whole_import(
    exported: Path, tmp_path: Path, change: dict[str, object]
) -> None:
    document = json.loads(exported.read_text(encoding="utf-8"))
    document["annotations"][-1] |= change
    exported.write_text(json.dumps(document))
    with Store.create(tmp_path / "other") as other:
        with pytest.raises(UserInputError):
            import_json(other, exported)
        assert other.annotations.all() == []


def test_a_missing_file_and_a_feature_given_twice_are_refused(exported: Path, store: Store) -> None:
    with pytest.raises(UserInputError, match="cannot be read"):
        import_json(store, exported.with_name("gone.json"))
    document = json.loads(exported.read_text(encoding="utf-8"))
    document["annotations"] *= 2
    exported.write_text(json.dumps(document))
    with pytest.raises(UserInputError, match="twice"):
        import_json(store, exported)
