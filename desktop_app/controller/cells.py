"""Cells on the slide: drawn, counted in the legend, hidden by type."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from desktop_app.layers import CELL_COLOURS, CELLS

if TYPE_CHECKING:
    from desktop_app.controller.context import Context
    from sae_backend.cells import CellTable


class CellActions:
    """Draws the cells of the open slide as they are wanted."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._table: CellTable | None = None
        self._drawn = 0
        window, layers, menus = context.window, context.layers, context.window.menus
        menus.cells_toggled.connect(lambda on: layers.set_visible(CELLS, on))
        menus.cells_toggled.connect(self._toggled)
        menus.cell_types.hidden_changed.connect(self._hide)
        window.legend.set_shown(cells=menus.cells.isChecked())

    def show(self) -> None:
        """Draw the cells of the open slide, if the project has any."""
        session, layers, menus = self._context.session, self._context.layers, self._context.window.menus
        self._table = None
        if session.store is not None and session.slide_record is not None:
            self._table = session.store.cells(session.slide_record.id)
        if self._table is None:
            layers.remove_cells()
            menus.cell_types.show_types(())
        else:
            layers.hide_cell_types(menus.cell_types.hidden)
            self._drawn = layers.show_cells(self._table)
            menus.cell_types.show_types(self._kinds(self._table))
            layers.set_visible(CELLS, menus.cells.isChecked())
        self._say()

    def _toggled(self, on: bool) -> None:
        self._context.window.legend.set_shown(cells=on)
        if on and self._table is None and self._context.session.slide is not None:
            self._context.window.say(
                "This slide has no cells yet: Cells > Import cells reads GeoJSON, CSV or Parquet."
            )

    def _hide(self, names: frozenset[str]) -> None:
        self._context.layers.hide_cell_types(names)
        self._say()

    def _say(self) -> None:
        table, legend = self._table, self._context.window.legend
        if table is None:
            legend.show_cells([])
            return
        hidden = self._context.window.menus.cell_types.hidden
        kinds = [kind for kind in self._kinds(table) if kind[0] not in hidden]
        n_hidden = len(table.type_names) - len(kinds)
        notes = []
        if n_hidden:
            notes.append(f"{n_hidden} type{'s' if n_hidden > 1 else ''} hidden.")
        if self._drawn < len(table.type_index):
            notes.append(f"An even sample of {self._drawn:,} is drawn.")
        legend.show_cells(kinds, " ".join(notes))

    @staticmethod
    def _kinds(table: CellTable) -> list[tuple[str, str, int]]:
        counts = np.bincount(table.type_index, minlength=len(table.type_names))
        return [
            (name, CELL_COLOURS[i % len(CELL_COLOURS)], int(counts[i]))
            for i, name in enumerate(table.type_names)
        ]
