"""Directions on a plane: UMAP with exact neighbours, or principal components where there are few."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt

from sae_backend.feature_dashboard.umap_process import lay_out

N_NEIGHBOURS: Final = 15
MIN_DIST: Final = 0.1
SEED: Final = 0
ROWS: Final = 1024

Floats = npt.NDArray[np.float32]
Neighbours = tuple[npt.NDArray[np.int32], Floats]


def principal_plane(directions: Floats) -> Floats:
    """First two principal components of directions (F, d), float32 (F, 2)."""
    places = np.zeros((len(directions), 2), np.float32)
    if len(directions) < 2:
        return places
    left, sizes, _ = np.linalg.svd(directions - directions.mean(axis=0), full_matrices=False)
    n = min(2, sizes.size)
    scores = left[:, :n] * sizes[:n]
    # The sign of a component is arbitrary; fixed, the same SAE gives the same picture.
    top = np.abs(scores).argmax(axis=0)
    places[:, :n] = scores * np.where(scores[top, np.arange(n)] < 0, -1, 1)
    return places


def nearest_rows(directions: Floats, alive: Callable[[], None]) -> Neighbours:
    """Each row's nearest rows, itself first, int32 (F, 15), and 1 - cosine to them, float32 (F, 15).

    Exact, and faster here than the library's own search, which compiles itself for most of a minute.
    """
    n = len(directions)
    rows = np.empty((n, N_NEIGHBOURS), np.int32)
    distances = np.empty((n, N_NEIGHBOURS), np.float32)
    for start in range(0, n, ROWS):
        alive()
        stop = min(start + ROWS, n)
        distance = 1 - directions[start:stop] @ directions.T
        distance[np.arange(stop - start), np.arange(start, stop)] = -1
        near = np.argpartition(distance, N_NEIGHBOURS - 1, axis=1)[:, :N_NEIGHBOURS]
        found = np.take_along_axis(distance, near, axis=1)
        order = np.argsort(found, axis=1, kind="stable")
        rows[start:stop] = np.take_along_axis(near, order, axis=1)
        distances[start:stop] = np.maximum(np.take_along_axis(found, order, axis=1), 0)
    return rows, distances


def umap_plane(directions: Floats, neighbours: Neighbours, at: Callable[[int, int], None]) -> Floats:
    """UMAP of directions (F, d) whose neighbours are known, float32 (F, 2).

    It runs in a process of its own: `at` takes rounds that are done and all of them many times a second, and may raise
    to end it at once.

    Raises
    ------
    WorkerError
        When that process ends without a layout.
    """
    return lay_out((directions, *neighbours), {"min_dist": MIN_DIST, "random_state": SEED}, at)
