"""Lay the directions of an SAE's decoder on a plane: UMAP, or principal components where they are few."""

from __future__ import annotations

import shutil
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from sae_backend.cache import commit_folder, disk_errors, is_committed
from sae_backend.compute.embed import Watch
from sae_backend.feature_map import XY, FeatureMap, map_folder
from sae_backend.messages import MapRequest
from sae_backend.neighbours import DecoderDirections

N_NEIGHBOURS: Final = 15
MIN_DIST: Final = 0.1
SEED: Final = 0
_ROWS: Final = 1024
_STAGE: Final = "lay features on a map"

Floats = npt.NDArray[np.float32]


def run_map(request: MapRequest, watch: Watch) -> dict[str, Any]:
    """Make the map of all features of an SAE, or take what an earlier run finished.

    Raises
    ------
    WeightsError
        When the SAE cannot be read.
    CacheError
        When the disk refuses.
    CancelledError
        When the watch says so; UMAP itself is not interrupted.
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


def lay_out(directions: Floats, watch: Watch) -> tuple[Floats, str]:
    """Places float32 (F, 2) of unit directions (F, d), NaN for rows of zeros, and the method in words."""
    xy = np.full((len(directions), 2), np.nan, np.float32)
    known = np.flatnonzero(directions.any(axis=1))
    if known.size <= N_NEIGHBOURS:
        xy[known] = _principal_plane(directions[known])
        words = f"the first two principal components of {known.size} decoder directions, too few for UMAP"
        return xy, words
    neighbours = _nearest(directions[known], watch)
    xy[known] = _umap(directions[known], neighbours)
    words = (
        f"UMAP (umap-learn {version('umap-learn')}) of {known.size} decoder directions, cosine, "
        f"{N_NEIGHBOURS} neighbours, min_dist {MIN_DIST}, seed {SEED}"
    )
    return xy, words


def _principal_plane(directions: Floats) -> Floats:
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


def _nearest(directions: Floats, watch: Watch) -> tuple[npt.NDArray[np.int32], Floats]:
    """Each row's nearest rows, itself first, int32 (F, 15), and 1 - cosine to them, float32 (F, 15).

    Exact, and faster here than the library's own search, which compiles itself for most of a minute.
    """
    n = len(directions)
    rows = np.empty((n, N_NEIGHBOURS), np.int32)
    distances = np.empty((n, N_NEIGHBOURS), np.float32)
    for start in range(0, n, _ROWS):
        watch.check()
        stop = min(start + _ROWS, n)
        distance = 1 - directions[start:stop] @ directions.T
        distance[np.arange(stop - start), np.arange(start, stop)] = -1
        near = np.argpartition(distance, N_NEIGHBOURS - 1, axis=1)[:, :N_NEIGHBOURS]
        found = np.take_along_axis(distance, near, axis=1)
        order = np.argsort(found, axis=1, kind="stable")
        rows[start:stop] = np.take_along_axis(near, order, axis=1)
        distances[start:stop] = np.maximum(np.take_along_axis(found, order, axis=1), 0)
    return rows, distances


def _umap(directions: Floats, neighbours: tuple[npt.NDArray[np.int32], Floats]) -> Floats:
    with warnings.catch_warnings():
        # It says that TensorFlow is not there, and that a layout of known neighbours takes no new points.
        warnings.filterwarnings("ignore", "Tensorflow not installed", ImportWarning)
        warnings.filterwarnings("ignore", "precomputed_knn", UserWarning)
        # Takes seconds to load, so only here.
        import umap

        layout = umap.UMAP(
            n_neighbors=N_NEIGHBOURS,
            min_dist=MIN_DIST,
            metric="cosine",
            random_state=SEED,
            n_jobs=1,
            precomputed_knn=(*neighbours, None),
            force_approximation_algorithm=True,
        )
        return np.asarray(layout.fit_transform(directions), np.float32)
