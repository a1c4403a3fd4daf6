"""Lazy pyramid levels of a slide, as napari reads them: chunks of rgb from one capped cache."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from sae_backend.errors import SlideError

if TYPE_CHECKING:
    from sae_backend.slide import Slide

CHUNK_PX: Final = 512
COARSEST_PX: Final = 1536
"""napari holds the coarsest level whole, so levels are added until one is at most this wide."""

DEFAULT_CACHE_BYTES: Final = 256 << 20

UNREADABLE_GREY: Final = 128
"""Shown where the file can no longer be read; neither tissue nor glass has it as a flat colour."""

Rgb = npt.NDArray[np.uint8]


class ChunkCache:
    """Recently used chunks, up to a number of bytes; safe to use from several threads."""

    def __init__(self, max_bytes: int = DEFAULT_CACHE_BYTES) -> None:
        self._max_bytes = max_bytes
        self._chunks: OrderedDict[tuple[int, int, int], Rgb] = OrderedDict()
        self._lock = threading.Lock()
        self.held_bytes = 0
        self.failures = 0

    def get(self, key: tuple[int, int, int]) -> Rgb | None:
        """Return a chunk (level, row, column) and mark it as used, or None."""
        with self._lock:
            chunk = self._chunks.get(key)
            if chunk is not None:
                self._chunks.move_to_end(key)
            return chunk

    def put(self, key: tuple[int, int, int], chunk: Rgb) -> None:
        """Keep a chunk, dropping the least recently used ones past the limit."""
        with self._lock:
            if key in self._chunks:
                return
            self._chunks[key] = chunk
            self.held_bytes += chunk.nbytes
            while self.held_bytes > self._max_bytes and len(self._chunks) > 1:
                _, old = self._chunks.popitem(last=False)
                self.held_bytes -= old.nbytes


class SlideLevel:
    """One level, uint8 (h, w, 3), whose pixels are read when they are asked for.

    It has only what napari uses of an array. Levels past the file's own are `virtual`: each pixel
    is the mean of 2 x 2 pixels of the level below.
    """

    dtype = np.dtype(np.uint8)
    ndim = 3

    def __init__(
        self,
        slide: Slide,
        index: int,
        cache: ChunkCache,
        finer: SlideLevel | None = None,
        on_error: Callable[[SlideError], None] | None = None,
    ) -> None:
        self.shape: tuple[int, int, int]
        self._on_error = on_error
        self._slide, self._index, self._cache, self._finer = slide, index, cache, finer
        info = slide.info
        if finer is None:
            height, width = info.level_sizes[index]
            self.downsample = info.level_downsamples[index]
        else:
            height, width = -(-finer.shape[0] // 2), -(-finer.shape[1] // 2)
            self.downsample = finer.downsample * 2
        self.shape = (height, width, 3)
        self.size = height * width * 3
        self.chunks = (min(CHUNK_PX, height), min(CHUNK_PX, width), 3)

    @property
    def virtual(self) -> bool:
        """Whether this level is computed from a finer one rather than stored in the file."""
        return self._finer is not None

    def __getitem__(self, key: Any) -> Any:
        parts = key if isinstance(key, tuple) else (key,)
        if Ellipsis in parts:
            at = parts.index(Ellipsis)
            parts = parts[:at] + (slice(None),) * (self.ndim - len(parts) + 1) + parts[at + 1 :]
        parts = parts + (slice(None),) * (self.ndim - len(parts))
        rows, row_rest = _span(parts[0], self.shape[0])
        cols, col_rest = _span(parts[1], self.shape[1])
        return self.read(rows.start, cols.start, rows.stop, cols.stop)[row_rest, col_rest, parts[2]]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        del copy
        whole = self.read(0, 0, self.shape[0], self.shape[1])
        return whole if dtype is None else whole.astype(dtype)

    def read(self, y0: int, x0: int, y1: int, x1: int) -> Rgb:
        """Return the pixels [y0, y1) x [x0, x1) of this level, uint8 (y1 - y0, x1 - x0, 3)."""
        out = np.full((max(0, y1 - y0), max(0, x1 - x0), 3), 255, np.uint8)
        if out.size == 0:
            return out
        for row in range(y0 // CHUNK_PX, -(-y1 // CHUNK_PX)):
            for col in range(x0 // CHUNK_PX, -(-x1 // CHUNK_PX)):
                chunk = self._chunk(row, col)
                top, left = row * CHUNK_PX, col * CHUNK_PX
                ya, xa = max(y0, top), max(x0, left)
                yb, xb = min(y1, top + chunk.shape[0]), min(x1, left + chunk.shape[1])
                out[ya - y0 : yb - y0, xa - x0 : xb - x0] = chunk[ya - top : yb - top, xa - left : xb - left]
        return out

    def _chunk(self, row: int, col: int) -> Rgb:
        key = (self._index, row, col)
        chunk = self._cache.get(key)
        if chunk is None:
            y, x = row * CHUNK_PX, col * CHUNK_PX
            h, w = min(CHUNK_PX, self.shape[0] - y), min(CHUNK_PX, self.shape[1] - x)
            failures = self._cache.failures
            try:
                chunk = self._stored(y, x, h, w) if self._finer is None else self._averaged(y, x, h, w)
            except SlideError as error:
                if self._on_error is None:
                    raise
                # Drawing goes on, and nothing is kept: the file may come back.
                self._on_error(error)
                self._cache.failures += 1
                return np.full((h, w, 3), UNREADABLE_GREY, np.uint8)
            # A virtual chunk made of unreadable ones must not outlive the failure either.
            if self._cache.failures == failures:
                self._cache.put(key, chunk)
        return chunk

    def _stored(self, y: int, x: int, h: int, w: int) -> Rgb:
        y_l0, x_l0 = round(y * self.downsample), round(x * self.downsample)
        return self._slide.read_region(y_l0, x_l0, self._index, h, w).rgb

    def _averaged(self, y: int, x: int, h: int, w: int) -> Rgb:
        assert self._finer is not None
        height, width = self._finer.shape[:2]
        fine = self._finer.read(2 * y, 2 * x, min(2 * (y + h), height), min(2 * (x + w), width))
        # An odd edge has one pixel where there should be two: it stands for both.
        fine = np.pad(fine, ((0, 2 * h - fine.shape[0]), (0, 2 * w - fine.shape[1]), (0, 0)), mode="edge")
        mean = fine.reshape(h, 2, w, 2, 3).mean(axis=(1, 3), dtype=np.float32)
        return np.rint(mean).astype(np.uint8)


def _span(part: Any, length: int) -> tuple[slice, Any]:
    if isinstance(part, slice):
        start, stop, step = part.indices(length)
        if step < 1:
            raise IndexError("levels are read forwards")
        return slice(start, max(start, stop)), slice(None, None, step)
    index = int(part)
    if not -length <= index < length:
        raise IndexError(f"index {index} is out of range for {length} pixels")
    index %= length
    return slice(index, index + 1), 0


def slide_levels(
    slide: Slide, cache: ChunkCache | None = None, on_error: Callable[[SlideError], None] | None = None
) -> list[SlideLevel]:
    """Levels of a slide from fine to coarse, the last at most 1,536 px wide and high.

    With `on_error` a file that can no longer be read is reported there and drawn grey; without it
    `SlideError` is raised.
    """
    cache = cache or ChunkCache()
    levels = [
        SlideLevel(slide, index, cache, on_error=on_error) for index in range(len(slide.info.level_sizes))
    ]
    while max(levels[-1].shape[:2]) > COARSEST_PX:
        # Virtual levels let errors pass down to the stored one, which reports them once.
        levels.append(SlideLevel(slide, len(levels), cache, finer=levels[-1]))
    return levels
