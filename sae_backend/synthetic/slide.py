"""Write a generated slide: a pyramidal TIFF that OpenSlide opens, and all that is known about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import tifffile

from sae_backend.atomic_write import atomic_path
from sae_backend.errors import CacheError
from sae_backend.synthetic.scanners import SCANNERS
from sae_backend.synthetic.specs import SlideSpec
from sae_backend.synthetic.truth import write_truth
from sae_backend.synthetic.truth_files import TruthFiles
from sae_backend.synthetic.world import DEMO_MPP, Drawing

_TILE_PX: Final = 256
_LEVEL_STEP: Final = 4
_SMALLEST_PX: Final = 96

Pixels = npt.NDArray[np.uint8]
Watch = Callable[[int, int], None]


@dataclass(frozen=True)
class DemoSlide:
    """Files of a generated slide: the pyramidal TIFF and what is known about it."""

    slide_path: Path
    truth: TruthFiles

    @property
    def cells_path(self) -> Path:
        """QuPath GeoJSON of the cells."""
        return self.truth.cells_geojson


def draw_slide(folder: Path, spec: SlideSpec, watch: Watch | None = None) -> DemoSlide:
    """Draw a slide and write it, with its cells, regions and artefacts.

    Parameters
    ----------
    folder
        Where the files go; made if absent, files of these names are replaced.
    spec
        What to draw. The same spec gives the same bytes.
    watch
        Called with (rows of px done, rows in all); what it raises ends the drawing.

    Returns
    -------
    DemoSlide
        `<name>.tiff` (tiled JPEG; levels 1, 4, 16, ...) and the files of :func:`write_truth`.

    Raises
    ------
    UserInputError
        If the spec makes no sense.
    CacheError
        If the folder cannot be written.
    """
    drawing = Drawing(spec)
    path = folder / f"{spec.name}.tiff"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write_pyramid(path, drawing, watch or (lambda _done, _total: None))
        truth = write_truth(folder, drawing)
    except OSError as error:
        raise CacheError(
            f"The demo slide cannot be written to {folder}: {error.strerror}.",
            "Choose another folder with --out.",
        ) from error
    return DemoSlide(path, truth)


def write_demo_slide(folder: Path, seed: int = 0, size_px: tuple[int, int] = (3000, 4000)) -> DemoSlide:
    """Draw the slide `demo` of a seed: the first domain, typical stains, no artefacts.

    Raises
    ------
    UserInputError, CacheError
        As :func:`draw_slide`.
    """
    return draw_slide(folder, replace(SlideSpec("demo", seed), size_px=size_px))


def _level_sizes(size_px: tuple[int, int]) -> list[tuple[int, int]]:
    sizes = [size_px]
    while min(sizes[-1]) // _LEVEL_STEP >= _SMALLEST_PX and max(sizes[-1]) > 512:
        sizes.append((sizes[-1][0] // _LEVEL_STEP, sizes[-1][1] // _LEVEL_STEP))
    return sizes


def _shrink(rgb: Pixels) -> Pixels:
    """Average blocks of 4 x 4 px; a remainder at the lower and right edge is cut off."""
    h, w = rgb.shape[0] // _LEVEL_STEP, rgb.shape[1] // _LEVEL_STEP
    blocks = rgb[: h * _LEVEL_STEP, : w * _LEVEL_STEP].reshape(h, _LEVEL_STEP, w, _LEVEL_STEP, 3)
    total = blocks.sum(axis=(1, 3), dtype=np.uint16)
    return np.asarray((total + _LEVEL_STEP**2 // 2) // _LEVEL_STEP**2, np.uint8)


def _tiles(bands: Iterator[Pixels]) -> Iterator[Pixels]:
    """Cut bands (heights are multiples of the tile but for the last) into tiles, row by row."""
    for band in bands:
        for top in range(0, band.shape[0], _TILE_PX):
            for left in range(0, band.shape[1], _TILE_PX):
                tile = band[top : top + _TILE_PX, left : left + _TILE_PX]
                lacks = (_TILE_PX - tile.shape[0], _TILE_PX - tile.shape[1])
                yield (
                    np.pad(tile, ((0, lacks[0]), (0, lacks[1]), (0, 0)), mode="edge") if any(lacks) else tile
                )


def _write_pyramid(path: Path, drawing: Drawing, watch: Watch) -> None:
    sizes = _level_sizes(drawing.spec.size_px)
    store = path.with_name(path.name + ".level")
    quality = SCANNERS[drawing.spec.scanner].jpeg_quality
    pixels_per_cm = 10_000.0 / DEMO_MPP
    try:
        # The next level is a sixteenth of this one; it waits on the disk, so memory holds one band.
        shrunk: Pixels = (
            np.memmap(store, np.uint8, "w+", shape=(*sizes[1], 3))
            if len(sizes) > 1
            else np.empty((0, 0, 3), np.uint8)
        )
        big = sizes[0][0] * sizes[0][1] > 4_000_000_000
        with atomic_path(path) as beside, tifffile.TiffWriter(beside, bigtiff=big) as writer:
            for level, size in enumerate(sizes):
                bands = _first_level(drawing, shrunk, watch) if level == 0 else iter((shrunk,))
                per_cm = pixels_per_cm / _LEVEL_STEP**level
                writer.write(
                    _tiles(bands),
                    shape=(*size, 3),
                    dtype=np.uint8,
                    tile=(_TILE_PX, _TILE_PX),
                    photometric="rgb",
                    compression="jpeg",
                    compressionargs={"level": quality},
                    subfiletype=int(level > 0),
                    resolution=(per_cm, per_cm),
                    resolutionunit="CENTIMETER",
                    description="Generated H&E-like slide" if level == 0 else None,
                    metadata=None,
                    maxworkers=1,
                )
                if 0 < level < len(sizes) - 1:
                    shrunk = _shrink(shrunk)
        del shrunk
    finally:
        store.unlink(missing_ok=True)


def _first_level(drawing: Drawing, shrunk: Pixels, watch: Watch) -> Iterator[Pixels]:
    height = drawing.spec.size_px[0]
    done = 0
    for band in drawing.bands():
        # Before the band is given away: the writer does not come back after the last tile.
        if shrunk.size:
            small = _shrink(band)[: shrunk.shape[0] - done // _LEVEL_STEP]
            shrunk[done // _LEVEL_STEP : done // _LEVEL_STEP + small.shape[0]] = small
        done += band.shape[0]
        watch(done, height)
        yield band
