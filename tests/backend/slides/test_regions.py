"""Shapes of regions on planted geometry, and what fires in them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import shapely
from scipy.sparse import csr_array

from sae_backend.activations.feature_matrix import FeatureMatrix, write_features
from sae_backend.feature_dashboard.region_activations import region_firing, tiles_inside
from sae_backend.slides.regions import (
    area_l0,
    box_l0,
    brushed,
    enclosed_by,
    joined,
    polygons_of,
    rectangle_corners,
    shape_of,
    simplified,
    within,
    without,
)
from sae_backend.slides.tiles import TileGrid, TileSpec

SQUARE = ((10.0, 20.0), (10.0, 60.0), (50.0, 60.0), (50.0, 20.0))
HOLE = ((20.0, 30.0), (20.0, 40.0), (30.0, 40.0), (30.0, 30.0))
NOTCHED = [[[(0, 0), (0, 300), (300, 300), (300, 200), (100, 200), (100, 100), (300, 100), (300, 0)]]]


def grid(n: int = 3) -> TileGrid:
    rows, cols = (a.ravel().astype(np.int32) for a in np.mgrid[:n, :n])
    return TileGrid(
        "f", 0.5, TileSpec(tile_px=100, tile_mpp=0.5), 100.0, 100.0, (0.0, 0.0), (n, n), rows, cols,
        np.ones(n * n, np.float32),
    )  # fmt: skip


@pytest.fixture
def features(tmp_path: Path) -> FeatureMatrix:
    dense = np.zeros((9, 4), np.float32)
    dense[:, 1] = np.arange(9)
    dense[4, 2] = dense[0, 3] = 6.0
    valid = np.ones(9, bool)
    valid[3] = False
    dense[3] = 0
    digests = {"sae_digest": "a", "embedding_digest": "b"}
    return write_features(tmp_path / "f", [csr_array(dense)], valid, grid(), digests)


def test_polygons_go_to_shapes_and_back_without_a_change() -> None:
    polygons = ((SQUARE, HOLE), (((100.0, 1.0), (100.0, 9.0), (120.0, 1.0)),))
    assert polygons_of(shape_of(polygons)) == polygons
    assert area_l0(polygons) == 40 * 40 - 10 * 10 + 80
    assert box_l0(polygons) == (10.0, 1.0, 110.0, 59.0)
    twice = shape_of(((SQUARE,), (SQUARE,)))
    assert twice.is_valid and twice.area == 1600


def test_all_that_a_line_encloses_counts_however_it_crosses_itself() -> None:
    star = [(np.sin(a), np.cos(a)) for a in 4 * np.pi / 5 * np.arange(5)]
    shape = enclosed_by(star)
    assert len(shape.geoms) == 1 and not shape.geoms[0].interiors, "the heart of the star too"
    bow_tie = enclosed_by([(0, 0), (10, 10), (0, 10), (10, 0)])
    assert bow_tie.area == pytest.approx(50) and len(bow_tie.geoms) == 2
    # Once around and a little more: the overlap is not a hole.
    round_trip = [(100 * np.sin(a), 100 * np.cos(a)) for a in np.linspace(0, 2.3 * np.pi, 200)]
    assert enclosed_by(round_trip).area == pytest.approx(np.pi * 100**2, rel=0.01)
    assert enclosed_by([(0, 0), (5, 5), (0, 0)]).is_empty and enclosed_by([(0, 0), (1, 1), (2, 2)]).is_empty


def test_a_rectangle_runs_along_the_screen() -> None:
    assert rectangle_corners((5, 7), (1, 2)) == [(5, 7), (5, 2), (1, 2), (1, 7)]
    right = (np.sin(0.3), np.cos(0.3))
    corners = np.array(rectangle_corners((0, 0), (10, 30), right))
    sides = np.diff(np.vstack([corners, corners[:1]]), axis=0)
    np.testing.assert_allclose(np.sum(sides * np.roll(sides, 1, axis=0), axis=1), 0, atol=1e-12)
    np.testing.assert_allclose(corners[2], (10, 30))
    np.testing.assert_allclose(sides[0] / np.linalg.norm(sides[0]), right)


def test_brush_union_and_eraser() -> None:
    dab = brushed([(50, 50)], 10)
    assert dab.area == pytest.approx(np.pi * 100, rel=0.01) and dab.bounds == (40, 40, 60, 60)
    ring = without(shape_of(((SQUARE,),)), brushed([(30, 40)], 5))
    ((outer, hole),) = polygons_of(ring)
    assert len(outer) == 4 and area_l0(((hole,),)) == pytest.approx(np.pi * 25, rel=0.01)
    assert joined(ring, brushed([(30, 40)], 6)).area == pytest.approx(1600)
    assert polygons_of(without(dab, brushed([(50, 50)], 20))) == ()
    assert within(shape_of(((SQUARE,),)), 30, 40).bounds == (20, 10, 40, 30)
    assert polygons_of(within(shape_of(((SQUARE,),)), 500, 500)) == ((SQUARE,),), "inside nothing changes"


def test_simplifying_keeps_within_its_tolerance_and_drops_specks() -> None:
    angle = np.linspace(0, 2 * np.pi, 5000)
    circle = enclosed_by(np.stack([1000 + 500 * np.sin(angle), 1000 + 500 * np.cos(angle)], axis=1))
    smooth = simplified(circle, 2.0)
    assert smooth.hausdorff_distance(circle) <= 2.0 and shapely.get_num_coordinates(smooth) < 100
    speck = joined(circle, shapely.box(5, 5, 9, 9))
    assert len(simplified(speck, 2.0).geoms) == 1
    assert simplified(shapely.MultiPolygon([shapely.box(5, 5, 9, 9)]), 2.0).area == 16, "alone it stays"


def test_tiles_count_by_their_middle() -> None:
    inside = tiles_inside(grid(), NOTCHED)
    # The notch takes the middle tile of the second and third row.
    assert np.flatnonzero(inside).tolist() == [0, 1, 2, 3, 5, 6, 8]
    assert np.flatnonzero(tiles_inside(grid(), [[[(0, 0), (0, 51), (51, 51), (51, 0)]]])).tolist() == [0]
    assert not tiles_inside(grid(), [[[(0, 0), (0, 49), (49, 49), (49, 0)]]]).any()


def test_means_are_over_the_valid_tiles_inside(features: FeatureMatrix) -> None:
    firing = region_firing(features, NOTCHED)
    # Tile 3 lies inside and is not valid.
    assert firing.n_tiles == 6
    np.testing.assert_allclose(firing.mean, [0, (0 + 1 + 2 + 5 + 6 + 8) / 6, 0, 1.0])
    assert firing.n_firing.tolist() == [0, 5, 0, 1]
    np.testing.assert_allclose(firing.slide_mean, [0, (36 - 3) / 8, 6 / 8, 6 / 8])
    nothing = region_firing(features, [[[(0, 0), (0, 9), (9, 9)]]])
    assert nothing.n_tiles == 0 and not nothing.mean.any()
