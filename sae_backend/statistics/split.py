"""Half of the patients choose the features, the other half report how well they do.

A feature that was chosen because its r is large there looks better there than it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol

import numpy as np
import numpy.typing as npt

from sae_backend.statistics.slide_parts import SlidePart

HalfUnit = Literal["patient", "slide", "block"]
HalfSide = Literal["choose", "report"]

CHOOSE: Final = "choose"
REPORT: Final = "report"

BLOCK: Final = "block"

MIN_UNITS: Final = 10
"""With fewer patients or slides a half would have less than the 5 that an interval needs."""

MIN_TILES: Final = 400
"""With fewer usable tiles, half of one slide is too little to report on."""


@dataclass(frozen=True)
class Halves:
    """Which half each unit belongs to.

    `assignments` say `choose` or `report` of every unit. `unit` is `patient` or `slide`; with `block`
    each slide is cut across its longer side, and what is said of it is what its low end does.
    """

    unit: HalfUnit
    seed: int
    assignments: Mapping[str, HalfSide]

    def n(self, half: HalfSide) -> int:
        """Units in a half; a slide that is cut is in both."""
        if self.unit == BLOCK:
            return len(self.assignments)
        return sum(value == half for value in self.assignments.values())


class Unit(Protocol):
    """What has to be known of a slide to assign it: its name, its patient and its usable tiles (N,)."""

    @property
    def slide(self) -> str:
        """Its name."""

    @property
    def patient(self) -> str:
        """Its patient, empty where unknown."""

    @property
    def valid(self) -> npt.NDArray[np.bool_]:
        """Which tiles may be used."""


def unit_names(parts: Sequence[Unit]) -> tuple[HalfUnit, list[str]]:
    """Kind of the unit, and the unit of each part: its patient where any is known, else its slide."""
    if any(part.patient for part in parts):
        return "patient", [part.patient or part.slide for part in parts]
    return "slide", [part.slide for part in parts]


def draw_halves(parts: Sequence[Unit], seed: int, known: Halves | None = None) -> Halves | None:
    """Assign the units to halves; what is known stays as it is.

    Parameters
    ----------
    parts
        The slides.
    seed
        Decides the draw.
    known
        Halves drawn before: their units keep their half, and only new ones are drawn.

    Returns
    -------
    Halves or None
        None where there is too little to hold half of it out.
    """
    filled = [part for part in parts if part.valid.any()]
    unit, names = unit_names(filled)
    distinct = sorted(set(names))
    if len(distinct) < MIN_UNITS:
        n_tiles = sum(int(part.valid.sum()) for part in filled)
        if n_tiles < MIN_TILES:
            return None
        unit, distinct = BLOCK, sorted({part.slide for part in filled})
    old = dict(known.assignments) if known is not None and known.unit == unit else {}
    new = [name for name in distinct if name not in old]
    rng = np.random.default_rng([seed, len(old)])
    drawn = dict(old)
    sides: tuple[HalfSide, HalfSide] = (CHOOSE, REPORT)
    counts = {side: sum(old.get(name) == side for name in distinct) for side in sides}
    for place in rng.permutation(len(new)):
        side = sides[0] if counts[sides[0]] < counts[sides[1]] else sides[1]
        if counts[sides[0]] == counts[sides[1]]:
            side = sides[int(rng.integers(2))]
        counts[side] += 1
        drawn[new[place]] = side
    return Halves(unit, known.seed if old and known is not None else seed, drawn)


def half_of(parts: Sequence[SlidePart], halves: Halves, half: HalfSide) -> list[SlidePart]:
    """Parts, or the valid tiles of parts, that belong to `choose` or to `report`."""
    if halves.unit == BLOCK:
        return [part.only(_side(part, halves.assignments[part.slide], half)) for part in parts
                if part.slide in halves.assignments]  # fmt: skip
    names = (
        [part.patient or part.slide for part in parts]
        if halves.unit == "patient"
        else [part.slide for part in parts]
    )
    return [part for part, name in zip(parts, names, strict=True) if halves.assignments.get(name) == half]


def _side(part: SlidePart, low: HalfSide, half: HalfSide) -> npt.NDArray[np.bool_]:
    """Tiles (N,) of a slide that belong to a half, where its low end has the half `low`."""
    if not part.valid.any():
        return part.valid
    return np.asarray(low_end(part.rows, part.cols, part.valid) == (low == half), np.bool_)


def low_end(
    rows: npt.NDArray[np.int32], cols: npt.NDArray[np.int32], valid: npt.NDArray[np.bool_]
) -> npt.NDArray[np.bool_]:
    """Tiles (N,) of the low end of a slide that is cut at the middle of its valid tiles, across its longer side."""
    if not valid.any():
        return np.zeros(valid.shape, np.bool_)
    along = rows if np.ptp(rows[valid]) >= np.ptp(cols[valid]) else cols
    return np.asarray(along < np.median(along[valid]), np.bool_)
