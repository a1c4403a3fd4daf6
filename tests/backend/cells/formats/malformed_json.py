"""JSON of each program that writes cells, with one thing wrong at a time."""

from __future__ import annotations

import copy
import gzip
import io
import json
import zipfile
from collections.abc import Callable, Iterator
from functools import reduce
from typing import Any

import cramjam

from tests.backend.cells.formats.cell_files import (
    cellvit,
    dumped,
    geojson,
    histoplus,
    hovernet,
    hovernext,
    stardist,
)

HUGE = 10**400
GONE = object()

Content = bytes | Callable[[Any], None]
Case = tuple[str, str, Content]


def changed(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    """Return a copy with one place in it replaced, or taken out."""
    document = copy.deepcopy(document)
    owner = reduce(lambda part, step: part[step], path[:-1], document)
    if value is GONE:
        del owner[path[-1]]
    else:
        owner[path[-1]] = value
    return document


JSON_BASES: dict[str, Callable[[], Any]] = {
    "geojson": geojson,
    "cellvit": cellvit,
    "hovernet": hovernet,
    "hovernext": hovernext,
    "histoplus": histoplus,
    "stardist": stardist,
}

_FEATURE = ("features", 0)
_RING = (*_FEATURE, "geometry", "coordinates", 0)
_CELL = ("cells", 0)
_NUC = ("nuc", "1")
_TILE = ("cell_masks", 0)
_MASK = (*_TILE, "masks", 0)

BAD_COORDINATES: tuple[Any, ...] = (
    float("nan"), float("inf"), "12", None, HUGE, 1e300, True, [1], {"x": 1},
)  # fmt: skip

# Where a coordinate stands in each format.
COORDINATE: dict[str, tuple[Any, ...]] = {
    "geojson": (*_RING, 1, 0),
    "cellvit": (*_CELL, "centroid", 0),
    "hovernet": (*_NUC, "contour", 1, 1),
    "hovernext": ("1", 1, 0),
    "histoplus": (*_MASK, "coordinates", 2, 0),
    "stardist": ("coord", 0, 1, 2),
}

# What else can be wrong: the place, what stands there instead.
CHANGES: dict[str, list[tuple[tuple[Any, ...], Any]]] = {
    "geojson": [
        (("features",), {}), (("features",), "none"), (("features",), []), (("features",), [1]),
        (("features",), [[]]), (("features",), GONE), (("type",), "Topology"), ((*_FEATURE, "type"), "feature"),
        ((*_FEATURE, "type"), GONE), (_RING, []), (_RING, [[1], [2], [3]]), (_RING, "ring"), (_RING, 5),
        (_RING, {"a": 1}), (_RING, [[1, 2], "ab", [3, 4]]), (_RING, [[1, 2], [3, "4"], [5, 6]]),
    ],
    "cellvit": [
        (("cells",), {}), (("cells",), []), (("cells",), "none"), (("cells",), [1]), (("cells",), [[1, 2]]),
        (("cells",), GONE), (("type_map",), 5), (("type_map",), {"1": 5}), ((*_CELL, "type"), [1]),
        ((*_CELL, "type"), 1.5), ((*_CELL, "contour"), [[1]]), ((*_CELL, "centroid"), {}),
        ((*_CELL, "centroid"), "ab"), ((*_CELL, "contour"), "outline"), ((*_CELL, "contour"), 7),
        (_CELL, {"type": 1}),
    ],
    "hovernet": [
        (("nuc",), []), (("nuc",), {}), (("nuc",), "none"), (("nuc",), GONE), (("mag",), "20x"), (("mag",), 0),
        (("mag",), -20), (("mag",), True), (("mag",), [20]), (_NUC, 5), (_NUC, []), (_NUC, {"type": 1}),
        ((*_NUC, "centroid"), [1]), ((*_NUC, "contour"), [[]]), ((*_NUC, "type"), {"a": 1}),
        ((*_NUC, "centroid"), "xy"),
    ],
    "hovernext": [
        (("1",), 5), (("1",), []), (("1",), [1]), (("1",), [1, [2]]), (("1",), [1, 2, 3]), (("1",), [1, [1, 2, 3]]),
        (("1",), [1, "yx"]), (("1",), [[1], [2, 3]]), (("1",), {"a": 1}), (("1",), "1"), (("1",), None),
        (("2",), {"a": 1}), (("2",), [1, {"y": 2}]), (("2",), [None]), (("2",), 3.5), (("2",), [2.5, [1, 2]]),
    ],
    "histoplus": [
        (("cell_masks",), {}), (("cell_masks",), []), (("cell_masks",), GONE), (("cell_masks",), [1]),
        (("cell_masks",), "none"), ((*_TILE, "masks"), {}), ((*_TILE, "masks"), GONE), ((*_TILE, "masks"), [1]),
        ((*_TILE, "level"), 12), ((*_TILE, "level"), -1), ((*_TILE, "level"), 9.5), ((*_TILE, "x"), -1),
        ((*_TILE, "width"), "50"), ((*_TILE, "height"), GONE), ((*_TILE, "y"), float("nan")),
        ((*_MASK, "centroid"), [1]), ((*_MASK, "coordinates"), [[1]]), ((*_MASK, "cell_type"), [1]),
    ],
    "stardist": [
        (("coord",), []), (("coord",), "none"), (("coord",), 5), (("coord",), [[1, 2]]), (("coord",), [[[1], [2]]]),
        (("coord", 0), [[1, 2, 3], [1, 2]]), (("coord", 0), []), (("points",), [[1, 2]]), (("points",), [1, 2]),
        (("points",), {"a": 1}), (("prob",), [0.5]), (("prob",), "high"), (("prob",), [[0.5], [0.5]]),
        (("class_id",), [1]), (("class_id",), ["a", "b"]), (("class_id",), [[1], [2]]),
    ],
}  # fmt: skip


def json_cases() -> Iterator[Case]:
    for name, base in JSON_BASES.items():
        whole = dumped(base())
        for share in (0.02, 0.2, 0.5, 0.8, 0.95):
            yield name, f"cut at {share}", whole[: int(len(whole) * share)]
        yield name, "cut before the end", whole[:-1]
        yield name, "something after the end", whole + b"]"
        yield name, "a second text", whole + whole
        yield name, "brackets that do not match", whole[:-1] + b"]"
        yield name, "a zero byte", whole.replace(b":", b"\x00", 1)
        yield name, "UTF-16", whole.decode().encode("utf-16")
        yield name, "no UTF-8", whole.replace(b'": ', b'\xff": ', 3)
        yield name, "nested too deeply", whole[:-1] + b', "a": ' + b"[" * 5000 + b"]" * 5000 + b"}"
        yield name, "a comma too many", whole[:-1] + b",}"
        yield name, "a missing comma", whole.replace(b", ", b" ", 1)
        yield name, "too long a number", whole[:-1] + b', "9": ' + b"1" * 5000 + b"z}"
        yield name, "gzip cut short", gzip.compress(whole)[:-9]
        yield name, "gzip damaged", damaged(gzip.compress(whole), 30)
        yield name, "snappy cut short", bytes(cramjam.snappy.compress(whole))[:-5]
        yield name, "snappy damaged", damaged(bytes(cramjam.snappy.compress(whole)), -20)
        yield name, "zip cut short", zipped(("a.json", whole))[:-30]
        for value in BAD_COORDINATES:
            text = json.dumps(changed(base(), COORDINATE[name], value))
            yield name, f"coordinate {str(value)[:9]}", text.encode()
        for path, value in CHANGES[name]:
            words = "none" if value is GONE else str(value)[:30]
            yield name, f"{'.'.join(map(str, path))} is {words}", dumped(changed(base(), path, value))


def damaged(data: bytes, place: int) -> bytes:
    """Turn some bits of a file round."""
    place %= len(data)
    return data[:place] + bytes(byte ^ 0x5A for byte in data[place : place + 4]) + data[place + 4 :]


def zipped(*members: tuple[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return file.getvalue()
