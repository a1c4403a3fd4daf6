"""Write an atlas: whole or not at all, with word of how far it is, and a way to stop it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from desktop_app.export.atlas.html import write_web_page
from desktop_app.export.atlas.pages import atlas_pages
from desktop_app.export.atlas.pdf import write_pdf
from desktop_app.export.atlas.source import AtlasSource
from desktop_app.project.analysis_jobs import open_slide
from sae_backend.atomic_write import open_atomic
from sae_backend.errors import UserInputError

_WRITERS: Final = {".html": write_web_page, ".htm": write_web_page, ".pdf": write_pdf}


def check_atlas_name(path: Path) -> None:
    """Refuse, before the work, a file name that says neither web page nor PDF.

    Raises
    ------
    UserInputError
        When it does not end in .html or .pdf.
    """
    if path.suffix.lower() not in _WRITERS:
        raise UserInputError(
            f"An atlas is written as .html or .pdf, and {path.name} is neither.", "Change the name."
        )


def write_atlas(
    source: AtlasSource,
    path: Path,
    progress: Callable[[int, int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> int:
    """Write the atlas as a web page or as PDF, by the file's suffix; returns the number of features.

    It opens the slide itself and needs no store, so any thread may do it.

    Parameters
    ----------
    source
        What the project says.
    path
        The file.
    progress
        Told (done, total) after each feature, in this thread.
    cancelled
        Asked before each feature, in this thread; True ends the work and leaves no file.

    Raises
    ------
    UserInputError
        For another suffix.
    SlideError
        When the slide is gone or another.
    CancelledError
        When `cancelled` says so.
    CacheError
        When the file cannot be written.
    """
    check_atlas_name(path)
    write = _WRITERS[path.suffix.lower()]
    with open_slide(source.slide) as slide, open_atomic(path) as file:
        write(source, atlas_pages(source, slide, progress, cancelled), file)
    return len(source.numbers)
