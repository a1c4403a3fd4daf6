"""What is known of the cell under the pointer, said in the status line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from desktop_app.canvas.outline_layer import NEAR_PX
from desktop_app.canvas.slide_layers import world_to_l0
from desktop_app.project.cells.visible_cells import REACH_UM
from sae_backend.statistics.number_text import number_text

if TYPE_CHECKING:
    from desktop_app.controller.cells.cells import CellActions
    from desktop_app.controller.context import Context
    from desktop_app.widgets.shell.status_line import StatusLine

_FIRST: Final = ("area_um2", "probability")
_UNITS: Final = (("_um2", "µm²"), ("_um", "µm"))
_SHORT: Final = 2


class CellPointerActions:
    """Adds the cell to what the status line says of the place; made after whoever else writes there."""

    def __init__(self, context: Context, line: StatusLine, cells: CellActions) -> None:
        self._context, self._cells = context, cells
        self._line = line
        context.canvas.cursor_moved.connect(self._moved)

    def _moved(self, y_um: float, x_um: float) -> None:
        label = self._line.value
        label.setToolTip("")
        slide, shown = self._context.session.slide, self._cells.shown
        if slide is None or shown is None or not self._context.menus.action("cells").isChecked():
            return
        if self._context.canvas.um_per_px > max(shown.width_um, REACH_UM) * 2 / NEAR_PX:
            return
        place = shown.at(*world_to_l0((y_um, x_um), slide.info))
        if place < 0:
            return
        measures = shown.measures_of(place)
        said = label.text()
        first = [(name, measures[name]) for name in _FIRST if name in measures]
        short = [*first, *(item for item in measures.items() if item[0] not in _FIRST)][:_SHORT]
        words = ", ".join([shown.type_of(place), *map(_measure_words, short)])
        label.setText(f"{words}; {said}" if said else words)
        label.setToolTip("\n".join([shown.type_of(place), *map(_measure_words, measures.items())]))


def _measure_words(measure: tuple[str, float]) -> str:
    name, value = measure
    for end, unit in _UNITS:
        if name.endswith(end):
            return f"{name.removesuffix(end).replace('_', ' ')} {number_text(value)} {unit}"
    return f"{name.replace('_', ' ')} {number_text(value)}"
