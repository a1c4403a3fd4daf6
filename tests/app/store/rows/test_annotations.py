"""Annotations: partial changes, history, conflicts."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from desktop_app.store import AnnotationRecord, FeatureRef, Store
from sae_backend.errors import StoreError, UserInputError

SAE = "sae-1"


def test_a_feature_that_nobody_described_is_blank_at_revision_0(store: Store) -> None:
    assert store.annotations.get(SAE, 7) == AnnotationRecord(SAE, 7)
    assert store.annotations.get(SAE, 7).ref == FeatureRef(SAE, 7)
    assert store.annotations.all() == []


def test_only_the_given_fields_change(store: Store) -> None:
    store.annotations.set(SAE, 7, name="Gland lumen", tags=["gland", " lumen ", "gland", ""], confidence=4)
    record = store.annotations.set(SAE, 7, status="reviewed")
    assert record.name == "Gland lumen"
    assert record.tags == ("gland", "lumen")
    assert (record.confidence, record.status, record.revision, record.author) == (4, "reviewed", 2, "Ada")
    assert datetime.fromisoformat(record.updated_at).utcoffset() == datetime.now(UTC).utcoffset()
    assert store.annotations.get(SAE, 7) == record
    assert store.annotations.set(SAE, 7, confidence=None).confidence is None
    assert store.annotations.set(SAE, 7, name="").name == ""


def test_a_change_that_changes_nothing_writes_nothing(store: Store) -> None:
    store.annotations.set(SAE, 7, name="Stroma")
    file = store.folder / "project.sqlite"
    before = file.read_bytes()
    assert store.annotations.set(SAE, 7, name=" Stroma ", confidence=None).revision == 1
    assert store.annotations.set(SAE, 8, name="", tags=[]) == AnnotationRecord(SAE, 8)
    assert store.annotations.all() == [store.annotations.get(SAE, 7)]
    assert file.read_bytes() == before


def test_history_names_each_changed_field_with_before_and_after(store: Store) -> None:
    store.annotations.set(SAE, 7, name="Stroma", tags=("a",))
    store.author = "Grace"
    store.annotations.set(SAE, 7, name="Stroma", confidence=2, tags=("a", "b"))
    lines = [(h.revision, h.author, h.field, h.before, h.after) for h in store.annotations.history(SAE, 7)]
    assert lines == [
        (1, "Ada", "name", "", "Stroma"),
        (1, "Ada", "tags", (), ("a",)),
        (2, "Grace", "tags", ("a",), ("a", "b")),
        (2, "Grace", "confidence", None, 2),
    ]
    assert store.annotations.history(SAE, 8) == []


def test_restoring_makes_a_new_revision_and_loses_nothing(store: Store) -> None:
    first = store.annotations.set(SAE, 7, name="Stroma", tags=("a",), confidence=3)
    store.annotations.set(SAE, 7, name="Gland", tags=(), status="draft", confidence=None)
    restored = store.annotations.restore(SAE, 7, 1)
    assert restored.content() == first.content()
    assert restored.revision == 3
    assert store.annotations.restore(SAE, 7, 2).name == "Gland"
    assert store.annotations.restore(SAE, 7, 0).content() == AnnotationRecord(SAE, 7).content()
    assert store.annotations.restore(SAE, 7, 0).revision == 5, "restoring what is there changes nothing"
    assert len(store.annotations.history(SAE, 7)) == 3 + 4 + 4 + 4 + 2
    for revision in (-1, 6):
        with pytest.raises(StoreError, match="no revision"):
            store.annotations.restore(SAE, 7, revision)


def test_a_change_based_on_an_old_revision_is_refused(store: Store) -> None:
    store.annotations.set(SAE, 7, name="Mine", expected_revision=0)
    with Store.open(store.folder, author="Grace") as other:
        other.annotations.set(SAE, 7, name="Hers", expected_revision=1)
    with pytest.raises(StoreError, match="changed elsewhere by Grace"):
        store.annotations.set(SAE, 7, name="Mine again", expected_revision=1)
    assert store.annotations.get(SAE, 7).name == "Hers"
    assert store.annotations.set(SAE, 7, name="Both", expected_revision=2).revision == 3


def test_annotations_are_listed_by_feature_and_by_sae(store: Store) -> None:
    for sae, feature in (("b", 1), ("a", 10), ("a", 9)):
        store.annotations.set(sae, feature, name=f"{sae}{feature}")
    assert [r.name for r in store.annotations.all()] == ["a9", "a10", "b1"]
    assert [r.name for r in store.annotations.all("a")] == ["a9", "a10"]


def test_numbers_from_numpy_are_numbers(store: Store) -> None:
    store.annotations.set(SAE, np.int64(5), confidence=np.int32(3))
    assert store.annotations.get(SAE, 5).confidence == 3


@pytest.mark.parametrize(
    "change",
    [
        {"confidence": 0},
        {"confidence": 6},
        {"confidence": 2.5},
        {"confidence": True},
        {"status": "done"},
        {"tags": "gland"},
        {"tags": [1]},
        {"name": 3},
        {"name": "half a pair \ud83d"},
    ],
)
def test_illegal_values_are_refused_with_a_hint(store: Store, change: dict[str, object]) -> None:
    with pytest.raises(UserInputError) as caught:
        store.annotations.set(SAE, 7, description="kept out", **change)
    assert caught.value.hint
    assert store.annotations.all() == []


@pytest.mark.parametrize("feature", [-1, 2**31, "3", 1.0, True])
def test_illegal_features_are_refused(store: Store, feature: object) -> None:
    with pytest.raises(UserInputError):
        store.annotations.set(SAE, feature, name="x")


@pytest.mark.parametrize(
    "text", ["naïve β–Zelle 🧫", "'; DROP TABLE annotations; --", "a\x00b", "x" * 100_000]
)
def test_any_text_comes_back_after_reopening(tmp_path: Path, text: str) -> None:
    with Store.create(tmp_path) as store:
        store.annotations.set(SAE, 1, name=text, description=text, tags=[text])
    with Store.open(tmp_path) as store:
        record = store.annotations.get(SAE, 1)
    assert (record.name, record.description, record.tags) == (text, text, (text,))
