"""Outlines of the cells in view, seen from near in place of points, and marks around chosen cells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from desktop_app.canvas.cell_layers import CELL_COLOURS, FAR_UM_PER_PX
from desktop_app.canvas.layer_names import OUTLINES, UNITS, OwnedLayers
from desktop_app.canvas.outline_raster import Rings, draw_rings
from sae_backend.cells.table import Outlines

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from desktop_app.project.cells.visible_cells import VisibleCells

NEAR_PX: Final = 12.0
"""Outlines are drawn where a typical cell is at least this wide on the screen."""

MOST_OUTLINES: Final = 8000
"""With more cells than this about the view, points or dots are drawn."""

MANY_CELLS: Final = 50_000
"""Of more cells than this only those about the view are drawn, as dots: points of all of them pan slowly."""

MOST_DOTS: Final = 40_000
"""Of more cells than this about the view an even sample is drawn."""

MARK_COLOUR: Final = "#ffffff"
_MARGIN: Final = 0.25
_ZOOM_STEP: Final = 1.15
_CIRCLE_UM: Final = 3.0
_MARK_UM: Final = 5.0
_LINE_PX, _MARK_PX, _DOT_PX = 2, 4, 3
_DOT_UM: Final = 1.5
_LARGEST_PX: Final = 4000

Box = tuple[float, float, float, float]


class OutlineLayer(OwnedLayers):
    """Paints outlines into one picture as large as the view and a margin; it is painted anew when the view leaves it."""

    def __init__(self, viewer: ViewerModel) -> None:
        super().__init__(viewer)
        self._cells: VisibleCells | None = None
        self._hidden: frozenset[str] = frozenset()
        self._marks: Mapping[int, str] = {}
        self._wanted = True
        self._box: Box = (0.0, 0.0, 0.0, 0.0)
        self._painted_um_per_px = 0.0
        self.n_drawn = 0
        """Cells in the picture."""

    def show_cells(self, cells: VisibleCells | None) -> None:
        """Take the cells of a slide, or none; they are painted when the view is followed next."""
        self._cells = cells
        self._mpp = 1.0 if cells is None else cells.mpp
        self.forget()

    def hide_types(self, names: frozenset[str]) -> None:
        """Leave types of cell out."""
        self._hidden = names
        self.forget()

    def mark(self, marks: Mapping[int, str]) -> None:
        """Draw a thick line of a colour around cells, by their numbers."""
        if marks != self._marks:
            self._marks = dict(marks)
            self.forget()

    def set_wanted(self, on: bool) -> None:
        """Show or hide all of it."""
        self._wanted = on
        self.forget()

    def forget(self) -> None:
        """Let the picture be painted anew when the view is followed next."""
        self._painted_um_per_px = 0.0

    def is_near(self, um_per_px: float) -> bool:
        """Whether outlines rather than points are drawn at this magnification."""
        cells = self._cells
        return cells is not None and self._wanted and cells.width_um >= NEAR_PX * um_per_px

    def follow_field(self, field_um: Box, um_per_px: float) -> bool:
        """Show what is in view: y0, x0, y1, x1 in um.

        Returns whether the outlines stand in for the points.
        """
        cells = self._cells
        kind = self._kind(field_um, um_per_px)
        if cells is None or not self._wanted or not (kind or self._marks):
            layer = self.layer(OUTLINES)
            if layer is not None and layer.visible:
                # Hidden and not taken away, for which napari takes half a second.
                layer.visible = False
            self.forget()
            self.n_drawn = 0
            return False
        scale = um_per_px / self._painted_um_per_px if self._painted_um_per_px else 0.0
        inside = all(
            a >= b if i < 2 else a <= b for i, (a, b) in enumerate(zip(field_um, self._box, strict=True))
        )
        if not (inside and 1 / _ZOOM_STEP < scale < _ZOOM_STEP and self.layer(OUTLINES) is not None):
            self._paint(cells, field_um, um_per_px, kind)
        return bool(kind)

    def _kind(self, field_um: Box, um_per_px: float) -> str:
        """What is drawn of all cells in view: outlines, dots where points would be slow, or nothing."""
        cells = self._cells
        if cells is None or not self._wanted:
            return ""
        near, many = self.is_near(um_per_px), cells.table.n_cells > MANY_CELLS
        if not near and not (many and um_per_px <= FAR_UM_PER_PX):
            return ""
        n = len(self._in_box(_wider(field_um)))
        if near and n <= MOST_OUTLINES:
            return "outlines"
        return "dots" if many else ""

    def _in_box(self, box_um: Box) -> npt.NDArray[np.int64]:
        assert self._cells is not None
        y0, x0, y1, x1 = (value / self._mpp + 0.5 for value in box_um)
        return self._cells.places.within(y0, x0, y1, x1)

    def _paint(self, cells: VisibleCells, field_um: Box, um_per_px: float, kind: str) -> None:
        self._box = box = _wider(field_um)
        px_um = max(um_per_px, max(box[2] - box[0], box[3] - box[1]) / _LARGEST_PX)
        shape = (max(1, round((box[2] - box[0]) / px_um)), max(1, round((box[3] - box[1]) / px_um)))
        picture = np.zeros((*shape, 4), np.uint8)
        self.n_drawn = 0
        if kind:
            found = self._in_box(box)
            found = found[cells.hidden_mask(self._hidden)[cells.table.type_index[found].astype(int)]]
            if kind == "dots":
                found = found[:: max(1, -(-len(found) // MOST_DOTS))]
            colours = _rgb(CELL_COLOURS)[cells.table.type_index[found] % len(CELL_COLOURS)]
            self.n_drawn = len(found)
            if kind == "outlines":
                draw_rings(picture, self._rings(cells, found, colours, px_um, _CIRCLE_UM), _LINE_PX)
            else:
                draw_rings(picture, self._dots(cells, found, colours, px_um), _DOT_PX)
        marked = {cells.place_of(number): colour for number, colour in self._marks.items()}
        marked.pop(-1, None)
        if marked:
            places = np.array(list(marked), np.int64)
            rings = self._rings(cells, places, _rgb(tuple(marked.values())), px_um, _MARK_UM)
            draw_rings(picture, rings, _MARK_PX)
        self._show(picture, px_um)
        self._painted_um_per_px = um_per_px

    def _rings(
        self,
        cells: VisibleCells,
        places: npt.NDArray[np.int64],
        colours: npt.NDArray[np.uint8],
        px_um: float,
        radius_um: float,
    ) -> Rings:
        """Outlines of cells in px of the picture; circles for those that have none."""
        numbers = cells.numbers[places]
        outlines = cells.outlines
        has = numbers < cells.n_imported
        if outlines is not None:
            has[has] = np.diff(outlines.starts)[numbers[has]] > 2
            known = outlines.take(numbers[has])
        else:
            has[:] = False
            known = Outlines(np.zeros(1, np.int64), np.empty((0, 2), np.float32))
        bare = places[~has]
        angle = np.linspace(0, 2 * np.pi, 16, endpoint=False)
        circle = radius_um / self._mpp * np.stack([np.sin(angle), np.cos(angle)], axis=1)
        centres = np.stack([cells.table.y_l0[bare], cells.table.x_l0[bare]], axis=1)
        drawn = (centres[:, None, :] + circle).reshape(-1, 2)
        starts = np.concatenate([known.starts, known.starts[-1] + 16 * np.arange(1, len(bare) + 1)])
        yx_l0 = np.concatenate([known.yx_l0.astype(np.float64), drawn])
        yx = ((yx_l0 - 0.5) * self._mpp - np.array(self._box[:2])) / px_um
        return Rings(starts, yx, np.concatenate([colours[has], colours[~has]]))

    def _dots(
        self, cells: VisibleCells, places: npt.NDArray[np.int64], colours: npt.NDArray[np.uint8], px_um: float
    ) -> Rings:
        """Rings so small that their lines fill them."""
        angle = np.linspace(0, 2 * np.pi, 6, endpoint=False)
        circle = min(_DOT_PX / 2, _DOT_UM / px_um) * np.stack([np.sin(angle), np.cos(angle)], axis=1)
        centres_l0 = np.stack([cells.table.y_l0[places], cells.table.x_l0[places]], axis=1)
        centres = ((centres_l0 - 0.5) * self._mpp - np.array(self._box[:2])) / px_um
        yx = (centres[:, None, :] + circle).reshape(-1, 2)
        return Rings(6 * np.arange(len(places) + 1), yx, colours)

    def _show(self, picture: npt.NDArray[np.uint8], px_um: float) -> None:
        layer = self.layer(OUTLINES)
        # The middle of the first px.
        corner = (self._box[0] + px_um / 2, self._box[1] + px_um / 2)
        if layer is None:
            layer = self._viewer.add_image(
                picture,
                rgb=True,
                name=OUTLINES,
                blending="translucent_no_depth",
                interpolation2d="linear",
                units=UNITS,
                scale=(px_um, px_um),
                translate=corner,
            )
            self._place(layer)
            return
        layer.visible = True
        layer.data = picture
        layer.scale = (px_um, px_um)
        layer.translate = corner


def _wider(field_um: Box) -> Box:
    y0, x0, y1, x1 = field_um
    dy, dx = _MARGIN * (y1 - y0), _MARGIN * (x1 - x0)
    return y0 - dy, x0 - dx, y1 + dy, x1 + dx


def _rgb(colours: tuple[str, ...]) -> npt.NDArray[np.uint8]:
    return np.array([[int(colour[i : i + 2], 16) for i in (1, 3, 5)] for colour in colours], np.uint8)
