"""Two runs of one study beside each other: their settings, the numbers that sum them up, and the rows they share."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy.typing as npt

from desktop_app.project.studies.text import setting_word
from desktop_app.store import StudyRecord
from sae_backend.errors import UserInputError
from sae_backend.statistics.number_text import count_text
from sae_backend.studies.framework.registry import study
from sae_backend.studies.framework.report import Number, Report, Table, Target
from sae_backend.studies.framework.result import StudyResult
from sae_backend.studies.framework.study import RowKeys

NO_INTERVAL: Final = (
    "A difference between two runs has no interval: intervals are those of each run alone, and both may rest on the same "
    "patients. Out of domain and Two encoders judge differences, within one run."
)
SETTINGS: Final = "difference-settings"
NUMBERS: Final = "difference-numbers"
PREFIX: Final = "difference-"

_TITLES_OF_NUMBERS: Final = (" column", " number")
_ENDS: Final = ("low", "high")
_NAMES: Final = frozenset(
    {"feature", "partner", "best partner", "column", "number", "cluster", "group", "tile", "block"}
)


@dataclass(frozen=True)
class ComparedRun:
    """One of the two runs: its record, its result, and what it says."""

    record: StudyRecord
    arrays: Mapping[str, npt.NDArray[Any]]
    report: Report


@dataclass(frozen=True)
class StudyComparison:
    """What two runs of a study have in common, and in what they differ.

    Attributes
    ----------
    names
        What the first and the second run are called in the tables.
    settings
        In what they were made differently; no rows where in nothing.
    numbers
        The numbers that sum up each run, and their differences (the first less the second).
    rows
        For each table of both runs: its rows that both have.
    notes
        What has to be known, such as which tables were not compared, and why.
    """

    names: tuple[str, str]
    settings: Table
    numbers: Table
    rows: Sequence[Table]
    notes: Sequence[str]

    @property
    def tables(self) -> list[Table]:
        """All of it in the order in which it should be read."""
        return [self.settings, self.numbers, *self.rows]


def compare_studies(
    first: ComparedRun, second: ComparedRun, thresholds: Mapping[str, float] | None = None
) -> StudyComparison:
    """Set two runs of one study against each other.

    Parameters
    ----------
    first, second
        The runs; each difference is that of the first less the second.
    thresholds
        Thresholds with which both were told.

    Raises
    ------
    UserInputError
        When they are of different studies, or the same run.
    """
    one, other = first.record, second.record
    check_comparable(one, other)
    names = (one.name, other.name)
    if one.name == other.name:
        names = (f"{one.name} (#{one.id})", f"{other.name} (#{other.id})")
    rows, notes = _tables(first, second, names)
    return StudyComparison(
        names, _settings(one, other, names), _numbers(first, second, names, thresholds or {}), rows,
        (NO_INTERVAL, *notes),
    )  # fmt: skip


def check_comparable(one: StudyRecord, other: StudyRecord) -> None:
    """Refuse runs of different studies, and a run beside itself.

    Raises
    ------
    UserInputError
    """
    if one.kind != other.kind:
        raise UserInputError(
            f"{study(one.kind).title}, {one.name}, and {study(other.kind).title}, {other.name}, are different studies.",
            "Choose two runs of one study: sparsescope study list names them.",
        )
    if one.id == other.id:
        raise UserInputError(f"{one.name} cannot be compared with itself.", "Choose another run.")


def differing_settings(first: StudyRecord, second: StudyRecord) -> list[tuple[str, str, str]]:
    """In what two runs of a study were made differently: what, and what it is in each."""
    found = []
    # A run of before a setting was there had its default.
    specs = [{**study(one.kind).defaults, **one.request["spec"]} for one in (first, second)]
    for key in dict.fromkeys([*specs[0], *specs[1]]):
        value, other = (spec.get(key) for spec in specs)
        if value != other:
            found.append((key.replace("_", " "), setting_word(value), setting_word(other)))
    digests = [[str(one["model"]["sae_digest"]) for one in record.sets] for record in (first, second)]
    if digests[0] != digests[1]:
        one, two = (", ".join(digest[:8] for digest in each) for each in digests)
        found.append(("SAE", one, two))
    slides = [{one["fingerprint"] for one in record.request["slides"]} for record in (first, second)]
    if slides[0] != slides[1]:
        both = f"{len(slides[0] & slides[1])} in both"
        found.append(("slides", f"{len(slides[0])} ({both})", f"{len(slides[1])} ({both})"))
    for what, n in (("cells", _n_other_cells(first, second)), ("slide table", _n_other_facts(first, second))):
        if n:
            words = f"differs on {count_text(n, 'slide')}"
            found.append((what, words, words))
    halves = [record.request.get("halves") or {} for record in (first, second)]
    if halves[0] != halves[1]:
        found.append(("halves", _halves_word(halves[0]), _halves_word(halves[1])))
    versions = [record.request.get("versions", {}).get("sparsescope", "") for record in (first, second)]
    if versions[0] != versions[1]:
        found.append(("version of the program", *versions))
    return found


def _n_other_cells(first: StudyRecord, second: StudyRecord) -> int:
    """Slides of both runs whose cells were others."""
    return sum(first.cells[key] != other for key, other in second.cells.items() if key in first.cells)


def _n_other_facts(first: StudyRecord, second: StudyRecord) -> int:
    """Slides of both runs of which the slide table said something else."""
    known = {one["fingerprint"]: one["facts"] for one in first.request["slides"]}
    slides = second.request["slides"]
    return sum(known.get(one["fingerprint"], one["facts"]) != one["facts"] for one in slides)


def _halves_word(halves: Mapping[str, Any]) -> str:
    return f"by {halves['unit']}, seed {halves['seed']}" if halves else "none"


def _settings(first: StudyRecord, second: StudyRecord, names: tuple[str, str]) -> Table:
    found = differing_settings(first, second)
    columns: dict[str, Sequence[Any]] = {"setting": [one[0] for one in found]}
    columns |= {heading("setting", name): [one[k + 1] for one in found] for k, name in enumerate(names)}
    return Table(SETTINGS, "Difference: settings", columns, {})


def heading(column: str, name: str) -> str:
    """A run's name as a heading, which may not be that of another column."""
    return f"run {name}" if name in (column, "difference") else name


def _numbers(
    first: ComparedRun, second: ComparedRun, names: tuple[str, str], thresholds: Mapping[str, float]
) -> Table:
    known: list[dict[str, Number]] = []
    for run in (first, second):
        result = StudyResult.from_stored(run.arrays, run.record.meta)
        known.append({one.title: one for one in study(run.record.kind).numbers(result, thresholds)})
    titles = list(dict.fromkeys([*known[0], *known[1]]))
    columns: dict[str, Sequence[Any]] = {"number": titles}
    intervals: dict[str, list[float | None]] = {}
    for name, numbers in zip(names, known, strict=True):
        each = [numbers.get(title, Number(title, math.nan)) for title in titles]
        columns[heading("number", name)] = [_plain(one.value) for one in each]
        for end, ends in (("low", [one.low for one in each]), ("high", [one.high for one in each])):
            intervals[f"{name}: {end}"] = [_plain(value) for value in ends]
    values = [columns[heading("number", name)] for name in names]
    columns["difference"] = [_less(a, b) for a, b in zip(*values, strict=True)]
    # Some studies have no intervals of these numbers: empty columns would only take room.
    columns |= {key: ends for key, ends in intervals.items() if any(end is not None for end in ends)}
    notes = {key: "End of the interval of this run alone" for key in intervals if key in columns}
    notes["difference"] = f"{names[0]} less {names[1]}; {NO_INTERVAL}"
    return Table(NUMBERS, "Difference: in short", columns, notes)


def _tables(first: ComparedRun, second: ComparedRun, names: tuple[str, str]) -> tuple[list[Table], list[str]]:
    others = {table.title: table for table in second.report.tables}
    found, notes = [], []
    kind = study(first.record.kind)
    for table in first.report.tables:
        keys = kind.keys_of(table)
        if keys is None:
            continue
        other = others.get(table.title)
        reason = f"{names[1]} has no such table" if other is None else _reason(first, second, table, other)
        if other is None or reason:
            notes.append(f"“{table.title}” is not compared: {reason}.")
            continue
        found.append(_shared(table, other, keys, names))
    for title, table in others.items():
        if kind.keys_of(table) and title not in {one.title for one in first.report.tables}:
            notes.append(f"“{title}” is not compared: {names[0]} has no such table.")
    return found, notes


def _reason(first: ComparedRun, second: ComparedRun, table: Table, other: Table) -> str:
    """Why rows of a table of both runs are not about the same thing; empty where they are."""
    kind = study(first.record.kind)
    keys = [kind.keys_of(one) for one in (table, other)]
    assert keys[0] is not None and keys[1] is not None
    specs = [run.record.request["spec"] for run in (first, second)]
    for key in keys[0].settings:
        if specs[0].get(key) != specs[1].get(key):
            return f"its numbers mean something else where “{key}” differs"
    if keys[0].feature_set is None or keys[1].feature_set is None:
        return ""
    digests = [
        str(run.record.sets[of.feature_set or 0]["model"]["sae_digest"])
        for run, of in zip((first, second), keys, strict=True)
        if of is not None
    ]
    if digests[0] != digests[1]:
        return (
            f"the SAEs differ ({digests[0][:8]} and {digests[1][:8]}), and a feature number means another feature in "
            "another SAE"
        )
    return ""


def _shared(table: Table, other: Table, keys: RowKeys, names: tuple[str, str]) -> Table:
    """The rows that two tables share by their keys, in the order of the first."""
    mine, theirs = (_places(one, keys.columns) for one in (table, other))
    shared = [key for key in mine if key in theirs]
    rows = [mine[key] for key in shared], [theirs[key] for key in shared]
    columns: dict[str, list[Any]] = {
        column: [table.columns[column][row] for row in rows[0]] for column in keys.columns
    }
    notes: dict[str, str] = {}
    for column, values in table.columns.items():
        if column in keys.columns or column not in other.columns:
            continue
        both = [values[row] for row in rows[0]], [other.columns[column][row] for row in rows[1]]
        is_quantity = not _is_name(column) and all(map(_is_number, (*both[0], *both[1])))
        if both[0] == both[1] and (not is_quantity or not any(value is not None for value in both[0])):
            # What is the same text in every row, or nothing, would only take room.
            continue
        for name, each in zip(names, both, strict=True):
            columns[f"{column} · {name}"] = list(each)
            notes[f"{column} · {name}"] = table.notes.get(column, column)
        if is_quantity and not _is_end(column):
            columns[f"{column} · difference"] = [_less(a, b) for a, b in zip(*both, strict=True)]
            notes[f"{column} · difference"] = f"{names[0]} less {names[1]}; no interval"
    targets: list[Target] = [table.targets[row] for row in rows[0]] if table.targets else []
    alone = [len(each) - len(shared) for each in (mine, theirs)]
    title = f"Difference: {table.title} ({len(shared):,} rows in both"
    title += "".join(f", {n:,} in {name} only" for n, name in zip(alone, names, strict=True) if n) + ")"
    return Table(f"{PREFIX}{table.key}", title, dict(columns), notes, targets)


def _places(table: Table, columns: Sequence[str]) -> dict[tuple[Any, ...], int]:
    """Row of each key; of a key that stands twice the first."""
    found: dict[tuple[Any, ...], int] = {}
    for row, key in enumerate(zip(*(table.columns[column] for column in columns), strict=True)):
        found.setdefault(key, row)
    return found


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, (int, float)) and not isinstance(value, bool))


def _less(first: float | None, second: float | None) -> float | None:
    if first is None or second is None:
        return None
    return _plain(first - second)


def _plain(value: float) -> float | None:
    return None if not math.isfinite(value) else value


def _is_end(column: str) -> bool:
    """Whether a column holds ends of intervals, which belong to one run alone."""
    return any(column == end or column.startswith(f"{end},") or column.endswith(f" {end}") for end in _ENDS)


def _is_name(column: str) -> bool:
    """Whether the numbers of a column name something, so that nothing follows from their difference."""
    return column in _NAMES or column.endswith(_TITLES_OF_NUMBERS)
