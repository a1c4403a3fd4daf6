"""Annotations to and from files, so that colleagues can share them."""

from __future__ import annotations

import csv
import io
import os
from pathlib import Path
from typing import Any, Final

import orjson

from desktop_app.store import AnnotationRecord, ImportReport, Store
from sae_backend.errors import StoreError, UserInputError

FORMAT: Final = "sparsescope-annotations"
VERSION: Final = 1
COLUMNS: Final = (
    "sae_digest",
    "feature",
    "name",
    "description",
    "tags",
    "confidence",
    "status",
    "author",
    "updated_at",
)
_FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r", "\n")
_FILE_MAX_BYTES: Final = 256 << 20


def export_json(store: Store, path: Path) -> None:
    """Write all annotations as JSON that `import_json` reads back equal (without their history).

    Raises
    ------
    StoreError
        When the file cannot be written; an older file of that name is then still whole.
    """
    entries = [{name: getattr(record, name) for name in COLUMNS} for record in store.annotations()]
    document = {"format": FORMAT, "version": VERSION, "annotations": entries}
    _replace_file(path, orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


def export_csv(store: Store, path: Path) -> None:
    """Write all annotations as CSV for spreadsheets: UTF-8, tags joined by semicolons.

    A text that a spreadsheet would run as a formula gets an apostrophe before it.

    Raises
    ------
    StoreError
        When the file cannot be written; an older file of that name is then still whole.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for record in store.annotations():
        values = {**vars(record), "tags": "; ".join(record.tags)}
        writer.writerow([_cell(values[name]) for name in COLUMNS])
    _replace_file(path, text.getvalue().encode())


def import_json(store: Store, path: Path) -> ImportReport:
    """Add the annotations of a file; one that differs from ours is reported, never overwritten.

    Raises
    ------
    UserInputError
        When it is not such a file or a value in it is not legal; then nothing was added.
    StoreError
        When the project cannot be written.
    """
    try:
        if path.stat().st_size > _FILE_MAX_BYTES:
            raise UserInputError(f"{path.name} is too large for annotations.", "Choose the exported file.")
        document = orjson.loads(path.read_bytes())
    except OSError as error:
        raise UserInputError(f"{path.name} cannot be read: {error.strerror}.", "Check the path.") from error
    except orjson.JSONDecodeError as error:
        raise UserInputError(
            f"{path.name} is not valid JSON: {error}.", "Export the annotations again."
        ) from error
    return store.import_annotations(_records(document, path.name))


def _records(document: Any, name: str) -> list[AnnotationRecord]:
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise UserInputError(
            f"{name} does not hold annotations.", "Choose a file that `annotate export` wrote as JSON."
        )
    if document.get("version") != VERSION:
        raise UserInputError(
            f"{name} was written by a newer version of Sparsescope.", "Install the newest version."
        )
    entries = document.get("annotations")
    if not isinstance(entries, list):
        raise UserInputError(f"{name} has no list of annotations.", "Export the annotations again.")
    records = [_entry(entry, f"Annotation {i} in {name}") for i, entry in enumerate(entries, start=1)]
    if len({(record.sae_digest, record.feature) for record in records}) != len(records):
        raise UserInputError(f"{name} describes a feature twice.", "Keep one of the two.")
    return records


def _entry(entry: Any, where: str) -> AnnotationRecord:
    if not isinstance(entry, dict) or set(entry) != set(COLUMNS):
        raise UserInputError(
            f"{where} does not have exactly the fields {', '.join(COLUMNS)}.", "Export the annotations again."
        )
    for field in ("sae_digest", "author", "updated_at"):
        if not isinstance(entry[field], str):
            raise UserInputError(f"{where} has a {field} that is not text.", "Export it again.")
    if not isinstance(entry["tags"], list):
        raise UserInputError(f"{where} has tags that are not a list.", "Export it again.")
    # The store checks the five fields that people edit, and the number of the feature.
    return AnnotationRecord(**{**entry, "tags": tuple(entry["tags"])})


def _cell(value: Any) -> str:
    if isinstance(value, str) and value.startswith(_FORMULA_STARTS):
        return f"'{value}"
    return "" if value is None else str(value)


def _replace_file(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        try:
            with temporary.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        if os.name != "nt":
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
    except OSError as error:
        raise StoreError(
            f"{path} cannot be written: {error.strerror}.", "Choose another folder or free some space."
        ) from error
