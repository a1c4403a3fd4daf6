from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sae_backend.activations.heatmap import cell_origin_um, lay_on_grid
from sae_backend.errors import MismatchError, NoTissueError, PixelSizeError, UserInputError
from sae_backend.slides.pyramid import area_weights, level_for, read_box, resample
from sae_backend.slides.slide import Slide
from sae_backend.slides.tiles import TileGrid, TileSpec, resolve_grid
from sae_backend.slides.tissue import find_tissue
from tests.slides import halved, stained_field, write_tiff


def brute_area(rgb: np.ndarray, box: tuple[float, float, float, float], size: tuple[int, int]) -> np.ndarray:
    out = np.zeros((*size, 3))
    for i in range(size[0]):
        for j in range(size[1]):
            y0, y1 = box[0] + box[2] * i / size[0], box[0] + box[2] * (i + 1) / size[0]
            x0, x1 = box[1] + box[3] * j / size[1], box[1] + box[3] * (j + 1) / size[1]
            total = 0.0
            for y in range(int(y0), min(int(np.ceil(y1)), rgb.shape[0])):
                for x in range(int(x0), min(int(np.ceil(x1)), rgb.shape[1])):
                    w = (min(y + 1, y1) - max(y, y0)) * (min(x + 1, x1) - max(x, x0))
                    out[i, j] += w * rgb[y, x]
                    total += w
            out[i, j] /= total
    return out


def test_resampling_is_the_exact_area_mean() -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    for box, size in (
        ((1.3, 2.7, 30.1, 40.2), (9, 11)),
        ((0, 0, 40, 50), (20, 25)),
        ((3.5, 4.5, 8, 8), (8, 8)),
    ):
        expected = brute_area(rgb, box, size)
        assert np.abs(resample(rgb, box, size).astype(float) - expected).max() <= 0.51
    assert area_weights(0.5, 2.0, 3, 8).sum(axis=1) == pytest.approx(1.0)


@pytest.mark.parametrize("mpp", [0.25, 0.2513, 0.499, 0.5])
def test_a_tile_is_the_same_physical_square_on_any_pyramid(tmp_path: Path, mpp: float) -> None:
    field = stained_field(1400, 1400)
    path = write_tiff(tmp_path / "s.tiff", [field, halved(field)], mpp=mpp)
    with Slide.open(path) as slide:
        grid = resolve_grid(TileSpec(tile_px=64, min_tissue=0.0), slide.info, find_tissue(slide))
        assert grid.tile_l0 * grid.mpp == pytest.approx(64 * 0.5)
        index = grid.n_tiles // 2 + 3
        y, x = grid.origins_l0()[index]
        tile = read_box(slide, (y, x, grid.tile_l0, grid.tile_l0), (64, 64)).rgb
    expected = brute_area(field, (y, x, grid.tile_l0, grid.tile_l0), (64, 64))
    # Reading level 1 adds that level's own rounding to 8 bits and, for odd offsets, half its pixel.
    assert np.abs(tile - expected).mean() < 1.5


def test_the_level_is_the_nearest_finer_one(tmp_path: Path) -> None:
    field = stained_field(1024, 1024)
    path = write_tiff(tmp_path / "s.tiff", [field, halved(field), halved(halved(field))], mpp=0.25)
    with Slide.open(path) as slide:
        assert [level_for(slide.info, d) for d in (0.9, 1.0, 1.9, 2.0, 3.9, 4.0, 40.0)] == [
            0,
            0,
            0,
            1,
            1,
            2,
            2,
        ]


def make_grid(stride: int | None = None, shape: tuple[int, int] = (4, 5)) -> TileGrid:
    rows, cols = (a.ravel() for a in np.mgrid[0 : shape[0], 0 : shape[1]])
    keep = (rows + cols) % 3 != 0
    spec = TileSpec(tile_px=100, tile_mpp=0.5, stride_px=stride)
    return TileGrid(
        "f", 0.4, spec, 125.0, spec.stride * 1.25, (7.0, 11.0), shape,
        rows[keep].astype(np.int32), cols[keep].astype(np.int32), np.ones(int(keep.sum()), np.float32),
    )  # fmt: skip


def test_tiles_are_half_open_and_every_point_has_at_most_one() -> None:
    grid = make_grid()
    y, x = grid.origins_l0()[4]
    assert grid.tile_at(y, x) == 4
    assert grid.tile_at(y + 124.999, x + 124.999) == 4
    assert grid.tile_at(y + 125.0, x) != 4
    assert grid.tile_at(0.0, 0.0) == -1
    assert grid.tile_at(1e6, 0.0) == -1
    assert (grid.tiles_at(grid.centres_l0()) == np.arange(grid.n_tiles)).all()


def test_overlapping_tiles_give_a_point_to_the_nearest_centre() -> None:
    grid = make_grid(stride=40)
    points = np.random.default_rng(1).uniform(0, 400, (500, 2))
    found = grid.tiles_at(points)
    origins, centres = grid.origins_l0(), grid.centres_l0()
    for point, index in zip(points, found, strict=True):
        inside = ((point >= origins) & (point < origins + grid.tile_l0)).all(axis=1)
        if not inside.any():
            assert index == -1
            continue
        distance = np.where(inside, np.linalg.norm(centres - point, axis=1), np.inf)
        assert distance[index] == pytest.approx(distance.min())


def test_a_grid_survives_json_and_its_digest_tells_grids_apart() -> None:
    grid = make_grid()
    again = TileGrid.from_json(grid.to_json())
    assert again.digest == grid.digest
    assert make_grid(stride=50).digest != grid.digest


def test_heat_map_cells_lie_on_their_tiles() -> None:
    grid = make_grid()
    y_um, x_um = cell_origin_um(grid)
    cell_um = grid.stride_l0 * grid.mpp
    for (y, x), row, col in zip(grid.origins_l0(), grid.rows, grid.cols, strict=True):
        # The edge of level-0 pixel p lies at (p - 0.5) * mpp in napari's world.
        top = y_um + (row - 0.5) * cell_um
        left = x_um + (col - 0.5) * cell_um
        assert top == pytest.approx((y - 0.5) * grid.mpp)
        assert left == pytest.approx((x - 0.5) * grid.mpp)
        assert top + cell_um == pytest.approx((y + grid.tile_l0 - 0.5) * grid.mpp)


def test_overlapping_heat_map_is_the_area_weighted_mean() -> None:
    grid = make_grid(stride=50, shape=(1, 2))
    grid = TileGrid(
        **{**grid.__dict__, "rows": np.array([0, 0], np.int32), "cols": np.array([0, 1], np.int32)}
    )
    image = lay_on_grid(grid, np.array([2.0, 6.0], np.float32), np.array([True, True]))
    np.testing.assert_allclose(image, [[2, 4, 6], [2, 4, 6]])
    image = lay_on_grid(grid, np.array([2.0, 6.0], np.float32), np.array([True, False]))
    np.testing.assert_array_equal(np.isnan(image), [[False, False, True]] * 2)


def test_wishes_that_cannot_be_met_say_why(tmp_path: Path) -> None:
    with pytest.raises(UserInputError):
        TileSpec(stride_px=300)
    with pytest.raises(UserInputError):
        TileSpec(tile_px=0)
    field = stained_field(600, 600)
    path = write_tiff(tmp_path / "s.tiff", [field], mpp=None)
    with Slide.open(path) as slide:
        tissue = find_tissue(slide)
        with pytest.raises(PixelSizeError):
            resolve_grid(TileSpec(), slide.info, tissue)
        with pytest.raises(MismatchError, match="coarser"):
            resolve_grid(TileSpec(tile_mpp=0.25), slide.info.with_mpp(0.5), tissue)
        with pytest.raises(NoTissueError, match="smaller than one tile"):
            resolve_grid(TileSpec(tile_px=1000), slide.info.with_mpp(0.5), tissue)
    blank = write_tiff(tmp_path / "b.tiff", [np.full((600, 600, 3), 244, np.uint8)], mpp=0.5)
    with Slide.open(blank) as slide, pytest.raises(NoTissueError, match="No tissue"):
        resolve_grid(TileSpec(), slide.info, find_tissue(slide))


def test_tissue_is_found_where_it_was_painted(tmp_path: Path) -> None:
    field = np.full((2000, 3000, 3), 245, np.uint8)
    field[400:1200, 600:2000] = stained_field(800, 1400)
    path = write_tiff(tmp_path / "s.tiff", [field, halved(field)], mpp=0.5)
    with Slide.open(path) as slide:
        tissue = find_tissue(slide)
    painted = np.zeros((2000, 3000), bool)
    painted[400:1200, 600:2000] = True
    small = painted[:: int(tissue.downsample), :: int(tissue.downsample)]
    area = tissue.mask.sum() * tissue.downsample**2
    assert area == pytest.approx(800 * 1400, rel=0.05)
    assert len(tissue.outlines_l0) == 1
    low, high = tissue.outlines_l0[0].min(axis=0), tissue.outlines_l0[0].max(axis=0)
    np.testing.assert_allclose(low, (400, 600), atol=15)
    np.testing.assert_allclose(high, (1200, 2000), atol=15)
    origins = np.array([[500.0, 700.0], [0.0, 0.0], [300.0, 1000.0]])
    np.testing.assert_allclose(tissue.fractions(origins, 200.0), [1, 0, 0.5], atol=0.06)
    assert small.any()
