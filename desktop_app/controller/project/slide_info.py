"""What is known of the open slide, in a window of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from desktop_app.project.slides.slide_facts import SlideFact, slide_facts
from desktop_app.tasks import LatestTask
from desktop_app.widgets.slide.slide_info import SlideInfoDialog
from sae_backend.slides.scanner_metadata import associated_image, scan_facts

if TYPE_CHECKING:
    from pathlib import Path

    from PySide6.QtWidgets import QWidget

    from desktop_app.controller.context import Context
    from sae_backend.errors import SparsescopeError
    from sae_backend.slides.scanner_metadata import ScanFacts


class SlideInfoActions:
    """Reads what the file says beside the window, and its other pictures only when the user asks for them."""

    def __init__(self, context: Context, parent: QWidget) -> None:
        self._context, self._parent = context, parent
        self.dialog: SlideInfoDialog | None = None
        self._path: Path | None = None
        self._pictures: tuple[str, ...] = ()
        self._facts, self._looks = LatestTask(), LatestTask()
        self._facts.answered.connect(self._show)
        self._facts.failed.connect(context.show_error)
        self._looks.answered.connect(self._show_pictures)
        self._looks.failed.connect(self._show_failure)
        context.menus.requested("slide_information").connect(self.ask)
        context.session.slide_changed.connect(lambda _slide: self._leave())

    def ask(self) -> None:
        """Show the open slide's information."""
        slide = self._context.session.slide
        if slide is None:
            self._context.say("Open a slide first.")
            return
        info = slide.info

        def read() -> tuple[Path, tuple[SlideFact, ...], ScanFacts]:
            scan = scan_facts(info.path)
            return info.path, slide_facts(info, scan), scan

        self._facts.ask(read)

    def close(self) -> None:
        """End the reads that may be under way."""
        self._leave()
        self._facts.close()
        self._looks.close()

    def _show(self, found: object) -> None:
        path, facts, scan = cast("tuple[Path, tuple[SlideFact, ...], ScanFacts]", found)
        self._leave()
        self._path, self._pictures = path, scan.pictures
        self.dialog = SlideInfoDialog(facts, self._parent, has_pictures=bool(scan.pictures))
        self.dialog.pictures_requested.connect(self._ask_pictures)
        self.dialog.finished.connect(lambda _code: self._forget())
        self.dialog.show()

    def _ask_pictures(self) -> None:
        path, names = self._path, self._pictures
        if path is not None:
            self._looks.ask(lambda: [(name, associated_image(path, name)) for name in names])

    def _show_pictures(self, pictures: object) -> None:
        if self.dialog is not None:
            self.dialog.show_pictures(cast("list[tuple[str, Any]]", pictures))

    def _show_failure(self, error: SparsescopeError) -> None:
        if self.dialog is not None:
            self.dialog.show_failure(error.sentence)

    def _forget(self) -> None:
        self._looks.forget()
        self.dialog, self._path, self._pictures = None, None, ()

    def _leave(self) -> None:
        self._facts.forget()
        if self.dialog is not None:
            self.dialog.close()
