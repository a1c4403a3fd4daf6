"""Lines of the tile grid: every side of every tile, drawn once, in few pieces."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel

from desktop_app.canvas.layer_names import TILE_GRID
from desktop_app.canvas.tile_grid_layer import MAX_SEEN_TILES, TileGridLayer, grid_lines
from sae_backend.slides.tiles import TileGrid, TileSpec


def grid(rows: np.ndarray, cols: np.ndarray, stride: float = 448.0) -> TileGrid:
    return TileGrid(
        slide_fingerprint="f",
        mpp=0.25,
        spec=TileSpec(),
        tile_l0=448.0,
        stride_l0=stride,
        origin_l0=(100.0, 30.0),
        shape=(int(rows.max()) + 1, int(cols.max()) + 1),
        rows=rows.astype(np.int32),
        cols=cols.astype(np.int32),
        tissue_fraction=np.ones(rows.size, np.float32),
    )


def covered(lines: np.ndarray, start: np.ndarray, end: np.ndarray) -> bool:
    """Whether a straight piece lies on one of the lines."""
    for a, b in lines:
        along = 0 if a[1] == b[1] else 1
        fits = abs(a[1 - along] - start[1 - along]) < 1e-6 and abs(a[1 - along] - end[1 - along]) < 1e-6
        low, high = sorted((start[along], end[along]))
        if fits and a[along] <= low + 1e-6 and high <= b[along] + 1e-6:
            return True
    return False


@pytest.mark.parametrize("step", [112.0, 56.0])
def test_every_side_of_every_tile_is_drawn_and_nothing_else(step: float) -> None:
    # An L of three tiles and one apart from them.
    corners = np.array([[0, 0], [0, 1], [1, 0], [4, 7]]) * step + (25.0, 7.5)
    lines = grid_lines(corners, 112.0)
    for y, x in corners:
        square = np.array([(y, x), (y, x + 112), (y + 112, x + 112), (y + 112, x)])
        for i in range(4):
            assert covered(lines, square[i], square[(i + 1) % 4])
    drawn = np.abs(lines[:, 1] - lines[:, 0]).sum()
    if step == 112.0:
        # 8 + 4 sides of the L and of the lone tile stand alone, 2 are common.
        assert drawn == pytest.approx(14 * 112)
    assert (np.abs(lines[:, 1] - lines[:, 0]) > 0).sum(axis=1).tolist() == [1] * len(lines)


def test_a_full_grid_needs_a_line_a_row_and_a_column() -> None:
    rows, cols = (a.ravel() for a in np.mgrid[:200, :250])
    layer = TileGridLayer(ViewerModel())
    layer.show_grid(grid(rows, cols))
    shown = layer.layer(TILE_GRID)
    assert len(shown.data) == 201 + 251
    assert not shown.visible and str(shown.units[0]) == "micrometer"


def test_tiles_in_view_are_counted_and_many_hide_the_grid() -> None:
    rows, cols = (a.ravel() for a in np.mgrid[:200, :250])
    layer = TileGridLayer(ViewerModel())
    layer.show_grid(grid(rows, cols))
    # Tiles are 112 um; the first begins at (100 - 0.5, 30 - 0.5) px of 0.25 um.
    y, x = 99.5 * 0.25, 29.5 * 0.25
    assert layer.seen((y + 1, x + 1, y + 111, x + 111)) == 1
    assert layer.seen((y + 1, x + 1, y + 113, x + 225)) == 6
    assert layer.seen((-50.0, -50.0, -1.0, -1.0)) == 0
    side = 112 * 54
    assert layer.follow_field((y, x, y + side, x + side), 5.0) and MAX_SEEN_TILES > 54 * 54
    assert layer.layer(TILE_GRID).visible
    assert not layer.follow_field((y, x, y + side + 112, x + side + 112), 5.0)
    assert not layer.layer(TILE_GRID).visible
    layer.show_grid(None)
    assert layer.layer(TILE_GRID) is None and not layer.follow_field((0, 0, 1, 1), 1.0)
