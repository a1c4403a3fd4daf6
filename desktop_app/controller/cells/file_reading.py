"""A cell file read beside the window: how far it is, an end to it on request, and keeping what was read."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QObject, Signal

from desktop_app.project.analysis_jobs import open_slide
from desktop_app.project.cells.files import preview_file
from desktop_app.store import CellImportRecord, SlideRecord, Store
from desktop_app.tasks import LatestTask
from sae_backend.cells.import_options import ReadOptions
from sae_backend.cells.preview import CellPreview
from sae_backend.errors import CancelledError

if TYPE_CHECKING:
    from sae_backend.cells.class_map import ClassMap
    from sae_backend.cells.table import CellImport

_THUMBNAIL_PX: Final = 400


@dataclass(frozen=True)
class SeenCells:
    """A preview with the options it was read with, and the slide: its size (h, w) in level-0 px and a thumbnail."""

    preview: CellPreview
    options: ReadOptions
    size_px: tuple[int, int]
    thumbnail: npt.NDArray[np.uint8]


class CellFileReading(QObject):
    """Reads one file at a time; `read` carries `SeenCells`, `failed` the error of the last one asked."""

    progressed = Signal(int, int)
    read = Signal(object)
    failed = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._stop = threading.Event()
        self._read = LatestTask(self)
        self._read.answered.connect(self.read)
        self._read.failed.connect(self.failed)

    def begin(self, record: SlideRecord, path: Path, options: ReadOptions) -> None:
        """Read a file for a slide of the project; an earlier read ends."""
        self._stop.set()
        stop = self._stop = threading.Event()

        def tell(done: int, total: int) -> None:
            if stop.is_set():
                raise CancelledError("The reading of the cells was stopped.", "")
            self.progressed.emit(done, total)

        def look() -> SeenCells:
            with open_slide(record) as slide:
                size, thumbnail = (
                    (slide.info.height_px, slide.info.width_px),
                    slide.thumbnail(_THUMBNAIL_PX),
                )
            return SeenCells(preview_file(record, path, options, tell), options, size, thumbnail)

        self._read.ask(look)

    def stop(self) -> None:
        """End the read that may be under way, without an answer."""
        self._stop.set()
        self._read.forget()

    def close(self) -> None:
        """End it and wait for its thread."""
        self._stop.set()
        self._read.close()


def keep_cells(
    folder: Path, author: str, slide_id: int, cells: CellImport, class_map: ClassMap
) -> CellImportRecord:
    """Store cells and the class map by a connection of its own, so that a thread may do it."""
    with Store(folder, author) as store:
        if class_map != store.class_map.get():
            store.class_map.set(class_map)
        return store.cells.add(slide_id, cells)
