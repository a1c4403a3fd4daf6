"""Cells of a slide: their centres and types, and how many of each type lie in each tile."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from sae_backend.cell_table import CellImport, CellTable
from sae_backend.errors import CellsError
from sae_backend.formats.cell_table import read_cell_table
from sae_backend.formats.qupath_geojson import read_qupath_geojson
from sae_backend.formats.raw_cells import UNCLASSIFIED, RawCells

if TYPE_CHECKING:
    from pathlib import Path

    from sae_backend.slide import SlideInfo
    from sae_backend.tiles import TileGrid

__all__ = ["UNCLASSIFIED", "CellCounts", "CellImport", "CellTable", "count_cells", "read_cells"]


@dataclass(frozen=True)
class CellCounts:
    """Cells per tile and type.

    `counts` is int32 (N, C) in the order of the grid's tiles and of `type_names`; every cell is
    counted at most once, also where tiles overlap.
    """

    counts: npt.NDArray[np.int32]
    type_names: tuple[str, ...]
    n_in_tiles: int
    n_outside_tiles: int


def read_cells(path: Path, slide_info: SlideInfo) -> CellImport:
    """Read the cells of a slide from GeoJSON, CSV, TSV or Parquet, told apart by their content.

    Cells outside the slide are left out and counted in the notes.

    Raises
    ------
    CellsError
        If the file cannot be used, or all of its cells lie outside the slide.
    PixelSizeError
        If the file is in um and the slide's pixel size is unknown.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CellsError(f"{path.name} cannot be read: {error.strerror}.", "Check the path.") from error
    raw = _read_raw(data, path.name, slide_info)
    inside, notes = _fit(raw, slide_info, path.name)
    yx, kind = raw.yx_l0[inside], raw.type_index[inside]
    used = np.unique(kind)
    table = CellTable(
        y_l0=np.ascontiguousarray(yx[:, 0]),
        x_l0=np.ascontiguousarray(yx[:, 1]),
        type_index=np.searchsorted(used, kind).astype(np.uint16),
        type_names=tuple(raw.type_names[i] for i in used),
    )
    digest = hashlib.sha256(data).hexdigest()
    return CellImport(table, path.name, digest, raw.tool, (*raw.notes, *notes))


def _read_raw(data: bytes, name: str, info: SlideInfo) -> RawCells:
    start = data.removeprefix(b"\xef\xbb\xbf")[:64].lstrip()
    if not start:
        raise CellsError(f"{name} is empty.", "Choose a file with cells: GeoJSON, CSV, TSV or Parquet.")
    offset = (float(info.bounds_l0[0]), float(info.bounds_l0[1]))
    if start[:1] in (b"{", b"[") or start[:2] == b"\x1f\x8b":
        return read_qupath_geojson(data, name, offset)
    return read_cell_table(data, name, info.mpp, offset)


def _fit(raw: RawCells, info: SlideInfo, name: str) -> tuple[npt.NDArray[np.bool_], tuple[str, ...]]:
    """Which cells lie on the slide, and a note on those that do not."""
    size = np.array([info.height_px, info.width_px], np.float64)
    inside = np.asarray(((raw.yx_l0 >= 0) & (raw.yx_l0 < size)).all(axis=1), np.bool_)
    n_outside = int((~inside).sum())
    if n_outside == 0:
        return inside, ()
    low, high = raw.yx_l0.min(axis=0), raw.yx_l0.max(axis=0)
    extent = (
        f"they span x {low[1]:,.0f} to {high[1]:,.0f} and y {low[0]:,.0f} to {high[0]:,.0f}, "
        f"the slide {info.width_px:,} x {info.height_px:,} px"
    )
    if not inside.any():
        raise CellsError(
            f"All {len(inside):,} cells of {name} lie outside the slide: {extent}.",
            "The extent does not fit; the file may be in another pixel size, or belong to another slide.",
        )
    note = f"{n_outside:,} of {len(inside):,} cells lie outside the slide and were left out: {extent}."
    if n_outside > len(inside) // 2:
        note += " The extent does not fit; the file may be in another pixel size."
    return inside, (note,)


def count_cells(table: CellTable, grid: TileGrid) -> CellCounts:
    """Count the cells of each type whose centre lies in each kept tile.

    Parameters
    ----------
    table
        Cells in level-0 px of the grid's slide.
    grid
        The tiles. A cell in several overlapping tiles goes to the nearest centre.
    """
    n_types = len(table.type_names)
    tile = grid.tiles_at(np.stack([table.y_l0, table.x_l0], axis=1)).astype(np.int64)
    inside = tile >= 0
    flat = tile[inside] * n_types + table.type_index[inside]
    counts = np.bincount(flat, minlength=grid.n_tiles * n_types).reshape(grid.n_tiles, n_types)
    n_in = int(inside.sum())
    return CellCounts(counts.astype(np.int32), table.type_names, n_in, table.n_cells - n_in)
