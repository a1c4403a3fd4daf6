"""Lazy pyramid levels of a slide, as napari reads them: chunks of rgb from one capped cache."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from sae_backend.errors import SlideError

if TYPE_CHECKING:
    from desktop_app.canvas.chunk_reader import ChunkReader
    from sae_backend.slides.slide import Slide

CHUNK_PX: Final = 512
COARSEST_PX: Final = 1536
"""napari holds the coarsest level whole, so levels are added until one is at most this wide."""

GAP: Final = 2.9
"""Levels of a file that are further apart than that get virtual ones between them."""

DEFAULT_CACHE_BYTES: Final = 256 << 20

UNREADABLE_GREY: Final = 128
"""Shown where the file can no longer be read; neither tissue nor glass has it as a flat colour."""

NOT_YET_GREY: Final = 236
"""Shown where nothing at all has been read yet."""

Rgb = npt.NDArray[np.uint8]
_ChunkOf = Callable[[int, int, slice, slice], Rgb]


class ChunkCache:
    """Recently used chunks, up to a number of bytes; safe to use from several threads.

    Those of the `kept` level stay: it is the coarsest, which stands in wherever nothing finer has been read.
    """

    def __init__(self, max_bytes: int = DEFAULT_CACHE_BYTES) -> None:
        self._max_bytes = max_bytes
        self._chunks: OrderedDict[tuple[int, int, int], Rgb] = OrderedDict()
        self._lock = threading.Lock()
        self.held_bytes = 0
        self.kept = -1
        self._kept_chunks: dict[tuple[int, int, int], Rgb] = {}

    def get(self, key: tuple[int, int, int]) -> Rgb | None:
        """Return a chunk (level, row, column) and mark it as used, or None."""
        with self._lock:
            if key[0] == self.kept:
                return self._kept_chunks.get(key)
            chunk = self._chunks.get(key)
            if chunk is not None:
                self._chunks.move_to_end(key)
            return chunk

    def put(self, key: tuple[int, int, int], chunk: Rgb) -> None:
        """Keep a chunk, dropping the least recently used ones past the limit."""
        with self._lock:
            if key[0] == self.kept:
                self._kept_chunks[key] = chunk
                return
            if key in self._chunks:
                return
            self._chunks[key] = chunk
            self.held_bytes += chunk.nbytes
            while self.held_bytes > self._max_bytes and len(self._chunks) > 1:
                _, old = self._chunks.popitem(last=False)
                self.held_bytes -= old.nbytes


class SlideLevel:
    """One level, uint8 (h, w, 3), whose pixels are read when they are asked for.

    It has only what napari uses of an array. Levels past and between the file's own are `virtual`: each pixel
    is the mean of 2 x 2 pixels of the level below. `place` counts all levels of the slide, `stored` the file's.
    With a reader, indexing never waits for the file: what is not in the cache is enlarged from a coarser level
    and wished for.
    """

    dtype = np.dtype(np.uint8)
    ndim = 3

    def __init__(
        self,
        slide: Slide,
        stored: int,
        place: int,
        cache: ChunkCache,
        finer: SlideLevel | None = None,
        on_error: Callable[[SlideError], None] | None = None,
        reader: ChunkReader | None = None,
    ) -> None:
        self.shape: tuple[int, int, int]
        self._on_error, self._reader = on_error, reader
        self._slide, self._stored_index, self._index = slide, stored, place
        self._cache, self._finer = cache, finer
        self.coarser: tuple[SlideLevel, ...] = ()
        self.drawn_at = 0
        """How many chunks had arrived from the reader when this level was last drawn."""
        info = slide.info
        if finer is None:
            height, width = info.level_sizes[stored]
            self.downsample = info.level_downsamples[stored]
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
        if self._reader is not None:
            self.drawn_at = self._reader.arrivals
        shown = self._compose(rows.start, cols.start, rows.stop, cols.stop, self._shown)
        return shown[row_rest, col_rest, parts[2]]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        del copy
        whole = self._compose(0, 0, self.shape[0], self.shape[1], self._shown)
        return whole if dtype is None else whole.astype(dtype)

    def read(self, y0: int, x0: int, y1: int, x1: int) -> Rgb:
        """Return the pixels [y0, y1) x [x0, x1) of this level, uint8 (y1 - y0, x1 - x0, 3), from the file.

        Raises
        ------
        SlideError
            If the file can no longer be read.
        """
        return self._compose(y0, x0, y1, x1, lambda row, col, *_part: self.load(row, col))

    def load(self, row: int, col: int) -> Rgb:
        """Return a chunk from the cache, or from the file into the cache; raises `SlideError`."""
        key = (self._index, row, col)
        chunk = self._cache.get(key)
        if chunk is None:
            if self._reader is not None and self._reader.stopped:
                # A coarse chunk can be made of thousands of fine ones, and the slide is to be closed.
                raise SlideError("The slide was closed.", "Open it again.")
            y, x, h, w = self._extent(row, col)
            chunk = self._stored(y, x, h, w) if self._finer is None else self._averaged(y, x, h, w)
            self._cache.put(key, chunk)
        return chunk

    @property
    def whole(self) -> bool:
        """Whether every chunk of this level is in the cache."""
        rows, cols = (-(-length // CHUNK_PX) for length in self.shape[:2])
        return all(
            self._cache.get((self._index, row, col)) is not None for row in range(rows) for col in range(cols)
        )

    def cost_px(self) -> int:
        """How many pixels of the file the whole level takes to read."""
        return self.shape[0] * self.shape[1] if self._finer is None else self._finer.cost_px()

    def _compose(self, y0: int, x0: int, y1: int, x1: int, chunk_of: _ChunkOf) -> Rgb:
        out = np.empty((max(0, y1 - y0), max(0, x1 - x0), 3), np.uint8)
        if out.size == 0:
            return out
        for row in range(y0 // CHUNK_PX, -(-y1 // CHUNK_PX)):
            for col in range(x0 // CHUNK_PX, -(-x1 // CHUNK_PX)):
                top, left, h, w = self._extent(row, col)
                ya, xa = max(y0, top), max(x0, left)
                yb, xb = min(y1, top + h), min(x1, left + w)
                part = slice(ya - top, yb - top), slice(xa - left, xb - left)
                chunk = chunk_of(row, col, *part)
                if chunk.shape[:2] == (h, w):
                    chunk = chunk[part]
                out[ya - y0 : yb - y0, xa - x0 : xb - x0] = chunk
        return out

    def _extent(self, row: int, col: int) -> tuple[int, int, int, int]:
        y, x = row * CHUNK_PX, col * CHUNK_PX
        return y, x, min(CHUNK_PX, self.shape[0] - y), min(CHUNK_PX, self.shape[1] - x)

    def _shown(self, row: int, col: int, rows: slice, cols: slice) -> Rgb:
        """Return a chunk, or the part of it that is wanted, as it can be drawn now."""
        key = (self._index, row, col)
        if self._reader is not None:
            chunk = self._cache.get(key)
            if chunk is not None:
                return chunk
            if self._reader.ask(key, lambda: self.load(row, col)):
                return self._meanwhile(row, col, rows, cols)
        else:
            try:
                return self.load(row, col)
            except SlideError as error:
                if self._on_error is None:
                    raise
                # Drawing goes on, and nothing is kept: the file may come back.
                self._on_error(error)
        return np.full((rows.stop - rows.start, cols.stop - cols.start, 3), UNREADABLE_GREY, np.uint8)

    def _meanwhile(self, row: int, col: int, rows: slice, cols: slice) -> Rgb:
        top, left, *_ = self._extent(row, col)
        h, w = rows.stop - rows.start, cols.stop - cols.start
        for level in self.coarser:
            ratio = self.downsample / level.downsample
            box = tuple(
                ratio * at for at in (top + rows.start, left + cols.start, top + rows.stop, left + cols.stop)
            )
            enlarged = level.enlarged((box[0], box[1], box[2], box[3]), h, w)
            if enlarged is not None:
                return enlarged
        return np.full((h, w, 3), NOT_YET_GREY, np.uint8)

    def enlarged(self, box: tuple[float, float, float, float], h: int, w: int) -> Rgb | None:
        """Return (y0, x0, y1, x1) of this level enlarged to uint8 (h, w, 3); None where it is not in the cache."""
        height, width = self.shape[:2]
        y0, x0 = min(int(box[0]), height - 1), min(int(box[1]), width - 1)
        y1, x1 = max(y0 + 1, min(math.ceil(box[2]), height)), max(x0 + 1, min(math.ceil(box[3]), width))
        held: dict[tuple[int, int], Rgb] = {}
        for row in range(y0 // CHUNK_PX, -(-y1 // CHUNK_PX)):
            for col in range(x0 // CHUNK_PX, -(-x1 // CHUNK_PX)):
                chunk = self._cache.get((self._index, row, col))
                if chunk is None:
                    return None
                held[row, col] = chunk
        picture = self._compose(y0, x0, y1, x1, lambda row, col, *_part: held[row, col])
        # Not mixed: this is drawn for an instant, while the hand moves, and mixing takes four times as long.
        rows = np.minimum(
            (box[0] - y0 + (np.arange(h) + 0.5) * (box[2] - box[0]) / h).astype(np.intp), y1 - y0 - 1
        )
        cols = np.minimum(
            (box[1] - x0 + (np.arange(w) + 0.5) * (box[3] - box[1]) / w).astype(np.intp), x1 - x0 - 1
        )
        return picture.take(rows, axis=0).take(cols, axis=1)

    def _stored(self, y: int, x: int, h: int, w: int) -> Rgb:
        y_l0, x_l0 = round(y * self.downsample), round(x * self.downsample)
        return self._slide.read_region(y_l0, x_l0, self._stored_index, h, w).rgb

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
    slide: Slide,
    cache: ChunkCache | None = None,
    on_error: Callable[[SlideError], None] | None = None,
    reader: ChunkReader | None = None,
) -> list[SlideLevel]:
    """Levels of a slide from fine to coarse in steps of about two, the last at most 1,536 px wide and high.

    With `on_error` a file that can no longer be read is reported there and drawn grey; without it
    `SlideError` is raised. With a `reader` drawing never waits for the file; the reader reports errors.
    """
    cache = cache or ChunkCache()
    levels: list[SlideLevel] = []

    def add(stored: int | None) -> None:
        finer = levels[-1] if stored is None else None
        levels.append(SlideLevel(slide, stored or 0, len(levels), cache, finer, on_error, reader))

    downsamples = slide.info.level_downsamples
    for index, downsample in enumerate(downsamples):
        # napari draws from the level that is finer than the screen: a gap of 4 makes it copy 16 px for each it shows.
        while levels and downsample / levels[-1].downsample > GAP:
            add(None)
        add(index)
    while max(levels[-1].shape[:2]) > COARSEST_PX:
        add(None)
    cache.kept = len(levels) - 1
    for index, level in enumerate(levels):
        level.coarser = tuple(levels[index + 1 :])
    return levels
