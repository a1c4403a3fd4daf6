"""Cells over the slide: points from near, their density from far."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter

from desktop_app.canvas.layer_names import CELLS, DENSITY, UNITS, OwnedLayers, mixed_colours

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from sae_backend.cells.counts import CellTable

CELL_COLOURS: Final = (
    "#e69f00", "#0072b2", "#009e73", "#f0e442", "#d55e00", "#56b4e9", "#000000", "#ffffff",
)  # fmt: skip
"""Colours of cell types by type index (Okabe and Ito's, safe for colour-blind eyes); they repeat."""

_RGBA: Final = np.array(
    [[*(int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)), 1.0] for colour in CELL_COLOURS], np.float32
)

MAX_DRAWN_CELLS: Final = 200_000
FAR_UM_PER_PX: Final = 2.0
"""Seen from further away than this, single cells cannot be seen, and their density is drawn."""

_DENSITY_UM: Final = 50.0
_DENSITY_BINS: Final = 700


class CellLayers(OwnedLayers):
    """Points and density of one table of cells."""

    def __init__(self, viewer: ViewerModel) -> None:
        super().__init__(viewer)
        self._cells_wanted = True
        self._outlined = False
        self._table: CellTable | None = None
        self._hidden_types: frozenset[str] = frozenset()
        self._step = 1

    def _show_points_or_density(self) -> None:
        far = self._um_per_px > FAR_UM_PER_PX
        for name, wanted in ((CELLS, not far and not self._outlined), (DENSITY, far)):
            layer = self.layer(name)
            if layer is not None and layer.visible != (self._cells_wanted and wanted):
                layer.visible = self._cells_wanted and wanted

    @property
    def is_outlined(self) -> bool:
        """Whether outlines are seen in place of the points."""
        return self._outlined

    def set_outlined(self, on: bool) -> None:
        """Say whether outlines are seen in place of the points."""
        if on != self._outlined:
            self._outlined = on
            self._show_points_or_density()

    def show_cells(self, table: CellTable) -> int:
        """Draw cells as points, coloured by type; of very many only an even sample.

        Returns the number of points drawn.
        """
        self._table = table
        self._step = step = max(1, -(-len(table.y_l0) // MAX_DRAWN_CELLS))
        points = (np.stack([table.y_l0[::step], table.x_l0[::step]], axis=1) - 0.5) * self._mpp
        types = table.type_index[::step].astype(int)
        colours = _RGBA[types % len(CELL_COLOURS)]
        layer = self.layer(CELLS)
        if layer is None or len(layer.data) != len(points):
            # napari keeps the numbers of the points in view, which must not be those of more points.
            self.remove(CELLS)
            layer = self._viewer.add_points(
                points,
                name=CELLS,
                size=6.0,
                border_width=0,
                face_color=colours if len(colours) else "white",
                # At low power the border's colour bleeds over small points even at width 0.
                border_color=colours if len(colours) else "white",
                opacity=0.8,
                units=UNITS,
            )
            self._place(layer)
        else:
            # A layer that goes and comes takes a second, in which napari collects garbage.
            layer.data = points
            layer.face_color = layer.border_color = colours
            layer.size = 6.0
        layer.shown = self._seen(table)[types]
        self._show_density(table)
        self._show_points_or_density()
        return len(points)

    def hide_cell_types(self, names: frozenset[str]) -> None:
        """Draw all types of cell but these, now and on slides to come."""
        self._hidden_types = names
        table, layer = self._table, self.layer(CELLS)
        if table is None or layer is None:
            return
        layer.shown = self._seen(table)[table.type_index[:: self._step].astype(int)]
        self._show_density(table)
        self._show_points_or_density()

    def _seen(self, table: CellTable) -> npt.NDArray[np.bool_]:
        return np.array([name not in self._hidden_types for name in table.type_names], np.bool_)

    def remove_cells(self) -> None:
        """Take the cells away."""
        self._table = None
        self.remove(CELLS)
        self.remove(DENSITY)

    def _show_density(self, table: CellTable) -> None:
        if len(table.y_l0) == 0:
            self.remove(DENSITY)
            return
        top, left = float(table.y_l0.min()), float(table.x_l0.min())
        longest = max(float(np.ptp(table.y_l0)), float(np.ptp(table.x_l0)), 1.0)
        bin_l0 = max(longest / _DENSITY_BINS, _DENSITY_UM / self._mpp)
        rows = ((table.y_l0 - top) / bin_l0).astype(int)
        cols = ((table.x_l0 - left) / bin_l0).astype(int)
        shape = (len(table.type_names), int(rows.max()) + 1, int(cols.max()) + 1)
        counts = np.zeros(shape, np.float32)
        np.add.at(counts, (table.type_index.astype(int), rows, cols), 1)
        counts[~self._seen(table)] = 0
        smooth = gaussian_filter(counts, (0, 1, 1))
        colours = [CELL_COLOURS[i % len(CELL_COLOURS)] for i in range(shape[0])]
        picture = mixed_colours(smooth, colours)
        scale = (bin_l0 * self._mpp, bin_l0 * self._mpp)
        # The middle of the first bin, the centre of px (0, 0) being the origin.
        corner = ((top + bin_l0 / 2 - 0.5) * self._mpp, (left + bin_l0 / 2 - 0.5) * self._mpp)
        layer = self.layer(DENSITY)
        if layer is not None:
            layer.data, layer.scale, layer.translate = picture, scale, corner
            return
        layer = self._viewer.add_image(
            picture,
            rgb=True,
            name=DENSITY,
            blending="translucent_no_depth",
            opacity=0.8,
            interpolation2d="linear",
            units=UNITS,
            scale=scale,
            translate=corner,
        )
        self._place(layer)
