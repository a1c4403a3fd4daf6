"""Changes of single cells by hand; every one is kept, also when it is taken back."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, Row, insert, select, update

from desktop_app.store import tables
from desktop_app.store.encoding.cell_arrays import damaged_cells, read_types
from desktop_app.store.encoding.plain import checked_text, now_utc
from desktop_app.store.engine import Rows
from desktop_app.store.records.measured_records import CellEditRecord
from sae_backend.cells.edits import CellEdit
from sae_backend.errors import StoreError, UserInputError

_E = tables.cell_edits
_I = tables.cell_imports


class CellEditRows(Rows):
    """Changes of cells by hand."""

    def add(self, import_id: int, edits: Iterable[CellEdit]) -> list[CellEditRecord]:
        """Keep changes of the cells of an import, in one transaction; on return they are on the disk.

        The type that a cell has had is looked up, whatever the change says of it.

        Raises
        ------
        UserInputError
            When a change names a cell that is not there.
        StoreError
            When there is no such import.
        """
        given = list(edits)
        with self._database.write() as connection:
            n_cells = _n_cells(connection, import_id)
            known = _records(connection, import_id, n_cells)
            state = _Types(connection, import_id, known)
            next_cell = n_cells + sum(record.edit.kind == "add" for record in known)
            at = now_utc()
            rows = []
            for edit in given:
                if edit.cell is None:
                    cell, before = next_cell, ""
                    next_cell += 1
                elif edit.cell < next_cell:
                    cell, before = edit.cell, state.of(edit.cell)
                else:
                    raise UserInputError(f"There is no cell {edit.cell}.", "Choose a cell on the slide.")
                checked = replace(edit, type_before=before, type_after=checked_text("type", edit.type_after))
                state.note(cell, checked)
                rows.append(_columns(checked, import_id, self._database.author, at))
            if rows:
                connection.execute(insert(_E), rows)
            return _records(connection, import_id, n_cells)[len(known) :]

    def all(self, import_id: int) -> list[CellEditRecord]:
        """All changes of the cells of an import, the oldest first, also those taken back.

        Raises
        ------
        StoreError
            When there is no such import.
        """
        with self._database.read() as connection:
            return _records(connection, import_id, _n_cells(connection, import_id))

    def withdraw(self, ids: Iterable[int], *, withdrawn: bool = True) -> None:
        """Take changes back, or make them again, in one transaction.

        Raises
        ------
        StoreError
            When one of them is not there; then nothing is changed.
        """
        with self._database.write() as connection:
            for number in ids:
                done = connection.execute(update(_E).where(_E.c.id == number).values(withdrawn=withdrawn))
                if done.rowcount == 0:
                    raise StoreError("There is no such change of a cell.", "Open the slide again.")


def edits_of_import(connection: Connection, import_id: int) -> list[CellEdit]:
    """All changes of the cells of an import in their order."""
    return [_edit(row) for row in connection.execute(_query(import_id))]


def effective_ids(connection: Connection, import_id: int) -> list[int]:
    """Ids of the changes that were not taken back."""
    query = select(_E.c.id).where(_E.c.import_id == import_id, _E.c.withdrawn.is_(False)).order_by(_E.c.id)
    return list(connection.execute(query).scalars())


def copy_edits(connection: Connection, source: int, target: int) -> None:
    """Give an import the changes of another one, under their authors and times."""
    rows = [
        {**row._mapping, "import_id": target, "uid": uuid4().hex}
        for row in connection.execute(_query(source))
    ]
    for row in rows:
        del row["id"]
    if rows:
        connection.execute(insert(_E), rows)


class _Types:
    """Types of cells as they are after the changes made so far; what nobody changed is read only if asked for."""

    def __init__(self, connection: Connection, import_id: int, known: list[CellEditRecord]) -> None:
        self._connection, self._import_id = connection, import_id
        self._imported: Any = None
        self._changed: dict[int, str] = {}
        for record in known:
            if not record.edit.withdrawn:
                self.note(record.cell, record.edit)

    def note(self, cell: int, edit: CellEdit) -> None:
        if edit.kind != "delete":
            self._changed[cell] = edit.type_after

    def of(self, cell: int) -> str:
        if cell in self._changed:
            return self._changed[cell]
        if self._imported is None:
            self._imported = read_types(self._connection, self._import_id)
        type_index, names = self._imported
        # A cell whose addition was taken back has no type.
        return str(names[type_index[cell]]) if cell < type_index.size else ""


def _query(import_id: int) -> Any:
    return select(_E).where(_E.c.import_id == import_id).order_by(_E.c.id)


def _n_cells(connection: Connection, import_id: int) -> int:
    n_cells = connection.execute(select(_I.c.n_cells).where(_I.c.id == import_id)).scalar()
    if n_cells is None:
        raise StoreError("The project has no such import of cells.", "Choose one of the slide's imports.")
    return int(n_cells)


def _records(connection: Connection, import_id: int, n_cells: int) -> list[CellEditRecord]:
    records = []
    next_cell = n_cells
    for row in connection.execute(_query(import_id)):
        cell = row.cell
        if cell is None:
            cell, next_cell = next_cell, next_cell + 1
        records.append(CellEditRecord(row.id, row.uid, import_id, cell, _edit(row), row.author, row.at))
    return records


def _edit(row: Row[Any]) -> CellEdit:
    try:
        return CellEdit(
            row.kind, row.cell, row.y_l0, row.x_l0, row.type_before, row.type_after, bool(row.withdrawn)
        )
    except UserInputError as error:
        raise damaged_cells() from error


def _columns(edit: CellEdit, import_id: int, author: str, at: str) -> dict[str, Any]:
    return {
        "uid": uuid4().hex,
        "import_id": import_id,
        "kind": edit.kind,
        "cell": edit.cell,
        "y_l0": edit.y_l0,
        "x_l0": edit.x_l0,
        "type_before": edit.type_before,
        "type_after": edit.type_after,
        "author": author,
        "at": at,
        "withdrawn": edit.withdrawn,
    }
