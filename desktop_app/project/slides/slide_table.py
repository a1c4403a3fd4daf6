"""A table with one row a slide: patient, site, scanner, group and whatever else is known of it."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sae_backend.errors import UserInputError

SLIDE_COLUMNS: Final = ("slide", "slide_id", "file", "filename", "image", "name")
"""Names of the column that says which slide a row is about, the first of them first."""

_MAX_BYTES: Final = 64 << 20
_SAVE: Final = "Save the table as CSV (UTF-8), with the names of the slides in a column called slide."
_PICKLES: Final = tuple(bytes([0x80, protocol]) for protocol in range(2, 6))
_WORKBOOKS: Final = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")


@dataclass(frozen=True)
class TableRow:
    """What a table says of one slide: the name as written, without folders, and texts by column."""

    slide: str
    values: dict[str, str]


@dataclass(frozen=True)
class SlideTable:
    """A table of slides.

    Attributes
    ----------
    name
        The file's.
    slide_column
        The column that names the slides.
    keys
        The other columns that have a name.
    rows
        One for each slide named; rows that say the same slide are one.
    n_nameless_rows, n_nameless_columns
        Rows that name no slide and columns without a name, which are left out.
    """

    name: str
    slide_column: str
    keys: tuple[str, ...]
    rows: tuple[TableRow, ...]
    n_nameless_rows: int = 0
    n_nameless_columns: int = 0


def read_slide_table(path: Path) -> SlideTable:
    """Read a table of slides: CSV, TSV or parted by semicolons, in UTF-8, names of columns in its first row.

    Raises
    ------
    UserInputError
        When it cannot be read, is no text (a workbook, a pickle), is empty, has no column that names
        slides or none beside it, has two columns of one name, a row longer than the first, or two rows
        that contradict each other on one slide.
    """
    name = path.name
    records = _records(path)
    header = [field.strip() for field in records[0][1]]
    named = [column for column in header if column]
    twice = sorted({column for column in named if named.count(column) > 1})
    if twice:
        raise UserInputError(f"{name} has two columns named {twice[0]!r}.", "Give every column its own name.")
    at = _slide_column(header, name)
    keys = tuple(column for i, column in enumerate(header) if column and i != at)
    if not keys:
        raise UserInputError(
            f"{name} says nothing of its slides but their names.",
            "Add columns such as patient, site or scanner.",
        )
    if len(records) == 1:
        raise UserInputError(f"{name} has no rows below its first.", "Add a row for each slide.")
    found: dict[str, TableRow] = {}
    n_nameless = 0
    for number, record in records[1:]:
        fields = [field.strip() for field in record]
        if any(fields[len(header) :]):
            raise UserInputError(
                f"Row {number} of {name} has {len(fields)} fields, but there are {len(header)} columns.",
                "Put a text that holds the separator into quotation marks.",
            )
        fields += [""] * (len(header) - len(fields))
        slide = re.split(r"[/\\]", fields[at])[-1]
        if not slide:
            n_nameless += 1
            continue
        values = {column: fields[i] for i, column in enumerate(header) if column and i != at}
        if slide in found:
            values = merged(found[slide].values, values, slide, name)
        found[slide] = TableRow(slide, values)
    n_columns = sum(any(_field(record, i) for _, record in records[1:]) for i in _nameless(header))
    return SlideTable(name, header[at], keys, tuple(found.values()), n_nameless, n_columns)


def _records(path: Path) -> list[tuple[int, list[str]]]:
    """Rows of a text table that are not blank, each with its number; the first has the names of columns."""
    name = path.name
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise UserInputError(f"{name} is too large for a table of slides.", "Choose another file.")
        data = path.read_bytes()
    except OSError as error:
        raise UserInputError(f"{name} cannot be read: {error.strerror}.", "Check the path.") from error
    if data.startswith(_PICKLES):
        raise UserInputError(f"{name} is a pickle, which could run a program when it is read.", _SAVE)
    if data.startswith(_WORKBOOKS):
        raise UserInputError(f"{name} is a workbook of a spreadsheet program, not a text table.", _SAVE)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserInputError(f"{name} is not a text in UTF-8.", _SAVE) from error
    if "\x00" in text:
        raise UserInputError(f"{name} is not a text table.", _SAVE)
    first = next((line for line in text.splitlines() if line.strip()), "")
    delimiter = max("\t,;", key=first.count)
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise UserInputError(
            f"{name} is not a proper table: {error}.", "Look for a quotation mark that is not closed."
        ) from error
    kept = [(i, row) for i, row in enumerate(rows, start=1) if any(field.strip() for field in row)]
    if not kept:
        raise UserInputError(
            f"{name} is empty.", "Its first row must name columns, such as slide and patient."
        )
    return kept


def _slide_column(header: Sequence[str], name: str) -> int:
    plain = [re.sub(r"[^a-z0-9]", "", column.casefold()) for column in header]
    for wanted in SLIDE_COLUMNS:
        key = wanted.replace("_", "")
        if key in plain:
            return plain.index(key)
    shown = ", ".join(repr(column) for column in header[:8])
    raise UserInputError(
        f"{name} has no column that names the slides; it has {shown}.",
        f"Call the column with the file names {SLIDE_COLUMNS[0]}.",
    )


def _nameless(header: Sequence[str]) -> list[int]:
    return [i for i, column in enumerate(header) if not column]


def _field(record: Sequence[str], i: int) -> str:
    return record[i].strip() if i < len(record) else ""


def merged(one: dict[str, str], other: dict[str, str], slide: str, name: str) -> dict[str, str]:
    """Put together what two rows of table `name` say of one slide; an empty field contradicts nothing.

    Raises
    ------
    UserInputError
        When they contradict each other.
    """
    for key, text in other.items():
        if text and one.get(key, "") not in ("", text):
            raise UserInputError(
                f"Two rows of {name} are about {slide} and contradict each other: {key} is {one[key]!r} and {text!r}.",
                "Keep one row for each slide.",
            )
    return {
        key: one.get(key) or other.get(key, "") for key in [*one, *(key for key in other if key not in one)]
    }
