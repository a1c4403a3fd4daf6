"""Cells of CellViT and CellViT++: `cells.json` with outlines, `cell_detection.json` without.

An object with `cells`, a list of nuclei in (x, y) level-0 px, and `type_map`, the names of the numbered types.
"""

from __future__ import annotations

from typing import Any, Final

from sae_backend.cells.formats.nuclei_json import NUMBERED, WRITE_HINT, add_nuclei, type_text
from sae_backend.cells.import_options import NO_OFFSET, Placement, place
from sae_backend.cells.parsing.json_stream import JsonPath, JsonPieces
from sae_backend.cells.parsing.raw_cells import CellRows, RawCells, Reading
from sae_backend.errors import CellsError

FORMAT: Final = "cellvit"
_LISTS: Final = ("cells", "processed_patches")


def read_cellvit(reading: Reading) -> RawCells:
    """Read the cells of CellViT's JSON, piece by piece.

    Raises
    ------
    CellsError
        If the file is broken, is of another form, or holds no cell.
    """
    name = reading.name
    numbered = CellRows(name)
    type_map: Any = None
    metadata: Any = None
    seen = False

    def label(value: Any) -> str:
        return type_text(value, name)

    for piece in JsonPieces(reading.source.blocks(), name, _may_open):
        cells: Any = []
        if piece.path == ("cells",):
            cells = piece.items
        elif piece.path == () and isinstance(piece.items, dict):
            cells = piece.items.get("cells", [])
            type_map = piece.items.get("type_map", type_map)
            metadata = piece.items.get("wsi_metadata", metadata)
            seen |= "cells" in piece.items
        seen |= piece.path == ("cells",)
        if not isinstance(cells, list):
            raise CellsError(f"{name} has no list of cells under `cells`.", WRITE_HINT)
        add_nuclei(numbered, cells, name, label)
    if not seen:
        raise CellsError(f"{name} has no list of cells under `cells`.", WRITE_HINT)
    names = _type_names(type_map, name)
    rows = CellRows(name, names)
    rows.take(numbered)
    notes = [] if names else [NUMBERED]
    downsampling = metadata.get("downsampling") if isinstance(metadata, dict) else None
    if isinstance(downsampling, int | float) and downsampling != 1:
        notes.append(
            f"The file names a downsampling of {downsampling:g}; its coordinates count as level 0 all the same."
        )
    placement = place(reading.options, reading.slide_info, Placement(1.0, NO_OFFSET))
    return rows.finish(FORMAT, "CellViT", placement, notes)


def _may_open(path: JsonPath) -> bool:
    return path in {(key,) for key in _LISTS}


def _type_names(type_map: Any, name: str) -> dict[str, str]:
    """Names by number as text, from {"1": "Neoplastic"} or {"1": {"name": "Neoplastic"}}."""
    if type_map is None:
        return {}
    if isinstance(type_map, list):
        type_map = dict(enumerate(type_map))
    if not isinstance(type_map, dict):
        raise CellsError(f"{name} has a `type_map` that names no types.", WRITE_HINT)
    found = {}
    for number, value in type_map.items():
        said = value.get("name") if isinstance(value, dict) else value
        if not isinstance(said, str):
            raise CellsError(f"{name} has a `type_map` that names no types.", WRITE_HINT)
        found[str(number)] = said
    return found
