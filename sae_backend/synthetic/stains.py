"""Stains: what a section's dyes do to light, and how laboratories differ in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Field = npt.NDArray[np.float32]

PIGMENT: Final = (0.56, 0.59, 0.58)
"""Direction of black-brown pigment in optical density (red, green, blue)."""

N_PLANES: Final = 3
"""Planes of a drawing: haematoxylin, eosin, pigment."""


@dataclass(frozen=True)
class Stain:
    """The dyes of one slide.

    Attributes
    ----------
    haematoxylin, eosin
        Directions in optical density (red, green, blue); any length. The first domain's lie near those of
        Ruifrok and Johnston (2001), as a laboratory's dyes do.
    haematoxylin_strength, eosin_strength
        Factors on the amounts; 1 is the typical slide.
    """

    haematoxylin: tuple[float, float, float] = (0.545, 0.755, 0.365)
    eosin: tuple[float, float, float] = (0.120, 0.940, 0.320)
    haematoxylin_strength: float = 1.0
    eosin_strength: float = 1.0

    def matrix(self) -> Field:
        """Optical density of one unit of each plane, float32 (3 planes, 3 channels)."""
        rows = []
        for vector, strength in (
            (self.haematoxylin, self.haematoxylin_strength),
            (self.eosin, self.eosin_strength),
            (PIGMENT, 1.0),
        ):
            direction = np.asarray(vector, np.float64)
            rows.append(direction / np.linalg.norm(direction) * strength)
        return np.asarray(rows, np.float32)


def transmit(planes: Field, stain: Stain) -> Field:
    """Light that passes, by Beer and Lambert.

    Parameters
    ----------
    planes
        (3, h, w) float32 amounts of haematoxylin, eosin and pigment, in natural units.
    stain
        The dyes.

    Returns
    -------
    ndarray
        (3, h, w) float32 transmission of red, green and blue, 0 to 1.
    """
    density = np.tensordot(stain.matrix().T, planes, axes=1)
    np.negative(density, out=density)
    return np.asarray(np.exp(density, out=density), np.float32)
