"""Cells from a table with one row a cell: CSV, TSV or Parquet with columns for x, y and the type.

Coordinates are level-0 px unless the header says um ("x_um", "Centroid X µm") or it is stated otherwise;
the other columns of numbers become measures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final, TypeVar, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from sae_backend.cells.import_options import NO_OFFSET, Placement, place
from sae_backend.cells.parsing.measure_rows import MOST_MEASURES, MeasureRows
from sae_backend.cells.parsing.raw_cells import CellRows, RawCells, Reading
from sae_backend.cells.parsing.table_columns import HEADER_HINT, Columns, find_columns, has_coordinates
from sae_backend.cells.parsing.table_text import TableHead, Utf8File, read_head, text_columns
from sae_backend.errors import CellsError, PixelSizeError

__all__ = ["has_coordinates", "read_cell_table", "table_head", "text_columns"]

FORMAT: Final = "table"
NO_TYPE: Final = "No column names the type of the cells."
PARQUET_START: Final = b"PAR1"
_BATCH_ROWS: Final = 1 << 16
_CSV_BLOCK_BYTES: Final = 4 << 20
_LONGEST_TEXT: Final = 10_000
_UNKNOWN_TEXTS: Final = ("", "NA", "N/A", "null", "None")

_T = TypeVar("_T")


def read_cell_table(reading: Reading, most_measures: int = MOST_MEASURES) -> RawCells:
    """Read the cells of a CSV, TSV or Parquet table, some thousand rows at a time.

    Parameters
    ----------
    reading
        The file, the slide, and what is stated.
    most_measures
        Columns of numbers that are kept at most.

    Raises
    ------
    CellsError
        If the table cannot be read, lacks x or y, or holds values that are not finite numbers.
    PixelSizeError
        If the columns are in um and the pixel size of the slide is unknown.
    """
    name = reading.name
    is_parquet = reading.source.raw_head.startswith(PARQUET_START)
    head = table_head(reading)
    columns = find_columns(head.names, name, reading.options.columns)
    wanted = [c for c in (columns.x, columns.y, columns.type, *columns.measures) if c]
    wanted = list(dict.fromkeys(wanted))
    placement = _placement(reading, columns)
    rows = CellRows(name)
    rows.measures = MeasureRows(most_measures)
    kept = _Measures(columns.measures, head.delimiter)
    batches = _parquet_batches(reading, wanted) if is_parquet else _csv_batches(reading, head, wanted)
    while (batch := _guarded(lambda: next(batches, None), name, is_parquet)) is not None:
        first = rows.n_cells
        _check_texts(batch, name)
        xy = np.stack(
            [_floats(batch, c, name, first, head.delimiter) for c in (columns.x, columns.y)], axis=1
        )
        kept.add(batch, rows)
        rows.add_arrays(xy, _labels(batch, columns.type))
    if rows.n_cells == 0:
        raise CellsError(f"{name} holds no cells.", "Below the header there must be one row a cell.")
    used = ", ".join(c for c in (columns.x, columns.y, columns.type) if c)
    notes = [f"Columns used: {used}; coordinates in {columns.unit}.", *kept.notes()]
    if not columns.type:
        notes.append(NO_TYPE)
    tool = "QuPath" if columns.from_qupath else "table"
    assumed = {"columns": {"x": columns.x, "y": columns.y, "type": columns.type, "unit": columns.unit}}
    return rows.finish(FORMAT, tool, placement, notes, **assumed)


def table_head(reading: Reading, most_rows: int = 0) -> TableHead:
    """Return the names of a table's columns and up to `most_rows` of its first rows, as texts.

    Raises
    ------
    CellsError
        If it is no table.
    """
    name = reading.name
    if not reading.source.raw_head.startswith(PARQUET_START):
        return read_head(reading.source.head, name, most_rows)
    file = open_parquet(reading)
    names = list(file.schema_arrow.names)
    doubled = sorted({column for column in names if names.count(column) > 1})
    if doubled:
        raise CellsError(f"{name} has two columns named {doubled[0]!r}.", "Give every column its own name.")
    rows: list[tuple[str, ...]] = []
    if most_rows and file.metadata.num_rows:
        first = _guarded(lambda: next(file.iter_batches(batch_size=most_rows), None), name, True)
        found = [] if first is None else first.to_pylist()
        rows = [tuple("" if value is None else str(value)[:80] for value in row.values()) for row in found]
    return TableHead(tuple(names), "", tuple(rows))


def open_parquet(reading: Reading) -> Any:
    """Open a Parquet file, or raise `CellsError`."""
    return _guarded(
        lambda: pq.ParquetFile(reading.source.path, page_checksum_verification=True), reading.name, True
    )


def parquet_batches(reading: Reading, columns: list[str]) -> Iterator[Any]:
    """Yield some columns of a Parquet file in batches of rows, telling how far it is."""
    name = reading.name
    file = open_parquet(reading)
    total = file.metadata.num_rows
    batches = file.iter_batches(batch_size=_BATCH_ROWS, columns=columns)
    done = 0
    while (batch := _guarded(lambda: next(batches, None), name, True)) is not None:
        done += batch.num_rows
        reading.source.tell(done, total)
        yield batch


_parquet_batches = parquet_batches


def _guarded(read: Callable[[], _T], name: str, is_parquet: bool) -> _T:
    """Call something of Arrow's and map its errors."""
    try:
        return read()
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        if is_parquet:
            raise CellsError(f"{name} is a damaged Parquet file.", "Write it again.") from error
        raise CellsError(f"{name} is not a proper table: {_first_line(error)}", HEADER_HINT) from error


def _csv_batches(reading: Reading, head: TableHead, columns: list[str]) -> Iterator[Any]:
    file = pa.PythonFile(cast(Any, Utf8File(reading.source)), mode="r")
    options = pacsv.ConvertOptions(
        include_columns=columns, column_types=dict.fromkeys(columns, pa.string()), strings_can_be_null=False
    )
    yield from pacsv.open_csv(
        file,
        read_options=pacsv.ReadOptions(block_size=_CSV_BLOCK_BYTES, use_threads=False),
        parse_options=pacsv.ParseOptions(delimiter=head.delimiter, newlines_in_values=True),
        convert_options=options,
    )


def _placement(reading: Reading, columns: Columns) -> Placement:
    options, mpp = reading.options, reading.slide_info.mpp
    own = Placement(1.0, NO_OFFSET)
    if columns.unit == "um" and options.scale is None:
        if mpp is None:
            raise PixelSizeError(
                f"{reading.name} is in um, but the pixel size of the slide is unknown.",
                "State the slide's pixel size first (--mpp, or Slide > Pixel size).",
            )
        own = Placement(1.0 / mpp, NO_OFFSET, (f"Converted with {mpp:g} um per pixel.",))
        if options.mpp is not None or options.level is not None or options.mag is not None:
            raise CellsError(
                f"{reading.name} is in um, so its coordinates have no pixel size, level or magnification.",
                "Leave that out, or state that the unit of its columns is px.",
            )
    return place(options, reading.slide_info, own, qupath_origin=columns.from_qupath)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")[:150] + "."


def _is_text(values: Any) -> bool:
    return bool(pa.types.is_string(values.type) or pa.types.is_large_string(values.type))


def _as_floats(values: Any, delimiter: str) -> npt.NDArray[np.float64] | None:
    """Return a column as floats, NaN where it is empty, or None where it holds something else."""
    # Loaded only here: with it Arrow takes twice as long to load.
    from pyarrow import compute

    if _is_text(values):
        values = compute.utf8_trim_whitespace(values)
        # Spreadsheets that part fields by semicolons write decimal commas.
        if delimiter == ";":
            values = compute.replace_substring(values, ",", ".")
        blank = compute.is_in(values, value_set=pa.array(_UNKNOWN_TEXTS))
        values = compute.if_else(blank, pa.scalar(None, values.type), values)
    try:
        return np.array(
            compute.cast(values, pa.float64(), safe=False).to_numpy(zero_copy_only=False), np.float64
        )
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return None


def _floats(batch: Any, column: str, name: str, first_row: int, delimiter: str) -> npt.NDArray[np.float64]:
    values = batch.column(column)
    numbers = _as_floats(values, delimiter)
    if numbers is None:
        texts = values.to_pylist()
        row = next((i for i, text in enumerate(texts) if not _is_number(text, delimiter)), 0)
        raise CellsError(
            f"Column {column!r} of {name} holds something that is no number: {str(texts[row])[:40]!r} in row "
            f"{first_row + row + 1:,}.",
            "Every row needs the x and y of a cell, as a number with a decimal point.",
        )
    bad = np.flatnonzero(~np.isfinite(numbers))
    if bad.size:
        raise CellsError(
            f"Column {column!r} of {name} is empty or not finite in row {first_row + bad[0] + 1:,}.",
            "Every row needs the x and y of a cell; remove those that have none.",
        )
    return numbers


def _is_number(value: Any, delimiter: str) -> bool:
    try:
        float(value.replace(",", ".") if isinstance(value, str) and delimiter == ";" else value)
    except (TypeError, ValueError):
        return value is None or value == ""
    return True


def _check_texts(batch: Any, name: str) -> None:
    """Raise where a quotation mark that nobody closed has swallowed the rows after it."""
    from pyarrow import compute

    for values in batch.columns:
        if _is_text(values) and (compute.max(compute.utf8_length(values)).as_py() or 0) > _LONGEST_TEXT:
            raise CellsError(
                f"{name} has a text of more than {_LONGEST_TEXT:,} characters in its rows.",
                "A quotation mark may be open; write the table again.",
            )


def _labels(batch: Any, column: str) -> list[str]:
    if not column:
        return [""] * int(batch.num_rows)
    values = batch.column(column)
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    return ["" if value is None else str(value) for value in values.to_pylist()]


class _Measures:
    """The columns that turn out to hold numbers."""

    def __init__(self, names: tuple[str, ...], delimiter: str) -> None:
        self._names = list(names)
        self._delimiter = delimiter
        self._n_bad = 0
        self._begun = False

    def add(self, batch: Any, rows: CellRows) -> None:
        cells = np.arange(rows.n_cells, rows.n_cells + batch.num_rows)
        for name in tuple(self._names):
            values = batch.column(name)
            numbers = _as_floats(values, self._delimiter) if _may_be_numbers(values) else None
            if numbers is None and not self._begun:
                self._names.remove(name)
                continue
            if numbers is None:
                texts = values.to_pylist()
                good = [_is_number(text, ",") for text in texts]
                self._n_bad += len(good) - sum(good)
                numbers = np.array(
                    [float(t) if g and t else np.nan for t, g in zip(texts, good, strict=True)]
                )
            rows.measures.add_column(cells, name, numbers)
        self._begun = True

    def notes(self) -> list[str]:
        if not self._n_bad:
            return []
        return [f"{self._n_bad:,} measured values are no numbers and count as unknown."]


def _may_be_numbers(values: Any) -> bool:
    kind = values.type
    return bool(
        _is_text(values)
        or pa.types.is_floating(kind)
        or pa.types.is_integer(kind)
        or pa.types.is_boolean(kind)
        or pa.types.is_decimal(kind)
    )
