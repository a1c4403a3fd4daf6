from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
import tifffile
from napari.components import ViewerModel

from desktop_app.canvas.chunk_reader import ChunkReader
from desktop_app.canvas.pyramid_levels import (
    COARSEST_PX,
    NOT_YET_GREY,
    UNREADABLE_GREY,
    ChunkCache,
    slide_levels,
)
from desktop_app.canvas.slide_layers import BACKDROP, SLIDE, SlideLayers
from sae_backend.errors import SlideError
from sae_backend.slides.slide import RegionRead, Slide
from tests.waiting import WAIT_S


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


def pyramid(path: Path, side: int = 2048, gap: int = 4) -> np.ndarray:
    """Write a file of two levels so many times apart; the coarse one is the mean of the fine one."""
    blocks = np.random.default_rng(1).integers(0, 256, (side // 64, side // 64, 3)).astype(np.uint8)
    rgb = blocks.repeat(64, 0).repeat(64, 1)
    with tifffile.TiffWriter(path) as writer:
        for step, kind in ((1, 0), (gap, 1)):
            writer.write(rgb[::step, ::step], tile=(256, 256), photometric="rgb", subfiletype=kind)
    return rgb


def test_levels_that_are_far_apart_get_one_between(tmp_path: Path) -> None:
    rgb = pyramid(tmp_path / "a.tif", gap=8)
    with Slide.open(tmp_path / "a.tif") as slide:
        levels = slide_levels(slide)
        assert [level.downsample for level in levels] == [1, 2, 4, 8]
        assert [level.virtual for level in levels] == [False, True, True, False]
        for level in levels:
            step = int(level.downsample)
            np.testing.assert_array_equal(np.asarray(level), rgb[::step, ::step])


def test_what_is_not_read_is_enlarged_from_a_coarser_level_and_then_drawn_as_it_is(tmp_path: Path) -> None:
    rgb = pyramid(tmp_path / "a.tif")
    asked: list[ChunkReader] = []
    reader = ChunkReader(asked.append)
    with Slide.open(tmp_path / "a.tif") as slide:
        levels = slide_levels(slide, reader=reader)
        levels[-1].read(0, 0, *levels[-1].shape[:2])
        gate, read = threading.Event(), slide.read_region

        def slow(*where: int) -> RegionRead:
            assert gate.wait(WAIT_S)
            return read(*where)

        slide.read_region = slow  # type: ignore[method-assign,assignment]
        redrawn: list[int] = []
        reader.watch(lambda: redrawn.append(reader.arrivals), lambda error: None)
        # Blocks of 64 px are whole px of the coarse level, so the enlarged picture is the very same.
        np.testing.assert_array_equal(levels[0][300:900, 500:1400], rgb[300:900, 500:1400])
        assert asked and reader.left == 6 and not reader.wait(0.05) and not redrawn
        gate.set()
        assert reader.wait(WAIT_S) and not reader.busy and redrawn[-1] == 6
        cached = levels[0].load(1, 1)
        np.testing.assert_array_equal(cached, rgb[512:1024, 512:1024])
        np.testing.assert_array_equal(levels[0][300:900, 500:1400], rgb[300:900, 500:1400])
        assert not reader.busy
        reader.stop()


def test_the_finest_of_the_coarser_levels_stands_in(tmp_path: Path) -> None:
    pyramid(tmp_path / "a.tif")
    cache, reader = ChunkCache(), ChunkReader(threads=0)
    with Slide.open(tmp_path / "a.tif") as slide:
        levels = slide_levels(slide, cache, reader=reader)
        assert (levels[0][:8, :8] == NOT_YET_GREY).all()
        cache.put((2, 0, 0), np.full((512, 512, 3), 20, np.uint8))
        assert (levels[0][:8, :8] == 20).all()
        cache.put((1, 0, 0), np.full((512, 512, 3), 40, np.uint8))
        assert (levels[0][:8, :8] == 40).all()
        assert (levels[0][1020:1024, :8] == 40).all() and (levels[0][1024:1028, :8] == 20).all()
        reader.stop()


def test_a_file_that_is_gone_is_told_once_and_tried_again_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rgb = pyramid(tmp_path / "a.tif")
    told: list[SlideError] = []
    reader = ChunkReader()
    reader.watch(lambda: None, told.append)
    with Slide.open(tmp_path / "a.tif") as slide:
        level, read = slide_levels(slide, reader=reader)[0], slide.read_region

        def gone(*_: int) -> RegionRead:
            raise SlideError("a.tif is not there any more.", "Put it back.")

        monkeypatch.setattr(slide, "read_region", gone)
        assert (level[:1000, :1000] == NOT_YET_GREY).all()
        assert reader.wait(WAIT_S)
        assert [error.hint for error in told] == ["Put it back."]
        # Not tried again at each drawing, or the window would do nothing else.
        assert (level[:1000, :1000] == UNREADABLE_GREY).all() and not reader.busy
        monkeypatch.setattr(slide, "read_region", read)
        monkeypatch.setattr("desktop_app.canvas.chunk_reader.RETRY_S", 0.0)
        assert level[:1000, :1000].shape == (1000, 1000, 3)
        assert reader.wait(WAIT_S)
        np.testing.assert_array_equal(level[:1000, :1000], rgb[:1000, :1000])
        reader.stop()


def test_the_newest_wishes_are_read_first_and_old_ones_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("desktop_app.canvas.chunk_reader.MOST_WISHES", 4)
    gate, done = threading.Event(), list[int]()
    reader = ChunkReader(threads=1)

    def first() -> None:
        assert gate.wait(WAIT_S)

    reader.ask((9, 9, 9), first)
    while reader.left and (9, 9, 9) not in reader._reading:
        pass
    for number in range(8):
        reader.ask((0, 0, number), lambda number=number: done.append(number))  # type: ignore[misc]
    reader.ask((0, 0, 5), lambda: done.append(5))
    gate.set()
    assert reader.wait(WAIT_S)
    assert done == [5, 7, 6, 4]
    reader.stop()


def test_a_stopped_reader_has_let_go_of_the_slide(tmp_path: Path) -> None:
    pyramid(tmp_path / "a.tif")
    reader = ChunkReader()
    slide = Slide.open(tmp_path / "a.tif")
    cache = ChunkCache(max_bytes=1)
    levels = slide_levels(slide, cache, reader=reader)
    for _ in range(20):
        np.asarray(levels[0])
    reader.stop()
    slide.close()
    assert reader.left == 0 and not reader.deliver()
    assert levels[0][:5, :5].shape == (5, 5, 3)
    cache.put((9, 9, 9), np.zeros((9, 9, 3), np.uint8))
    with pytest.raises(SlideError, match="was closed"):
        levels[0].load(3, 3)


def test_a_coarsest_level_that_takes_long_is_drawn_when_it_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("desktop_app.canvas.slide_layers._AT_ONCE_PX", 0)
    field(tmp_path / "a.tif", 2000, 2400)
    asked: list[ChunkReader] = []
    viewer = ViewerModel()
    # So small a cache holds no chunk of the coarsest level beside those that it is made of.
    layers = SlideLayers(viewer, cache_bytes=1)
    layers.on_reading = asked.append
    with Slide.open(tmp_path / "a.tif") as slide:
        layers.show_slide(slide, 0.5)
        layer = viewer.layers[SLIDE]
        assert asked and BACKDROP not in viewer.layers
        assert asked[0].wait(WAIT_S)
        expected = np.asarray(slide_levels(slide)[-1])
        assert layer.data_level == 1
        shown = np.asarray(layer._slice.image.raw)
        assert shown.std() > 1 and shown.shape == expected.shape
        np.testing.assert_array_equal(shown, expected)
        np.testing.assert_array_equal(viewer.layers[BACKDROP].data, expected)
        layers.clear()


def test_the_coarsest_level_is_never_dropped() -> None:
    cache = ChunkCache(max_bytes=1)
    cache.kept = 2
    for col in range(3):
        cache.put((2, 0, col), np.zeros((9, 9, 3), np.uint8))
        cache.put((0, 0, col), np.zeros((9, 9, 3), np.uint8))
    assert all(cache.get((2, 0, col)) is not None for col in range(3))
    assert [cache.get((0, 0, col)) is None for col in range(3)] == [True, True, False]


def test_views_of_one_slide_are_told_once_each_and_errors_by_one_of_them() -> None:
    reader, told = ChunkReader(), list[str]()

    def draw() -> None:
        told.append("first")

    def fail() -> None:
        raise SlideError("Gone.", "Put it back.")

    reader.watch(draw, lambda error: told.append(error.sentence))
    reader.watch(lambda: told.append("second"), lambda error: told.append("again"))
    # A second view that was closed and opened again.
    reader.watch(draw, lambda error: told.append(error.sentence))
    reader.ask((0, 0, 0), lambda: None)
    assert reader.wait(WAIT_S) and sorted(told) == ["first", "second"]
    reader.unwatch(draw)
    told.clear()
    reader.ask((0, 0, 1), fail)
    assert reader.wait(WAIT_S) and told == ["again", "second"]
    reader.stop()


def test_what_no_file_is_to_blame_for_does_not_pass_for_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, told = ChunkReader(), list[str]()
    ended: list[str] = []
    seen = threading.Event()
    # The thread ends with its error, which would otherwise count as one of the test's.
    monkeypatch.setattr(
        threading, "excepthook", lambda given: (ended.append(given.exc_type.__name__), seen.set())
    )
    reader.watch(lambda: None, lambda error: told.append(error.sentence))

    def broken() -> None:
        raise MemoryError

    reader.ask((0, 0, 0), broken)
    assert reader.wait(WAIT_S) and told == ["A part of the slide could not be read."]
    assert not reader.ask((0, 0, 0), broken), "not at once again"
    assert seen.wait(WAIT_S) and ended == ["MemoryError"]
    reader.stop()
