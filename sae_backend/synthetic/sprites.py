"""Small pictures of cells, drawn once and then laid on the tissue many times."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

import numpy as np
from scipy import ndimage

from sae_backend.synthetic.stains import Field

CELL_TYPES: Final = ("lymphocyte", "plasma cell", "fibroblast", "cancer cell", "macrophage")
"""The five types that the paper names, strewn over the tissue."""

RECORDED_TYPES: Final = (*CELL_TYPES, "gland epithelium")
"""All types on record; cells carry an index into it. The columnar cells that line glands are benign."""

N_DIRECTIONS: Final = 16
"""Directions (over half a turn) that long cells are drawn in; four pictures each."""

FOCUS_LEVELS: Final = 3
"""In focus, slightly out of the plane, and well out of it."""

_N_ROUND: Final = 64
_PER_DIRECTION: Final = 4
_SEED: Final = 0xCE11
_FOCUS: Final = ((0.0, 1.0), (1.3, 0.92), (2.4, 0.8))


@dataclass(frozen=True)
class Sprite:
    """One picture of a cell.

    Attributes
    ----------
    planes
        (3, n, m) float32 amounts of haematoxylin, eosin and pigment.
    cover
        (n, m) float32, how far the cell hides what lies under it, 0 to 1.
    anchor
        (y, x) px in the picture of the centre of the nucleus.
    nucleus
        Semi-axes (major, minor) of the nucleus in px, and its angle in radians from the x axis.
    """

    planes: Field
    cover: Field
    anchor: tuple[int, int]
    nucleus: tuple[float, float, float]


@dataclass(frozen=True)
class SpriteBank:
    """Pictures by kind: `kinds[name][focus][variant]`.

    The kinds are the five cell types, `columnar` (the benign cells that line glands), `debris` and `erythrocyte`.
    Long kinds hold `N_DIRECTIONS` directions with four pictures each, direction by direction.
    """

    kinds: dict[str, tuple[tuple[Sprite, ...], ...]]


class _Canvas:
    """Coordinates about the centre of the nucleus, turned so that `u` runs along its long axis."""

    def __init__(self, rng: np.random.Generator, reach: float, angle: float) -> None:
        self.rng = rng
        self.half = int(np.ceil(reach)) + 2
        offset = np.arange(-self.half, self.half + 1, dtype=np.float32)
        self.y, self.x = np.meshgrid(offset, offset, indexing="ij")
        self.angle = angle
        self.u = self.x * np.cos(angle) + self.y * np.sin(angle)
        self.v = self.y * np.cos(angle) - self.x * np.sin(angle)
        self.planes = np.zeros((3, *self.x.shape), np.float32)
        self.cover = np.zeros(self.x.shape, np.float32)
        self.nucleus = (0.0, 0.0, 0.0)

    def texture(self, sigma: float) -> Field:
        field = ndimage.gaussian_filter(self.rng.standard_normal(self.x.shape).astype(np.float32), sigma)
        return np.asarray(field / field.std(), np.float32)

    def radius(self, centre: tuple[float, float], axes: tuple[float, float], wobble: float) -> Field:
        """Distance from a centre (u, v) in units of an ellipse's edge, which wobbles by a share."""
        du, dv = (self.u - centre[0]) / axes[0], (self.v - centre[1]) / axes[1]
        turn = np.arctan2(dv, du)
        edge = np.ones_like(du)
        for order in (2, 3, 5):
            size = self.rng.normal(0, wobble / order)
            edge += size * np.cos(order * turn + self.rng.uniform(0, 2 * np.pi))
        return np.asarray(np.hypot(du, dv) / edge, np.float32)

    @staticmethod
    def inside(radius: Field, scale: float, softness: float = 1.4) -> Field:
        """1 inside and 0 outside, over about `softness` px; `scale` is the ellipse's mean semi-axis in px."""
        return np.clip((1.0 - radius) * scale / softness + 0.5, 0.0, 1.0)

    def body(
        self, centre: tuple[float, float], axes: tuple[float, float], h: float, e: float, cover: float
    ) -> Field:
        """Lay a cytoplasm and return where it is."""
        inside = self.inside(self.radius(centre, axes, 0.10), float(np.mean(axes)), 3.0)
        mottled = np.clip(1 + 0.18 * self.texture(1.2), 0.4, 1.6)
        self.planes[0] += h * inside * mottled
        self.planes[1] += e * inside * mottled
        self.cover = np.maximum(self.cover, cover * inside)
        return inside

    def nuclear(self, axes: tuple[float, float], chromatin: Field, wobble: float, rim: float) -> Field:
        """Lay a nucleus at the centre: `chromatin` amounts inside, a denser membrane of `rim`."""
        radius = self.radius((0.0, 0.0), axes, wobble)
        scale = float(np.sqrt(axes[0] * axes[1]))
        inside = self.inside(radius, scale)
        membrane = np.exp(-((((radius - 1.0) * scale + 1.2) / 1.1) ** 2))
        amount = np.maximum(chromatin, 0.1) + rim * membrane
        self.planes[0] = self.planes[0] * (1 - inside) + inside * amount
        self.planes[1] = self.planes[1] * (1 - 0.75 * inside)
        self.cover = np.maximum(self.cover, 0.80 * inside)
        self.nucleus = (*axes, self.angle % np.pi)
        return inside

    def spots(self, n: int, reach: float, size: tuple[float, float]) -> Field:
        """`n` soft spots within `reach` px of the centre, each of height 1."""
        out = np.zeros_like(self.x)
        for _ in range(n):
            distance, turn = reach * np.sqrt(self.rng.uniform()), self.rng.uniform(0, 2 * np.pi)
            dy, dx = self.y - distance * np.sin(turn), self.x - distance * np.cos(turn)
            out = np.maximum(out, np.exp(-0.5 * (dy**2 + dx**2) / self.rng.uniform(*size) ** 2))
        return np.asarray(out, np.float32)

    def sprite(self) -> Sprite:
        return Sprite(self.planes, self.cover, (self.half, self.half), self.nucleus)


def _lymphocyte(rng: np.random.Generator, scale: float, angle: float) -> Sprite:
    size = rng.normal(6.4, 0.5) * scale
    canvas = _Canvas(rng, size + 5, angle)
    canvas.body((0.0, 0.0), (size + 1.8, size + 1.4), 0.12, 0.22, 0.5)
    chromatin = rng.normal(2.05, 0.16) + 0.34 * canvas.texture(1.3)
    canvas.nuclear((size * rng.uniform(1.0, 1.12), size * 0.97), chromatin, 0.05, 0.25)
    return canvas.sprite()


def _plasma_cell(rng: np.random.Generator, scale: float, angle: float) -> Sprite:
    size = rng.normal(6.3, 0.45) * scale
    shift = rng.uniform(4.2, 5.6) * scale
    canvas = _Canvas(rng, size + shift + 9, angle)
    inside = canvas.body(
        (-shift, 0.0), (rng.normal(12.4, 0.9) * scale, rng.normal(9.0, 0.6) * scale), 0.46, 0.46, 0.9
    )
    halo = np.exp(-0.5 * (((canvas.u + shift * 1.15) / (3.4 * scale)) ** 2 + (canvas.v / (4.2 * scale)) ** 2))
    canvas.planes[:2] *= 1 - 0.72 * halo * inside
    # Clumps of chromatin along the membrane, like the figures of a clock.
    turn = np.arctan2(canvas.v, canvas.u) + rng.uniform(0, 2 * np.pi)
    distance = np.hypot(canvas.u, canvas.v) / size
    n_clumps = int(rng.integers(6, 9))
    uneven = turn + 0.5 * np.sin(turn + rng.uniform(0, 2 * np.pi)) + 0.25 * canvas.texture(2.0)
    figures = (0.5 + 0.5 * np.cos(n_clumps * uneven)) * np.exp(-(((distance - 0.68) / 0.26) ** 2))
    centre = rng.uniform(0.2, 1.0) * np.exp(-((distance / 0.26) ** 2))
    chromatin = 0.85 + 1.15 * figures + 0.7 * centre + 0.22 * canvas.texture(1.0)
    canvas.nuclear((size * 1.04, size * 0.98), np.asarray(chromatin, np.float32), 0.03, 0.45)
    return canvas.sprite()


def _fibroblast(rng: np.random.Generator, scale: float, angle: float) -> Sprite:
    length, width = rng.normal(16.0, 2.4) * scale, rng.normal(3.5, 0.5) * scale
    canvas = _Canvas(rng, length + 12, angle)
    bend = rng.normal(0, 0.004)
    canvas.v = canvas.v - bend * canvas.u**2
    tail = canvas.inside(canvas.radius((0.0, 0.0), (length + 11, width + 1.6), 0.04), width + 2, 2.2)
    canvas.planes[1] += 0.30 * tail
    canvas.planes[0] += 0.10 * tail
    canvas.cover = 0.35 * tail
    chromatin = rng.normal(1.15, 0.18) + 0.22 * canvas.texture(1.2)
    canvas.nuclear((length, width), chromatin, 0.06, 0.35)
    return canvas.sprite()


def _cancer_cell(rng: np.random.Generator, scale: float, angle: float) -> Sprite:
    size = float(np.clip(rng.normal(11.6, 2.3), 8.0, 18.5)) * scale
    axes = (size * rng.uniform(1.05, 1.32), size * rng.uniform(0.82, 1.0))
    canvas = _Canvas(rng, axes[0] * 1.5 + 8, angle)
    canvas.body((rng.normal(0, 1.5), rng.normal(0, 1.5)), (axes[0] + 6.5, axes[1] + 6.0), 0.34, 0.34, 0.75)
    chromatin = rng.normal(0.92, 0.2) + 0.26 * canvas.texture(1.8) + 0.10 * canvas.texture(0.8)
    nucleoli = canvas.spots(int(rng.integers(1, 4)), 0.5 * size, (1.4, 2.3))
    canvas.nuclear(axes, np.asarray(chromatin + 1.3 * nucleoli, np.float32), 0.09, 0.62)
    return canvas.sprite()


def _columnar(rng: np.random.Generator, scale: float, angle: float) -> Sprite:
    length, width = rng.normal(13.5, 1.4) * scale, rng.normal(6.6, 0.7) * scale
    canvas = _Canvas(rng, length + 12, angle)
    canvas.body((rng.normal(0, 1.0), 0.0), (length + 9, width + 2.5), 0.26, 0.40, 0.75)
    chromatin = rng.normal(1.2, 0.2) + 0.28 * canvas.texture(1.5)
    nucleoli = canvas.spots(int(rng.integers(0, 3)), 0.45 * length, (1.2, 1.8))
    canvas.nuclear((length, width), np.asarray(chromatin + 0.9 * nucleoli, np.float32), 0.06, 0.5)
    return canvas.sprite()


def _macrophage(rng: np.random.Generator, scale: float, angle: float) -> Sprite:
    reach = float(np.clip(rng.normal(18.5, 2.4), 14, 25)) * scale
    shift = rng.uniform(0.15, 0.4) * reach
    canvas = _Canvas(rng, reach + shift + 5, angle)
    inside = canvas.body((-shift, 0.0), (reach, reach * rng.uniform(0.78, 0.98)), 0.15, 0.30, 0.95)
    # Foam: pale round vacuoles, packed, with thin strands between them.
    foam = np.zeros_like(canvas.x)
    step = 5.2 * scale
    for cy in np.arange(-2 * reach, 2 * reach, step):
        for cx in np.arange(-2 * reach, 2 * reach, step):
            py, px = cy + rng.uniform(-1.7, 1.7), cx + rng.uniform(-1.7, 1.7)
            size = rng.uniform(1.5, 2.5) * scale
            near = (np.abs(canvas.y - py) < 9) & (np.abs(canvas.x - px) < 9)
            spot = np.exp(-((((canvas.y[near] - py) ** 2 + (canvas.x[near] - px) ** 2) / size**2) ** 2))
            foam[near] = np.maximum(foam[near], spot)
    canvas.planes[:2] *= 1 - 0.8 * foam * inside
    size = rng.normal(6.9, 0.6) * scale
    chromatin = rng.normal(0.95, 0.15) + 0.2 * canvas.texture(1.3)
    nucleolus = canvas.spots(int(rng.integers(0, 2)), 2.0, (1.1, 1.5))
    canvas.nuclear((size * 1.3, size * 0.85), np.asarray(chromatin + 0.8 * nucleolus, np.float32), 0.14, 0.4)
    if rng.uniform() < 0.3:
        grains = np.zeros_like(canvas.x)
        for _ in range(int(rng.integers(6, 26))):
            distance, turn = reach * 0.8 * np.sqrt(rng.uniform()), rng.uniform(0, 2 * np.pi)
            du, dv = canvas.u + shift - distance * np.cos(turn), canvas.v - distance * np.sin(turn)
            grains = np.maximum(grains, np.exp(-0.5 * (du**2 + dv**2) / rng.uniform(0.7, 1.5) ** 2))
        canvas.planes[2] += np.asarray(2.6 * grains * inside, np.float32)
    return canvas.sprite()


def _debris(rng: np.random.Generator, scale: float, angle: float) -> Sprite:
    """Nuclear dust and shrunken nuclei; no cell of any type."""
    size = rng.uniform(1.5, 4.2) * scale
    canvas = _Canvas(rng, size + 8, angle)
    chromatin = np.full_like(canvas.x, rng.uniform(1.2, 2.6))
    canvas.nuclear((size * rng.uniform(1.0, 1.4), size), chromatin, 0.12, 0.0)
    for _ in range(int(rng.integers(0, 3))):
        canvas.planes[0] += np.asarray(1.4 * canvas.spots(1, 5.0, (0.7, 1.3)), np.float32)
    canvas.cover = np.minimum(canvas.planes[0], 1.0) * 0.6
    return canvas.sprite()


def _erythrocyte(rng: np.random.Generator, scale: float, angle: float) -> Sprite:
    """A red blood cell; no cell of any type."""
    size = rng.normal(6.6, 0.5) * scale
    canvas = _Canvas(rng, size + 3, angle)
    radius = canvas.radius((0.0, 0.0), (size * rng.uniform(1.0, 1.3), size), 0.05)
    inside = canvas.inside(radius, size)
    canvas.planes[1] = np.asarray(
        inside * rng.uniform(0.85, 1.25) * (0.8 + 0.2 * np.minimum(radius, 1)), np.float32
    )
    canvas.cover = 0.9 * inside
    return canvas.sprite()


_ROUND: Final = {
    "lymphocyte": _lymphocyte,
    "plasma cell": _plasma_cell,
    "cancer cell": _cancer_cell,
    "macrophage": _macrophage,
    "debris": _debris,
    "erythrocyte": _erythrocyte,
}
_LONG: Final = {"fibroblast": _fibroblast, "columnar": _columnar}


def _out_of_focus(sprite: Sprite, focus: int) -> Sprite:
    sigma, share = _FOCUS[focus]
    if sigma == 0:
        return sprite
    margin = int(np.ceil(2 * sigma))
    planes = np.pad(sprite.planes, ((0, 0), (margin, margin), (margin, margin)))
    cover = np.pad(sprite.cover, margin)
    planes = share * ndimage.gaussian_filter(planes, (0, sigma, sigma))
    anchor = (sprite.anchor[0] + margin, sprite.anchor[1] + margin)
    blurred = share * ndimage.gaussian_filter(cover, sigma)
    return replace(sprite, planes=planes.astype(np.float32), cover=blurred.astype(np.float32), anchor=anchor)


@lru_cache(maxsize=4)
def sprite_bank(scale: float = 1.0) -> SpriteBank:
    """Draw all pictures, once a process; `scale` enlarges every cell. The same for every slide."""
    kinds: dict[str, tuple[tuple[Sprite, ...], ...]] = {}
    for number, (kind, draw) in enumerate({**_ROUND, **_LONG}.items()):
        rng = np.random.Generator(np.random.Philox([_SEED, number]))
        if kind in _LONG:
            angles = [k * np.pi / N_DIRECTIONS for k in range(N_DIRECTIONS) for _ in range(_PER_DIRECTION)]
        else:
            angles = list(rng.uniform(0, 2 * np.pi, _N_ROUND))
        sharp = tuple(draw(rng, scale, angle) for angle in angles)
        kinds[kind] = tuple(
            tuple(_out_of_focus(sprite, focus) for sprite in sharp) for focus in range(FOCUS_LEVELS)
        )
    return SpriteBank(kinds)


def direction_variant(angle: np.ndarray, pick: np.ndarray) -> np.ndarray:
    """Number of the picture of a long cell: `angle` (M,) in radians, `pick` (M,) of 0 to 3. int64 (M,)."""
    step = np.rint(np.asarray(angle) / (np.pi / N_DIRECTIONS)).astype(np.int64) % N_DIRECTIONS
    return step * _PER_DIRECTION + np.asarray(pick, np.int64)


N_VARIANTS: Final = _N_ROUND
"""Pictures of each kind (long kinds have as many)."""
