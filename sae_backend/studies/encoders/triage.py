"""What a feature finds by labels and without them, in words that a threshold decides."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sae_backend.studies.encoders.findings import SetFeatures
from sae_backend.studies.framework.report import Threshold

Floats = npt.NDArray[np.float64]

SECOND_THRESHOLD = Threshold(
    "second", "A second type counts from this share of the first one's lift", 0.0, 1.0, 0.05, 0.5
)
NO_LABEL, NO_TYPE, ONE_TYPE, SEVERAL = "not judged", "no type", "one type", "several types"
NEVER, SILENT = "never fires", "silent where reported"
_LEAST_LIFT = 1e-9
"""Less is what rounding leaves of nothing."""


@dataclass(frozen=True)
class TriagedFeatures:
    """Features of one set, arrays (F,).

    Attributes
    ----------
    lift
        Average precision above the prevalence, as a share of what is possible, for each type (F, C).
    best, second
        Largest and second largest lift, NaN where there is none.
    top
        Number of the type with the largest lift, -1 for none.
    label_entropy
        Entropy in nats of the lifts above 0, each divided by their sum; NaN where none is above 0.
    words
        What labels say: `no type` (no lift above 0), `one type`, `several types` or `not judged`; `never fires` and
        `silent where reported` of features that fire in no tile, or in none of the held-out half.
    above_chance
        Whether the label-free score is above the 95 % quantile of all features' scores by chance.
    """

    lift: Floats
    best: Floats
    second: Floats
    top: npt.NDArray[np.int64]
    label_entropy: Floats
    words: tuple[str, ...]
    above_chance: npt.NDArray[np.bool_]


def triaged(some: SetFeatures, second_share: float) -> TriagedFeatures:
    """Judge the features of a set; a second type counts from this share of the lift of the first."""
    auprc, prevalence = some.auprc, some.prevalence
    room = np.where(prevalence < 1, 1 - prevalence, np.nan)
    lift = (auprc - prevalence) / room
    lift = np.where(np.abs(lift) < _LEAST_LIFT, 0.0, lift)
    known = np.isfinite(lift).any(axis=1) if lift.shape[1] else np.zeros(len(lift), np.bool_)
    filled = np.where(np.isfinite(lift), lift, -np.inf)
    ordered = np.sort(filled, axis=1)[:, ::-1] if lift.shape[1] else np.full((len(lift), 1), -np.inf)
    best = np.where(known, ordered[:, 0], np.nan)
    second = (
        np.where(known & np.isfinite(ordered[:, 1]), ordered[:, 1], np.nan)
        if ordered.shape[1] > 1
        else best * np.nan
    )
    top = np.where(known, filled.argmax(axis=1), -1) if lift.shape[1] else np.full(len(lift), -1)
    score, chance = some.score, some.limit_of_chance
    return TriagedFeatures(
        lift,
        best,
        second,
        top.astype(np.int64),
        _entropy(lift),
        tuple(
            _silence(*shares) or _word(a, b, second_share)
            for a, b, shares in zip(best, second, some.firing, strict=True)
        ),
        np.asarray(np.isfinite(score) & (np.nan_to_num(score, nan=-np.inf) > chance), np.bool_),
    )


def _entropy(lift: Floats) -> Floats:
    above = np.maximum(np.nan_to_num(lift), 0)
    total = above.sum(axis=1, keepdims=True)
    share = above / np.where(total > 0, total, 1)
    entropy = -(share * np.log(np.where(share > 0, share, 1))).sum(axis=1)
    # Not -0.0, which is what a single type gives.
    return np.where(total[:, 0] > 0, entropy + 0.0, np.nan)


def _silence(everywhere: float, reported: float) -> str:
    """What to say of a feature that does not fire; empty of one that does, or where nobody looked."""
    return NEVER if everywhere == 0 else SILENT if reported == 0 else ""


def _word(best: float, second: float, second_share: float) -> str:
    if not np.isfinite(best):
        return NO_LABEL
    if best <= 0:
        return NO_TYPE
    return SEVERAL if np.isfinite(second) and second > 0 and second >= second_share * best else ONE_TYPE
