"""The feature atlas, written beside the window."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from PySide6.QtCore import QObject, Qt, Signal, Slot

from desktop_app.tasks import LatestTask
from sae_backend.errors import SparsescopeError, UserInputError

if TYPE_CHECKING:
    from desktop_app.controller.context import Context
    from desktop_app.export.atlas import AtlasSource

KINDS: Final = "Web page (*.html);;PDF (*.pdf)"
_PAUSE_S: Final = 0.3


class AtlasActions(QObject):
    """Asks for a file and writes the atlas in a thread; the window says how far it is.

    The store is read here first, since it belongs to the window's thread. Closing the window ends the
    work and leaves no file.
    """

    _moved = Signal(int, int)

    def __init__(self, context: Context) -> None:
        super().__init__()
        self._context = context
        self._stop = threading.Event()
        self._path: Path | None = None
        self._said = ""
        self._read = LatestTask(self)
        self._read.answered.connect(self._written)
        self._read.failed.connect(self._failed)
        self._moved.connect(self._show_progress, Qt.ConnectionType.QueuedConnection)
        context.menus.requested("export_atlas").connect(self.export)

    @property
    def is_writing(self) -> bool:
        """Whether an atlas is being written."""
        return self._path is not None

    def export(self) -> None:
        """Ask for a file and write the atlas of the annotated features into it."""
        session = self._context.session
        if self._path is not None:
            self._context.say(f"{self._path.name} is still being written; wait until it is there.")
            return
        if session.store is None or session.features is None:
            self._context.say("An atlas needs an analysed slide with features.")
            return
        self._context.save_typed()
        source = self._context.attempt(self._collect)
        if source is None:
            return
        path = self._context.dialogs.save_file("Export feature atlas", KINDS, "atlas.html")
        if path is not None:
            self._context.attempt(lambda: self._begin(source, path))

    def _collect(self) -> AtlasSource:
        # Typesetting is slow to load, and few sessions need it.
        from desktop_app.export.atlas import AtlasChoice, collect

        session = self._context.session
        if session.store is None:
            raise UserInputError("There is no project.", "Open one first.")
        return collect(session.store, AtlasChoice(), session.features)

    def _begin(self, source: AtlasSource, path: Path) -> None:
        from desktop_app.export.atlas import check_atlas_name, write_atlas

        check_atlas_name(path)
        self._path, stop = path, threading.Event()
        self._stop = stop
        self._say(f"Writing {path.name}: {len(source.numbers)} features …")
        last = 0.0

        def progress(done: int, total: int) -> None:
            nonlocal last
            if time.monotonic() - last > _PAUSE_S:
                last = time.monotonic()
                self._moved.emit(done, total)

        self._read.ask(lambda: write_atlas(source, path, progress, stop.is_set))

    @Slot(int, int)
    def _show_progress(self, done: int, total: int) -> None:
        # A newer message, or one that was closed, is not pushed away by a count.
        if self._path is not None and self._context.notice.text == self._said:
            self._say(f"Writing {self._path.name}: {done} of {total} features …")

    def _say(self, text: str) -> None:
        self._said = text
        self._context.say(text)

    def _written(self, n_features: object) -> None:
        path, self._path = self._path, None
        self._context.say(f"Written: {path} ({n_features} features)")

    def _failed(self, error: SparsescopeError) -> None:
        self._path = None
        self._context.show_error(error)

    def close(self) -> None:
        """End the work that may be under way; nothing of it stays."""
        self._stop.set()
        self._read.close()
        self._path = None
