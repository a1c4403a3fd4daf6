"""Tables, databases, arrays and archives with one thing wrong at a time."""

from __future__ import annotations

import gzip
import io
import json
import sqlite3
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import shapely

from tests.backend.cells.formats.cell_files import (  # fmt: skip
    GEO,
    annotation_store,
    closed,
    dumped,
    feature,
    geojson,
    geoparquet,
    npz,
    parquet,
    table,
    wkb,
)
from tests.backend.cells.formats.malformed_json import HUGE, Case, damaged, zipped


def table_cases() -> Iterator[Case]:
    texts = {
        "no header": "1,2,3\n4,5,6\n", "one column": "x\n1\n", "x alone": "x,type\n1,A\n", "a header alone": "x,y,type\n",
        "an empty y": "x,y\n1,\n", "an empty row": "x,y,type\n,,\n", "nan": "x,y\nnan,1\n", "inf": "x,y\n1,-inf\n",
        "words": "x,y\none,1\n", "decimal commas": 'x,y\n"1,5","2,5"\n', "too far": "x,y\n1e300,1\n",
        "too many fields": "x,y\n1,2,3\n", "too few fields": "x,y,type\n1,2\n", "an open quote": 'x,y,type\n1,2,"A\n' + "1,2,B\n" * 2000,
        "x twice": "x,y,x\n1,2,3\n", "x in two units": "x_um,y\n1,2\n", "a number and a word": "x,y\n1 px,2\n",
        "hexadecimal": "x,y\n0x10,2\n", "blank lines": "\n\n\n", "dates": "x,y\n2024-01-01,2\n",
        "too large a number": f"x,y\n{HUGE},2\n", "another delimiter": "x|y|type\n1|2|A\n", "prose": "Some words. And more.\n",
        "ids in place of types": "x,y,type\n" + "".join(f"1,2,cell{i}\n" for i in range(1001)),
    }  # fmt: skip
    for words, text in texts.items():
        yield "table", words, text.encode()
    yield "table", "UTF-16", "x,y\n1,2\n".encode("utf-16")
    yield "table", "zeros", b"\x00\x01\x02"
    yield "table", "zeros later on", table() + b"1,2\x00,A,3\n"
    yield "table", "UTF-8 and Latin-1", "x,y,type\n1,2,é\n".encode() + b"1,2,\xe9\xe9\n"
    yield "table", "a gzip of nothing", gzip.compress(b"")
    yield "table", "a gzip cut short", gzip.compress(table() * 50)[:-20]
    yield "table", "an old spreadsheet", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500)


def parquet_cases() -> Iterator[Case]:
    whole = parquet()
    for share in (0.01, 0.3, 0.6, 0.9, 0.99):
        yield "parquet", f"cut at {share}", whole[: int(len(whole) * share)]
    yield "parquet", "no footer", b"PAR1 nothing else"
    yield "parquet", "a damaged footer", damaged(whole, -12)
    yield "parquet", "damaged values", damaged(whole, 40)
    yield "parquet", "a footer that is too long", whole[:-8] + b"\xff\xff\xff\x7fPAR1"
    bad: dict[str, dict[str, Any]] = {
        "no y": {"x": [1.0], "type": ["A"]}, "no rows": {"x": pa.array([], pa.float64()), "y": pa.array([], pa.float64())},
        "null": {"x": [1.0, None], "y": [1.0, 2.0]}, "nan": {"x": [float("nan")], "y": [1.0]},
        "inf": {"x": [1.0], "y": [float("inf")]}, "words": {"x": ["one"], "y": [1.0]}, "lists": {"x": [[1.0]], "y": [1.0]},
        "objects": {"x": [{"a": 1}], "y": [1.0]}, "bytes": {"x": [b"ab"], "y": [1.0]}, "too far": {"x": [1e12], "y": [1.0]},
        "dates": {"x": pa.array([1], pa.timestamp("s")), "y": [1.0]}, "nothing": {"x": pa.nulls(2), "y": pa.nulls(2)},
        "ids in place of types": {"x": [1.0] * 1001, "y": [1.0] * 1001, "type": [str(i) for i in range(1001)]},
    }  # fmt: skip
    for words, columns in bad.items():
        yield "parquet", words, parquet(columns)


def geoparquet_cases() -> Iterator[Case]:
    whole = geoparquet()
    for share in (0.1, 0.5, 0.9):
        yield "geoparquet", f"cut at {share}", whole[: int(len(whole) * share)]
    line, far = shapely.LineString([(0, 0), (1, 1)]), shapely.box(0, 0, 1e12, 1)
    # The first corner comes after the order of bytes, the kind, and the numbers of rings and points.
    nan = wkb()[:29] + struct.pack("<d", float("nan")) + wkb()[37:]
    shapes: dict[str, list[Any]] = {
        "cut": [wkb()[:-7]] * 2, "garbage": [b"\x01abc"] * 2, "no bytes": [b""] * 2, "none": [None] * 2,
        "lines": [shapely.to_wkb(line)] * 2, "empty": [shapely.to_wkb(shapely.Polygon())] * 2,
        "too far": [shapely.to_wkb(far)] * 2, "nan": [nan] * 2, "text": ["POINT (1 2)"] * 2,
        "an unknown kind": [b"\x01\xff\xff\xff\xff"] * 2,
    }  # fmt: skip
    for words, given in shapes.items():
        yield "geoparquet", f"shapes: {words}", geoparquet(given)
    column = GEO["columns"]["geometry"]  # type: ignore[index]
    for words, geo in {
        "a list": [], "nothing": {}, "no columns": {**GEO, "columns": {}}, "no encoding": {**GEO, "columns": {"geometry": {}}},
        "another encoding": {**GEO, "columns": {"geometry": {**column, "encoding": "polygon"}}},
        "an absent column": {"primary_column": "shape", "columns": {"shape": column}},
        "a number": 5, "a wrong column": {"primary_column": "area", "columns": {"area": column}}, "text": "geo",
    }.items():  # fmt: skip
        yield "geoparquet", f"described by {words}", geoparquet(geo=geo)
    yield "geoparquet", "a broken description", parquet({"geometry": [wkb()]}, {b"geo": b"{"})
    yield (
        "geoparquet",
        "no rows",
        geoparquet(
            pa.array([], pa.binary()),
            **{"class": pa.array([], pa.string()), "area": pa.array([], pa.float64())},
        ),
    )


def store_cases() -> Iterator[Case]:
    good = json.dumps({"type": "A"})
    shape = zlib.compress(wkb())
    rows: dict[str, list[tuple[Any, Any, Any, Any]]] = {
        "no rows": [], "a cut shape": [(zlib.compress(wkb()[:-5]), 1.0, 1.0, good)], "a cut zlib": [(shape[:-9], 1.0, 1.0, good)],
        "a damaged zlib": [(damaged(shape, 8), 1.0, 1.0, good)], "garbage": [(b"garbage", 1.0, 1.0, good)],
        "no bytes": [(b"", 1.0, 1.0, good)], "a text": [("POINT (1 2)", 1.0, 1.0, good)], "a number": [(5, 1.0, 1.0, good)],
        "no place": [(None, None, None, good)], "a place in words": [(None, "a", 1.0, good)],
        "an endless place": [(None, float("inf"), 1.0, good)], "a far place": [(None, 1e30, 1.0, good)],
        "broken properties": [(shape, 1.0, 1.0, "{")], "a list of properties": [(shape, 1.0, 1.0, "[]")],
        "properties in bytes": [(shape, 1.0, 1.0, b"\xff\xfe")], "a type that is a list": [(shape, 1.0, 1.0, '{"type": [1]}')],
        "lines alone": [(shapely.to_wkb(shapely.LineString([(0, 0), (1, 1)])), 1.0, 1.0, good)],
        "a bomb": [(zlib.compress(bytes([1]) + bytes(17 << 20)), 1.0, 1.0, good)],
        "empty shapes": [(zlib.compress(shapely.to_wkb(shapely.Polygon())), 1.0, 1.0, good)],
    }  # fmt: skip
    for words, given in rows.items():
        yield "tiatoolbox", words, lambda path, given=given: annotation_store(path, given)

    def other(statement: str) -> Callable[[Any], None]:
        def write(path: Any) -> None:
            with sqlite3.connect(path) as database:
                database.execute(statement)
            database.close()

        return write

    yield "tiatoolbox", "another database", other("CREATE TABLE t (x)")
    yield "tiatoolbox", "other columns", other("CREATE TABLE annotations (id, shape)")

    yield (
        "tiatoolbox",
        "a view",
        other("CREATE VIEW annotations AS SELECT 1 geometry, 2 cx, 3 cy, 4 properties"),
    )

    def no_text(path: Any) -> None:
        content = annotation_store(path).read_bytes()
        path.write_bytes(content.replace(b"properties TEXT", b"properties\xc6TEXT", 1))

    yield "tiatoolbox", "a schema that is no text", no_text

    def cut(share: float) -> Callable[[Any], None]:
        def write(path: Any) -> None:
            content = annotation_store(path, [(shape, 1.0, 1.0, good)] * 500).read_bytes()
            path.write_bytes(content[: int(len(content) * share)])

        return write

    for share in (0.01, 0.3, 0.7):
        yield "tiatoolbox", f"cut at {share}", cut(share)


def npz_cases() -> Iterator[Case]:
    whole = npz()
    for share in (0.02, 0.5, 0.95):
        yield "npz", f"cut at {share}", whole[: int(len(whole) * share)]
    yield "npz", "damaged", damaged(whole, 200)
    for words, changes in {
        "flat": {"coord": np.zeros(4)}, "three rows": {"coord": np.zeros((2, 3, 8))}, "two rays": {"coord": np.zeros((2, 2, 2))},
        "nan": {"coord": np.full((2, 2, 4), np.nan)}, "words": {"points": np.array([["a", "b"]] * 2)},
        "one centre": {"points": np.zeros((1, 2))}, "complex": {"coord": np.zeros((2, 2, 4), complex)},
        "truth": {"coord": np.ones((2, 2, 4), bool)}, "no cells": {"coord": np.zeros((0, 2, 8)), "points": np.zeros((0, 2))},
        "one chance": {"prob": np.zeros(1)}, "endless": {"points": np.full((2, 2), np.inf)}, "far": {"points": np.full((2, 2), 1e30)},
        "dates": {"prob": np.zeros(2, "datetime64[s]")}, "bytes": {"class_id": np.zeros(2, "S3")},
        "a number": {"coord": np.float64(3)}, "no types": {"class_id": np.zeros((2, 2))},
    }.items():  # fmt: skip
        yield "npz", words, npz(**changes)
    yield "npz", "other arrays", zipped(("a.npy", b"\x93NUMPY"))
    yield "npz", "no header", zipped(("coord.npy", b"nothing"))
    yield "npz", "a header that lies", zipped(("coord.npy", npy_header((10**9, 2, 32))))
    yield "npz", "a negative shape", zipped(("coord.npy", npy_header((-1, 2, 32))))


def npy_header(shape: tuple[int, ...]) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "<f8", "fortran_order": False, "shape": shape})  # type: ignore[arg-type]
    return file.getvalue()


def archive_cases() -> Iterator[Case]:
    whole = dumped(geojson())
    yield "archive", "nothing in it", zipped()
    yield "archive", "two files", zipped(("a.json", whole), ("b.json", whole))
    yield "archive", "folders", zipped(("a/", b""))
    yield "archive", "a picture", zipped(("a.png", b"\x89PNG\r\n"))
    yield "archive", "ROIs", zipped(("1.roi", b"Iout"), ("2.roi", b"Iout"))
    yield "archive", "damaged", damaged(zipped(("a.json", whole * 9)), 60)
    yield "archive", "a bomb", zipped(("a.json", b"[" + b" " * (3 << 20)))
    yield "archive", "a gzip bomb", gzip.compress(b"x,y\n" + b" " * (3 << 20), 1)
    yield "archive", "a snappy bomb", b"\xff\xff\xff\xff\x0f\x00{\x00\x01"
    yield "archive", "a zip in a zip", zipped(("a.json", zipped(("a.json", whole))))
    yield "archive", "empty", b""
    yield "archive", "white space", b" \n\t "
    yield "archive", "HDF5", b"\x89HDF\r\n\x1a\n" + bytes(50)
    yield "archive", "an array", b"\x93NUMPY\x01\x00"
    yield "archive", "a TIFF", b"II*\x00" + bytes(60)
    yield "archive", "JSON of something else", b'{"a": 1}'
    yield "archive", "an empty object", b"{}"
    yield "archive", "an empty list", b"[]"
    yield "archive", "a bare number in a list", b"[1]"
    yield "archive", "deep lists", b"[" * 100_000
    yield "archive", "deep lists with an end", b"[" * 100_000 + b"]" * 100_000
    yield "archive", "deep lists after a NaN", b"[NaN, " + b"[" * 100_000
    yield "archive", "lines of JSON", b"\n".join([dumped(feature())] * 3)
    yield "archive", "a ring of holes", dumped(feature(coordinates=[[]]))
    yield "archive", "a line", dumped(feature("LineString", closed([[1, 2], [3, 4]])))
