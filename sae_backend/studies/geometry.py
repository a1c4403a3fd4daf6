"""Geometry: which features belong together, and which are duplicates or splits of one another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from sae_backend.feature_plane import (
    N_NEIGHBOURS,
    nearest_rows,
    principal_plane,
    umap_plane,
)
from sae_backend.studies.absorption import MAX_PAIRS as MAX_ABSORBED
from sae_backend.studies.absorption import Presence, presence
from sae_backend.studies.chance_tiles import arrangements
from sae_backend.studies.cluster_cells import ClusterCells, cluster_cells
from sae_backend.studies.cluster_stability import (
    DISSOLVED,
    N_SCRAMBLED,
    JudgedClusters,
    StabilitySettings,
    coactivation_clusters,
    direction_clusters,
    direction_limits,
)
from sae_backend.studies.coactivation_chance import CoActivationChance, coactivation_chance
from sae_backend.studies.cross_products import Columns
from sae_backend.studies.family_chance import family_chance
from sae_backend.studies.feature_pairs import (
    ABSORBED,
    COACTIVE,
    KINDS,
    FeaturePairs,
    PairLimits,
    PairRules,
    describe_pairs,
    find_pairs,
    merge_groups,
)
from sae_backend.studies.given import StudyInput
from sae_backend.studies.result import Arrays, Progress, Steps, StudyResult
from sae_backend.studies.seed_clusters import again_in_seeds
from sae_backend.studies.set_comparison import directions as unit_directions
from sae_backend.studies.shared_tiles import SharedTiles, shared_halves

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_CUT_SHARE: Final = 0.995
"""Average linkage goes down to the r or cosine that this share of the pairs of unrelated features stays below; see
`tests/benchmarks/bench_study_geometry.py` for what else was tried."""

_N_FOR_CUT: Final = 5
_CUT_WITHOUT_CHANCE: Final = 0.2


@dataclass(frozen=True)
class _Settings:
    """Settings as the registry has them."""

    seed: int
    min_active: int
    n_null: int
    n_resamples: int
    n_boot: int
    least_r: float
    share: float
    same_cosine: float
    plane: str

    @classmethod
    def of(cls, spec: Mapping[str, Any]) -> _Settings:
        return cls(
            seed=int(spec["seed"]),
            min_active=int(spec["min_active"]),
            n_null=int(spec["n_null"]),
            n_resamples=int(spec["n_resamples"]),
            n_boot=int(spec["n_boot"]),
            least_r=float(spec["least_r"]),
            share=float(spec["share"]),
            same_cosine=float(spec["same_cosine"]),
            plane=str(spec["plane"]),
        )


@dataclass(frozen=True)
class _Live:
    """Features that take part, on both halves: numbers (F,), activations and firing."""

    numbers: Ints
    halves: tuple[SharedTiles, SharedTiles]
    columns: tuple[Columns, Columns]
    firing: tuple[Columns, Columns]
    directions: npt.NDArray[np.float32] | None


def run(given: StudyInput, spec: Mapping[str, Any], progress: Progress, steps: Steps) -> StudyResult:
    """Cluster the features of the first set, and look for duplicates, splits and absorption.

    Arrays are over all F features (`labels`, `xy`), the C clusters (`coactivation/...`, `directions/...`) and the
    P pairs (`pair/...`); the groups to merge are in `meta["merge"]`.

    Raises
    ------
    UserInputError
        When no tile is left.
    """
    settings = _Settings.of(spec)
    live = _live(given, settings)
    total = settings.n_null + 6

    def at(stage: str, done: int) -> None:
        progress(stage, min(done, total), total)

    at("what chance gives", 0)
    ways = arrangements(live.halves[0], settings.n_null, settings.seed)
    chance = coactivation_chance(
        live.columns[0], live.firing[0], ways, lambda p: at("what chance gives", p), steps
    )
    step = settings.n_null
    cut = _cut(live, settings, lambda: at("what chance gives", step), steps)
    plan = StabilitySettings(settings.n_resamples, settings.n_null, settings.seed, cut)
    together = coactivation_clusters(
        live.halves, live.columns, plan, lambda: at("clusters of features that fire together", step), steps
    )
    aligned, seeds, cosine = None, None, float("inf")
    if live.directions is not None and live.numbers.size:
        stage = "clusters of directions"
        least, cosine = _direction_limits(live.directions, settings, lambda: at(stage, step + 1), steps)
        plan = StabilitySettings(settings.n_resamples, settings.n_null, settings.seed, least)
        aligned = direction_clusters(live.directions, plan, lambda: at(stage, step + 1), steps)
        seeds = again_in_seeds(given, live.numbers, aligned.labels, least, lambda: at(stage, step + 1))
    pairs, present = _pairs(live, chance, cosine, settings, lambda: at("duplicates and splits", step + 2))
    cells = [
        cluster_cells(
            live.halves,
            live.columns,
            each.labels,
            (settings.n_boot, settings.seed),
            lambda: at("cells of the clusters", step + 3),
        )
        for each in (together, aligned)
        if each is not None
    ]
    at("map of the features", step + 4)
    xy, method = _plane(live, settings, lambda: at("map of the features", step + 4))
    arrays = _arrays(given, live, (together, aligned), cells, (pairs, present))
    arrays["xy"] = _wide(xy, np.nan, given.sets[0].n_features, live.numbers)
    if seeds is not None:
        arrays["directions/in_seeds"] = seeds
    at("map of the features", total)
    meta = _meta(given, live, settings, (together, aligned), pairs)
    meta |= {
        "plane": method,
        "arrangement": ways.words,
        "n_exchanged": ways.n,
        "cosine_limit": _plain(cosine),
        "n_seed_sets": 0 if seeds is None else len(seeds),
    }
    return StudyResult(arrays, meta)


def _live(given: StudyInput, settings: _Settings) -> _Live:
    choose, report = shared_halves(given, (0,))
    whole = Columns(choose.activations(0))
    numbers = np.flatnonzero(whole.n_active >= max(settings.min_active, 1))
    some = given.sets[0]
    unit = None if some.decoder is None else unit_directions(some, np.arange(some.n_features))
    if unit is not None:
        # A feature without a direction writes nothing, whatever it reads.
        numbers = numbers[unit[numbers].any(axis=1)]
    chosen = whole.only(numbers)
    told = chosen if report is choose else Columns(report.activations(0)).only(numbers)
    firing = chosen.firing()
    return _Live(
        numbers,
        (choose, report),
        (chosen, told),
        (firing, firing if report is choose else told.firing()),
        None if unit is None else unit[numbers],
    )


def _cut(live: _Live, settings: _Settings, alive: Any, steps: Steps) -> float:
    """Down to which mean r clusters are merged."""
    ways = arrangements(live.halves[0], _N_FOR_CUT, settings.seed + 2, move_all=True)

    def make() -> Arrays:
        found = coactivation_chance(live.columns[0], live.firing[0], ways, lambda _: alive(), Steps())
        return {"cut": np.array(found.quantile(_CUT_SHARE))}

    found = float(steps.get("cut", make)["cut"]) if ways.n else float("nan")
    return max(settings.least_r, found if np.isfinite(found) else _CUT_WITHOUT_CHANCE)


def _direction_limits(
    directions: npt.NDArray[np.float32], settings: _Settings, alive: Any, steps: Steps
) -> tuple[float, float]:
    kept = steps.get(
        "direction-limits",
        lambda: {"limits": np.array(direction_limits(directions, _CUT_SHARE, settings.seed, alive))},
    )
    cut, largest = (float(value) for value in kept["limits"])
    return max(settings.least_r, cut if np.isfinite(cut) else _CUT_WITHOUT_CHANCE), largest


def _pairs(
    live: _Live, chance: CoActivationChance, cosine: float, settings: _Settings, alive: Any
) -> tuple[FeaturePairs, Presence]:
    nothing = np.full(live.numbers.size, np.inf)
    limits = [nothing, nothing]
    if len(chance.r):
        found = (
            family_chance(chance.observed_r, chance.r),
            family_chance(chance.observed_held, chance.held, is_r=False),
        )
        limits = [np.where(np.isfinite(each.threshold), each.threshold, np.inf) for each in found]
    listed = find_pairs(
        live.columns[0], live.firing[0], live.directions, PairLimits(limits[0], limits[1], cosine), alive
    )
    rules = PairRules(settings.share, settings.same_cosine, settings.n_boot, settings.seed)
    halves = live.halves
    pairs = describe_pairs(
        ((live.columns[0], live.firing[0]), (live.columns[1], live.firing[1])),
        (halves[0].clusters, halves[1].clusters),
        listed,
        live.directions,
        rules,
    )
    n = pairs.child.size
    present = Presence(*np.full((2, n), np.nan))
    if live.directions is None:
        return pairs, present
    # A parent that is silent where the child fires, less often than chance would have it beside it.
    apart = np.nan_to_num(pairs.in_parent) <= live.firing[0].n_active[pairs.parent] / max(halves[0].n_rows, 1)
    asked = np.flatnonzero(apart & (np.nan_to_num(pairs.cosine) > cosine) & (pairs.kind >= COACTIVE - 2))
    asked = asked[:MAX_ABSORBED]
    where = pairs.child[asked], pairs.parent[asked]
    first = presence(halves[0], live.firing[0], live.directions, where, alive)
    again = presence(halves[1], live.firing[1], live.directions, where, alive)
    absorbed = first.is_absorbed & again.is_absorbed
    pairs.kind[asked[absorbed]] = ABSORBED
    present.beside_child[asked], present.elsewhere[asked] = again.beside_child, again.elsewhere
    return pairs, present


def _plane(live: _Live, settings: _Settings, alive: Any) -> tuple[npt.NDArray[np.float32], str]:
    """Places of the features for the eye, and how they were found."""
    if live.directions is not None:
        rows, what = live.directions, "decoder directions"
    else:
        rows, what = _sketch(live.columns[0], settings.seed), "activations over tiles"
    n = len(rows)
    if n <= N_NEIGHBOURS or settings.plane != "umap":
        few = ", too few for UMAP" if settings.plane == "umap" else ""
        return principal_plane(rows), f"the first two principal components of {n:,} {what}{few}"
    plane = umap_plane(rows, nearest_rows(rows, alive))
    return plane, f"UMAP (umap-learn {version('umap-learn')}) of {n:,} {what} by cosine"


def _sketch(columns: Columns, seed: int) -> npt.NDArray[np.float32]:
    """Activations of each feature over tiles, centred, projected on random axes and of unit length (F, 128)."""
    rng = np.random.default_rng([seed, 0x5E])
    n = columns.n_rows
    mean, scale = columns.mean_and_scale(np.ones(n))
    axes = rng.standard_normal((n, min(128, n)))
    made = (columns.by_tile.T @ axes - np.outer(mean, axes.sum(axis=0))) * scale[:, None]
    lengths = np.linalg.norm(made, axis=1, keepdims=True)
    return (made / np.where(lengths > 0, lengths, 1)).astype(np.float32)


def _wide(values: npt.NDArray[Any], empty: Any, size: int, at: Ints) -> npt.NDArray[Any]:
    whole = np.full((size, *values.shape[1:]), empty, values.dtype)
    whole[at] = values
    return whole


def _arrays(
    given: StudyInput,
    live: _Live,
    clusters: tuple[JudgedClusters, JudgedClusters | None],
    cells: list[ClusterCells],
    found: tuple[FeaturePairs, Presence],
) -> dict[str, npt.NDArray[Any]]:
    n = given.sets[0].n_features
    arrays: dict[str, npt.NDArray[Any]] = {
        "is_live": _wide(np.ones(live.numbers.size, np.bool_), False, n, live.numbers),
        "n_active": _wide(live.firing[0].n_active, 0, n, live.numbers),
    }
    named = [
        (name, each) for name, each in zip(("coactivation", "directions"), clusters, strict=True) if each
    ]
    for (name, each), described in zip(named, cells, strict=True):
        arrays[f"{name}/labels"] = _wide(each.labels, -1, n, live.numbers)
        for key in ("cohesion", "held_out", "stability", "p", "chance", "is_stable"):
            arrays[f"{name}/{key}"] = getattr(each, key)
        for key, values in vars(described).items():
            arrays[f"{name}/{key}"] = values
        arrays[f"{name}/between"] = _between(live.columns[1], each.labels)
    pairs, present = found
    for key, values in vars(pairs).items():
        if isinstance(values, np.ndarray):
            arrays[f"pair/{key}"] = live.numbers[values] if key in ("child", "parent") else values
    arrays["pair/beside_child"], arrays["pair/elsewhere"] = present.beside_child, present.elsewhere
    return arrays


_MOST_BETWEEN: Final = 60


def _between(columns: Columns, labels: Ints) -> Floats:
    """Mean r between the members of the largest clusters on the half that reports, at most (60, 60)."""
    n = min(int(labels.max(initial=-1)) + 1, _MOST_BETWEEN)
    chosen = np.flatnonzero((labels >= 0) & (labels < n))
    some, mine = columns.only(chosen), labels[chosen]
    mean, scale = some.mean_and_scale(np.ones(some.n_rows))
    # Sums of standardised activations by cluster; their products are sums of r over all pairs.
    from scipy import sparse

    member = sparse.csc_array(
        sparse.coo_array((scale, (np.arange(chosen.size), mine)), shape=(chosen.size, n))
    )
    sums = np.asarray((some.by_tile @ member).toarray())
    sums -= np.bincount(mine, mean * scale, minlength=n)
    table = sums.T @ sums
    sizes = np.bincount(mine, minlength=n).astype(np.float64)
    varied = np.bincount(mine, scale > 0, minlength=n)
    own = np.arange(n)
    found = table / np.outer(sizes, sizes)
    found[own, own] = (table[own, own] - varied) / np.maximum(sizes * (sizes - 1), 1)
    return np.asarray(found, np.float64)


def _meta(
    given: StudyInput,
    live: _Live,
    settings: _Settings,
    clusters: tuple[JudgedClusters, JudgedClusters | None],
    pairs: FeaturePairs,
) -> dict[str, Any]:
    some, halves = given.sets[0], given.halves
    together, aligned = clusters
    units = live.halves[1].clusters
    notes = [*live.halves[0].clusters.notes, *units.notes]
    if halves is None:
        notes.insert(0, "Nothing was held out: clusters and pairs were found and judged on the same tiles.")
    if some.decoder is None:
        notes.append("The directions of the features are not known: only their activations were compared.")
    if not live.halves[0].clusters.can_judge:
        notes.append("Too few patients, slides or blocks to draw again: no cluster is called stable.")
    groups = merge_groups(pairs, live.numbers)
    return {
        "title": some.title,
        "encoder": some.model.get("encoder"),
        "layer": some.model.get("layer"),
        "is_control": bool(some.model.get("is_control")),
        "n_features": some.n_features,
        "n_live": int(live.numbers.size),
        "n_slides": len(given.slides),
        "slide_names": [slide.name for slide in given.slides],
        "n_patients": len({slide.unit for slide in given.slides}),
        "n_tiles": [tiles.n_rows for tiles in live.halves],
        "n_units": [tiles.clusters.n_clusters for tiles in live.halves],
        "unit": units.unit,
        "held_out": halves is not None,
        "halves_unit": None if halves is None else halves.unit,
        "type_names": list(given.type_names),
        "cut": {"coactivation": together.cut, "directions": None if aligned is None else aligned.cut},
        "dissolved": DISSOLVED,
        "n_scrambled": N_SCRAMBLED,
        "kinds": list(KINDS),
        "n_pairs_found": pairs.n_found,
        "merge": [{"kind": g.kind, "features": list(g.features), "reason": g.reason} for g in groups],
        "settings": dict(vars(settings)),
        "warnings": list(dict.fromkeys(notes)),
    }


def _plain(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
