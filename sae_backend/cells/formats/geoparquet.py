"""Cells from GeoParquet: a column of shapes in WKB, and a column that names the type."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import orjson
import pyarrow as pa

from sae_backend.cells.formats.delimited_table import open_parquet, parquet_batches
from sae_backend.cells.import_options import LEVEL_0_ASSUMED, NO_OFFSET, Placement, place
from sae_backend.cells.parsing.geojson import listed
from sae_backend.cells.parsing.geometry_rows import add_shapes
from sae_backend.cells.parsing.raw_cells import CellRows, RawCells, Reading
from sae_backend.cells.parsing.table_columns import TYPE_NAMES, column_key
from sae_backend.errors import CellsError

FORMAT: Final = "geoparquet"
_WRITE_HINT: Final = "Write it again, with geopandas: to_parquet with geometry_encoding='WKB'."


def geometry_column(schema: Any, name: str) -> str:
    """Return the name of the column of shapes of a Parquet file, empty where it has none.

    Raises
    ------
    CellsError
        If what the file says of it is damaged, or it is not in WKB.
    """
    said = (schema.metadata or {}).get(b"geo")
    if said is None:
        binary = [field.name for field in schema if _is_binary(field.type)]
        return next((column for column in binary if column_key(column) in ("geometry", "wkb", "geom")), "")
    try:
        geo = orjson.loads(said)
        column = geo["primary_column"]
        encoding = geo["columns"][column]["encoding"]
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise CellsError(f"{name} has a damaged description of its shapes.", _WRITE_HINT) from error
    if column not in schema.names:
        raise CellsError(f"{name} lacks its column of shapes, {column!r}.", _WRITE_HINT)
    if encoding != "WKB" or not _is_binary(schema.field(column).type):
        raise CellsError(f"{name} holds its shapes in another form than WKB.", _WRITE_HINT)
    return str(column)


def read_geoparquet(reading: Reading) -> RawCells:
    """Read the cells of a GeoParquet file, some thousand rows at a time.

    Raises
    ------
    CellsError
        If the file is damaged, its shapes are not in WKB, or it holds no cell.
    """
    name, stated = reading.name, reading.options.columns
    schema = open_parquet(reading).schema_arrow
    geometry = geometry_column(schema, name)
    if not geometry:
        raise CellsError(f"{name} has no column of shapes.", _WRITE_HINT)
    doubled = sorted({column for column in schema.names if schema.names.count(column) > 1})
    if doubled:
        raise CellsError(f"{name} has two columns named {doubled[0]!r}.", "Give every column its own name.")
    type_column = _type_column(schema.names, "" if stated is None else stated.type, name)
    numeric = [f.name for f in schema if _is_number(f.type) and f.name not in (geometry, type_column)]
    if stated is not None and stated.measures is not None:
        numeric = [column for column in numeric if column in stated.measures]
    numeric = [column for column in numeric if column_key(column) not in ("id", "index", "index_level_0")]
    rows = CellRows(name)
    left_out: Counter[str] = Counter()
    wanted = [column for column in (geometry, type_column, *numeric) if column]
    for batch in parquet_batches(reading, wanted):
        first = rows.n_cells
        shapes = batch.column(geometry).to_numpy(zero_copy_only=False)
        labels = _labels(batch, type_column)
        source = add_shapes(rows, shapes, labels, name, left_out)
        cells = np.arange(first, rows.n_cells)
        for column in numeric:
            values = batch.column(column).cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
            rows.measures.add_column(cells, column, values[source])
    if rows.n_cells == 0:
        raise CellsError(
            f"{name} holds no cells.", f"Found instead: {listed(left_out) or 'nothing'}. Choose another file."
        )
    notes = [f"Left out, as they are no cells: {listed(left_out)}."] if left_out else []
    if not type_column:
        notes.append("No column names the type of the cells.")
    placement = place(reading.options, reading.slide_info, Placement(1.0, NO_OFFSET, (LEVEL_0_ASSUMED,)))
    return rows.finish(FORMAT, "GeoParquet", placement, notes, geometry=geometry, type=type_column)


def _type_column(names: Sequence[str], stated: str, name: str) -> str:
    if stated:
        if stated not in names:
            raise CellsError(f"{name} has no column {stated!r}.", "Choose from its columns.")
        return stated
    keys: dict[str, str] = {}
    for column in names:
        keys.setdefault(column_key(column), column)
    return next((keys[key] for key in (*TYPE_NAMES, "name") if key in keys), "")


def _labels(batch: Any, column: str) -> list[str]:
    if not column:
        return [""] * int(batch.num_rows)
    values = batch.column(column)
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    return [_label(value) for value in values.to_pylist()]


def _label(value: Any) -> str:
    """A name as it is; QuPath's classification, an object or its JSON text, by the name in it."""
    if isinstance(value, str) and value.startswith("{"):
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError:
            return str(value)
    if isinstance(value, Mapping):
        value = value.get("name")
    return "" if value is None else str(value)


def _is_binary(kind: Any) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _is_number(kind: Any) -> bool:
    return bool(pa.types.is_floating(kind) or pa.types.is_integer(kind))
