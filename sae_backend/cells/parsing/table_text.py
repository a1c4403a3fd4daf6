"""The text of a CSV or TSV table: its encoding, what parts its columns, and their names."""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from sae_backend.cells.parsing.byte_source import CellSource
from sae_backend.errors import CellsError

_UTF16: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass(frozen=True)
class TableHead:
    """Names of the columns, the character that parts them, and the first rows as texts."""

    names: tuple[str, ...]
    delimiter: str
    rows: tuple[tuple[str, ...], ...]


def read_head(head: bytes, name: str, most_rows: int = 0) -> TableHead:
    """Read the header of a table, and some rows, from the beginning of its file.

    Raises
    ------
    CellsError
        If it is no text, or two columns have one name.
    """
    head = head.removeprefix(codecs.BOM_UTF8)
    if head.startswith(_UTF16):
        raise CellsError(f"{name} is UTF-16 text.", "Save it as CSV or TSV in UTF-8.")
    if b"\x00" in head[:4096]:
        raise CellsError(f"{name} is not a text table.", "Save it as CSV or TSV in UTF-8, or as Parquet.")
    # The last line may be cut, and the last character too.
    text = _decoded(head)
    lines = text.splitlines()
    if len(lines) > 1 and len(head) >= 1024:
        lines.pop()
    first = lines[0] if lines else ""
    delimiter = max("\t,;", key=first.count)
    try:
        rows = list(csv.reader(lines[: most_rows + 1], delimiter=delimiter))
    except csv.Error as error:
        raise CellsError(f"{name} is not a proper table: {error}.", "Write it again.") from error
    names = rows[0] if rows else []
    doubled = sorted({column for column in names if names.count(column) > 1 and column})
    if doubled:
        raise CellsError(f"{name} has two columns named {doubled[0]!r}.", "Give every column its own name.")
    return TableHead(tuple(names), delimiter, tuple(tuple(row) for row in rows[1:]))


def text_columns(head: bytes) -> tuple[list[str], str]:
    """Names of the columns of a text table and what parts them, from the beginning of its file."""
    try:
        found = read_head(head, "")
    except CellsError:
        return [], ""
    return list(found.names), found.delimiter


class Utf8File:
    """The content of a source as a file of UTF-8 bytes without a byte order mark.

    QuPath on Windows has written the µ of its headers in Latin-1; what is no UTF-8 is taken for that,
    as long as nothing before it was UTF-8 beyond ASCII.
    """

    closed: bool = False

    def __init__(self, source: CellSource) -> None:
        self._blocks: Iterator[bytes] = source.blocks()
        self._name = source.name
        self._waiting = b""
        self._decoder: codecs.IncrementalDecoder = codecs.getincrementaldecoder("utf-8")()
        self._is_latin = False
        self._seen_utf8 = False
        self._begun = False
        self._ended = False

    def readable(self) -> bool:
        """Whether it can be read."""
        return True

    def close(self) -> None:
        """Let go of the file."""
        self.closed = True

    def read(self, n_bytes: int = -1) -> bytes:
        """Return up to `n_bytes` bytes, all for -1, none at the end.

        Raises
        ------
        CellsError
            If the text is in no encoding that is read, or the source cannot be read on.
        """
        while not self._ended and (n_bytes < 0 or len(self._waiting) < n_bytes):
            block = next(self._blocks, b"")
            self._ended = not block
            self._waiting += self._as_utf8(block)
        n = len(self._waiting) if n_bytes < 0 else n_bytes
        taken, self._waiting = self._waiting[:n], self._waiting[n:]
        return taken

    def _as_utf8(self, block: bytes) -> bytes:
        if not self._begun and block:
            self._begun = True
            block = block.removeprefix(codecs.BOM_UTF8)
        if b"\x00" in block:
            raise CellsError(f"{self._name} is not a text table.", "Save it as CSV or TSV in UTF-8.")
        if self._is_latin:
            return block.decode("latin-1").encode()
        held = self._decoder.getstate()[0]
        if not held and block.isascii():
            return block
        try:
            text = self._decoder.decode(block, final=not block)
        except UnicodeDecodeError as error:
            if self._seen_utf8 or not error.object[: error.start].isascii():
                raise CellsError(
                    f"{self._name} is UTF-8 in one part and something else in another.", "Save it as UTF-8."
                ) from error
            self._is_latin = True
            return (held + block).decode("latin-1").encode()
        self._seen_utf8 |= not text.isascii()
        return text.encode()


def _decoded(head: bytes) -> str:
    try:
        return codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return head.decode("latin-1")
