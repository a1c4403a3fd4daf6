"""The generated slide opens as a slide, repeats, and its cell file says where its nuclei are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import orjson
import pytest

from sae_backend.cells import read_cells
from sae_backend.demo.drawing import CELL_TYPES, STAIN_VECTORS
from sae_backend.demo.slide import DemoSlide, write_demo_slide
from sae_backend.errors import CacheError, UserInputError
from sae_backend.slide import Slide
from sae_backend.tiles import TileSpec, resolve_grid
from sae_backend.tissue import find_tissue

SIZE_PX = (1536, 2048)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> DemoSlide:
    return write_demo_slide(tmp_path_factory.mktemp("demo"), seed=3, size_px=SIZE_PX)


def test_it_opens_as_a_pyramid_with_its_pixel_size(demo: DemoSlide) -> None:
    with Slide.open(demo.slide_path) as slide:
        assert (slide.info.height_px, slide.info.width_px) == SIZE_PX
        assert slide.info.mpp == pytest.approx(0.5, rel=1e-6)
        assert slide.info.mpp_source == "file"
        assert slide.info.level_sizes == (SIZE_PX, (384, 512), (96, 128))


def test_tissue_and_glass_are_told_apart(demo: DemoSlide) -> None:
    with Slide.open(demo.slide_path) as slide:
        tissue = find_tissue(slide)
        grid = resolve_grid(TileSpec(), slide.info, tissue)
        corner = slide.read_region(0, 0, 0, 64, 64).rgb
    assert 0.3 < tissue.mask.mean() < 0.9
    assert 0 < grid.n_tiles < grid.shape[0] * grid.shape[1]
    assert corner.min() > 225


def test_the_same_seed_gives_the_same_files_and_another_seed_others(demo: DemoSlide, tmp_path: Path) -> None:
    again = write_demo_slide(tmp_path / "again", seed=3, size_px=SIZE_PX)
    other = write_demo_slide(tmp_path / "other", seed=4, size_px=SIZE_PX)
    assert again.slide_path.read_bytes() == demo.slide_path.read_bytes()
    assert again.cells_path.read_bytes() == demo.cells_path.read_bytes()
    assert other.slide_path.read_bytes() != demo.slide_path.read_bytes()
    assert other.cells_path.read_bytes() != demo.cells_path.read_bytes()


def test_every_cell_lies_on_a_drawn_nucleus(demo: DemoSlide) -> None:
    with Slide.open(demo.slide_path) as slide:
        table = read_cells(demo.cells_path, slide.info).table
        rgb = slide.read_region(0, 0, 0, *SIZE_PX).rgb
    density = -np.log(np.maximum(rgb, 1) / 245.0)
    haematoxylin = density @ np.linalg.pinv(STAIN_VECTORS)[:, 0]
    at_cells = haematoxylin[table.y_l0.astype(int), table.x_l0.astype(int)]
    assert np.median(at_cells) > 0.6
    assert np.mean(at_cells > 0.35) > 0.99
    assert np.median(haematoxylin) < 0.3


def test_all_types_are_there_each_in_its_compartment(demo: DemoSlide) -> None:
    features = orjson.loads(demo.cells_path.read_bytes())["features"]
    names = [feature["properties"]["classification"]["name"] for feature in features]
    assert {name: names.count(name) > 30 for name in CELL_TYPES} == dict.fromkeys(CELL_TYPES, True)
    rings = [feature["geometry"]["coordinates"][0] for feature in features]
    assert all(ring[0] == ring[-1] for ring in rings)
    centres = np.array([np.mean(ring[:-1], axis=0) for ring in rings])
    kinds = np.array(names)
    tumour, lymphoid = centres[kinds == "Neoplastic"], centres[kinds == "Inflammatory"]
    # Lymphocytes crowd: the nearest of their kind is nearer than among tumour cells.
    assert _nearest_px(lymphoid) < 0.8 * _nearest_px(tumour)


def _nearest_px(points: np.ndarray) -> float:
    distance = np.hypot(*(points[:, None, :] - points[None, :, :]).transpose(2, 0, 1))
    np.fill_diagonal(distance, np.inf)
    return float(np.median(distance.min(axis=1)))


def test_a_slide_too_small_for_tissue_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserInputError, match="too small"):
        write_demo_slide(tmp_path, size_px=(100, 4000))


def test_a_folder_that_cannot_be_made_is_an_error_with_a_hint(tmp_path: Path) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("in the way")
    with pytest.raises(CacheError, match="cannot be written") as caught:
        write_demo_slide(blocker, size_px=(512, 512))
    assert "--out" in caught.value.hint
