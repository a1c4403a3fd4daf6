"""Human-interpretable features of tiles, on cells whose shape and place are known."""

import numpy as np

from sae_backend.cells.human_interpretable_features import hif_names, tile_hifs
from sae_backend.cells.table import CellTable
from sae_backend.slides.slide import Slide
from sae_backend.slides.stain_per_tile import tile_stains
from sae_backend.slides.tiles import TileGrid, TileSpec
from tests.slides import stained_field, write_tiff

GRID = TileGrid(
    slide_fingerprint="f", mpp=0.5, spec=TileSpec(tile_px=100), tile_l0=100.0, stride_l0=100.0,
    origin_l0=(0.0, 0.0), shape=(1, 3), rows=np.zeros(3, np.int32), cols=np.arange(3, dtype=np.int32),
    tissue_fraction=np.array([1.0, 0.5, 1.0], np.float32),
)  # fmt: skip


def table():
    return CellTable(
        y_l0=np.array([50.0, 50.0, 50.0, 50.0]),
        x_l0=np.array([20.0, 40.0, 80.0, 150.0]),
        type_index=np.array([0, 1, 0, 1], np.uint16),
        type_names=("A", "B"),
        measures={"area_um2": np.array([30, 50, 40, 20], np.float32), "odd": np.zeros(4, np.float32)},
    )


def test_every_hif_is_what_one_counts_by_hand():
    names = hif_names([table()])
    found = dict(zip(names, tile_hifs(table(), GRID, names).T, strict=True))
    # A tile is 50 um wide: 0.0025 mm2 of tissue, the second one half of it.
    np.testing.assert_allclose(found["cell density (per mm2 tissue)"], [1200, 800, 0])
    np.testing.assert_allclose(found["density of A (per mm2 tissue)"], [800, 0, 0])
    np.testing.assert_allclose(found["tissue share of tile"], [1, 0.5, 1])
    np.testing.assert_allclose(found["nuclear area (um2), mean"], [40, 20, np.nan])
    np.testing.assert_allclose(found["nuclear area (um2), spread"], [10, np.nan, np.nan])
    # Neighbours are 10, 10 and 20 um away in the first tile, 35 um in the second.
    np.testing.assert_allclose(found["distance to nearest cell (um)"], [40 / 3, 35, np.nan])
    assert not any("odd" in name or "eccentricity" in name for name in names)


def test_a_slide_without_cells_has_its_tissue_and_nothing_else():
    names = hif_names([table(), None])
    found = dict(zip(names, tile_hifs(None, GRID, names).T, strict=True))
    np.testing.assert_allclose(found.pop("tissue share of tile"), [1, 0.5, 1])
    assert all(np.isnan(values).all() for values in found.values())


def test_a_type_that_a_slide_lacks_is_none_of_its_cells():
    names = ("density of C (per mm2 tissue)",)
    np.testing.assert_allclose(tile_hifs(table(), GRID, names), 0)


def test_stains_are_measured_once_and_follow_the_pixels(tmp_path):
    field = stained_field(256, 512)
    field[:, 256:] = 245
    path = tmp_path / "field.tiff"
    write_tiff(path, [field], mpp=0.5)
    steps = []
    with Slide.open(path) as slide:
        info = slide.info
        grid = TileGrid(
            slide_fingerprint=info.fingerprint, mpp=0.5, spec=TileSpec(tile_px=128), tile_l0=128.0,
            stride_l0=128.0, origin_l0=(0.0, 0.0), shape=(2, 4),
            rows=np.repeat(np.arange(2), 4).astype(np.int32), cols=np.tile(np.arange(4), 2).astype(np.int32),
            tissue_fraction=np.ones(8, np.float32),
        )  # fmt: skip
        found = tile_stains(slide, grid, tmp_path / "cache", lambda *step: steps.append(step))
        n_steps = len(steps)
        again = tile_stains(slide, grid, tmp_path / "cache", lambda *step: steps.append(step))
    assert found.shape == (8, 2) and n_steps and len(steps) == n_steps
    np.testing.assert_array_equal(found, again)
    empty = grid.cols >= 2
    assert found[~empty].min() > found[empty].max()
    kept = next((tmp_path / "cache" / "thumbnails").glob("*.stains.npy"))
    kept.write_bytes(b"torn")
    with Slide.open(path) as slide:
        remade = tile_stains(slide, grid, tmp_path / "cache", lambda *_: None)
    np.testing.assert_array_equal(remade, found)
