"""A cell file as a stream: unpacked in blocks, with its digest and how far it has been read."""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final, Literal

from sae_backend.cells.parsing.snappy import FRAMED_START, looks_raw, unpack_frames, unpack_raw
from sae_backend.errors import CellsError

Progress = Callable[[int, int], None]
"""Called with the bytes read and the bytes there are; what it raises stops the reading."""

Packing = Literal["plain", "gzip", "zip", "snappy frames", "snappy", "arrays"]

BLOCK_BYTES: Final = 1 << 20
HEAD_BYTES: Final = 64 << 10
MOST_EXPANSION: Final = 200
"""Coordinates shrink to a tenth or so; what grows this much was made to fill the memory."""
FREE_EXPANSION_BYTES: Final = 64 << 20

_ZIP_START: Final = b"PK\x03\x04"
_EMPTY_ZIP: Final = b"PK\x05\x06"
_COPY_HINT: Final = "Copy or compress it again."
_TEXT_ENDS: Final = (".json", ".geojson", ".csv", ".tsv", ".txt")


class CellSource:
    """The content of a cell file.

    Parameters
    ----------
    path
        The file.
    progress
        Told of the bytes read, and may stop the reading by raising.

    Attributes
    ----------
    name, size_bytes
        Name of the file for messages, and its size.
    packing
        How the content is packed, told by its first bytes.
    raw_head, head
        The first 64 KiB of the file and of its content.

    Raises
    ------
    CellsError
        If the file cannot be read, is empty, or is a damaged archive.
    """

    def __init__(self, path: Path, progress: Progress | None = None) -> None:
        self.path = path
        self.name = path.name
        self._progress = progress
        self._sha256 = ""
        self._told = (0, 1)
        try:
            if path.is_dir():
                raise CellsError(f"{path.name} is a folder.", "Choose a file with cells.")
            self.size_bytes = path.stat().st_size
            with path.open("rb") as file:
                self.raw_head = file.read(HEAD_BYTES)
        except OSError as error:
            raise self._unreadable(error) from error
        if not self.raw_head.removeprefix(b"\xef\xbb\xbf").strip():
            raise CellsError(
                f"{self.name} is empty.", "Choose a file with cells: GeoJSON, JSON, CSV, Parquet."
            )
        self.packing: Packing = self._find_packing()
        self.head = self.raw_head if self.packing in ("plain", "arrays") else self._first(HEAD_BYTES)

    def blocks(self, quiet: bool = False) -> Iterator[bytes]:
        """Yield the content from its beginning, unpacked, in blocks; `quiet` is for a look at its beginning.

        Raises
        ------
        CellsError
            If the file cannot be read, is damaged, or would grow beyond reason.
        """
        tell = _nobody if quiet else self.tell
        if self.packing == "gzip":
            return self._bounded(_gunzip(self._raw(tell), self.name))
        if self.packing == "zip":
            return self._bounded(self._unzip(tell))
        if self.packing == "snappy frames":
            return self._bounded(unpack_frames(self._raw(tell), self.name))
        if self.packing == "snappy":
            return self._unpack_snappy(tell)
        return self._raw(tell)

    def sha256(self) -> str:
        """Return the SHA-256 of the file in hexadecimal; read for it only where that was not done before."""
        if not self._sha256:
            for _ in self._raw(_nobody):
                pass
        return self._sha256

    def tell(self, done: int, total: int) -> None:
        """Pass on how far a reader of its own is; raises what the listener raises."""
        self._told = (done, total)
        if self._progress is not None:
            self._progress(done, total)

    def check(self) -> None:
        """Tell the last again, so that the listener can stop what comes after the reading."""
        self.tell(*self._told)

    def _find_packing(self) -> Packing:
        head = self.raw_head
        if head.startswith(b"\x1f\x8b"):
            return "gzip"
        if head.startswith((_ZIP_START, _EMPTY_ZIP)):
            return "arrays" if self._holds_arrays() else "zip"
        if head.startswith(FRAMED_START):
            return "snappy frames"
        text = head.lstrip()[:1] in (b"{", b"[")
        if not text and (looks_raw(head) or self.name.lower().endswith(".snappy")):
            return "snappy"
        return "plain"

    def member_names(self) -> tuple[str, ...]:
        """Names of the files in a ZIP archive, empty where this is none."""
        if not self.raw_head.startswith((_ZIP_START, _EMPTY_ZIP)):
            return ()
        with self._archive() as archive:
            return tuple(archive.namelist())

    def _holds_arrays(self) -> bool:
        names = self.member_names()
        return bool(names) and all(name.endswith(".npy") for name in names)

    def _archive(self) -> zipfile.ZipFile:
        try:
            return zipfile.ZipFile(self.path)
        except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
            raise CellsError(f"{self.name} is a damaged ZIP archive.", _COPY_HINT) from error
        except OSError as error:
            raise self._unreadable(error) from error

    def _raw(self, tell: Progress) -> Iterator[bytes]:
        digest = hashlib.sha256()
        done = 0
        try:
            with self.path.open("rb") as file:
                while block := file.read(BLOCK_BYTES):
                    digest.update(block)
                    done += len(block)
                    tell(done, self.size_bytes)
                    yield block
        except OSError as error:
            raise self._unreadable(error) from error
        self._sha256 = digest.hexdigest()

    def _unreadable(self, error: OSError) -> CellsError:
        return CellsError(f"{self.name} cannot be read: {error.strerror or error}.", "Check the path.")

    def _first(self, n_bytes: int) -> bytes:
        found = bytearray()
        for block in self.blocks(quiet=True):
            found += block
            if len(found) >= n_bytes:
                break
        return bytes(found[:n_bytes])

    @property
    def most_bytes(self) -> int:
        """Largest size of the content that is unpacked."""
        return max(FREE_EXPANSION_BYTES, MOST_EXPANSION * self.size_bytes)

    def _bounded(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        most = self.most_bytes
        grown = 0
        for block in blocks:
            grown += len(block)
            if grown > most:
                raise CellsError(
                    f"{self.name} grows beyond {most >> 20:,} MB when it is unpacked, far more than cells can.",
                    "Unpack it yourself if you trust it.",
                )
            yield block

    def _unpack_snappy(self, tell: Progress) -> Iterator[bytes]:
        text = unpack_raw(b"".join(self._raw(tell)), self.name, self.most_bytes)
        for start in range(0, len(text), BLOCK_BYTES):
            yield text[start : start + BLOCK_BYTES]

    def _unzip(self, tell: Progress) -> Iterator[bytes]:
        with self._archive() as archive:
            member = self._member(archive)
            try:
                done = 0
                with archive.open(member) as file:
                    while block := file.read(BLOCK_BYTES):
                        done += len(block)
                        tell(min(done, member.file_size), member.file_size)
                        yield block
            except (zipfile.BadZipFile, EOFError, OSError, zlib.error) as error:
                raise CellsError(f"{self.name} is a damaged ZIP archive.", _COPY_HINT) from error
            except (RuntimeError, NotImplementedError) as error:
                raise CellsError(
                    f"{self.name} is locked or packed in a way that is not read.",
                    "Unpack it and choose the file in it.",
                ) from error

    def _member(self, archive: zipfile.ZipFile) -> zipfile.ZipInfo:
        members = [
            member
            for member in archive.infolist()
            if not member.is_dir() and not member.filename.startswith("__MACOSX/")
        ]
        texts = [member for member in members if member.filename.lower().endswith(_TEXT_ENDS)]
        if len(members) > 1 and len(texts) == 1:
            members = texts
        if len(members) != 1:
            shown = ", ".join(member.filename for member in members[:5]) or "nothing"
            raise CellsError(
                f"{self.name} holds {len(members):,} files and not one: {shown}.",
                "Unpack it and choose the file with the cells.",
            )
        return members[0]


def _nobody(done: int, total: int) -> None:
    """Tell nobody."""


def _gunzip(blocks: Iterable[bytes], name: str) -> Iterator[bytes]:
    """Unpack gzip, also of several members one after the other."""
    damaged = CellsError(f"{name} is a damaged gzip file.", _COPY_HINT)
    stream = zlib.decompressobj(31)
    begun = False
    try:
        for block in blocks:
            waiting = block
            while waiting:
                if stream.eof:
                    waiting = waiting.lstrip(b"\0")
                    if not waiting:
                        break
                    stream, begun = zlib.decompressobj(31), False
                begun = True
                text = stream.decompress(waiting, BLOCK_BYTES)
                waiting = stream.unused_data if stream.eof else stream.unconsumed_tail
                if text:
                    yield text
        while begun and not stream.eof:
            text = stream.decompress(stream.unconsumed_tail, BLOCK_BYTES)
            if not text:
                raise damaged
            yield text
    except zlib.error as error:
        raise damaged from error
