"""Cells of slides, kept in the project because the user may not have the file any more."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import Connection, Row, func, insert, select, update

from desktop_app.store import tables
from desktop_app.store.encoding.cell_arrays import check_cells, damaged_cells, read_cells, write_cells
from desktop_app.store.encoding.plain import from_text, now_utc, to_text
from desktop_app.store.engine import Rows
from desktop_app.store.records.measured_records import CellImportRecord
from desktop_app.store.rows.cell_edits import copy_edits, edits_of_import, effective_ids
from desktop_app.store.rows.settings import mapped_cells, read_class_map
from sae_backend.cells.edits import EditedCells, apply_edits
from sae_backend.errors import MismatchError, StoreError

if TYPE_CHECKING:
    from sae_backend.cells.table import CellImport, CellTable

_T = tables.cell_imports


class CellRows(Rows):
    """Cells of slides. Nothing is deleted: every import and every change stays."""

    def add(self, slide_id: int, cells: CellImport, edits_of: int | None = None) -> CellImportRecord:
        """Store the cells of a slide with where they came from; they become the slide's cells.

        Parameters
        ----------
        slide_id
            The slide.
        cells
            What was read from a file or found by a detector.
        edits_of
            Id of an import of the same cells whose changes by hand hold for these too: so types that a
            classifier proposes do not undo what people did.

        Raises
        ------
        MismatchError
            When the arrays of the table do not belong together, or its cells are not those of `edits_of`.
        StoreError
            When there is no such slide.
        """
        table = cells.table
        check_cells(table)
        per_type = np.bincount(table.type_index, minlength=len(table.type_names))
        counts = {name: int(n) for name, n in zip(table.type_names, per_type, strict=True)}
        with self._database.write() as connection:
            known = select(tables.slides.c.id).where(tables.slides.c.id == slide_id)
            if connection.execute(known).first() is None:
                raise StoreError("The project has no such slide.", "Add the slide to the project first.")
            added = connection.execute(
                insert(_T)
                .values(
                    slide_id=slide_id,
                    source_name=cells.source_name,
                    source_sha256=cells.source_sha256,
                    tool=cells.tool,
                    n_cells=table.n_cells,
                    type_names=to_text(list(table.type_names)),
                    type_counts=to_text(counts),
                    notes=to_text(list(cells.notes)),
                    imported_at=now_utc(),
                    author=self._database.author,
                    assumed=to_text(dict(cells.assumed)),
                    measure_names=to_text(list(table.measures)),
                    n_outline_points=None if table.outlines is None else len(table.outlines.yx_l0),
                    class_map=to_text(read_class_map(connection).to_json()),
                    recency=_next_recency(connection),
                )
                .returning(_T.c.id)
            ).scalar_one()
            write_cells(connection, added, table)
            if edits_of is not None:
                _check_same_cells(connection, slide_id, edits_of, table)
                copy_edits(connection, edits_of, added)
            return _record(connection, connection.execute(select(_T).where(_T.c.id == added)).one())

    def imports(self, slide_id: int) -> list[CellImportRecord]:
        """All imports of cells of a slide, the oldest first."""
        with self._database.read() as connection:
            rows = connection.execute(select(_T).where(_T.c.slide_id == slide_id).order_by(_T.c.id)).all()
            return [_record(connection, row) for row in rows]

    def current(self, slide_id: int) -> CellImportRecord | None:
        """Return the import that a slide's cells are taken from, None where there is none."""
        with self._database.read() as connection:
            current = _current(connection, slide_id)
            if current is None:
                return None
            return _record(connection, connection.execute(select(_T).where(_T.c.id == current)).one())

    def choose(self, import_id: int) -> None:
        """Take the cells of a slide from this import until another is made or chosen.

        Raises
        ------
        StoreError
            When there is no such import.
        """
        with self._database.write() as connection:
            changed = connection.execute(
                update(_T).where(_T.c.id == import_id).values(recency=_next_recency(connection))
            )
            if changed.rowcount != 1:
                raise _no_such_import()

    def imported(self, import_id: int, *, details: bool = True) -> CellTable:
        """Cells as they were imported, without changes by hand and class map.

        Raises
        ------
        StoreError
            When there is no such import, or it is damaged.
        """
        with self._database.read() as connection:
            table = read_cells(connection, import_id, details=details)
        if table is None:
            raise _no_such_import()
        return table

    def get(self, slide_id: int, *, details: bool = True) -> CellTable | None:
        """Return the cells of a slide as they count: changed by hand, types by the project's class map.

        Parameters
        ----------
        slide_id
            The slide.
        details
            Whether to read measures and outlines, which takes a second where there are many.

        Returns
        -------
        CellTable or None
            None where the slide has no cells.
        """
        found = self.numbered(slide_id, details=details)
        return None if found is None else found.table

    def raw(self, slide_id: int, *, details: bool = True) -> CellTable | None:
        """Return the cells of a slide as `cells` does, with the types as they were before the class map."""
        with self._database.read() as connection:
            found = _edited(connection, slide_id, details=details)
        return None if found is None else found.table

    def numbered(self, slide_id: int, *, details: bool = True) -> EditedCells | None:
        """Return the cells that `cells` gives, and the number by which an edit names each of them."""
        with self._database.read() as connection:
            found = _edited(connection, slide_id, details=details)
            return None if found is None else mapped_cells(found, read_class_map(connection))

    def version(self, slide_id: int) -> str:
        """Text that changes whenever `cells` would give something else; empty where there are none."""
        with self._database.read() as connection:
            current = _current(connection, slide_id)
            if current is None:
                return ""
            class_map = read_class_map(connection).to_json()
            state = [current, effective_ids(connection, current), class_map]
        return f"{current}-{hashlib.sha256(to_text(state).encode()).hexdigest()[:16]}"


def _next_recency(connection: Connection) -> int:
    # A count, not a clock: a clock that is set back must not change which cells are current.
    return int(connection.execute(select(func.coalesce(func.max(_T.c.recency), 0))).scalar_one()) + 1


def _current(connection: Connection, slide_id: int) -> int | None:
    query = select(_T.c.id).where(_T.c.slide_id == slide_id).order_by(_T.c.recency.desc()).limit(1)
    return connection.execute(query).scalar()


def _edited(connection: Connection, slide_id: int, *, details: bool) -> EditedCells | None:
    current = _current(connection, slide_id)
    table = None if current is None else read_cells(connection, current, details=details)
    if current is None or table is None:
        return None
    try:
        return apply_edits(table, edits_of_import(connection, current))
    except MismatchError as error:
        raise damaged_cells() from error


def _check_same_cells(connection: Connection, slide_id: int, import_id: int, table: CellTable) -> None:
    owner = connection.execute(select(_T.c.slide_id).where(_T.c.id == import_id)).scalar()
    known = read_cells(connection, import_id, details=False)
    if owner is None or known is None:
        raise _no_such_import()
    same = np.array_equal(known.y_l0, table.y_l0) and np.array_equal(known.x_l0, table.x_l0)
    if owner != slide_id or not same:
        raise MismatchError(
            "The cells are not those of the import whose changes they were to take over.",
            "Propose types for the cells of that import.",
        )


def _no_such_import() -> StoreError:
    return StoreError("The project has no such import of cells.", "Choose one of the slide's imports.")


def _record(connection: Connection, row: Row[Any]) -> CellImportRecord:
    values = dict(row._mapping)
    del values["type_names"], values["recency"]
    for name in ("type_counts", "assumed", "class_map"):
        values[name] = from_text(values[name])
    for name in ("notes", "measure_names"):
        values[name] = tuple(from_text(values[name]))
    return CellImportRecord(**values, current=_current(connection, row.slide_id) == row.id)
