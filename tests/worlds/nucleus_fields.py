"""Drawn fields of nuclei whose places and forms are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.slides import write_tiff

PINK, PURPLE = np.array([225.0, 170.0, 205.0]), np.array([95.0, 60.0, 140.0])

Ellipse = tuple[float, float, float, float]
"""y, x and the semi-axes along y and x, in px."""


def stained_nuclei(shape: tuple[int, int], ellipses: list[Ellipse], pale: float = 0.0) -> np.ndarray:
    """Purple ellipses on pink, uint8 (h, w, 3); `pale` is how far their middles (half the axes) are lightened."""
    y, x = np.mgrid[: shape[0], : shape[1]] + 0.5
    share = np.zeros(shape)
    for cy, cx, ry, rx in ellipses:
        radius = np.hypot((y - cy) / ry, (x - cx) / rx)
        edge = np.clip((1 - radius) * min(ry, rx) + 0.5, 0, 1)
        share = np.maximum(share, edge * np.where(radius < 0.5, 1 - pale, 1))
    grain = np.random.default_rng(0).normal(0, 2, (*shape, 3))
    colour = PINK + share[..., None] * (PURPLE - PINK) + grain
    return np.clip(np.rint(colour), 0, 255).astype(np.uint8)


def nuclei_at_random(shape: tuple[int, int], step: int = 40, seed: int = 0) -> list[Ellipse]:
    """One nucleus in each square of `step` px."""
    rng = np.random.default_rng(seed)
    return [
        (y + rng.uniform(12, step - 12), x + rng.uniform(12, step - 12), rng.uniform(5, 9), rng.uniform(5, 9))
        for y in range(0, shape[0] - step + 1, step)
        for x in range(0, shape[1] - step + 1, step)
    ]


def nuclei_slide(path: Path, shape: tuple[int, int] = (400, 480), mpp: float | None = 0.5) -> list[Ellipse]:
    """Write a slide of nuclei, uncompressed in tiles of 32 px, and say where they are."""
    ellipses = nuclei_at_random(shape)
    write_tiff(path, [stained_nuclei(shape, ellipses)], mpp, tile=32)
    return ellipses
