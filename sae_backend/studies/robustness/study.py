"""How well can the scanner or site be read from the features, and which features depend on it?"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial as bind
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from sae_backend.studies.framework.inputs import StudyInput
from sae_backend.studies.framework.result import Arrays, Checkpoints, Progress, StudyResult
from sae_backend.studies.methods.labels.confounding import SlideFacts, confounding
from sae_backend.studies.methods.labels.effect_sizes import effect_sizes, slide_means
from sae_backend.studies.methods.labels.folds import frequent, groups_per_class
from sae_backend.studies.methods.labels.predictability import Predictability, PredictSpec, predict_slide_label
from sae_backend.studies.robustness.array_names import (
    EFFECT_FIELDS,
    FEATURES,
    INDEX_FIELDS,
    RAW,
    RAW_EFFECT_FIELDS,
    SCORES,
    SOURCES,
)
from sae_backend.studies.robustness.index import NeighbourIndex, robustness_index
from sae_backend.studies.robustness.paired_scans import paired_scans
from sae_backend.studies.robustness.stress import KINDS, stress
from sae_backend.studies.robustness.tiles import (
    JudgedTiles,
    cell_correlations,
    feature_groups,
    judged_tiles,
    labelled,
    raw_means,
    slide_units,
    tile_rows,
)

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_DESCRIPTION: Final = "description"
_SITE: Final = "site"


def run(
    inputs: StudyInput, spec: Mapping[str, Any], progress: Progress, checkpoints: Checkpoints
) -> StudyResult:
    """Read the scanner, sort the features, compare paired scans and neighbours, change the pixels.

    Only the first feature set is looked at. Features that follow cells are chosen on one half of the patients; the
    label is read on the other half.

    Raises
    ------
    MismatchError
        When tiles of the slides do not belong together.
    """
    fact, seed = str(spec["fact"]), int(spec["seed"])
    draws = {
        "n_bootstrap": int(spec["n_bootstrap"]),
        "n_permutations": int(spec["n_permutations"]),
        "seed": seed,
    }
    arrays: dict[str, npt.NDArray[Any]] = {}
    cells = dict(checkpoints.get("cells", lambda: cell_correlations(inputs, draws, progress)))
    arrays |= {f"cells/{name}": value for name, value in cells.items()}
    groups = feature_groups(inputs, cells)
    arrays |= {f"group/{name}": columns for name, columns in groups.items()}
    facts = [fact] + ([_SITE] if fact.casefold() != _SITE and any(inputs.fact(_SITE)) else [])
    read = {}
    for name in facts:
        step = checkpoints.get(f"read-{name.casefold()}", bind(_read, inputs, (name, spec, groups), progress))
        read[name] = json.loads(str(step[_DESCRIPTION]))
        arrays |= {f"read/{name}/{key}": value for key, value in step.items() if key != _DESCRIPTION}
    for name in facts:
        step = checkpoints.get(f"effect-{name.casefold()}", bind(_effects, inputs, name, draws, progress))
        read[name]["effects"] = json.loads(str(step[_DESCRIPTION]))
        arrays |= {f"effect/{name}/{key}": value for key, value in step.items() if key != _DESCRIPTION}
    pairs = _paired(inputs, spec, draws, (progress, checkpoints))
    arrays |= pairs[0]
    moved, stressed = _stressed(inputs, spec, (progress, checkpoints))
    arrays |= moved
    progress("confounding", 0, 1)
    found = confounding(_facts(inputs, fact, spec), draws["n_permutations"], seed)
    meta = {
        "fact": fact,
        "facts": facts,
        "label": spec["label"],
        "paired_by": spec["paired_by"],
        "set_title": inputs.sets[0].title,
        "is_control": bool(inputs.sets[0].model.get("is_control")),
        "n_features": inputs.sets[0].n_features,
        "n_slides": len(inputs.slides),
        "type_names": [str(name) for name in inputs.type_names],
        "has_cells": bool(cells),
        "halves": None if inputs.halves is None else inputs.halves.unit,
        "n_cells": cells["n"].tolist() if cells else [],
        "cell_unit": str(cells["unit"]) if cells else "",
        "sources": {name: SOURCES[name] for name in SOURCES},
        "n_columns": {name: int(columns.size) for name, columns in groups.items()},
        "read": read,
        "paired": pairs[1],
        "stress": stressed,
        "confounding": [_plain(asdict(one)) for one in found],
        "settings": {
            **draws,
            "n_shuffles": int(spec["n_shuffles"]),
            "neighbours": _n_neighbours(spec),
        },
        "slides": [slide.name for slide in inputs.slides],
    }
    arrays.pop("cells/unit", None)
    progress("confounding", 1, 1)
    return StudyResult(arrays, meta)


def _predict_spec(spec: Mapping[str, Any], stage: str) -> PredictSpec:
    return PredictSpec(
        seed=int(spec["seed"]),
        n_shuffles=int(spec["n_shuffles"]),
        n_bootstrap=int(spec["n_bootstrap"]),
        most_tiles=int(spec["most_tiles"]),
        stage=stage,
    )


def _n_neighbours(spec: Mapping[str, Any]) -> int:
    return int(spec["neighbours"])


def _read(
    inputs: StudyInput, wish: tuple[str, Mapping[str, Any], Mapping[str, Ints]], progress: Progress
) -> Arrays:
    """Predictability and neighbour index of every source, as arrays, with a description as JSON."""
    fact, spec, groups = wish
    settings = _predict_spec(spec, f"read the {fact}")
    judged = judged_tiles(inputs, fact, settings)
    if judged is None:
        nothing = {
            "reason": f"no slide has a {fact} on record",
            "sources": [],
            "held_out": False,
            "note": "",
            "left_out": [],
        }
        return {_DESCRIPTION: np.array(json.dumps(nothing))}
    rows = tile_rows(inputs, judged, groups, settings.seed)
    kinds, what = _tile_classes(inputs, judged, spec)
    found: dict[str, Predictability] = {}
    indices: dict[str, NeighbourIndex] = {}
    for name, columns in rows.items():
        stage = f"read the {fact} from {SOURCES[name]}"
        found[name] = predict_slide_label(columns, judged.units, replace(settings, stage=stage), progress)
        index_stage = bind(progress, f"neighbours by {SOURCES[name]}")
        indices[name] = _neighbours(columns, judged, kinds, spec, index_stage)
    names = list(rows)
    one = found[FEATURES]
    description = {
        "reason": one.reason,
        "sources": names,
        "held_out": judged.held_out,
        "note": judged.note,
        "left_out": list(judged.left_out),
        "draws_over": "all patients",
        "classes": list(one.classes),
        "groups_per_class": [int(n) for n in one.groups_per_class],
        "n_patients": int(one.n_groups),
        "n_slides": int(one.n_slides),
        "n_tiles": int(one.n_tiles),
        "n_folds": int(one.n_folds),
        "n_arrangements": min(int(one.n_arrangements), 10**9),
        "has_patients": any(inputs.slides[k].patient for k in judged.slides),
        "width": {name: int(columns.shape[1]) for name, columns in rows.items()},
        "index_classes": what,
        "index_reasons": {name: index.reason for name, index in indices.items()},
        "n_index_tiles": int((kinds >= 0).sum()),
    }
    arrays: dict[str, npt.NDArray[Any]] = {_DESCRIPTION: np.array(json.dumps(description))}
    arrays["scores"] = np.array([[getattr(found[name], field) for field in SCORES] for name in names])
    arrays["index"] = np.array([[getattr(indices[name], field) for field in INDEX_FIELDS] for name in names])
    if all(found[name].null.size for name in names):
        arrays["null"] = np.array([found[name].null for name in names])
    return arrays


def _tile_classes(inputs: StudyInput, judged: JudgedTiles, spec: Mapping[str, Any]) -> tuple[Ints, str]:
    """Class of each judged tile, -1 for none, and what the classes are."""
    if spec["label"]:
        texts = inputs.fact(str(spec["label"]))
        names = sorted({texts[k] for k in judged.slides if texts[k]})
        number = {name: i for i, name in enumerate(names)} | {"": -1}
        sizes = [tiles.size for tiles in judged.tiles]
        return np.repeat([number[texts[k]] for k in judged.slides], sizes).astype(np.int64), str(
            spec["label"]
        )
    found = []
    for k, tiles in zip(judged.slides, judged.tiles, strict=True):
        counts = np.nan_to_num(np.asarray(inputs.slides[k].counts, np.float64)[tiles])
        if counts.shape[1] == 0:
            return np.full(sum(some.size for some in judged.tiles), -1, np.int64), ""
        found.append(np.where(counts.max(axis=1) > 0, counts.argmax(axis=1), -1))
    return np.concatenate(found).astype(np.int64), "most frequent cell type"


def _neighbours(
    columns: Any, judged: JudgedTiles, kinds: Ints, spec: Mapping[str, Any], step: Any
) -> NeighbourIndex:
    units = judged.units
    keep = np.flatnonzero(kinds >= 0)
    scanner, patient = units.label[units.slide][keep], units.group[units.slide][keep]
    if np.unique(kinds[keep]).size < 2 or np.unique(scanner).size < 2:
        return NeighbourIndex(reason="there are not two classes of tiles and two labels")
    draws = int(spec["n_bootstrap"]), int(spec["seed"])
    return robustness_index(columns[keep], (kinds[keep], scanner, patient), _n_neighbours(spec), draws, step)


def _effects(inputs: StudyInput, fact: str, draws: Mapping[str, int], progress: Progress) -> Arrays:
    known = labelled(inputs, fact)
    slides = frequent(inputs, fact, known, 2) or known
    nothing = {"reason": f"fewer than two values of {fact} have two patients each", "classes": []}
    if not slides:
        return {_DESCRIPTION: np.array(json.dumps(nothing))}
    units = slide_units(inputs, fact, slides)
    if len(units.classes) < 2 or min(groups_per_class(units)) < 2:
        return {_DESCRIPTION: np.array(json.dumps({**nothing, "classes": list(units.classes)}))}
    some = inputs.sets[0]
    means = slide_means([some.features[k] for k in slides], [some.valid[k] for k in slides])
    found = effect_sizes(
        means, units, 5 * draws["n_permutations"], draws["seed"], bind(progress, f"effect of {fact}")
    )
    description = {
        "reason": "",
        "classes": list(units.classes),
        "groups_per_class": groups_per_class(units),
        "design": found.design,
        "has_patients": any(inputs.slides[k].patient for k in slides),
        "n_units": found.n_units,
        "n_groups": found.n_groups,
        "n_slides": len(slides),
        "left_out": sorted({inputs.fact(fact)[k] for k in known} - set(units.classes)),
        "n_labellings": found.n_labellings,
    }
    arrays = {name: getattr(found, name) for name in EFFECT_FIELDS}
    vectors = raw_means(inputs, slides, bind(progress, f"effect of {fact}: mean vectors"))
    if vectors is not None:
        raw = effect_sizes(
            vectors, units, draws["n_permutations"], draws["seed"], bind(progress, f"effect of {fact}: raw")
        )
        arrays |= {f"raw_{name}": getattr(raw, name) for name in RAW_EFFECT_FIELDS}
    return {_DESCRIPTION: np.array(json.dumps(description)), **arrays}


def _paired(
    inputs: StudyInput, spec: Mapping[str, Any], draws: Mapping[str, int], tools: tuple[Progress, Checkpoints]
) -> tuple[dict[str, npt.NDArray[Any]], dict[str, Any]]:
    if not spec["paired_by"]:
        return {}, {"reason": "no column was named that says which slides are scans of one glass"}
    columns = str(spec["fact"]), str(spec["paired_by"])

    def make() -> Arrays:
        found = paired_scans(
            inputs, 0, columns, (draws["n_bootstrap"], draws["seed"]), bind(tools[0], "paired scans")
        )
        about = {
            "reason": found.reason,
            "scanners": list(found.scanners),
            "n_glasses": found.n_glasses,
            "n_units": found.n_units,
            "n_tiles": found.n_tiles,
            "has_raw": found.raw is not None,
        }
        made: dict[str, npt.NDArray[Any]] = {_DESCRIPTION: np.array(json.dumps(about))}
        for name, agreement in ((FEATURES, found.features), (RAW, found.raw)):
            if agreement is not None:
                made |= agreement.arrays(f"paired/{name}")
        return made

    step = dict(tools[1].get("paired", make))
    about = json.loads(str(step.pop(_DESCRIPTION)))
    return step, about


def _stressed(
    inputs: StudyInput, spec: Mapping[str, Any], tools: tuple[Progress, Checkpoints]
) -> tuple[dict[str, npt.NDArray[Any]], dict[str, Any]]:
    found = stress(inputs, int(spec.get("stress_tiles") or 0), int(spec["seed"]), *tools)
    arrays: dict[str, npt.NDArray[Any]] = {}
    for name, movement in ((FEATURES, found.features), (RAW, found.raw)):
        if movement is not None:
            arrays |= movement.arrays(f"stress/{name}")
    return arrays, {
        "reason": found.reason,
        "n_tiles": found.n_tiles,
        "n_slides": found.n_slides,
        "drift": float(found.drift) if np.isfinite(found.drift) else None,
        "kinds": [{"name": k.name, "strengths": list(k.strengths), "unit": k.unit} for k in KINDS],
    }


def _facts(inputs: StudyInput, fact: str, spec: Mapping[str, Any]) -> SlideFacts:
    slides = labelled(inputs, fact)
    left_out = {fact.casefold(), str(spec["paired_by"] or "").casefold()}
    keys = dict.fromkeys(
        key for k in slides for key in inputs.slides[k].facts if key.casefold() not in left_out
    )
    columns = {key: _values(inputs, key, slides) for key in keys}
    shares = np.full((len(slides), len(inputs.type_names)), np.nan)
    for i, k in enumerate(slides):
        counts = np.asarray(inputs.slides[k].counts, np.float64)[inputs.sets[0].valid[k]]
        summed = counts[np.isfinite(counts).all(axis=1)].sum(axis=0)
        if summed.size and summed.sum() > 0:
            shares[i] = summed / summed.sum()
    return SlideFacts(
        labels=_values(inputs, fact, slides),
        groups=[inputs.slides[k].unit for k in slides],
        columns=columns,
        shares=shares,
    )


def _values(inputs: StudyInput, key: str, slides: Sequence[int]) -> list[str]:
    texts = inputs.fact(key)
    return [texts[k] for k in slides]


def _plain(record: dict[str, Any]) -> dict[str, Any]:
    """The same without numbers that JSON does not know."""
    return {
        key: None if isinstance(value, float) and not np.isfinite(value) else value
        for key, value in record.items()
    }
