"""Lay the directions of an SAE's decoder on a plane: UMAP, or principal components where they are few."""

from __future__ import annotations

import shutil
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from sae_backend.atomic_write import disk_errors
from sae_backend.cache import commit_folder, is_committed
from sae_backend.compute.jobs.embed import JobContext
from sae_backend.feature_dashboard.feature_map import XY, FeatureMap, map_folder
from sae_backend.feature_dashboard.neighbours import DecoderDirections
from sae_backend.feature_dashboard.umap import (
    MIN_DIST,
    N_NEIGHBOURS,
    SEED,
    nearest_rows,
    principal_plane,
    umap_plane,
)
from sae_backend.worker.requests import MapRequest

_STAGE: Final = "lay features on a map"

Floats = npt.NDArray[np.float32]


def run_map(request: MapRequest, watch: JobContext) -> dict[str, Any]:
    """Make the map of all features of an SAE, or take what an earlier run finished.

    Raises
    ------
    WeightsError
        When the SAE cannot be read.
    CacheError
        When the disk refuses.
    CancelledError
        When the watch says so.
    """
    decoder = DecoderDirections.open(Path(request.sae_dir))
    final = map_folder(Path(request.cache_dir), decoder.sae_digest)
    watch.progress(_STAGE, 0, decoder.n_features)
    if not is_committed(final):
        xy, method = lay_out(decoder.directions, watch)
        watch.check()
        _write(final, xy, {"sae_digest": decoder.sae_digest, "method": method})
    made = FeatureMap.open(final)
    watch.progress(_STAGE, decoder.n_features, decoder.n_features)
    return {
        "map_dir": str(final),
        "sae_digest": made.sae_digest,
        "n_features": made.n_features,
        "method": made.method,
    }


def _write(final: Path, xy: Floats, words: dict[str, str]) -> None:
    partial = final.with_name(final.name + ".partial")
    with disk_errors(final):
        # What a killed run left would be sealed in with the rest.
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        (partial / XY).write_bytes(xy.astype("<f4").tobytes())
    commit_folder(partial, final, {"kind": "feature map", **words, "n_features": len(xy)})


def lay_out(directions: Floats, watch: JobContext) -> tuple[Floats, str]:
    """Places float32 (F, 2) of unit directions (F, d), NaN for rows of zeros, and the method in words."""
    xy = np.full((len(directions), 2), np.nan, np.float32)
    known = np.flatnonzero(directions.any(axis=1))
    if known.size <= N_NEIGHBOURS:
        xy[known] = principal_plane(directions[known])
        words = f"the first two principal components of {known.size} decoder directions, too few for UMAP"
        return xy, words
    neighbours = nearest_rows(directions[known], watch.check)

    def rounds(done: int, total: int) -> None:
        watch.check()
        watch.progress(_STAGE, len(directions) * done // total, len(directions))

    xy[known] = umap_plane(directions[known], neighbours, rounds)
    words = (
        f"UMAP (umap-learn {version('umap-learn')}) of {known.size} decoder directions, cosine, "
        f"{N_NEIGHBOURS} neighbours, min_dist {MIN_DIST}, seed {SEED}"
    )
    return xy, words
