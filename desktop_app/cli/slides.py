"""The command for what is known of slides beside their pixels: patient, site, scanner, organ."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from desktop_app.cli import arguments
from desktop_app.cli.answers import Answer
from desktop_app.project.slides.slide_matches import match_slides
from desktop_app.project.slides.slide_table import read_slide_table
from desktop_app.store import Store
from sae_backend.errors import UserInputError


def add_parser(groups: Any) -> None:
    """Add the command to the others."""
    group: ArgumentParser = arguments.add(groups, "slides", None, "slides of a project and their slide table")
    actions = group.add_subparsers(metavar="ACTION", required=True)
    command = arguments.add(
        actions,
        "import",
        import_table,
        "read a CSV or TSV with one row per slide: patient, site, scanner, organ …",
    )
    command.add_argument("table", type=Path, metavar="TABLE", help="its first row names the columns")
    arguments.project(command)
    command = arguments.add(
        actions, "list", list_slides, "all slides, their pixel size and which columns are known"
    )
    arguments.project(command)
    command.add_argument(
        "--values", action="store_true", help="also print the values; they can name patients"
    )


def import_table(options: Namespace) -> Answer:
    """Take in what a table says of the slides of the project; other columns keep their values."""
    table = read_slide_table(options.table)
    with Store.open(options.project) as store:
        slides = store.slides.all()
        if not slides:
            raise UserInputError(
                "This project has no slides yet.", "Analyse some first: sparsescope analyze SLIDE."
            )
        found = match_slides(table, slides)
        store.slide_values.set(found.values)
        keys = list(store.slide_values.keys())
    return Answer(found.words, {"n_slides": len(found.values), "columns": keys})


def list_slides(options: Namespace) -> Answer:
    """List the slides; values only when they are asked for."""
    with Store.open(options.project) as store:
        values = store.slide_values.all()
        rows = []
        for slide in store.slides.all():
            known = values.get(slide.id, {})
            row: dict[str, Any] = {
                "slide": slide.name, "mpp": slide.mpp, "mpp_source": slide.mpp_source,
                "height_px": slide.height_px, "width_px": slide.width_px, "columns": sorted(known),
            }  # fmt: skip
            if options.values:
                row["values"] = known
            rows.append(row)
    lines = [_line(row) for row in rows] or ["This project has no slides yet."]
    return Answer("\n".join(lines), {"slides": rows})


def _line(row: dict[str, Any]) -> str:
    mpp = "pixel size unknown" if row["mpp"] is None else f"{row['mpp']:g} um/px ({row['mpp_source']})"
    text = f"{row['slide']}: {row['width_px']:,} x {row['height_px']:,} px, {mpp}"
    if "values" in row:
        known = "; ".join(f"{key} {value}" for key, value in sorted(row["values"].items()))
    else:
        known = ", ".join(row["columns"])
    return f"{text}; known: {known or 'nothing else'}"
