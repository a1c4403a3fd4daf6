"""The one writer of tables: CSV, TSV, Parquet, workbook and JSON, each file whole or not at all."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sae_backend.atomic_write import atomic_path, disk_errors
from sae_backend.errors import UserInputError

TEXT_SUFFIXES: Final = (".csv", ".tsv")
ALL_SUFFIXES: Final = (*TEXT_SUFFIXES, ".parquet", ".xlsx", ".json")
SHEET_ROWS: Final = 1_048_575
"""Rows of a sheet of a workbook, without its header."""

_FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What a spreadsheet takes for the start of a formula; the last four are the same signs in full width."""
_CELL_CHARACTERS: Final = 32_000
_CHUNK_ROWS: Final = 20_000

Columns: TypeAlias = pa.Table | Mapping[str, Sequence[Any]]
"""A table by column; None and NaN stand for a value that is not defined."""


def guarded(text: str) -> str:
    """Text that no spreadsheet takes for a formula, also after blanks, which some drop."""
    return (
        "'" + text if text.startswith(_FORMULA_STARTS) or text.lstrip().startswith(_FORMULA_STARTS) else text
    )


def check_table_name(path: Path, suffixes: Sequence[str] = ALL_SUFFIXES, what: str = "Tables") -> str:
    """Return the ending of a table's file, in lower case.

    Raises
    ------
    UserInputError
        When it is a folder, or has none of the endings `suffixes`.
    """
    suffix = path.suffix.lower()
    if path.is_dir():
        raise UserInputError(f"{path.name} is a folder.", "Name a file in it.")
    if suffix not in suffixes:
        raise UserInputError(
            f"{what} are not written as {suffix or 'a file without ending'}.",
            f"Name it {', '.join(suffixes[:-1])} or {suffixes[-1]}.",
        )
    return suffix


def check_can_write(path: Path) -> None:
    """Refuse a path at once, before the work whose result it is to take.

    Raises
    ------
    UserInputError
        When it is a folder.
    CacheError
        When nothing can be written there.
    """
    if path.is_dir():
        raise UserInputError(f"{path.name} is a folder.", "Name a file in it.")
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            pass


def columns_of(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Rows with the same keys as columns."""
    return {name: [row[name] for row in rows] for name in (rows[0] if rows else ())}


def write_table(
    path: Path, columns: Columns, *, about: Mapping[str, Any] | None = None, byte_order_mark: bool = False
) -> int:
    """Write a table; the kind of file follows the ending. Returns the number of rows.

    In text tables and workbooks no text is a formula for a spreadsheet: it gets a leading apostrophe in CSV and
    TSV, and is stored as text in a workbook. What is not defined is empty, or null in Parquet and JSON.

    Parameters
    ----------
    path
        Ends in one of `ALL_SUFFIXES`.
    columns
        The table.
    about
        Kept in the metadata of a Parquet file under `sparsescope`.
    byte_order_mark
        Begin a CSV file with one, by which spreadsheets know UTF-8.

    Raises
    ------
    UserInputError
        For another ending, or more rows than a sheet holds.
    CacheError
        When the file cannot be written; an older file of that name is then still whole.
    """
    suffix = check_table_name(path)
    table = columns if isinstance(columns, pa.Table) else pa.table({k: _array(v) for k, v in columns.items()})
    with atomic_path(path) as temporary:
        if suffix == ".parquet":
            note = None if about is None else {b"sparsescope": json.dumps(about).encode()}
            pq.write_table(table.replace_schema_metadata(note), temporary)
        elif suffix == ".json":
            plain = {name: _defined(table.column(name).to_pylist()) for name in table.column_names}
            temporary.write_text(json.dumps(plain, allow_nan=False), encoding="utf-8")
        elif suffix == ".xlsx":
            with workbook(temporary) as book:
                write_sheet(book, "Table", table)
        else:
            _write_text(table, temporary, "," if suffix == ".csv" else "\t", byte_order_mark)
    return int(table.num_rows)


def workbook(path: Path) -> Any:
    """Open a workbook for writing, in which no text becomes a formula, a link or a number."""
    import xlsxwriter

    options = {
        "constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False,
        "strings_to_numbers": False, "nan_inf_to_errors": False,
    }  # fmt: skip
    return xlsxwriter.Workbook(str(path), options)


def write_sheet(book: Any, name: str, columns: Columns, *, frozen_columns: int = 0) -> None:
    """Add a sheet with a table under a header that stays in sight.

    Raises
    ------
    UserInputError
        When there are more rows than a sheet has.
    """
    if isinstance(columns, pa.Table):
        n_rows, names, rows = columns.num_rows, columns.column_names, _rows(columns)
    else:
        names, rows = list(columns), zip(*columns.values(), strict=True)
        n_rows = len(columns[names[0]]) if names else 0
    if n_rows > SHEET_ROWS:
        raise UserInputError(
            f"{n_rows:,} rows are more than the {SHEET_ROWS:,} of a sheet.",
            "Write .parquet or .csv, or correlate with fewer statistics.",
        )
    sheet = book.add_worksheet(name)
    sheet.freeze_panes(1, frozen_columns)
    write_row(sheet, 0, names)
    for at, values in enumerate(rows, 1):
        write_row(sheet, at, values)


def write_row(sheet: Any, at: int, values: Iterable[Any]) -> None:
    """Write one row of a sheet: numbers as numbers, what is not defined as an empty cell."""
    for place, value in enumerate(values):
        if value is None or (isinstance(value, float) and not np.isfinite(value)):
            continue
        if isinstance(value, bool):
            sheet.write_boolean(at, place, value)
        elif isinstance(value, int | float):
            sheet.write_number(at, place, value)
        else:
            sheet.write_string(at, place, str(value)[:_CELL_CHARACTERS])


def _array(values: Sequence[Any]) -> pa.Array:
    try:
        return pa.array(values, from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        # Numbers and words in one column: all of it becomes text, numbers in full.
        return pa.array([None if _undefined(value) else str(value) for value in values], pa.string())


def _undefined(value: Any) -> bool:
    return value is None or (isinstance(value, float) and not np.isfinite(value))


def _defined(values: list[Any]) -> list[Any]:
    return [None if _undefined(value) else value for value in values]


def _rows(table: pa.Table) -> Iterable[tuple[Any, ...]]:
    for batch in table.to_batches(_CHUNK_ROWS):
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


def _write_text(table: pa.Table, path: Path, delimiter: str, byte_order_mark: bool) -> None:
    from pyarrow import csv

    for place, field in enumerate(table.schema):
        if pa.types.is_string(field.type):
            coded = table.column(place).combine_chunks().dictionary_encode()
            safe = pa.array([guarded(text) for text in coded.dictionary.to_pylist()], pa.string())
            column = pa.DictionaryArray.from_arrays(coded.indices, safe).cast(pa.string())
            table = table.set_column(place, field.name, column)
    table = table.rename_columns([guarded(name) for name in table.column_names])
    with path.open("wb") as file:
        if byte_order_mark and delimiter == ",":
            file.write(b"\xef\xbb\xbf")
        csv.write_csv(table, file, csv.WriteOptions(delimiter=delimiter, quoting_style="needed"))
