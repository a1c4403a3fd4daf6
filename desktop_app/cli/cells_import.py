"""The commands that read files about cells: what is in them is said, then it is kept in the project."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import asdict
from pathlib import Path
from typing import Any

from desktop_app.cli.answers import Answer, project_at
from desktop_app.project.analysis_jobs import add_slide
from desktop_app.project.cells.files import stated_columns
from desktop_app.project.cells.text import counts_text, fit_text, options_text, recognised_text
from desktop_app.project.cells.type_map import TypeRow, changed_map, mapped_counts, type_rows
from desktop_app.project.run_jobs import ProgressPrinter
from sae_backend.cells.class_map import ClassMap
from sae_backend.cells.counts import Progress
from sae_backend.cells.import_options import ColumnMap, ReadOptions
from sae_backend.cells.point_value_table import read_tile_values
from sae_backend.cells.preview import CellPreview, preview_cells
from sae_backend.errors import CellsError
from sae_backend.slides.slide import Slide, SlideInfo
from sae_backend.statistics.number_text import count_text
from sae_backend.worker.requests import Progress as ProgressEvent

_STATE = "State it with --scale, --cells-mpp, --level, or --mag and --base-mag; columns with --x and --y."


def import_cells(options: Namespace) -> Answer:
    """Say what is in a cell file and import it, unless only a preview is wanted."""
    # Slide and file are looked at before the project is made, so that a typing error leaves no folder behind.
    with Slide.open(options.slide, options.mpp) as slide:
        info = _known_info(options, slide.info)
    preview = preview_cells(options.file, info, read_options(options, info), _progress(options.file))
    known = _class_map(options.project)
    class_map = changed_map(known, options.map, options.ignore)
    rows = type_rows(preview.type_counts, class_map)
    lines = [recognised_text(preview), *_type_lines(rows), fit_text(preview)]
    if preview.cells is None:
        if not options.preview:
            raise CellsError(f"{options.file.name} was not imported. {preview.question}", _STATE)
        lines += [f"To be stated: {preview.question}", _STATE]
    lines += _suggestions(preview)
    text = "\n".join(line for line in lines if line)
    data: dict[str, Any] = {"preview": preview_data(preview), "types": [asdict(row) for row in rows]}
    if options.preview:
        notes = "".join(f"\n{note}" for note in preview.notes if note not in text)
        return Answer(f"{text}{notes}\nNothing was imported.", data)
    assert preview.cells is not None
    with project_at(options.project, create=True) as store:
        slide_record = add_slide(store, options.slide, options.mpp)
        if class_map != known:
            store.class_map.set(class_map)
        record = store.cells.add(slide_record.id, preview.cells)
    notes = "".join(f"\n{note}" for note in record.notes if note not in text)
    return Answer(f"{text}\n{record.n_cells:,} cells were imported.{notes}", {**asdict(record), **data})


def import_values(options: Namespace) -> Answer:
    """Keep the numbers of a table by place."""
    with Slide.open(options.slide, options.mpp) as slide:
        info = _known_info(options, slide.info)
    given = read_options(options, info)
    values = read_tile_values(options.file, info, given, options.name, _progress(options.file))
    with project_at(options.project, create=True) as store:
        slide_record = add_slide(store, options.slide, options.mpp)
        record = store.tile_values.add(slide_record.id, values)
    names = ", ".join(record.names[:8]) + (", …" if len(record.names) > 8 else "")
    columns = f"{count_text(len(record.names), 'column')}"
    text = f"{columns} of numbers at {record.n_rows:,} places of {slide_record.name}: {names}."
    return Answer("\n".join([text, *record.notes]), asdict(record))


def read_options(options: Namespace, info: SlideInfo) -> ReadOptions:
    """What the words of the command line state of a file."""
    columns = ColumnMap(options.x, options.y, getattr(options, "type", ""), options.unit)
    return ReadOptions(
        scale=options.scale,
        offset_l0=options.offset,
        columns=stated_columns(options.file, info, columns),
        format=getattr(options, "format", None),
        mpp=options.cells_mpp,
        level=options.level,
        mag=options.mag,
        base_mag=options.base_mag,
        use_nucleus=getattr(options, "use_nucleus", False),
    )


def preview_data(preview: CellPreview) -> dict[str, Any]:
    """A preview as plain values."""
    fit = preview.fit
    return {
        "source_name": preview.source_name,
        "format": preview.format,
        "format_words": preview.format_words,
        "tool": preview.tool,
        "n_cells": preview.n_cells,
        "type_counts": dict(preview.type_counts),
        "columns": list(preview.columns),
        "column_map": None if preview.column_map is None else asdict(preview.column_map),
        "has_outlines": preview.has_outlines,
        "measures": list(preview.measures),
        "share_inside": None if fit is None else fit.share_inside,
        "suggestions": []
        if fit is None
        else [{"words": s.words, "option": options_text(s.options)} for s in fit.suggestions],
        "question": preview.question,
        "notes": list(preview.notes),
    }


def _known_info(options: Namespace, info: SlideInfo) -> SlideInfo:
    """The slide with the pixel size that the project holds, where none is stated now."""
    if options.mpp is not None or info.mpp is not None or not (options.project / "project.sqlite").exists():
        return info
    with project_at(options.project) as store:
        record = store.slides.by_fingerprint(info.fingerprint)
    if record is None or record.mpp is None:
        return info
    with Slide.open(options.slide, record.mpp) as slide:
        return slide.info


def _class_map(project: Path) -> ClassMap:
    if not (project / "project.sqlite").exists():
        return ClassMap()
    with project_at(project) as store:
        return store.class_map.get()


def _type_lines(rows: tuple[TypeRow, ...]) -> list[str]:
    if not rows:
        return []
    lines = [f"Types: {counts_text({row.name: row.n_cells for row in rows})}."]
    if any(row.counts_as != row.name or not row.used for row in rows):
        lines.append(f"They count as: {counts_text(mapped_counts(rows)) or 'no cells'}.")
    return lines


def _suggestions(preview: CellPreview) -> list[str]:
    found = preview.fit.suggestions if preview.fit is not None else ()
    return [f"{item.words} To say so: {options_text(item.options)}" for item in found]


def _progress(path: Path) -> Progress:
    printer = ProgressPrinter()

    def tell(done: int, total: int) -> None:
        share = 100 * done // max(total, 1)
        printer(ProgressEvent(0, f"read {path.name} (%)", share, 100, 0.0, None))

    return tell
