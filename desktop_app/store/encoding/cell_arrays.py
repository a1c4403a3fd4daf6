"""Arrays of cells to and from the database.

An outline is kept as offsets of its points from the cell's centre, in 1/16 px and so to within 1/32 px of
level 0 (less than a hundredth of a um), which is what lets a million of them stay small.
"""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, Row, insert, select
from sqlalchemy.dialects.sqlite import insert as insert_or

from desktop_app.store import tables
from desktop_app.store.encoding.packed_arrays import packed, unpacked
from desktop_app.store.encoding.plain import from_text
from sae_backend.cells.table import CellTable, Outlines
from sae_backend.errors import MismatchError, StoreError

OUTLINE_STEPS_PER_PX: Final = 16
_T, _A, _D, _B = tables.cell_imports, tables.cell_arrays, tables.cell_details, tables.blobs
_DTYPES: Final = {"y_l0": "<f8", "x_l0": "<f8", "type_index": "<u2"}
_SIZES, _OFFSETS, _MEASURE = "outline_sizes", "outline_offsets", "measures/"


def damaged_cells() -> StoreError:
    """Return the error for cells that cannot be read any more."""
    return StoreError("The stored cells of this slide are damaged.", "Import the cell file again.")


def check_cells(table: CellTable) -> None:
    """Refuse cells that cannot be stored.

    Raises
    ------
    MismatchError
        When a type has no name, or a centre or an outline has no place.
    """
    if table.n_cells and int(table.type_index.max()) >= len(table.type_names):
        raise MismatchError("A cell has a type without a name.", "Import the cells again.")
    if not (np.isfinite(table.y_l0).all() and np.isfinite(table.x_l0).all()):
        raise MismatchError("A cell has no place.", "Import the cells again.")
    if table.outlines is not None and not np.isfinite(table.outlines.yx_l0).all():
        raise MismatchError("A point of a cell's outline has no place.", "Import the cells again.")


def write_cells(connection: Connection, import_id: int, table: CellTable) -> None:
    """Store the arrays of an import; outlines and measures that are there already are not stored again."""
    arrays = {
        name: zlib.compress(np.ascontiguousarray(getattr(table, name), dtype=dtype).tobytes())
        for name, dtype in _DTYPES.items()
    }
    connection.execute(insert(_A).values(import_id=import_id, **arrays))
    details: dict[str, npt.NDArray[Any]] = {
        f"{_MEASURE}{name}": np.asarray(values, np.float32) for name, values in table.measures.items()
    }
    if table.outlines is not None:
        details[_SIZES] = np.diff(table.outlines.starts).astype(np.uint32)
        details[_OFFSETS] = _offsets(table, table.outlines)
    for row in packed(details):
        data = row.pop("data")
        digest = hashlib.sha256(data).hexdigest()
        connection.execute(insert_or(_B).values(digest=digest, data=data).on_conflict_do_nothing())
        connection.execute(insert(_D).values(import_id=import_id, digest=digest, **row))


def read_cells(connection: Connection, import_id: int, *, details: bool) -> CellTable | None:
    """Cells as they were imported, without measures and outlines where `details` is not set.

    Raises
    ------
    StoreError
        When they are damaged.
    """
    query = (
        select(_T.c.n_cells, _T.c.type_names, _T.c.measure_names, _T.c.n_outline_points, *_A.c)
        .join(_A, _A.c.import_id == _T.c.id)
        .where(_T.c.id == import_id)
    )
    row = connection.execute(query).first()
    if row is None:
        return None
    arrays = {name: _plain_array(row._mapping[name], dtype, row.n_cells) for name, dtype in _DTYPES.items()}
    names = tuple(from_text(row.type_names))
    table = CellTable(arrays["y_l0"], arrays["x_l0"], arrays["type_index"], names)
    return _with_details(connection, row, table) if details else table


def read_types(connection: Connection, import_id: int) -> tuple[npt.NDArray[np.uint16], tuple[str, ...]]:
    """Type of each cell as imported, uint16 (M,), into the names."""
    query = (
        select(_T.c.n_cells, _T.c.type_names, _A.c.type_index)
        .join(_A, _A.c.import_id == _T.c.id)
        .where(_T.c.id == import_id)
    )
    row = connection.execute(query).one()
    return _plain_array(row.type_index, _DTYPES["type_index"], row.n_cells), tuple(from_text(row.type_names))


def _with_details(connection: Connection, row: Row[Any], table: CellTable) -> CellTable:
    query = (
        select(_D.c.name, _D.c.part, _D.c.dtype, _D.c.shape, _B.c.data)
        .join(_B, _B.c.digest == _D.c.digest)
        .where(_D.c.import_id == row.import_id)
        .order_by(_D.c.name, _D.c.part)
    )
    found = unpacked(connection.execute(query), damaged_cells())
    try:
        measures = {name: found[f"{_MEASURE}{name}"] for name in from_text(row.measure_names)}
        without = row.n_outline_points is None
        outlines = None if without else _outlines(table, found[_SIZES], found[_OFFSETS])
        return replace(table, measures=measures, outlines=outlines)
    except (KeyError, ValueError, IndexError, MismatchError) as error:
        raise damaged_cells() from error


def _offsets(table: CellTable, outlines: Outlines) -> npt.NDArray[Any]:
    """Steps from the centre, each point's less those of the one before, int16 or int32 (2, P).

    The differences wrap around, and so do their sums: that loses nothing.
    """
    sizes = np.diff(outlines.starts)
    steps = np.empty((2, len(outlines.yx_l0)), np.int64)
    for axis, centres in enumerate((table.y_l0, table.x_l0)):
        offset = outlines.yx_l0[:, axis] - np.repeat(centres, sizes)
        steps[axis] = np.rint(offset * OUTLINE_STEPS_PER_PX)
    widest = int(np.abs(steps).max(initial=0))
    if widest > np.iinfo(np.int32).max:
        raise MismatchError("An outline is far from its cell.", "Import the cells again.")
    narrow = steps.astype(np.int16 if widest <= np.iinfo(np.int16).max else np.int32)
    return np.diff(narrow, axis=1, prepend=narrow.dtype.type(0))


def _outlines(table: CellTable, sizes: npt.NDArray[Any], offsets: npt.NDArray[Any]) -> Outlines:
    starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    if offsets.shape != (2, int(starts[-1])):
        raise ValueError("outlines have another number of points")
    yx = np.empty((offsets.shape[1], 2), np.float32)
    for axis, centres in enumerate((table.y_l0, table.x_l0)):
        steps = np.cumsum(offsets[axis], dtype=offsets.dtype)
        yx[:, axis] = np.repeat(centres, sizes) + steps / OUTLINE_STEPS_PER_PX
    return Outlines(starts, yx)


def _plain_array(blob: bytes, dtype: str, n_cells: int) -> npt.NDArray[Any]:
    try:
        raw = zlib.decompress(blob)
    except zlib.error as error:
        raise damaged_cells() from error
    little = np.dtype(dtype)
    if len(raw) != n_cells * little.itemsize:
        raise damaged_cells()
    return np.frombuffer(raw, dtype=little).astype(little.newbyteorder("="))
