"""Artefacts of preparation and scanning: folds, pen marks, air bubbles, patches out of focus."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from sae_backend.synthetic.regions import COARSE_PX, enlarge, noise
from sae_backend.synthetic.stains import Field

ARTEFACTS: Final = ("fold", "pen", "bubble", "out of focus")
"""Kinds, in the order of `Artefacts.depth`."""

REACH_PX: Final = 16
"""How far (px) an artefact carries a pixel's light."""

_FOLD, _PEN, _BUBBLE, _BLUR = range(len(ARTEFACTS))
_FAR: Final = np.float32(-1e4)
_BLUR_PX: Final = 4.0
_INKS: Final = ((1.5, 0.8, 0.15), (1.4, 0.5, 1.2), (1.3, 1.3, 1.25))
"""Optical density of blue, green and black ink."""


@dataclass(frozen=True)
class Artefacts:
    """Where artefacts lie on one slide.

    Attributes
    ----------
    depth
        (4, rows, cols) float32 on the layout's grid: distance in px to the artefact's edge, positive
        inside, in the order of `ARTEFACTS`.
    ink
        Optical density (red, green, blue) of the pen.
    """

    depth: Field
    ink: tuple[float, float, float]

    def masks(self) -> dict[str, npt.NDArray[np.bool_]]:
        """Which cells (rows, cols) of the grid each kind covers; only the kinds that are there."""
        found = {kind: np.asarray(self.depth[k] > 0) for k, kind in enumerate(ARTEFACTS)}
        return {kind: mask for kind, mask in found.items() if mask.any()}

    def fold(self, planes: Field, corner: tuple[int, int]) -> None:
        """Double the tissue where it is folded; `planes` (3, h, w) is changed."""
        depth = self._depth(_FOLD, corner, planes.shape[1:])
        if depth is not None:
            share = np.clip(0.5 + depth / 4, 0, 1)
            edge = np.exp(-((depth / 5) ** 2))
            planes *= 1 + 0.85 * share + 0.35 * edge

    def on_light(self, light: Field, corner: tuple[int, int]) -> Field:
        """Add ink, bubbles and blur to transmitted light (3, h, w).

        Wrong within `REACH_PX` of the block's edge, where the neighbours' light is not known.
        """
        shape = light.shape[1:]
        pen = self._depth(_PEN, corner, shape)
        if pen is not None:
            share = np.clip(0.5 + pen / 6, 0, 1) * np.clip(0.8 + 0.002 * pen, 0.5, 1)
            light = np.asarray(light * np.exp(-np.asarray(self.ink)[:, None, None] * share), np.float32)
        blur = self._depth(_BLUR, corner, shape)
        if blur is not None:
            share = np.clip(0.5 + blur / 40, 0, 1)
            blurred = ndimage.gaussian_filter(light, (0, _BLUR_PX, _BLUR_PX))
            light = np.asarray(light + share * (blurred - light), np.float32)
        bubble = self._depth(_BUBBLE, corner, shape)
        if bubble is not None:
            rim = np.exp(-(((bubble - 6) / 5) ** 2)) + 0.4 * np.exp(-(((bubble - 22) / 9) ** 2))
            inside = np.clip(0.5 + bubble / 6, 0, 1)
            soft = ndimage.gaussian_filter(light, (0, 1.8, 1.8))
            light = light + inside * (soft * 0.9 + 0.06 - light)
            light = np.asarray(light * (1 - 0.55 * np.clip(rim, 0, 1)), np.float32)
        return light

    def _depth(self, kind: int, corner: tuple[int, int], shape: tuple[int, ...]) -> Field | None:
        rows = slice(max(0, corner[0] // COARSE_PX - 2), (corner[0] + shape[0]) // COARSE_PX + 3)
        cols = slice(max(0, corner[1] // COARSE_PX - 2), (corner[1] + shape[1]) // COARSE_PX + 3)
        near = self.depth[kind, rows, cols]
        if not near.size or float(near.max()) < -3 * COARSE_PX:
            return None
        return enlarge(self.depth[kind : kind + 1], corner, (shape[0], shape[1]))[0]


def place_artefacts(rng: np.random.Generator, shape: tuple[int, int], kinds: tuple[str, ...]) -> Artefacts:
    """Place artefacts of some kinds on a grid of `shape` (rows, cols).

    Parameters
    ----------
    rng
        Decides where.
    shape
        Of the layout's grid.
    kinds
        Which of `ARTEFACTS`; each is placed once to three times.
    """
    depth = np.full((len(ARTEFACTS), *shape), _FAR, np.float32)
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]].astype(np.float32)
    size = float(min(shape))
    for kind in kinds:
        k = ARTEFACTS.index(kind)
        for _ in range(int(rng.integers(1, 4))):
            cy, cx = rng.uniform(0.2, 0.8) * shape[0], rng.uniform(0.2, 0.8) * shape[1]
            turn = rng.uniform(0, np.pi)
            along = (x - cx) * np.cos(turn) + (y - cy) * np.sin(turn)
            across = (y - cy) * np.cos(turn) - (x - cx) * np.sin(turn)
            bend = 0.05 * size * np.sin(along / (0.17 * size) + rng.uniform(0, 6))
            if k == _FOLD:
                length, width = rng.uniform(0.2, 0.4) * size, rng.uniform(1.6, 3.6)
                width = width * np.sqrt(np.clip(1 - (along / length) ** 2, 0, 1))
                found = np.where(width > 0.3, width - np.abs(across - bend), _FAR)
            elif k == _PEN:
                length, width = rng.uniform(0.15, 0.5) * size, rng.uniform(2.5, 5.0)
                found = np.minimum(width - np.abs(across - bend), length - np.abs(along))
            elif k == _BUBBLE:
                found = rng.uniform(0.04, 0.13) * size - np.hypot(along, across)
            else:
                radius = rng.uniform(0.10, 0.22) * size
                found = radius - np.hypot(along, 1.4 * across) + 0.15 * radius * noise(rng, shape, radius / 2)
            depth[k] = np.maximum(depth[k], found * COARSE_PX)
    return Artefacts(depth, _INKS[int(rng.integers(len(_INKS)))])
