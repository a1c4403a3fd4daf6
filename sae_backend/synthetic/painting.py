"""Paint a block of a section: regions, fibres, empty spaces and cells, as amounts of dye."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from sae_backend.synthetic.domains import REGIONS
from sae_backend.synthetic.placement import SPRITE_KINDS, Holes, Objects
from sae_backend.synthetic.regions import Layout, enlarge
from sae_backend.synthetic.sprites import SpriteBank
from sae_backend.synthetic.stains import Field
from sae_backend.synthetic.textures import N_ANGLES, Textures, cut, textures

SPRITE_REACH_PX: Final = 64
"""No object reaches farther than this from its nucleus."""

_PLASMA, _TUMOUR, _GLAND, _NECROSIS, _AGGREGATE, _FAT = range(len(REGIONS) - 1)
# Haematoxylin and eosin that each region's ground holds, and how much of its eosin follows the fibres.
_GROUND_H: Final = (0.05, 0.08, 0.22, 0.12, 0.12, 0.20, 0.01)
_GROUND_E: Final = (0.30, 0.22, 0.30, 0.30, 0.55, 0.18, 0.05)


@dataclass(frozen=True)
class Section:
    """All that a section is before it is stained and scanned."""

    layout: Layout
    objects: Objects
    holes: Holes
    bank: SpriteBank
    phase: tuple[int, int]
    """Where (y, x) in the endless textures the slide begins."""


def _soft(distance: Field, width: float) -> Field:
    """0 outside, 1 inside, rising over `width` px where a distance crosses 0."""
    out = distance / np.float32(width)
    out += np.float32(0.5)
    return np.asarray(np.clip(out, 0, 1, out=out), np.float32)


def _fibres(
    layout: Layout, made: Textures, corner: tuple[int, int], at: tuple[int, int], shape: tuple[int, int]
) -> Field:
    """Strands that follow the layout's direction: textures of fixed directions, blended."""
    turn = np.arange(N_ANGLES, dtype=np.float32) * np.float32(np.pi / N_ANGLES)
    rows, cols = layout.fibre.shape
    step = layout.shape_px[0] / rows
    low = [max(0, int(c / step) - 2) for c in corner]
    high = [min(n, int((c + s) / step) + 3) for c, s, n in zip(corner, shape, (rows, cols), strict=True)]
    angle = layout.fibre[low[0] : high[0], low[1] : high[1]]
    blend = np.maximum(np.cos(2 * (angle[None] - turn[:, None, None])), 0) ** 3
    blend /= np.sqrt((blend**2).sum(axis=0)) + 1e-6
    part = np.zeros((N_ANGLES, rows, cols), np.float32)
    part[:, low[0] : high[0], low[1] : high[1]] = blend
    weights = enlarge(part, corner, shape)
    out = np.zeros(shape, np.float32)
    for k in range(N_ANGLES):
        if blend[k].any():
            out += weights[k] * cut(made.fibres[k], at[0], at[1], shape)
    return out


def paint(section: Section, corner: tuple[int, int], shape: tuple[int, int]) -> Field:
    """Paint a block.

    Parameters
    ----------
    section
        What to paint.
    corner
        (y, x) px of the block on the slide; it may reach beyond the slide, where the edge goes on.
    shape
        (h, w) of the block in px.

    Returns
    -------
    ndarray
        (3, h, w) float32: haematoxylin, eosin, pigment. The same pixels however the slide is cut into blocks.
    """
    planes = _ground(section, corner, shape)
    _cut_holes(planes, section.holes, corner)
    _lay_objects(planes, section, corner)
    return planes


def _ground(section: Section, corner: tuple[int, int], shape: tuple[int, int]) -> Field:
    layout, made = section.layout, textures()
    at = (corner[0] + section.phase[0], corner[1] + section.phase[1])
    maps = np.concatenate([layout.section[None], layout.collagen[None], layout.cleft[None], layout.depth])
    edge, collagen, cleft, *depth = enlarge(maps, corner, shape)
    planes = np.zeros((3, *shape), np.float32)
    mottle, cloud = cut(made.mottle, *at, shape), cut(made.cloud, *at, shape)
    on_section = _soft(edge + 5 * mottle, 4.0)
    if not on_section.any():
        return planes
    fibre = _fibres(layout, made, corner, at, shape)
    strands = np.clip(0.75 * fibre + 0.3 * cloud + 0.25, 0, 1.6)
    h, e = planes[0], planes[1]
    h += _GROUND_H[0]
    e += _GROUND_E[0] * (0.6 + 0.4 * collagen)
    e += 0.24 * collagen * strands
    # Clefts: where strands are thin and the stroma is torn, light passes.
    torn = np.clip((cleft - 1.0 - 1.0 * fibre - 0.9 * cloud) * 0.9, 0, 1)
    torn *= 0.85
    rough = 7 * mottle + 6 * cloud
    for k, distance in enumerate(depth):
        # The rough edge reaches at most some 60 px out.
        if float(distance.max()) < -80:
            continue
        share = _soft(distance + rough, 9.0)
        e_here, keep_torn = _GROUND_E[k + 1], 0.0
        ground: npt.NDArray[np.floating] | float = e_here
        if k == _PLASMA:
            ground, keep_torn = e_here + 0.20 * strands, 0.8
        elif k in (_TUMOUR, _GLAND, _AGGREGATE):
            ground, keep_torn = e_here * (1 + 0.16 * cloud), 0.25
        elif k == _NECROSIS:
            ground = e_here * (1 + 0.22 * mottle + 0.15 * cloud)
        h += share * (_GROUND_H[k + 1] - h)
        e += share * (ground - e)
        torn *= 1 - (1 - keep_torn) * share
    grain = cut(made.grain, *at, shape)
    texture = 1 + 0.13 * grain + 0.07 * mottle
    texture *= on_section * (1 - torn)
    h *= texture
    e *= texture
    np.maximum(planes, 0, out=planes)
    return planes


def _cut_holes(planes: Field, holes: Holes, corner: tuple[int, int]) -> None:
    """Take the dye out of lumens and vacuoles; fat cells keep a thin wall."""
    shape = planes.shape[1:]
    reach = float(holes.radius.max() + 6) if len(holes.radius) else 0.0
    low, high = np.searchsorted(holes.y, [corner[0] - reach, corner[0] + shape[0] + reach])
    for i in range(low, high):
        y, x, radius = holes.y[i] - corner[0], holes.x[i] - corner[1], holes.radius[i]
        top, bottom = max(int(y - radius - 5), 0), min(int(y + radius + 6), shape[0])
        left, right = max(int(x - radius - 5), 0), min(int(x + radius + 6), shape[1])
        if top >= bottom or left >= right:
            continue
        dy = np.arange(top, bottom, dtype=np.float32)[:, None] + np.float32(0.5 - y)
        dx = np.arange(left, right, dtype=np.float32)[None, :] + np.float32(0.5 - x)
        distance = np.sqrt(dy**2 + dx**2)
        if holes.wall[i] == 0:
            turn = np.arctan2(dy, dx)
            distance *= 1 + 0.10 * np.sin(2 * turn + np.float32(x)) + 0.07 * np.sin(3 * turn + np.float32(y))
        patch = planes[:2, top:bottom, left:right]
        inside = _soft(np.float32(radius) - distance, 2.5)
        patch *= 1 - (0.96 if holes.wall[i] == 1 else 0.90) * inside
        if holes.wall[i] == 1:
            rim = np.exp(-(((distance - np.float32(radius)) / np.float32(1.2)) ** 2))
            patch[1] += np.float32(0.28) * rim


def _lay_objects(planes: Field, section: Section, corner: tuple[int, int]) -> None:
    shape = (int(planes.shape[1]), int(planes.shape[2]))
    near = section.objects.near(corner, shape, SPRITE_REACH_PX)
    pictures = [section.bank.kinds[kind] for kind in SPRITE_KINDS]
    tops = np.floor(near.y).astype(np.int64) - corner[0]
    lefts = np.floor(near.x).astype(np.int64) - corner[1]
    columns = (tops.tolist(), lefts.tolist(), near.kind.tolist(), near.variant.tolist(), near.focus.tolist(),
               near.dark.tolist())  # fmt: skip
    for y, x, kind, variant, focus, dark in zip(*columns, strict=True):
        sprite = pictures[kind][focus][variant]
        top, left = y - sprite.anchor[0], x - sprite.anchor[1]
        height, width = sprite.cover.shape
        y0, x0, y1, x1 = max(top, 0), max(left, 0), min(top + height, shape[0]), min(left + width, shape[1])
        if y0 >= y1 or x0 >= x1:
            continue
        own = (slice(y0 - top, y1 - top), slice(x0 - left, x1 - left))
        patch = planes[:, y0:y1, x0:x1]
        patch *= 1 - sprite.cover[own]
        patch += sprite.planes[:, own[0], own[1]] * np.float32(dark)
