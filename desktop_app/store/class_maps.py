"""The project's class map: what its user calls the types of cells, and which of them do not count."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from sqlalchemy import Connection

from desktop_app.store.engine import Database
from desktop_app.store.plain import from_text, to_text
from desktop_app.store.settings import SettingRows, read_setting
from sae_backend.cell_edits import EditedCells

if TYPE_CHECKING:
    from sae_backend.class_map import ClassMap

_KEY: Final = "class_map"


class ClassMapRows(SettingRows):
    """The part of a store that knows the class map."""

    _database: Database

    def class_map(self) -> ClassMap:
        """Return the class map of the project; one that changes nothing where none was set."""
        from sae_backend.class_map import ClassMap

        with self._database.read() as connection:
            stored = read_class_map(connection)
        return ClassMap.from_json(stored) if stored else ClassMap({}, frozenset())

    def set_class_map(self, class_map: ClassMap) -> None:
        """Let the types of all cells of the project be seen through this map from now on."""
        self.set_setting(_KEY, to_text(class_map.to_json()))


def read_class_map(connection: Connection) -> dict[str, Any]:
    """Plain values of the class map, empty where none was set."""
    text = read_setting(connection, _KEY)
    return {} if text is None else dict(from_text(text))


def mapped_cells(cells: EditedCells, stored: dict[str, Any]) -> EditedCells:
    """Cells with the types that a stored class map gives them, without those that it leaves out."""
    if not stored:
        return cells
    from sae_backend.class_map import ClassMap

    table = cells.table
    # What is mapped has the cell's place in the table for a centre, so that what is left can be found again.
    places = np.arange(table.n_cells, dtype=np.float64)
    probe = replace(table, y_l0=places, measures={}, outlines=None)
    mapped = ClassMap.from_json(stored).apply(probe)
    kept = mapped.y_l0.astype(np.int64)
    if kept.size != table.n_cells:
        table = table.take(kept)
    table = replace(table, type_index=mapped.type_index, type_names=mapped.type_names)
    return EditedCells(table, cells.numbers[kept])
