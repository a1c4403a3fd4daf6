"""How long a step to another feature takes, from its number to the changed map, against the limit of 50 ms.

Run as ``python -m tests.benchmarks.window.bench_feature_step [--tiles 50000] [--features 12288] [--l0 64]``. The map is made
and put into napari's model; painting it on the screen is not in the time.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from napari.components import ViewerModel
from scipy.sparse import csr_array

from desktop_app.canvas.slide_layers import SlideLayers
from sae_backend.activations.feature_matrix import FeatureMatrix, write_features
from sae_backend.activations.heatmap import heatmap
from sae_backend.slides.tiles import TileGrid, TileSpec

LIMIT_MS = 50.0


def made_up(folder: Path, n_tiles: int, n_features: int, l0: int, **of_grid: object) -> FeatureMatrix:
    """Random activations, some features firing often and most seldom, on a nearly square grid changed by `of_grid`."""
    rng = np.random.default_rng(0)
    n_cols = int(np.ceil(np.sqrt(n_tiles)))
    shape = (-(-n_tiles // n_cols), n_cols)
    tile = np.arange(n_tiles)
    grid = TileGrid(
        slide_fingerprint="0" * 64, mpp=0.5, spec=TileSpec(), tile_l0=224.0, stride_l0=224.0, origin_l0=(0.0, 0.0),
        shape=shape, rows=(tile // n_cols).astype(np.int32), cols=(tile % n_cols).astype(np.int32),
        tissue_fraction=np.ones(n_tiles, np.float32),
    )  # fmt: skip
    grid = replace(grid, **of_grid)  # type: ignore[arg-type]
    weight = 1 / np.arange(1, n_features + 1) ** 0.7
    edges = np.cumsum(weight / weight.sum())

    def batches() -> list[csr_array]:
        out = []
        for start in range(0, n_tiles, 4096):
            n = min(4096, n_tiles - start)
            columns = np.searchsorted(edges, rng.random(n * l0)).clip(max=n_features - 1)
            rows = np.repeat(np.arange(n), l0)
            # A feature drawn twice for a tile fires once there.
            keys = np.unique(rows.astype(np.int64) * n_features + columns)
            values = rng.random(len(keys), dtype=np.float32) + np.float32(0.01)
            out.append(csr_array((values, np.divmod(keys, n_features)), shape=(n, n_features)))
        return out

    digests = {"sae_digest": "5ae" * 8, "embedding_digest": "e1" * 12}
    return write_features(folder, batches(), np.ones(n_tiles, bool), grid, digests)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tiles", type=int, default=50_000)
    parser.add_argument("--features", type=int, default=12_288)
    parser.add_argument("--l0", type=int, default=64)
    parser.add_argument("--steps", type=int, default=300)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        features = made_up(Path(folder) / "features", options.tiles, options.features, options.l0)
        layers = SlideLayers(ViewerModel())
        rng = np.random.default_rng(1)
        # Half of the steps among the features that fire most, which people look at.
        often = rng.integers(0, max(1, options.features // 50), options.steps // 2)
        chosen = rng.permutation(
            np.concatenate([often, rng.integers(0, options.features, options.steps - len(often))])
        )
        layers.show_heatmap(heatmap(features, int(chosen[0])))
        took = []
        for feature in chosen:
            started = time.perf_counter()
            layers.show_heatmap(heatmap(features, int(feature)))
            took.append(1000 * (time.perf_counter() - started))
        middle, high, worst = np.quantile(took, [0.5, 0.95, 1.0])
        print(
            f"{options.tiles:,} tiles x {options.features:,} features, {options.steps} steps: median {middle:.1f} ms, "
            f"p95 {high:.1f} ms ({high / LIMIT_MS:.2f} of the limit of {LIMIT_MS:.0f} ms), worst {worst:.1f} ms"
        )


if __name__ == "__main__":
    main()
