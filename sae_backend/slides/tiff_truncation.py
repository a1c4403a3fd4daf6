"""The chain of directories of a TIFF, which shows whether the file was cut short."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Final

# By version: where the first offset stands, format of an offset, format of a count, bytes of an entry.
_CLASSIC: Final = (4, "I", "H", 12)
_BIG: Final = (8, "Q", "Q", 20)
_LAYOUTS: Final = {42: _CLASSIC, 43: _BIG}
_ORDERS: Final = {b"II": "<", b"MM": ">"}


def is_cut_short(path: Path) -> bool:
    """Whether the chain of directories leads past the end of the file; False for what is no TIFF.

    A slide's directories lie behind the pixels they describe, so what was cut off took the last of
    them along, and a reader of plain images would find the first one whole.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        order = _ORDERS.get(file.read(2))
        version = file.read(2)
        if order is None or len(version) < 2:
            return False
        layout = _LAYOUTS.get(struct.unpack(order + "H", version)[0])
        if layout is None:
            return False
        first, offset_format, count_format, entry_bytes = layout
        offset_bytes, count_bytes = struct.calcsize(offset_format), struct.calcsize(count_format)

        def number(at: int, form: str) -> int:
            file.seek(at)
            return int(struct.unpack(order + form, file.read(struct.calcsize(form)))[0])

        if first + offset_bytes > size:
            return True
        offset = number(first, offset_format)
        seen: set[int] = set()
        while offset and offset not in seen:
            seen.add(offset)
            if offset + count_bytes > size:
                return True
            end = offset + count_bytes + number(offset, count_format) * entry_bytes
            if end > size:
                return True
            # Some writers leave out the zero that ends the chain.
            offset = number(end, offset_format) if end + offset_bytes <= size else 0
    return False
