from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from sae_backend.slides.tiff_truncation import is_cut_short


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("big", [False, True])
def test_a_whole_tiff_is_told_from_one_that_was_cut(tmp_path: Path, order: str, big: bool) -> None:
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path, byteorder=order, bigtiff=big) as tiff:
        for _ in range(3):
            tiff.write(np.arange(64 * 64, dtype=np.uint8).reshape(64, 64), metadata=None)
    assert not is_cut_short(path)
    with tifffile.TiffFile(path) as written:
        last = written.pages[-1].offset
    content = path.read_bytes()
    for kept in (5, last - 1, last, last + 1, last + 30):
        path.write_bytes(content[:kept])
        assert is_cut_short(path), kept


def test_a_chain_without_its_closing_zero_is_whole(tmp_path: Path) -> None:
    # One entry, image width 7, and then the file ends.
    path = tmp_path / "a.tif"
    path.write_bytes(b"II*\0\x08\0\0\0" + b"\x01\0" + b"\x00\x01\x03\0\x01\0\0\0\x07\0\0\0")
    assert not is_cut_short(path)


def test_a_chain_that_bites_its_tail_ends(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(b"II*\0\x08\0\0\0" + b"\0\0" + b"\x08\0\0\0")
    assert not is_cut_short(path)


@pytest.mark.parametrize("content", [b"", b"I", b"II", b"II*", b"II\x07\0aaaa", b"\x89PNG", b"plain text"])
def test_what_is_no_tiff_is_left_to_others(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a"
    path.write_bytes(content)
    assert not is_cut_short(path)
