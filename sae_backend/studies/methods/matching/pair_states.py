"""What becomes of each feature of two matched sets: its pair, its chance, and the word for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from sae_backend.studies.methods.matching.cross_products import Columns, correlation_blocks
from sae_backend.studies.methods.matching.family_chance import FamilyChance, family_chance, is_beyond
from sae_backend.studies.methods.matching.feature_matching import Candidates, Matching, best_values
from sae_backend.studies.methods.matching.set_chance import Draws, Pair

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

STATES: Final = (
    "matched", "as random directions", "not confirmed", "shares a partner", "private", "not judged", "not live",
)  # fmt: skip
"""What a feature is: its pair beats chance family-wise on the discovery half, and has a held-out r above what
chance gives the best partner on average; does so against exchanged units, but random dictionaries come as close;
does not have that held-out r; its best partner is above chance but belongs to another feature; has none above
chance; chance could not be judged; too rare."""

MATCHED, AS_RANDOM, NOT_CONFIRMED, SHARES, PRIVATE, NOT_JUDGED, NOT_LIVE = range(len(STATES))

REASONS: Final = (
    "",
    "fires in too few tiles of the discovery half",
    "has no partner left",
    "constant on the held-out half",
)
"""Why there is no held-out r."""

_BINS: Final = np.linspace(-1, 1, 81)


@dataclass(frozen=True)
class LiveFeatures:
    """Features of both sets that take part, and how many each set has in all."""

    left: Ints
    right: Ints
    sizes: tuple[int, int]


@dataclass(frozen=True)
class Judged:
    """Chance of the pair of each feature of the first set, and of the best partner in both sets."""

    pair: tuple[FamilyChance, FamilyChance]
    left: tuple[FamilyChance, FamilyChance]
    right: tuple[FamilyChance, FamilyChance]

    @classmethod
    def of(cls, pair: Pair, found: Matching, by_patient: Draws, by_random: Draws) -> Judged:
        """Judge what was found by what exchanged units and random dictionaries gave."""
        value, best = found.value, (found.left.best, found.right.best)
        rows = pair.sample()
        sampled = value, best
        if rows.size < pair.tiles.n_rows:
            # Random dictionaries saw a sample: what is compared with them is that of the sample, too.
            left, right = pair.left.rows(rows), pair.right.rows(rows)
            sampled = (
                _pair_r(left, right, found.partner),
                best_values(correlation_blocks(left, right), pair.shape),
            )
        return cls(
            (family_chance(value, by_patient.left), family_chance(sampled[0], by_random.left)),
            (family_chance(best[0], by_patient.left), family_chance(sampled[1][0], by_random.left)),
            (family_chance(best[1], by_patient.right), family_chance(sampled[1][1], by_random.right)),
        )


def _pair_r(left: Columns, right: Columns, partner: Ints) -> Floats:
    ones = np.ones(left.n_rows)
    (mean_l, scale_l), (mean_r, scale_r) = left.mean_and_scale(ones), right.mean_and_scale(ones)
    known = np.flatnonzero(partner >= 0)
    other = partner[known]
    products = left.by_feature[:, known].multiply(right.by_feature[:, other]).sum(axis=0)
    found = np.full(partner.size, np.nan)
    centred = products - left.n_rows * mean_l[known] * mean_r[other]
    found[known] = np.clip(centred * scale_l[known] * scale_r[other], -1, 1)
    return found


@dataclass(frozen=True)
class HeldOut:
    """Correlations on the held-out half, of the live features of the first set; NaN without a partner.

    `mean_draws` (B,) are those of the mean when units are drawn again, empty where there are too few units.
    """

    r: Floats
    low: Floats
    high: Floats
    mean: float
    mean_interval: Floats
    mean_draws: Floats


def pair_arrays(
    features: LiveFeatures, matching: Matching, judged: Judged, held: HeldOut, cosine: Floats
) -> dict[str, npt.NDArray[Any]]:
    """All that is known of each feature of the first set (F,), and the state of those of the second (G,)."""
    n_left, n_right = features.sizes
    live, others = features.left, features.right
    beyond, is_judged = is_beyond(judged.pair)
    # The partner is fixed by now: on the other half there is no best of many to be exceeded.
    limits = [np.nan_to_num(chance.mean, nan=-np.inf) for chance in judged.pair]
    confirmed = np.nan_to_num(held.r, nan=-np.inf) > np.maximum(*limits)
    # Exchanged units say whether two features go together at all, random dictionaries whether that takes training.
    together, by_units = is_beyond(judged.pair[:1])
    again = together & (np.nan_to_num(held.r, nan=-np.inf) > limits[0])
    pairs = np.stack([beyond & confirmed, again & by_units, (beyond | (together & by_units))])
    state = _states(is_judged, is_beyond(judged.left[:1])[0] | is_beyond(judged.left)[0], pairs)
    other_pairs = np.zeros((3, others.size), np.bool_)
    known = matching.partner >= 0
    other_pairs[:, matching.partner[known]] = pairs[:, known]
    best_beyond, other_judged = is_beyond(judged.right)
    other_state = _states(other_judged, is_beyond(judged.right[:1])[0] | best_beyond, other_pairs)
    reason = np.where(known, np.where(np.isfinite(held.r), 0, 3), 2)

    def wide(values: npt.NDArray[Any], empty: Any, size: int = n_left, at: Ints = live) -> npt.NDArray[Any]:
        whole = np.full(size, empty, values.dtype)
        whole[at] = values
        return whole

    def numbers(places: Ints, of: Ints) -> Ints:
        return np.where(places >= 0, of[np.maximum(places, 0)], -1) if of.size else np.full(places.size, -1)

    left: Candidates = matching.left
    pair, nan = judged.pair, np.nan
    return {
        "partner": wide(numbers(matching.partner, others), -1),
        "best_partner": wide(numbers(left.partner[:, 0], others), -1),
        "best_r": wide(left.best, nan),
        "r_choose": wide(matching.value, nan),
        "r_report": wide(held.r, nan),
        "low": wide(held.low, nan),
        "high": wide(held.high, nan),
        "cosine": wide(cosine, nan),
        "is_mutual": wide(matching.is_mutual, False),
        "p_exchanged": wide(pair[0].p, nan),
        "q_exchanged": wide(pair[0].q, nan),
        "limit_exchanged": wide(pair[0].threshold, nan),
        "chance_exchanged": wide(pair[0].mean, nan),
        "p_random": wide(pair[1].p, nan),
        "q_random": wide(pair[1].q, nan),
        "limit_random": wide(pair[1].threshold, nan),
        "chance_random": wide(pair[1].mean, nan),
        "state": wide(state, NOT_LIVE),
        "reason": wide(reason.astype(np.int8), 1),
        "other_state": wide(other_state, NOT_LIVE, n_right, others),
    }


def _states(
    is_judged: bool, best: npt.NDArray[np.bool_], pairs: npt.NDArray[np.bool_]
) -> npt.NDArray[np.int8]:
    """State of each feature; `pairs` (3, F): matched, again beyond exchanged units, beyond any chance where chosen."""
    if not is_judged:
        return np.full(best.size, NOT_JUDGED, np.int8)
    matched, again, beyond = pairs
    rest = np.where(best, SHARES, PRIVATE)
    rest = np.where(beyond, NOT_CONFIRMED, rest)
    return np.where(matched, MATCHED, np.where(again, AS_RANDOM, rest)).astype(np.int8)


def best_histograms(found: Matching, *draws: Draws) -> dict[str, npt.NDArray[Any]]:
    """Best correlations of the features of the first set in bins: found, and mean number in the draws."""
    arrays: dict[str, npt.NDArray[Any]] = {"edges": _BINS}
    arrays["n_found"] = np.histogram(found.left.best[np.isfinite(found.left.best)], _BINS)[0]
    for name, some in zip(("exchanged", "random", "shuffled"), draws, strict=True):
        n = max(len(some.left), 1)
        arrays[f"n_{name}"] = np.histogram(some.left[np.isfinite(some.left)], _BINS)[0] / n
    return arrays
