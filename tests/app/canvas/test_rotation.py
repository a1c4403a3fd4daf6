"""The turn of the view: there and back again, the affine that napari gets, and layers that come later."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel

from desktop_app.canvas.rotation import Turn, TurnedView, angle_of
from desktop_app.canvas.slide_layers import HEATMAP, SLIDE, TILE, SlideLayers, tile_corners_um, world_to_l0
from sae_backend.activations.heatmap import heatmap
from sae_backend.errors import UserInputError
from sae_backend.slides.slide import Slide
from tests.app.fixtures.fakes import small_features, small_grid, write_slide

ANGLES = [0.0, 30.0, 90.0, 180.0, 270.0, 359.0]


def test_a_quarter_turn_clockwise_takes_the_right_hand_side_down() -> None:
    turn = Turn(90, (100.0, 200.0))
    assert turn.forward(100.0, 250.0) == (150.0, 200.0)
    assert turn.back(150.0, 200.0) == (100.0, 250.0)
    assert turn.by(270).is_upright and turn.by(-180).angle_deg == 270


@pytest.mark.parametrize("angle", ANGLES)
def test_forward_and_back_and_the_matrix_agree(angle: float) -> None:
    turn = Turn(angle, (31000.25, 17000.5))
    points = np.random.default_rng(0).random((50, 2)) * 60000
    for y, x in points:
        there = turn.forward(y, x)
        np.testing.assert_allclose(turn.back(*there), (y, x), rtol=0, atol=1e-8)
        np.testing.assert_allclose((turn.matrix @ (y, x, 1))[:2], there, rtol=0, atol=1e-8)
    assert turn.forward(*turn.centre_um) == turn.centre_um
    np.testing.assert_allclose(turn.back_points(points[:3])[2], turn.back(*points[2]))


def test_the_angle_in_words_goes_the_shorter_way() -> None:
    assert [Turn(a).words for a in (0, 30, 180, 270, 345.5)] == [
        "", "30° clockwise", "180°", "90° anticlockwise", "14.5° anticlockwise",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "angle"), [("30", 30), (" -12,5° ", -12.5), ("+90 degrees", 90), ("−45", -45)]
)
def test_a_typed_angle(text: str, angle: float) -> None:
    assert angle_of(text) == angle


@pytest.mark.parametrize("text", ["", "north", "400", "1 2"])
def test_what_is_no_angle_is_refused(text: str) -> None:
    with pytest.raises(UserInputError):
        angle_of(text)


@pytest.mark.parametrize("angle", ANGLES)
def test_a_click_on_a_tile_picks_that_tile(tmp_path: Path, angle: float) -> None:
    viewer = ViewerModel()
    turned = TurnedView(viewer)
    with Slide.open(write_slide(tmp_path / "field.tif"), 0.5) as slide:
        layers, grid = SlideLayers(viewer), small_grid(slide)
        layers.show_slide(slide, 0.5)
        turned.set_turn(Turn(angle, (175.0, 225.0)))
        # Both come after the turn.
        layers.show_heatmap(heatmap(small_features(tmp_path / "features", grid), 1))
        for tile in (0, 7, grid.n_tiles - 1):
            layers.show_tile(grid, tile)
            y, x = tile_corners_um(grid, tile).mean(axis=0)
            displayed = turned.turn.forward(y, x)
            # Displayed where napari draws the pixel, the cell of the map and the outline of that tile.
            photo, picture, mark = (layers.layer(name) for name in (SLIDE, HEATMAP, TILE))
            centre_px = grid.centres_l0()[tile] - 0.5
            np.testing.assert_allclose(photo.data_to_world(centre_px), displayed, atol=1e-9)
            cell = (grid.rows[tile], grid.cols[tile])
            np.testing.assert_allclose(picture.data_to_world(cell), displayed, atol=1e-9)
            outline = np.array([mark.data_to_world(corner) for corner in mark.data[0]])
            np.testing.assert_allclose(outline.mean(axis=0), displayed, atol=1e-9)
            assert grid.tile_at(*world_to_l0(turned.turn.back(*displayed), slide.info)) == tile


def test_upright_again_leaves_the_layers_as_they_were(tmp_path: Path) -> None:
    viewer = ViewerModel()
    turned = TurnedView(viewer)
    with Slide.open(write_slide(tmp_path / "field.tif"), 0.5) as slide:
        SlideLayers(viewer).show_slide(slide, 0.5)
        turned.set_turn(Turn(30, (175.0, 225.0)))
        assert not np.array_equal(np.asarray(viewer.layers[SLIDE].affine), np.eye(3))
        turned.set_turn(Turn(0, (175.0, 225.0)))
        np.testing.assert_array_equal(np.asarray(viewer.layers[SLIDE].affine), np.eye(3))
