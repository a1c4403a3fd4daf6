from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from sae_backend.errors import PixelSizeError, SlideError
from sae_backend.slides.slide import Slide, TileStatus, validate_mpp
from tests.slides import halved, stained_field, write_tiff


def test_a_real_svs_tells_its_pixel_size(data_dir: Path) -> None:
    with Slide.open(data_dir / "CMU-1-Small-Region.svs") as slide:
        assert (slide.info.height_px, slide.info.width_px) == (2967, 2220)
        assert slide.info.mpp == pytest.approx(0.499)
        assert slide.info.mpp_source == "file"
        assert slide.info.vendor == "aperio"


def test_a_plain_jpeg_has_no_pixel_size_and_says_how_to_state_it(data_dir: Path) -> None:
    path = data_dir / "hgsc_nest.jpg"
    with Slide.open(path) as slide:
        assert slide.info.mpp is None
        with pytest.raises(PixelSizeError) as caught:
            slide.info.require_mpp()
        assert "--mpp" in caught.value.hint
    with Slide.open(path, mpp=0.5) as slide:
        assert slide.info.require_mpp() == 0.5
        assert slide.info.mpp_source == "user"


@pytest.mark.parametrize("wrong", [0.0, -1.0, float("nan"), float("inf"), 1e9])
def test_impossible_pixel_sizes_are_refused(wrong: float) -> None:
    with pytest.raises(PixelSizeError) as caught:
        validate_mpp(wrong)
    assert caught.value.hint


def test_what_is_not_a_slide_is_refused_in_one_sentence(tmp_path: Path, data_dir: Path) -> None:
    text = tmp_path / "notes.svs"
    text.write_text("not a slide")
    empty = tmp_path / "empty.svs"
    empty.touch()
    cut = tmp_path / "cut.svs"  # half a file
    cut.write_bytes((data_dir / "CMU-1-Small-Region.svs").read_bytes()[:900_000])
    for path, word in (
        (text, "not a slide"),
        (empty, "is empty"),
        (cut, "cut.svs"),
        (tmp_path / "no.svs", "no file"),
        (tmp_path, "folder"),
    ):
        with pytest.raises(SlideError, match=word) as caught:
            Slide.open(path)
        assert caught.value.hint
        assert "\n" not in caught.value.sentence


def test_a_damaged_jpeg_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "field.jpg"
    Image.fromarray(stained_field(300, 300)).save(path)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(SlideError, match="damaged"):
        Slide.open(path)


def scribble(data: bytearray, start: int, stop: int) -> None:
    """Overwrite [start, stop) with markers that no JPEG has there, moving nothing behind it."""
    data[start:stop] = (b"\xff\xd8" * (stop - start))[: stop - start]


def jpeg_tiff(path: Path, field: np.ndarray) -> tuple[list[int], list[int]]:
    tifffile.imwrite(path, field, tile=(256, 256), photometric="rgb", compression="jpeg", metadata=None)
    with tifffile.TiffFile(path) as tiff:
        page = tiff.pages[0]
        return list(page.dataoffsets), list(page.databytecounts)


def test_missing_and_corrupt_tiles_are_told_from_white_and_black(tmp_path: Path) -> None:
    field = stained_field(512, 1024)
    field[:256, 512:768] = 255
    field[:256, 768:] = 0
    path = tmp_path / "slide.tiff"
    offsets, counts = jpeg_tiff(path, field)
    data = bytearray(path.read_bytes())
    # Tile 0: its bytes are scribbled over. Tile 1: its byte count becomes zero.
    scribble(data, offsets[0] + 40, offsets[0] + counts[0] - 2)
    with tifffile.TiffFile(path) as tiff:
        tag = tiff.pages[0].tags["TileByteCounts"]
        width = 4 if tag.dtype == tifffile.DATATYPE.LONG else 2
        at = tag.valueoffset + width
        assert struct.unpack_from("<I" if width == 4 else "<H", data, at)[0] == counts[1]
    data[at : at + width] = bytes(width)
    path.write_bytes(data)
    with Slide.open(path, mpp=0.5) as slide:
        first = slide.read_region(0, 0, 0, 256, 256)
        assert first.status == TileStatus.CORRUPT
        # The handle latched that error; a good tile must still be readable.
        assert slide.read_region(256, 256, 0, 256, 256).status == TileStatus.OK
        assert slide.read_region(0, 256, 0, 256, 256).status == TileStatus.MISSING
        white = slide.read_region(0, 512, 0, 256, 256)
        black = slide.read_region(0, 768, 0, 256, 256)
        assert (white.status, black.status) == (TileStatus.OK, TileStatus.OK)
        assert white.rgb.min() > 240
        assert black.rgb.max() < 15


def test_a_slide_removed_while_open_is_an_error_not_a_corrupt_tile(tmp_path: Path) -> None:
    path = tmp_path / "slide.tiff"
    offsets, counts = jpeg_tiff(path, stained_field(512, 512))
    data = bytearray(path.read_bytes())
    scribble(data, offsets[0] + 40, offsets[0] + counts[0] - 2)
    path.write_bytes(data)
    with Slide.open(path, mpp=0.5) as slide:
        path.unlink()
        with pytest.raises(SlideError) as caught:
            slide.read_region(0, 0, 0, 256, 256)
        assert caught.value.hint


def test_a_pyramidal_tiff_gives_levels_and_pixel_size(tmp_path: Path) -> None:
    field = stained_field(1024, 1536)
    path = write_tiff(tmp_path / "s.tiff", [field, halved(field)], mpp=0.25)
    with Slide.open(path) as slide:
        assert slide.info.level_sizes == ((1024, 1536), (512, 768))
        assert slide.info.mpp == pytest.approx(0.25, rel=1e-3)
        region = slide.read_region(100, 200, 0, 50, 60)
        np.testing.assert_array_equal(region.rgb, field[100:150, 200:260])
        assert slide.thumbnail(384).shape == (256, 384, 3)


def test_the_fingerprint_follows_the_content(tmp_path: Path) -> None:
    field = stained_field(300, 300)
    one, two = tmp_path / "a.png", tmp_path / "b.png"
    Image.fromarray(field).save(one)
    Image.fromarray(field).save(two)
    with Slide.open(one) as a, Slide.open(two) as b:
        assert a.info.fingerprint == b.info.fingerprint
    field[0, 0] += 1
    Image.fromarray(field).save(two)
    with Slide.open(one) as a, Slide.open(two) as b:
        assert a.info.fingerprint != b.info.fingerprint
