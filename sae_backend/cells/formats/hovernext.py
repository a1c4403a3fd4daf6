"""Nuclei of HoVer-NeXt: `class_inst.json`, {id: [class, [y, x]]}, at the resolution that was segmented."""

from __future__ import annotations

from typing import Any, Final

from sae_backend.cells.formats.nuclei_json import NUMBERED, WRITE_HINT, type_text
from sae_backend.cells.import_options import NO_OFFSET, Placement, place
from sae_backend.cells.parsing.json_stream import JsonPieces
from sae_backend.cells.parsing.raw_cells import CellRows, RawCells, Reading
from sae_backend.errors import CellsError

FORMAT: Final = "hovernext"


def read_hovernext(reading: Reading) -> RawCells:
    """Read the nuclei of HoVer-NeXt's JSON, piece by piece.

    The scale (its `ds_factor`) is not in the file and has to be stated.

    Raises
    ------
    CellsError
        If the file is broken, is of another form, or holds no nucleus.
    """
    name = reading.name
    rows = CellRows(name)
    for piece in JsonPieces(reading.source.blocks(), name, may_open=lambda _path: False):
        if not isinstance(piece.items, dict):
            raise _wrong(name)
        centres, labels = [], []
        for entry in piece.items.values():
            kind, yx = _entry(entry, name)
            centres.append([yx[1], yx[0]])
            labels.append(type_text(kind, name))
        if labels:
            rows.add(centres, [], labels)
    own = Placement(
        None, NO_OFFSET, question="by what factor (ds_factor) its coordinates are smaller than level 0"
    )
    placement = place(reading.options, reading.slide_info, own)
    return rows.finish(FORMAT, "HoVer-NeXt", placement, [NUMBERED])


def _entry(entry: Any, name: str) -> tuple[Any, list[Any]]:
    if not (isinstance(entry, list) and len(entry) == 2):
        raise _wrong(name)
    kind, yx = entry
    if not (isinstance(yx, list) and len(yx) == 2):
        raise _wrong(name)
    return kind, yx


def _wrong(name: str) -> CellsError:
    return CellsError(f"{name} has something else where [class, [y, x]] belongs.", WRITE_HINT)
