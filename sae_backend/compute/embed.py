"""Read tiles in threads, run them through an encoder, store the vectors; resumes where it stopped."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import torch

from sae_backend.cache import is_committed
from sae_backend.compute.encoders import TileEncoder
from sae_backend.embeddings import Embeddings, EmbeddingWriter, embedding_key
from sae_backend.errors import CancelledError
from sae_backend.pyramid import read_box
from sae_backend.slide import Slide, TileStatus
from sae_backend.tiles import TileGrid

_READERS: Final = 2
_QUEUED_BATCHES: Final = 3


def _silent(_stage: str, _done: int, _total: int) -> None:
    pass


@dataclass(frozen=True)
class Watch:
    """How a job reports and how it learns that it is no longer wanted."""

    progress: Callable[[str, int, int], None] = _silent
    cancelled: Callable[[], bool] = lambda: False

    def check(self) -> None:
        """Raise `CancelledError` when the job was cancelled."""
        if self.cancelled():
            raise CancelledError("The job was cancelled.", "What was finished is kept; start again to go on.")


@dataclass(frozen=True)
class _Batch:
    start: int
    pixels: npt.NDArray[np.uint8]
    status: npt.NDArray[np.uint8]


def _read(slide: Slide, grid: TileGrid, start: int, stop: int, size: int) -> _Batch:
    side = grid.spec.tile_px
    # The last batch is padded to the full size: its shape, and so its arithmetic, is always the same.
    pixels = np.full((size, side, side, 3), 255, np.uint8)
    status = np.empty(stop - start, np.uint8)
    origins = grid.origins_l0()[start:stop]
    for i, (y, x) in enumerate(origins):
        tile = read_box(slide, (float(y), float(x), grid.tile_l0, grid.tile_l0), (side, side))
        status[i] = tile.status
        if tile.status == TileStatus.OK:
            pixels[i] = tile.rgb
    return _Batch(start, pixels, status)


def _batches(slide: Slide, grid: TileGrid, bounds: list[tuple[int, int]], size: int) -> Iterator[_Batch]:
    """Batches in order, read ahead by a bounded number of threads."""
    with ThreadPoolExecutor(_READERS, thread_name_prefix="tile-reader") as pool:
        waiting: deque[Future[_Batch]] = deque()
        ahead = iter(bounds)
        try:
            for start, stop in ahead:
                waiting.append(pool.submit(_read, slide, grid, start, stop, size))
                if len(waiting) >= _QUEUED_BATCHES:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def embed(
    slide: Slide,
    grid: TileGrid,
    encoder: TileEncoder,
    cache_dir: Path,
    device: torch.device,
    batch: int,
    watch: Watch,
) -> Embeddings:
    """Embed the tiles of a grid, or return what an earlier run finished.

    Bad tiles (missing, corrupt, outside) never reach the model's output: their rows are NaN, their
    status says why. A killed or cancelled run leaves its finished batches for the next one.

    Raises
    ------
    CancelledError, SlideError, CacheError
    """
    final = cache_dir / "embeddings" / embedding_key(grid, encoder.card)
    if is_committed(final):
        watch.progress("embed tiles", grid.n_tiles, grid.n_tiles)
        return Embeddings.open(final)
    writer = EmbeddingWriter(final, grid, encoder.card, batch)
    try:
        bounds = writer.pending_batches()
        done = grid.n_tiles - sum(stop - start for start, stop in bounds)
        watch.progress("embed tiles", done, grid.n_tiles)
        for item in _batches(slide, grid, bounds, batch):
            watch.check()
            vectors = encoder.encode(item.pixels, device)[: item.status.size]
            writer.write(item.start, vectors, item.status)
            done += item.status.size
            watch.progress("embed tiles", done, grid.n_tiles)
        return writer.commit()
    finally:
        writer.close()
