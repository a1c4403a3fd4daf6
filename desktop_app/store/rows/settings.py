"""Settings of a project: texts by key, one of which is the class map of its cell types."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
import orjson
from sqlalchemy import Connection, insert, select, update

from desktop_app.store import tables
from desktop_app.store.encoding.plain import from_text, to_text
from desktop_app.store.engine import Rows
from sae_backend.cells.class_map import ClassMap
from sae_backend.cells.edits import EditedCells
from sae_backend.errors import StoreError, UserInputError

_T = tables.settings
_KEY: Final = "class_map"
NOTHING: Final = ClassMap()


class SettingRows(Rows):
    """Settings by key."""

    def get(self, key: str) -> str | None:
        """Return a setting of the project, None where it was never set."""
        with self._database.read() as connection:
            return read_setting(connection, key)

    def set(self, key: str, value: str) -> None:
        """Store a setting of the project."""
        with self._database.write() as connection:
            _write_setting(connection, key, value)


class ClassMapRows(Rows):
    """The class map: what the user calls the types of cells, and which of them do not count."""

    def get(self) -> ClassMap:
        """Return the class map of the project; one that changes nothing where none was set.

        Raises
        ------
        StoreError
            When it cannot be read any more.
        """
        with self._database.read() as connection:
            return read_class_map(connection)

    def set(self, class_map: ClassMap) -> None:
        """Let the types of all cells of the project be seen through this map from now on."""
        with self._database.write() as connection:
            _write_setting(connection, _KEY, to_text(class_map.to_json()))


def read_class_map(connection: Connection) -> ClassMap:
    """Return the class map as part of a transaction."""
    text = read_setting(connection, _KEY)
    if text is None:
        return NOTHING
    try:
        return ClassMap.from_json(from_text(text))
    except (orjson.JSONDecodeError, UserInputError) as error:
        raise StoreError(
            "The stored class map is damaged.", "Set the names of the cell types anew."
        ) from error


def mapped_cells(cells: EditedCells, class_map: ClassMap) -> EditedCells:
    """Cells with the types that a class map gives them, without those that it leaves out."""
    if class_map == NOTHING:
        return cells
    table = cells.table
    # What is mapped has the cell's place in the table for a centre, so that what is left can be found again.
    places = np.arange(table.n_cells, dtype=np.float64)
    mapped = class_map.apply(replace(table, y_l0=places, measures={}, outlines=None))
    kept = mapped.y_l0.astype(np.int64)
    if kept.size != table.n_cells:
        table = table.take(kept)
    table = replace(table, type_index=mapped.type_index, type_names=mapped.type_names)
    return EditedCells(table, cells.numbers[kept])


def read_setting(connection: Connection, key: str) -> str | None:
    """Return a setting as part of a transaction, None where it was never set."""
    return connection.execute(select(_T.c.value).where(_T.c.key == key)).scalar()


def _write_setting(connection: Connection, key: str, value: str) -> None:
    changed = connection.execute(update(_T).where(_T.c.key == key).values(value=value))
    if changed.rowcount == 0:
        connection.execute(insert(_T).values(key=key, value=value))
