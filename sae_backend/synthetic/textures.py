"""Endless textures: noise that wraps around, so that any block of a slide is a few slices away."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from scipy import ndimage

from sae_backend.synthetic.stains import Field

N_ANGLES: Final = 6
"""Directions of fibres, evenly spread over half a turn."""

_SEED: Final = 0x7E47


@dataclass(frozen=True)
class Textures:
    """Textures of mean 0 and variance 1, float32, each of its own period in px.

    Attributes
    ----------
    grain, mottle, cloud
        Noise of about 1, 3 and 9 px.
    sensor
        Noise without any structure.
    fibres
        (N_ANGLES, n, n): wavy strands, number k along the direction k * pi / N_ANGLES from the x axis.
    """

    grain: Field
    mottle: Field
    cloud: Field
    sensor: Field
    fibres: Field


def cut(texture: Field, y0: int, x0: int, shape: tuple[int, int]) -> Field:
    """The block (…, h, w) of an endless texture whose corner lies at (y0, x0) px; negative is fine."""
    rows = np.arange(y0, y0 + shape[0]) % texture.shape[-2]
    cols = np.arange(x0, x0 + shape[1]) % texture.shape[-1]
    return texture[..., rows, :][..., cols]


def _normal(field: Field) -> Field:
    return np.asarray((field - field.mean()) / field.std(), np.float32)


def _noise(stream: int, size: int, sigma: float) -> Field:
    rng = np.random.Generator(np.random.Philox([_SEED, stream]))
    field = rng.standard_normal((size, size), dtype=np.float32)
    return _normal(ndimage.gaussian_filter(field, sigma, mode="wrap") if sigma else field)


def _fibres(stream: int, size: int, angle: float) -> Field:
    """Strands along `angle`: noise filtered in the frequency plane, then bent by a slow wave."""
    rng = np.random.Generator(np.random.Philox([_SEED, stream]))
    spectrum = np.fft.rfft2(rng.standard_normal((size, size)))
    fy, fx = np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None, :]
    along = fx * np.cos(angle) + fy * np.sin(angle)
    across = fy * np.cos(angle) - fx * np.sin(angle)
    band = np.exp(-((along * 34) ** 2)) * np.exp(-(((np.abs(across) - 0.03) / 0.07) ** 2))
    straight = np.fft.irfft2(spectrum * band, s=(size, size))
    bend = 6.0 * _noise(stream + 50, size, 20.0)
    y, x = np.mgrid[0:size, 0:size].astype(np.float32)
    places = [y + bend * np.float32(np.cos(angle)), x - bend * np.float32(np.sin(angle))]
    return _normal(ndimage.map_coordinates(straight.astype(np.float32), places, order=1, mode="grid-wrap"))


@lru_cache(maxsize=1)
def textures() -> Textures:
    """Make the textures, once a process; they are the same for every slide."""
    angles = [k * np.pi / N_ANGLES for k in range(N_ANGLES)]
    return Textures(
        grain=_noise(1, 1021, 1.0),
        mottle=_noise(2, 1123, 3.0),
        cloud=_noise(3, 1213, 9.0),
        sensor=_noise(4, 997, 0.0),
        fibres=np.stack([_fibres(10 + k, 900, angle) for k, angle in enumerate(angles)]),
    )
