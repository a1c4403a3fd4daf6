"""Text packed with Snappy, in the framed form and in the raw one, block by block.

The framed form is chunks of a type (1 byte), a length (3 bytes, little-endian) and as many bytes; the raw
one is the length of the text as a varint followed by literals and copies.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

import cramjam

from sae_backend.errors import CellsError

FRAMED_START: Final = b"\xff\x06\x00\x00sNaPpY"
_SKIPPED: Final = range(0x80, 0xFF)
_CONTROL: Final = re.compile(rb"[\x00-\x08\x0e-\x1f]")
_COPY_HINT: Final = "Copy or compress it again."


def looks_raw(head: bytes) -> bool:
    """Whether bytes begin like a JSON text in the raw form: a length, a literal, a bracket."""
    after = next((i for i, byte in enumerate(head[:5]) if byte < 0x80), None)
    if after is None or len(head) < after + 3:
        return False
    tag = head[after + 1]
    # 60 to 63 in a literal's tag mean that one to four bytes with its length follow.
    first = after + 2 + max(0, (tag >> 2) - 59)
    # A header such as "x [px]" can look the same, but a text has no control characters.
    return tag & 3 == 0 and head[first : first + 1] in (b"{", b"[") and _CONTROL.search(head) is not None


def unpack_frames(blocks: Iterable[bytes], name: str) -> Iterator[bytes]:
    """Yield the text of the framed form.

    Raises
    ------
    CellsError
        If it is cut short or a checksum does not hold.
    """
    buffer = b""
    for block in blocks:
        buffer += block
        whole = _whole_frames(buffer)
        if whole:
            yield _decompress_frames(buffer[:whole], name)
            buffer = buffer[whole:]
    if buffer:
        raise CellsError(f"{name} is cut short (Snappy).", _COPY_HINT)


def unpack_raw(data: bytes, name: str, most_bytes: int) -> bytes:
    """Return the text of the raw form, at most `most_bytes` of it.

    Raises
    ------
    CellsError
        If it is damaged or larger.
    """
    try:
        if cramjam.snappy.decompress_raw_len(data) > most_bytes:
            raise CellsError(
                f"{name} claims to hold far more than such a file can.", "Unpack it yourself if you trust it."
            )
        return bytes(cramjam.snappy.decompress_raw(data))
    except (cramjam.DecompressionError, ValueError) as error:
        raise CellsError(f"{name} is damaged (Snappy).", _COPY_HINT) from error


def _whole_frames(buffer: bytes) -> int:
    """Return the number of bytes that are whole frames."""
    end = 0
    while len(buffer) - end >= 4:
        following = end + 4 + int.from_bytes(buffer[end + 1 : end + 4], "little")
        if following > len(buffer):
            break
        end = following
    return end


def _decompress_frames(frames: bytes, name: str) -> bytes:
    kept = [FRAMED_START]
    start = 0
    while start < len(frames):
        end = start + 4 + int.from_bytes(frames[start + 1 : start + 4], "little")
        # The start may come again where files were joined.
        if frames[start] not in _SKIPPED and frames[start] != 0xFF:
            kept.append(frames[start:end])
        start = end
    try:
        return bytes(cramjam.snappy.decompress(b"".join(kept)))
    except (cramjam.DecompressionError, ValueError) as error:
        raise CellsError(f"{name} is damaged (Snappy).", _COPY_HINT) from error
