"""Small pictures of all tiles of one grid in a single file, so that a gallery never reads the slide."""

from __future__ import annotations

import io
import json
import os
from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from filelock import FileLock, Timeout
from PIL import Image
from threadpoolctl import threadpool_limits

from sae_backend.atomic_write import disk_errors, write_text_atomic
from sae_backend.cache import commit_folder, is_committed, read_manifest
from sae_backend.errors import CacheError, MismatchError, UserInputError
from sae_backend.models.cards import digest_of
from sae_backend.slides.pyramid import read_box
from sae_backend.slides.slide import Slide, TileStatus
from sae_backend.slides.tiles import TileGrid

SIDE_PX: Final = 112
QUALITY: Final = 85
_JPEG: Final = "jpeg.bin"
_OFFSETS: Final = "offsets.bin"
_STATE: Final = "state.json"
_UNREAD_GREY: Final = 200
_READERS: Final = 2
_READ_TILES: Final = 16
_QUEUED_READS: Final = 6
_SEALED_TILES: Final = 1000

Step = Callable[[int, int], None]


def side_px(grid: TileGrid) -> int:
    """Side of the pictures in px: 112, or what the slide has of a tile where that is less."""
    return min(SIDE_PX, max(1, int(grid.tile_l0)))


def thumbnail_key(grid: TileGrid) -> str:
    """Digest of a pack: of the slide, the tiles and the side of the pictures."""
    parts = {"slide": grid.slide_fingerprint, "grid": grid.digest, "side_px": side_px(grid)}
    return digest_of(parts)[:32]


def thumbnail_folder(cache_dir: Path, grid: TileGrid) -> Path:
    """Where the pack of a grid lies, or would lie."""
    return cache_dir / "thumbnails" / thumbnail_key(grid)


@dataclass(frozen=True)
class Thumbnails:
    """The finished pictures of the N tiles of one grid."""

    folder: Path
    grid_digest: str
    side_px: int
    _offsets: npt.NDArray[np.int64]
    _content: npt.NDArray[np.uint8]

    @property
    def n_tiles(self) -> int:
        """Number of tiles, N."""
        return int(self._offsets.size) - 1

    def jpeg(self, tile: int) -> bytes:
        """The picture of a tile as a JPEG file; empty where the slide could not be read.

        Raises
        ------
        UserInputError
            When there is no such tile.
        """
        if not 0 <= tile < self.n_tiles:
            raise UserInputError(
                f"There is no tile {tile}.", f"This slide has tiles 0 to {self.n_tiles - 1}."
            )
        start, stop = self._offsets[tile : tile + 2]
        return self._content[start:stop].tobytes()

    def rgb(self, tile: int) -> npt.NDArray[np.uint8]:
        """The picture of a tile, uint8 (side_px, side_px, 3); grey where the slide could not be read.

        Raises
        ------
        UserInputError
            When there is no such tile.
        CacheError
            When the picture is damaged.
        """
        content = self.jpeg(tile)
        if not content:
            return np.full((self.side_px, self.side_px, 3), _UNREAD_GREY, np.uint8)
        try:
            with Image.open(io.BytesIO(content), formats=["JPEG"]) as image:
                return np.asarray(image.convert("RGB"))
        except (OSError, SyntaxError, ValueError) as error:
            raise CacheError(
                f"The picture of tile {tile} is damaged.",
                "Delete the cache's thumbnails; they are made again.",
            ) from error

    @classmethod
    def open(cls, folder: Path) -> Thumbnails:
        """Open a committed pack; its checksums are not recomputed, because that reads all of it.

        Raises
        ------
        CacheError
            When it is unfinished, or its files are not as long as they should be.
        """
        manifest = read_manifest(folder)
        try:
            n_tiles, n_bytes = int(manifest["n_tiles"]), int(manifest["n_bytes"])
            offsets = np.fromfile(folder / _OFFSETS, "<i8").astype(np.int64)
            lengths = (offsets.size, (folder / _JPEG).stat().st_size, int(offsets[-1]))
            if lengths != (n_tiles + 1, n_bytes, n_bytes):
                raise ValueError("the lengths differ")
            content = (
                np.memmap(folder / _JPEG, np.uint8, "r", shape=(n_bytes,))
                if n_bytes
                else np.zeros(0, np.uint8)
            )
            return cls(folder, str(manifest["grid_digest"]), int(manifest["side_px"]), offsets, content)
        except (OSError, ValueError, KeyError, IndexError) as error:
            raise CacheError(
                f"{folder.name} is damaged.", "Delete the cache's thumbnails; they are made again."
            ) from error


class _Pack:
    """A pack in the making.

    `state.json` is written after the pictures that it counts, so a killed run goes on from there and
    what lies behind it in the files is cut off.
    """

    def __init__(self, final: Path, grid: TileGrid) -> None:
        self._final = final
        self._grid = grid
        self._partial = final.with_name(final.name + ".partial")
        self._identity = {"key": thumbnail_key(grid), "n_tiles": grid.n_tiles, "quality": QUALITY}
        self._lock = FileLock(final.with_name(final.name + ".lock"))
        with disk_errors(final):
            final.parent.mkdir(parents=True, exist_ok=True)
            self._take_lock()
            self._partial.mkdir(exist_ok=True)
            self.done, self._n_bytes = self._read_state()
            if self.done == 0:
                (self._partial / _JPEG).write_bytes(b"")
                (self._partial / _OFFSETS).write_bytes(bytes(8))
            os.truncate(self._partial / _JPEG, self._n_bytes)
            os.truncate(self._partial / _OFFSETS, 8 * (self.done + 1))

    def _take_lock(self) -> None:
        try:
            self._lock.acquire(timeout=0)
        except Timeout as error:
            raise CacheError(
                "Another program is making the small pictures of this slide in the same project.",
                "Wait until it is done; this run then takes its result.",
            ) from error

    def _read_state(self) -> tuple[int, int]:
        try:
            state: dict[str, Any] = json.loads((self._partial / _STATE).read_text(encoding="utf-8"))
            done, n_bytes = int(state.pop("done")), int(state.pop("n_bytes"))
            sizes = ((self._partial / _JPEG).stat().st_size, (self._partial / _OFFSETS).stat().st_size)
        except (FileNotFoundError, ValueError, KeyError):
            return 0, 0
        fits = state == self._identity and sizes[0] >= n_bytes and sizes[1] >= 8 * (done + 1)
        return (done, n_bytes) if fits else (0, 0)

    def append(self, pictures: list[bytes]) -> None:
        """Store the next tiles' pictures and wait until the disk has them."""
        ends = self._n_bytes + np.cumsum([len(picture) for picture in pictures], dtype=np.int64)
        with disk_errors(self._final):
            self._add(_JPEG, b"".join(pictures))
            self._add(_OFFSETS, ends.astype("<i8").tobytes())
            self.done, self._n_bytes = self.done + len(pictures), int(ends[-1])
            state = {**self._identity, "done": self.done, "n_bytes": self._n_bytes}
            write_text_atomic(self._partial / _STATE, json.dumps(state))

    def _add(self, name: str, content: bytes) -> None:
        with (self._partial / name).open("ab") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())

    def commit(self) -> Thumbnails:
        """Seal the folder and open it."""
        manifest = {
            "kind": "thumbnails",
            "digest": thumbnail_key(self._grid),
            "slide_fingerprint": self._grid.slide_fingerprint,
            "grid_digest": self._grid.digest,
            "n_tiles": self._grid.n_tiles,
            "n_bytes": self._n_bytes,
            "side_px": side_px(self._grid),
            "quality": QUALITY,
        }
        commit_folder(self._partial, self._final, manifest)
        return Thumbnails.open(self._final)

    def close(self) -> None:
        """Release the lock; what was stored stays for the next run."""
        self._lock.release()


def _read(slide: Slide, grid: TileGrid, start: int, stop: int) -> list[bytes]:
    side = side_px(grid)
    pictures = []
    for y, x in grid.origins_l0()[start:stop]:
        found = read_box(slide, (float(y), float(x), grid.tile_l0, grid.tile_l0), (side, side))
        buffer = io.BytesIO()
        if found.status == TileStatus.OK:
            Image.fromarray(found.rgb).save(buffer, "JPEG", quality=QUALITY, optimize=True)
        pictures.append(buffer.getvalue())
    return pictures


def _pictures(slide: Slide, grid: TileGrid, first: int) -> Generator[list[bytes]]:
    """Pictures from tile `first` on in order, a few at a time, read ahead by a bounded number of threads."""
    with ThreadPoolExecutor(_READERS, thread_name_prefix="picture-reader") as pool:
        waiting: deque[Future[list[bytes]]] = deque()
        try:
            for start in range(first, grid.n_tiles, _READ_TILES):
                stop = min(start + _READ_TILES, grid.n_tiles)
                waiting.append(pool.submit(_read, slide, grid, start, stop))
                if len(waiting) >= _QUEUED_READS:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _fill(pack: _Pack, slide: Slide, grid: TileGrid, step: Step) -> None:
    fresh: list[bytes] = []
    # Closed here, so that no thread still reads when the caller closes the slide.
    with closing(_pictures(slide, grid, pack.done)) as pictures:
        for some in pictures:
            fresh += some
            step(pack.done + len(fresh), grid.n_tiles)
            if len(fresh) >= _SEALED_TILES:
                pack.append(fresh)
                fresh = []
    if fresh:
        pack.append(fresh)


def write_thumbnails(slide: Slide, grid: TileGrid, cache_dir: Path, step: Step | None = None) -> Thumbnails:
    """Make the small pictures of all tiles, or return what an earlier run finished.

    Parameters
    ----------
    slide
        The open slide.
    grid
        Its tiles.
    cache_dir
        The pack goes to `thumbnails/<key>` in it.
    step
        Called with (tiles done, tiles in all); what it raises ends the work. At most 1,000 tiles are
        then lost: the next run goes on from there.

    Raises
    ------
    MismatchError
        When the grid belongs to another slide.
    CacheError
        When the disk refuses, or another program makes the same pack.
    SlideError
        When the slide can no longer be read.
    """
    if slide.info.fingerprint != grid.slide_fingerprint:
        raise MismatchError(
            f"{slide.info.path.name} is not the slide that these tiles were cut from.",
            "Relocate the slide to the file that was analysed, or analyse this one.",
        )
    step = step or (lambda _done, _total: None)
    final = thumbnail_folder(cache_dir, grid)
    if is_committed(final):
        step(grid.n_tiles, grid.n_tiles)
        return Thumbnails.open(final)
    pack = _Pack(final, grid)
    try:
        step(pack.done, grid.n_tiles)
        # Scaling a tile is a product of small matrices, for which the threads of the linear algebra get in
        # each other's way: with two of them on two busy cores it took eight times as long.
        with threadpool_limits(1, user_api="blas"):
            _fill(pack, slide, grid, step)
        return pack.commit()
    finally:
        pack.close()
