"""Lay out a section: where it lies, which region is where, and how densely cells live there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from sae_backend.synthetic.domains import REGIONS, Domain
from sae_backend.synthetic.sprites import CELL_TYPES
from sae_backend.synthetic.stains import Field

DEMO_MPP: Final = 0.5
"""Pixel size of every drawing in um per px."""

COARSE_PX: Final = 16
"""Edge of one cell of the layout's grid in px."""

_STROMA, _PLASMA, _TUMOUR, _GLAND, _NECROSIS, _AGGREGATE, _FAT = range(len(REGIONS))

# Cells per mm2 of each region (rows as REGIONS) and type (columns as CELL_TYPES), before they vary.
_PER_MM2: Final = np.array(
    [
        [130.0, 60.0, 1600.0, 8.0, 35.0],
        [420.0, 2600.0, 420.0, 8.0, 60.0],
        [170.0, 50.0, 120.0, 3900.0, 60.0],
        [160.0, 90.0, 600.0, 60.0, 50.0],
        [60.0, 15.0, 25.0, 60.0, 260.0],
        [7600.0, 260.0, 150.0, 8.0, 90.0],
        [40.0, 15.0, 90.0, 3.0, 70.0],
    ]
)
# Natural logarithm's standard deviation of each type's own density field.
_VARIES: Final = (0.45, 0.45, 0.85, 0.20, 0.70)
_VARIES_UM: Final = (190.0, 160.0, 210.0, 150.0, 130.0)
# Macrophages also gather in foci, whatever the region: cells per mm2 there, and their size in um.
_FOCUS_PER_MM2: Final = 2200.0
_FOCUS_UM: Final = 120.0
_FOCUS_LEVEL: Final = 1.20


@dataclass(frozen=True)
class Layout:
    """A section on a grid of `COARSE_PX` px; every array is float32, (rows, cols) or (K, rows, cols).

    Attributes
    ----------
    shape_px
        (height, width) of the slide.
    section
        Distance in px to the section's edge, positive inside.
    depth
        (6, rows, cols): distance in px to the edge of each of `REGIONS` but the first, positive inside;
        a later region lies over an earlier one.
    fibre
        Direction of the stroma's fibres in radians from the x axis.
    collagen, cleft
        How much collagen the stroma holds (about 0 to 2), and how torn it is (about -2 to 2).
    density
        (5, rows, cols): expected cells per px2 of each of `CELL_TYPES`.
    """

    shape_px: tuple[int, int]
    section: Field
    depth: Field
    fibre: Field
    collagen: Field
    cleft: Field
    density: Field

    def weights(self) -> Field:
        """Share of each region, (7, rows, cols) in the order of `REGIONS`, summing to 1 on the section."""
        left = np.clip(0.5 + self.section / COARSE_PX, 0, 1)
        out = np.zeros((len(REGIONS), *left.shape), np.float32)
        for number in range(len(REGIONS) - 1, 0, -1):
            share = np.clip(0.5 + self.depth[number - 1] / COARSE_PX, 0, 1)
            out[number] = left * share
            left = left * (1 - share)
        out[0] = left
        return out


def noise(rng: np.random.Generator, shape: tuple[int, int], sigma: float) -> Field:
    """Smooth Gaussian noise of mean 0 and variance 1 (in expectation over large fields)."""
    reach = 4
    step = max(1, int(sigma / reach))
    # A smooth field has no detail below its sigma: draw it small, then enlarge it.
    small = (shape[0] // step + 3, shape[1] // step + 3)
    field = ndimage.gaussian_filter(rng.standard_normal(small, dtype=np.float32), sigma / step, mode="wrap")
    field *= np.float32(2 * np.sqrt(np.pi) * sigma / step)
    if step == 1:
        return np.asarray(field[: shape[0], : shape[1]], np.float32)
    return enlarge(field[None], (0, 0), shape, step)[0]


def enlarge(fields: Field, corner: tuple[int, int], shape: tuple[int, int], step: int = COARSE_PX) -> Field:
    """Interpolate fields (K, rows, cols) linearly: the block (K, h, w) whose corner (y, x) px is given.

    Beyond the grid the edge goes on.
    """
    parts = []
    spans = []
    for axis in range(2):
        n = fields.shape[axis + 1]
        at = np.clip((np.arange(shape[axis]) + corner[axis] + 0.5) / step - 0.5, 0, n - 1)
        low = np.minimum(np.floor(at).astype(np.intp), max(n - 2, 0))
        first, last = int(low[0]), min(int(low[-1]) + 2, n)
        matrix = np.zeros((shape[axis], last - first), np.float32)
        rows = np.arange(shape[axis])
        matrix[rows, low - first] = 1 - (at - low)
        if n > 1:
            matrix[rows, low - first + 1] += at - low
        parts.append(matrix)
        spans.append(slice(first, last))
    return np.asarray(parts[0] @ fields[:, spans[0], spans[1]] @ parts[1].T, np.float32)


def lay_out(
    rng: np.random.Generator, shape_px: tuple[int, int], domain: Domain, prevalence: npt.NDArray[np.float64]
) -> Layout:
    """Lay out a section.

    Parameters
    ----------
    rng
        Decides the layout, together with the size.
    shape_px
        (height, width) in px.
    domain
        Sizes of the regions.
    prevalence
        (6,) share of the section that each of `REGIONS` but the first takes, before later ones cover it.
    """
    shape = (-(-shape_px[0] // COARSE_PX), -(-shape_px[1] // COARSE_PX))
    section = _section(rng, shape)
    inside = section > 0
    depth = np.empty((len(REGIONS) - 1, *shape), np.float32)
    for k in range(len(REGIONS) - 1):
        sigma = domain.grain_um[k] / DEMO_MPP / COARSE_PX / 1.6
        field = noise(rng, shape, sigma) + 0.28 * noise(rng, shape, sigma / 3.2)
        edge = np.quantile(field[inside], 1 - prevalence[k]) if inside.any() else 0.0
        depth[k] = (field - edge) * sigma * COARSE_PX
    # Necrosis lies in the middle of what it has destroyed.
    living = np.maximum(depth[_TUMOUR - 1], depth[_GLAND - 1])
    depth[_NECROSIS - 1] = np.minimum(depth[_NECROSIS - 1] + 20, living - 45)
    fibre = np.asarray(1.3 * noise(rng, shape, 14.0), np.float32)
    collagen = np.clip(1 + 0.45 * noise(rng, shape, 11.0), 0.05, 2.2)
    cleft = noise(rng, shape, 8.0)
    layout = Layout(shape_px, section, depth, fibre, collagen, cleft, np.zeros((5, *shape), np.float32))
    weights = layout.weights().reshape(len(REGIONS), -1)
    per_px2 = (_PER_MM2.T / (1000.0 / DEMO_MPP) ** 2).astype(np.float32)
    layout.density[:] = (per_px2 @ weights).reshape(len(CELL_TYPES), *shape)
    for k, (spread, size_um) in enumerate(zip(_VARIES, _VARIES_UM, strict=True)):
        field = noise(rng, shape, size_um / DEMO_MPP / COARSE_PX / 2)
        layout.density[k] *= np.exp(spread * field - 0.5 * spread**2)
    foci = noise(rng, shape, _FOCUS_UM / DEMO_MPP / COARSE_PX / 2) - _FOCUS_LEVEL
    focus = np.clip(0.5 + 4 * foci, 0, 1) * (1 - weights[_FAT].reshape(shape))
    layout.density[CELL_TYPES.index("macrophage")] += focus * (_FOCUS_PER_MM2 / (1000.0 / DEMO_MPP) ** 2)
    layout.density[:, section < 12] = 0
    return layout


def _section(rng: np.random.Generator, shape: tuple[int, int]) -> Field:
    """A rounded piece of tissue with a ragged edge and a few holes."""
    y = (np.arange(shape[0], dtype=np.float32) + 0.5)[:, None] / shape[0] - 0.5
    x = (np.arange(shape[1], dtype=np.float32) + 0.5)[None, :] / shape[1] - 0.5
    power = rng.uniform(2.4, 4.0)
    radius = (np.abs(y / 0.43) ** power + np.abs(x / 0.43) ** power) ** (1 / power)
    size = min(shape) * 0.43
    edge = (1 - radius) * size + 0.055 * size * noise(rng, shape, size / 5) + 0.7 * noise(rng, shape, 2.0)
    holes = noise(rng, shape, 7.0) - 2.5
    section = np.minimum(edge * COARSE_PX, -holes * 7.0 * COARSE_PX)
    border = np.minimum(
        np.minimum(np.arange(shape[0])[:, None], np.arange(shape[0])[::-1, None]),
        np.minimum(np.arange(shape[1])[None, :], np.arange(shape[1])[None, ::-1]),
    )
    return np.asarray(np.minimum(section, (border - 3.0) * COARSE_PX), np.float32)
