"""What a table says of the project's slides: asked for, matched, saved, and told."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from desktop_app.project.slides.slide_matches import MatchedTable, match_slides
from desktop_app.project.slides.slide_table import read_slide_table

if TYPE_CHECKING:
    from desktop_app.controller.context import Context
    from desktop_app.controller.features.feature_page import FeaturePageActions

TABLES: Final = "Tables (*.csv *.tsv *.txt);;All files (*)"


class SlideTableActions:
    """Brings a table of slides into the project."""

    def __init__(self, context: Context, page: FeaturePageActions) -> None:
        self._context, self._page = context, page
        context.menus.requested("import_slide_table").connect(self.ask)

    def ask(self) -> None:
        """Ask for a table and take in what it says of the slides of the project."""
        store = self._context.session.store
        if store is None:
            self._context.say("Slide tables belong in a project. Create one with File > New project.")
        elif not store.slides.all():
            self._context.say("This project has no slides yet: Slide > Add slide.")
        else:
            path = self._context.dialogs.open_file("Import slide table", TABLES)
            if path is not None:
                self.import_file(path)

    def import_file(self, path: Path) -> None:
        """Take in what a table says of the slides of the project; other columns keep their values."""
        store = self._context.session.store
        if store is None:
            return

        def take() -> MatchedTable:
            found = match_slides(read_slide_table(path), store.slides.all())
            store.slide_values.set(found.values)
            return found

        found = self._context.attempt(take)
        if found is not None:
            self._page.take_slide_values()
            self._context.say(found.words)
