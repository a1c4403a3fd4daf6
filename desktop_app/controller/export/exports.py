"""Exports and help: tables, annotations, the picture of the view."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from desktop_app.controller.export.atlas_export import AtlasActions
from desktop_app.controller.export.run_exports import RunExports
from desktop_app.controller.view.legend_text import source_words
from desktop_app.export import annotations as annotation_exchange
from desktop_app.export import feature_jsonl
from desktop_app.export import feature_table as export
from desktop_app.widgets.shell.help_pages import help_page
from desktop_app.widgets.slide.view_picture import ViewCaption, save_view
from sae_backend.errors import UserInputError

if TYPE_CHECKING:
    from PySide6.QtGui import QPainter

    from desktop_app.controller.context import Context
    from desktop_app.controller.correlation.correlations import CorrelationActions
    from desktop_app.controller.regions.regions import RegionActions
    from desktop_app.controller.view.chunk_reading import ReadingActions
    from desktop_app.store import Store
    from desktop_app.widgets.slide.legend import Legend

TABLES: Final = "CSV (*.csv);;Parquet (*.parquet)"
PICTURE_WAIT_S: Final = 5.0
"""The window stands still meanwhile; what is slower is refused with a sentence."""

_DIGITS: Final = 12
ANNOTATIONS: Final = "JSON (*.json);;CSV (*.csv);;JSON Lines with numbers (*.jsonl)"
ABOUT: Final = """# Sparsescope

Shows what a pathology foundation model has learned: features of a sparse autoencoder on whole slides.
For research, not for diagnosis. BSD-3-Clause licence.
"""


class ExportActions:
    """Writes files that the user names."""

    def __init__(
        self,
        context: Context,
        legend: Legend,
        reading: ReadingActions,
        regions: RegionActions,
        correlations: CorrelationActions,
    ) -> None:
        self._context, self._reading, self._regions = context, reading, regions
        self._legend = legend
        self.atlas = AtlasActions(context)
        self.runs = RunExports(context, correlations)
        menus = context.menus
        menus.requested("export_features").connect(
            lambda: self._write("Export feature table", TABLES, "features.csv", export.feature_table)
        )
        menus.requested("export_annotations").connect(
            lambda: self._write("Export annotations", ANNOTATIONS, "annotations.json", _annotations)
        )
        menus.requested("export_view").connect(self.export_view)
        menus.requested("guide").connect(self.show_guide)
        menus.requested("about").connect(lambda: context.dialogs.show_page("About Sparsescope", ABOUT))

    def close(self) -> None:
        """End the atlas and wait for the file of a run, where one is being written."""
        self.atlas.close()
        self.runs.close()

    def _write(self, title: str, kinds: str, suggested: str, write: Callable[[Store, Path], object]) -> None:
        store = self._context.session.store
        if store is None:
            self._context.say("There is nothing to export without a project.")
            return
        self._context.save_typed()
        path = self._context.dialogs.save_file(title, kinds, suggested)
        if path is None:
            return

        def work() -> bool:
            write(store, path)
            return True

        if self._context.attempt(work):
            self._context.say(f"Written: {path}")

    def export_view(self) -> None:
        """Write what is seen as a PNG with scale bar and colour bar."""
        session = self._context.session
        if session.slide is None:
            self._context.say("Open a slide first.")
            return
        path = self._context.dialogs.save_file("Export view", "PNG (*.png)", "view.png")
        if path is None:
            return
        if self._context.attempt(lambda: self._save_view(path)):
            self._context.say(f"Written: {path}")

    def _save_view(self, path: Path) -> bool:
        if path.suffix.lower() != ".png":
            raise UserInputError("Views are saved as PNG.", "Name the file .png.")
        session, canvas = self._context.session, self._context.canvas
        assert session.slide is not None
        legend = self._legend
        shown = legend.shown_map
        colours = legend.shown_colours
        source = session.slide.info.path.name
        if shown is not None or legend.heading != "Slide":
            source += f", {source_words(self._context, _DIGITS)}"
        if shown is not None and shown.note:
            source += f"; {shown.note}"
        if not self._reading.finish(PICTURE_WAIT_S):
            raise UserInputError(
                "The slide is still loading, so the picture would be blurred.",
                "Wait until the status line no longer says that the slide is being read, then export again.",
            )
        bar = canvas.viewer.canvas.overlays.scale_bar
        # What lies on the canvas is no part of its picture: napari's scale bar stands in for ours.
        bar.visible = session.slide.info.mpp is not None
        shot = canvas.viewer.screenshot(canvas_only=True, flash=False)
        bar.visible = False
        names, ratio = self._regions.names, shot.shape[1] / max(1, self._regions.names.width())

        def paint_names(painter: QPainter) -> None:
            painter.save()
            painter.scale(ratio, ratio)
            names.write(painter)
            painter.restore()

        caption = ViewCaption("", source, None, colours=colours)
        if shown is not None:
            caption = ViewCaption(
                shown.title, source, shown.limits, shown.look, shown.signed, shown.unit, colours
            )
        save_view(shot, path, caption, paint_names)
        return True

    def show_guide(self, page: str) -> None:
        """Show a help page."""
        text = self._context.attempt(lambda: help_page(page))
        if text is not None:
            self._context.dialogs.show_page("Help", text)


def _annotations(store: Store, path: Path) -> None:
    if path.suffix.lower() == ".csv":
        annotation_exchange.export_csv(store, path)
    elif path.suffix.lower() == ".jsonl":
        feature_jsonl.export_jsonl(store, path)
    else:
        annotation_exchange.export_json(store, path)
