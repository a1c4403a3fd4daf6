"""Do features chosen on one cohort keep their meaning on another? The autoencoder and the choice are A's alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial as bind
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from sae_backend.correlation.baselines import best_columns, column_correlations
from sae_backend.correlation.engine import correlate
from sae_backend.correlation.representations import SAE, TITLES, Representation, representations
from sae_backend.correlation.result import PEARSON, CorrelationSpec
from sae_backend.errors import UserInputError
from sae_backend.statistics.holm import holm
from sae_backend.statistics.slide_parts import SlidePart, assemble
from sae_backend.statistics.split import BLOCK, CHOOSE, REPORT, draw_halves, half_of
from sae_backend.studies.domain.pairs import difference_interval, difference_p, verdicts
from sae_backend.studies.domain.reconstruction import explained
from sae_backend.studies.framework.cohorts import TwoGroups, two_groups
from sae_backend.studies.framework.inputs import FeatureSet, StudyInput
from sae_backend.studies.framework.result import Arrays, Checkpoints, Progress, StudyResult

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_MOST_PAIRS: Final = 200
_LEVEL: Final = 0.05
_DRAWS: Final = 2000
_RARE: Final = 1e-4


@dataclass(frozen=True)
class _Pairs:
    """Chosen features with the type of each (P,), and r where they were chosen."""

    features: Ints
    types: Ints
    r: Floats


def run(
    inputs: StudyInput, spec: Mapping[str, Any], progress: Progress, checkpoints: Checkpoints
) -> StudyResult:
    """Choose features on half of cohort A, report them on its other half and on cohort B.

    Nothing of B takes part in the choice, in the order of the pairs, or in any mean, spread, axis or threshold.

    Raises
    ------
    UserInputError
        When the cohorts are not distinct, or A has no cells.
    """
    groups = two_groups(
        [slide.facts for slide in inputs.slides], [slide.unit for slide in inputs.slides],
        spec["fact"], spec["a"], spec["b"],
    )  # fmt: skip
    names = list(inputs.type_names)
    parts_a, parts_b = inputs.parts(0, groups.slides_a), inputs.parts(0, groups.slides_b)
    seed = int(spec["seed"])
    arrays: dict[str, npt.NDArray[Any]] = dict(
        checkpoints.get("explained", lambda: _quality(inputs, groups, seed, progress))
    )
    meta: dict[str, Any] = {
        "fact": groups.fact, "a": groups.a, "b": groups.b, "n_other_slides": groups.n_other,
        "retrained": bool(spec["retrain"]), "type_names": names,
        "n_patients_a": len({inputs.slides[k].unit for k in groups.slides_a}),
        "n_patients_b": len({inputs.slides[k].unit for k in groups.slides_b}),
        "n_slides_a": len(groups.slides_a), "n_slides_b": len(groups.slides_b),
        "n_features": inputs.sets[0].n_features, "set_title": inputs.sets[0].title, "seed": seed,
        "n_draws": _DRAWS,
        "sae_metrics": dict(inputs.sets[0].model.get("metrics") or {}), "has_cells": False, "held_out": False, "unit_a": "", "unit_b": "", "split_unit": "",
    }  # fmt: skip
    known_a, known_b = _with_cells(parts_a), _with_cells(parts_b)
    if not names or not known_a or not known_b:
        return StudyResult(arrays, meta)
    halves = draw_halves(known_a, seed)
    choosing = known_a if halves is None else half_of(known_a, halves, CHOOSE)
    reporting = known_a if halves is None else half_of(known_a, halves, REPORT)
    settings = CorrelationSpec(n_bootstrap=_DRAWS, n_permutations=999, seed=seed, statistics=(PEARSON,))
    chosen = dict(checkpoints.get("chosen", lambda: _choose(choosing, names, settings, progress)))
    pairs = _Pairs(chosen["features"], chosen["types"], chosen["r"])
    found_a = _reported(reporting, pairs, names, settings, bind(progress, f"report on {groups.a}"))
    found_b = _reported(known_b, pairs, names, settings, bind(progress, f"report on {groups.b}"))
    arrays |= _compared(pairs, found_a, found_b, chosen)
    for name, other in _baselines(
        (choosing, reporting, known_b), settings, chosen["all_r"], (progress, checkpoints)
    ).items():
        arrays |= {f"best/{name}/{key}": value for key, value in other.items()}
    return StudyResult(
        arrays,
        {
            **meta,
            "has_cells": True,
            "held_out": halves is not None,
            "split_unit": "" if halves is None else halves.unit,
            "cut_slides": halves is not None and halves.unit == BLOCK,
            "unit_a": found_a.unit, "unit_b": found_b.unit,
            "n_clusters_a": found_a.n_clusters, "n_clusters_b": found_b.n_clusters,
            "n_tiles_a": found_a.n_tiles, "n_tiles_b": found_b.n_tiles,
            "n_beating_null": int(chosen["beats"].sum()),
            "n_pairs": int(pairs.features.size), "most_pairs": _MOST_PAIRS,
            "representations": {name: TITLES[name] for name in TITLES if f"best/{name}/a" in arrays},
        },
    )  # fmt: skip


def _with_cells(parts: Sequence[SlidePart]) -> list[SlidePart]:
    """Parts whose cells are known; a slide without any import says nothing of correlations."""
    return [
        part for part in parts if part.counts.size and np.isfinite(part.counts).any() and part.valid.any()
    ]


def _choose(
    parts: Sequence[SlidePart], names: Sequence[str], spec: CorrelationSpec, progress: Progress
) -> dict[str, npt.NDArray[Any]]:
    """The best feature of each type, and every feature that beats the null with the type that it follows most."""
    found = correlate(parts, names, spec, lambda done, total: progress("choose", done, total))
    r = found.statistics[PEARSON].value
    p = np.nan_to_num(found.statistics[PEARSON].p_fwer, nan=1.0)
    size = np.where(np.isfinite(r), np.abs(r), -1.0)
    if not len(size) or size.max() < 0:
        raise UserInputError(
            "No feature varies together with any cell type on the first cohort.",
            "Add slides or cells to it, or choose the other cohort as the first.",
        )
    own_type = size.argmax(axis=1)
    beats = np.asarray((p <= _LEVEL).any(axis=1), np.bool_)
    strongest = np.flatnonzero(beats)
    strongest = strongest[np.argsort(-size[strongest, own_type[strongest]], kind="stable")]
    wanted = [(int(size[:, c].argmax()), c) for c in range(len(names)) if size[:, c].max() >= 0]
    n_best = len(dict.fromkeys(wanted))
    wanted += [(int(f), int(own_type[f])) for f in strongest]
    kept = list(dict.fromkeys(wanted))[: max(_MOST_PAIRS, n_best)]
    features, types = (np.array(each, np.int64) for each in zip(*kept, strict=True))
    return {
        "features": features, "types": types, "r": r[features, types], "all_r": r,
        "p": p[features, types], "beats": beats,
        "is_best": np.asarray(np.arange(features.size) < n_best, np.bool_),
    }  # fmt: skip


@dataclass(frozen=True)
class _Reported:
    """The chosen pairs on one set of slides, (P,) each."""

    r: Floats
    low: Floats
    high: Floats
    p: Floats
    unit: str
    n_clusters: int
    n_tiles: int


def _reported(
    parts: Sequence[SlidePart], pairs: _Pairs, names: Sequence[str], spec: CorrelationSpec, progress: Any
) -> _Reported:
    """R of the chosen features; p is corrected for all of them with all types, which is more than the pairs."""
    columns, place = np.unique(pairs.features, return_inverse=True)
    few = [replace(part, features=part.features[:, columns], vectors=None) for part in parts]
    found = correlate(few, names, spec, progress)
    one = found.statistics[PEARSON]
    value, low, high, p = (
        array[place, pairs.types] for array in (one.value, one.ci_low, one.ci_high, one.p_fwer)
    )
    return _Reported(value, low, high, p, found.unit, found.n_clusters, found.n_tiles)


def _compared(
    pairs: _Pairs, a: _Reported, b: _Reported, chosen: Mapping[str, npt.NDArray[Any]]
) -> dict[str, npt.NDArray[Any]]:
    ends_a, ends_b = (a.low, a.high), (b.low, b.high)
    low, high = difference_interval(a.r, ends_a, b.r, ends_b)
    p_difference = holm(difference_p(a.r, ends_a, b.r, ends_b, (a.n_clusters, b.n_clusters)))
    return {
        "pair/feature": pairs.features, "pair/type": pairs.types, "pair/is_best": chosen["is_best"],
        "pair/r_choose": pairs.r, "pair/p_choose": chosen["p"],
        "pair/r_a": a.r, "pair/low_a": a.low, "pair/high_a": a.high, "pair/p_a": a.p,
        "pair/r_b": b.r, "pair/low_b": b.low, "pair/high_b": b.high, "pair/p_b": b.p,
        "pair/difference_low": low, "pair/difference_high": high, "pair/p_difference": p_difference,
        "pair/verdict": verdicts(a.r, b.r, b.p, p_difference, ends_b),
    }  # fmt: skip


def _baselines(
    parts: tuple[Sequence[SlidePart], Sequence[SlidePart], Sequence[SlidePart]],
    spec: CorrelationSpec,
    feature_r: Floats,
    tools: tuple[Progress, Checkpoints],
) -> dict[str, Arrays]:
    """The best column of each representation for each type: chosen on A, reported on A's other half and on B.

    `feature_r` (F, C) is what all features had where they were chosen.
    """
    progress, checkpoints = tools
    n_types = parts[0][0].counts.shape[1]
    choosing, reporting, other = (assemble(each, n_types, spec.block_um, spec.cluster) for each in parts)
    found: dict[str, Arrays] = {}
    # Only tiles of A are handed over, so that no mean, axis or threshold can come from B.
    known = representations(choosing, spec.seed, reporting, lambda: progress("baselines", 0, len(TITLES)))
    for number, (name, representation) in enumerate(known.items()):
        if name != SAE and any(part.vectors is None for part in parts[2]):
            continue

        def make(
            number: int = number, name: str = name, representation: Representation = representation
        ) -> Arrays:
            step = bind(_step, progress, number, len(known))
            own = (
                feature_r
                if name == SAE
                else column_correlations(representation, choosing, spec.min_active, step)
            )
            at_a = best_columns(representation, choosing, reporting, spec, step, own)
            at_b = best_columns(representation, choosing, other, spec, step, own)
            return {
                "column": at_a.column, "a": at_a.value, "low_a": at_a.ci_low, "high_a": at_a.ci_high,
                "b": at_b.value, "low_b": at_b.ci_low, "high_b": at_b.ci_high,
            }  # fmt: skip

        progress("baselines", number, len(known))
        found[name] = checkpoints.get(f"baseline-{name}", make)
    progress("baselines", len(known), len(known))
    return found


def _step(progress: Progress, number: int, total: int, _done: int) -> None:
    progress("baselines", number, total)


def _quality(
    inputs: StudyInput, groups: TwoGroups, seed: int, progress: Progress
) -> dict[str, npt.NDArray[Any]]:
    """Explained variance, L0 and silent features on each cohort; intervals by resampling patients."""
    some = inputs.sets[0]
    found: dict[str, npt.NDArray[Any]] = {}
    sums = explained(some, bind(progress, "explained variance"))
    for name, slides in (("a", groups.slides_a), ("b", groups.slides_b)):
        rates, n_tiles = _firing(some, slides)
        found[f"{name}/rate"] = rates
        found[f"{name}/n_tiles"] = np.array(n_tiles)
        found[f"{name}/dead"] = np.array([(rates == 0).mean(), (rates < _RARE).mean()])
        if sums is None:
            continue
        units, number = np.unique([inputs.slides[k].unit for k in slides], return_inverse=True)
        weights = np.zeros((1 + _DRAWS, len(inputs.slides)))
        weights[0, list(slides)] = 1
        rng = np.random.default_rng([seed, 0xD0, len(slides)])
        drawn_units = rng.multinomial(units.size, np.full(units.size, 1 / units.size), size=_DRAWS)
        weights[1:, list(slides)] = drawn_units[:, number]
        for key, values in (("explained", sums.share(weights)), ("l0", sums.l0(weights))):
            drawn = values[1:][np.isfinite(values[1:])]
            ends = np.quantile(drawn, [0.025, 0.975]) if units.size > 2 and drawn.size else (np.nan, np.nan)
            found[f"{name}/{key}"] = np.array([values[0], *ends])
    return found


def _firing(some: FeatureSet, slides: Sequence[int]) -> tuple[Floats, int]:
    """Share of the usable tiles in which each feature fires (F,), and their number."""
    fired = np.zeros(some.n_features)
    n_tiles = 0
    for k in slides:
        usable = some.valid[k]
        part = some.features[k]
        column = np.repeat(np.arange(part.shape[1]), np.diff(part.indptr))
        on = (part.data != 0) & usable[part.indices]
        fired += np.bincount(column[on], minlength=some.n_features)
        n_tiles += int(usable.sum())
    return fired / max(n_tiles, 1), n_tiles
