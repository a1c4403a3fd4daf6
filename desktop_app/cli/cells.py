"""The commands about cells: their words, and the project's imports and class map."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, Final

from desktop_app.cli import arguments
from desktop_app.cli.answers import Answer, project_at, worker_of
from desktop_app.cli.cells_import import import_cells, import_values
from desktop_app.project.analysis_jobs import add_slide
from desktop_app.project.cells.detection_jobs import detect_request, record_detection, tissue_mm2
from desktop_app.project.cells.text import class_map_text, counts_text, is_proposed, summary_of, summary_text
from desktop_app.project.cells.type_map import changed_map, mapped_counts, project_counts, type_rows
from desktop_app.project.run_jobs import ProgressPrinter
from desktop_app.store import CellImportRecord, Store
from sae_backend.cells.class_map import ClassMap
from sae_backend.cells.counts import CELL_FORMATS
from sae_backend.cells.nuclei.segmentation import DetectSpec, working_scale
from sae_backend.slides.slide import Slide
from sae_backend.worker.client import wait_for

_SLIDE: Final = "a slide, or a plain JPEG, PNG or TIFF"
_SETTINGS: Final = {
    "mpp": "pixel size to look at in um per px",
    "smooth_um": "smoothing of the haematoxylin density",
    "background_um": "width of the background region around a nucleus",
    "min_contrast_od": "minimum difference in optical density from the background",
    "contrast_sd": "minimum difference in standard deviations of the background",
    "min_od": "minimum haematoxylin density",
    "min_mass_od_um2": "minimum density summed over the nucleus: small nuclei must be darker",
    "split_depth": "minimum depth of the gap between touching nuclei; a smaller value splits more",
    "min_area_um2": "smallest area",
    "max_area_um2": "largest area",
}


def add_parser(groups: Any) -> None:
    """Add the commands to the others."""
    cells = arguments.add(groups, "cells", None, "cells of a slide: import, detect, classes")
    actions = cells.add_subparsers(metavar="ACTION", required=True)
    command = arguments.add(
        actions, "import", import_cells,
        "read a cell file (QuPath, CellViT, HoVer-Net, StarDist, TIAToolbox, GeoParquet, tables)",
    )  # fmt: skip
    _file_words(command)
    command.add_argument("--type", default="", metavar="COL", help="its column of the type")
    command.add_argument(
        "--format",
        choices=sorted(CELL_FORMATS),
        help="format of the file (default: detected from its content)",
    )
    command.add_argument("--use-nucleus", action="store_true",
                         help="use the nucleus outline where a cell also has one")  # fmt: skip
    _map_words(command)
    command.add_argument("--preview", action="store_true", help="only report what would be imported")
    command = arguments.add(
        actions, "values", import_values, "read point measurements (genes, scores) from a table"
    )
    _file_words(command)
    command.add_argument("--name", default="", metavar="TEXT",
                         help="what the source is called (default: the file's name); the same name replaces it")  # fmt: skip
    command = arguments.add(actions, "detect", detect, "find the nuclei of a slide with haematoxylin")
    command.add_argument("slide", type=Path, metavar="SLIDE", help=_SLIDE)
    arguments.project(command)
    _slide_mpp(command)
    for setting in fields(DetectSpec):
        word = "working-mpp" if setting.name == "mpp" else setting.name.replace("_", "-")
        command.add_argument(
            f"--{word}", dest=f"set_{setting.name}", type=arguments.number, metavar="X",
            help=f"{_SETTINGS.get(setting.name, setting.name)} (default: {setting.default:g})",
        )  # fmt: skip
    command = arguments.add(actions, "classes", classes, "the project's names of cell types")
    arguments.project(command)
    _map_words(command)
    command.add_argument("--reset", action="store_true", help="first reset all types to their own names")
    command = arguments.add(actions, "list", list_imports, "the imports of cells of each slide")
    arguments.project(command)
    command.add_argument("--use", type=arguments.natural, metavar="ID", help="use this import for the slide")


def _slide_mpp(command: ArgumentParser) -> None:
    command.add_argument(
        "--mpp", type=arguments.number, metavar="X", help="pixel size in um per px, where the slide lacks it"
    )


def _file_words(command: ArgumentParser) -> None:
    command.add_argument("slide", type=Path, metavar="SLIDE", help=_SLIDE)
    command.add_argument("file", type=Path, metavar="FILE")
    arguments.project(command)
    _slide_mpp(command)
    place = command.add_argument_group("where they lie (default: what the file says)")
    place.add_argument("--scale", type=arguments.number, metavar="X", help="level-0 px per unit of the file")
    place.add_argument(
        "--cells-mpp", type=arguments.number, metavar="X", help="um per px of the file's coordinates"
    )
    place.add_argument(
        "--level", type=arguments.natural, metavar="N", help="level that the coordinates are in"
    )
    place.add_argument("--mag", type=arguments.number, metavar="X", help="magnification that they are at")
    place.add_argument(
        "--base-mag", type=arguments.number, metavar="X", help="magnification of the slide at level 0"
    )
    place.add_argument("--offset", type=_place, metavar="Y,X",
                       help="level-0 px to add to y and x; write --offset=-10,0 where y is negative")  # fmt: skip
    table = command.add_argument_group("columns of a table (default: found by their names)")
    table.add_argument("--x", default="", metavar="COL", help="its column of x")
    table.add_argument("--y", default="", metavar="COL", help="its column of y")
    table.add_argument("--unit", choices=("px", "um"), default="", help="unit of x and y")


def _map_words(command: ArgumentParser) -> None:
    command.add_argument("--map", action="append", default=[], metavar='"A=B"',
                         help="count type A as B, in the whole project; repeat for each type")  # fmt: skip
    command.add_argument("--ignore", action="append", default=[], metavar="TYPE",
                         help="ignore cells of this type, in the whole project")  # fmt: skip


def _place(text: str) -> tuple[float, float]:
    parts = [arguments.number(part.strip()) for part in text.split(",")]
    if len(parts) != 2:
        raise ArgumentTypeError(f"{text!r} is not Y,X (write --offset=120,40)")
    return parts[0], parts[1]


def classes(options: Namespace) -> Answer:
    """Show and set the class map."""
    with project_at(options.project) as store:
        before = ClassMap() if options.reset else store.class_map.get()
        counts = project_counts(store)
        known = store.class_map.get()
        shown = mapped_counts(type_rows(counts, known))
        after = changed_map(before, options.map, options.ignore)
        if after != known:
            store.class_map.set(after)
        now = mapped_counts(type_rows(counts, after))
    rows = type_rows(counts, after)
    lines = [f"{'cells':>10}  {'in the files':<28} counts as"]
    lines += [
        f"{row.n_cells:>10,}  {row.name:<28} {row.counts_as if row.used else '(left out)'}" for row in rows
    ]
    text = "\n".join(lines) if rows else "The project has no cells yet: sparsescope cells import SLIDE FILE."
    if after != known:
        text += f"\nBefore: {counts_text(shown)}.\nNow:    {counts_text(now) or 'no cells'}."
    elif now:
        text += f"\nThey count as: {counts_text(now)}."
    unknown = after.unknown(counts)
    if unknown:
        text += f"\nNo cell is of the type {', '.join(unknown)}; it counts once there is one."
    data = {
        "class_map": after.to_json(),
        "types": [asdict(row) for row in rows],
        "before": shown,
        "after": now,
        "unknown": list(unknown),
    }
    return Answer(text, data)


def list_imports(options: Namespace) -> Answer:
    """List the imports of cells, or choose one."""
    with project_at(options.project) as store:
        if options.use is not None:
            store.cells.choose(options.use)
        imports = {slide.name: store.cells.imports(slide.id) for slide in store.slides.all()}
        lines = []
        for name, records in imports.items():
            lines.append(f"{name}:" if records else f"{name}: no cells")
            lines += [_line(store, record) for record in records]
        data = {
            "imports": [
                {"slide": name, **asdict(record), "n_edits": _n_edits(store, record)}
                for name, records in imports.items()
                for record in records
            ],
            "class_map": store.class_map.get().to_json(),
        }
        said = class_map_text(store.class_map.get())
    if said:
        lines.append(f"Class map: {said}.")
    return Answer("\n".join(lines) or "The project has no slides.", data)


def _n_edits(store: Store, record: CellImportRecord) -> int:
    return sum(not edit.edit.withdrawn for edit in store.cell_edits.all(record.id))


def _line(store: Store, record: CellImportRecord) -> str:
    edits = _n_edits(store, record)
    proposed = ", types proposed" if is_proposed(record.assumed) else ""
    return (
        f"{'*' if record.current else ' '} {record.id:>4}  {record.imported_at[:16].replace('T', ' ')}  "
        f"{record.source_name} ({record.tool}{proposed}, sha256 {record.source_sha256[:10]})\n"
        f"         {record.n_cells:,} cells: {counts_text(record.type_counts)}"
        f"{f'; {edits:,} changed by hand' if edits else ''}"
    )


def detect(options: Namespace) -> Answer:
    """Find the nuclei of a slide; what an earlier run finished is not done again."""
    given = {field.name: getattr(options, f"set_{field.name}") for field in fields(DetectSpec)}
    spec = DetectSpec(**{name: value for name, value in given.items() if value is not None})
    with Slide.open(options.slide, options.mpp) as slide:
        info = slide.info
    if not (options.project / "project.sqlite").exists():
        # Before the project is made, so that a slide without a pixel size leaves no folder behind.
        working_scale(spec, info)
    with project_at(options.project, create=True) as store:
        slide_record = add_slide(store, options.slide, options.mpp)
        request = detect_request(store, slide_record.id, spec)
        with worker_of(options) as worker:
            result = wait_for(worker, worker.submit(request), ProgressPrinter())
        record = record_detection(store, slide_record.id, result)
        summary = summary_of(store.cells.imported(record.id), tissue_mm2(record))
    text = "\n".join([f"{slide_record.name}: {summary_text(summary)}", *record.notes])
    return Answer(text, {"import": asdict(record), "summary": summary, "spec": spec.to_json()})
