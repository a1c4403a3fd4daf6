"""Tile vectors of one slide, memory-mapped, written batch by batch so that a kill loses one batch."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from io import FileIO
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from filelock import FileLock, Timeout

from sae_backend.atomic_write import disk_errors, write_text_atomic
from sae_backend.cache import commit_folder, read_manifest
from sae_backend.errors import CacheError, MismatchError
from sae_backend.models.cards import EncoderCard, digest_of
from sae_backend.slides.slide import TileStatus
from sae_backend.slides.tiles import TileGrid

VECTORS: Final = "vectors.f32"
STATUS: Final = "status.u8"
_PLAN: Final = "plan.json"


def embedding_key(grid: TileGrid, card: EncoderCard) -> str:
    """Digest of all that decides the vectors: the grid (so the slide) and the encoder."""
    return digest_of({"grid": grid.digest, "encoder": card.digest})[:32]


def tiles_digest(grids: Iterable[TileGrid]) -> str:
    """Digest of slides and their tiles, whatever encoder read them and in whatever order they are named."""
    return digest_of(sorted({grid.digest for grid in grids}))[:32]


@dataclass(frozen=True)
class Embeddings:
    """Finished vectors of one slide.

    `vectors` is a read-only float32 memory map (N, d); rows of bad tiles are NaN. `status` is
    uint8 (N,) of :class:`~sae_backend.slides.slide.TileStatus`.
    """

    folder: Path
    grid: TileGrid
    card: EncoderCard
    digest: str
    vectors: npt.NDArray[np.float32]
    status: npt.NDArray[np.uint8]

    @cached_property
    def valid(self) -> npt.NDArray[np.bool_]:
        """True (N,) where a tile has a vector."""
        return self.status == TileStatus.OK

    @property
    def status_counts(self) -> dict[str, int]:
        """Number of tiles by status name, in lower case."""
        return count_status(self.status)

    @classmethod
    def open(cls, folder: Path, *, verify: bool = False) -> Embeddings:
        """Open a committed folder; `verify` recomputes its checksums.

        Raises
        ------
        CacheError
            When it is unfinished or damaged.
        """
        manifest = read_manifest(folder, verify=verify)
        try:
            grid = TileGrid.from_json(manifest["grid"])
            card = EncoderCard.from_json(manifest["encoder"])
            shape = (grid.n_tiles, card.width)
            vectors = np.memmap(folder / VECTORS, "<f4", "r", shape=shape)
            status = np.fromfile(folder / STATUS, np.uint8, grid.n_tiles)
            return cls(folder, grid, card, manifest["digest"], vectors, status)
        except (OSError, ValueError, KeyError) as error:
            raise CacheError(f"{folder.name} is damaged.", "Run the analysis again.") from error


def count_status(status: npt.NDArray[np.uint8]) -> dict[str, int]:
    """Number of tiles by status name, in lower case."""
    found = Counter(status.tolist())
    return {TileStatus(code).name.lower(): n for code, n in sorted(found.items())}


def _holds(path: Path, plan: dict[str, Any]) -> bool:
    try:
        return bool(json.loads(path.read_text(encoding="utf-8")) == plan)
    except (FileNotFoundError, ValueError):
        return False


def _write_at(file: FileIO, offset: int, content: bytes) -> None:
    """Write all of `content` and wait until the disk has it."""
    file.seek(offset)
    view = memoryview(content)
    while view:
        view = view[file.write(view) :]
    os.fsync(file.fileno())


class EmbeddingWriter:
    """Vectors in the making.

    Batches have fixed bounds, [b * batch, (b + 1) * batch), so that a resumed run computes the
    very same batches as an uninterrupted one, and its numbers are identical.
    """

    def __init__(self, final: Path, grid: TileGrid, card: EncoderCard, batch: int) -> None:
        self.final = final
        self.grid = grid
        self.card = card
        self._partial = final.with_name(final.name + ".partial")
        # The system lets go of this lock when the process dies, however it dies.
        self._lock = FileLock(final.with_name(final.name + ".lock"))
        plan = {"key": embedding_key(grid, card), "batch": batch, "n": grid.n_tiles, "width": card.width}
        with disk_errors(final):
            final.parent.mkdir(parents=True, exist_ok=True)
            self._take_lock()
            self._prepare(plan)
            self.batch = batch
            # Unbuffered: a buffer that the full disk refused would be tried again on closing.
            self._vectors = (self._partial / VECTORS).open("rb+", buffering=0)
            self._status = (self._partial / STATUS).open("rb+", buffering=0)
            self.status = np.fromfile(self._partial / STATUS, np.uint8)

    def _take_lock(self) -> None:
        try:
            self._lock.acquire(timeout=0)
        except Timeout as error:
            raise CacheError(
                "Another program is embedding this slide into the same project.",
                "Wait until it is done; this run then takes its result.",
            ) from error

    def _prepare(self, plan: dict[str, Any]) -> None:
        self._partial.mkdir(parents=True, exist_ok=True)
        path = self._partial / _PLAN
        n_tiles, width = self.grid.n_tiles, self.card.width
        sizes = {VECTORS: n_tiles * width * 4, STATUS: n_tiles}
        if _holds(path, plan) and all(
            (self._partial / name).is_file() and (self._partial / name).stat().st_size == size
            for name, size in sizes.items()
        ):
            return
        path.unlink(missing_ok=True)
        (self._partial / VECTORS).write_bytes(b"")
        os.truncate(self._partial / VECTORS, sizes[VECTORS])
        (self._partial / STATUS).write_bytes(bytes([TileStatus.PENDING]) * n_tiles)
        write_text_atomic(path, json.dumps(plan))

    def pending_batches(self) -> list[tuple[int, int]]:
        """Bounds (start, stop) of the batches that are not finished, in order."""
        n_tiles = self.grid.n_tiles
        bounds = [(a, min(a + self.batch, n_tiles)) for a in range(0, n_tiles, self.batch)]
        return [(a, b) for a, b in bounds if (self.status[a:b] == TileStatus.PENDING).any()]

    def write(self, start: int, vectors: npt.NDArray[np.float32], status: npt.NDArray[np.uint8]) -> None:
        """Store one batch: vectors (n, d) and status (n,) from tile `start` on.

        The status follows the vectors onto the disk, so a tile marked done has its vector.
        """
        if vectors.shape != (status.size, self.card.width):
            raise MismatchError(
                f"A batch of {status.size} tiles came with vectors of shape {vectors.shape}.",
                "The encoder's card and its output disagree; report this encoder.",
            )
        stored = np.where((status == TileStatus.OK)[:, None], vectors, np.float32("nan"))
        with disk_errors(self.final):
            _write_at(self._vectors, start * self.card.width * 4, stored.astype("<f4").tobytes())
            _write_at(self._status, start, status.astype(np.uint8).tobytes())
        self.status[start : start + status.size] = status

    def close(self) -> None:
        """Release the files and the lock; what was written stays for the next run."""
        self._close_files()
        self._lock.release()

    def _close_files(self) -> None:
        self._vectors.close()
        self._status.close()

    def commit(self) -> Embeddings:
        """Seal the folder and open it.

        The plan stays in it: a run that dies while sealing finds its finished batches again.
        """
        self._close_files()
        key = embedding_key(self.grid, self.card)
        manifest = {
            "kind": "embeddings",
            "digest": key,
            "grid": self.grid.to_json(),
            "encoder": self.card.to_json(),
            "dtype": "<f4",
            "shape": [self.grid.n_tiles, self.card.width],
            "status_counts": count_status(self.status),
        }
        commit_folder(self._partial, self.final, manifest)
        return Embeddings.open(self.final)
