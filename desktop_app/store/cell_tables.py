"""Cells of slides, kept in the project because the user may not have the file any more."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
from sqlalchemy import Row, insert, select

from desktop_app.store import tables
from desktop_app.store.engine import Database
from desktop_app.store.plain import from_text, now_utc, to_text
from desktop_app.store.records import CellImportRecord
from sae_backend.cells import CellTable
from sae_backend.errors import MismatchError, StoreError

if TYPE_CHECKING:
    from sae_backend.cells import CellImport

_T = tables.cell_imports
_A = tables.cell_arrays
_DTYPES: Final = {"y_l0": "<f8", "x_l0": "<f8", "type_index": "<u2"}


def _pack(array: npt.NDArray[Any], dtype: str) -> bytes:
    return zlib.compress(np.ascontiguousarray(array, dtype=dtype).tobytes())


def _unpack(blob: bytes, dtype: str, n_cells: int) -> npt.NDArray[Any]:
    try:
        raw = zlib.decompress(blob)
    except zlib.error as error:
        raise _damaged() from error
    little = np.dtype(dtype)
    if len(raw) != n_cells * little.itemsize:
        raise _damaged()
    return np.frombuffer(raw, dtype=little).astype(little.newbyteorder("="))


def _damaged() -> StoreError:
    return StoreError("The stored cells of this slide are damaged.", "Import the cell file again.")


def _record(row: Row[Any]) -> CellImportRecord:
    values = dict(row._mapping)
    del values["type_names"]
    values["type_counts"] = from_text(values["type_counts"])
    values["notes"] = tuple(from_text(values["notes"]))
    return CellImportRecord(**values)


class CellRows:
    """The part of a store that knows cells."""

    _database: Database

    def add_cells(self, slide_id: int, cells: CellImport) -> CellImportRecord:
        """Store the cells of a slide with where they came from; they become the slide's cells.

        Raises
        ------
        MismatchError
            When the arrays of the table do not belong together.
        StoreError
            When there is no such slide.
        """
        table = cells.table
        n_cells, n_types = int(table.y_l0.size), len(table.type_names)
        if not table.x_l0.size == table.type_index.size == n_cells:
            raise MismatchError("The cells have unequal numbers of places and types.", "Import them again.")
        if n_cells and int(table.type_index.max()) >= n_types:
            raise MismatchError("A cell has a type without a name.", "Import the cells again.")
        per_type = np.bincount(table.type_index, minlength=n_types)
        counts = {name: int(n) for name, n in zip(table.type_names, per_type, strict=True)}
        arrays = {name: _pack(getattr(table, name), dtype) for name, dtype in _DTYPES.items()}
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
                    n_cells=n_cells,
                    type_names=to_text(list(table.type_names)),
                    type_counts=to_text(counts),
                    notes=to_text(list(cells.notes)),
                    imported_at=now_utc(),
                )
                .returning(_T.c.id)
            ).scalar_one()
            connection.execute(insert(_A).values(import_id=added, **arrays))
            return _record(connection.execute(select(_T).where(_T.c.id == added)).one())

    def cell_imports(self, slide_id: int) -> list[CellImportRecord]:
        """All imports of cells of a slide, the oldest first."""
        with self._database.read() as connection:
            rows = connection.execute(select(_T).where(_T.c.slide_id == slide_id).order_by(_T.c.id))
            return [_record(row) for row in rows]

    def cells(self, slide_id: int) -> CellTable | None:
        """Return the cells imported last for a slide, None where there are none."""
        query = (
            select(_T.c.n_cells, _T.c.type_names, _A.c.y_l0, _A.c.x_l0, _A.c.type_index)
            .join(_A, _A.c.import_id == _T.c.id)
            .where(_T.c.slide_id == slide_id)
            .order_by(_T.c.id.desc())
            .limit(1)
        )
        with self._database.read() as connection:
            row = connection.execute(query).first()
        if row is None:
            return None
        arrays = {name: _unpack(row._mapping[name], dtype, row.n_cells) for name, dtype in _DTYPES.items()}
        return CellTable(**arrays, type_names=tuple(from_text(row.type_names)))
