"""Read tiles in threads, run them through an encoder, store the vectors; resumes where it stopped."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from threadpoolctl import threadpool_limits

from sae_backend.activations.embeddings import Embeddings, EmbeddingWriter, embedding_key
from sae_backend.cache import is_committed
from sae_backend.compute.encoders.tile_encoder import TileEncoder
from sae_backend.errors import CancelledError
from sae_backend.slides.pyramid import read_box
from sae_backend.slides.slide import Slide, TileStatus
from sae_backend.slides.tiles import TileGrid

_READERS: Final = 2
_QUEUED_BATCHES: Final = 3


def _silent(_stage: str, _done: int, _total: int) -> None:
    pass


@dataclass(frozen=True)
class JobContext:
    """How a job reports and how it learns that it is no longer wanted."""

    progress: Callable[[str, int, int], None] = _silent
    cancelled: Callable[[], bool] = lambda: False

    def check(self) -> None:
        """Raise `CancelledError` when the job was cancelled."""
        if self.cancelled():
            raise CancelledError("The job was cancelled.", "What was finished is kept; start again to go on.")


@dataclass(frozen=True)
class TileBatch:
    """Pixels of some tiles, uint8 (size, side, side, 3), white past the last and where unreadable.

    `tiles` and `status` (uint8 of TileStatus) hold the n <= size tiles asked for.
    """

    tiles: npt.NDArray[np.int64]
    pixels: npt.NDArray[np.uint8]
    status: npt.NDArray[np.uint8]


def read_tiles(slide: Slide, grid: TileGrid, tiles: npt.NDArray[np.int64], size: int) -> TileBatch:
    """Read tiles of a grid as an encoder is given them, in a batch padded to `size`."""
    side = grid.spec.tile_px
    # The last batch is padded to the full size: its shape, and so its arithmetic, is always the same.
    pixels = np.full((size, side, side, 3), 255, np.uint8)
    status = np.empty(tiles.size, np.uint8)
    origins = grid.origins_l0()[tiles]
    for i, (y, x) in enumerate(origins):
        tile = read_box(slide, (float(y), float(x), grid.tile_l0, grid.tile_l0), (side, side))
        status[i] = tile.status
        if tile.status == TileStatus.OK:
            pixels[i] = tile.rgb
    return TileBatch(tiles, pixels, status)


def read_batches(
    slide: Slide, grid: TileGrid, parts: Iterable[npt.NDArray[np.int64]], size: int
) -> Iterator[TileBatch]:
    """Batches of tiles in order, read ahead by a bounded number of threads."""
    with ThreadPoolExecutor(_READERS, thread_name_prefix="tile-reader") as pool:
        waiting: deque[Future[TileBatch]] = deque()
        try:
            for tiles in parts:
                waiting.append(pool.submit(read_tiles, slide, grid, tiles, size))
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
    watch: JobContext,
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
        # Scaling a tile is a product of small matrices, for which the threads of the linear algebra get in
        # each other's way on a busy machine; the encoder has threads of its own.
        with threadpool_limits(1, user_api="blas"):
            for item in read_batches(slide, grid, (np.arange(*ends) for ends in bounds), batch):
                watch.check()
                vectors = encoder.encode(item.pixels, device)[: item.status.size]
                writer.write(int(item.tiles[0]), vectors, item.status)
                done += item.status.size
                watch.progress("embed tiles", done, grid.n_tiles)
        return writer.commit()
    finally:
        writer.close()
