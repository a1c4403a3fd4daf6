"""Types of cells under the project's class map: what each becomes, and how a map is changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from desktop_app.store import Store
from sae_backend.cells.class_map import ClassMap
from sae_backend.cells.table import CellTable


@dataclass(frozen=True)
class TypeRow:
    """A type as a file names it, how many cells have it, and what it counts as; `used` False leaves it out."""

    name: str
    n_cells: int
    counts_as: str
    used: bool


def type_rows(counts: Mapping[str, int], class_map: ClassMap) -> tuple[TypeRow, ...]:
    """What becomes of types with so many cells each, the most frequent first."""
    rows = [
        TypeRow(name, n, class_map.renamed.get(name, name), name not in class_map.ignored)
        for name, n in counts.items()
    ]
    return tuple(sorted(rows, key=lambda row: (-row.n_cells, row.name)))


def mapped_counts(rows: Iterable[TypeRow]) -> dict[str, int]:
    """Cells by the type that they count as, those left out aside, the most frequent first."""
    counts: dict[str, int] = {}
    for row in rows:
        if row.used:
            counts[row.counts_as] = counts.get(row.counts_as, 0) + row.n_cells
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def map_of(rows: Iterable[TypeRow], known: ClassMap) -> ClassMap:
    """The class map that gives these rows; what `known` says of other types stays.

    Raises
    ------
    UserInputError
        When a new name is blank.
    """
    given = {row.name: row for row in rows}
    renamed = {old: new for old, new in known.renamed.items() if old not in given}
    renamed |= {row.name: row.counts_as for row in given.values() if row.used and row.counts_as != row.name}
    ignored = {name for name in known.ignored if name not in given}
    return ClassMap(renamed, frozenset(ignored | {row.name for row in given.values() if not row.used}))


def changed_map(known: ClassMap, texts: Iterable[str] = (), ignored: Iterable[str] = ()) -> ClassMap:
    """The class map with `A=B` and ignored types on top of what it says; `A=A` gives a type its own name back.

    Raises
    ------
    UserInputError
        When a text has another form, or two of them contradict each other.
    """
    change = ClassMap.parse([*texts, *(f"{name}=" for name in ignored)])
    renamed = {old: new for old, new in known.renamed.items() if old not in change.ignored}
    renamed |= change.renamed
    left_out = (known.ignored - change.renamed.keys()) | change.ignored
    return ClassMap({old: new for old, new in renamed.items() if old != new}, left_out)


def table_counts(table: CellTable) -> dict[str, int]:
    """Number of cells of each type."""
    counts = np.bincount(table.type_index, minlength=len(table.type_names))
    return {name: int(n) for name, n in zip(table.type_names, counts, strict=True)}


def project_counts(store: Store) -> dict[str, int]:
    """Cells of each type, as the files and the changes by hand name it, over all slides of a project."""
    counts: dict[str, int] = {}
    for slide in store.slides.all():
        table = store.cells.raw(slide.id, details=False)
        for name, n in (table_counts(table) if table is not None else {}).items():
            counts[name] = counts.get(name, 0) + n
    return counts
