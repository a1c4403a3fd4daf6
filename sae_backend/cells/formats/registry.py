"""Which format a cell file has, told by its content, and who reads it."""

from __future__ import annotations

import bz2
import lzma
import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from sae_backend.cells.formats import (
    cellvit,
    geoparquet,
    histoplus,
    hovernet,
    hovernext,
    qupath_geojson,
    stardist,
)
from sae_backend.cells.formats import delimited_table as cell_table
from sae_backend.cells.formats import tiatoolbox_db as annotation_store
from sae_backend.cells.parsing.byte_source import CellSource
from sae_backend.cells.parsing.json_stream import JsonPath, JsonPieces
from sae_backend.cells.parsing.raw_cells import RawCells, Reading
from sae_backend.errors import CellsError, UserInputError

Reader = Callable[[Reading], RawCells]


@dataclass(frozen=True)
class CellFormat:
    """A format: its key, what it is called, and its reader."""

    key: str
    words: str
    read: Reader


CELL_FORMATS: Final[Mapping[str, CellFormat]] = MappingProxyType(
    {
        item.key: item
        for item in (
            CellFormat(
                qupath_geojson.FORMAT, "GeoJSON (QuPath, CellViT)", qupath_geojson.read_qupath_geojson
            ),
            CellFormat(cell_table.FORMAT, "table (CSV, TSV, Parquet)", cell_table.read_cell_table),
            CellFormat(geoparquet.FORMAT, "GeoParquet", geoparquet.read_geoparquet),
            CellFormat(cellvit.FORMAT, "CellViT JSON", cellvit.read_cellvit),
            CellFormat(hovernet.FORMAT, "HoVer-Net JSON", hovernet.read_hovernet),
            CellFormat(hovernext.FORMAT, "HoVer-NeXt JSON", hovernext.read_hovernext),
            CellFormat(histoplus.FORMAT, "HistoPLUS JSON", histoplus.read_histoplus),
            CellFormat(stardist.FORMAT, "StarDist details (JSON, NPZ)", stardist.read_stardist),
            CellFormat(
                annotation_store.FORMAT, "TIAToolbox AnnotationStore", annotation_store.read_annotation_store
            ),
        )
    }
)
"""The formats that are read, by key."""

_KINDS_HINT: Final = (
    "Cells are read from GeoJSON, CSV, TSV, Parquet, GeoParquet, TIAToolbox's .db, and the JSON of CellViT, HoVer-Net, "
    "HoVer-NeXt, HistoPLUS and StarDist."
)
_PICKLE_HINT: Final = (
    "A pickle is never opened. Have the program write GeoJSON, a table or, for TIAToolbox, an AnnotationStore (.db): "
    "store_from_dat or Annotations.to_geojson there, where you trust the file."
)
_PICKLE_TEXT: Final = re.compile(rb"(\(dp?\d*\n|\(lp?\d*\n|\(d?lp\d|c[\w.]+\n\w+\n|cos\n)")
_OTHERS: Final = {
    b"\x89HDF": "an HDF5 file", b"\x93NUMPY": "a bare NumPy array", b"%PDF": "a PDF", b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture", b"II*\x00": "a TIFF", b"MM\x00*": "a TIFF", b"Iout": "an ImageJ ROI",
    b"\xff\xfe": "UTF-16 text", b"\xfe\xff": "UTF-16 text", b"ARROW1": "an Arrow file", b"Obj\x01": "an Avro file",
}  # fmt: skip
_KEYS: Final = {
    "features": qupath_geojson.FORMAT, "geometry": qupath_geojson.FORMAT, "nuc": hovernet.FORMAT,
    "cells": cellvit.FORMAT, "type_map": cellvit.FORMAT, "wsi_metadata": cellvit.FORMAT, "mag": hovernet.FORMAT,
    "processed_patches": cellvit.FORMAT, "cell_masks": histoplus.FORMAT, "inference_mpp": histoplus.FORMAT,
    "coord": stardist.FORMAT, "points": stardist.FORMAT,
}  # fmt: skip
_FEATURE_TYPES: Final = ("Feature", "FeatureCollection")


def find_format(source: CellSource, stated: str | None = None) -> CellFormat:
    """Return the format of a file.

    Parameters
    ----------
    source
        The file.
    stated
        Key of the format that the user says it has.

    Raises
    ------
    CellsError
        If it is a pickle or nothing that holds cells, with the way out.
    UserInputError
        If there is no such format.
    """
    _refuse(source)
    if stated is not None:
        if stated not in CELL_FORMATS:
            raise UserInputError(
                f"There is no cell format {stated!r}.", f"Choose from {', '.join(CELL_FORMATS)}."
            )
        return CELL_FORMATS[stated]
    return CELL_FORMATS[_key(source)]


def _key(source: CellSource) -> str:
    raw = source.raw_head
    if raw.startswith(annotation_store.SQLITE_START):
        return annotation_store.FORMAT
    if raw.startswith(cell_table.PARQUET_START):
        return _parquet_key(source)
    if source.packing == "arrays":
        return stardist.FORMAT
    start = source.head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    if start == b"[":
        return qupath_geojson.FORMAT
    if start == b"{":
        return _object_key(source)
    if not start:
        raise CellsError(f"{source.name} is empty.", "Choose a file with cells.")
    return cell_table.FORMAT


def _parquet_key(source: CellSource) -> str:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        schema = pq.read_schema(source.path)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise CellsError(f"{source.name} is a damaged Parquet file.", "Write it again.") from error
    return geoparquet.FORMAT if geoparquet.geometry_column(schema, source.name) else cell_table.FORMAT


def _object_key(source: CellSource) -> str:
    """Tell the programs' objects apart by the first key that only one of them has."""
    for piece in JsonPieces(source.blocks(quiet=True), source.name, _may_open):
        if piece.path:
            found: str | None = _KEYS.get(str(piece.path[0]))
        else:
            found = next((_KEYS[key] for key in piece.items if key in _KEYS), None)
            if piece.items.get("type") in _FEATURE_TYPES:
                found = qupath_geojson.FORMAT
            found = found or _numbered(piece.items)
        if found:
            return found
    raise CellsError(f"{source.name} is JSON, but holds no cells in a form that is known.", _KINDS_HINT)


def _may_open(path: JsonPath) -> bool:
    return len(path) == 1


def _numbered(members: Any) -> str | None:
    """Tell objects whose keys are the numbers of cells."""
    first = next(iter(members.items()), None)
    if first is None or not first[0].isdecimal():
        return None
    if isinstance(first[1], dict) and {"centroid", "contour"} & first[1].keys():
        return hovernet.FORMAT
    return hovernext.FORMAT if isinstance(first[1], list) else None


def _refuse(source: CellSource) -> None:
    """Raise where a file is a pickle or plainly something else."""
    name, raw = source.name, source.raw_head
    names = source.member_names()
    if (
        any(member.endswith((".pkl", "/data.pkl")) for member in names)
        or _is_pickle(raw)
        or _is_pickle(source.head)
    ):
        raise CellsError(f"{name} is a pickle, which can run any program when it is read.", _PICKLE_HINT)
    if any(member.lower().endswith(".roi") for member in names):
        raise CellsError(
            f"{name} holds ImageJ ROIs, which are not read.",
            "Open them in QuPath and export them as GeoJSON.",
        )
    what = next((words for start, words in _OTHERS.items() if source.head.startswith(start)), None)
    if what is not None:
        raise CellsError(f"{name} is {what} and no file of cells that is read.", _KINDS_HINT)


def _is_pickle(head: bytes) -> bool:
    if head[:1] == b"\x80" and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return True
    if _PICKLE_TEXT.match(head):
        return True
    # joblib packs its pickles in one of these; a few bytes are unpacked to see.
    try:
        if head[:1] == b"\x78":
            return _is_pickle(zlib.decompressobj().decompress(head, 64))
        if head.startswith(b"BZh"):
            return _is_pickle(bz2.BZ2Decompressor().decompress(head, 64))
        if head.startswith((b"\xfd7zXZ", b"\x5d\x00\x00")):
            return _is_pickle(lzma.LZMADecompressor().decompress(head, 64))
    except (zlib.error, OSError, lzma.LZMAError, EOFError):
        return False
    return False
