"""From a cell file to the cells of a slide: read in the file's own coordinates, then laid on the slide."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from sae_backend.cells.extent_check import ExtentFit, check_extent
from sae_backend.cells.formats.registry import CellFormat, find_format
from sae_backend.cells.import_options import ReadOptions
from sae_backend.cells.outlines import with_shapes
from sae_backend.cells.parsing.byte_source import CellSource, Progress
from sae_backend.cells.parsing.raw_cells import RawCells, Reading
from sae_backend.cells.table import CellImport, CellTable, Outlines
from sae_backend.errors import CellsError

if TYPE_CHECKING:
    from pathlib import Path

    from sae_backend.slides.slide import SlideInfo


@dataclass(frozen=True)
class OpenCells:
    """A cell file whose format is known, ready to be read."""

    reading: Reading
    format: CellFormat


def open_cells(
    path: Path, slide_info: SlideInfo, options: ReadOptions, progress: Progress | None = None
) -> OpenCells:
    """Open a cell file and tell its format.

    Raises
    ------
    CellsError
        If the file cannot be read or is of no format with cells.
    UserInputError
        If the stated format is none.
    """
    source = CellSource(path, progress)
    return OpenCells(Reading(source, slide_info, options), find_format(source, options.format))


def places_l0(raw: RawCells, scale: float) -> npt.NDArray[np.float64]:
    """Return the centres (M, 2) of (y, x) in level-0 px."""
    return raw.yx * scale + np.asarray(raw.placement.offset_l0)


def fit_of(raw: RawCells, opened: OpenCells, yx_l0: npt.NDArray[np.float64]) -> ExtentFit:
    """Compare cells with their slide."""
    return check_extent(yx_l0, opened.reading.slide_info, opened.reading.options, raw.placement)


def lay_on_slide(
    raw: RawCells, opened: OpenCells, yx_l0: npt.NDArray[np.float64], fit: ExtentFit
) -> CellImport:
    """Return the cells on the slide; those outside are left out and counted in the notes.

    Raises
    ------
    CellsError
        If all cells lie outside the slide.
    """
    reading = opened.reading
    info, name = reading.slide_info, reading.name
    size = np.array([info.height_px, info.width_px], np.float64)
    inside = np.asarray(((yx_l0 >= 0) & (yx_l0 < size)).all(axis=1), np.bool_)
    notes = [*raw.notes, *raw.placement.notes, *_outside_notes(inside, fit, info, name)]
    table = CellTable(
        y_l0=np.ascontiguousarray(yx_l0[:, 0]),
        x_l0=np.ascontiguousarray(yx_l0[:, 1]),
        type_index=raw.type_index,
        type_names=raw.type_names,
        measures=raw.measures,
        outlines=_scaled(raw),
    )
    if not inside.all():
        table = table.take(inside)
    table = with_shapes(_with_used_types(table), info.mpp, reading.source.check)
    assumed: dict[str, Any] = {
        "format": raw.format,
        "scale": raw.placement.scale,
        "offset_l0": list(raw.placement.offset_l0),
        **raw.assumed,
    }
    return CellImport(table, name, reading.source.sha256(), raw.tool, tuple(notes), assumed)


def _with_used_types(table: CellTable) -> CellTable:
    used = np.unique(table.type_index)
    return CellTable(
        table.y_l0,
        table.x_l0,
        np.searchsorted(used, table.type_index).astype(np.uint16),
        tuple(table.type_names[i] for i in used),
        table.measures,
        table.outlines,
    )


def _scaled(raw: RawCells) -> Outlines | None:
    outlines, placement = raw.outlines, raw.placement
    if outlines is None or (placement.scale == 1.0 and not any(placement.offset_l0)):
        return outlines
    yx = outlines.yx_l0 * np.float32(placement.scale or 1.0) + np.asarray(placement.offset_l0, np.float32)
    return Outlines(outlines.starts, yx)


def _outside_notes(
    inside: npt.NDArray[np.bool_], fit: ExtentFit, info: SlideInfo, name: str
) -> tuple[str, ...]:
    """A note on the cells that do not lie on the slide, and what would make them fit."""
    suggested = tuple(suggestion.words for suggestion in fit.suggestions)
    n_outside = int((~inside).sum())
    if n_outside == 0:
        return suggested
    extent = (
        f"they span x {fit.box_l0[1]:,.0f} to {fit.box_l0[3]:,.0f} and y {fit.box_l0[0]:,.0f} to "
        f"{fit.box_l0[2]:,.0f}, the slide {info.width_px:,} x {info.height_px:,} px"
    )
    if not inside.any():
        hint = "The extent does not fit; the file may be in another pixel size, or belong to another slide."
        raise CellsError(
            f"All {len(inside):,} cells of {name} lie outside the slide: {extent}.",
            " ".join((hint, *suggested)),
        )
    note = f"{n_outside:,} of {len(inside):,} cells lie outside the slide and were left out: {extent}."
    if n_outside > len(inside) // 2:
        note += " The extent does not fit; the file may be in another pixel size."
    return (note, *suggested)
