"""Activations that tests lay on a square grid without a slide."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.sparse import csr_array

from sae_backend.features import FeatureMatrix, write_features
from sae_backend.tiles import TileGrid, TileSpec

DIGESTS = {"sae_digest": "5ae" * 8, "embedding_digest": "e1" * 12}


def square_grid(side: int, stride_px: int = 32) -> TileGrid:
    """All side x side tiles of 32 px."""
    rows, cols = np.divmod(np.arange(side * side, dtype=np.int32), np.int32(side))
    spec = TileSpec(32, stride_px=stride_px)
    tissue = np.ones(rows.size, np.float32)
    return TileGrid("s", 0.5, spec, 32.0, float(stride_px), (0.0, 0.0), (side, side), rows, cols, tissue)


def laid(
    folder: Path,
    dense: np.ndarray,
    valid: np.ndarray | None = None,
    grid: TileGrid | None = None,
    sae_digest: str = DIGESTS["sae_digest"],
) -> FeatureMatrix:
    """Activations (side * side, F) as a committed folder."""
    valid = np.ones(len(dense), bool) if valid is None else valid
    grid = grid or square_grid(round(len(dense) ** 0.5))
    digests = {**DIGESTS, "sae_digest": sae_digest}
    return write_features(folder, [csr_array(dense.astype(np.float32))], valid, grid, digests)
