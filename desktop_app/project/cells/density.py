"""How many cells of one type lie in each tile, as a map."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from desktop_app.store import Store
from sae_backend.activations.heatmap import Heatmap, cell_origin_um, lay_on_grid
from sae_backend.cells.counts import count_cells

if TYPE_CHECKING:
    from sae_backend.activations.feature_matrix import FeatureMatrix
    from sae_backend.cells.counts import CellCounts
    from sae_backend.slides.tiles import TileGrid


@dataclass(frozen=True)
class SlideCells:
    """Cells counted on the tiles of a slide; `state` is that of the cells, see `CellRows.version`."""

    slide_id: int
    state: str
    features: FeatureMatrix
    counts: CellCounts | None

    def density(self, type_name: str) -> Heatmap | None:
        """Cells of a type per tile, NaN where no tile was read; None where the slide has no such type."""
        if self.counts is None or type_name not in self.counts.type_names:
            return None
        column = self.counts.counts[:, self.counts.type_names.index(type_name)]
        grid: TileGrid = self.features.grid
        return Heatmap(
            values=lay_on_grid(grid, column.astype(np.float32), self.features.valid),
            cell_um=grid.stride_l0 * grid.mpp,
            translate_um=cell_origin_um(grid),
            feature=-1,
            sae_digest=self.features.sae_digest,
        )


def count_slide(folder: Path, slide_id: int, features: FeatureMatrix) -> SlideCells:
    """Count the cells of a slide on its tiles, with a connection of its own to the project.

    Raises
    ------
    StoreError
        When the cells are damaged.
    """
    with Store(folder) as store:
        table = store.cells.get(slide_id, details=False)
        state = store.cells.version(slide_id)
    counts = None if table is None else count_cells(table, features.grid)
    return SlideCells(slide_id, state, features, counts)
