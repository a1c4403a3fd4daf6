"""Cells of HistoPLUS: tiles of a DeepZoom pyramid, each with cells in its own coordinates.

`cell_masks` lists tiles with `level`, `x` and `y` (column and row), `width`, `height`, and `masks` with
`cell_type`, `confidence`, `coordinates` and `centroid`. At level 0 of the slide a place is
(column * width + x in the tile) * 2 ** (number of levels - 1 - level).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from sae_backend.cells.formats.nuclei_json import WRITE_HINT, type_text
from sae_backend.cells.import_options import NO_OFFSET, Placement, place
from sae_backend.cells.parsing.json_stream import JsonPath, JsonPieces
from sae_backend.cells.parsing.raw_cells import CellRows, RawCells, Reading
from sae_backend.cells.parsing.rings import flatten_points
from sae_backend.errors import CellsError

FORMAT: Final = "histoplus"
_NUMBERS: Final = ("level", "x", "y", "width", "height")


def deep_zoom_levels(height_px: int, width_px: int) -> int:
    """Number of levels of the DeepZoom pyramid of a slide: halved until one pixel is left."""
    return math.ceil(math.log2(max(height_px, width_px))) + 1


def read_histoplus(reading: Reading) -> RawCells:
    """Read the cells of HistoPLUS's JSON, piece by piece.

    Raises
    ------
    CellsError
        If the file is broken, is of another form, holds no cell, or several levels and a stated scale.
    """
    name, info = reading.name, reading.slide_info
    rows = CellRows(name)
    levels: Counter[int] = Counter()
    model: Any = None
    top = deep_zoom_levels(info.height_px, info.width_px) - 1
    seen = False
    for piece in JsonPieces(reading.source.blocks(), name, _may_open):
        tiles: Any = piece.items
        if piece.path == ():
            if not isinstance(tiles, dict):
                raise _wrong(name)
            model = tiles.get("model_name", model)
            seen |= "cell_masks" in tiles
            tiles = tiles.get("cell_masks", [])
        seen |= piece.path != ()
        if not isinstance(tiles, list):
            raise _wrong(name)
        for tile in tiles:
            level = _add_tile(rows, tile, top, name)
            levels[level] += 1
    if not seen:
        raise _wrong(name)
    notes = [f"Cells of tiles of level {', '.join(map(str, sorted(levels)))} of {top + 1} DeepZoom levels."]
    placement = place(reading.options, info, Placement(1.0, NO_OFFSET))
    tool = f"HistoPLUS ({model})" if isinstance(model, str) and model else "HistoPLUS"
    return rows.finish(FORMAT, tool, placement, notes)


def _may_open(path: JsonPath) -> bool:
    return path == ("cell_masks",)


def _add_tile(rows: CellRows, tile: Any, top: int, name: str) -> int:
    if not isinstance(tile, dict) or not isinstance(tile.get("masks"), list):
        raise _wrong(name)
    level, column, row, width, height = (_number(tile, key, name) for key in _NUMBERS)
    if level != int(level) or not 0 <= level <= top:
        raise CellsError(
            f"{name} has tiles of DeepZoom level {level:g}, and the slide has levels 0 to {top}.",
            "The cells may belong to another slide.",
        )
    factor = 2.0 ** (top - int(level))
    corner = np.array([column * width, row * height])

    def moved(points: Any) -> Any:
        return ((flatten_points(points, name) + corner) * factor).tolist()

    centres: list[Any] = []
    rings: list[Any] = []
    labels: list[str] = []
    measures: list[Mapping[str, Any] | None] = []
    for mask in tile["masks"]:
        if not isinstance(mask, dict):
            raise _wrong(name)
        centre, outline = mask.get("centroid"), mask.get("coordinates")
        centres.append(moved([centre])[0] if centre is not None else None)
        rings.append(moved(outline) if outline else None)
        labels.append(type_text(mask.get("cell_type"), name))
        measures.append({"confidence": mask["confidence"]} if mask.get("confidence") is not None else None)
    if labels:
        rows.add(centres, rings, labels, measures if any(measures) else [])
    return int(level)


def _number(tile: dict[str, Any], key: str, name: str) -> float:
    value = tile.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e9:
        raise CellsError(f"{name} has a tile whose {key} is {str(value)[:40]!r}.", WRITE_HINT)
    return float(value)


def _wrong(name: str) -> CellsError:
    return CellsError(f"{name} has no tiles with cells under `cell_masks`.", WRITE_HINT)
