"""The class map of a project: what cells are called, kept beside what they were imported as."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from desktop_app.store import Store
from sae_backend.cells.class_map import ClassMap
from sae_backend.cells.edits import CellEdit
from sae_backend.cells.table import CellImport
from sae_backend.errors import StoreError
from sae_backend.slides.slide import SlideInfo
from tests.app.store.rows.test_cells import detected

MERGED = ClassMap({"Tumor": "Epithelium"}, frozenset({"Immune cells"}))


@pytest.fixture
def slide_id(store: Store, slide_info: Callable[..., SlideInfo]) -> int:
    return store.slides.add(slide_info()).id


def test_types_are_seen_through_the_map(store: Store, slide_id: int, cell_import: CellImport) -> None:
    assert store.class_map.get() == ClassMap()
    made = store.cells.add(slide_id, cell_import)
    before = store.cells.version(slide_id)
    store.class_map.set(ClassMap())
    assert store.cells.version(slide_id) == before
    assert store.cells.get(slide_id).type_names == ("Tumor", "Immune cells"), "a map of nothing sorts nothing"
    store.class_map.set(MERGED)
    assert store.cells.version(slide_id) != before
    with Store.open(store.folder) as again:
        assert again.class_map.get() == MERGED
        table = again.cells.get(slide_id)
    assert table.type_names == ("Epithelium",) and table.n_cells == 1
    np.testing.assert_array_equal(table.y_l0, cell_import.table.y_l0[1:2])
    assert store.cells.raw(slide_id).type_names == ("Tumor", "Immune cells")
    assert made.class_map == ClassMap().to_json()
    assert store.cells.add(slide_id, cell_import).class_map == MERGED.to_json()


def test_changes_come_before_the_map_and_keep_their_numbers(
    store: Store, slide_id: int, cell_import: CellImport
) -> None:
    made = store.cells.add(slide_id, cell_import)
    store.class_map.set(MERGED)
    store.cell_edits.add(
        made.id,
        [
            CellEdit("retype", 2, type_after="Tumor"),
            CellEdit("add", y_l0=1.0, x_l0=2.0, type_after="Mitosis"),
        ],
    )
    found = store.cells.numbered(slide_id)
    np.testing.assert_array_equal(found.numbers, [1, 2, 3])
    assert [found.table.type_names[i] for i in found.table.type_index] == [
        "Epithelium",
        "Epithelium",
        "Mitosis",
    ]


def test_outlines_and_measures_stay_with_their_cells(store: Store, slide_id: int) -> None:
    given = detected().table
    store.cells.add(slide_id, detected())
    store.class_map.set(ClassMap({}, frozenset({"Immune"})))
    found = store.cells.numbered(slide_id)
    kept = np.flatnonzero(given.type_index == 0)
    np.testing.assert_array_equal(found.numbers, kept)
    np.testing.assert_array_equal(found.table.measures["mean_od"], given.measures["mean_od"][kept])
    np.testing.assert_allclose(
        found.table.outlines.yx_l0, given.outlines.take(kept).yx_l0, rtol=0, atol=1 / 32 + 1 / 128
    )


@pytest.mark.parametrize("text", ["{", "[]", '{"renamed": 3}'])
def test_a_map_that_cannot_be_read_is_damage(
    store: Store, slide_id: int, cell_import: CellImport, text: str
) -> None:
    store.cells.add(slide_id, cell_import)
    store.settings.set("class_map", text)
    for act in (
        store.class_map.get,
        lambda: store.cells.get(slide_id),
        lambda: store.cells.version(slide_id),
    ):
        with pytest.raises(StoreError, match="class map is damaged"):
            act()
    assert store.cells.raw(slide_id).n_cells == 3
