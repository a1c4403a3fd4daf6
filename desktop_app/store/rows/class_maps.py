"""The project's class map: what its user calls the types of cells, and which of them do not count."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
import orjson
from sqlalchemy import Connection

from desktop_app.store.encoding.plain import from_text, to_text
from desktop_app.store.engine import Database
from desktop_app.store.rows.settings import SettingRows, read_setting
from sae_backend.cells.class_map import ClassMap
from sae_backend.cells.edits import EditedCells
from sae_backend.errors import StoreError, UserInputError

_KEY: Final = "class_map"
NOTHING: Final = ClassMap()


class ClassMapRows(SettingRows):
    """The part of a store that knows the class map."""

    _database: Database

    def class_map(self) -> ClassMap:
        """Return the class map of the project; one that changes nothing where none was set.

        Raises
        ------
        StoreError
            When it cannot be read any more.
        """
        with self._database.read() as connection:
            return read_class_map(connection)

    def set_class_map(self, class_map: ClassMap) -> None:
        """Let the types of all cells of the project be seen through this map from now on."""
        self.set_setting(_KEY, to_text(class_map.to_json()))


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
