"""Which columns of a table hold the places, types and measures of cells."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sae_backend.cells.import_options import ColumnMap
from sae_backend.errors import CellsError

_XY_NAMES: Final = (
    ("x", "y"),
    ("x_l0", "y_l0"),
    ("centroid_x", "centroid_y"),
    ("x_centroid", "y_centroid"),
    ("cell_x", "cell_y"),
    ("center_x", "center_y"),
    ("centre_x", "centre_y"),
    ("pos_x", "pos_y"),
    ("cx", "cy"),
)
TYPE_NAMES: Final = (
    "type",
    "cell_type",
    "celltype",
    "classification",
    "class",
    "class_name",
    "label",
    "type_name",
    "category",
)
_POINT_LIST: Final = frozenset({"x", "y", "class", "name", "color", "c", "z", "t"})
"""What QuPath writes of points; only among these is a name a type."""
_NO_MEASURES: Final = frozenset(
    {
        *(
            "image",
            "image_name",
            "slide",
            "object_id",
            "object_type",
            "name",
            "parent",
            "roi",
            "id",
            "cell_id",
        ),
        *("index", "color", "c", "z", "t", "unnamed_0", "geometry", "label", "wkb"),
    }
)
_UNITS: Final = {"um": "um", "micron": "um", "microns": "um", "px": "px", "pixel": "px", "pixels": "px"}
HEADER_HINT: Final = "The first line must name columns such as x, y and type (or x_um, y_um)."


@dataclass(frozen=True)
class Columns:
    """Names of the columns of x, y and the type, the unit, and those that may hold measures."""

    x: str
    y: str
    type: str
    unit: str
    measures: tuple[str, ...]
    from_qupath: bool

    def as_map(self) -> ColumnMap:
        """Return them as a user would state them, measures aside."""
        return ColumnMap(self.x, self.y, self.type, "um" if self.unit == "um" else "px")


def column_key(column: str) -> str:
    """Return a name of a column in small letters, with signs as underscores: `Centroid X µm` is centroid_x_um."""
    plain = column.strip().lower().replace("µ", "u").replace("μ", "u")
    return re.sub(r"[^a-z0-9]+", "_", plain).strip("_")


def has_coordinates(names: Sequence[str]) -> bool:
    """Whether columns of these names can hold the places of cells."""
    try:
        _coordinate_columns(names, "")
    except CellsError:
        return False
    return True


def find_columns(names: Sequence[str], name: str, stated: ColumnMap | None = None) -> Columns:
    """Find the columns of a table.

    Parameters
    ----------
    names
        The names of all its columns.
    name
        Name of the file, for messages.
    stated
        Those that the user chose; they win.

    Raises
    ------
    CellsError
        If there are none for x and y, or a chosen one is not there.
    """
    keys = {column_key(column) for column in names}
    from_qupath = ("object_type" in keys and bool({"image", "parent"} & keys)) or (
        {"x", "y"} < keys <= _POINT_LIST
    )
    if stated is not None:
        chosen = (stated.x, stated.y, stated.type, *(stated.measures or ()))
        absent = [column for column in chosen if column and column not in names]
        if absent or not stated.x or not stated.y:
            what = f"column {absent[0]!r}" if absent else "chosen column for x and y"
            raise CellsError(f"{name} has no {what}; it has {_shown(names)}.", "Choose from its columns.")
        x, y, type_column = stated.x, stated.y, stated.type
        unit = stated.unit or _split_unit(column_key(x))[1] or "px"
    else:
        x_number, y_number, unit = _coordinate_columns(names, name)
        x, y = names[x_number], names[y_number]
        type_column = _type_column(names, keys)
    if stated is not None and stated.measures is not None:
        measures: tuple[str, ...] = stated.measures
    else:
        measures = tuple(c for c in names if c not in (x, y, type_column) and _may_be_measure(c))
    return Columns(x, y, type_column, unit, measures, from_qupath)


def _shown(names: Sequence[str]) -> str:
    return ", ".join(repr(column) for column in names[:8]) or "none"


def _split_unit(key: str) -> tuple[str, str]:
    stem, _, last = key.rpartition("_")
    return (stem, _UNITS[last]) if stem and last in _UNITS else (key, "")


def _coordinate_columns(names: Sequence[str], name: str) -> tuple[int, int, str]:
    """Numbers of x and y and their unit; pixels win where a table has both."""
    keys: dict[tuple[str, str], int] = {}
    for i, column in enumerate(names):
        keys.setdefault(_split_unit(column_key(column)), i)
    for unit in ("px", "", "um"):
        for x_name, y_name in _XY_NAMES:
            if (x_name, unit) in keys and (y_name, unit) in keys:
                return keys[x_name, unit], keys[y_name, unit], unit or "px"
    raise CellsError(f"{name} has no columns for x and y; it has {_shown(names)}.", HEADER_HINT)


def _type_column(names: Sequence[str], keys: set[str]) -> str:
    found: dict[str, str] = {}
    for column in names:
        found.setdefault(column_key(column), column)
    wanted = (*TYPE_NAMES, "name") if keys <= _POINT_LIST else TYPE_NAMES
    return next((found[key] for key in wanted if key in found), "")


def _may_be_measure(column: str) -> bool:
    key = column_key(column)
    stem = _split_unit(key)[0]
    return bool(key) and key not in _NO_MEASURES and not any(stem in pair for pair in _XY_NAMES)
