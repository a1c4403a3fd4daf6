"""The drawn world cannot be solved by colour: no simple statistic of a tile follows the harder types."""

from __future__ import annotations

import numpy as np

from sae_backend.slides.colour import COLOUR_STATISTICS, colour_statistics
from sae_backend.synthetic.specs import CohortSpec, cohort
from sae_backend.synthetic.world import CELL_TYPES, RECORDED_TYPES, Drawing

_TILE_PX = 224


def test_no_colour_statistic_follows_plasma_cells_fibroblasts_or_macrophages() -> None:
    statistics, counts = [], []
    spec = CohortSpec(seed=77, n_slides=10, size_px=(1344, 1568), slides_per_patient=1)
    for slide in cohort(spec):
        drawing = Drawing(slide)
        cells, section = drawing.cells, drawing.section.layout.section
        for top in range(0, spec.size_px[0] - _TILE_PX + 1, _TILE_PX):
            for left in range(0, spec.size_px[1] - _TILE_PX + 1, _TILE_PX):
                if (section[top // 16 : top // 16 + 14, left // 16 : left // 16 + 14] > 0).mean() < 0.5:
                    continue
                tile = drawing.block(top, left, _TILE_PX, _TILE_PX)
                inside = (np.abs(cells.y_l0 - top - 112) < 112) & (np.abs(cells.x_l0 - left - 112) < 112)
                statistics.append(colour_statistics(tile[None])[0])
                counts.append(np.bincount(cells.type_index[inside], minlength=len(RECORDED_TYPES)))
    x, y = np.array(statistics), np.array(counts, float)
    assert len(x) > 200
    r = np.corrcoef(x.T, y.T)[: len(COLOUR_STATISTICS), len(COLOUR_STATISTICS) :]
    for kind in ("plasma cell", "fibroblast", "macrophage"):
        column = np.abs(r[:, CELL_TYPES.index(kind)])
        assert column.max() < 0.5, (kind, COLOUR_STATISTICS[int(column.argmax())], column.max())
    # The measure itself works: what is drawn blue does follow the crowded types.
    assert np.abs(r).max() > 0.25
