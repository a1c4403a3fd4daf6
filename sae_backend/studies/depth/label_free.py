"""Monosemanticity without labels, block by block, in the eyes of another encoder that saw the same tiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from sae_backend.studies.framework.inputs import FeatureSet, StudyInput
from sae_backend.studies.framework.result import Arrays, Progress
from sae_backend.studies.methods.cell_types.monosemanticity import entropy_contrast
from sae_backend.studies.methods.cell_types.monosemanticity_score import alikeness

_LIMIT: Final = 0.95
_ENDS: Final = (0.5, 0.25, 0.75)

FIELDS: Final = ("n", "median", "low quartile", "high quartile")


def without_judge(inputs: StudyInput) -> tuple[StudyInput, int | None]:
    """The blocks alone, and the number of the judging set among all; None where none has all its vectors."""
    blocks = [some for some in inputs.sets if not _is_judge(some)]
    judge = next(
        (
            k
            for k, some in enumerate(inputs.sets)
            if _is_judge(some) and all(vectors is not None for vectors in some.vectors)
        ),
        None,
    )
    return replace(inputs, sets=blocks), judge


def _is_judge(some: FeatureSet) -> bool:
    return bool(some.model.get("is_judge"))


def label_free(inputs: StudyInput, number: int, judge: int | None, progress: Progress) -> Arrays:
    """Scores of one block.

    Returns
    -------
    dict
        `alike/sae`, `alike/raw` (4,): `FIELDS` over the features and over the raw dimensions; `alike/pairs` (2,): mean
        cosine of all pairs of tiles, and number of tiles that both saw; `alike/above` (2,): features above what 95 % of
        them reach by chance, and that limit; `alike/effect` (1,): rank-biserial, above 0 where features score higher
        than dimensions. NaN where there is no judge.
    """
    if judge is None:
        return {
            "alike/sae": np.full(len(FIELDS), np.nan),
            "alike/raw": np.full(len(FIELDS), np.nan),
            "alike/pairs": np.full(2, np.nan),
            "alike/above": np.full(2, np.nan),
            "alike/effect": np.full(1, np.nan),
        }
    seen = alikeness(inputs, number, judge, progress)
    score, chance = seen.features.score, seen.features.chance
    raw = np.zeros(0) if seen.dimensions is None else seen.dimensions.score
    known = chance[np.isfinite(chance)]
    limit = float(np.quantile(known, _LIMIT)) if known.size else float("nan")
    above = float((score > limit).sum()) if np.isfinite(limit) else float("nan")
    return {
        "alike/sae": _summed_up(score),
        "alike/raw": _summed_up(raw),
        "alike/pairs": np.array([seen.all_pairs, float(seen.n_tiles)]),
        "alike/above": np.array([above, limit]),
        # Turned around, as a larger score is the better one here.
        "alike/effect": np.array([entropy_contrast(-score, -raw).effect]),
    }


def _summed_up(scores: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    fine = scores[np.isfinite(scores)]
    return np.array([fine.size, *(np.quantile(fine, _ENDS) if fine.size else [np.nan] * 3)], np.float64)


def side_by_side(found: Sequence[Arrays]) -> dict[str, npt.NDArray[Any]]:
    """The scores of all blocks (B, ...), by name."""
    return {
        key: np.stack([each[key] for each in found])
        for key in ("alike/sae", "alike/raw", "alike/pairs", "alike/above", "alike/effect")
    }


def judge_meta(inputs: StudyInput, judge: int | None) -> dict[str, Any] | None:
    """Who judged, None for nobody."""
    if judge is None:
        return None
    some = inputs.sets[judge]
    return {"title": some.title, "is_control": bool(some.model.get("is_control"))}
