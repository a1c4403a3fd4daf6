"""Find the nuclei of a whole slide tile by tile, as if the slide were a single field.

Tiles lie on one lattice of working pixels. Each is read with a halo as wide as anything that has a say in a
nucleus, and keeps the nuclei whose centroid lies in its core.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
from scipy import ndimage, spatial

from sae_backend.cells.nuclei.measures import MEASURES, measure
from sae_backend.cells.nuclei.segmentation import (
    DetectSpec,
    Segmentation,
    WorkingScale,
    segment,
    working_scale,
)
from sae_backend.cells.table import CellTable, Outlines
from sae_backend.errors import NoTissueError, UserInputError
from sae_backend.slides.pyramid import read_box
from sae_backend.slides.slide import TileStatus

if TYPE_CHECKING:
    from sae_backend.slides.slide import Slide, SlideInfo
    from sae_backend.slides.tissue import TissueMask

TILE_PX: Final = 1024
DOUBLE_UM: Final = 1.0
"""Centroids nearer than this (um) are of one nucleus, seen from two tiles."""

NEIGHBOUR_UM: Final = 25.0
NEIGHBOURS: Final = "neighbours_25um"
"""Measure that is counted over the whole slide: other nuclei whose centroid lies within 25 um."""

NUCLEUS: Final = "Nucleus"
"""Type of all cells that a detector finds and nobody has told apart."""

_TISSUE_REACH_UM: Final = 25.0
_EDGE_UM: Final = 2.0
_PIECE_PX: Final = 64
_WORKERS: Final = 2

Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class TilePlan:
    """Tiles of a slide that hold tissue.

    `shape_px` is the size (h, w) of the slide in working px; `corners_px` int64 (T, 2) the corners (y, x) of
    the cores, which are `core_px` wide and are read with `halo_px` more on each side.
    """

    spec: DetectSpec
    scale: WorkingScale
    tissue: TissueMask
    shape_px: tuple[int, int]
    core_px: int
    halo_px: int
    corners_px: npt.NDArray[np.int64]

    @property
    def n_tiles(self) -> int:
        """Number of tiles, T."""
        return len(self.corners_px)

    def core(self, tile: int) -> Box:
        """Core of a tile: top, left, bottom, right in working px, cut at the slide's edge."""
        y, x = (int(value) for value in self.corners_px[tile])
        return y, x, min(y + self.core_px, self.shape_px[0]), min(x + self.core_px, self.shape_px[1])

    def field(self, tile: int) -> Box:
        """Core and halo of a tile, cut at the slide's edge."""
        top, left, bottom, right = self.core(tile)
        halo = self.halo_px
        ends = min(bottom + halo, self.shape_px[0]), min(right + halo, self.shape_px[1])
        return max(0, top - halo), max(0, left - halo), *ends


@dataclass(frozen=True)
class TileNuclei:
    """N nuclei of one or more tiles, and what could not be looked at.

    `yx_l0` float64 (N, 2) and `rings_l0` float32 (P, 2) are in level-0 px, `starts` int64 (N + 1,) as in
    `Outlines`, `measures` float32 (N, 17) by `MEASURES`; the areas are in um2; `n_cut` counts nuclei left out
    at the edge of such an area.
    """

    yx_l0: npt.NDArray[np.float64]
    starts: npt.NDArray[np.int64]
    rings_l0: npt.NDArray[np.float32]
    measures: npt.NDArray[np.float32]
    missing_um2: float
    corrupt_um2: float
    n_cut: int


def plan_tiles(info: SlideInfo, tissue: TissueMask, spec: DetectSpec, tile_px: int = TILE_PX) -> TilePlan:
    """Lay tiles with cores of about `tile_px` working px over the tissue of a slide.

    Raises
    ------
    PixelSizeError, MismatchError
        As :func:`sae_backend.cells.nuclei.segmentation.working_scale`.
    NoTissueError
        If there is no tissue.
    UserInputError
        If the tiles are too small.
    """
    scale = working_scale(spec, info)
    if tile_px < 2 * _PIECE_PX:
        raise UserInputError(f"Tiles of {tile_px} px are too small.", f"Use at least {2 * _PIECE_PX} px.")
    core_px = scale.blocks_px(tile_px * scale.mpp)
    shape = int(info.height_px / scale.step_l0), int(info.width_px / scale.step_l0)
    corners = np.array(
        [(y, x) for y in range(0, shape[0], core_px) for x in range(0, shape[1], core_px)], np.int64
    )
    has_tissue = _near_tissue(
        tissue, corners.astype(np.float64) * scale.step_l0, core_px * scale.step_l0, info.require_mpp()
    )
    if not has_tissue.any():
        raise NoTissueError(f"No tissue was found on {info.path.name}.", "Check the slide.")
    halo = scale.blocks_px(spec.reach_um)
    return TilePlan(spec, scale, tissue, shape, core_px, halo, corners[has_tissue])


def _near_tissue(
    tissue: TissueMask, corners_l0: npt.NDArray[np.float64], size_l0: float, mpp: float
) -> npt.NDArray[np.bool_]:
    """Whether there is tissue in or within 25 um of squares (N, 2): the mask is coarse."""
    reach = _TISSUE_REACH_UM / mpp
    return tissue.fractions(corners_l0 - reach, size_l0 + 2 * reach) > 0


def read_field(
    slide: Slide, scale: WorkingScale, box: Box
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Read a box (top, left, bottom, right in working px) of a slide.

    Returns
    -------
    rgb, status
        uint8 (h, w, 3) and the `TileStatus` of each pixel, uint8 (h, w). Where something is missing or
        corrupt the box is read again in pieces of 64 px on a lattice of their own, so that what is bad does
        not depend on the box; bad pieces are white.
    """
    top, left, bottom, right = box
    whole = _read(slide, scale, box)
    shape = (bottom - top, right - left)
    if whole[1] == TileStatus.OK:
        return whole[0], np.zeros(shape, np.uint8)
    rgb, status = np.full((*shape, 3), 255, np.uint8), np.zeros(shape, np.uint8)
    height, width = int(slide.info.height_px / scale.step_l0), int(slide.info.width_px / scale.step_l0)
    for y in range(top // _PIECE_PX * _PIECE_PX, bottom, _PIECE_PX):
        for x in range(left // _PIECE_PX * _PIECE_PX, right, _PIECE_PX):
            piece = (y, x, min(y + _PIECE_PX, height), min(x + _PIECE_PX, width))
            pixels, found = _read(slide, scale, piece)
            rows = slice(max(y, top), min(piece[2], bottom))
            cols = slice(max(x, left), min(piece[3], right))
            there = np.s_[rows.start - top : rows.stop - top, cols.start - left : cols.stop - left]
            status[there] = found
            if found == TileStatus.OK:
                rgb[there] = pixels[rows.start - y : rows.stop - y, cols.start - x : cols.stop - x]
    return rgb, status


def _read(slide: Slide, scale: WorkingScale, box: Box) -> tuple[npt.NDArray[np.uint8], TileStatus]:
    top, left, bottom, right = box
    step = scale.step_l0
    found = read_box(
        slide,
        (top * step, left * step, (bottom - top) * step, (right - left) * step),
        (bottom - top, right - left),
    )
    return found.rgb, found.status


def detect_tile(slide: Slide, plan: TilePlan, tile: int) -> TileNuclei:
    """Find the nuclei of one tile.

    Raises
    ------
    SlideError
        If the file itself can no longer be read; bad areas are counted, not raised.
    """
    scale, step = plan.scale, plan.scale.step_l0
    field, core = plan.field(tile), plan.core(tile)
    rgb, status = read_field(slide, scale, field)
    found = segment(rgb, plan.spec, scale)
    top, left, bottom, right = core[0] - field[0], core[1] - field[1], core[2] - field[0], core[3] - field[1]
    in_core = status[top:bottom, left:right]
    labels, cut = _without_cut(found.labels, status != TileStatus.OK, scale)
    # The same nucleus may lie a hair's breadth apart in two fields: a margin keeps it from falling between
    # the tiles, and what both then have is taken out when they are joined.
    margin = DOUBLE_UM / 2 / scale.mpp
    kept = measure(
        Segmentation(labels, found.stains),
        scale,
        (top - margin, left - margin, bottom + margin, right + margin),
    )
    centres = np.array(ndimage.center_of_mass(found.labels > 0, found.labels, cut)).reshape(-1, 2) + 0.5
    n_cut = ((centres >= (top, left)) & (centres < (bottom, right))).all(axis=1).sum()
    corner = np.array(field[:2])
    yx_l0 = (kept.yx_px + corner) * step
    nuclei = TileNuclei(
        yx_l0=yx_l0,
        starts=kept.rings.starts,
        rings_l0=((kept.rings.yx_px + corner) * step).astype(np.float32),
        measures=kept.measures,
        missing_um2=float((in_core == TileStatus.MISSING).sum()) * scale.mpp**2,
        corrupt_um2=float((in_core == TileStatus.CORRUPT).sum()) * scale.mpp**2,
        n_cut=int(n_cut),
    )
    return _take(nuclei, np.flatnonzero(_near_tissue(plan.tissue, yx_l0, 0.0, slide.info.require_mpp())))


def _without_cut(
    labels: npt.NDArray[np.int32], bad: npt.NDArray[np.bool_], scale: WorkingScale
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Labels without the nuclei at the edge of what could not be read, and the numbers of those."""
    if not bad.any():
        return labels, np.empty(0, np.int32)
    near = ndimage.distance_transform_edt(~bad) * scale.mpp <= _EDGE_UM
    touched = np.unique(labels[near])
    cut = touched[touched > 0]
    return np.where(np.isin(labels, cut), 0, labels), cut


def _take(nuclei: TileNuclei, chosen: npt.NDArray[np.int64]) -> TileNuclei:
    rings = Outlines(nuclei.starts, nuclei.rings_l0).take(chosen)
    return replace(
        nuclei,
        yx_l0=nuclei.yx_l0[chosen],
        starts=rings.starts,
        rings_l0=rings.yx_l0,
        measures=nuclei.measures[chosen],
    )


def detect_tiles(slide: Slide, plan: TilePlan, tiles: list[int]) -> Generator[tuple[int, TileNuclei]]:
    """Find the nuclei of some tiles, two at a time; they come in the order asked for.

    Close the generator before the slide, so that no thread still reads.
    """
    with ThreadPoolExecutor(_WORKERS, thread_name_prefix="nuclei") as pool:
        waiting: deque[tuple[int, Future[TileNuclei]]] = deque()
        try:
            for tile in tiles:
                waiting.append((tile, pool.submit(detect_tile, slide, plan, tile)))
                if len(waiting) > _WORKERS:
                    yield waiting[0][0], waiting.popleft()[1].result()
            while waiting:
                yield waiting[0][0], waiting.popleft()[1].result()
        finally:
            for _, future in waiting:
                future.cancel()


def join_tiles(parts: list[TileNuclei], mpp: float) -> TileNuclei:
    """Put the nuclei of all tiles together, each once, sorted by (y, x); `mpp` is um per level-0 px."""
    sizes = np.concatenate([np.diff(part.starts) for part in parts])
    both = TileNuclei(
        yx_l0=np.concatenate([part.yx_l0 for part in parts]),
        starts=np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        rings_l0=np.concatenate([part.rings_l0 for part in parts]),
        measures=np.concatenate([part.measures for part in parts]),
        missing_um2=sum(part.missing_um2 for part in parts),
        corrupt_um2=sum(part.corrupt_um2 for part in parts),
        n_cut=sum(part.n_cut for part in parts),
    )
    once = np.ones(len(both.yx_l0), np.bool_)
    if once.size:
        pairs = spatial.KDTree(both.yx_l0).query_pairs(DOUBLE_UM / mpp, output_type="ndarray")
        # Pairs are in the order of the tiles, so that the first tile keeps its nucleus.
        once[pairs.max(axis=1, initial=0) if len(pairs) else []] = False
    chosen = np.flatnonzero(once)
    yx = both.yx_l0[chosen]
    return _take(both, chosen[np.lexsort((yx[:, 1], yx[:, 0]))])


def table_of(nuclei: TileNuclei, mpp: float) -> CellTable:
    """Table of the nuclei, all of the type "Nucleus", with the number of their neighbours as a measure."""
    n = len(nuclei.yx_l0)
    measures = {name: np.ascontiguousarray(nuclei.measures[:, i]) for i, name in enumerate(MEASURES)}
    neighbours = np.zeros(n, np.float32)
    if n:
        tree = spatial.KDTree(nuclei.yx_l0)
        near = tree.query_ball_point(nuclei.yx_l0, NEIGHBOUR_UM / mpp, return_length=True)
        neighbours = np.asarray(near, np.float32) - 1
    return CellTable(
        y_l0=np.ascontiguousarray(nuclei.yx_l0[:, 0]),
        x_l0=np.ascontiguousarray(nuclei.yx_l0[:, 1]),
        type_index=np.zeros(n, np.uint16),
        type_names=(NUCLEUS,),
        measures={**measures, NEIGHBOURS: neighbours},
        outlines=Outlines(nuclei.starts, nuclei.rings_l0),
    )
