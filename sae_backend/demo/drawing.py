"""Draw H&E-like tissue in optical density: where each compartment lies, its cells and its stain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import ndimage

DEMO_MPP: Final = 0.5
"""Pixel size of the drawing in um per px."""

CELL_TYPES: Final = ("Neoplastic", "Inflammatory", "Connective")
"""Names of the types; cells carry an index into it."""

STAIN_VECTORS: Final = np.array([[0.650, 0.704, 0.286], [0.072, 0.990, 0.105]], dtype=np.float32)
"""Optical density (red, green, blue) of haematoxylin and eosin, unit length (Ruifrok and Johnston 2001)."""

_COARSE_PX: Final = 16
_NEOPLASTIC, _INFLAMMATORY, _CONNECTIVE = range(3)
# Typical distance of neighbours (px), semi-axes of the nucleus (px) and how dark it is.
_SPACING_PX: Final = (30.0, 17.0, 42.0)
_SEMI_AXES_PX: Final = ((11.5, 9.0), (6.6, 6.0), (13.5, 3.8))
_NUCLEUS_OD: Final = (0.85, 1.45, 1.0)

Field = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Tissue:
    """Compartments on a coarse grid of 16 px; every array is (rows, cols) float32.

    `tissue` is 1 inside the section; `nest` and `aggregate` are the shares of tumour nest and lymphoid
    aggregate, the remainder is stroma; `fibre` is the direction of the stroma in radians from the x axis.
    """

    tissue: Field
    nest: Field
    aggregate: Field
    fibre: Field


@dataclass(frozen=True)
class Cells:
    """M drawn nuclei: centres and semi-axes in level-0 px, angle in radians from the x axis, type index."""

    y_l0: npt.NDArray[np.float64]
    x_l0: npt.NDArray[np.float64]
    major_px: npt.NDArray[np.float64]
    minor_px: npt.NDArray[np.float64]
    angle: npt.NDArray[np.float64]
    type_index: npt.NDArray[np.uint16]


def _noise(rng: np.random.Generator, shape: tuple[int, int], sigma: float) -> Field:
    """Smooth Gaussian noise of mean 0 and variance 1."""
    field = ndimage.gaussian_filter(rng.standard_normal(shape, dtype=np.float32), sigma, mode="wrap")
    return np.asarray((field - field.mean()) / field.std(), dtype=np.float32)


def _step(field: Field, width: float) -> Field:
    """Rise smoothly from 0 to 1 where `field` crosses 0, over about `width`."""
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(field / width, -30, 30))), dtype=np.float32)


def enlarge(field: Field, shape: tuple[int, int]) -> Field:
    """Interpolate a coarse (rows, cols) field linearly to `shape` in px."""
    for axis, size in enumerate(shape):
        at = np.clip((np.arange(size) + 0.5) / _COARSE_PX - 0.5, 0, field.shape[axis] - 1)
        low = np.floor(at).astype(np.intp)
        high = np.minimum(low + 1, field.shape[axis] - 1)
        weight = (at - low).astype(np.float32)
        weight = weight[:, None] if axis == 0 else weight[None, :]
        field = np.take(field, low, axis) * (1 - weight) + np.take(field, high, axis) * weight
    return field


def lay_out(rng: np.random.Generator, shape: tuple[int, int]) -> Tissue:
    """Place section, nests and lymphoid aggregates on a slide of `shape` (height, width) in px."""
    rows, cols = -(-shape[0] // _COARSE_PX), -(-shape[1] // _COARSE_PX)
    y, x = np.mgrid[0:rows, 0:cols].astype(np.float32)
    radius = np.hypot((y - rows / 2) / (0.44 * rows), (x - cols / 2) / (0.44 * cols))
    edge = 1.0 - radius + 0.09 * _noise(rng, (rows, cols), 12.0)
    tissue = _step(edge, 0.004)
    nest = _step(_noise(rng, (rows, cols), 9.0) - 0.35, 0.06)
    aggregate = np.zeros((rows, cols), dtype=np.float32)
    n_aggregates = max(1, round(rows * cols / 6_000))
    for _ in range(n_aggregates):
        cy, cx = rows * rng.uniform(0.2, 0.8), cols * rng.uniform(0.2, 0.8)
        size = rng.uniform(6.0, 11.0)
        disc = _step(size - np.hypot(y - cy, x - cx) + 1.5 * _noise(rng, (rows, cols), 4.0), 0.6)
        aggregate = np.maximum(aggregate, disc)
    nest *= 1 - aggregate
    fibre = np.asarray(1.2 * _noise(rng, (rows, cols), 20.0), dtype=np.float32)
    return Tissue(tissue, nest, aggregate, fibre)


def _candidates(rng: np.random.Generator, shape: tuple[int, int], spacing: float) -> npt.NDArray[np.float64]:
    """Points (M, 2) as (y, x) on a jittered grid, so that nuclei seldom overlap."""
    grid = np.mgrid[spacing / 2 : shape[0] : spacing, spacing / 2 : shape[1] : spacing]
    points = grid.reshape(2, -1).T + rng.uniform(-0.36, 0.36, (grid[0].size, 2)) * spacing
    inside = np.all((points >= 16) & (points < np.array(shape) - 16), axis=1)
    return np.asarray(points[inside], dtype=np.float64)


def place_cells(rng: np.random.Generator, shape: tuple[int, int], tissue: Tissue) -> Cells:
    """Scatter nuclei: neoplastic in nests, inflammatory in aggregates and sparsely elsewhere, else connective."""
    parts: list[Cells] = []
    stroma = (1 - tissue.nest) * (1 - tissue.aggregate)
    chance_of = (tissue.nest, np.maximum(tissue.aggregate, 0.02 + 0.03 * stroma), 0.9 * stroma)
    for kind, chance in enumerate(chance_of):
        points = _candidates(rng, shape, _SPACING_PX[kind])
        row, col = (points // _COARSE_PX).astype(np.intp).T
        keep = rng.uniform(size=len(points)) < chance[row, col] * (tissue.tissue[row, col] > 0.9)
        points, row, col = points[keep], row[keep], col[keep]
        n = len(points)
        size = rng.normal(1.0, 0.14 if kind == _NEOPLASTIC else 0.07, n).clip(0.65, 1.4)
        major, minor = _SEMI_AXES_PX[kind]
        angle = rng.uniform(0, np.pi, n)
        if kind == _CONNECTIVE:
            angle = tissue.fibre[row, col] + rng.normal(0, 0.15, n)
        parts.append(
            Cells(
                points[:, 0],
                points[:, 1],
                major * size,
                minor * size * rng.uniform(0.9, 1.1, n).clip(0.9, 1.0),
                angle,
                np.full(n, kind, dtype=np.uint16),
            )
        )
    return Cells(
        *(np.concatenate([getattr(part, name) for part in parts]) for name in Cells.__dataclass_fields__)
    )


def _stamp_nuclei(rng: np.random.Generator, out: Field, cells: Cells) -> None:
    """Draw each nucleus into the haematoxylin plane `out`, darker wins where two overlap."""
    darkness = rng.normal(1.0, 0.12, len(cells.y_l0)).clip(0.7, 1.3)
    nucleolus = rng.uniform(-0.35, 0.35, (len(cells.y_l0), 2))
    for i in range(len(cells.y_l0)):
        kind = int(cells.type_index[i])
        reach = int(np.ceil(cells.major_px[i])) + 2
        cy, cx = round(cells.y_l0[i]), round(cells.x_l0[i])
        top, left = max(cy - reach, 0), max(cx - reach, 0)
        patch = out[top : cy + reach + 1, left : cx + reach + 1]
        dy = (np.arange(top, top + patch.shape[0]) + 0.5 - cells.y_l0[i])[:, None]
        dx = (np.arange(left, left + patch.shape[1]) + 0.5 - cells.x_l0[i])[None, :]
        cos, sin = np.cos(cells.angle[i]), np.sin(cells.angle[i])
        along = (dx * cos + dy * sin) / cells.major_px[i]
        across = (dy * cos - dx * sin) / cells.minor_px[i]
        radius = np.sqrt(along**2 + across**2)
        soft = np.clip((1.0 - radius) * cells.minor_px[i] / 1.5 + 0.5, 0, 1)
        profile = 0.85 + 0.25 * np.exp(-(((radius - 0.88) / 0.12) ** 2))
        if kind == _NEOPLASTIC:
            spot = (along - nucleolus[i, 0]) ** 2 + (across - nucleolus[i, 1]) ** 2
            profile = profile + 0.9 * np.exp(-spot / 0.03)
        np.maximum(patch, soft * profile * (_NUCLEUS_OD[kind] * darkness[i]), out=patch)


def stain(
    rng: np.random.Generator, shape: tuple[int, int], tissue: Tissue, cells: Cells
) -> tuple[Field, Field]:
    """Return the haematoxylin and the eosin plane, (h, w) float32 amounts of the unit stain vectors."""
    haematoxylin = np.zeros(shape, dtype=np.float32)
    _stamp_nuclei(rng, haematoxylin, cells)
    grain = ndimage.gaussian_filter(rng.standard_normal(shape, dtype=np.float32), 1.3)
    grain /= grain.std()
    haematoxylin *= 1 + 0.16 * grain
    section, nest = enlarge(tissue.tissue, shape), enlarge(tissue.nest, shape)
    aggregate = enlarge(tissue.aggregate, shape)
    coarse = tissue.fibre.shape
    angle, wave = enlarge(tissue.fibre, shape), enlarge(_noise(rng, coarse, 3.0), shape)
    curl, bundle = enlarge(_noise(rng, coarse, 1.0), shape), enlarge(_noise(rng, coarse, 1.5), shape)
    y, x = np.ogrid[0 : shape[0], 0 : shape[1]]
    across = np.cos(angle) * y.astype(np.float32) - np.sin(angle) * x.astype(np.float32)
    fibres = 0.5 + 0.5 * np.sin(across / 4.5 + 2.5 * wave + 1.8 * curl) * _step(bundle, 0.5)
    stroma = (1 - nest) * (1 - aggregate)
    eosin = 0.36 * nest + 0.16 * aggregate + stroma * (0.24 + 0.34 * fibres + 0.05 * bundle)
    eosin *= section * (1 + 0.10 * grain) * (1 + 0.12 * wave)
    haematoxylin += section * (0.03 + 0.12 * nest + 0.16 * aggregate)
    return haematoxylin.clip(0), np.asarray(eosin, dtype=np.float32).clip(0)


def to_rgb(haematoxylin: Field, eosin: Field) -> npt.NDArray[np.uint8]:
    """Convert stain amounts (h, w) to uint8 (h, w, 3) by Beer and Lambert, over a light glass background."""
    density = haematoxylin[..., None] * STAIN_VECTORS[0] + eosin[..., None] * STAIN_VECTORS[1]
    return np.asarray(np.rint(245.0 * np.exp(-density)), dtype=np.uint8)
