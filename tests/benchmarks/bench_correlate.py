"""Time of all correlations, with intervals and p, against a loop over scipy.stats.

Run as ``python tests/benchmarks/bench_correlate.py [--tiles 10000] [--features 3072] [--slides 20]``.
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np
from scipy import sparse, stats

from sae_backend.correlate import CorrelationSpec, SlidePart, correlate


def make_parts(n_tiles: int, n_features: int, n_active: int, n_types: int, n_slides: int) -> list[SlidePart]:
    """Draw independent features and counts, `n_active` features a tile."""
    rng = np.random.default_rng(0)
    parts = []
    for s in range(n_slides):
        n = n_tiles // n_slides
        x = sparse.random_array(
            (n, n_features), density=n_active / n_features, format="csc", dtype=np.float32, rng=rng
        )
        rows, cols = np.divmod(np.arange(n, dtype=np.int32), np.int32(np.ceil(np.sqrt(n))))
        counts = rng.negative_binomial(1, 0.2, (n, n_types))
        parts.append(
            SlidePart(sparse.csc_array(x), counts, np.ones(n, bool), rows, cols, 112.0, f"slide {s}")
        )
    return parts


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (
        ("tiles", 10_000),
        ("features", 3072),
        ("active", 60),
        ("types", 5),
        ("slides", 20),
    ):
        parser.add_argument(f"--{name}", type=int, default=default)
    args = parser.parse_args()
    parts = make_parts(args.tiles, args.features, args.active, args.types, args.slides)
    before_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    start = time.perf_counter()
    result = correlate(parts, [f"type {c}" for c in range(args.types)], CorrelationSpec())
    took_s = time.perf_counter() - start
    grown_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 - before_mb
    x = sparse.vstack([part.features for part in parts]).tocsc()
    y = np.concatenate([part.counts for part in parts])
    n_probed = 20
    start = time.perf_counter()
    for j in range(n_probed):
        column = x[:, [j]].toarray()[:, 0]
        stats.pearsonr(column, y[:, 0])
        stats.spearmanr(column, y[:, 0])
    loop_s = (time.perf_counter() - start) / n_probed * args.features * args.types
    resampled_s = loop_s * (1 + 2000 + 999)
    print(
        f"{result.n_tiles} tiles x {args.features} features x {args.types} types, {result.n_clusters} x {result.unit}"
    )
    print(f"values, 2,000 bootstraps and 999 permutations: {took_s:.1f} s, {grown_mb:.0f} MB more memory")
    print(f"scipy.stats loop, values alone (extrapolated): {loop_s:.1f} s, ratio {loop_s / took_s:.2f}")
    print(
        f"scipy.stats loop, all resamples (extrapolated): {resampled_s:.0f} s, ratio {resampled_s / took_s:.0f}"
    )


if __name__ == "__main__":
    main()
