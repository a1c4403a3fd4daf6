"""Annotations to and from files, so that colleagues can share them."""

from __future__ import annotations

import csv
import io
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any, Final, TypeVar

import orjson

from desktop_app.export.tables import guarded
from desktop_app.project.drop.detected import ANNOTATIONS_FORMAT
from desktop_app.store import (
    AnnotationRecord,
    CommentRecord,
    ExampleRecord,
    FeatureListRecord,
    FeatureRef,
    HistoryRecord,
    ImportReport,
    Store,
)
from desktop_app.store.records.annotation_records import FIELDS
from sae_backend.atomic_write import write_bytes_atomic
from sae_backend.errors import CacheError, StoreError, UserInputError

VERSION: Final = max(known.since for known in FIELDS.values())


def columns_of(version: int) -> tuple[str, ...]:
    """Names of what a file of this version has of every annotation."""
    first = [name for name, known in FIELDS.items() if known.since == 1]
    later = [name for name, known in FIELDS.items() if 1 < known.since <= version]
    return ("sae_digest", "feature", *first, "author", "updated_at", *later)


COLUMNS: Final = columns_of(VERSION)
_FILE_MAX_BYTES: Final = 256 << 20
_Said = TypeVar("_Said", CommentRecord, ExampleRecord)


def export_json(store: Store, path: Path) -> None:
    """Write annotations, comments, examples and lists as JSON that `import_json` reads back equal.

    The file is complete: the history of each annotation and what was withdrawn are in it too.

    Raises
    ------
    StoreError
        When the file cannot be written; an older file of that name is then still whole.
    """
    notes = store.annotations.all()
    document = {
        "format": ANNOTATIONS_FORMAT,
        "version": VERSION,
        "annotations": [{name: getattr(record, name) for name in COLUMNS} for record in notes],
        "comments": [asdict(comment) for comment in store.comments.all(withdrawn=True)],
        "examples": [asdict(example) for example in store.examples.all(withdrawn=True)],
        "lists": [
            {
                "name": known.name,
                "author": known.author,
                "at": known.at,
                "features": [[ref.sae_digest, ref.index] for ref in known.features],
            }
            for known in store.lists.all()
        ],
        "history": [
            {"sae_digest": note.sae_digest, "feature": note.feature, **asdict(line)}
            for note in notes
            for line in store.annotations.history(note.sae_digest, note.feature)
        ],
    }
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
    for record in store.annotations.all():
        writer.writerow([_cell(getattr(record, name)) for name in COLUMNS])
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
    notes = _records(document, path.name)
    comments = _said(document, "comments", CommentRecord, path.name)
    examples = _said(document, "examples", ExampleRecord, path.name)
    lists = _lists(document, path.name)
    report = store.annotations.merge(notes, _histories(document, path.name))
    n_comments, n_examples = store.comments.merge(comments, examples)
    n_listed = store.lists.merge(lists)
    return replace(report, comments_added=n_comments, examples_added=n_examples, listed=n_listed)


def _lists(document: Any, name: str) -> list[FeatureListRecord]:
    found = []
    for number, entry in enumerate(document.get("lists", []), start=1):
        known = isinstance(entry, dict) and set(entry) == {"name", "author", "at", "features"}
        texts = known and all(isinstance(entry[field], str) for field in ("name", "author", "at"))
        if not texts or not entry["name"].strip() or not isinstance(entry["features"], list):
            raise UserInputError(f"List {number} in {name} is not a list of features.", "Export it again.")
        refs = []
        for item in entry["features"]:
            pair = isinstance(item, list) and len(item) == 2
            if not pair or not isinstance(item[0], str) or type(item[1]) is not int or item[1] < 0:
                raise UserInputError(f"List {number} in {name} names no feature.", "Export it again.")
            refs.append(FeatureRef(item[0], item[1]))
        found.append(FeatureListRecord(entry["name"], entry["author"], entry["at"], tuple(refs)))
    return found


def _histories(document: Any, name: str) -> dict[FeatureRef, list[HistoryRecord]]:
    found: dict[FeatureRef, list[HistoryRecord]] = {}
    wanted = {"sae_digest", "feature", *(field.name for field in fields(HistoryRecord))}
    for number, entry in enumerate(document.get("history", []), start=1):
        if not isinstance(entry, dict) or set(entry) != wanted:
            raise UserInputError(
                f"Entry {number} of the history in {name} does not have the fields {', '.join(sorted(wanted))}.",
                "Export the annotations again.",
            )
        ref = FeatureRef(entry["sae_digest"], entry["feature"])
        texts = (entry[field] for field in ("sae_digest", "at", "author", "field"))
        if not all(isinstance(text, str) for text in texts) or not all(
            isinstance(entry[field], int) for field in ("feature", "revision")
        ):
            raise UserInputError(
                f"Entry {number} of the history in {name} has a value of the wrong kind.",
                "Export the annotations again.",
            )
        before, after = (
            tuple(value) if isinstance(value, list) else value for value in (entry["before"], entry["after"])
        )
        line = HistoryRecord(entry["at"], entry["author"], entry["field"], before, after, entry["revision"])
        found.setdefault(ref, []).append(line)
    return found


def _said(document: Any, key: str, record: type[_Said], name: str) -> list[_Said]:
    """Comments or examples of a document, every value of the type that the record says."""
    found: list[_Said] = []
    kinds = {"str": str, "int": int, "float": int | float, "bool": bool}
    for number, entry in enumerate(document.get(key, []), start=1):
        wanted = {field.name: kinds[str(field.type)] for field in fields(record)}
        if not isinstance(entry, dict) or set(entry) != set(wanted):
            raise UserInputError(
                f"Entry {number} of the {key} in {name} does not have the fields {', '.join(wanted)}.",
                "Export the annotations again.",
            )
        for field, kind in wanted.items():
            if not isinstance(entry[field], kind) or (kind is int and isinstance(entry[field], bool)):
                raise UserInputError(
                    f"Entry {number} of the {key} in {name} has a {field} of the wrong kind.",
                    "Export the annotations again.",
                )
        if entry["feature"] < 0:
            raise UserInputError(
                f"Entry {number} of the {key} in {name} is about no feature.", "Export it again."
            )
        found.append(record(**entry))
    return found


def _records(document: Any, name: str) -> list[AnnotationRecord]:
    if not isinstance(document, dict) or document.get("format") != ANNOTATIONS_FORMAT:
        raise UserInputError(
            f"{name} does not hold annotations.", "Choose a file that `annotate export` wrote as JSON."
        )
    version = document.get("version")
    if not isinstance(version, int) or not 1 <= version <= VERSION:
        raise UserInputError(
            f"{name} was written by a newer version of Sparsescope.", "Install the newest version."
        )
    columns = columns_of(version)
    entries = document.get("annotations")
    if not isinstance(entries, list):
        raise UserInputError(f"{name} has no list of annotations.", "Export the annotations again.")
    records = [
        _entry(entry, columns, f"Annotation {i} in {name}") for i, entry in enumerate(entries, start=1)
    ]
    if len({(record.sae_digest, record.feature) for record in records}) != len(records):
        raise UserInputError(f"{name} describes a feature twice.", "Keep one of the two.")
    return records


def _entry(entry: Any, columns: tuple[str, ...], where: str) -> AnnotationRecord:
    if not isinstance(entry, dict) or set(entry) != set(columns):
        raise UserInputError(
            f"{where} does not have exactly the fields {', '.join(columns)}.", "Export the annotations again."
        )
    for field in ("sae_digest", "author", "updated_at"):
        if not isinstance(entry[field], str):
            raise UserInputError(f"{where} has a {field} that is not text.", "Export it again.")
    if not isinstance(entry["tags"], list):
        raise UserInputError(f"{where} has tags that are not a list.", "Export it again.")
    # The store checks the fields that people fill in, and the number of the feature.
    return AnnotationRecord(**entry)


def _cell(value: Any) -> str:
    if isinstance(value, tuple):
        value = "; ".join(value)
    return "" if value is None else guarded(str(value))


def _replace_file(path: Path, content: bytes) -> None:
    # A mistyped folder is told and not made.
    if not path.parent.is_dir():
        raise StoreError(
            f"{path} cannot be written: there is no folder {path.parent.name}.", "Choose another folder."
        )
    try:
        write_bytes_atomic(path, content)
    except (CacheError, UserInputError) as error:
        raise StoreError(f"{path} cannot be written. {error.sentence}", error.hint) from error
