"""Numbers that the user brought for places on slides."""

from __future__ import annotations

from typing import Any

import numpy as np
from sqlalchemy import Connection, Row, insert, select

from desktop_app.store import tables
from desktop_app.store.encoding.packed_arrays import packed, unpacked
from desktop_app.store.encoding.plain import from_text, now_utc, to_text
from desktop_app.store.engine import Rows
from desktop_app.store.records.measured_records import TileValuesRecord
from sae_backend.cells.point_values import TileValues, join_tile_values
from sae_backend.errors import MismatchError, StoreError

_T = tables.tile_values
_A = tables.tile_value_arrays


class TileValueRows(Rows):
    """Values of places on slides. Nothing is deleted."""

    def add(self, slide_id: int, values: TileValues) -> TileValuesRecord:
        """Store values of places of a slide; they take the place of earlier ones of the same source name.

        Raises
        ------
        MismatchError
            When a place is no number.
        StoreError
            When there is no such slide.
        """
        if not (np.isfinite(values.y_l0).all() and np.isfinite(values.x_l0).all()):
            raise MismatchError("A value has no place on the slide.", "Import the values again.")
        rows = packed(
            {
                "y_l0": np.asarray(values.y_l0, np.float64),
                "x_l0": np.asarray(values.x_l0, np.float64),
                "values": np.asarray(values.values, np.float32),
            }
        )
        with self._database.write() as connection:
            known = select(tables.slides.c.id).where(tables.slides.c.id == slide_id)
            if connection.execute(known).first() is None:
                raise StoreError("The project has no such slide.", "Add the slide to the project first.")
            added = connection.execute(
                insert(_T)
                .values(
                    slide_id=slide_id,
                    source_name=values.source_name,
                    source_sha256=values.source_sha256,
                    names=to_text(list(values.names)),
                    n_rows=int(values.y_l0.size),
                    notes=to_text(list(values.notes)),
                    imported_at=now_utc(),
                    author=self._database.author,
                )
                .returning(_T.c.id)
            ).scalar_one()
            for row in rows:
                connection.execute(insert(_A).values(tile_values_id=added, **row))
            return _record(connection.execute(select(_T).where(_T.c.id == added)).one())

    def imports(self, slide_id: int) -> list[TileValuesRecord]:
        """All imports of values of a slide, the oldest first."""
        with self._database.read() as connection:
            rows = connection.execute(select(_T).where(_T.c.slide_id == slide_id).order_by(_T.c.id))
            return [_record(row) for row in rows]

    def get(self, slide_id: int) -> TileValues | None:
        """Return the newest values of each source name of a slide in one table, None where there are none.

        See `join_tile_values` for sources of other places and names that two sources have.

        Raises
        ------
        StoreError
            When they are damaged.
        """
        newest = {record.source_name: record for record in self.imports(slide_id)}
        if not newest:
            return None
        with self._database.read() as connection:
            return join_tile_values(
                [_read(connection, record) for record in sorted(newest.values(), key=lambda r: r.id)]
            )


def _read(connection: Connection, record: TileValuesRecord) -> TileValues:
    query = (
        select(_A.c.name, _A.c.part, _A.c.dtype, _A.c.shape, _A.c.data)
        .where(_A.c.tile_values_id == record.id)
        .order_by(_A.c.name, _A.c.part)
    )
    damaged = StoreError(f"The stored values of {record.source_name} are damaged.", "Import the file again.")
    found = unpacked(connection.execute(query), damaged)
    try:
        return TileValues(
            found["y_l0"],
            found["x_l0"],
            record.names,
            found["values"],
            record.source_name,
            record.source_sha256,
            record.notes,
        )
    except (KeyError, MismatchError) as error:
        raise damaged from error


def _record(row: Row[Any]) -> TileValuesRecord:
    return TileValuesRecord(
        row.id,
        row.slide_id,
        row.source_name,
        row.source_sha256,
        tuple(from_text(row.names)),
        row.n_rows,
        tuple(from_text(row.notes)),
        row.imported_at,
        row.author,
    )
