"""Which tiles are in view, what is asked about them, and where the answer lies on the slide."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel

from desktop_app.canvas.slide_layers import CELLS, HEATMAP, INSIDE, SLIDE, TILE, SlideLayers, tile_corners_um
from desktop_app.project.analysis_jobs import (
    AnalyzeOptions,
    analyze_request,
    features_of,
    record_analysis,
    weights_key,
)
from desktop_app.project.features.inside_jobs import (
    Wish,
    occlusion_request,
    tiles_in_view,
    token_mosaic,
    token_request,
)
from desktop_app.store import Store
from sae_backend.activations.heatmap import heatmap
from sae_backend.errors import UserInputError
from sae_backend.models.bundled_models import SHIPPED_ENCODER, sae_folder
from sae_backend.slides.slide import Slide
from sae_backend.slides.tiles import TileGrid, TileSpec
from tests.app.fixtures.fakes import add_analysis, small_features, small_grid, write_slide

MPP = 0.4


def grid_of(stride_px: int = 100, rows: int = 5, cols: int = 7, origin: tuple[float, float] = (30.0, 50.0)):
    """Tiles of 100 px at the slide's resolution of 0.4 um per px, from an origin that is not the corner."""
    places = np.mgrid[:rows, :cols].reshape(2, -1).astype(np.int32)
    return TileGrid(
        "f" * 40, MPP, TileSpec(100, MPP, stride_px), 100.0, float(stride_px), origin, (rows, cols),
        places[0], places[1], np.ones(places.shape[1], np.float32),
    )  # fmt: skip


def test_edges_of_tokens_are_edges_of_tiles() -> None:
    grid = grid_of()
    tiles = [9, 10, 17]
    maps = np.arange(3 * 4 * 4, dtype=np.float32).reshape(3, 4, 4)
    mosaic = token_mosaic(grid, tiles, maps)
    layers = SlideLayers(ViewerModel())
    layers.show_inside(mosaic.image, mosaic.scale_um, mosaic.translate_um, (0.0, 50.0))
    layer = layers.layer(INSIDE)
    assert mosaic.image.shape == (8, 8) and mosaic.image.dtype == np.float32
    for place, tile in enumerate(tiles):
        corners = tile_corners_um(grid, tile)
        first = np.array([grid.rows[tile] - 1, grid.cols[tile] - 2]) * 4
        np.testing.assert_allclose(layer.data_to_world(first - 0.5), corners[0], atol=1e-9)
        np.testing.assert_allclose(layer.data_to_world(first + 3.5), corners[2], atol=1e-9)
        y, x = first
        np.testing.assert_array_equal(mosaic.image[y : y + 4, x : x + 4], maps[place])
    assert np.isnan(mosaic.image[4:, :4]).all(), "no tile was asked for there"


def test_where_tiles_overlap_a_place_has_their_mean() -> None:
    grid = grid_of(stride_px=50)
    maps = np.stack([np.full((4, 4), 1.0), np.full((4, 4), 3.0)]).astype(np.float32)
    maps[1, 0, 0] = np.nan
    mosaic = token_mosaic(grid, [0, 1], maps)
    np.testing.assert_array_equal(mosaic.image[1], [1, 1, 2, 2, 3, 3])
    np.testing.assert_array_equal(mosaic.image[0], [1, 1, 1, 2, 3, 3])
    with pytest.raises(UserInputError, match="part of a token"):
        token_mosaic(grid_of(stride_px=30), [0, 1], maps)
    assert token_mosaic(grid_of(stride_px=30), [1], maps[:1]).image.shape == (4, 4)


def test_tiles_in_view_are_those_that_are_seen_the_nearest_first() -> None:
    grid = grid_of()
    valid = np.ones(grid.n_tiles, bool)
    top, left = tile_corners_um(grid, 16)[0]
    bottom, right = tile_corners_um(grid, 18)[2]
    just = (top + 1e-6, left + 1e-6, bottom - 1e-6, right - 1e-6)
    assert tiles_in_view(grid, valid, just, 10).tolist() == [17, 16, 18]
    more = (top - 1e-6, left + 1e-6, bottom - 1e-6, right - 1e-6)
    assert set(tiles_in_view(grid, valid, more, 10).tolist()) == {9, 10, 11, 16, 17, 18}
    assert tiles_in_view(grid, valid, just, 1).tolist() == [17]
    valid[17] = False
    assert tiles_in_view(grid, valid, just, 10).tolist() == [16, 18]
    assert tiles_in_view(grid, valid, (-900.0, -900.0, -800.0, -800.0), 10).size == 0


def test_a_request_names_what_the_analysis_was_made_with(tmp_path: Path) -> None:
    with Store.create(tmp_path / "project") as store:
        with Slide.open(write_slide(tmp_path / "field.tif"), 0.5) as slide:
            record = store.slides.add(slide.info)
            analysis = add_analysis(store, record.id, slide)
        features = features_of(store, analysis)
        wish = Wish(4, tmp_path / "out.npy")
        with pytest.raises(UserInputError, match="autoencoder"):
            token_request(store, analysis, features, wish, [1])
        (store.folder / "sae").mkdir()
        store.settings.set(weights_key(analysis.encoder_digest), "/weights/vit.safetensors")
        asked = token_request(store, analysis, features, wish, np.array([3, 1]))
        assert asked.tiles == (3, 1) and asked.feature == 4
        assert asked.weights == "/weights/vit.safetensors"
        assert asked.slide == str(record.path) and asked.feature_dir == str(features.folder)
        assert asked.sae_dir == str(store.folder / "sae")
        model = (asked.encoder, asked.encoder_digest, asked.layer, asked.pooling)
        assert model == (analysis.encoder, analysis.encoder_digest, 3, "cls")
        assert occlusion_request(store, analysis, features, wish, np.int64(2)).tile == 2
        moved = replace(analysis, encoder=SHIPPED_ENCODER)
        (store.folder / "sae").rmdir()
        assert token_request(store, moved, features, wish, [1]).sae_dir == str(sae_folder(SHIPPED_ENCODER))


def test_the_place_of_the_weights_is_kept_with_the_analysis(tmp_path: Path) -> None:
    with Store.create(tmp_path / "project") as store:
        with Slide.open(write_slide(tmp_path / "field.tif"), 0.5) as slide:
            record = store.slides.add(slide.info)
        options = AnalyzeOptions(encoder="timm:test_vit", weights=tmp_path / "vit.safetensors")
        card = {"id": "timm:test_vit", "layer": 3, "pooling": "cls", "is_control": False}
        record_analysis(
            store,
            record.id,
            analyze_request(store, record.id, options),
            {
                "encoder": card, "encoder_digest": "c0" * 12, "grid_digest": "1", "embedding_digest": "2",
                "embedding_dir": str(store.cache_dir / "e"), "counts": {},
            },
        )  # fmt: skip
        assert store.settings.get(weights_key("c0" * 12)) == str(tmp_path / "vit.safetensors")


def test_the_inside_stands_for_the_heat_map_while_it_is_shown(tmp_path: Path) -> None:
    layers = SlideLayers(ViewerModel())
    with Slide.open(write_slide(tmp_path / "field.tif"), MPP) as slide:
        grid = small_grid(slide)
        layers.show_slide(slide, MPP)
        layers.show_heatmap(heatmap(small_features(tmp_path / "features", grid), 4))
        layers.show_tile(grid, 1)
        image = np.array([[0.0, 2.0], [np.nan, 1.0]], np.float32)
        layers.show_inside(image, (10.0, 10.0), (5.0, 5.0), (0.0, 2.0))
        viewer = layers._viewer
        assert [layer.name for layer in viewer.layers] == [SLIDE, HEATMAP, INSIDE, TILE]
        inside, heat = layers.layer(INSIDE), layers.layer(HEATMAP)
        np.testing.assert_array_equal(np.isnan(inside.data), [[True, False], [True, False]])
        assert {str(unit) for unit in inside.units} == {"micrometer"}
        assert inside.visible and not heat.visible
        layers.set_visible(HEATMAP, False)
        assert not inside.visible and not heat.visible
        layers.set_visible(HEATMAP, True)
        assert inside.visible and not heat.visible
        layers.set_opacity(0.3)
        assert inside.opacity == pytest.approx(0.3)
        layers.remove_inside()
        assert heat.visible and INSIDE not in viewer.layers
        assert CELLS not in viewer.layers
