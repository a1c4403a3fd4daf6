"""Whether cells lie where their slide is, and what would make them fit better.

Nothing here moves a cell: what would fit better is said, and left to the user.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from sae_backend.cells.import_options import NO_OFFSET, Placement, ReadOptions
from sae_backend.slides.slide import SlideInfo

FACTORS: Final = (2.0, 4.0, 0.5, 0.25)

_MOSTLY_INSIDE: Final = 0.98
_BETTER: Final = 0.1
_GOOD_OVERLAP: Final = 0.6
_OVERLAP_GAIN: Final = 1.5

Box = tuple[float, float, float, float]
"""(y, x) of the upper left and of the lower right corner, in level-0 px."""


@dataclass(frozen=True)
class ExtentSuggestion:
    """What may be meant, in words, the options that say so, and the share of the cells then on the slide."""

    words: str
    options: ReadOptions
    share_inside: float


@dataclass(frozen=True)
class ExtentFit:
    """How well cells fit their slide.

    Attributes
    ----------
    share_inside
        Share of the cells on the slide.
    share_in_bounds
        Share of the cells in the scanned area.
    box_l0
        What they span.
    suggestions
        What would fit better, the best first; none where they fit.
    """

    share_inside: float
    share_in_bounds: float
    box_l0: Box
    suggestions: tuple[ExtentSuggestion, ...]


def check_extent(
    yx_l0: npt.NDArray[np.float64],
    slide_info: SlideInfo,
    options: ReadOptions | None = None,
    placement: Placement | None = None,
    tissue_l0: Box | None = None,
) -> ExtentFit:
    """Compare the extent of cells with a slide.

    Parameters
    ----------
    yx_l0
        Centres (M, 2) of at least one cell in level-0 px, as they are placed now.
    slide_info
        The slide.
    options
        The options they were read with; suggestions build on them.
    placement
        Scale and offset that are in the coordinates now; 1 and none by default.
    tissue_l0
        What the tissue spans, where it is known; the scanned area otherwise.
    """
    options = options or ReadOptions()
    placement = placement or Placement(1.0, NO_OFFSET)
    check = _Check(yx_l0, slide_info, options, placement, tissue_l0)
    inside = check.share(yx_l0)
    in_bounds = check.share_in_bounds(yx_l0)
    low, high = yx_l0.min(axis=0), yx_l0.max(axis=0)
    box = (float(low[0]), float(low[1]), float(high[0]), float(high[1]))
    found = [*check.offsets(in_bounds), *(check.shrunk(inside) if inside < _MOSTLY_INSIDE else check.grown())]
    return ExtentFit(inside, in_bounds, box, tuple(found))


class _Check:
    def __init__(
        self,
        yx: npt.NDArray[np.float64],
        info: SlideInfo,
        options: ReadOptions,
        placement: Placement,
        tissue: Box | None,
    ) -> None:
        self._yx = yx
        self._info = info
        self._options = options
        self._scale = placement.scale or 1.0
        self._offset = np.asarray(placement.offset_l0)
        y, x, height, width = info.bounds_l0
        self._bounds = np.array([y, x, y + height, x + width], np.float64)
        self._whole = np.array([0, 0, info.height_px, info.width_px], np.float64)
        self._target = self._bounds if tissue is None else np.asarray(tissue, np.float64)
        self._target_words = "the scanned area" if tissue is None else "the tissue"

    def share(self, yx: npt.NDArray[np.float64]) -> float:
        return _share(yx, self._whole)

    def share_in_bounds(self, yx: npt.NDArray[np.float64]) -> float:
        return _share(yx, self._bounds)

    def offsets(self, in_bounds: float) -> list[ExtentSuggestion]:
        """The origin of the scanned area added, or not, where that brings cells into it."""
        origin = self._bounds[:2]
        if not origin.any() or in_bounds >= _MOSTLY_INSIDE:
            return []
        found = []
        for offset, words in (
            ((0.0, 0.0), "If the file counts from the corner of the whole slide and not of the scanned area"),
            (
                (float(origin[0]), float(origin[1])),
                "If the file counts from the corner of the scanned area, as QuPath does",
            ),
        ):
            moved = self._yx - self._offset + np.asarray(offset)
            share = self.share_in_bounds(moved)
            if not np.array_equal(self._offset, offset) and share > in_bounds + _BETTER:
                found.append(
                    ExtentSuggestion(
                        f"{words}, {share:.0%} of the cells lie in it; now it is {in_bounds:.0%}.",
                        replace(self._options, offset_l0=offset),
                        self.share(moved),
                    )
                )
        return found

    def shrunk(self, inside: float) -> list[ExtentSuggestion]:
        """Factors below 1 for cells that reach beyond the slide; the largest that fits comes first."""
        found = []
        for factor in sorted((f for f in FACTORS if f < 1), reverse=True):
            share = self.share(self._scaled(factor))
            if share >= max(_MOSTLY_INSIDE, inside + _BETTER):
                words = (
                    f"The cells reach beyond the slide ({inside:.0%} lie on it). If they are in pixels "
                    f"{1 / factor:g} times as fine as level 0, times {factor:g} puts {share:.0%} of them on it."
                )
                found.append(ExtentSuggestion(words, self._with(factor), share))
        return found

    def grown(self) -> list[ExtentSuggestion]:
        """Factors above 1 for cells that crowd into a corner, where they would then fill the slide."""
        now = _overlap(_box(self._yx), self._target)
        found = []
        for factor in (f for f in FACTORS if f > 1):
            moved = self._scaled(factor)
            share, overlap = self.share(moved), _overlap(_box(moved), self._target)
            if share >= _MOSTLY_INSIDE and overlap >= max(_GOOD_OVERLAP, _OVERLAP_GAIN * now):
                words = (
                    f"The cells lie in a part of the slide only. That is right where only a region was "
                    f"analysed. If they are in pixels {factor:g} times as coarse as level 0, times {factor:g} "
                    f"spreads them over {self._target_words}."
                )
                found.append((overlap, ExtentSuggestion(words, self._with(factor), share)))
        return [suggestion for _, suggestion in sorted(found, key=lambda item: -item[0])]

    def _scaled(self, factor: float) -> npt.NDArray[np.float64]:
        return (self._yx - self._offset) * factor + self._offset

    def _with(self, factor: float) -> ReadOptions:
        return replace(self._options, scale=self._scale * factor, mpp=None, level=None, mag=None)


def _share(yx: npt.NDArray[np.float64], box: npt.NDArray[np.float64]) -> float:
    return float(((yx >= box[:2]) & (yx < box[2:])).all(axis=1).mean())


def _box(yx: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """What all but the outermost cells span: one that went astray would hide how the others lie."""
    return np.concatenate(np.percentile(yx, [0.5, 99.5], axis=0))


def _overlap(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]) -> float:
    """Shared part of two boxes over what both cover."""
    shared = np.maximum(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0).prod()
    union = (a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod() - shared
    return float(shared / union) if union > 0 else 0.0
