"""Place the cells, and what else lies in tissue: glands, fat vacuoles, debris, red blood cells."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from sae_backend.synthetic.domains import REGIONS
from sae_backend.synthetic.regions import COARSE_PX, Layout
from sae_backend.synthetic.sprites import CELL_TYPES, N_VARIANTS, SpriteBank, direction_variant

NO_TYPE: Final = 255
"""`kind_type` of what is drawn like a cell and is none."""

SPRITE_KINDS: Final = (*CELL_TYPES, "columnar", "debris", "erythrocyte")
"""Kinds of picture; `Objects.kind` is an index into it."""

_TYPE_OF_KIND: Final = np.array([0, 1, 2, 3, 4, 5, NO_TYPE, NO_TYPE], np.uint8)
_COLUMNAR, _DEBRIS, _ERYTHROCYTE = 5, 6, 7
_BAND_PX: Final = 1024
_EDGE_PX: Final = 24
# Typical distance (px) of the places that a type may take, and how near (px) another nucleus may lie.
_SPACING_PX: Final = (12.5, 16.5, 18.0, 20.0, 29.0)
_ROOM_PX: Final = (5.6, 6.0, 4.5, 8.0, 10.0, 6.0, 0.0, 0.0)
_FAT_STEP_PX: Final = 78.0
_FOCUS_SHARES: Final = (0.72, 0.20, 0.08)


@dataclass(frozen=True)
class Objects:
    """M drawn objects, sorted by y.

    Attributes
    ----------
    y, x
        float64 (M,), centre of the nucleus in level-0 px.
    kind
        uint8 (M,), index into `SPRITE_KINDS`.
    variant, focus
        uint16 and uint8 (M,), which picture, and how far from the focal plane.
    dark
        float32 (M,), factor on its amounts of dye.
    """

    y: npt.NDArray[np.float64]
    x: npt.NDArray[np.float64]
    kind: npt.NDArray[np.uint8]
    variant: npt.NDArray[np.uint16]
    focus: npt.NDArray[np.uint8]
    dark: npt.NDArray[np.float32]

    @property
    def cell_type(self) -> npt.NDArray[np.uint8]:
        """Index (M,) into `RECORDED_TYPES`, or `NO_TYPE`."""
        return np.asarray(_TYPE_OF_KIND[self.kind])

    def take(self, chosen: npt.NDArray[np.bool_] | npt.NDArray[np.intp]) -> Objects:
        """Only some of them."""
        return Objects(*(getattr(self, field.name)[chosen] for field in fields(self)))

    def near(self, corner: tuple[int, int], shape: tuple[int, int], margin: int) -> Objects:
        """Those that can reach into a block."""
        low, high = np.searchsorted(self.y, [corner[0] - margin, corner[0] + shape[0] + margin])
        x = self.x[low:high]
        inside = (x > corner[1] - margin) & (x < corner[1] + shape[1] + margin)
        return self.take(np.flatnonzero(inside) + low)


@dataclass(frozen=True)
class Holes:
    """Round empty spaces: `y`, `x`, `radius` float64 (M,) in px; `wall` (M,) 1 for fat, 0 for a gland."""

    y: npt.NDArray[np.float64]
    x: npt.NDArray[np.float64]
    radius: npt.NDArray[np.float64]
    wall: npt.NDArray[np.float64]


def _jittered(
    rng: np.random.Generator, rows: tuple[int, int], width: int, step: float, jitter: float = 0.42
) -> npt.NDArray[np.float64]:
    """Points (M, 2) as (y, x) on a jittered grid over a band of rows, so that few overlap."""
    y, x = np.meshgrid(
        np.arange(rows[0] + step / 2, rows[1], step), np.arange(step / 2, width, step), indexing="ij"
    )
    points = np.stack([y.ravel(), x.ravel()], axis=1)
    return np.asarray(points + rng.uniform(-jitter, jitter, points.shape) * step)


def _at(field: npt.NDArray[np.float32], points: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """Value of a coarse field (…, rows, cols) at points (M, 2) px."""
    row = np.clip((points[:, 0] // COARSE_PX).astype(np.intp), 0, field.shape[-2] - 1)
    col = np.clip((points[:, 1] // COARSE_PX).astype(np.intp), 0, field.shape[-1] - 1)
    return np.asarray(field[..., row, col])


def _make(
    rng: np.random.Generator,
    points: npt.NDArray[np.float64],
    kind: npt.NDArray[np.uint8],
    angle: npt.NDArray[np.float64],
) -> Objects:
    n = len(points)
    variant = rng.integers(0, N_VARIANTS, n)
    long = (kind == CELL_TYPES.index("fibroblast")) | (kind == _COLUMNAR)
    variant[long] = direction_variant(angle[long], variant[long] % 4)
    focus = np.searchsorted(np.cumsum(_FOCUS_SHARES)[:-1], rng.uniform(size=n)).astype(np.uint8)
    dark = rng.normal(1.0, 0.11, n).clip(0.65, 1.35).astype(np.float32)
    return Objects(points[:, 0], points[:, 1], kind, variant.astype(np.uint16), focus, dark)


def place_holes(rng: np.random.Generator, layout: Layout, gland_px: float) -> Holes:
    """Place the lumens of glands (radius about `gland_px` px) and the vacuoles of fat."""
    height, width = layout.shape_px
    weights = layout.weights()
    parts = []
    for region, step, wall in (("gland", 3.6 * gland_px, 0.0), ("fat", _FAT_STEP_PX, 1.0)):
        points = _jittered(rng, (0, height), width, step, 0.16 if wall else 0.24)
        radius = rng.normal(
            0.46 * step if wall else gland_px, 0.06 * step if wall else 0.28 * gland_px, len(points)
        )
        radius = np.clip(radius, 8, 0.6 * step)
        inside = _at(weights[REGIONS.index(region)], points) > 0.6
        inside &= _at(layout.section, points) > radius
        kept = points[inside]
        parts.append(np.column_stack([kept, radius[inside], np.full(len(kept), wall)]))
    table = np.concatenate(parts)
    table = table[np.argsort(table[:, 0], kind="stable")]
    return Holes(*table.T)


def _lining(
    rng: np.random.Generator, holes: Holes, cell_scale: float
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Points (M, 2) and angles (M,) of the columnar cells around each gland's lumen, in one or two rows."""
    points, angles = [np.zeros((0, 2))], [np.zeros(0)]
    for y, x, radius in zip(holes.y, holes.x, holes.radius, strict=True):
        for row in range(1 + int(rng.uniform() < 0.35)):
            ring = radius + (15.0 + 17.0 * row) * cell_scale
            n = int(2 * np.pi * ring / (13.5 * cell_scale) * rng.uniform(0.75, 1.0))
            turn = np.linspace(0, 2 * np.pi, n, endpoint=False) + rng.normal(0, 0.05, n) + rng.uniform(0, 7)
            distance = ring + rng.normal(0, 2.6, n) * cell_scale
            points.append(np.column_stack([y + distance * np.sin(turn), x + distance * np.cos(turn)]))
            angles.append(turn + rng.normal(0, 0.15, n))
    return np.concatenate(points), np.concatenate(angles)


def place_objects(seed: list[int], layout: Layout, holes: Holes, cell_scale: float) -> Objects:
    """Scatter the cells and their look-alikes over a layout, band by band.

    Parameters
    ----------
    seed
        Decides all, together with the layout.
    layout
        Where regions lie and how dense each type is.
    holes
        Empty spaces; no cell lies in one.
    cell_scale
        Factor on the size of cells.
    """
    parts = [_lining_objects(np.random.Generator(np.random.Philox([*seed, 0])), layout, holes, cell_scale)]
    height = layout.shape_px[0]
    for number, top in enumerate(range(0, height, _BAND_PX)):
        rng = np.random.Generator(np.random.Philox([*seed, 1, number]))
        parts.append(_band(rng, layout, (top, min(top + _BAND_PX, height)), cell_scale))
    merged = Objects(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Objects)))
    merged = merged.take(_has_room(merged, holes, layout, cell_scale))
    return merged.take(np.argsort(merged.y, kind="stable"))


def _lining_objects(rng: np.random.Generator, layout: Layout, holes: Holes, cell_scale: float) -> Objects:
    glands = Holes(*(getattr(holes, f.name)[holes.wall == 0] for f in fields(Holes)))
    points, angle = _lining(rng, glands, cell_scale)
    inside = _at(layout.section, points) > 14
    points, angle = points[inside], angle[inside]
    return _make(rng, points, np.full(len(points), _COLUMNAR, np.uint8), angle)


def _band(rng: np.random.Generator, layout: Layout, rows: tuple[int, int], cell_scale: float) -> Objects:
    width = layout.shape_px[1]
    necrosis = layout.weights()[REGIONS.index("necrosis"), rows[0] // COARSE_PX : -(-rows[1] // COARSE_PX)]
    points, kinds, angles = [], [], []
    for kind, spacing in enumerate(_SPACING_PX):
        step = spacing * cell_scale
        place = _jittered(rng, rows, width, step)
        kept = rng.uniform(size=len(place)) < _at(layout.density[kind], place) * step**2
        points.append(place[kept])
        kinds.append(np.full(int(kept.sum()), kind, np.uint8))
        turn = rng.uniform(0, np.pi, int(kept.sum()))
        if CELL_TYPES[kind] == "fibroblast":
            turn = _at(layout.fibre, place[kept]).astype(np.float64) + rng.normal(0, 0.25, len(turn))
        angles.append(turn)
    for kind, step, share in ((_DEBRIS, 26.0, 0.45), (_DEBRIS, 60.0, 0.05), (_ERYTHROCYTE, 15.0, 0.0)):
        place = _jittered(rng, rows, width, step)
        here = np.column_stack([place[:, 0] - rows[0], place[:, 1]])
        chance = share * (_at(necrosis, here) if step < 30 else (_at(layout.section, place) > 20))
        if kind == _ERYTHROCYTE:
            # Blood lies in the clefts of the stroma.
            stroma = _at(layout.depth, place).max(axis=0) < -20
            chance = 0.75 * (_at(layout.cleft, place) > 1.55) * stroma * (_at(layout.section, place) > 30)
        kept = rng.uniform(size=len(place)) < chance
        points.append(place[kept])
        kinds.append(np.full(int(kept.sum()), kind, np.uint8))
        angles.append(np.zeros(int(kept.sum())))
    return _make(rng, np.concatenate(points), np.concatenate(kinds), np.concatenate(angles))


def _has_room(objects: Objects, holes: Holes, layout: Layout, cell_scale: float) -> npt.NDArray[np.intp]:
    """Indices of those whose nucleus neither lies on another nor in a hole nor off the slide."""
    points = np.column_stack([objects.y, objects.x])
    height, width = layout.shape_px
    fits = (points > _EDGE_PX).all(axis=1) & (points < (height - _EDGE_PX, width - _EDGE_PX)).all(axis=1)
    if len(holes.y):
        distance, nearest = cKDTree(np.column_stack([holes.y, holes.x])).query(points)
        lumen = holes.radius[nearest] - np.where(holes.wall[nearest] == 1, 2.0, -5.0)
        fits &= (distance > lumen) | (objects.kind == _COLUMNAR)
    kept = np.flatnonzero(fits)
    room = np.asarray(_ROOM_PX)[objects.kind[kept]] * cell_scale
    reach = float(2 * np.max(_ROOM_PX) * cell_scale)
    pairs = cKDTree(points[kept]).query_pairs(reach, output_type="ndarray")
    if not len(pairs):
        return kept
    apart = np.hypot(*(points[kept[pairs[:, 0]]] - points[kept[pairs[:, 1]]]).T)
    bare = (room[pairs] == 0).any(axis=1)
    crowded = pairs[(apart < 0.85 * room[pairs].sum(axis=1)) & ~bare]
    # Of two that lie on each other the later goes; rare types come first by how they are listed.
    rank = np.array([4, 2, 3, 1, 0, 1, 5, 5])[objects.kind[kept]]
    weaker = np.where(rank[crowded[:, 0]] > rank[crowded[:, 1]], crowded[:, 0], crowded[:, 1])
    room_left = np.ones(len(kept), bool)
    room_left[weaker] = False
    return kept[room_left]


def nuclei_of(objects: Objects, bank: SpriteBank) -> npt.NDArray[np.float64]:
    """Semi-axes (major, minor) in px and angle in radians of each object's nucleus, float64 (M, 3)."""
    table = np.array([[sprite.nucleus for sprite in bank.kinds[kind][0]] for kind in SPRITE_KINDS])
    return np.asarray(table[objects.kind, objects.variant], np.float64)
