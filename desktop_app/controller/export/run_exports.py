"""Files of a run of the correlations, written beside the window."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from desktop_app.export.anndata import write_anndata
from desktop_app.export.correlation_table import write_correlations
from desktop_app.export.qupath_tiles import write_tiles
from desktop_app.project.correlation.methods_text import methods_text
from desktop_app.project.correlation.provenance import best_features, run_of
from desktop_app.store import Store
from desktop_app.tasks import LatestTask
from sae_backend.atomic_write import atomic_path

if TYPE_CHECKING:
    from desktop_app.controller.context import Context
    from desktop_app.controller.correlation.correlations import CorrelationActions
    from sae_backend.errors import SparsescopeError

TABLES: Final = (
    "Workbook (*.xlsx);;CSV (*.csv);;TSV (*.tsv);;Parquet (*.parquet);;JSON, the whole run (*.json)"
)


class RunExports:
    """Writes what the user names, of the run that is shown; of the newest where none is."""

    def __init__(self, context: Context, correlations: CorrelationActions) -> None:
        self._context, self._correlations = context, correlations
        self._writing = LatestTask()
        self._writing.answered.connect(self._written)
        self._writing.failed.connect(self._failed)
        menus = context.menus
        menus.requested("export_correlations").connect(self.export_table)
        menus.requested("export_anndata").connect(self.export_anndata)
        menus.requested("export_tiles").connect(self.export_tiles)
        menus.requested("export_methods").connect(self.export_methods)

    def close(self) -> None:
        """Wait for the file that is being written."""
        self._writing.close()

    def export_table(self) -> None:
        """Write the run in long form."""
        self._write("Export correlations", TABLES, "correlations.xlsx", write_table)

    def export_anndata(self) -> None:
        """Write tiles x features."""
        self._write("Export tiles and features", "AnnData (*.h5ad)", "tiles.h5ad", write_h5ad)

    def export_methods(self) -> None:
        """Write the paragraph on methods."""
        self._write("Export methods text", "Text (*.txt *.md)", "methods.txt", write_methods)

    def export_tiles(self) -> None:
        """Write the tiles of the open slide with the selected feature and the best of each type."""
        session = self._context.session
        if session.slide_record is None:
            self._context.say("Open a slide of the project first.")
            return
        slide, selected = session.slide_record, session.feature

        def write(store: Store, wanted: str, path: Path) -> str:
            chosen = [] if selected is None else [selected]
            if store.correlations.all():
                chosen += best_features(store, run_of(store, wanted))
            n_tiles = write_tiles(store, slide, list(dict.fromkeys(chosen)), path)
            return f"{n_tiles:,} tiles with {len(set(chosen))} features for QuPath: {path}"

        self._write("Export tiles for QuPath", "GeoJSON (*.geojson)", f"{slide.name}-tiles.geojson", write)

    def _write(
        self, title: str, kinds: str, suggested: str, write: Callable[[Store, str, Path], str]
    ) -> None:
        context = self._context
        store = context.session.store
        if store is None:
            context.say("There is nothing to export without a project.")
            return
        context.save_typed()
        path = context.dialogs.save_file(title, kinds, suggested)
        if path is None:
            return
        run = self._correlations.run
        folder, wanted = store.folder, str(run.id) if run else ""

        def work() -> str:
            # A store belongs to the thread that opened it.
            with Store.open(folder) as own:
                return write(own, wanted, path)

        context.say(f"Writing {path.name} …")
        self._writing.ask(work)

    def _written(self, words: object) -> None:
        self._context.say(str(words))

    def _failed(self, error: SparsescopeError) -> None:
        self._context.show_error(error)


def write_table(store: Store, wanted: str, path: Path) -> str:
    """Write a run in long form and say so."""
    run = run_of(store, wanted)
    n_rows = write_correlations(store, run, path)
    return f"{n_rows:,} rows of {run.name}: {path}"


def write_h5ad(store: Store, wanted: str, path: Path) -> str:
    """Write AnnData and say so."""
    run = run_of(store, wanted)
    n_tiles, n_features = write_anndata(store, run, path)
    return f"{n_tiles:,} tiles x {n_features:,} features with {run.name}: {path}"


def write_methods(store: Store, wanted: str, path: Path) -> str:
    """Write the paragraph on methods and say so."""
    run = run_of(store, wanted)
    with atomic_path(path) as temporary:
        temporary.write_text(methods_text(store, run), encoding="utf-8")
    return f"Methods of {run.name}: {path}"
