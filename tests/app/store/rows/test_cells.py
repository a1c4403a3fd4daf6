"""Cells of slides: all that is known of them comes back, the current import, damage."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest

from desktop_app.store import Store
from sae_backend.cells.table import CellImport, CellTable, Outlines
from sae_backend.errors import MismatchError, StoreError
from sae_backend.slides.slide import SlideInfo


@pytest.fixture
def slide_id(store: Store, slide_info: Callable[..., SlideInfo]) -> int:
    return store.slides.add(slide_info()).id


def detected(n: int = 50, seed: int = 0, radius: float = 30.0) -> CellImport:
    """Cells with measures and outlines of 0 to 24 points around their centres."""
    rng = np.random.default_rng(seed)
    y, x = rng.uniform(0, 100_000, (2, n))
    sizes = rng.integers(0, 25, n)
    starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    centres = np.repeat(np.stack([y, x], axis=1), sizes, axis=0)
    outlines = Outlines(starts, (centres + rng.uniform(-radius, radius, centres.shape)).astype(np.float32))
    measures = {
        "mean_od": rng.random(n).astype(np.float32),
        "area_um2": np.where(rng.random(n) < 0.2, np.nan, 40.0).astype(np.float32),
    }
    types = rng.integers(0, 2, n).astype(np.uint16)
    table = CellTable(y, x, types, ("Tumor", "Immune"), measures, outlines)
    return CellImport(table, "detector", "d" * 64, "nuclei 1", ("n",), {"format": "x", "scale": 0.5})


def test_cells_come_back_bit_for_bit(store: Store, slide_id: int, cell_import: CellImport) -> None:
    record = store.cells.add(slide_id, cell_import)
    assert record.n_cells == 3 and record.current and record.author == "Ada"
    assert record.type_counts == {"Tumor": 1, "Immune cells": 2}
    assert (record.tool, record.notes) == ("QuPath", ("one cell without a type",))
    assert (record.assumed, record.measure_names, record.n_outline_points) == ({}, (), None)
    table = store.cells.get(slide_id)
    assert table is not None and table.type_names == cell_import.table.type_names
    assert table.outlines is None and table.measures == {}
    for name in ("y_l0", "x_l0", "type_index"):
        found, given = getattr(table, name), getattr(cell_import.table, name)
        assert found.dtype == given.dtype and found.flags.writeable
        np.testing.assert_array_equal(found, given)
    empty = CellTable(np.zeros(0), np.zeros(0), np.zeros(0, np.uint16), (), {"a": np.zeros(0, np.float32)})
    second = store.cells.add(slide_id, replace(cell_import, table=empty))
    assert store.cells.get(slide_id).n_cells == 0, "the latest import counts"
    assert store.cells.imports(slide_id) == [replace(record, current=False), second]


@pytest.mark.parametrize("radius", [30.0, 5000.0])
def test_measures_and_outlines_come_back(store: Store, slide_id: int, radius: float) -> None:
    given = detected(radius=radius)
    record = store.cells.add(slide_id, given)
    assert (record.assumed, record.measure_names) == ({"format": "x", "scale": 0.5}, ("mean_od", "area_um2"))
    assert record.n_outline_points == given.table.outlines.starts[-1]
    with Store.open(store.folder) as again:
        table = again.cells.get(slide_id)
    assert list(table.measures) == ["mean_od", "area_um2"]
    for name, values in given.table.measures.items():
        assert table.measures[name].dtype == np.float32
        np.testing.assert_array_equal(table.measures[name], values)
    np.testing.assert_array_equal(table.outlines.starts, given.table.outlines.starts)
    assert table.outlines.starts.dtype == np.int64 and table.outlines.yx_l0.dtype == np.float32
    # Half a step of 1/16 px, and what float32 itself leaves open near 100,000 px.
    np.testing.assert_allclose(
        table.outlines.yx_l0, given.table.outlines.yx_l0, rtol=0, atol=1 / 32 + 1 / 128
    )
    plain = store.cells.get(slide_id, details=False)
    assert plain.outlines is None and plain.measures == {} and plain.n_cells == 50
    stored = store.cells.add(slide_id, replace(given, table=table))
    np.testing.assert_array_equal(store.cells.get(slide_id).outlines.yx_l0, table.outlines.yx_l0)
    assert stored.id != record.id


def test_outlines_of_the_same_cells_are_stored_once(store: Store, slide_id: int) -> None:
    given = detected()
    store.cells.add(slide_id, given)
    proposed = replace(given.table, type_index=1 - given.table.type_index)
    store.cells.add(slide_id, replace(given, table=proposed, source_name="classifier"))
    with closing(sqlite3.connect(store.folder / "project.sqlite")) as connection:
        assert connection.execute("SELECT count(*) FROM cell_details").fetchone() == (8,)
        assert connection.execute("SELECT count(*) FROM blobs").fetchone() == (4,)
    np.testing.assert_array_equal(store.cells.get(slide_id).type_index, 1 - given.table.type_index)


def test_an_older_import_can_be_chosen(
    store: Store, slide_id: int, cell_import: CellImport, slide_info: Callable[..., SlideInfo]
) -> None:
    first = store.cells.add(slide_id, cell_import)
    second = store.cells.add(slide_id, detected())
    other = store.slides.add(slide_info(fingerprint="2" * 40)).id
    store.cells.add(other, detected(5))
    assert store.cells.current(slide_id) == second
    versions = [store.cells.version(slide_id)]
    store.cells.choose(first.id)
    assert store.cells.get(slide_id).n_cells == 3 and store.cells.current(slide_id).id == first.id
    assert [record.current for record in store.cells.imports(slide_id)] == [True, False]
    versions.append(store.cells.version(slide_id))
    store.cells.choose(second.id)
    assert store.cells.version(slide_id) == versions[0] != versions[1]
    store.cells.choose(first.id)
    store.cells.add(slide_id, detected(7))
    assert store.cells.get(slide_id).n_cells == 7 and store.cells.get(other).n_cells == 5
    assert store.cells.imported(first.id).n_cells == 3


def test_cells_that_do_not_fit_together_are_refused(
    store: Store, slide_id: int, cell_import: CellImport
) -> None:
    table = cell_import.table
    nowhere = np.array([1.0, np.nan, 2.0])
    lost = Outlines(np.array([0, 1, 1, 1]), np.array([[np.inf, 0]], np.float32))
    far = Outlines(np.array([0, 1, 1, 1]), np.array([[1e9, 0]], np.float32))
    for changes in (
        {"type_names": ("Tumor",)},
        {"y_l0": nowhere},
        {"outlines": lost},
        {"outlines": far},
    ):
        with pytest.raises(MismatchError):
            store.cells.add(slide_id, replace(cell_import, table=replace(table, **changes)))
    with pytest.raises(MismatchError):
        replace(table, x_l0=np.zeros(2))
    assert store.cells.imports(slide_id) == []


@pytest.mark.parametrize("blob", [b"not zlib", b"x\x9c\x03\x00\x00\x00\x00\x01"])
def test_damaged_cells_are_reported(
    store: Store, slide_id: int, cell_import: CellImport, blob: bytes
) -> None:
    store.cells.add(slide_id, cell_import)
    with closing(sqlite3.connect(store.folder / "project.sqlite")) as connection:
        connection.execute("UPDATE cell_arrays SET y_l0 = ?", (blob,))
        connection.commit()
    with pytest.raises(StoreError, match="damaged"):
        store.cells.get(slide_id)


@pytest.mark.parametrize("name", ["outline_sizes", "outline_offsets", "measures/mean_od"])
@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE blobs SET data = x'01' WHERE digest = (SELECT digest FROM cell_details WHERE name = ?)",
        "DELETE FROM cell_details WHERE name = ?",
        "UPDATE cell_details SET shape = '[1]' WHERE name = ?",
        "UPDATE cell_details SET shape = '[49]' WHERE name = ?",
        "UPDATE cell_details SET part = 2 WHERE name = ?",
    ],
)
def test_damaged_outlines_and_measures_are_reported(
    store: Store, slide_id: int, name: str, damage: str
) -> None:
    store.cells.add(slide_id, detected())
    with closing(sqlite3.connect(store.folder / "project.sqlite")) as connection:
        connection.execute(damage, (name,))
        connection.commit()
    assert store.cells.get(slide_id, details=False).n_cells == 50
    with pytest.raises(StoreError, match="damaged"):
        store.cells.get(slide_id)
