"""Values of slides: set, replaced, removed, all or none, and there again after opening."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from desktop_app.export.annotations import export_csv, export_json
from desktop_app.store import Store
from sae_backend.errors import StoreError, UserInputError
from sae_backend.slides.slide import SlideInfo


def authors(store: Store) -> dict[str, str]:
    with closing(sqlite3.connect(store.folder / "project.sqlite")) as connection:
        return dict(connection.execute("SELECT key, author FROM slide_values"))


def test_values_are_kept_replaced_and_removed_by_key(
    store: Store, slide_info: Callable[..., SlideInfo]
) -> None:
    first, second = (store.slides.add(slide_info(fingerprint=letter * 40)).id for letter in "ab")
    store.slide_values.set({first: {" patient ": " P1 ", "Site": "north"}, second: {"patient": "P2"}})
    assert store.slide_values.all() == {first: {"Site": "north", "patient": "P1"}, second: {"patient": "P2"}}
    assert store.slide_values.keys() == ("patient", "Site")
    store.author = "Grace"
    store.slide_values.set({first: {"patient": "P1", "Site": "south", "group": ""}})
    assert authors(store) == {"patient": "Ada", "Site": "Grace"}, "an unchanged text keeps its author"
    store.slide_values.set({first: {"Site": " "}})
    assert store.slide_values.keys() == ("patient",)
    with Store.open(store.folder) as again:
        assert again.slide_values.all() == {first: {"patient": "P1"}, second: {"patient": "P2"}}


def test_all_or_none(store: Store, slide_info: Callable[..., SlideInfo]) -> None:
    slide = store.slides.add(slide_info()).id
    store.slide_values.set({slide: {"patient": "P1"}})
    with pytest.raises(StoreError, match="no such slide"):
        store.slide_values.set({slide: {"patient": ""}, 99: {"patient": "P9"}})
    with pytest.raises(UserInputError):
        store.slide_values.set({slide: {"patient": "P2", " ": "x"}})
    assert store.slide_values.all() == {slide: {"patient": "P1"}}
    store.slide_values.set({})


def test_annotations_are_exported_without_them(
    store: Store, slide_info: Callable[..., SlideInfo], tmp_path: Path
) -> None:
    slide = store.slides.add(slide_info())
    store.slide_values.set({slide.id: {"patient": "Jane Roe"}})
    store.annotations.set("sae", 1, name="glands")
    store.examples.add("sae", 1, slide.fingerprint, (0.0, 0.0, 9.0, 9.0))
    for write, name in ((export_json, "a.json"), (export_csv, "a.csv")):
        write(store, tmp_path / name)
        text = (tmp_path / name).read_text()
        assert "glands" in text and "Jane" not in text and "patient" not in text
