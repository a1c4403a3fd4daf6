"""Scanners: from transmitted light to the bytes of an image, each make in its own way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from sae_backend.synthetic.stains import Field

REACH_PX: Final = 4
"""How far (px) a scanner's optics and sharpening reach."""

_LUT_STEPS: Final = 4096


@dataclass(frozen=True)
class Scanner:
    """How one scanner turns light into numbers.

    Attributes
    ----------
    name
        Its name.
    colour
        3 x 3 matrix on the transmitted light (red, green, blue), row by row; rows sum to about 1.
    white
        Bytes of clear glass, per channel.
    gamma
        Exponent per channel; above 1 darkens the middle tones.
    blur_px
        Standard deviation of the optics' point spread.
    sharpen
        Share of what a 1.6 px blur removes that is added back.
    noise
        Standard deviation of the sensor's noise, in bytes.
    jpeg_quality
        Of the compression, 1 to 100.
    """

    name: str
    colour: tuple[tuple[float, float, float], ...]
    white: tuple[float, float, float]
    gamma: tuple[float, float, float]
    blur_px: float
    sharpen: float
    noise: float
    jpeg_quality: int

    def kernel(self) -> npt.NDArray[np.float64]:
        """Point spread along one axis, float64 (2 * `REACH_PX` + 1,), sum 1."""
        at = np.arange(-REACH_PX, REACH_PX + 1)
        optics = np.exp(-0.5 * (at / max(self.blur_px, 0.2)) ** 2)
        wide = np.exp(-0.5 * (at / np.hypot(max(self.blur_px, 0.2), 1.6)) ** 2)
        optics, wide = optics / optics.sum(), wide / wide.sum()
        return np.asarray((1 + self.sharpen) * optics - self.sharpen * wide, np.float64)

    def capture(self, light: Field, noise: Field) -> npt.NDArray[np.uint8]:
        """Digitise transmitted light.

        Parameters
        ----------
        light
            (3, h, w) float32, 0 to 1, with a margin of `REACH_PX` on each side.
        noise
            (h, w) float32 of mean 0 and variance 1, added to all channels.

        Returns
        -------
        ndarray
            (h - 2 * REACH_PX, w - 2 * REACH_PX, 3) uint8.
        """
        mixed = np.tensordot(np.asarray(self.colour, np.float32), light, axes=1)
        kernel = self.kernel()
        for axis in (1, 2):
            mixed = ndimage.correlate1d(mixed, kernel, axis=axis, mode="nearest")
        inner = slice(REACH_PX, -REACH_PX)
        mixed = mixed[:, inner, inner]
        mixed += (self.noise / 255.0) * noise[inner, inner]
        steps = np.clip(mixed * (_LUT_STEPS - 1), 0, _LUT_STEPS - 1).astype(np.uint16)
        out = np.empty((*steps.shape[1:], 3), np.uint8)
        tone = np.linspace(0.0, 1.0, _LUT_STEPS)
        for channel in range(3):
            table = np.rint(self.white[channel] * tone ** self.gamma[channel]).clip(0, 255).astype(np.uint8)
            out[..., channel] = table[steps[channel]]
        return out


SCANNERS: Final = {
    scanner.name: scanner
    for scanner in (
        Scanner("Argus", ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)), (244, 243, 244),
                (1.0, 1.0, 1.0), 0.55, 0.3, 1.0, 88),
        Scanner("Boreal", ((0.92, 0.10, -0.02), (0.05, 0.90, 0.05), (0.0, 0.12, 0.88)), (238, 236, 246),
                (1.12, 1.05, 0.94), 0.85, 0.9, 1.6, 78),
        Scanner("Cirrus", ((1.06, -0.06, 0.0), (-0.04, 1.06, -0.02), (0.03, -0.08, 1.05)), (250, 248, 243),
                (0.86, 0.90, 1.02), 0.95, 0.15, 0.7, 92),
        Scanner("Dorado", ((0.96, 0.02, 0.02), (0.08, 0.88, 0.04), (0.06, 0.02, 0.92)), (232, 228, 226),
                (0.98, 1.14, 1.10), 0.70, 0.5, 2.2, 70),
    )
}  # fmt: skip
"""The makes there are, by name. All are invented."""
