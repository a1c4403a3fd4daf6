"""Geometry: which features belong together, and which are duplicates or splits of one another."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from sae_backend.errors import UserInputError
from sae_backend.feature_dashboard.umap import N_NEIGHBOURS, nearest_rows, principal_plane, umap_plane
from sae_backend.studies.framework.inputs import StudyInput
from sae_backend.studies.framework.result import Arrays, Checkpoints, Progress, StudyResult
from sae_backend.studies.framework.stage import Stage
from sae_backend.studies.geometry.absorption import MAX_PAIRS as MAX_ABSORBED
from sae_backend.studies.geometry.absorption import Presence, presence, presence_steps
from sae_backend.studies.geometry.cluster_cells import cluster_cells
from sae_backend.studies.geometry.cluster_stability import StabilitySettings, coactivation_clusters
from sae_backend.studies.geometry.coactivation_chance import CoActivationChance, coactivation_chance
from sae_backend.studies.geometry.direction_clusters import (
    N_LIMITS,
    again_in_seeds,
    direction_clusters,
    direction_limits,
)
from sae_backend.studies.geometry.feature_pairs import (
    ABSORBED,
    COACTIVE,
    FeaturePairs,
    PairLimits,
    PairRules,
    describe_pairs,
    describing_steps,
    find_pairs,
)
from sae_backend.studies.geometry.result import (
    GeometrySettings,
    LiveFeatures,
    answer_arrays,
    answer_meta,
    plain,
    widened,
)
from sae_backend.studies.methods.matching.chance_tiles import arrangements
from sae_backend.studies.methods.matching.cross_products import Columns
from sae_backend.studies.methods.matching.family_chance import family_chance
from sae_backend.studies.methods.matching.set_space import directions as unit_directions
from sae_backend.studies.methods.matching.shared_tiles import shared_halves

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_CUT_SHARE: Final = 0.995
"""Average linkage goes down to the r or cosine that this share of the pairs of unrelated features stays below; see
`tests/benchmarks/studies/bench_study_geometry.py` for what else was tried."""

_MOST_CLUSTERED: Final = 200_000
"""Tiles of the discovery half from which clusters by firing, their stability and chance are made. They lie sorted by
patient and slide, so that evenly spread ones are of all slides. An r that is 0 then has a standard error of 0.002."""

_FEWEST: Final = 2
_N_FOR_CUT: Final = 5
_CUT_WITHOUT_CHANCE: Final = 0.2


def run(
    inputs: StudyInput, spec: Mapping[str, Any], progress: Progress, checkpoints: Checkpoints
) -> StudyResult:
    """Cluster the features of the first set, and look for duplicates, splits and absorption.

    Arrays are over all F features (`labels`, `xy`), the C clusters (`coactivation/...`, `directions/...`) and the
    P pairs (`pair/...`); the groups to merge are in `meta["merge"]`.

    Raises
    ------
    UserInputError
        When no tile is left, or fewer than two features fire in enough tiles.
    """
    settings = GeometrySettings.of(spec)
    live = _live(inputs, settings, Stage(progress, "read the activations", 2 * len(inputs.slides)))
    ways = arrangements(live.halves[0], settings.n_null, settings.seed)
    stage = Stage(progress, "what chance gives", ways.n + _N_FOR_CUT)
    chance = coactivation_chance(live.columns[0], ways, live.rows, stage.reach, checkpoints)
    cut = _cut(live, settings, stage, checkpoints)
    plan = StabilitySettings(settings.n_resamples, settings.n_null, settings.seed, cut)
    stage = Stage(progress, "clusters of features that fire together")
    together = coactivation_clusters(live.halves, live.columns, live.rows, plan, stage, checkpoints)
    aligned, seeds, cosine = None, None, float("inf")
    if live.directions is not None and live.numbers.size:
        n_steps = N_LIMITS + 1 + settings.n_resamples + settings.n_null
        stage = Stage(progress, "clusters of directions", n_steps)
        least, cosine = _direction_limits(live.directions, settings, stage, checkpoints)
        plan = StabilitySettings(settings.n_resamples, settings.n_null, settings.seed, least)
        aligned = direction_clusters(live.directions, plan, stage, checkpoints)
        seeds = again_in_seeds(inputs, live.numbers, aligned.labels, least, stage.check_cancelled)
    pairs, present = _pairs(live, chance, cosine, settings, progress)
    stage = Stage(progress, "cells of the clusters")
    cells = [
        cluster_cells(live.halves, live.columns, each.labels, (settings.n_boot, settings.seed), stage)
        for each in (together, aligned)
        if each is not None
    ]
    xy, method = _plane(live, settings, progress)
    arrays = answer_arrays(inputs, live, (together, aligned), cells, (pairs, present))
    arrays["xy"] = widened(xy, np.nan, inputs.sets[0].n_features, live.numbers)
    if seeds is not None:
        arrays["directions/in_seeds"] = seeds
    meta = answer_meta(inputs, live, settings, (together, aligned), pairs)
    meta |= {
        "plane": method,
        "arrangement": ways.words,
        "n_exchanged": ways.n,
        "cosine_limit": plain(cosine),
        "n_seed_sets": 0 if seeds is None else len(seeds),
    }
    progress("map of the features", 1, 1)
    return StudyResult(arrays, meta)


def _live(inputs: StudyInput, settings: GeometrySettings, stage: Stage) -> LiveFeatures:
    choose, report = shared_halves(inputs, (0,))
    whole = Columns(choose.activations(0, stage.step))
    numbers = np.flatnonzero(whole.n_active >= max(settings.min_active, 1))
    some = inputs.sets[0]
    unit = None if some.decoder is None else unit_directions(some, np.arange(some.n_features))
    if unit is not None:
        # A feature without a direction writes nothing, whatever it reads.
        numbers = numbers[unit[numbers].any(axis=1)]
    if numbers.size < _FEWEST:
        raise UserInputError(
            f"{numbers.size} features fire in at least {settings.min_active:,} tiles of the discovery half "
            f"({choose.n_rows:,} tiles), and {_FEWEST} are needed.",
            "Ask for fewer tiles (--min-active, or Fewest tiles of a feature under More settings), or analyse more slides.",
        )
    chosen = whole.only(numbers)
    del whole
    told = chosen if report is choose else Columns(report.activations(0, stage.step)).only(numbers)
    firing = chosen.firing()
    return LiveFeatures(
        numbers,
        (choose, report),
        (chosen, told),
        (firing, firing if report is choose else told.firing()),
        None if unit is None else unit[numbers],
        _even(choose.n_rows, _MOST_CLUSTERED),
    )


def _even(n: int, most: int) -> Ints:
    """Numbers below n, all or `most` of them, evenly spread."""
    return np.arange(n) if n <= most else np.arange(most) * n // most


def _cut(live: LiveFeatures, settings: GeometrySettings, stage: Stage, checkpoints: Checkpoints) -> float:
    """Down to which mean r clusters are merged."""
    ways = arrangements(live.halves[0], _N_FOR_CUT, settings.seed + 2, move_all=True)

    before = stage.total - _N_FOR_CUT

    def make() -> Arrays:
        found = coactivation_chance(
            live.columns[0], ways, live.rows, lambda p: stage.reach(before + p), Checkpoints()
        )
        return {"cut": np.array(found.quantile(_CUT_SHARE))}

    found = float(checkpoints.get("cut", make)["cut"]) if ways.n else float("nan")
    return max(settings.least_r, found if np.isfinite(found) else _CUT_WITHOUT_CHANCE)


def _direction_limits(
    directions: npt.NDArray[np.float32], settings: GeometrySettings, stage: Stage, checkpoints: Checkpoints
) -> tuple[float, float]:
    kept = checkpoints.get(
        "direction-limits",
        lambda: {"limits": np.array(direction_limits(directions, _CUT_SHARE, settings.seed, stage))},
    )
    stage.reach(N_LIMITS)
    cut, largest = (float(value) for value in kept["limits"])
    return max(settings.least_r, cut if np.isfinite(cut) else _CUT_WITHOUT_CHANCE), largest


def _pairs(
    live: LiveFeatures,
    chance: CoActivationChance,
    cosine: float,
    settings: GeometrySettings,
    progress: Progress,
) -> tuple[FeaturePairs, Presence]:
    nothing = np.full(live.numbers.size, np.inf)
    limits = [nothing, nothing]
    if len(chance.r):
        found = (
            family_chance(chance.observed_r, chance.r),
            family_chance(chance.observed_held, chance.held, is_r=False),
        )
        limits = [np.where(np.isfinite(each.threshold), each.threshold, np.inf) for each in found]
    stage = Stage(progress, "look for duplicates and splits", live.numbers.size)
    listed = find_pairs(
        live.columns[0],
        live.firing[0],
        live.directions,
        PairLimits(limits[0], limits[1], cosine),
        stage.reach,
    )
    stage = Stage(progress, "duplicates and splits")
    rules = PairRules(settings.share, settings.same_cosine, settings.n_boot, settings.seed, stage.step)
    stage.expect(describing_steps(listed[0].size, rules))
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
    stage = Stage(progress, "absorbed features", 2 * presence_steps(where))
    first = presence(halves[0], live.firing[0], live.directions, where, stage.step)
    again = presence(halves[1], live.firing[1], live.directions, where, stage.step)
    absorbed = first.is_absorbed & again.is_absorbed
    pairs.kind[asked[absorbed]] = ABSORBED
    present.beside_child[asked], present.elsewhere[asked] = again.beside_child, again.elsewhere
    return pairs, present


def _plane(
    live: LiveFeatures, settings: GeometrySettings, progress: Progress
) -> tuple[npt.NDArray[np.float32], str]:
    """Places of the features for the eye, and how they were found."""
    if live.directions is not None:
        rows, what = live.directions, "decoder directions"
    else:
        rows, what = _sketch(live.columns[0], settings.seed), "activations over tiles"
    n = len(rows)
    stage = Stage(progress, "start the map of the features")
    if n <= N_NEIGHBOURS or settings.plane != "umap":
        few = ", too few for UMAP" if settings.plane == "umap" else ""
        return principal_plane(rows), f"the first two principal components of {n:,} {what}{few}"
    neighbours = nearest_rows(rows, stage.check_cancelled)
    rounds: list[Stage] = []

    def laid(done: int, total: int) -> None:
        # The library says nothing while it is loaded and compiled; the time for that is none of the rounds.
        if done and not rounds:
            rounds.append(Stage(progress, "map of the features", total))
        if rounds:
            rounds[0].reach(done)
        else:
            stage.check_cancelled()

    plane = umap_plane(rows, neighbours, laid)
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
