"""A study as files: its sentences, its figures as SVG and PNG, its tables as CSV, everything as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from desktop_app.export.tables import write_table
from desktop_app.project.studies.cluster_names import with_names
from desktop_app.project.studies.figures import picture
from desktop_app.project.studies.text import headline, paragraphs, render
from desktop_app.store import Store, StudyRecord
from sae_backend.atomic_write import write_bytes_atomic
from sae_backend.errors import UserInputError
from sae_backend.studies.framework.report import Figure, Report, Table

PICTURES: Final = ("svg", "png", "pdf")


def report_of(store: Store, record: StudyRecord, thresholds: Mapping[str, float] | None = None) -> Report:
    """What a stored study says, with thresholds that the user moved."""
    report = render(record, store.studies.arrays(record.id), thresholds)
    return with_names(report, store.studies.cluster_names(record.id))


def study_of(store: Store, wanted: str = "", kind: str | None = None) -> StudyRecord:
    """Give a study by number or name; the newest (of a kind) where nothing is said.

    Raises
    ------
    UserInputError
        When there is no such study, or several have that name.
    """
    known = store.studies.all(kind)
    if not known:
        raise UserInputError(
            "No study has been done yet.",
            "Do one: the Studies panel, or sparsescope study KIND --project DIR.",
        )
    if not wanted:
        return known[-1]
    found = [one for one in known if wanted == str(one.id)] or [one for one in known if wanted == one.name]
    if len(found) != 1:
        names = ", ".join(f"{one.id} ({one.kind}, {one.name})" for one in known)
        raise UserInputError(
            f"{'No study is' if not found else 'More than one study is'} called {wanted!r}.",
            f"There are: {names}.",
        )
    return found[0]


def write_study(store: Store, record: StudyRecord, folder: Path, with_facts: bool = False) -> list[Path]:
    """Write a study into a folder; returns the files.

    Patients and what the slide table says of slides are left out of the JSON unless `with_facts`; names of
    slides and of the groups that were compared are part of figures and tables.

    Raises
    ------
    CacheError
        When a file cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    report = report_of(store, record)
    files = [write_content(folder / "study.txt", "\n\n".join(paragraphs(record, report)).encode() + b"\n")]
    for figure in report.figures:
        for ending in ("svg", "png"):
            files.append(write_figure(figure, folder / f"{figure.key}.{ending}"))
    for table in report.tables:
        files.append(write_study_table(table, folder / f"{table.key}.csv"))
    document = json.dumps(_document(record, report, with_facts), indent=1, allow_nan=False)
    files.append(write_content(folder / "study.json", document.encode()))
    return files


def write_figure(figure: Figure, path: Path) -> Path:
    """Write one figure; the ending says as what.

    Raises
    ------
    UserInputError
        For another ending than svg, png or pdf.
    CacheError
        When the file cannot be written.
    """
    ending = path.suffix.lower().lstrip(".")
    if ending not in PICTURES:
        raise UserInputError(f"A figure cannot be written as {path.suffix or 'a file without ending'}.",
                             "Use .svg, .png or .pdf.")  # fmt: skip
    return write_content(path, picture(figure, ending))


def write_study_table(table: Table, path: Path) -> Path:
    """Write one table of a study; the ending says as what: numbers in full, empty where there is none.

    Raises
    ------
    UserInputError, CacheError
        As :func:`~desktop_app.export.tables.write_table`.
    """
    write_table(path, table.columns, byte_order_mark=True)
    return path


def write_content(path: Path, content: bytes) -> Path:
    """Write a file as a whole and return its path.

    Raises
    ------
    CacheError
        When the disk refuses.
    """
    write_bytes_atomic(path, content)
    return path


def _document(record: StudyRecord, report: Report, with_facts: bool) -> dict[str, Any]:
    request = dict(record.request)
    if not with_facts:
        # Patients are keys of the halves, too.
        request["slides"] = [
            {key: entry[key] for key in ("name", "fingerprint", "cells_version")}
            for entry in request["slides"]
        ]
        halves = request.get("halves") or {}
        request["halves"] = {key: halves[key] for key in ("unit", "seed") if key in halves}
    return {
        "study": record.kind,
        "run": record.name,
        "headline": headline(record),
        "date": record.created_at,
        "sae_sha": record.sae_digest,
        "request": request,
        "sets": [{"title": entry["title"], **_public(entry["model"])} for entry in record.sets],
        "short": report.short,
        "found": report.found,
        "limits": report.limits,
        "warnings": list(report.warnings),
        "tables": {table.key: plain_table(table) for table in report.tables},
    }


def _public(model: Mapping[str, Any]) -> dict[str, Any]:
    """A model without the folders of this machine."""
    return {key: value for key, value in model.items() if key not in ("sae_dir", "weights")}


def plain_table(table: Table) -> dict[str, Any]:
    """A table as JSON can hold it."""
    columns = {
        name: [None if isinstance(value, float) and not math.isfinite(value) else value for value in values]
        for name, values in table.columns.items()
    }
    return {"title": table.title, "notes": table.notes, "columns": columns}
