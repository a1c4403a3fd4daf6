"""Two runs of a study beside each other, in sentences and as files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from desktop_app.export.study import plain_table, report_of, write_content, write_study_table
from desktop_app.project.studies.compare import (
    ComparedRun,
    StudyComparison,
    check_comparable,
    compare_studies,
    heading,
)
from desktop_app.project.studies.text import headline
from desktop_app.store import Store, StudyRecord
from sae_backend.studies.framework.report import Table

_SHORT: Final = ".4g"


def compared(store: Store, first: StudyRecord, second: StudyRecord) -> StudyComparison:
    """Compare two stored runs.

    Raises
    ------
    UserInputError
        When they are of different studies, or the same run.
    StoreError
        When one is damaged, or of another version of the program.
    """
    check_comparable(first, second)
    one, other = (
        ComparedRun(run, store.studies.arrays(run.id), report_of(store, run)) for run in (first, second)
    )
    return compare_studies(one, other)


def comparison_words(comparison: StudyComparison, first: StudyRecord, second: StudyRecord) -> list[str]:
    """The comparison in paragraphs: what is compared, settings, numbers, tables, and what has to be known."""
    parts = [f"{headline(first)}\n{headline(second)}", settings_sentence(comparison)]
    numbers = comparison.numbers
    lines = [f"In short ({comparison.names[0]} / {comparison.names[1]}, and the first less the second):"]
    for row, title in enumerate(numbers.columns["number"]):
        pair = " / ".join(_with_interval(numbers, name, row) for name in comparison.names)
        difference = numbers.columns["difference"][row]
        less = "" if difference is None else f", {_signed(difference)}"
        lines.append(f"  {title}: {pair}{less}")
    parts.append("\n".join(lines))
    if comparison.rows:
        parts.append(
            "\n".join(["Tables of differences:", *(f"  {table.title}" for table in comparison.rows)])
        )
    return [*parts, *(f"Note: {note}" for note in comparison.notes)]


def settings_sentence(comparison: StudyComparison) -> str:
    """In what the two were made differently."""
    said = [
        f"{key}: {one} / {other}"
        for key, one, other in zip(*comparison.settings.columns.values(), strict=True)
    ]
    names = " / ".join(comparison.names)
    if not said:
        return "Differences in settings, slides and SAEs: none: both were made in the same way."
    return f"Differences in settings, slides and SAEs ({names}): {'; '.join(said)}."


def beside_words(comparison: StudyComparison) -> list[str]:
    """What is said above the sentences of the other run: with which, in what they differ, what has to be known."""
    return [
        f"Compared with {comparison.names[1]}.",
        settings_sentence(comparison),
        f"Tables, from “{comparison.settings.title}” on, set the two side by side, row by row.",
        *comparison.notes,
    ]


def write_comparison(
    comparison: StudyComparison, first: StudyRecord, second: StudyRecord, folder: Path
) -> list[Path]:
    """Write a comparison into a folder as text, CSV and JSON; returns the files.

    Raises
    ------
    CacheError
        When a file cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    words = "\n\n".join(comparison_words(comparison, first, second))
    files = [write_content(folder / "difference.txt", words.encode() + b"\n")]
    files += [write_study_table(table, folder / f"{table.key}.csv") for table in comparison.tables]
    document = json.dumps(comparison_data(comparison, first, second), indent=1, allow_nan=False)
    return [*files, write_content(folder / "difference.json", document.encode())]


def comparison_data(comparison: StudyComparison, first: StudyRecord, second: StudyRecord) -> dict[str, Any]:
    """The comparison as plain JSON."""
    return {
        "study": first.kind,
        "runs": [{"id": one.id, "name": one.name, "sae_sha": one.sae_digest} for one in (first, second)],
        "notes": list(comparison.notes),
        "tables": {table.key: plain_table(table) for table in comparison.tables},
    }


def _with_interval(numbers: Table, name: str, row: int) -> str:
    """A number of one run, with its interval where it has one."""
    value, low, high = (
        numbers.columns[key][row] if key in numbers.columns else None
        for key in (heading("number", name), f"{name}: low", f"{name}: high")
    )
    if value is None:
        return "none"
    ends = "" if low is None or high is None else f" ({low:{_SHORT}} to {high:{_SHORT}})"
    return f"{value:{_SHORT}}{ends}"


def _signed(value: float) -> str:
    return "no difference" if value == 0 else f"{value:+{_SHORT}}"
