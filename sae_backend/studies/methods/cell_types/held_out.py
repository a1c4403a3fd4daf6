"""How well one feature set follows cells on the held-out half, beside its baselines."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from sae_backend.correlation.representations import PCA, RANDOM, RAW, SAE
from sae_backend.correlation.result import PEARSON, CorrelationSpec
from sae_backend.correlation.run import RunInput, run
from sae_backend.statistics.slide_parts import SlidePart
from sae_backend.statistics.split import REPORT, half_of
from sae_backend.studies.framework.inputs import StudyInput
from sae_backend.studies.framework.result import Arrays, Progress
from sae_backend.studies.methods.cell_types.monosemanticity import raw_entropies

REPRESENTATIONS: Final = (SAE, RAW, PCA, RANDOM)
"""What is compared, the features first."""

BEST_FIELDS: Final = ("column", "choose", "value", "ci_low", "ci_high")
PROBE_FIELDS: Final = ("probe_r2", "probe_low", "probe_high")
RUN_META: Final = "run_meta"


@dataclass(frozen=True)
class CellQuestion:
    """What is asked of the cells.

    Attributes
    ----------
    inputs
        Slides and sets.
    types
        Numbers of the cell types of which at least one tile has a count.
    spec
        Seeds and draws.
    """

    inputs: StudyInput
    types: tuple[int, ...]
    spec: CorrelationSpec

    @property
    def names(self) -> list[str]:
        """Names of these types."""
        return [str(self.inputs.type_names[c]) for c in self.types]

    def parts(self, number: int) -> list[SlidePart]:
        """Slides with the features of one set and the counts of these types; slides without any count are left out."""
        chosen = list(self.types)
        parts = [replace(part, counts=part.counts[:, chosen]) for part in self.inputs.parts(number)]
        return [part for part in parts if np.isfinite(part.counts).all(axis=1).any()]

    def reporting(self, number: int) -> list[SlidePart]:
        """Those of the held-out half; all where nothing is held out."""
        parts = self.parts(number)
        return parts if self.inputs.halves is None else half_of(parts, self.inputs.halves, REPORT)


def cell_question(inputs: StudyInput, spec: Mapping[str, Any]) -> CellQuestion:
    """Take the types that have counts, and the draws of a study's settings (`seed`, `n_bootstrap`, `n_permutations`)."""
    known = [
        c
        for c in range(len(inputs.type_names))
        if any(np.isfinite(slide.counts[:, c]).any() for slide in inputs.slides)
    ]
    draws: dict[str, Any] = {
        key: int(spec[key]) for key in ("n_bootstrap", "n_permutations", "seed") if spec.get(key) is not None
    }
    plain = CorrelationSpec(statistics=(PEARSON,))
    return CellQuestion(inputs, tuple(known), replace(plain, **draws))


def judge_set(question: CellQuestion, number: int, progress: Progress) -> dict[str, npt.NDArray[Any]]:
    """Best columns, numbers above the null and entropies of one set.

    Returns
    -------
    dict
        For each of `REPRESENTATIONS` its `BEST_FIELDS` (C,) and `PROBE_FIELDS` (k, C) as `sae/value`, NaN where there
        is none; `p` (C,), the family-wise p of the best feature; `beats` (F,) and `entropy` (F,) of the features,
        `raw_beats` (d,) and `raw_entropy` (d,) of the dimensions; `best_type` (F,); `run_meta`, JSON of what was run.
    """
    inputs, n_types = question.inputs, len(question.types)
    counted = np.ones(n_types, np.bool_)
    parts = question.parts(number)
    if not parts:
        return _nothing(n_types, inputs.sets[number].n_features)
    wanted = RunInput(parts, question.names, counted, inputs.halves)
    found = run(wanted, question.spec, progress)
    arrays = found.arrays
    made: dict[str, npt.NDArray[Any]] = {}
    for name in REPRESENTATIONS:
        for key in (*BEST_FIELDS, *PROBE_FIELDS):
            made[f"{name}/{key}"] = arrays.get(f"baseline/{name}/{key}", _missing(key, n_types, arrays))
    column = made["sae/column"]
    p = arrays[f"{PEARSON}/p"]
    made["p"] = np.array([p[j, c] if j >= 0 else np.nan for c, j in enumerate(column)], np.float64)
    made["beats"] = arrays["selectivity/beats_null"].astype(np.bool_)
    made["entropy"] = arrays["selectivity/entropy"]
    made["best_type"] = arrays["selectivity/best_type"]
    made["r"] = arrays[f"{PEARSON}/value"]
    raw = raw_entropies(question.reporting(number), question.names, question.spec, progress)
    made |= {f"raw_{key}": value for key, value in raw.arrays().items()}
    meta = {
        key: found.meta[key]
        for key in (
            "n_tiles",
            "n_slides",
            "n_clusters",
            "unit",
            "kind",
            "method",
            "notes",
            "held_out",
            "split",
            "judged",
        )
    }
    made[RUN_META] = np.array(json.dumps({**meta, "n_raw_tiles": raw.n_tiles}))
    return made


def run_meta(found: Arrays) -> dict[str, Any]:
    """What :func:`judge_set` said of its run; empty where there were no cells."""
    return dict(json.loads(str(found[RUN_META])))


def _missing(key: str, n_types: int, arrays: Arrays) -> npt.NDArray[Any]:
    """A baseline that could not be had."""
    if key == "column":
        return np.full(n_types, -1, np.int64)
    if key in PROBE_FIELDS:
        return np.full(arrays[f"baseline/{SAE}/{key}"].shape, np.nan)
    return np.full(n_types, np.nan)


def _nothing(n_types: int, n_features: int) -> dict[str, npt.NDArray[Any]]:
    made: dict[str, npt.NDArray[Any]] = {}
    for name in REPRESENTATIONS:
        made[f"{name}/column"] = np.full(n_types, -1, np.int64)
        for key in BEST_FIELDS[1:]:
            made[f"{name}/{key}"] = np.full(n_types, np.nan)
        for key in PROBE_FIELDS:
            made[f"{name}/{key}"] = np.full((0, n_types), np.nan)
    return made | {
        "p": np.full(n_types, np.nan),
        "beats": np.zeros(n_features, np.bool_),
        "entropy": np.full(n_features, np.nan),
        "best_type": np.full(n_features, -1, np.int64),
        "r": np.full((n_features, n_types), np.nan),
        "raw_beats": np.zeros(0, np.bool_),
        "raw_entropy": np.zeros(0),
        RUN_META: np.array("{}"),
    }
