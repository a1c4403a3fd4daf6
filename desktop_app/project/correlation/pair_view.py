"""Everything that the charts of one pair show, computed beside the window."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from desktop_app.project.correlation.pair import (
    PairPoints,
    SlideR,
    SlideTargets,
    pair_points,
    pooled_within,
    slide_correlations,
)
from desktop_app.project.correlation.read import read_slides

if TYPE_CHECKING:
    from desktop_app.store import CorrelationRecord


@dataclass(frozen=True)
class PairView:
    """Points of a pair, r of each slide and pooled within slides; `slides` is what was read for it."""

    run_id: int
    pair: tuple[int, int]
    slides: tuple[SlideTargets, ...]
    points: PairPoints
    by_slide: tuple[SlideR, ...]
    within: float


def view_pair(
    folder: Path, record: CorrelationRecord, kept: Mapping[int, SlideTargets], pair: tuple[int, int]
) -> PairView:
    """Read what is not at hand of a run's slides, and compute what the charts of (feature, column) show.

    Raises
    ------
    SparsescopeError
        When features or cells of a slide are damaged.
    """
    slides = read_slides(folder, record, kept)
    points = pair_points(slides, *pair)
    return PairView(
        record.id, pair, slides, points, tuple(slide_correlations(slides, *pair)), pooled_within(points)
    )
