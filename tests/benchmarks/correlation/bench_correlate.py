"""Time and memory of all correlations of a large project, and a loop over scipy.stats beside it.

Run as ``python -m tests.benchmarks.correlation.bench_correlate [--tiles 300000] [--features 3072] [--slides 60] [--no-p]``.
The aim: Pearson and Spearman of all pairs with BCa intervals of 1,000 draws within 10 s on two idle cores and in
less than 2 GB, and values 500 times as fast as a loop.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections.abc import Iterator

import numpy as np
from scipy import sparse, stats

from sae_backend.correlation.engine import CorrelationSpec, SlidePart, correlate
from sae_backend.statistics.parallel import n_threads

N_DRAWS = 1000
N_PERMUTATIONS = 999
N_PROBED = 200


def make_parts(args: argparse.Namespace) -> list[SlidePart]:
    """Draw independent features and counts, `active` features a tile."""
    rng = np.random.default_rng(0)
    n = args.tiles // args.slides
    parts = []
    for s in range(args.slides):
        n_stored = n * args.active
        place = rng.integers(0, n, n_stored), rng.integers(0, args.features, n_stored)
        values = rng.random(n_stored).astype(np.float32) + 0.01
        x = sparse.csc_array(sparse.coo_array((values, place), shape=(n, args.features)))
        rows, cols = np.divmod(np.arange(n, dtype=np.int32), np.int32(np.ceil(np.sqrt(n))))
        counts = rng.negative_binomial(1, 0.2, (n, args.types))
        parts.append(SlidePart(x, counts, np.ones(n, bool), rows, cols, 112.0, f"slide {s}"))
    return parts


def runs(with_p: bool) -> Iterator[tuple[str, CorrelationSpec, bool]]:
    """What is timed: words, spec, and whether values are all that is wanted."""
    # One arrangement takes next to nothing, so this is the time of the intervals.
    bca = CorrelationSpec(n_bootstrap=N_DRAWS, n_permutations=1, interval="bca")
    yield "values alone", bca, True
    yield f"and BCa intervals, {N_DRAWS:,} draws", bca, False
    yield f"and studentised intervals, {N_DRAWS:,} draws", CorrelationSpec(N_DRAWS, 1), False
    if with_p:
        p = CorrelationSpec(n_bootstrap=N_DRAWS, n_permutations=N_PERMUTATIONS, interval="bca")
        yield f"BCa intervals and p, {N_PERMUTATIONS} arrangements", p, False


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (
        ("tiles", 300_000),
        ("features", 3072),
        ("active", 31),
        ("types", 40),
        ("slides", 60),
    ):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--no-p", action="store_true", help="leave out the arrangements, which take longest")
    args = parser.parse_args()
    parts = make_parts(args)
    names = [f"type {c}" for c in range(args.types)]
    n_pairs = args.features * args.types
    # The compiled loops are compiled, or read from where they are kept, before the clock starts.
    small = [type(part)(**{**vars(part), "valid": np.arange(part.n_tiles) < 20}) for part in parts]
    for _, spec, values_only in runs(not args.no_p):
        correlate(small, names, spec, values_only=values_only)
    stored = sum(part.features.nnz for part in parts)
    print(
        f"{args.tiles:,} tiles of {args.slides} slides x {args.features:,} features ({stored / 1e6:.1f} M stored) x "
        f"{args.types} types, Pearson and Spearman; {n_threads()} threads"
    )
    print(f"{'':<44}{'wall':>9}{'CPU':>9}{'peak memory':>14}")
    print(f"{'data':<44}{'':>18}{_peak_mb():>11,.0f} MB", flush=True)
    values_s = 0.0
    for words, spec, values_only in runs(not args.no_p):
        wall, cpu = time.perf_counter(), time.process_time()
        correlate(parts, names, spec, values_only=values_only)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        values_s = values_s or wall
        print(f"{words:<44}{wall:>7.1f} s{cpu:>7.1f} s{_peak_mb():>11,.0f} MB", flush=True)
    loop_s = _loop_s(parts, n_pairs)
    print(f"{'loop over scipy.stats, values, extrapolated':<44}{loop_s:>7,.0f} s")
    print(f"values: {loop_s / values_s:,.0f} times as fast as the loop")


def _loop_s(parts: list[SlidePart], n_pairs: int) -> float:
    """Seconds that pearsonr and spearmanr of every pair would take, from some of them."""
    x = sparse.vstack([part.features for part in parts]).tocsc()
    y = np.concatenate([part.counts for part in parts])
    n = min(N_PROBED, n_pairs)
    start = time.perf_counter()
    for pair in range(n):
        column = x[:, [pair % x.shape[1]]].toarray()[:, 0]
        stats.pearsonr(column, y[:, pair % y.shape[1]])
        stats.spearmanr(column, y[:, pair % y.shape[1]])
    return (time.perf_counter() - start) / n * n_pairs


def _peak_mb() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024 if sys.platform != "darwin" else 1024**2)


if __name__ == "__main__":
    main()
