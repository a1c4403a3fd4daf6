"""Small slides that tests write, with pixels whose places are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tifffile


def stained_field(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Pink noise, uint8 (h, w, 3): tissue to the tissue finder."""
    rng = np.random.default_rng(seed)
    base = np.array([200, 120, 170], np.float64)
    coarse = rng.normal(0, 25, (height // 16 + 1, width // 16 + 1, 3)).repeat(16, 0).repeat(16, 1)
    return np.clip(base + coarse[:height, :width], 0, 255).astype(np.uint8)


def write_tiff(path: Path, levels: list[np.ndarray], mpp: float | None, tile: int = 256) -> Path:
    """Write a pyramidal tiled TIFF (uncompressed, so exact) that OpenSlide opens."""
    with tifffile.TiffWriter(path, bigtiff=False) as writer:
        for index, level in enumerate(levels):
            extra = {}
            if mpp is not None:
                per_cm = 1e4 / (mpp * levels[0].shape[0] / level.shape[0])
                extra = {"resolution": (per_cm, per_cm), "resolutionunit": "CENTIMETER"}
            writer.write(
                level,
                tile=(tile, tile),
                photometric="rgb",
                subfiletype=1 if index else 0,
                metadata=None,
                **extra,
            )
    return path


def halved(rgb: np.ndarray) -> np.ndarray:
    """Mean of 2 x 2 px, uint8."""
    h, w = rgb.shape[0] // 2, rgb.shape[1] // 2
    return np.rint(rgb[: 2 * h, : 2 * w].reshape(h, 2, w, 2, 3).mean(axis=(1, 3))).astype(np.uint8)
