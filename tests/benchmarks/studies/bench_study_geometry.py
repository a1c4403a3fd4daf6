"""How often unrelated features are said to form a stable cluster, how well planted groups are found, and what it costs.

Run as ``python -m tests.benchmarks.studies.bench_study_geometry [--worlds 120] [--methods] [--large]``. Worlds have slides that
differ and maps that are smooth. `--methods` compares ways to cluster; `--large` takes 12,288 features.
"""

from __future__ import annotations

import argparse
import itertools
import resource
import time
from dataclasses import replace

import numpy as np
from scipy import sparse, stats
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform
from sklearn.cluster import HDBSCAN
from sklearn.metrics import adjusted_rand_score

from sae_backend.statistics.split import draw_halves
from sae_backend.studies.framework.inputs import FeatureSet, StudyInput, StudySlide
from sae_backend.studies.framework.run import run_study
from sae_backend.studies.methods.matching.chance_tiles import arrangements
from sae_backend.studies.methods.matching.cross_products import Columns, correlation_blocks
from sae_backend.studies.methods.matching.random_dictionary import RandomDictionaries
from sae_backend.studies.methods.matching.shared_tiles import shared_halves
from tests.worlds.study import PROGRESS, study_input, true_set
from tests.worlds.vectors.slides import (
    FeatureGroup,
    FeatureSpec,
    Hierarchy,
    SlideSpec,
    VectorWorldSpec,
    make_world,
)

N_FEATURES, WIDTH = 100, 64
SETTINGS = {"plane": "pca", "n_boot": 2}


def world_of(
    seed: int, *, rho: float = 0.8, n_groups: int = 8, n_slides: int = 24, patchy: float = 0.0, **more
):
    """Groups of six features that fire together among others that do not; their labels."""
    order = np.random.default_rng(seed).permutation(N_FEATURES)
    groups = tuple(
        FeatureGroup(tuple(int(f) for f in order[6 * k : 6 * k + 6]), rho) for k in range(n_groups)
    )
    features = FeatureSpec(
        n_features=N_FEATURES,
        rate_low=0.03,
        rate_high=0.25,
        patchy_share=patchy,
        groups=groups,
        hierarchy=more.get("tree"),
    )
    slides = SlideSpec(n_slides=n_slides, tiles=more.get("tiles", (60, 140)), smoothness_tiles=1.5)
    world = make_world(VectorWorldSpec(seed=seed, width=WIDTH, features=features, slides=slides))
    labels = 1000 + np.arange(N_FEATURES)
    labels[order[: 6 * n_groups]] = np.repeat(np.arange(n_groups), 6)
    return world, labels


def singles(labels: np.ndarray) -> np.ndarray:
    """Features in no cluster as clusters of one."""
    return np.where(labels < 0, 10_000 + np.arange(labels.size), labels)


def rate(k: int, n: int) -> str:
    """Share with its 95 % Wilson interval."""
    ends = stats.binomtest(k, n).proportion_ci(method="wilson")
    return f"{k}/{n} = {k / n:.1%} ({ends.low:.1%} to {ends.high:.1%})"


def methods(n_worlds: int) -> None:
    """Adjusted Rand index of ways to cluster by co-activation."""
    kinds = {
        "rho 0.8": {},
        "rho 0.6": {"rho": 0.6},
        "rho 0.8, 30 % on in some slides only": {"patchy": 0.3},
        "rho 0.8, 12 slides": {"n_slides": 12},
        "rho 0.8, 48 slides of 200 to 300 tiles": {"n_slides": 48, "tiles": (200, 300)},
    }
    for name, kind in kinds.items():
        found: dict[str, list[float]] = {}
        for seed in range(n_worlds):
            world, labels = world_of(seed, **kind)
            tiles, _ = shared_halves(study_input(world), (0,))
            columns = Columns(tiles.activations(0))
            live = np.flatnonzero(columns.n_active >= 20)
            columns, labels = columns.only(live), labels[live]
            r = np.concatenate([block for _, block in correlation_blocks(columns, columns)])
            ways = arrangements(tiles, 5, 0, move_all=True)
            chance = []
            for p in range(5):
                drawn = np.concatenate([b for _, b in correlation_blocks(columns, columns, ways.laid(p))])
                chance.append(drawn[~np.eye(len(drawn), dtype=bool)])
            distance = np.maximum(1 - r, 0)
            np.fill_diagonal(distance, 0)
            for linked in ("average", "complete", "single"):
                tree = linkage(squareform(distance, checks=False), linked)
                for share in (0.99, 0.995, 0.999, 1.0):
                    cut = np.quantile(np.concatenate(chance), share)
                    key = f"{linked} linkage, cut at {share:.1%} of chance"
                    found.setdefault(key, []).append(
                        adjusted_rand_score(labels, fcluster(tree, 1 - cut, "distance"))
                    )
            sizes, axes = np.linalg.eigh(r)
            keep = sizes > 1.5
            reduced = axes[:, keep] * np.sqrt(sizes[keep])
            reduced /= np.linalg.norm(reduced, axis=1, keepdims=True)
            for key, metric, x in (
                ("HDBSCAN of 1 - r", "precomputed", distance),
                ("HDBSCAN of leading components", "euclidean", reduced),
            ):
                own = HDBSCAN(min_cluster_size=3, metric=metric, copy=True).fit(x).labels_
                found.setdefault(key, []).append(adjusted_rand_score(labels, singles(own)))
        print(f"{name}, {n_worlds} worlds:")
        for key, values in found.items():
            print(f"    {np.mean(values):.2f}  {key}", flush=True)


def random_set(world, seed: int) -> FeatureSet:
    """A dictionary of random directions on the vectors of the world."""
    n_active = np.maximum(
        np.geomspace(0.25, 0.03, N_FEATURES) * sum(s.n_tiles for s in world.slides), 1
    ).astype(int)
    vectors = np.concatenate([slide.vectors for slide in world.slides])
    rng = np.random.default_rng(seed)
    # Vectors without structure: what random directions of structured ones share is real.
    plain = rng.standard_normal((len(vectors), 400)).astype(np.float32)
    drawn = RandomDictionaries(plain, n_active).draw((seed, 7)).by_tile
    ends = np.cumsum([0, *(slide.n_tiles for slide in world.slides)])
    parts = [sparse.csc_array(drawn[a:b].astype(np.float32)) for a, b in itertools.pairwise(ends)]
    decoder = rng.standard_normal((N_FEATURES, WIDTH)).astype(np.float32)
    decoder /= np.linalg.norm(decoder, axis=1, keepdims=True)
    return replace(true_set(world.slides, decoder, "random"), features=parts)


def nulls(n_worlds: int) -> None:
    """Worlds of unrelated features."""
    kinds = {
        "24 patients": {},
        "24 patients, 30 % of the features on in some slides only": {"patchy": 0.3},
        "12 patients": {"n_slides": 12},
        "random dictionary, 24 patients": {},
    }
    for name, kind in kinds.items():
        together = aligned = pairs = named = absorbed = 0
        for seed in range(n_worlds):
            world, _ = world_of(seed, n_groups=0, **kind)
            sets = [random_set(world, seed)] if name.startswith("random") else None
            found = run_study("geometry", study_input(world, sets), {**SETTINGS, "seed": seed}, PROGRESS)
            together += bool(found.arrays["coactivation/is_stable"].any())
            aligned += bool(found.arrays["directions/is_stable"].any())
            pairs += bool(found.arrays["pair/beyond"].any())
            named += bool(np.isin(found.arrays["pair/kind"], (0, 1)).any())
            absorbed += bool((found.arrays["pair/kind"] == 2).any())
        print(f"null: {name}: worlds with a stable cluster by co-activation {rate(together, n_worlds)}")
        print(f"    by direction {rate(aligned, n_worlds)}")
        print(f"    with a pair beyond chance {rate(pairs, n_worlds)}")
        print(
            f"    with a duplicate or split {rate(named, n_worlds)}, absorbed {rate(absorbed, n_worlds)}",
            flush=True,
        )


def planted(n_worlds: int) -> None:
    """Worlds with groups, and with parents and children."""
    kinds = {
        "rho 0.8, 24 patients": {},
        "rho 0.6, 24 patients": {"rho": 0.6},
        "rho 0.8, 12 patients": {"n_slides": 12},
        "rho 0.8, 24 patients, 30 % on in some slides only": {"patchy": 0.3},
        "rho 0.6, 48 patients of 200 to 300 tiles": {"rho": 0.6, "n_slides": 48, "tiles": (200, 300)},
    }
    for name, kind in kinds.items():
        every, stable_only, n_stable = [], [], []
        for seed in range(n_worlds):
            world, labels = world_of(500 + seed, **kind)
            arrays = run_study("geometry", study_input(world), SETTINGS, PROGRESS).arrays
            live, own = arrays["is_live"], arrays["coactivation/labels"]
            stable = np.flatnonzero(arrays["coactivation/is_stable"])
            every.append(adjusted_rand_score(labels[live], singles(own)[live]))
            some = singles(np.where(np.isin(own, stable), own, -1))
            stable_only.append(adjusted_rand_score(labels[live], some[live]))
            n_stable.append(stable.size)
        print(
            f"planted: {name}: adjusted Rand index of all clusters {np.mean(every):.2f} (least {np.min(every):.2f}), of the "
            f"stable ones {np.mean(stable_only):.2f}; {np.mean(n_stable):.1f} of 8 stable, {n_worlds} worlds",
            flush=True,
        )
    for exclusive in (False, True):
        right = named = possible = 0
        tree = Hierarchy(n_roots=5, branching=2, depth=1, exclusive=exclusive)
        for seed in range(n_worlds):
            world, _ = world_of(700 + seed, n_groups=0, tree=tree)
            arrays = run_study("geometry", study_input(world), SETTINGS, PROGRESS).arrays
            truth = {(c, int(p)) for c, p in enumerate(world.plan.parent) if p >= 0}
            live = {pair for pair in truth if arrays["is_live"][list(pair)].all()}
            own = np.isin(arrays["pair/kind"], (0, 1))
            found = set(zip(arrays["pair/child"][own], arrays["pair/parent"][own], strict=True))
            right, named, possible = right + len(found & live), named + len(found), possible + len(live)
        print(
            f"planted: {'exclusive ' if exclusive else ''}children: {right} of {possible} found as splits or duplicates, "
            f"{named - right} others named, {n_worlds} worlds",
            flush=True,
        )


def costs(n_tiles: int, n_features: int, width: int, n_types: int, spec: dict) -> None:
    """Time and memory of one study with everything."""
    n_slides = 20
    each = n_tiles // n_slides
    rows, cols = (part.astype(np.int32) for part in np.divmod(np.arange(each), 100))
    rng = np.random.default_rng(0)
    weight = 1.0 / (np.arange(n_features) + 50.0)

    def drawn() -> sparse.csc_array:
        columns = rng.choice(n_features, each * 32, p=weight / weight.sum())
        place = (np.repeat(np.arange(each), 32), columns)
        values = rng.gamma(4.0, 0.25, columns.size).astype(np.float32)
        return sparse.csc_array(sparse.coo_array((values, place), shape=(each, n_features)))

    slides = [
        StudySlide(f"s{k}", f"P{k}", {}, rows, cols, 112.0, rng.poisson(3.0, (each, n_types)).astype(float))
        for k in range(n_slides)
    ]
    decoder = rng.standard_normal((n_features, width)).astype(np.float32)
    decoder /= np.linalg.norm(decoder, axis=1, keepdims=True)
    some = FeatureSet(
        "one",
        [drawn() for _ in range(n_slides)],
        [np.ones(each, np.bool_)] * n_slides,
        [None] * n_slides,
        decoder,
        np.zeros(width, np.float32),
    )
    inputs = StudyInput(slides, [some], [f"type {k}" for k in range(n_types)])
    inputs = replace(inputs, halves=draw_halves(inputs.parts(), 0))
    spent: dict[str, float] = {}
    last = [time.perf_counter()]

    def watch(stage: str, *_: int) -> None:
        now = time.perf_counter()
        spent[stage] = spent.get(stage, 0.0) + now - last[0]
        last[0] = now

    start = time.perf_counter()
    run_study("geometry", inputs, spec, watch)
    took = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    parts = ", ".join(f"{stage} {seconds:.0f}" for stage, seconds in spent.items())
    print(
        f"cost: {n_tiles:,} tiles, {n_features:,} features, {n_types} types, {spec}: {took:.0f} s ({parts}), peak {peak:.2f} GB",
        flush=True,
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worlds", type=int, default=120)
    parser.add_argument("--methods", action="store_true")
    parser.add_argument("--large", action="store_true")
    args = parser.parse_args()
    if args.methods:
        methods(max(4, args.worlds // 12))
        return
    if args.large:
        costs(100_000, 12_288, 512, 5, {"n_null": 19, "n_resamples": 5})
        return
    costs(20_000, 1_280, 160, 0, {})
    costs(20_000, 1_280, 160, 5, {})
    planted(max(4, args.worlds // 6))
    nulls(args.worlds)


if __name__ == "__main__":
    main()
