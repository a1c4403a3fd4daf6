"""Haematoxylin and eosin of every tile, measured on its small picture and kept beside it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from sae_backend.atomic_write import open_atomic
from sae_backend.slides.colour import COLOUR_STATISTICS, colour_statistics
from sae_backend.slides.slide import Slide
from sae_backend.slides.thumbnails import thumbnail_folder, write_thumbnails
from sae_backend.slides.tiles import TileGrid

_COLUMNS: Final = [COLOUR_STATISTICS.index(name) for name in ("mean haematoxylin", "mean eosin")]
_STEP: Final = 256


def tile_stains(
    slide: Slide, grid: TileGrid, cache_dir: Path, step: Callable[[int, int], None]
) -> npt.NDArray[np.float32]:
    """Mean optical densities of haematoxylin and eosin, float32 (N, 2); NaN where a tile cannot be read.

    Stains are unmixed with fixed vectors (Ruifrok and Johnston 2001) from pictures of 112 px. The
    pictures are made first where they are not there; `step` is called with (done, total), in all two steps
    a tile: its picture, and its stains.

    Raises
    ------
    CacheError, SlideError
    """
    kept = thumbnail_folder(cache_dir, grid).with_suffix(".stains.npy")
    if kept.is_file():
        try:
            found: npt.NDArray[np.float32] = np.load(kept, allow_pickle=False)
            if found.shape == (grid.n_tiles, 2):
                return found
        except (OSError, ValueError):
            kept.unlink(missing_ok=True)
    n, total = grid.n_tiles, 2 * grid.n_tiles
    pictures = write_thumbnails(slide, grid, cache_dir, lambda done, _: step(done, total))
    stains = np.full((grid.n_tiles, 2), np.nan, np.float32)
    for first in range(0, grid.n_tiles, _STEP):
        step(n + first, total)
        for tile in range(first, min(first + _STEP, grid.n_tiles)):
            if pictures.jpeg(tile):
                stains[tile] = colour_statistics(pictures.rgb(tile)[None])[0, _COLUMNS]
    step(total, total)
    with open_atomic(kept) as file:
        np.save(file, stains)
    return stains
