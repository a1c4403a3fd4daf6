"""The scoreboard's slides through the engine of the correlations: the same features, the same r.

Run as ``python -m tests.benchmarks.correlation.bench_scoreboard_engine FOLDER`` after ``sparsescope demo --scoreboard --out
FOLDER``, whose slides and embeddings it takes, and compared with the scoreboard that ships.
"""

from __future__ import annotations

import argparse
import csv
import time
from pathlib import Path

import numpy as np

from desktop_app.demo.scoreboard import ScoreboardSpec, analyse, counts_by_type
from sae_backend.activations.embeddings import Embeddings
from sae_backend.activations.feature_matrix import FeatureMatrix
from sae_backend.cells.counts import read_cells
from sae_backend.correlation.result import CorrelationSpec
from sae_backend.correlation.run import RunInput, run
from sae_backend.models.bundled_models import SHIPPED_ENCODER
from sae_backend.paths import resource
from sae_backend.slides.slide import Slide
from sae_backend.statistics.slide_parts import SlidePart
from sae_backend.statistics.split import Halves
from sae_backend.synthetic.specs import cohort
from sae_backend.synthetic.truth_files import truth_files
from sae_backend.synthetic.world import CELL_TYPES, RECORDED_TYPES
from sae_backend.worker.client import WorkerClient


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    args = parser.parse_args()
    spec = ScoreboardSpec()
    slides = cohort(spec.cohort)
    backend = WorkerClient()
    parts = []
    for slide in slides:
        path = args.folder / "slides" / f"{slide.name}.tiff"
        result = analyse(path, args.folder / "cache", SHIPPED_ENCODER, backend)
        features = FeatureMatrix.open(Path(result["feature_dir"]))
        with Slide.open(path) as opened:
            cells = read_cells(truth_files(args.folder / "slides", slide.name).cells_table, opened.info).table
        grid = features.grid
        parts.append(
            SlidePart(
                features=features.csc(),
                counts=counts_by_type(cells, grid),
                valid=features.valid,
                rows=grid.rows,
                cols=grid.cols,
                tile_um=grid.stride_l0 * grid.mpp,
                slide=slide.name,
                patient=slide.name,
                facts={"scanner": slide.scanner},
                vectors=Embeddings.open(Path(result["embedding_dir"])).vectors,
            )
        )
    backend.close()
    halves = Halves(
        "patient", 0, {s.name: "choose" if k < spec.n_choosing else "report" for k, s in enumerate(slides)}
    )
    given = RunInput(parts, RECORDED_TYPES, np.ones(len(RECORDED_TYPES), bool), halves)
    began = time.perf_counter()
    found = run(given, CorrelationSpec(seed=1), lambda *_: None)
    took_s = time.perf_counter() - began
    with resource("scoreboard/scoreboard.csv").open(encoding="utf-8", newline="") as file:
        board = {(row["target"], row["representation"]): row for row in csv.DictReader(file)}
    print(
        f"{found.meta['n_tiles']} tiles of {found.meta['n_slides']} slides report; {took_s:.1f} s with 2,000 draws"
    )
    print(
        f"{'type':<18}{'feature':>8}{'r':>8}  {'95 % interval':<18}{'p':>7} | scoreboard: feature and r | raw, PCA, random"
    )
    arrays = found.arrays
    for c, name in enumerate(RECORDED_TYPES[: len(CELL_TYPES)]):
        f = int(arrays["baseline/sae/column"][c])
        low, high = arrays["pearson/ci_low"][f, c], arrays["pearson/ci_high"][f, c]
        row = board[name, "SAE feature"]
        others = ", ".join(f"{arrays[f'baseline/{key}/value'][c]:+.2f}" for key in ("raw", "pca", "random"))
        print(
            f"{name:<18}{f:>8}{arrays['pearson/value'][f, c]:>+8.3f}  {low:+.3f} to {high:+.3f}  "
            f"{arrays['pearson/p'][f, c]:>6.3f} | {row['column']:>6} {float(row['r']):.3f} | {others}"
        )


if __name__ == "__main__":
    main()
