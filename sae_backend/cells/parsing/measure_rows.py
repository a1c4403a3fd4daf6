"""What a file measured of each cell, gathered piece by piece into one column a measure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

MOST_MEASURES: Final = 200

_Floats = npt.NDArray[np.float32]
_Cells = npt.NDArray[np.int64]


class MeasureRows:
    """Columns that grow, at most `most` of them; a cell that lacks a measure has NaN there."""

    def __init__(self, most: int = MOST_MEASURES) -> None:
        self._most = most
        self._blocks: dict[str, list[tuple[_Cells, _Floats]]] = {}
        self._left_out: set[str] = set()
        self._n_bad = 0

    def add(self, first_cell: int, rows: Sequence[Mapping[str, Any] | None]) -> None:
        """Add what was measured of the cells from number `first_cell` on, one mapping a cell."""
        groups: dict[tuple[str, ...], tuple[list[int], list[list[Any]]]] = {}
        for i, row in enumerate(rows):
            if row:
                cells, values = groups.setdefault(tuple(row), ([], []))
                cells.append(i)
                values.append(list(row.values()))
        for names, (cells, values) in groups.items():
            numbers = self._numbers(values)
            where = np.array(cells, np.int64) + first_cell
            for column, name in enumerate(names):
                self.add_column(where, str(name), numbers[:, column])

    def add_column(self, cells: _Cells, name: str, values: npt.NDArray[np.floating[Any]]) -> None:
        """Add one measure (n,) of the cells with these numbers (n,)."""
        name = name.strip()
        if not name:
            return
        if name not in self._blocks and len(self._blocks) >= self._most:
            self._left_out.add(name)
            return
        with np.errstate(over="ignore"):
            single = values.astype(np.float32)
        single[~np.isfinite(single)] = np.nan
        self._blocks.setdefault(name, []).append((cells, single))

    def take(self, other: MeasureRows, first_cell: int) -> None:
        """Add all of another's columns, whose cell 0 is cell `first_cell` here."""
        for name, blocks in other._blocks.items():
            for cells, values in blocks:
                self.add_column(cells + first_cell, name, values)
        self._left_out |= other._left_out
        self._n_bad += other._n_bad

    def finish(self, n_cells: int) -> tuple[dict[str, _Floats], tuple[str, ...]]:
        """Return the columns (M,) by name, without those that are nowhere known, and notes."""
        columns: dict[str, _Floats] = {}
        for name, blocks in self._blocks.items():
            column = np.full(n_cells, np.nan, np.float32)
            for cells, values in blocks:
                column[cells] = values
            blocks.clear()
            if not np.isnan(column).all():
                columns[name] = column
        notes = []
        if self._left_out:
            notes.append(
                f"Only the first {self._most:,} measures were kept; {len(self._left_out):,} were left out, such "
                f"as {min(self._left_out)!r}."
            )
        if self._n_bad:
            notes.append(f"{self._n_bad:,} measured values are no numbers and count as unknown.")
        return columns, tuple(notes)

    def _numbers(self, values: list[list[Any]]) -> npt.NDArray[np.float64]:
        try:
            numbers = np.array(values, np.float64)
            if numbers.ndim == 2:
                return numbers
        except (TypeError, ValueError, OverflowError):
            pass
        # Something in them is no number: then one by one, so that only that is lost.
        return np.array([[self._number(value) for value in row] for row in values], np.float64)

    def _number(self, value: Any) -> float:
        if value is None:
            return np.nan
        try:
            return float(value)
        except (TypeError, ValueError, OverflowError):
            self._n_bad += 1
            return np.nan
