"""Cells from a table with one row a cell: CSV, TSV or Parquet with columns for x, y and the type.

Coordinates are level-0 px unless the header says um ("x_um", "Centroid X µm").
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from io import BytesIO
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from sae_backend.errors import CellsError, PixelSizeError
from sae_backend.formats.raw_cells import UNCLASSIFIED, RawCells, index_types

_XY_NAMES: Final = (
    ("x", "y"),
    ("x_l0", "y_l0"),
    ("centroid_x", "centroid_y"),
    ("x_centroid", "y_centroid"),
    ("cell_x", "cell_y"),
    ("center_x", "center_y"),
    ("centre_x", "centre_y"),
    ("pos_x", "pos_y"),
    ("cx", "cy"),
)
_TYPE_NAMES: Final = (
    "type",
    "cell_type",
    "celltype",
    "classification",
    "class",
    "class_name",
    "label",
    "type_name",
    "category",
)
_UNITS: Final = {"um": "um", "micron": "um", "microns": "um", "px": "px", "pixel": "px", "pixels": "px"}
_HEADER_HINT: Final = "The first line must name columns such as x, y and type (or x_um, y_um)."


def read_cell_table(
    data: bytes, name: str, mpp: float | None, qupath_offset_l0: tuple[float, float] = (0.0, 0.0)
) -> RawCells:
    """Read the cells of a CSV, TSV or Parquet table.

    Parameters
    ----------
    data
        The file's content.
    name
        Its name, for messages; it does not decide the format.
    mpp
        Pixel size of the slide in um per level-0 px, needed only where columns are in um.
    qupath_offset_l0
        (y, x) in level-0 px of QuPath's origin, added to the tables that QuPath wrote.

    Raises
    ------
    CellsError
        If the table cannot be read, lacks x or y, or holds values that are not finite numbers.
    PixelSizeError
        If the columns are in um and `mpp` is None.
    """
    is_parquet = data[:4] == b"PAR1"
    header = _parquet_header(data, name) if is_parquet else None
    text_data, delimiter, names = (data, "", header) if header is not None else _csv_header(data, name)
    x_column, y_column, unit = _coordinate_columns(names, name)
    type_column = _type_column(names)
    wanted = [x_column, y_column, *([type_column] if type_column is not None else [])]
    read = _read_parquet if is_parquet else _read_csv
    table = read(text_data, [names[i] for i in wanted], delimiter, name)
    if table.num_rows == 0:
        raise CellsError(f"{name} holds no cells.", "Below the header there must be one row a cell.")
    xy = np.stack([_floats(table, names[i], name) for i in (x_column, y_column)], axis=1)
    notes = [f"Columns used: {', '.join(names[i] for i in wanted)}; coordinates in {unit}."]
    if unit == "um":
        if mpp is None:
            raise PixelSizeError(
                f"{name} is in um, but the pixel size of the slide is unknown.",
                "State the slide's pixel size first (--mpp, or Slide > Pixel size).",
            )
        xy /= mpp
        notes.append(f"Converted with {mpp:g} um per pixel.")
    keys = {_key(column) for column in names}
    from_qupath = "object_type" in keys and ("image" in keys or "parent" in keys)
    if from_qupath and any(qupath_offset_l0):
        xy += np.asarray(qupath_offset_l0)[::-1]
        notes.append("Moved by the start of the scanned area, QuPath's origin.")
    if type_column is None:
        labels: Sequence[str] = [UNCLASSIFIED] * table.num_rows
        notes.append("No column names the type of the cells.")
    else:
        labels = _labels(table, names[type_column])
    index, type_names = index_types(labels)
    tool = "QuPath" if from_qupath else "table"
    return RawCells(xy[:, ::-1].copy(), index, type_names, tool, tuple(notes))


def has_coordinates(names: Sequence[str]) -> bool:
    """Whether columns of these names can hold the places of cells."""
    try:
        _coordinate_columns(names, "")
    except CellsError:
        return False
    return True


def text_columns(head: bytes) -> tuple[list[str], str]:
    """Names of the columns of a text table and what parts them, from the beginning of its file."""
    try:
        _, delimiter, names = _csv_header(head, "")
    except (CellsError, csv.Error):
        return [], ""
    return names, delimiter


def _key(column: str) -> str:
    plain = column.strip().lower().replace("µ", "u").replace("μ", "u")
    return re.sub(r"[^a-z0-9]+", "_", plain).strip("_")


def _split_unit(key: str) -> tuple[str, str]:
    stem, _, last = key.rpartition("_")
    return (stem, _UNITS[last]) if stem and last in _UNITS else (key, "")


def _coordinate_columns(names: Sequence[str], name: str) -> tuple[int, int, str]:
    """Indices of x and y and their unit; pixels win where a table has both."""
    keys: dict[tuple[str, str], int] = {}
    for i, column in enumerate(names):
        keys.setdefault(_split_unit(_key(column)), i)
    for unit in ("px", "", "um"):
        for x_name, y_name in _XY_NAMES:
            if (x_name, unit) in keys and (y_name, unit) in keys:
                return keys[x_name, unit], keys[y_name, unit], unit or "px"
    shown = ", ".join(repr(column) for column in names[:8])
    raise CellsError(f"{name} has no columns for x and y; it has {shown}.", _HEADER_HINT)


def _type_column(names: Sequence[str]) -> int | None:
    keys: dict[str, int] = {}
    for i, column in enumerate(names):
        keys.setdefault(_key(column), i)
    return next((keys[wanted] for wanted in _TYPE_NAMES if wanted in keys), None)


def _csv_header(data: bytes, name: str) -> tuple[bytes, str, list[str]]:
    data = data.removeprefix(b"\xef\xbb\xbf")
    if b"\x00" in data[:4096]:
        raise CellsError(f"{name} is not a text table.", "Save it as CSV or TSV in UTF-8, or as Parquet.")
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        # QuPath on Windows has written the µ of its headers in Latin-1.
        data = data.decode("latin-1").encode("utf-8")
    first = data.split(b"\n", 1)[0].decode("utf-8").rstrip("\r")
    delimiter = max("\t,;", key=first.count)
    names = next(csv.reader([first], delimiter=delimiter), [])
    doubled = sorted({column for column in names if names.count(column) > 1 and column})
    if doubled:
        raise CellsError(f"{name} has two columns named {doubled[0]!r}.", "Give every column its own name.")
    return data, delimiter, names


def _read_csv(data: bytes, columns: list[str], delimiter: str, name: str) -> Any:
    options = pacsv.ConvertOptions(include_columns=columns, column_types=dict.fromkeys(columns, pa.string()))
    try:
        table = pacsv.read_csv(
            BytesIO(data),
            parse_options=pacsv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
            convert_options=options,
        )
    except (pa.ArrowInvalid, pa.ArrowKeyError) as error:
        raise CellsError(f"{name} is not a proper table: {_first_line(error)}", _HEADER_HINT) from error
    # Spreadsheets that split fields by semicolons write decimal commas.
    if delimiter == ";":
        # Half of what Arrow takes to load; only tables of this kind need it.
        from pyarrow import compute

        for i in range(2):
            table = table.set_column(i, columns[i], compute.replace_substring(table.column(i), ",", "."))
    return table


def _parquet_header(data: bytes, name: str) -> list[str]:
    try:
        return list(pq.read_schema(BytesIO(data)).names)
    except (pa.ArrowInvalid, OSError) as error:
        raise CellsError(f"{name} is a damaged Parquet file.", "Write it again.") from error


def _read_parquet(data: bytes, columns: list[str], _delimiter: str, name: str) -> Any:
    try:
        return pq.read_table(BytesIO(data), columns=columns)
    except (pa.ArrowInvalid, OSError) as error:
        raise CellsError(f"{name} is a damaged Parquet file.", "Write it again.") from error


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0].rstrip(".")[:150] + "."


def _floats(table: Any, column: str, name: str) -> npt.NDArray[np.float64]:
    values = table.column(column)
    try:
        if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
            from pyarrow import compute

            values = compute.utf8_trim_whitespace(values)
        numbers = np.array(values.cast(pa.float64()).to_numpy(), np.float64)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise CellsError(
            f"Column {column!r} of {name} holds something that is no number: {_first_line(error)}",
            "Every row needs the x and y of a cell.",
        ) from error
    bad = np.flatnonzero(~np.isfinite(numbers))
    if bad.size:
        raise CellsError(
            f"Column {column!r} of {name} is empty or not finite in {bad.size:,} rows, first in row {bad[0] + 1:,}.",
            "Every row needs the x and y of a cell; remove those that have none.",
        )
    return numbers


def _labels(table: Any, column: str) -> list[str]:
    values = table.column(column)
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    return ["" if value is None else str(value) for value in values.to_pylist()]
