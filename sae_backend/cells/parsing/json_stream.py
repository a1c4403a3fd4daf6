"""A JSON text of any size in pieces: the items of its large lists and objects, some megabytes at a time.

Only where brackets and commas lie is looked for in the text, all at once by numpy; what lies between
is left to a fast parser. A list or object is handed out whole where it fits in a piece, and opened
where it does not.
"""

from __future__ import annotations

import gc
import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import orjson

from sae_backend.errors import CellsError

Step = str | int
JsonPath = tuple[Step, ...]
"""Keys and numbers that lead from the root to a list or object."""

PIECE_BYTES: Final = 1 << 20
_ITEM_MAX_BYTES: Final = 64 << 20
_MAX_DEPTH: Final = 200
_HINT: Final = "It may be cut off; write or copy it again."

_COMMA: Final = 2
_QUOTE: Final = 3
_BACKSLASH: Final = 0x5C
_KINDS: Final = np.zeros(256, np.int8)
for _character, _kind in ((b"[", 1), (b"{", 1), (b"]", -1), (b"}", -1), (b",", _COMMA), (b'"', _QUOTE)):
    _KINDS[_character[0]] = _kind
_CLOSER: Final = {b"[": b"]", b"{": b"}"}
_OPENING: Final = {
    b"[": re.compile(rb"\s*([\[{])"),
    b"{": re.compile(rb'\s*("(?:[^"\\]|\\.)*")\s*:\s*([\[{])'),
}


@dataclass(frozen=True)
class Piece:
    """Items or members of the list or object at `path`, and whether they are its last."""

    path: JsonPath
    items: Any
    is_last: bool


@dataclass
class _Open:
    path: JsonPath
    opener: bytes
    n_items: int = 0
    after_comma: bool = False


class JsonPieces:
    """The pieces of a JSON text.

    Parameters
    ----------
    blocks
        The text in blocks of bytes, UTF-8.
    name
        Name of the file, for messages.
    may_open
        Whether the list or object at a path may be handed out in several pieces.
    piece_bytes
        What is larger is opened where it may be.

    Raises
    ------
    CellsError
        While iterating: if the text is no JSON, is cut off, or is nested too deeply.
    """

    def __init__(
        self,
        blocks: Iterable[bytes],
        name: str,
        may_open: Callable[[JsonPath], bool],
        piece_bytes: int = PIECE_BYTES,
    ) -> None:
        self._blocks = iter(blocks)
        self._name = name
        self._may_open = may_open
        self._piece_bytes = piece_bytes
        self._buffer = b""
        self._consumed = 0
        self._ended = False

    def __iter__(self) -> Iterator[Piece]:
        self._skip_space()
        if self._buffer[:1] not in (b"{", b"["):
            raise self._broken("it starts with neither { nor [")
        stack = [_Open((), self._take(1))]
        want = self._piece_bytes
        while stack:
            self._fill(want)
            here = stack[-1]
            found = _scan(self._buffer)
            if len(stack) + found.max_depth > _MAX_DEPTH:
                raise CellsError(f"{self._name} is nested too deeply to hold cells.", _HINT)
            if found.close is not None:
                body = self._take(found.close)
                if self._take(1) != _CLOSER[here.opener]:
                    raise self._broken("its brackets do not match")
                yield Piece(here.path, self._parse(body, here, closing=True), True)
                stack.pop()
                if stack:
                    self._after_child(stack[-1])
            elif found.cut is not None:
                yield Piece(here.path, self._parse(self._take(found.cut), here), False)
                self._take(1)
                here.after_comma = True
            elif self._ended:
                self._check_rest()
                raise self._broken("it ends too early")
            elif not self._descend(stack):
                want *= 2
                if want > _ITEM_MAX_BYTES:
                    raise CellsError(
                        f"{self._name} holds a single object of more than {_ITEM_MAX_BYTES >> 20} MB.", _HINT
                    )
                continue
            want = self._piece_bytes
        self._skip_space()
        if self._buffer:
            raise self._broken("something follows its end")

    def _fill(self, n_bytes: int) -> None:
        parts, size = [self._buffer], len(self._buffer)
        while size < n_bytes and not self._ended:
            block = next(self._blocks, None)
            if block is None:
                self._ended = True
            else:
                parts.append(block)
                size += len(block)
        if len(parts) > 1:
            self._buffer = b"".join(parts)

    def _take(self, n_bytes: int) -> bytes:
        taken, self._buffer = self._buffer[:n_bytes], self._buffer[n_bytes:]
        self._consumed += len(taken)
        return taken

    def _skip_space(self) -> None:
        while True:
            self._fill(1)
            if self._consumed == 0 and self._buffer.startswith(b"\xef"):
                self._fill(3)
                self._take(3 if self._buffer.startswith(b"\xef\xbb\xbf") else 0)
            self._take(len(self._buffer) - len(self._buffer.lstrip(b" \t\r\n")))
            if self._buffer or self._ended:
                return

    def _after_child(self, parent: _Open) -> None:
        self._skip_space()
        parent.after_comma = self._buffer[:1] == b","
        if parent.after_comma:
            self._take(1)
        elif self._buffer[:1] not in (b"]", b"}"):
            raise self._broken("it ends too early" if not self._buffer else "a comma is missing")

    def _descend(self, stack: list[_Open]) -> bool:
        """Open the large item that the buffer begins with, if that may be."""
        here = stack[-1]
        match = _OPENING[here.opener].match(self._buffer)
        if match is None:
            return False
        step: Step = here.n_items if here.opener == b"[" else self._key(match.group(1))
        if not self._may_open((*here.path, step)):
            return False
        here.n_items += 1
        self._take(match.end())
        stack.append(_Open((*here.path, step), match.group(match.lastindex or 1)))
        return True

    def _key(self, text: bytes) -> str:
        try:
            return str(orjson.loads(text))
        except orjson.JSONDecodeError as cause:
            raise self._broken("a key is damaged") from cause

    def _parse(self, body: bytes, here: _Open, closing: bool = False) -> Any:
        if not body.strip():
            if here.after_comma or not closing:
                raise self._broken("an item is missing beside a comma")
            return [] if here.opener == b"[" else {}
        text = here.opener + body + _CLOSER[here.opener]
        items = self._loads(text, self._consumed - len(body) - 1)
        here.n_items += len(items)
        return items

    def _loads(self, text: bytes, start: int) -> Any:
        # Of the many small lists that are made none can be garbage yet; looking for it takes most of the time.
        collects = gc.isenabled()
        gc.disable()
        try:
            return orjson.loads(text)
        except orjson.JSONDecodeError:
            pass
        finally:
            if collects:
                gc.enable()
        # The standard parser also takes the bare NaN that some programs write among the measurements.
        try:
            return json.loads(text)
        except json.JSONDecodeError as cause:
            raise self._broken(cause.msg, start + cause.pos) from cause
        except RecursionError as cause:
            raise CellsError(f"{self._name} is nested too deeply to hold cells.", _HINT) from cause
        except ValueError as cause:
            # Not UTF-8, or a whole number of more digits than Python turns into one.
            words = (
                "it is not UTF-8 text" if isinstance(cause, UnicodeDecodeError) else "a number is too long"
            )
            raise self._broken(words) from cause

    def _check_rest(self) -> None:
        """Raise what is wrong inside the rest of a text that ends too early, if that is more telling."""
        if b"\x00" in self._buffer:
            raise self._broken("it is not text")
        try:
            self._buffer.decode("utf-8")
        except UnicodeDecodeError as cause:
            if cause.end < len(self._buffer):
                raise self._broken("it is not UTF-8 text") from cause

    def _broken(self, detail: str, place: int | None = None) -> CellsError:
        at = self._consumed if place is None else place
        return CellsError(f"{self._name} is not valid JSON: {detail}, near byte {at:,}.", _HINT)


@dataclass(frozen=True)
class _Found:
    """Where the last comma between items and the end of the container lie, and how deep it goes."""

    cut: int | None
    close: int | None
    max_depth: int


def _scan(buffer: bytes) -> _Found:
    """Look through text that begins inside a container and outside strings."""
    codes = np.frombuffer(buffer, np.uint8)
    kinds = _KINDS[codes]
    places = np.flatnonzero(kinds)
    kinds = kinds[places]
    quotes = kinds == _QUOTE
    if b"\\" in buffer:
        quotes = _unescaped(codes, places, quotes)
    outside = (np.cumsum(quotes, dtype=np.int32) & 1) == 0
    outside &= kinds != _QUOTE
    places, kinds = places[outside], kinds[outside]
    depths = np.cumsum(np.where(kinds == _COMMA, 0, kinds), dtype=np.int32)
    closes = np.flatnonzero(depths < 0)
    close = int(places[closes[0]]) if closes.size else None
    commas = np.flatnonzero((kinds == _COMMA) & (depths == 0))
    cut = int(places[commas[-1]]) if commas.size else None
    return _Found(cut, close, int(depths.max(initial=0)))


def _unescaped(
    codes: npt.NDArray[np.uint8], places: npt.NDArray[np.int64], quotes: npt.NDArray[np.bool_]
) -> npt.NDArray[np.bool_]:
    """Drop from the quotes those with an odd number of backslashes before them."""
    kept = quotes.copy()
    after_backslash = quotes & (places > 0) & (codes[places - 1] == _BACKSLASH)
    for i in np.flatnonzero(after_backslash):
        at = int(places[i])
        run = at - 1
        while run > 0 and codes[run - 1] == _BACKSLASH:
            run -= 1
        kept[i] = (at - run) % 2 == 0
    return kept
