"""Read any box of a slide at any resolution: nearest finer level, area-resampled."""

from __future__ import annotations

import math
from collections import deque
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from sae_backend.slides.slide import RegionRead, TileStatus

if TYPE_CHECKING:
    from sae_backend.slides.slide import Slide, SlideInfo
    from sae_backend.slides.tiles import TileGrid

_BAND_PX = 64_000_000
_SMALLEST_PIECE_PX = 24
_MOST_READS = 1000


def level_for(info: SlideInfo, downsample: float) -> int:
    """Index of the coarsest level that is at least as fine as `downsample` (0.5 % tolerance)."""
    finest = 0
    for level, factor in enumerate(info.level_downsamples):
        if factor <= downsample * 1.005:
            finest = level
    return finest


@lru_cache(maxsize=256)
def area_weights(start: float, step: float, n_out: int, n_in: int) -> npt.NDArray[np.float32]:
    """Weights (n_out, n_in) by which input pixels cover output pixels along one axis.

    Output pixel i covers the input interval [start + i * step, start + (i + 1) * step); its row
    holds the covered lengths divided by `step`, normalised to sum 1 where the input ends early.
    """
    edges = start + step * np.arange(n_out + 1)
    pixels = np.arange(n_in)
    low = np.maximum(edges[:-1, None], pixels[None, :])
    high = np.minimum(edges[1:, None], pixels[None, :] + 1)
    weights = np.clip(high - low, 0.0, None)
    total = weights.sum(axis=1, keepdims=True)
    return (weights / np.where(total > 0, total, 1.0)).astype(np.float32)


def resample(
    rgb: npt.NDArray[np.uint8], box: tuple[float, float, float, float], size: tuple[int, int]
) -> npt.NDArray[np.uint8]:
    """Area-average the box (y0, x0, height, width) of `rgb` (h, w, 3) into `size` (h, w).

    The box is in px of `rgb` and may have fractions; the result is uint8, rounded half to even.
    """
    y0, x0, height, width = box
    out_h, out_w = size
    if (y0, x0) == (int(y0), int(x0)) and (height, width) == (out_h, out_w):
        return np.ascontiguousarray(rgb[int(y0) : int(y0) + out_h, int(x0) : int(x0) + out_w])
    rows = area_weights(round(y0, 9), height / out_h, out_h, rgb.shape[0])
    cols = area_weights(round(x0, 9), width / out_w, out_w, rgb.shape[1])
    planes = rgb.transpose(2, 0, 1).astype(np.float32)
    mixed = np.matmul(np.matmul(rows, planes), cols.T)
    return np.clip(np.rint(mixed), 0, 255).astype(np.uint8).transpose(1, 2, 0)


def read_box(slide: Slide, box_l0: tuple[float, float, float, float], size: tuple[int, int]) -> RegionRead:
    """Read the box (y, x, height, width; level-0 px, fractions allowed) resampled to `size` (h, w).

    A large box is read in bands, so that memory stays bounded.
    """
    y0, x0, height, width = box_l0
    out_h, out_w = size
    info = slide.info
    level = level_for(info, min(height / out_h, width / out_w))
    factor = info.level_downsamples[level]
    needed_px = height * width / factor**2
    if needed_px > _BAND_PX and out_h > 1:
        half = out_h // 2
        top = read_box(slide, (y0, x0, height * half / out_h, width), (half, out_w))
        rest = (y0 + height * half / out_h, x0, height * (out_h - half) / out_h, width)
        bottom = read_box(slide, rest, (out_h - half, out_w))
        status = TileStatus(max(top.status, bottom.status))
        return RegionRead(np.concatenate([top.rgb, bottom.rgb]), status)
    level_h, level_w = info.level_sizes[level]
    top_px = max(0, math.floor(y0 / factor + 1e-6))
    left_px = max(0, math.floor(x0 / factor + 1e-6))
    bottom_px = min(level_h, math.ceil((y0 + height) / factor - 1e-6))
    right_px = min(level_w, math.ceil((x0 + width) / factor - 1e-6))
    read_h, read_w = max(1, bottom_px - top_px), max(1, right_px - left_px)
    region = slide.read_region(round(top_px * factor), round(left_px * factor), level, read_h, read_w)
    # A box never asks for pixels past the level's edge, so a rounding of the last row is not "outside".
    inner = (y0 / factor - top_px, x0 / factor - left_px, height / factor, width / factor)
    return RegionRead(resample(region.rgb, inner, size), region.status)


def read_view(slide: Slide, size: tuple[int, int]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
    """Read the whole slide at `size` (h, w), however many of its tiles are corrupt.

    Returns
    -------
    rgb, corrupt
        uint8 (h, w, 3), white where nothing could be read, and bool (h, w), True there. A read
        fails as a whole, so a failed one is tried again in quarters, down to pieces of 24 px.
    """
    out_h, out_w = size
    step = np.array([slide.info.height_px / out_h, slide.info.width_px / out_w])
    rgb = np.full((out_h, out_w, 3), 255, np.uint8)
    corrupt = np.zeros((out_h, out_w), np.bool_)
    pieces = deque([(0, 0, out_h, out_w)])
    reads = 0
    while pieces:
        y, x, h, w = pieces.popleft()
        box = (y * step[0], x * step[1], h * step[0], w * step[1])
        found = read_box(slide, (float(box[0]), float(box[1]), float(box[2]), float(box[3])), (h, w))
        reads += 1
        where = np.s_[y : y + h, x : x + w]
        if found.status != TileStatus.CORRUPT:
            rgb[where] = found.rgb
        elif max(h, w) <= _SMALLEST_PIECE_PX or reads + len(pieces) >= _MOST_READS:
            corrupt[where] = True
        else:
            rows = [(y, h)] if h == 1 else [(y, h // 2), (y + h // 2, h - h // 2)]
            cols = [(x, w)] if w == 1 else [(x, w // 2), (x + w // 2, w - w // 2)]
            pieces.extend((a, b, c, d) for a, c in rows for b, d in cols)
    return rgb, corrupt


def tile_pixels(slide: Slide, grid: TileGrid, tile: int) -> npt.NDArray[np.uint8]:
    """Pixels (tile_px, tile_px, 3) of one tile as the encoder saw it."""
    y, x = grid.origins_l0()[tile]
    side = grid.spec.tile_px
    found = read_box(slide, (float(y), float(x), grid.tile_l0, grid.tile_l0), (side, side))
    return found.rgb if found.status == TileStatus.OK else np.full((side, side, 3), 200, np.uint8)
