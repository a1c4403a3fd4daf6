"""Write a small generated H&E-like slide and the cells drawn on it, the same for the same seed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import UUID

import numpy as np
import numpy.typing as npt
import orjson
import tifffile

from sae_backend.demo.drawing import CELL_TYPES, DEMO_MPP, Cells, lay_out, place_cells, stain, to_rgb
from sae_backend.errors import CacheError, UserInputError

_TILE_PX: Final = 256
_STRIP_PX: Final = 512
_LEVEL_STEP: Final = 4
_N_LEVELS: Final = 3
_JPEG_QUALITY: Final = 88
_OUTLINE_POINTS: Final = 16
_COLORS: Final = ((200, 0, 0), (112, 56, 188), (40, 150, 60))


@dataclass(frozen=True)
class DemoSlide:
    """The two files of a generated slide: a pyramidal TIFF and the QuPath GeoJSON of its cells."""

    slide_path: Path
    cells_path: Path


def write_demo_slide(folder: Path, seed: int = 0, size_px: tuple[int, int] = (3000, 4000)) -> DemoSlide:
    """Draw a slide with tumour nests, stroma and lymphoid aggregates at 0.5 um per px, and write it.

    Parameters
    ----------
    folder
        Where `demo.tiff` and `demo.geojson` go; made if absent, files of these names are replaced.
    seed
        The same seed and size give the same pixels and cells.
    size_px
        (height, width) in px, each at least 512.

    Returns
    -------
    DemoSlide
        Paths of the slide (tiled JPEG, levels 1, 4 and 16) and of its cells (polygons in level-0 px, with type).

    Raises
    ------
    UserInputError
        If the slide is too small to hold tissue.
    CacheError
        If the folder cannot be written.
    """
    if min(size_px) < 512:
        raise UserInputError(
            f"A generated slide of {size_px[0]} x {size_px[1]} px is too small.",
            "Give at least 512 x 512 px.",
        )
    rng = np.random.default_rng(seed)
    tissue = lay_out(rng, size_px)
    cells = place_cells(rng, size_px, tissue)
    haematoxylin, eosin = stain(rng, size_px, tissue, cells)
    rgb = np.empty((*size_px, 3), dtype=np.uint8)
    for top in range(0, size_px[0], _STRIP_PX):
        rows = slice(top, top + _STRIP_PX)
        rgb[rows] = to_rgb(haematoxylin[rows], eosin[rows])
    demo = DemoSlide(folder / "demo.tiff", folder / "demo.geojson")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write_pyramid(demo.slide_path, rgb)
        _replace(demo.cells_path, _geojson(cells))
    except OSError as error:
        raise CacheError(
            f"The demo slide cannot be written to {folder}: {error.strerror}.",
            "Choose another folder with --out.",
        ) from error
    return demo


def _replace(path: Path, content: bytes) -> None:
    beside = path.with_name(path.name + ".part")
    beside.write_bytes(content)
    beside.replace(path)


def _shrink(rgb: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Average blocks of 4 x 4 px; a remainder at the lower and right edge is cut off."""
    h, w = rgb.shape[0] // _LEVEL_STEP, rgb.shape[1] // _LEVEL_STEP
    blocks = rgb[: h * _LEVEL_STEP, : w * _LEVEL_STEP].reshape(h, _LEVEL_STEP, w, _LEVEL_STEP, 3)
    return np.asarray(np.rint(blocks.mean(axis=(1, 3), dtype=np.float32)), dtype=np.uint8)


def _write_pyramid(path: Path, rgb: npt.NDArray[np.uint8]) -> None:
    beside = path.with_name(path.name + ".part")
    pixels_per_cm = 10_000.0 / DEMO_MPP
    with tifffile.TiffWriter(beside) as writer:
        for level in range(_N_LEVELS):
            per_cm = pixels_per_cm / _LEVEL_STEP**level
            writer.write(
                rgb,
                tile=(_TILE_PX, _TILE_PX),
                photometric="rgb",
                compression="jpeg",
                compressionargs={"level": _JPEG_QUALITY},
                subfiletype=int(level > 0),
                resolution=(per_cm, per_cm),
                resolutionunit="CENTIMETER",
                description="Generated H&E-like demo slide" if level == 0 else None,
                metadata=None,
            )
            rgb = _shrink(rgb)
    beside.replace(path)


def _geojson(cells: Cells) -> bytes:
    turn = np.linspace(0, 2 * np.pi, _OUTLINE_POINTS, endpoint=False)
    cos, sin = np.cos(cells.angle)[:, None], np.sin(cells.angle)[:, None]
    along, across = cells.major_px[:, None] * np.cos(turn), cells.minor_px[:, None] * np.sin(turn)
    x = cells.x_l0[:, None] + along * cos - across * sin
    y = cells.y_l0[:, None] + along * sin + across * cos
    rings = np.round(np.stack([x, y], axis=2), 2)
    rings = np.concatenate([rings, rings[:, :1]], axis=1)
    features = [
        {
            "type": "Feature",
            "id": str(UUID(int=i)),
            "geometry": {"type": "Polygon", "coordinates": [ring]},
            "properties": {
                "objectType": "detection",
                "classification": {"name": CELL_TYPES[kind], "color": _COLORS[kind]},
            },
        }
        for i, (ring, kind) in enumerate(zip(rings.tolist(), cells.type_index.tolist(), strict=True))
    ]
    return orjson.dumps({"type": "FeatureCollection", "features": features})
