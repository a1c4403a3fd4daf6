"""Small pictures of an analysed slide's tiles, as a job."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from sae_backend.cache import read_manifest
from sae_backend.compute.jobs.embed import JobContext
from sae_backend.errors import CacheError
from sae_backend.slides.slide import Slide
from sae_backend.slides.thumbnails import write_thumbnails
from sae_backend.slides.tiles import TileGrid
from sae_backend.worker.requests import ThumbnailsRequest

_STAGE: Final = "make small pictures"


def run_thumbnails(request: ThumbnailsRequest, watch: JobContext) -> dict[str, Any]:
    """Make the pictures of the tiles that an analysis was made of.

    Raises
    ------
    MismatchError
        When the analysis is of another slide.
    CacheError, SlideError, CancelledError
    """
    grid = _grid_of(Path(request.analysis_dir))

    def step(done: int, total: int) -> None:
        watch.check()
        watch.progress(_STAGE, done, total)

    with Slide.open(Path(request.slide), request.mpp) as slide:
        made = write_thumbnails(slide, grid, Path(request.cache_dir), step)
    return {"thumbnail_dir": str(made.folder), "n_tiles": made.n_tiles}


def _grid_of(folder: Path) -> TileGrid:
    try:
        return TileGrid.from_json(read_manifest(folder)["grid"])
    except (KeyError, TypeError, ValueError) as error:
        raise CacheError(
            f"{folder.name} does not say where its tiles lie.", "Run the analysis again."
        ) from error
