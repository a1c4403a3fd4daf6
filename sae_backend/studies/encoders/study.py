"""Encoders side by side on the same tiles: cells, baselines, selectivity with and without labels, and differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial as bind
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from sae_backend.correlation.sparse_probes import KS
from sae_backend.errors import UserInputError
from sae_backend.statistics.slide_parts import SlidePart
from sae_backend.studies.encoders.differences import LEVEL, difference_arrays, pairs_of
from sae_backend.studies.framework.inputs import FeatureSet, StudyInput
from sae_backend.studies.framework.result import Arrays, Checkpoints, Progress, StudyResult
from sae_backend.studies.methods.cell_types.held_out import (
    BEST_FIELDS,
    PROBE_FIELDS,
    REPRESENTATIONS,
    CellQuestion,
    cell_question,
    judge_set,
    run_meta,
)
from sae_backend.studies.methods.cell_types.held_out_sums import patient_sums
from sae_backend.studies.methods.cell_types.monosemanticity import entropy_contrast
from sae_backend.studies.methods.cell_types.monosemanticity_score import MIN_FIRING, alikeness
from sae_backend.studies.methods.cell_types.monosemanticity_triage import triage

_ALIKE: Final = ("score", "between", "chance")
_OF_FEATURES: Final = (
    "entropy",
    "beats",
    "best_type",
    "auprc",
    "firing",
    *(f"alike/{key}" for key in _ALIKE),
)
"""What is kept of every feature, under the name `set0/entropy` and so on."""


def run(
    inputs: StudyInput, spec: Mapping[str, Any], progress: Progress, checkpoints: Checkpoints
) -> StudyResult:
    """Look at every set in turn, then at the differences between them.

    Parameters
    ----------
    inputs
        Two or more sets of the same tiles, each of another encoder.
    spec
        `seed`, and draws: `n_bootstrap`, `n_permutations`.
    progress
        Takes (stage, done, total).
    checkpoints
        Where finished sets are kept.

    Raises
    ------
    UserInputError
        When there is one set only.
    """
    if len(inputs.sets) < 2:
        raise UserInputError(
            "Encoders are compared on two or more feature sets.",
            "Analyse the same slides with another encoder and an SAE of its own.",
        )
    question = cell_question(inputs, spec)
    found = [
        checkpoints.get(f"set-{k}", bind(_judged, question, k, progress)) for k in range(len(inputs.sets))
    ]
    arrays = _side_by_side(found)
    arrays |= difference_arrays(found, len(question.types), question.spec.seed)
    return StudyResult(arrays, _meta(question, found))


def judge_of(inputs: StudyInput, number: int) -> int | None:
    """The set whose encoder judges how alike tiles are: another encoder with all vectors, no control if there is one."""

    def key(some: FeatureSet) -> str:
        return str(some.model.get("encoder_digest") or some.model.get("encoder") or some.title)

    others = [
        k
        for k, some in enumerate(inputs.sets)
        if key(some) != key(inputs.sets[number]) and all(vectors is not None for vectors in some.vectors)
    ]
    return min(others, key=lambda k: (bool(inputs.sets[k].model.get("is_control")), k), default=None)


def _judged(question: CellQuestion, number: int, progress: Progress) -> Arrays:
    """All that is measured on one set."""
    inputs = question.inputs
    title = inputs.sets[number].title

    def named(stage: str, done: int, total: int) -> None:
        progress(f"{title}: {stage}", done, total)

    made = judge_set(question, number, named)
    reporting = question.reporting(number)
    sums = patient_sums(reporting, made["sae/column"].tolist())
    made |= {"patients": np.array(sums.patients, np.str_), "sums": sums.sums}
    n_types, n_features = len(question.types), inputs.sets[number].n_features
    made |= {"auprc": np.full((n_features, n_types), np.nan), "prevalence": np.full(n_types, np.nan)}
    made["firing"] = np.stack(
        [_firing(inputs.parts(number), n_features), _firing(reporting, n_features)], axis=1
    )
    if reporting and n_types:
        made |= triage(reporting, n_types, lambda a, b: named("triage", a, b)).arrays()
        # Where a feature is silent there is nothing to rank, and what rounding leaves of its precision is no finding.
        made["auprc"] = np.where(made["firing"][:, 1:] > 0, made["auprc"], np.nan)
    judge = judge_of(inputs, number)
    nothing = np.full(n_features, np.nan)
    made |= {f"alike/{key}": nothing for key in _ALIKE}
    made |= {f"raw_alike/{key}": np.zeros(0) for key in _ALIKE}
    made["alike/pairs"] = np.full(3, np.nan)
    if judge is not None:
        seen = alikeness(inputs, number, judge, named)
        made |= {f"alike/{key}": values for key, values in seen.features.arrays().items()}
        if seen.dimensions is not None:
            made |= {f"raw_alike/{key}": values for key, values in seen.dimensions.arrays().items()}
        made["alike/pairs"] = np.array([seen.all_pairs, seen.all_between, float(seen.n_tiles)])
    return made


def _firing(parts: Sequence[SlidePart], n_features: int) -> npt.NDArray[np.float64]:
    """Share of the usable tiles in which each feature fires (F,); NaN without tiles."""
    n_tiles = sum(int(part.valid.sum()) for part in parts)
    if not n_tiles:
        return np.full(n_features, np.nan)
    fired = np.zeros(n_features)
    for part in parts:
        column = np.repeat(np.arange(n_features), np.diff(part.features.indptr))
        on = (part.features.data != 0) & part.valid[part.features.indices]
        fired += np.bincount(column[on], minlength=n_features)
    return fired / n_tiles


def _side_by_side(found: list[Arrays]) -> dict[str, npt.NDArray[Any]]:
    arrays: dict[str, npt.NDArray[Any]] = {}
    for name in REPRESENTATIONS:
        for key in (*BEST_FIELDS, *PROBE_FIELDS):
            arrays[f"{name}/{key}"] = np.stack([each[f"{name}/{key}"] for each in found])
    for key in ("p", "prevalence", "alike/pairs"):
        arrays[key] = np.stack([each[key] for each in found])
    for name, key in (("sae", "beats"), ("raw", "raw_beats")):
        arrays[f"{name}/n_beating"] = np.array([int(each[key].sum()) for each in found])
        arrays[f"{name}/n"] = np.array([each[key].size for each in found])
    for k, each in enumerate(found):
        arrays |= {f"set{k}/{key}": each[key] for key in _OF_FEATURES}
        arrays |= {f"set{k}/r": each["r"], f"set{k}/raw_entropy": each["raw_entropy"]}
        arrays |= {f"set{k}/raw_alike/{key}": each[f"raw_alike/{key}"] for key in _ALIKE}
    arrays["entropy_contrast"] = np.stack(
        [entropy_contrast(each["entropy"], each["raw_entropy"]).row() for each in found]
    )
    # Turned around, as a larger score is the more selective one.
    arrays["alike_contrast"] = np.stack(
        [entropy_contrast(-each["alike/score"], -each["raw_alike/score"]).row() for each in found]
    )
    arrays["alike_contrast"][:, 2:4] *= -1
    return arrays


def _meta(question: CellQuestion, found: list[Arrays]) -> dict[str, Any]:
    inputs = question.inputs
    judges = [judge_of(inputs, k) for k in range(len(inputs.sets))]
    models = [some.model for some in inputs.sets]
    return {
        "titles": [some.title for some in inputs.sets],
        "encoders": [str(model.get("encoder") or "") for model in models],
        "layers": [model.get("layer") if isinstance(model.get("layer"), int) else None for model in models],
        "is_control": [bool(model.get("is_control")) for model in models],
        "judges": [None if k is None else inputs.sets[k].title for k in judges],
        "pairs": [list(pair) for pair in pairs_of(len(inputs.sets))],
        "types": question.names,
        "n_slides": len(inputs.slides),
        "n_patients": len({slide.unit for slide in inputs.slides}),
        "n_reporting_patients": len(found[0]["patients"]),
        "n_tiles": [int(sum(np.asarray(valid).sum() for valid in some.valid)) for some in inputs.sets],
        "n_features": [some.n_features for some in inputs.sets],
        "reports": [run_meta(each) for each in found],
        "held_out": inputs.halves is not None,
        "probe_k": list(KS),
        "level": LEVEL,
        "min_firing": MIN_FIRING,
        "seed": question.spec.seed,
        "settings": {
            "n_bootstrap": question.spec.n_bootstrap,
            "n_permutations": question.spec.n_permutations,
            "seed": question.spec.seed,
        },
        "warnings": _warnings(inputs),
    }


def _warnings(inputs: StudyInput) -> list[str]:
    warnings = []
    if not any(some.model.get("is_control") for some in inputs.sets):
        warnings.append(
            "There is no control set: what random weights would give on these slides is not known, and a feature that they "
            "also give is no finding. Analyse the slides with control:random-vit, too."
        )
    digests = [some.model.get("encoder_digest") for some in inputs.sets]
    if len({digest for digest in digests if digest}) < len([digest for digest in digests if digest]):
        warnings.append("Some of the sets are of one encoder: their difference is that of their SAEs.")
    if len({some.n_features for some in inputs.sets}) > 1:
        warnings.append("The sets differ in the number of features; more features have more chances to fit.")
    trained = [
        tuple(
            (some.model.get("training") or {}).get(key) for key in ("expansion", "l1_chosen_for_l0", "whiten")
        )
        for some in inputs.sets
    ]
    if len(set(trained)) > 1:
        warnings.append(
            "The SAEs were trained with different settings: a difference may be theirs, not the encoders'."
        )
    if inputs.halves is None:
        warnings.append("Nothing was held out: the best of many features looks better where it was chosen.")
    return warnings
