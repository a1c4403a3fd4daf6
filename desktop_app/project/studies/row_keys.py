"""What names a row in each table of the studies, and which of its numbers are names and no quantities."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sae_backend.studies.framework.report import Table

_TITLES_OF_NUMBERS: Final = (" column", " number")
_ENDS: Final = ("low", "high")
_NAMES: Final = frozenset(
    {"feature", "partner", "best partner", "column", "number", "cluster", "group", "tile", "block"}
)


@dataclass(frozen=True)
class RowKeys:
    """What two runs must share for their rows to be about the same thing.

    Attributes
    ----------
    columns
        Columns that together name a row.
    feature_set
        Number of the feature set that feature numbers among them belong to; None where there are none.
    settings
        Settings that decide what the columns mean.
    """

    columns: tuple[str, ...]
    feature_set: int | None = None
    settings: tuple[str, ...] = ()


_FEATURE: Final = ("feature",)
_KEYS: Final[Mapping[str, Mapping[str, RowKeys]]] = {
    "depth": {
        "blocks": RowKeys(("block",)),
        "types": RowKeys(("block", "cell type")),
        "slopes": RowKeys(("r of",)),
        "followed": RowKeys(("block",), 0),
    },
    "robustness": {
        "features": RowKeys(_FEATURE, 0, ("fact",)),
        "reading": RowKeys(("label", "read from")),
        "confounding": RowKeys(("column",), None, ("fact",)),
        "stress": RowKeys(("feature", "moved most by"), 0),
    },
    "domain": {
        "domain-pairs": RowKeys(("feature", "cell type"), 0, ("fact", "a", "b")),
        "domain-best": RowKeys(("cell type", "from"), None, ("fact", "a", "b")),
        "domain-quality": RowKeys(("cohort",), None, ("fact",)),
    },
    "encoders": {
        "sets": RowKeys(("set",)),
        "types": RowKeys(("set", "cell type")),
        "differences": RowKeys(("first", "second", "cell type")),
    },
    "universality": {"stability": RowKeys(_FEATURE, 0)},
    "geometry": {
        "clusters-coactivation": RowKeys(("features",), 0),
        "clusters-directions": RowKeys(("features",), 0),
        "pairs": RowKeys(("rarer", "more frequent"), 0),
    },
    "slides": {
        "slides-difference": RowKeys(_FEATURE, 0, ("fact", "a", "b", "measure")),
        "slides-shared": RowKeys(("column",)),
        "slides-nearest": RowKeys(("slide", "alike slide")),
        "slides-profiles": RowKeys(("slide",)),
    },
}
_BY_SET: Final = {"encoders": "features-", "universality": "pairs-"}


def row_keys(kind: str, table: Table) -> RowKeys | None:
    """What names the rows of a table of a study; None for one whose rows have no name or no numbers."""
    known = _KEYS[kind].get(table.key)
    if known is not None:
        return known
    start = _BY_SET.get(kind, "")
    if not start or not table.key.startswith(start):
        return None
    # Encoders have a table of the features of each set, universality one of the first set's for each other set.
    return RowKeys(_FEATURE, int(table.key.removeprefix(start)) if kind == "encoders" else 0)


def is_end(column: str) -> bool:
    """Whether a column holds ends of intervals, which belong to one run alone."""
    return any(column == end or column.startswith(f"{end},") or column.endswith(f" {end}") for end in _ENDS)


def is_name(column: str) -> bool:
    """Whether the numbers of a column name something, so that nothing follows from their difference."""
    return column in _NAMES or column.endswith(_TITLES_OF_NUMBERS)
