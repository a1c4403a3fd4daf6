"""Nuclei of HoVer-Net on whole slides: {"mag": number or null, "nuc": {id: nucleus}}.

Coordinates are (x, y) at the magnification `mag`; what that is at level 0 depends on the slide's own,
which the file does not say. The bare {id: nucleus} is read too.
"""

from __future__ import annotations

import math
from typing import Any, Final

from sae_backend.cells.formats.nuclei_json import NUMBERED, WRITE_HINT, add_nuclei, type_text
from sae_backend.cells.import_options import NO_OFFSET, Placement, ReadOptions, place
from sae_backend.cells.parsing.json_stream import JsonPath, JsonPieces
from sae_backend.cells.parsing.raw_cells import CellRows, RawCells, Reading
from sae_backend.errors import CellsError

FORMAT: Final = "hovernet"


def read_hovernet(reading: Reading) -> RawCells:
    """Read the nuclei of HoVer-Net's JSON, piece by piece.

    The scale is the slide's magnification over the file's; it stays open where one of them is neither
    in the file nor stated.

    Raises
    ------
    CellsError
        If the file is broken, is of another form, or holds no nucleus.
    """
    name = reading.name
    rows = CellRows(name)
    mag: Any = None

    def label(value: Any) -> str:
        return type_text(value, name)

    for piece in JsonPieces(reading.source.blocks(), name, _may_open):
        nuclei = piece.items
        if piece.path == ():
            if not isinstance(nuclei, dict):
                raise CellsError(f"{name} has no nuclei under `nuc`.", WRITE_HINT)
            mag = nuclei.pop("mag", mag)
            inner = nuclei.pop("nuc", {})
            if not isinstance(inner, dict):
                raise CellsError(f"{name} has no nuclei under `nuc`.", WRITE_HINT)
            add_nuclei(rows, list(inner.values()), name, label)
            nuclei = {key: value for key, value in nuclei.items() if key.isdecimal()}
        elif not isinstance(nuclei, dict):
            raise CellsError(f"{name} has no nuclei under `nuc`.", WRITE_HINT)
        add_nuclei(rows, list(nuclei.values()), name, label)
    placement = place(reading.options, reading.slide_info, _own(mag, reading.options, name))
    return rows.finish(FORMAT, "HoVer-Net", placement, [NUMBERED], mag=mag)


def _may_open(path: JsonPath) -> bool:
    return path == ("nuc",)


def _own(mag: Any, options: ReadOptions, name: str) -> Placement:
    if mag is None:
        return Placement(None, NO_OFFSET, question="at what magnification its coordinates are")
    if isinstance(mag, bool) or not isinstance(mag, int | float) or not math.isfinite(mag) or mag <= 0:
        raise CellsError(f"{name} has a magnification of {str(mag)[:40]!r}.", WRITE_HINT)
    if options.base_mag is None:
        return Placement(
            None,
            NO_OFFSET,
            question=f"what its {mag:g}x is at level 0: the slide's own magnification is needed",
        )
    scale = options.base_mag / mag
    return Placement(
        scale, NO_OFFSET, (f"Coordinates at {mag:g}x of a slide at {options.base_mag:g}x: times {scale:g}.",)
    )
