from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from desktop_app.slide_levels import COARSEST_PX, UNREADABLE_GREY, ChunkCache, slide_levels
from sae_backend.errors import SlideError
from sae_backend.slide import RegionRead, Slide


def field(path: Path, height: int, width: int) -> np.ndarray:
    rgb = np.random.default_rng(0).integers(0, 256, (height, width, 3)).astype(np.uint8)
    tifffile.imwrite(path, rgb, photometric="rgb")
    return rgb


def test_levels_are_added_until_the_coarsest_is_small_and_average_two_by_two(tmp_path: Path) -> None:
    rgb = field(tmp_path / "a.tif", 1001, 4003)
    with Slide.open(tmp_path / "a.tif") as slide:
        levels = slide_levels(slide)
        assert [level.shape for level in levels] == [(1001, 4003, 3), (501, 2002, 3), (251, 1001, 3)]
        assert [level.virtual for level in levels] == [False, True, True]
        assert max(levels[-1].shape) <= COARSEST_PX
        np.testing.assert_array_equal(levels[0][500:700, 600:1300], rgb[500:700, 600:1300])
        mean = rgb[:1000, :4002].reshape(500, 2, 2001, 2, 3).mean(axis=(1, 3))
        np.testing.assert_array_equal(np.asarray(levels[1])[:500, :2001], np.rint(mean).astype(np.uint8))


def test_a_level_is_indexed_as_an_array(tmp_path: Path) -> None:
    rgb = field(tmp_path / "a.tif", 300, 400)
    with Slide.open(tmp_path / "a.tif") as slide:
        level = slide_levels(slide)[0]
        np.testing.assert_array_equal(level[10:200:3, ::2, 1], rgb[10:200:3, ::2, 1])
        np.testing.assert_array_equal(level[-1, 5], rgb[-1, 5])
        np.testing.assert_array_equal(level[..., 0], rgb[..., 0])
        assert level.size == rgb.size and level.ndim == 3


def test_the_cache_keeps_within_its_limit_and_drops_the_oldest() -> None:
    cache = ChunkCache(max_bytes=250)
    for col in range(4):
        cache.put((0, 0, col), np.full((10, 10), col, np.uint8))
    assert cache.held_bytes == 200
    assert cache.get((0, 0, 0)) is None and cache.get((0, 0, 3)) is not None


def test_a_file_that_is_gone_is_reported_and_drawn_grey_but_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rgb = field(tmp_path / "a.tif", 300, 400)
    told: list[SlideError] = []
    with Slide.open(tmp_path / "a.tif") as slide:
        level = slide_levels(slide, on_error=told.append)[0]
        read = slide.read_region

        def gone(*_: int) -> RegionRead:
            raise SlideError("a.tif is not there any more.", "Put it back.")

        monkeypatch.setattr(slide, "read_region", gone)
        assert (level[10:20, 10:20] == UNREADABLE_GREY).all()
        assert [error.hint for error in told] == ["Put it back."]
        monkeypatch.setattr(slide, "read_region", read)
        np.testing.assert_array_equal(level[10:20, 10:20], rgb[10:20, 10:20])
