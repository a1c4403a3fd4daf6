"""Cells added, taken away and given another type by hand."""

from __future__ import annotations

import numpy as np
import pytest

from sae_backend.cells.edits import CellEdit, apply_edits
from sae_backend.cells.table import CellTable, Outlines
from sae_backend.errors import MismatchError, UserInputError


def table() -> CellTable:
    outlines = Outlines(np.array([0, 3, 3, 7]), np.arange(14, dtype=np.float32).reshape(7, 2))
    area = np.array([10, 20, 30], np.float32)
    return CellTable(
        np.array([1.0, 2.0, 3.0]), np.array([4.0, 5.0, 6.0]), np.array([0, 1, 0], np.uint16), ("a", "b"),
        {"area_um2": area}, outlines,
    )  # fmt: skip


def names(found: CellTable) -> list[str]:
    return [found.type_names[i] for i in found.type_index]


def test_no_change_changes_nothing() -> None:
    given = table()
    found = apply_edits(given, [])
    np.testing.assert_array_equal(found.numbers, [0, 1, 2])
    assert found.numbers.dtype == np.int64 and names(found.table) == ["a", "b", "a"]
    assert found.table.outlines is given.outlines


def test_cells_are_added_deleted_and_retyped() -> None:
    given = table()
    found = apply_edits(
        given,
        [
            CellEdit("add", y_l0=7.0, x_l0=8.0, type_after="new"),
            CellEdit("delete", 0),
            CellEdit("retype", 2, type_after="b"),
            CellEdit("add", y_l0=9.0, x_l0=9.5, type_after="a"),
            CellEdit("retype", 4, type_after="other"),
        ],
    )
    np.testing.assert_array_equal(found.numbers, [1, 2, 3, 4])
    cells = found.table
    np.testing.assert_array_equal(cells.y_l0, [2, 3, 7, 9])
    np.testing.assert_array_equal(cells.x_l0, [5, 6, 8, 9.5])
    assert names(cells) == ["b", "b", "new", "other"] and cells.type_index.dtype == np.uint16
    assert cells.type_names == ("a", "b", "new", "other")
    np.testing.assert_array_equal(cells.measures["area_um2"], [20, 30, np.nan, np.nan])
    assert cells.measures["area_um2"].dtype == np.float32
    assert [len(cells.outlines.ring(i)) for i in range(4)] == [0, 4, 0, 0]
    np.testing.assert_array_equal(cells.outlines.ring(1), given.outlines.ring(2))
    np.testing.assert_array_equal(given.type_index, [0, 1, 0])


def test_a_change_taken_back_keeps_the_numbers_of_others() -> None:
    found = apply_edits(
        table(),
        [
            CellEdit("add", y_l0=7.0, x_l0=8.0, type_after="new", withdrawn=True),
            CellEdit("add", y_l0=9.0, x_l0=9.0, type_after="a"),
            CellEdit("delete", 0, withdrawn=True),
            CellEdit("retype", 4, type_after="b"),
            CellEdit("retype", 1, type_after="gone", withdrawn=True),
            CellEdit("retype", 3, type_after="of a cell that is not there"),
            CellEdit("delete", 2),
            CellEdit("retype", 2, type_after="too late"),
        ],
    )
    np.testing.assert_array_equal(found.numbers, [0, 1, 4])
    assert names(found.table) == ["a", "b", "b"] and found.table.type_names == ("a", "b")


def test_cells_without_outlines_and_no_cells_at_all() -> None:
    none = CellTable(np.zeros(0), np.zeros(0), np.zeros(0, np.uint16), ())
    found = apply_edits(none, [CellEdit("add", y_l0=1.0, x_l0=2.0, type_after="a")])
    assert found.table.n_cells == 1 and names(found.table) == ["a"] and found.table.outlines is None
    with pytest.raises(MismatchError):
        apply_edits(none, [CellEdit("delete", 0)])


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "move", "cell": 1},
        {"kind": "add", "type_after": "a"},
        {"kind": "add", "y_l0": float("nan"), "x_l0": 1.0, "type_after": "a"},
        {"kind": "add", "cell": 1, "y_l0": 0.0, "x_l0": 1.0, "type_after": "a"},
        {"kind": "add", "y_l0": 0.0, "x_l0": 1.0},
        {"kind": "delete"},
        {"kind": "delete", "cell": -1},
        {"kind": "retype", "cell": 1},
    ],
)
def test_a_change_that_says_too_little_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(UserInputError) as caught:
        CellEdit(**wrong)
    assert caught.value.hint
