"""Changes of cells by hand: kept with their history, taken back, carried over to proposed types."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest

from desktop_app.store import Store
from sae_backend.cells.edits import CellEdit
from sae_backend.cells.table import CellImport
from sae_backend.errors import MismatchError, StoreError, UserInputError
from sae_backend.slides.slide import SlideInfo


@pytest.fixture
def slide_id(store: Store, slide_info: Callable[..., SlideInfo]) -> int:
    return store.slides.add(slide_info()).id


def types(store: Store, slide_id: int) -> dict[int, str]:
    """Type of each cell by the number that edits call it by."""
    found = store.cells.numbered(slide_id)
    names = found.table.type_names
    return {int(n): names[i] for n, i in zip(found.numbers, found.table.type_index, strict=True)}


def test_changes_are_kept_and_taken_back(store: Store, slide_id: int, cell_import: CellImport) -> None:
    made = store.cells.add(slide_id, cell_import)
    versions = [store.cells.version(slide_id)]
    first, second = store.cell_edits.add(
        made.id,
        [
            CellEdit("add", y_l0=10.5, x_l0=20.0, type_after="Mitosis"),
            CellEdit("retype", 1, type_after="Tumor"),
        ],
    )
    versions.append(store.cells.version(slide_id))
    store.author = "Grace"
    third, fourth = store.cell_edits.add(
        made.id,
        [
            CellEdit("delete", 0, type_before="whatever the caller thinks"),
            CellEdit("retype", 3, type_after="Tumor"),
        ],
    )
    versions.append(store.cells.version(slide_id))
    assert [(e.cell, e.edit.type_before, e.edit.type_after, e.author) for e in (first, second, third, fourth)] == [
        (3, "", "Mitosis", "Ada"),
        (1, "Tumor", "Tumor", "Ada"),
        (0, "Immune cells", "", "Grace"),
        (3, "Mitosis", "Tumor", "Grace"),
    ]  # fmt: skip
    assert types(store, slide_id) == {1: "Tumor", 2: "Immune cells", 3: "Tumor"}
    table = store.cells.get(slide_id)
    assert (table.y_l0[-1], table.x_l0[-1]) == (10.5, 20.0)
    assert store.cells.imported(made.id).n_cells == 3, "what was imported stays"
    with Store.open(store.folder) as again:
        assert again.cell_edits.all(made.id) == [first, second, third, fourth]
        assert again.cells.version(slide_id) == versions[-1]
    store.cell_edits.withdraw([third.id, first.id])
    assert types(store, slide_id) == {0: "Immune cells", 1: "Tumor", 2: "Immune cells"}
    assert [known.edit.withdrawn for known in store.cell_edits.all(made.id)] == [True, False, True, False]
    (fifth,) = store.cell_edits.add(made.id, [CellEdit("add", y_l0=1.0, x_l0=2.0, type_after="Tumor")])
    assert fifth.cell == 4, "a number is never given twice"
    versions.append(store.cells.version(slide_id))
    store.cell_edits.withdraw([fifth.id])
    store.cell_edits.withdraw([third.id, first.id], withdrawn=False)
    assert types(store, slide_id) == {1: "Tumor", 2: "Immune cells", 3: "Tumor"}
    assert len(set(versions)) == 4 and store.cells.version(slide_id) == versions[2]


def test_all_changes_or_none(store: Store, slide_id: int, cell_import: CellImport) -> None:
    made = store.cells.add(slide_id, cell_import)
    good = CellEdit("delete", 0)
    with pytest.raises(UserInputError, match="no cell 3"):
        store.cell_edits.add(made.id, [good, CellEdit("delete", 3)])
    assert store.cell_edits.all(made.id) == [] and store.cell_edits.add(made.id, []) == []
    (known,) = store.cell_edits.add(made.id, [good])
    with pytest.raises(StoreError, match="no such change"):
        store.cell_edits.withdraw([known.id, 99])
    assert store.cell_edits.all(made.id) == [known]


def test_proposed_types_keep_what_people_changed(
    store: Store, slide_id: int, cell_import: CellImport
) -> None:
    detected = store.cells.add(slide_id, cell_import)
    edits = [
        CellEdit("retype", 1, type_after="Mitosis"),
        CellEdit("add", y_l0=1.0, x_l0=2.0, type_after="Tumor"),
    ]
    kept, withdrawn, deleted = store.cell_edits.add(detected.id, [*edits, CellEdit("delete", 2)])
    store.cell_edits.withdraw([withdrawn.id])
    store.author = "Grace"
    table = replace(cell_import.table, type_index=np.zeros(3, np.uint16), type_names=("Stroma",))
    proposed = store.cells.add(slide_id, replace(cell_import, table=table, tool="classifier"), detected.id)
    assert types(store, slide_id) == {0: "Stroma", 1: "Mitosis"}
    copies = store.cell_edits.all(proposed.id)
    assert [(e.cell, e.edit.withdrawn, e.author, e.at) for e in copies] == [
        (e.cell, e.edit.withdrawn, "Ada", e.at) for e in store.cell_edits.all(detected.id)
    ]
    assert not {e.uid for e in copies} & {kept.uid, withdrawn.uid, deleted.uid}
    store.cell_edits.withdraw([copies[0].id])
    assert types(store, slide_id)[1] == "Stroma"
    store.cells.choose(detected.id)
    assert types(store, slide_id)[1] == "Mitosis"


def test_changes_of_other_cells_are_not_taken_over(
    store: Store, slide_id: int, cell_import: CellImport, slide_info: Callable[..., SlideInfo]
) -> None:
    made = store.cells.add(slide_id, cell_import)
    moved = replace(cell_import.table, y_l0=cell_import.table.y_l0 + 1)
    other = store.slides.add(slide_info(fingerprint="2" * 40)).id
    with pytest.raises(MismatchError, match="not those"):
        store.cells.add(slide_id, replace(cell_import, table=moved), made.id)
    with pytest.raises(MismatchError, match="not those"):
        store.cells.add(other, cell_import, made.id)
    with pytest.raises(StoreError, match="no such import"):
        store.cells.add(slide_id, cell_import, 99)
    assert store.cells.imports(slide_id) == [made] and store.cells.imports(other) == []


def test_a_stored_change_that_makes_no_sense_is_damage(
    store: Store, slide_id: int, cell_import: CellImport
) -> None:
    made = store.cells.add(slide_id, cell_import)
    store.cell_edits.add(made.id, [CellEdit("retype", 0, type_after="Tumor")])
    for change in ("cell = 77", "cell = -1", "type_after = ''"):
        with closing(sqlite3.connect(store.folder / "project.sqlite")) as connection:
            connection.execute("UPDATE cell_edits SET cell = 0, type_after = 'Tumor'")
            connection.execute(f"UPDATE cell_edits SET {change}")
            connection.commit()
        with pytest.raises(StoreError, match="damaged"):
            store.cells.get(slide_id)
