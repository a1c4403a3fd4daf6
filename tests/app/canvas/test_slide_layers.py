from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel

from desktop_app.canvas.slide_layers import (
    BACKDROP,
    CELLS,
    DENSITY,
    HEATMAP,
    SLIDE,
    TILE,
    TISSUE,
    SlideLayers,
    tile_corners_um,
    world_to_l0,
)
from sae_backend.activations.heatmap import heatmap
from sae_backend.cells.counts import CellTable
from sae_backend.slides.slide import Slide
from tests.app.fixtures.fakes import small_features, small_grid, write_slide
from tests.slides import stained_field, write_tiff

MPP = 0.4
KEYS = ["1", "2", "3", "A", "S", "P", "X", "I", "D", "Delete", "Backspace", "Ctrl-V", "Shift-A"]


@pytest.fixture
def slide(tmp_path: Path) -> Iterator[Slide]:
    with Slide.open(write_slide(tmp_path / "field.tif"), MPP) as opened:
        yield opened


@pytest.fixture
def shown(slide: Slide, tmp_path: Path) -> SlideLayers:
    layers = SlideLayers(ViewerModel())
    layers.show_slide(slide, MPP)
    grid = small_grid(slide)
    layers.show_heatmap(heatmap(small_features(tmp_path / "features", grid), 1))
    layers.show_cells(cells(50))
    layers.show_tissue((np.array([[0.0, 0.0], [0.0, 100.0], [80.0, 100.0], [0.0, 0.0]]),))
    layers.show_tile(grid, 3)
    return layers


def cells(count: int) -> CellTable:
    rng = np.random.default_rng(1)
    kinds = rng.integers(0, 2, count).astype(np.uint16)
    return CellTable(rng.random(count) * 700, rng.random(count) * 900, kinds, ("tumour", "immune"))


def test_all_layers_share_one_world_in_um_and_keep_their_order(shown: SlideLayers) -> None:
    layers = shown._viewer.layers
    assert [layer.name for layer in layers] == [SLIDE, TISSUE, HEATMAP, DENSITY, CELLS, TILE]
    assert {str(unit) for layer in layers for unit in layer.units} == {"micrometer"}
    assert not layers.selection


def test_heat_map_cells_end_on_the_edges_of_their_tiles_pixels(shown: SlideLayers, slide: Slide) -> None:
    grid = small_grid(slide)
    picture, photo = shown.layer(HEATMAP), shown.layer(SLIDE)
    for tile in (0, 5, grid.n_tiles - 1):
        cell = np.array([grid.rows[tile], grid.cols[tile]], float)
        corners = tile_corners_um(grid, tile)
        np.testing.assert_allclose(picture.data_to_world(cell - 0.5), corners[0], atol=1e-9)
        np.testing.assert_allclose(picture.data_to_world(cell + 0.5), corners[2], atol=1e-9)
        first_px = grid.origins_l0()[tile]
        last_px = first_px + grid.tile_l0 - 1
        np.testing.assert_allclose(photo.data_to_world(first_px - 0.5), corners[0], atol=1e-9)
        np.testing.assert_allclose(photo.data_to_world(last_px + 0.5), corners[2], atol=1e-9)


def test_a_point_of_the_world_leads_back_to_its_tile(slide: Slide) -> None:
    grid = small_grid(slide)
    for tile in (0, 7, grid.n_tiles - 1):
        y, x = tile_corners_um(grid, tile).mean(axis=0)
        assert grid.tile_at(*world_to_l0((y, x), slide.info)) == tile
        top, left = tile_corners_um(grid, tile)[0] + 1e-6
        assert grid.tile_at(*world_to_l0((top, left), slide.info)) == tile


def test_another_feature_swaps_the_data_of_the_same_layer(
    shown: SlideLayers, slide: Slide, tmp_path: Path
) -> None:
    before = shown.layer(HEATMAP)
    heat = heatmap(small_features(tmp_path / "again", small_grid(slide)), 4)
    shown.show_heatmap(heat)
    assert shown.layer(HEATMAP) is before
    assert len(shown._viewer.layers) == 6
    peak = float(np.nanmax(heat.values))
    assert before.contrast_limits == pytest.approx([0.0, peak])
    firing = heat.values > 0
    np.testing.assert_array_equal(np.isfinite(before.data), firing)


def test_threshold_hides_tiles_and_leaves_the_colours(
    shown: SlideLayers, slide: Slide, tmp_path: Path
) -> None:
    heat = heatmap(small_features(tmp_path / "again", small_grid(slide)), 4)
    shown.show_heatmap(heat)
    limits = shown.limits
    shown.set_threshold(0.5)
    layer = shown.layer(HEATMAP)
    np.testing.assert_array_equal(np.isfinite(layer.data), heat.values > 0.5)
    assert tuple(layer.contrast_limits) == pytest.approx(limits)
    shown.set_limits(0.2, 0.7)
    assert tuple(layer.contrast_limits) == pytest.approx((0.2, 0.7))
    shown.set_limits(0.9, 0.1)
    assert shown.limits == (0.2, 0.7)


def test_a_feature_that_never_fires_shows_nothing(shown: SlideLayers, slide: Slide, tmp_path: Path) -> None:
    shown.show_heatmap(heatmap(small_features(tmp_path / "again", small_grid(slide)), 0))
    assert np.isnan(shown.layer(HEATMAP).data).all()
    assert shown.limits == (0.0, 1.0)


@pytest.mark.parametrize("name", [SLIDE, TISSUE, HEATMAP, DENSITY, CELLS, TILE])
@pytest.mark.parametrize("key", KEYS)
def test_napari_keys_change_nothing(shown: SlideLayers, name: str, key: str) -> None:
    viewer = shown._viewer
    layer = shown.layer(name)
    viewer.layers.selection = {layer}
    points = shown.layer(CELLS)
    points.selected_data = set(range(10))
    before = {one.name: np.asarray(one.affine).copy() for one in viewer.layers}
    for mapping in (layer.keymap, type(layer).class_keymap):
        found = {str(binding): action for binding, action in mapping.items()}
        action = found.get(key.replace("-", "+"))
        if action is not None:
            assert {str(binding): a for binding, a in layer.keymap.items()}[key.replace("-", "+")] is not None
            {str(binding): a for binding, a in layer.keymap.items()}[key.replace("-", "+")](layer)
    assert len(points.data) == 50
    assert len(viewer.layers) == 6
    assert str(layer.mode) == "pan_zoom"
    for one in viewer.layers:
        np.testing.assert_array_equal(np.asarray(one.affine), before[one.name])


def test_layers_fall_back_to_pan_and_zoom(shown: SlideLayers) -> None:
    for name, mode in ((SLIDE, "transform"), (CELLS, "add"), (TILE, "direct")):
        layer = shown.layer(name)
        layer.editable = True
        layer.mode = mode
        assert str(layer.mode) == "pan_zoom"


def test_of_very_many_cells_a_sample_is_drawn(shown: SlideLayers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("desktop_app.canvas.cell_layers.MAX_DRAWN_CELLS", 20)
    shown.show_cells(cells(50))
    assert len(shown.layer(CELLS).data) == 17


def test_clearing_leaves_nothing_and_no_tile_takes_the_outline_away(shown: SlideLayers, slide: Slide) -> None:
    shown.show_tile(small_grid(slide), -1)
    assert shown.layer(TILE) is None
    shown.clear()
    assert len(shown._viewer.layers) == 0


def test_the_coarsest_level_lies_below_at_the_same_place(tmp_path: Path) -> None:
    field = stained_field(3200, 2400)
    path = write_tiff(tmp_path / "large.tif", [field], MPP)
    with Slide.open(path) as slide:
        layers = SlideLayers(ViewerModel())
        layers.show_slide(slide, slide.info.mpp)
        backdrop, photo = layers.layer(BACKDROP), layers.layer(SLIDE)
        names = [layer.name for layer in layers._viewer.layers]
        assert names == [BACKDROP, SLIDE] and photo.multiscale
        # Corners of the first px of each, and of the whole.
        for corner in ((-0.5, -0.5),):
            np.testing.assert_allclose(backdrop.data_to_world(corner), photo.data_to_world(corner), atol=1e-9)
        h, w = backdrop.data.shape[:2]
        np.testing.assert_allclose(
            backdrop.data_to_world((h - 0.5, w - 0.5)), photo.data_to_world((3199.5, 2399.5)), atol=1e-9
        )
