"""Values of places: stored whole, the newest of each source, damage."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest

from desktop_app.store import Store
from sae_backend.cells.point_values import TileValues
from sae_backend.errors import MismatchError, StoreError
from sae_backend.slides.slide import SlideInfo

SPOTS = TileValues(
    np.array([1.5, 2.0, 3.0]),
    np.array([0.0, 1.0, 1e5]),
    ("EPCAM", "CD3E"),
    np.array([[1, 2], [np.nan, 4], [5, 6]], np.float32),
    "spots.h5ad",
    "a" * 64,
    ("3 spots",),
)


@pytest.fixture
def slide_id(store: Store, slide_info: Callable[..., SlideInfo]) -> int:
    return store.slides.add(slide_info()).id


def test_values_come_back_and_newer_ones_take_the_place_of_older_ones(store: Store, slide_id: int) -> None:
    assert store.tile_values.get(slide_id) is None
    first = store.tile_values.add(slide_id, replace(SPOTS, values=SPOTS.values + 1))
    second = store.tile_values.add(slide_id, SPOTS)
    assert (second.names, second.n_rows, second.notes, second.author) == (
        ("EPCAM", "CD3E"), 3, ("3 spots",), "Ada",
    )  # fmt: skip
    with Store.open(store.folder) as again:
        assert again.tile_values.imports(slide_id) == [first, second]
        found = again.tile_values.get(slide_id)
    for name in ("y_l0", "x_l0", "values"):
        array, given = getattr(found, name), getattr(SPOTS, name)
        assert array.dtype == given.dtype
        np.testing.assert_array_equal(array, given)
    assert (found.names, found.source_name, found.source_sha256, found.notes) == (
        SPOTS.names, SPOTS.source_name, SPOTS.source_sha256, SPOTS.notes,
    )  # fmt: skip
    store.tile_values.add(slide_id, replace(SPOTS, names=("score", "CD3E"), source_name="scores.csv"))
    joined = store.tile_values.get(slide_id)
    assert joined.names == ("EPCAM", "CD3E", "score", "CD3E (scores.csv)")
    np.testing.assert_array_equal(joined.values, np.hstack([SPOTS.values, SPOTS.values]))


def test_a_wide_table_is_stored_in_parts(
    store: Store, slide_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("desktop_app.store.encoding.packed_arrays.PART_BYTES", 1000)
    names = tuple(f"gene {i}" for i in range(700))
    values = np.arange(2100, dtype=np.float32).reshape(3, 700)
    store.tile_values.add(slide_id, replace(SPOTS, names=names, values=values))
    np.testing.assert_array_equal(store.tile_values.get(slide_id).values, values)
    none = TileValues(np.zeros(0), np.zeros(0), (), np.zeros((0, 0), np.float32), "none.csv", "0" * 64)
    store.tile_values.add(slide_id, none)
    assert store.tile_values.get(slide_id).names == names


def test_what_cannot_be_placed_is_refused(store: Store, slide_id: int) -> None:
    with pytest.raises(MismatchError):
        store.tile_values.add(slide_id, replace(SPOTS, y_l0=np.array([1.0, np.nan, 2.0])))
    with pytest.raises(StoreError, match="no such slide"):
        store.tile_values.add(99, SPOTS)
    assert store.tile_values.imports(slide_id) == []


def test_damage_is_reported(store: Store, slide_id: int) -> None:
    for number, damage in enumerate(("data = x'00'", "shape = '[3, 1]'", "name = 'value'")):
        store.tile_values.add(slide_id, SPOTS)
        with closing(sqlite3.connect(store.folder / "project.sqlite")) as connection:
            connection.execute(
                f"UPDATE tile_value_arrays SET {damage} WHERE name = 'values' AND tile_values_id = {number + 1}"
            )
            connection.commit()
        with pytest.raises(StoreError, match=r"spots\.h5ad are damaged"):
            store.tile_values.get(slide_id)
