"""What a reader of cell files gathers and returns before the cells are laid on a slide."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from sae_backend.cells.import_options import Placement
from sae_backend.cells.parsing.measure_rows import MeasureRows
from sae_backend.cells.parsing.rings import (
    FlatRings,
    centroids,
    check_coordinates,
    flatten_points,
    flatten_rings,
)
from sae_backend.cells.table import Outlines
from sae_backend.errors import CellsError

if TYPE_CHECKING:
    from sae_backend.cells.import_options import ReadOptions
    from sae_backend.cells.parsing.byte_source import CellSource
    from sae_backend.slides.slide import SlideInfo

UNCLASSIFIED: Final = "Unclassified"
"""Type of a cell whose file names none."""

MAX_TYPES: Final = 1000
_LONGEST_NAME: Final = 200


@dataclass(frozen=True)
class Reading:
    """What every reader needs: the file, the slide, and what the user stated."""

    source: CellSource
    slide_info: SlideInfo
    options: ReadOptions

    @property
    def name(self) -> str:
        """Name of the file, for messages."""
        return self.source.name


@dataclass(frozen=True)
class RawCells:
    """Cells in the coordinates of their file.

    Attributes
    ----------
    yx
        Centres, float64 (M, 2) of (y, x).
    type_index, type_names
        Types, uint16 (M,) into the names.
    format, tool
        Key of the format, and the program that wrote the file, where that is known.
    placement
        How the coordinates become level-0 px.
    notes
        What was assumed or left out, in words.
    measures, outlines
        As in `CellTable`, the outlines in the coordinates of the file.
    assumed
        What else has to be known to read it the same way again, plain JSON values.
    """

    yx: npt.NDArray[np.float64]
    type_index: npt.NDArray[np.uint16]
    type_names: tuple[str, ...]
    format: str
    tool: str
    placement: Placement
    notes: tuple[str, ...] = ()
    measures: Mapping[str, npt.NDArray[np.float32]] = field(default_factory=dict)
    outlines: Outlines | None = None
    assumed: Mapping[str, Any] = field(default_factory=dict)


class CellRows:
    """Cells that come in piece by piece.

    Parameters
    ----------
    name
        Name of the file, for messages.
    type_names
        Names of the types by what the file calls them; what is not in it keeps its own.
    """

    def __init__(self, name: str, type_names: Mapping[str, str] | None = None) -> None:
        self._name = name
        self._type_names = type_names or {}
        self._xy: list[npt.NDArray[np.float64]] = []
        self._types: list[npt.NDArray[np.int64]] = []
        self._numbers: dict[str, int] = {}
        self._known: dict[str, int] = {}
        self._sizes: list[npt.NDArray[np.int64]] = []
        self._points: list[npt.NDArray[np.float32]] = []
        self.measures = MeasureRows()
        self.n_cells = 0

    def add(
        self,
        centres: Sequence[Any],
        rings: Sequence[Any],
        labels: Sequence[str],
        measures: Sequence[Mapping[str, Any] | None] = (),
    ) -> None:
        """Add n cells.

        Parameters
        ----------
        centres
            [x, y] each, or None where the outline gives it.
        rings
            Outlines, lists of [x, y], or None where there is none; empty for none at all.
        labels
            Types, blank where there is none.
        measures
            What was measured of each; empty for nothing at all.

        Raises
        ------
        CellsError
            If coordinates are no finite numbers, a cell has neither centre nor outline, or there are
            so many types that they cannot be types.
        """
        n = len(labels)
        outlined = np.array([i for i, ring in enumerate(rings) if ring is not None], np.int64)
        flat = flatten_rings([rings[i] for i in outlined], self._name)
        sizes = np.zeros(n, np.int64)
        sizes[outlined] = flat.sizes
        xy = np.empty((n, 2))
        xy[outlined] = centroids(flat)
        given = [i for i, centre in enumerate(centres) if centre is not None]
        if given:
            xy[given] = flatten_points([centres[i] for i in given], self._name)
        if len(given) < n and np.setdiff1d(np.arange(n), np.union1d(given, outlined)).size:
            raise CellsError(
                f"{self._name} has a cell with neither a centre nor an outline.", "Write the file again."
            )
        if measures:
            self.measures.add(self.n_cells, measures)
        self.add_arrays(xy, labels, FlatRings(sizes, flat.xy))

    def add_arrays(
        self, xy: npt.NDArray[np.float64], labels: Sequence[str], rings: FlatRings | None = None
    ) -> None:
        """Add cells (n, 2) of (x, y) whose rings, of size 0 where there is none, are arrays already."""
        check_coordinates(xy, self._name)
        self._types.append(np.fromiter((self._number(label) for label in labels), np.int64, len(labels)))
        self._xy.append(xy)
        self._sizes.append(np.zeros(len(xy), np.int64) if rings is None else rings.sizes)
        if rings is not None:
            check_coordinates(rings.xy, self._name)
            self._points.append(rings.xy.astype(np.float32))
        self.n_cells += len(xy)

    def take(self, other: CellRows, label: str | None = None) -> None:
        """Add all cells of another, under their own types or all under `label`."""
        names = list(other._numbers)
        renamed = np.array([self._number(own if label is None else label) for own in names], np.int64)
        self._types += [renamed[block] for block in other._types]
        self._xy += other._xy
        self._sizes += other._sizes
        self._points += other._points
        self.measures.take(other.measures, self.n_cells)
        self.n_cells += other.n_cells

    def finish(
        self, key: str, tool: str, placement: Placement, notes: Sequence[str] = (), **assumed: Any
    ) -> RawCells:
        """Return all cells as those of the format `key`; their types are sorted by name.

        Raises
        ------
        CellsError
            If there is no cell.
        """
        if self.n_cells == 0:
            raise CellsError(f"{self._name} holds no cells.", "Choose a file in which cells were found.")
        names = sorted(self._numbers)
        order = np.zeros(len(names), np.uint16)
        for i, name in enumerate(names):
            order[self._numbers[name]] = i
        measures, said = self.measures.finish(self.n_cells)
        return RawCells(
            yx=np.concatenate(self._xy)[:, ::-1],
            type_index=order[np.concatenate(self._types)],
            type_names=tuple(names),
            format=key,
            tool=tool,
            placement=placement,
            notes=(*notes, *said),
            measures=measures,
            outlines=self._outlines(),
            assumed=assumed,
        )

    def _outlines(self) -> Outlines | None:
        n_points = sum(len(points) for points in self._points)
        if n_points == 0:
            return None
        starts = np.concatenate([[0], np.cumsum(np.concatenate(self._sizes))]).astype(np.int64)
        yx = np.empty((n_points, 2), np.float32)
        end = 0
        # Each block is let go as it is copied, so that the points are never there twice.
        self._points.reverse()
        while self._points:
            block = self._points.pop()
            yx[end : end + len(block)] = block[:, ::-1]
            end += len(block)
        return Outlines(starts, yx)

    def _number(self, label: str) -> int:
        known = self._known.get(label)
        if known is not None:
            return known
        name = self._type_names.get(label, label).strip()[:_LONGEST_NAME] or UNCLASSIFIED
        number = self._numbers.setdefault(name, len(self._numbers))
        self._known[label] = number
        if len(self._numbers) > MAX_TYPES:
            raise CellsError(
                f"The cells of {self._name} have more than {MAX_TYPES:,} different types, such as {name!r}; these "
                "are not cell types.",
                f"Name the type of each cell with at most {MAX_TYPES:,} different names; an id may stand in its place.",
            )
        return number
