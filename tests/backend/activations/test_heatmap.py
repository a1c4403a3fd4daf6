"""Heat maps: every cell lies on its tile, and overlapping tiles are averaged by area."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_array

from sae_backend.activations.feature_matrix import FeatureMatrix, write_features
from sae_backend.activations.heatmap import heatmap
from sae_backend.errors import UserInputError
from sae_backend.slides.tiles import TileGrid, TileSpec

N_ROWS, N_COLS = 5, 7
ORIGIN_L0 = (100.0, 36.0)


def matrix(folder: Path, stride_px: int = 64) -> FeatureMatrix:
    """64 px tiles at 0.5 um per px on a slide of 0.25, about two thirds kept, one of them bad."""
    generator = np.random.default_rng(3)
    keep = generator.random((N_ROWS, N_COLS)) < 0.65
    rows, cols = np.nonzero(keep)
    grid = TileGrid(
        "slide", 0.25, TileSpec(64, 0.5, stride_px), 128.0, stride_px * 2.0, ORIGIN_L0, (N_ROWS, N_COLS),
        rows.astype(np.int32), cols.astype(np.int32), np.ones(rows.size, np.float32),
    )  # fmt: skip
    valid = np.ones(rows.size, bool)
    valid[4] = False
    dense = generator.random((rows.size, 3)).astype(np.float32) * (generator.random((rows.size, 3)) < 0.5)
    dense[~valid] = 0
    digests = {"sae_digest": "sae", "embedding_digest": "embedding"}
    return write_features(folder / "f", [csr_array(dense)], valid, grid, digests)


def test_a_cell_holds_the_value_of_its_tile_and_lies_on_it(tmp_path: Path) -> None:
    features = matrix(tmp_path)
    dense, grid = features.csc().toarray(), features.grid
    for feature in range(3):
        shown = heatmap(features, feature)
        assert (shown.feature, shown.sae_digest) == (feature, "sae")
        assert shown.values.dtype == np.float32 and shown.values.shape == (N_ROWS, N_COLS)
        expected = np.full((N_ROWS, N_COLS), np.nan, np.float32)
        for tile in np.flatnonzero(features.valid):
            expected[grid.rows[tile], grid.cols[tile]] = dense[tile, feature]
        np.testing.assert_array_equal(shown.values, expected)
    # A silent tile is zero, and one that was not read is not.
    assert (shown.values == 0).any()
    assert np.isnan(shown.values[grid.rows[4], grid.cols[4]])
    assert shown.cell_um == 32.0
    # Centres of the cells in um, where the centre of level-0 pixel (0, 0) is the origin.
    places = np.stack([grid.rows, grid.cols], axis=1)
    centres_um = np.asarray(shown.translate_um) + places * shown.cell_um
    np.testing.assert_allclose(centres_um, (grid.centres_l0() - 0.5) * grid.mpp)


@pytest.mark.parametrize("stride_px", [32, 48, 20])
def test_overlapping_tiles_are_averaged_by_area(tmp_path: Path, stride_px: int) -> None:
    features = matrix(tmp_path, stride_px)
    grid, shown = features.grid, heatmap(features, 1)
    step = int(grid.stride_l0)
    height, width = shown.values.shape
    total, weight = np.zeros((height * step, width * step)), np.zeros((height * step, width * step))
    dense = features.csc().toarray()
    for tile in np.flatnonzero(features.valid):
        y, x = (int(v) for v in grid.origins_l0()[tile] - ORIGIN_L0)
        total[y : y + 128, x : x + 128] += dense[tile, 1]
        weight[y : y + 128, x : x + 128] += 1
    # Pixel by pixel: the mean over a cell of all pixels of all tiles that cover it.
    cells = [a.reshape(height, step, width, step).sum(axis=(1, 3)) for a in (total, weight)]
    covered = cells[1] > 0
    np.testing.assert_array_equal(~np.isnan(shown.values), covered)
    np.testing.assert_allclose(shown.values[covered], cells[0][covered] / cells[1][covered], rtol=1e-5)
    assert shown.cell_um == stride_px * 0.5


def test_an_unknown_feature_is_refused(tmp_path: Path) -> None:
    features = matrix(tmp_path)
    for feature in (-1, 3):
        with pytest.raises(UserInputError, match=f"no feature {feature}") as caught:
            heatmap(features, feature)
        assert "0 to 2" in caught.value.hint
