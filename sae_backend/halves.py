"""Half of the patients choose the features, the other half report how well they do.

A feature that was chosen because its r is large there looks better there than it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from sae_backend.slide_parts import SlidePart

CHOOSE: Final = "choose"
REPORT: Final = "report"

MIN_UNITS: Final = 10
"""With fewer patients or slides a half would have less than the 5 that an interval needs."""

MIN_TILES: Final = 400
"""With fewer usable tiles, half of one slide is too little to report on."""


@dataclass(frozen=True)
class Halves:
    """Which half each unit belongs to.

    `unit` is `patient` or `slide`, or `half slide`, where each slide is cut across its longer side
    and `assignments` say which end reports: `low` or `high`. Otherwise they say `choose` or `report`.
    """

    unit: str
    seed: int
    assignments: Mapping[str, str]

    def n(self, half: str) -> int:
        """Units in a half; a slide that is cut is in both."""
        if self.unit == "half slide":
            return len(self.assignments)
        return sum(value == half for value in self.assignments.values())


def unit_names(parts: Sequence[SlidePart]) -> tuple[str, list[str]]:
    """Kind of the unit, and the unit of each part: its patient where any is known, else its slide."""
    if any(part.patient for part in parts):
        return "patient", [part.patient or part.slide for part in parts]
    return "slide", [part.slide for part in parts]


def draw_halves(parts: Sequence[SlidePart], seed: int, known: Halves | None = None) -> Halves | None:
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
        unit, distinct, sides = "half slide", sorted({part.slide for part in filled}), ("low", "high")
    else:
        sides = (CHOOSE, REPORT)
    old = dict(known.assignments) if known is not None and known.unit == unit else {}
    new = [name for name in distinct if name not in old]
    rng = np.random.default_rng([seed, len(old)])
    drawn = dict(old)
    counts = {side: sum(old.get(name) == side for name in distinct) for side in sides}
    for place in rng.permutation(len(new)):
        side = sides[0] if counts[sides[0]] < counts[sides[1]] else sides[1]
        if counts[sides[0]] == counts[sides[1]]:
            side = sides[int(rng.integers(2))]
        counts[side] += 1
        drawn[new[place]] = side
    return Halves(unit, known.seed if old and known is not None else seed, drawn)


def half_of(parts: Sequence[SlidePart], halves: Halves, half: str) -> list[SlidePart]:
    """Parts, or the valid tiles of parts, that belong to `choose` or to `report`."""
    if halves.unit == "half slide":
        return [part.only(_side(part, halves.assignments[part.slide], half)) for part in parts
                if part.slide in halves.assignments]  # fmt: skip
    names = (
        [part.patient or part.slide for part in parts]
        if halves.unit == "patient"
        else [part.slide for part in parts]
    )
    return [part for part, name in zip(parts, names, strict=True) if halves.assignments.get(name) == half]


def _side(part: SlidePart, reporting: str, half: str) -> np.ndarray:
    """Tiles (N,) of one end of a slide, cut at the middle tile of its longer side."""
    rows, cols = part.rows[part.valid], part.cols[part.valid]
    if rows.size == 0:
        return part.valid
    along = part.rows if np.ptp(rows) >= np.ptp(cols) else part.cols
    is_low = along < np.median(along[part.valid])
    return is_low == ((reporting == "low") == (half == REPORT))
