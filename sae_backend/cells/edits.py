"""Changes of single cells by hand: cells added, taken away, or given another type."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from sae_backend.cells.table import CellImport, CellTable, Outlines
from sae_backend.errors import MismatchError, UserInputError

EditKind = Literal["add", "delete", "retype"]
EDIT_KINDS: Final[tuple[EditKind, ...]] = ("add", "delete", "retype")

BY_HAND: Final = "Sparsescope, by hand"
"""Tool of an import whose cells were all added by hand."""


@dataclass(frozen=True)
class CellEdit:
    """One change of one cell.

    Attributes
    ----------
    kind
        What is done.
    cell
        Number of the cell to delete or retype: its place among the imported cells, or for a cell that was
        added by hand, their number and its place among all that were ever added. None to add one.
    y_l0, x_l0
        Centre of an added cell in level-0 px, None otherwise.
    type_before, type_after
        Names of types: `type_before` of a deleted or retyped cell, empty where it is not known yet;
        `type_after` of an added or retyped one.
    withdrawn
        Whether the change was taken back.

    Raises
    ------
    UserInputError
        When what the kind needs is not given.
    """

    kind: EditKind
    cell: int | None = None
    y_l0: float | None = None
    x_l0: float | None = None
    type_before: str = ""
    type_after: str = ""
    withdrawn: bool = False

    def __post_init__(self) -> None:
        if self.kind not in EDIT_KINDS:
            raise UserInputError(f"Cells are not changed by {self.kind!r}.", f"Use {', '.join(EDIT_KINDS)}.")
        if self.kind == "add":
            places = (self.y_l0, self.x_l0)
            if self.cell is not None or not all(v is not None and math.isfinite(v) for v in places):
                raise UserInputError("An added cell needs a place and no number.", "Click on the slide.")
        elif self.cell is None or self.cell < 0:
            raise UserInputError("A cell is named by its number.", "Choose a cell on the slide.")
        if self.kind != "delete" and not self.type_after:
            raise UserInputError("The cell has no type.", "Choose one.")


@dataclass(frozen=True)
class EditedCells:
    """Cells after changes by hand; `numbers` int64 (M,) is the number by which an edit names each."""

    table: CellTable
    numbers: npt.NDArray[np.int64]


def apply_edits(table: CellTable, edits: Sequence[CellEdit]) -> EditedCells:
    """Cells of an import with all changes made that were not taken back.

    An added cell has no outline and no measures (NaN). A change of a cell that is not there any more
    does nothing.

    Parameters
    ----------
    table
        The cells as they were imported.
    edits
        All changes in the order in which they were made, also those taken back: they keep the numbers
        of added cells.

    Raises
    ------
    MismatchError
        When a change names a cell that these cells never had.
    """
    added = [edit for edit in edits if edit.kind == "add"]
    n_all = table.n_cells + len(added)
    alive = np.ones(n_all, bool)
    alive[table.n_cells :] = [not edit.withdrawn for edit in added]
    types = {table.n_cells + i: edit.type_after for i, edit in enumerate(added) if not edit.withdrawn}
    for edit in edits:
        if edit.cell is None:
            continue
        if edit.cell >= n_all:
            raise MismatchError("A change names a cell that is not there.", "Import the cells again.")
        if edit.withdrawn:
            continue
        if edit.kind == "delete":
            alive[edit.cell] = False
        else:
            types[edit.cell] = edit.type_after
    names = list(dict.fromkeys((*table.type_names, *(types[cell] for cell in sorted(types) if alive[cell]))))
    edited = _with_added(table, added)
    type_index = edited.type_index.copy()
    for cell, name in types.items():
        if alive[cell]:
            type_index[cell] = names.index(name)
    edited = replace(edited, type_index=type_index, type_names=tuple(names))
    return EditedCells(edited if alive.all() else edited.take(alive), np.flatnonzero(alive).astype(np.int64))


def _with_added(table: CellTable, added: Sequence[CellEdit]) -> CellTable:
    """Table with the added cells behind its own, all of the first type."""
    if not added:
        return table
    unknown = np.full(len(added), np.nan, np.float32)
    outlines = table.outlines
    if outlines is not None:
        starts = np.concatenate([outlines.starts, np.full(len(added), outlines.starts[-1], np.int64)])
        outlines = Outlines(starts, outlines.yx_l0)
    return replace(
        table,
        y_l0=np.concatenate([table.y_l0, np.array([edit.y_l0 for edit in added], np.float64)]),
        x_l0=np.concatenate([table.x_l0, np.array([edit.x_l0 for edit in added], np.float64)]),
        type_index=np.concatenate([table.type_index, np.zeros(len(added), np.uint16)]),
        measures={name: np.concatenate([values, unknown]) for name, values in table.measures.items()},
        outlines=outlines,
    )


def no_cells() -> CellImport:
    """An import without any cell, to which cells are added by hand."""
    nothing = np.zeros(0)
    table = CellTable(nothing, nothing, np.zeros(0, np.uint16), ())
    return CellImport(
        table, "by hand", hashlib.sha256(b"").hexdigest(), BY_HAND, ("Every cell was added by hand.",)
    )
