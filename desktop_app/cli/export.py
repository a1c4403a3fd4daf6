"""The command that writes what a project holds for other programs."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from desktop_app.cli import arguments
from desktop_app.cli.answers import Answer
from desktop_app.export import feature_table as export
from desktop_app.export.anndata import write_anndata
from desktop_app.export.correlation_table import write_correlations
from desktop_app.export.qupath_tiles import write_tiles
from desktop_app.project.correlation.methods_text import methods_text
from desktop_app.project.correlation.provenance import best_features, run_of
from desktop_app.store import SlideRecord, Store
from sae_backend.atomic_write import atomic_path
from sae_backend.errors import UserInputError


def add_parser(groups: Any) -> None:
    """Add the command to the others."""
    group: ArgumentParser = arguments.add(groups, "export", None, "files for other programs and for papers")
    actions = group.add_subparsers(metavar="KIND", required=True)
    command = arguments.add(
        actions, "correlations", correlations, "a run in long form: .csv, .tsv, .parquet, .xlsx or .json"
    )
    _common(command)
    command = arguments.add(actions, "anndata", anndata, "tiles x features with counts and statistics: .h5ad")
    _common(command)
    command = arguments.add(
        actions, "methods", methods, "a paragraph on methods, from what was run: .txt or .md"
    )
    _common(command)
    command = arguments.add(
        actions, "tiles", tiles, "tiles of one slide for QuPath, with activations and cells: .geojson"
    )
    arguments.project(command)
    command.add_argument("slide", type=Path, metavar="SLIDE", help="a slide of the project")
    command.add_argument("--out", type=Path, required=True, metavar="FILE", help="the file")
    command.add_argument(
        "--features", type=arguments.feature_numbers, metavar="1,2,3",
        help="these features (default: the best of each cell type in the newest run)",
    )  # fmt: skip
    command = arguments.add(actions, "features", features, "the table of features: .csv, .tsv or .parquet")
    arguments.project(command)
    command.add_argument("--out", type=Path, required=True, metavar="FILE", help="the file")


def _common(command: ArgumentParser) -> None:
    arguments.project(command)
    command.add_argument("--out", type=Path, required=True, metavar="FILE", help="the file")
    command.add_argument(
        "--run",
        dest="wanted",
        default="",
        metavar="RUN",
        help="number or name of the run (default: the newest)",
    )


def correlations(options: Namespace) -> Answer:
    """Write a run in long form."""
    with Store.open(options.project) as store:
        run = run_of(store, options.wanted)
        n_rows = write_correlations(store, run, options.out)
    return Answer(
        f"{n_rows:,} rows of {run.name} are in {options.out}.",
        {"out": options.out, "n_rows": n_rows, "run": run.id},
    )


def anndata(options: Namespace) -> Answer:
    """Write AnnData."""
    with Store.open(options.project) as store:
        run = run_of(store, options.wanted)
        n_tiles, n_features = write_anndata(store, run, options.out)
    words = (
        f"{n_tiles:,} tiles x {n_features:,} features and the statistics of {run.name} are in {options.out}."
    )
    return Answer(words, {"out": options.out, "n_tiles": n_tiles, "n_features": n_features, "run": run.id})


def methods(options: Namespace) -> Answer:
    """Write the paragraph on methods."""
    if options.out.suffix.lower() not in (".txt", ".md"):
        raise UserInputError(f"{options.out.name} does not end in .txt or .md.", "Change the name.")
    with Store.open(options.project) as store:
        text = methods_text(store, run_of(store, options.wanted))
    with atomic_path(options.out) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return Answer(f"{text}Written to {options.out}.", {"out": options.out, "text": text})


def tiles(options: Namespace) -> Answer:
    """Write the tiles of a slide for QuPath."""
    with Store.open(options.project) as store:
        slide = _slide(store, options.slide)
        chosen = options.features if options.features is not None else best_features(store, run_of(store))
        n_tiles = write_tiles(store, slide, chosen, options.out)
    words = f"{n_tiles:,} tiles of {slide.name} with {len(chosen)} features are in {options.out}."
    return Answer(words, {"out": options.out, "n_tiles": n_tiles, "features": list(chosen)})


def features(options: Namespace) -> Answer:
    """Write the table of features."""
    with Store.open(options.project) as store:
        n_rows = export.feature_table(store, options.out)
    return Answer(f"{n_rows:,} features are in {options.out}.", {"out": options.out, "n_rows": n_rows})


def _slide(store: Store, path: Path) -> SlideRecord:
    record = store.slides.by_path(path.absolute())
    if record is None:
        named = [slide for slide in store.slides.all() if slide.name == path.name]
        record = named[0] if len(named) == 1 else None
    if record is None:
        known = ", ".join(slide.name for slide in store.slides.all()[:5]) or "none"
        raise UserInputError(f"{path.name} is not a slide of this project.", f"There are: {known}.")
    return record
