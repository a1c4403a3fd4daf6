"""What a reader of cell files returns before the cells are checked against a slide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from sae_backend.errors import CellsError

UNCLASSIFIED: Final = "Unclassified"
"""Type of a cell whose file names none."""

MAX_TYPES: Final = 1000


@dataclass(frozen=True)
class RawCells:
    """Cell centres in level-0 px, float64 (M, 2) of (y, x), and their types as uint16 (M,)."""

    yx_l0: npt.NDArray[np.float64]
    type_index: npt.NDArray[np.uint16]
    type_names: tuple[str, ...]
    tool: str
    notes: tuple[str, ...]


def index_types(labels: Sequence[str]) -> tuple[npt.NDArray[np.uint16], tuple[str, ...]]:
    """Turn one label per cell into an index (M,) and the sorted names.

    Blank labels become :data:`UNCLASSIFIED`.

    Raises
    ------
    CellsError
        If there are so many names that they cannot be cell types.
    """
    alias = {label: label.strip() or UNCLASSIFIED for label in set(labels)}
    names = tuple(sorted(set(alias.values())))
    if len(names) > MAX_TYPES:
        raise CellsError(
            f"The cells have {len(names):,} different types, such as {names[0]!r}; these are not cell types.",
            f"Name the type of each cell with at most {MAX_TYPES:,} different names; is an id in its place?",
        )
    number = {name: i for i, name in enumerate(names)}
    return np.array([number[alias[label]] for label in labels], np.uint16), names
