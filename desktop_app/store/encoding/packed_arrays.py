"""Arrays to and from blobs: in parts of bounded size, bytes of equal weight together, compressed."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from desktop_app.store.encoding.plain import from_text, to_text
from sae_backend.errors import MismatchError, StoreError

PART_BYTES: Final = 16 << 20
"""Largest part before compression: far below what SQLite takes as one value."""
_LEVEL: Final = 1  # the bytes are shuffled already: a higher level takes four times as long for a tenth less
_KINDS: Final = "biuf"


class PartRow(Protocol):
    """One part of an array as its row has it."""

    name: str
    part: int
    dtype: str
    shape: str
    data: bytes


def packed(arrays: Mapping[str, npt.NDArray[Any]]) -> list[dict[str, Any]]:
    """Rows (name, part, dtype, shape, data) that hold these arrays of numbers.

    Raises
    ------
    MismatchError
        When an array holds anything else than numbers or truth values.
    """
    rows = []
    for name, array in arrays.items():
        if array.dtype.kind not in _KINDS:
            raise MismatchError(f"The array {name} does not hold numbers.", "Compute it again.")
        little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
        known = {"name": name, "dtype": little.dtype.str, "shape": to_text(list(array.shape))}
        flat = little.reshape(-1)
        step = PART_BYTES // little.itemsize
        for part, start in enumerate(range(0, max(flat.size, 1), step)):
            shuffled = flat[start : start + step].view(np.uint8).reshape(-1, little.itemsize).T.tobytes()
            rows.append({**known, "part": part, "data": zlib.compress(shuffled, _LEVEL)})
    return rows


def unpacked(rows: Iterable[PartRow], damaged: StoreError) -> dict[str, npt.NDArray[Any]]:
    """Arrays of rows that `packed` gave, in the native byte order and writable.

    Parameters
    ----------
    rows
        All parts of each array, in order.
    damaged
        Raised where they do not make whole arrays.
    """
    parts: dict[str, list[PartRow]] = {}
    for row in rows:
        parts.setdefault(row.name, []).append(row)
    try:
        return {name: _joined(found) for name, found in parts.items()}
    except (zlib.error, ValueError, TypeError) as error:
        raise damaged from error


def _joined(parts: Sequence[PartRow]) -> npt.NDArray[Any]:
    little = np.dtype(parts[0].dtype)
    shape = tuple(from_text(parts[0].shape))
    if little.kind not in _KINDS or [row.part for row in parts] != list(range(len(parts))):
        raise ValueError("parts are missing")
    out = np.empty(math.prod(shape), little.newbyteorder("="))
    start = 0
    for row in parts:
        raw = np.frombuffer(zlib.decompress(row.data), np.uint8)
        values = raw.reshape(little.itemsize, -1).T.copy().reshape(-1).view(little)
        out[start : start + values.size] = values
        start += values.size
    if start != out.size:
        raise ValueError("a part has another size")
    return out.reshape(shape)
