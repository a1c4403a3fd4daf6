"""How features change from block to block: cells, scanner, selectivity, and one feature followed through."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial as bind
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from sae_backend.correlation.result import PEARSON
from sae_backend.errors import UserInputError
from sae_backend.studies.depth import follow as depth_follow
from sae_backend.studies.depth import quality as depth_quality
from sae_backend.studies.depth import scanner as depth_scanner
from sae_backend.studies.depth.label_free import judge_meta, label_free, side_by_side, without_judge
from sae_backend.studies.depth.trend import FAMILIES, LEVEL, crossing, slope_weights, variance_curves
from sae_backend.studies.depth.variance import PARTS, Cohort, SlideSums, slide_sums
from sae_backend.studies.framework.inputs import StudyInput
from sae_backend.studies.framework.result import Arrays, Checkpoints, Progress, StudyResult
from sae_backend.studies.methods.cell_types.held_out import (
    BEST_FIELDS,
    REPRESENTATIONS,
    CellQuestion,
    cell_question,
    judge_set,
    run_meta,
)
from sae_backend.studies.methods.cell_types.held_out_sums import (
    PatientSums,
    contrast_intervals,
    joined,
    patient_sums,
)
from sae_backend.studies.methods.cell_types.monosemanticity import entropy_contrast

TREND_DRAWS: Final = 2000

SITE: Final = "site"


def run(
    inputs: StudyInput, spec: Mapping[str, Any], progress: Progress, checkpoints: Checkpoints
) -> StudyResult:
    """Look at every set in turn, then at what changes from the first to the last.

    Parameters
    ----------
    inputs
        One set a block, in the order of depth, and after them a set whose model says `is_judge`, where there is one:
        another encoder on the same tiles, which judges how alike the tiles of a feature are.
    spec
        `fact` (column of the slide table that says the scanner), `feature` (to be followed; None for the best of the
        first cell type), `seed`, and draws: `n_bootstrap`, `n_permutations`, `n_shuffles`, `n_random`, `most_tiles`.
    progress
        Takes (stage, done, total).
    checkpoints
        Where finished blocks are kept.

    Raises
    ------
    UserInputError
        When there is one block only, or the followed feature does not exist.
    """
    whole = inputs
    inputs, judge = without_judge(whole)
    if len(inputs.sets) < 2:
        raise UserInputError("Depth is looked at in two or more blocks.", "Choose more layers.")
    question = cell_question(inputs, spec)
    found = [
        checkpoints.get(f"block-{k}", bind(_block, question, k, spec, _named(inputs, k, progress)))
        for k in range(len(inputs.sets))
    ]
    alike = [
        checkpoints.get(f"alike-{k}", bind(label_free, whole, k, judge, _named(inputs, k, progress)))
        for k in range(len(inputs.sets))
    ]
    depths = block_numbers(inputs)
    arrays = _best(found) | side_by_side(alike)
    cohort = Cohort.of(inputs, str(spec["fact"]))
    reference = len(inputs.sets) - 1
    feature = depth_follow.wanted_feature(spec.get("feature"), found[reference]["sae/column"].tolist())
    if feature >= inputs.sets[reference].n_features:
        raise UserInputError(
            f"The last block has no feature {feature}.",
            f"Choose one from 0 to {inputs.sets[reference].n_features - 1}.",
        )
    arrays |= _trend(question, found, depths)
    arrays |= _variance(found, cohort, depths)
    followed = depth_follow.Followed(reference, feature)
    if feature >= 0:
        arrays |= _followed(question, followed, found, int(spec["n_random"]), (progress, checkpoints))
    return StudyResult(
        arrays,
        _meta(
            question,
            spec,
            found,
            {"cohort": cohort, "followed": followed, "depths": depths, "judge": judge_meta(whole, judge)},
        ),
    )


def block_numbers(inputs: StudyInput) -> list[int]:
    """Number of each set's block; its place where the blocks are not known or not in order."""
    layers = [some.model.get("layer") for some in inputs.sets]
    known = [layer for layer in layers if isinstance(layer, int)]
    return (
        known
        if known == sorted(set(known)) and len(known) == len(layers)
        else list(range(1, len(layers) + 1))
    )


def _named(inputs: StudyInput, number: int, progress: Progress) -> Progress:
    title = inputs.sets[number].title
    return lambda stage, done, total: progress(f"{title}: {stage}", done, total)


def _block(question: CellQuestion, number: int, spec: Mapping[str, Any], progress: Progress) -> Arrays:
    """All that is measured on one set."""
    made = judge_set(question, number, progress)
    sums = patient_sums(question.reporting(number), made["sae/column"].tolist())
    made |= {"patients": np.array(sums.patients, np.str_), "sums": sums.sums}
    n_slides = len(question.inputs.slides)
    seen = iter(range(10**9))
    variance = slide_sums(
        question.inputs,
        number,
        question.types,
        lambda: progress("variances", min(next(seen), n_slides), n_slides),
    )
    if variance is not None:
        made |= {f"variance/{name}": values for name, values in variance.arrays().items()}
    values, source = depth_quality.quality(question.inputs, number, variance)
    made |= {"quality": values, "quality_source": np.array(source)}
    for name, fact in _read_facts(question.inputs, spec).items():
        auroc, meta = depth_scanner.read_scanner(question.inputs, number, {**spec, "fact": fact}, progress)
        made |= {name: auroc, f"{name}_reason": np.array(meta["reason"])}
        made[f"{name}_classes"] = np.array(meta["classes"], np.str_)
        made[f"{name}_left_out"] = np.array(meta["left_out"], np.str_)
        made[f"{name}_patients"] = np.array(meta["groups_per_class"], np.int64)
        made[f"{name}_n"] = np.array([meta.get(key, 0) for key in depth_scanner.NUMBERS], np.int64)
    return made


def _read_facts(inputs: StudyInput, spec: Mapping[str, Any]) -> dict[str, str]:
    """Columns that are read from the tiles: the one that was chosen, and the site where it is another."""
    chosen = str(spec["fact"])
    other = {SITE: SITE} if chosen.casefold() != SITE and any(inputs.fact(SITE)) else {}
    return {"scanner": chosen, **other}


def _best(found: list[Arrays]) -> dict[str, npt.NDArray[Any]]:
    arrays: dict[str, npt.NDArray[Any]] = {}
    for name in REPRESENTATIONS:
        for key in BEST_FIELDS:
            arrays[f"{name}/{key}"] = np.stack([each[f"{name}/{key}"] for each in found])
    arrays["p"] = np.stack([each["p"] for each in found])
    for name, key in (("sae", "beats"), ("raw", "raw_beats")):
        arrays[f"{name}/n_beating"] = np.array([int(each[key].sum()) for each in found])
        arrays[f"{name}/n"] = np.array([each[key].size for each in found])
    for name, key in (("sae", "entropy"), ("raw", "raw_entropy")):
        finite = [each[key][np.isfinite(each[key])] for each in found]
        arrays[f"{name}/entropy"] = np.concatenate(finite)
        arrays[f"{name}/entropy_block"] = np.repeat(np.arange(len(found)), [len(each) for each in finite])
        where = [np.flatnonzero(np.isfinite(each[key])) for each in found]
        arrays[f"{name}/entropy_column"] = np.concatenate(where)
    arrays["entropy_contrast"] = np.stack(
        [entropy_contrast(each["entropy"], each["raw_entropy"]).row() for each in found]
    )
    arrays["quality"] = np.stack([each["quality"] for each in found])
    for name in ("scanner", SITE):
        if name in found[0]:
            arrays[name] = np.stack([each[name] for each in found])
    return arrays


def _trend(question: CellQuestion, found: list[Arrays], depths: list[int]) -> dict[str, npt.NDArray[Any]]:
    """Change of r per block, of the mean over types first, then of each type: (1 + C,)."""
    n_types, n_blocks = len(question.types), len(found)
    names = ("value", "low", "high", "family_low", "family_high")
    if n_types == 0:
        return {f"slope/{key}": np.full(1, np.nan) for key in names} | {
            "slope/reason": np.array("there are no cells")
        }
    sums = joined([PatientSums(tuple(each["patients"].tolist()), each["sums"]) for each in found])
    # Pairs lie block after block, and in a block type after type.
    each_type = np.kron(slope_weights(depths)[None, :], np.eye(n_types)).reshape(n_types, n_blocks * n_types)
    defined = np.all([each["sae/column"] >= 0 for each in found], axis=0)
    mean = each_type[defined].mean(axis=0) if defined.any() else np.full(n_blocks * n_types, np.nan)
    # A column that falls as a type rises is as good as one that rises; the discovery half says which.
    sign = np.sign(np.nan_to_num(np.concatenate([each["sae/choose"] for each in found])))
    matrix = np.concatenate([mean[None], each_type]) * np.where(sign == 0, 1.0, sign)
    level = 1 - (1 - LEVEL) / FAMILIES
    some = contrast_intervals(sums, matrix, level, TREND_DRAWS, question.spec.seed)
    return {f"slope/{key}": getattr(some, key) for key in names} | {"slope/reason": np.array(some.reason)}


def _variance(found: list[Arrays], cohort: Cohort, depths: list[int]) -> dict[str, npt.NDArray[Any]]:
    if any("variance/n" not in each for each in found):
        return {"variance/reason": np.array("the embeddings of some slides are missing")}
    blocks = [
        SlideSums.of(
            {name.removeprefix("variance/"): each[name] for name in each if name.startswith("variance/")}
        )
        for each in found
    ]
    curves = variance_curves(blocks, cohort, depths)
    made = {f"variance/{name}": np.asarray(value) for name, value in vars(curves).items()}
    place = crossing(curves.gap, curves.gap_low, curves.gap_high)
    made["variance/crossing"] = np.array([place.place, place.first, place.last], np.int64)
    return made


def _followed(
    question: CellQuestion,
    followed: depth_follow.Followed,
    found: list[Arrays],
    n_random: int,
    tools: tuple[Progress, Checkpoints],
) -> dict[str, npt.NDArray[Any]]:
    inputs, (progress, checkpoints) = question.inputs, tools
    matches = [
        checkpoints.get(
            f"follow-{followed.feature}-{k}",
            bind(
                depth_follow.follow, inputs, followed, k, question.spec, n_random, _named(inputs, k, progress)
            ),
        )
        for k in range(len(inputs.sets))
    ]
    made = {f"follow/{key}": np.concatenate([each[key] for each in matches]) for key in matches[0]}
    columns = made["follow/feature"]
    made["follow/type_r"] = np.stack(
        [
            each["r"][j] if j >= 0 else np.full(len(question.types), np.nan)
            for j, each in zip(columns, found, strict=True)
        ]
    )
    return made


def _meta(
    question: CellQuestion, spec: Mapping[str, Any], found: list[Arrays], more: Mapping[str, Any]
) -> dict[str, Any]:
    inputs, cohort, followed = question.inputs, more["cohort"], more["followed"]
    first = run_meta(found[0])
    models = [some.model for some in inputs.sets]
    warnings = [
        f"{some.title} is of a control: its encoder has learned nothing."
        for some in inputs.sets
        if some.model.get("is_control")
    ]
    if inputs.halves is None:
        warnings.append("Nothing was held out: the best of many features looks better where it was chosen.")
    return {
        "titles": [some.title for some in inputs.sets],
        "blocks": more["depths"],
        "types": question.names,
        "fact": str(spec["fact"]),
        "n_slides": len(inputs.slides),
        "n_patients": len({slide.unit for slide in inputs.slides}),
        "n_reporting_patients": len(found[0]["patients"]),
        "n_tiles": int(sum(np.asarray(valid).sum() for valid in inputs.sets[0].valid)),
        "n_features": [some.n_features for some in inputs.sets],
        "reports": first,
        "held_out": inputs.halves is not None,
        "halves": None if inputs.halves is None else inputs.halves.unit,
        "read": {
            name: {
                "fact": fact,
                "reason": str(found[0][f"{name}_reason"]),
                "classes": found[0][f"{name}_classes"].tolist(),
                "left_out": found[0][f"{name}_left_out"].tolist(),
                "draws_over": "all patients",
                "patients": [int(n) for n in found[0][f"{name}_patients"]],
                **dict(zip(depth_scanner.NUMBERS, found[0][f"{name}_n"].tolist(), strict=True)),
            }
            for name, fact in _read_facts(inputs, spec).items()
        },
        "variance_labels": list(cohort.names),
        "variance_reason": cohort.reason,
        "variance_parts": list(PARTS),
        "quality_fields": list(depth_quality.FIELDS),
        "quality_source": [str(each["quality_source"]) for each in found],
        "judge": more["judge"],
        "followed": None
        if followed.feature < 0
        else {"set": followed.reference, "feature": followed.feature},
        "level": LEVEL,
        "statistic": PEARSON,
        "seed": int(spec["seed"]),
        "encoder": str(models[0].get("encoder") or ""),
        "settings": {
            key: value
            for key, value in spec.items()
            if isinstance(value, str | int | float | list | type(None))
        },
        "warnings": warnings,
    }
