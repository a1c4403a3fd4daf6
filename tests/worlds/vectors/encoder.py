"""How tiles become embeddings: directions of features, scanners and stain, and their sum."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from tests.worlds.vectors.spec import NuisanceSpec
from tests.worlds.vectors.streams import Purpose, Streams

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Nuisance:
    """What is added to all tiles of one slide, float64 (d,) each."""

    scanner: Floats
    stain: Floats
    intercept: Floats

    @property
    def total(self) -> Floats:
        """Sum of all parts, float64 (d,)."""
        return np.asarray(self.scanner + self.stain + self.intercept, np.float64)


def draw_dictionary(streams: Streams, n_features: int, width: int) -> Floats:
    """Draw unit directions, float64 (F, d), even over the sphere; a longer one begins with a shorter one."""
    rows = streams.of(Purpose.DICTIONARY).standard_normal((n_features, width))
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float64)


@dataclass(frozen=True)
class Directions:
    """Unit offsets of the scanners (S, d), which sum to 0, and the unit direction of the stain (d,)."""

    scanners: Floats
    stain: Floats

    def of_slide(self, weights: NuisanceSpec, scanner: int, stain: float, intercept: Floats) -> Nuisance:
        """Give the nuisance of a slide; `intercept` is a standard Gaussian (d,)."""
        return Nuisance(
            scanner=weights.scanner_weight * self.scanners[scanner],
            stain=weights.stain_weight * stain * self.stain,
            intercept=weights.slide_weight / np.sqrt(intercept.size) * intercept,
        )


def draw_directions(streams: Streams, width: int, n_scanners: int) -> Directions:
    """Draw the technical directions of an encoder of this width."""
    rng = streams.of(Purpose.DIRECTIONS)
    stain = rng.standard_normal(width)
    corners = np.linalg.qr(rng.standard_normal((width, n_scanners)))[0].T
    corners = corners - corners.mean(axis=0)
    if n_scanners > 1:
        corners = corners / np.linalg.norm(corners, axis=1, keepdims=True)
    return Directions(scanners=np.asarray(corners * (n_scanners > 1)), stain=stain / np.linalg.norm(stain))


def compose(
    activations: sparse.csr_array, dictionary: Floats, nuisance: Nuisance, noise: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """Add up the parts of the embeddings, float32 (N, d)."""
    return np.asarray(activations @ dictionary + nuisance.total + noise, np.float32)


def draw_noise(streams: Streams, slide: int, shape: tuple[int, int], sigma: float) -> npt.NDArray[np.float32]:
    """Draw the noise of slide number `slide`, float32 of `shape` (N, d)."""
    noise = streams.of(Purpose.NOISE, slide).standard_normal(shape, dtype=np.float32)
    return np.asarray(noise * np.float32(sigma), np.float32)
