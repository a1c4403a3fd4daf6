"""Two autoencoders on the same tiles: which features they share, and which only one of them has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from sae_backend.studies.given import StudyInput
from sae_backend.studies.matching.chance_tiles import arrangements
from sae_backend.studies.matching.cross_products import Columns, correlation_blocks, watched
from sae_backend.studies.matching.family_chance import FamilyChance, family_chance, is_beyond
from sae_backend.studies.matching.feature_matching import Candidates, Matching, best_values, match
from sae_backend.studies.matching.pair_sums import PairSums, mean_interval, pair_intervals, pair_sums
from sae_backend.studies.matching.set_chance import (
    Draws,
    Pair,
    exchanged,
    random_dictionaries,
    shuffled_tiles,
)
from sae_backend.studies.matching.set_space import pair_cosines
from sae_backend.studies.matching.shared_tiles import SharedTiles, shared_halves
from sae_backend.studies.result import Arrays, Progress, Steps

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

STATES: Final = (
    "matched", "as random directions", "not confirmed", "shares a partner", "private", "not judged", "not live",
)  # fmt: skip
"""What a feature is: its pair beats chance family-wise on the half that chooses, and has a held-out r above what
chance gives the best partner on average; does so against exchanged units, but random dictionaries come as close;
does not have that held-out r; its best partner is above chance but belongs to another feature; has none above
chance; chance could not be judged; too rare."""

MATCHED, AS_RANDOM, NOT_CONFIRMED, SHARES, PRIVATE, NOT_JUDGED, NOT_LIVE = range(len(STATES))

REASONS: Final = (
    "",
    "fires in too few tiles of the half that chooses",
    "has no partner left",
    "constant on the half that reports",
)
"""Why there is no held-out r."""

_BINS: Final = np.linspace(-1, 1, 81)


@dataclass(frozen=True)
class Settings:
    """Settings of a comparison.

    Attributes
    ----------
    seed
        Decides all draws.
    min_active
        A feature that fires in fewer tiles of the half that chooses takes no part.
    n_null, n_random, n_boot
        Exchanges of patients, random dictionaries, and draws of the bootstrap.
    """

    seed: int
    min_active: int
    n_null: int
    n_random: int
    n_boot: int

    @classmethod
    def of(cls, spec: Mapping[str, Any]) -> Settings:
        """Take them from the settings of a study."""
        keys = ("seed", "min_active", "n_null", "n_random", "n_boot")
        return cls(**{key: int(spec[key]) for key in keys})


@dataclass(frozen=True)
class Comparison:
    """A pair of sets compared; arrays over the F features of the first and the G of the second."""

    arrays: Arrays
    meta: Mapping[str, Any]


@dataclass(frozen=True)
class _Halves:
    """Both halves of the tiles, and the live features of both sets on them."""

    choose: SharedTiles
    report: SharedTiles
    live: tuple[Ints, Ints]
    chosen: tuple[Columns, Columns]
    reported: tuple[Columns, Columns]


def compare(
    given: StudyInput, number: int, settings: Settings, progress: Progress, steps: Steps
) -> Comparison:
    """Compare the first set with set `number`: matched on one half of the patients, judged on the other.

    Raises
    ------
    UserInputError
        When a half has no tile that both sets know.
    """
    title = given.sets[number].title
    total = settings.n_null + 2 * settings.n_random + 3

    def alive(done: int) -> None:
        progress(f"match with {title}", min(done, total), total)

    alive(0)
    halves = _halves(given, (0, number), settings.min_active, lambda: alive(0))
    pair = Pair(
        f"set-{number}",
        halves.choose,
        (0, number),
        *halves.chosen,
        seed=settings.seed,
    )
    found = match(watched(correlation_blocks(pair.left, pair.right), lambda: alive(0)), pair.shape)
    ways = arrangements(halves.choose, settings.n_null, settings.seed)
    by_patient = exchanged(pair, ways, lambda p: alive(1 + p), steps)
    by_random = random_dictionaries(pair, settings.n_random, lambda p: alive(1 + settings.n_null + p), steps)
    by_tile = shuffled_tiles(pair, lambda _: alive(total - 2), steps)
    judged = _Judged.of(pair, found, by_patient, by_random)
    held = _held_out(halves, found, settings, lambda: alive(total - 1))
    cosine, mean_cosine = pair_cosines(given.sets[0], given.sets[number], halves.live, found.partner)
    arrays = _arrays(given, number, halves, (found, judged, held, cosine))
    arrays |= _histograms(found, by_patient, by_random, by_tile)
    alive(total)
    meta = _meta(pair, halves, (ways.words, ways.n), (by_patient, by_random, by_tile))
    meta |= {
        "mean_r": _plain(held.mean),
        "mean_r_interval": [_plain(end) for end in held.mean_interval.tolist()],
        "mean_cosine": _plain(mean_cosine),
    }
    return Comparison(arrays, meta)


def shared_r(
    given: StudyInput, numbers: tuple[int, int], min_active: int, alive: Callable[[], None] = lambda: None
) -> float:
    """Mean held-out r of the one-to-one partners of two sets, a feature without one counting 0.

    The mean is over the live features of the set that has fewer; NaN without any. With cosines in place of
    correlations it is the PW-MCC of Song et al. 2025 (arXiv 2505.20254). `alive` is called now and then, and may raise.
    """
    halves = _halves(given, numbers, min_active, alive)
    left, right = halves.chosen
    if 0 in (left.n_features, right.n_features):
        return float("nan")
    found = match(watched(correlation_blocks(left, right), alive), (left.n_features, right.n_features))
    chosen = np.flatnonzero(found.partner >= 0)
    sums = pair_sums(*halves.reported, (chosen, found.partner[chosen]), halves.report.clusters, alive)
    return float(np.nan_to_num(sums.r()).sum() / min(left.n_features, right.n_features))


def _halves(
    given: StudyInput, numbers: tuple[int, int], min_active: int, alive: Callable[[], None]
) -> _Halves:
    choose, report = shared_halves(given, numbers)
    chosen = [Columns(choose.activations(number, alive)) for number in numbers]
    live = [np.flatnonzero(columns.n_active >= max(min_active, 1)) for columns in chosen]
    alive()
    kept = [columns.only(features) for columns, features in zip(chosen, live, strict=True)]
    alive()
    told = kept
    if report is not choose:
        told = [
            Columns(report.activations(number, alive)).only(features)
            for number, features in zip(numbers, live, strict=True)
        ]
    return _Halves(choose, report, (live[0], live[1]), (kept[0], kept[1]), (told[0], told[1]))


@dataclass(frozen=True)
class _Judged:
    """Chance of the pair of each feature of the first set, and of the best partner in both sets."""

    pair: tuple[FamilyChance, FamilyChance]
    left: tuple[FamilyChance, FamilyChance]
    right: tuple[FamilyChance, FamilyChance]

    @classmethod
    def of(cls, pair: Pair, found: Matching, by_patient: Draws, by_random: Draws) -> _Judged:
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
class _HeldOut:
    """Correlations on the half that reports, of the live features of the first set; NaN without a partner."""

    r: Floats
    low: Floats
    high: Floats
    mean: float
    mean_interval: Floats


def _held_out(halves: _Halves, found: Matching, settings: Settings, alive: Callable[[], None]) -> _HeldOut:
    known = np.flatnonzero(found.partner >= 0)
    clusters = halves.report.clusters
    sums: PairSums = pair_sums(*halves.reported, (known, found.partner[known]), clusters, alive)
    alive()
    r, low, high = np.full((3, found.partner.size), np.nan)
    r[known] = sums.r()
    low[known], high[known] = pair_intervals(sums, clusters, settings.n_boot, settings.seed, alive)
    alive()
    interval = (
        mean_interval(sums.r, clusters, settings.n_boot, settings.seed) if known.size else np.full(2, np.nan)
    )
    mean = float(np.nanmean(r)) if np.isfinite(r).any() else float("nan")
    return _HeldOut(r, low, high, mean, interval)


def _arrays(
    given: StudyInput,
    number: int,
    halves: _Halves,
    found: tuple[Matching, _Judged, _HeldOut, Floats],
) -> dict[str, npt.NDArray[Any]]:
    matching, judged, held, cosine = found
    n_left, n_right = given.sets[0].n_features, given.sets[number].n_features
    live, others = halves.live
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


def _histograms(found: Matching, *draws: Draws) -> dict[str, npt.NDArray[Any]]:
    """Best correlations of the features of the first set in bins: found, and mean number in the draws."""
    arrays: dict[str, npt.NDArray[Any]] = {"edges": _BINS}
    arrays["n_found"] = np.histogram(found.left.best[np.isfinite(found.left.best)], _BINS)[0]
    for name, some in zip(("exchanged", "random", "shuffled"), draws, strict=True):
        n = max(len(some.left), 1)
        arrays[f"n_{name}"] = np.histogram(some.left[np.isfinite(some.left)], _BINS)[0] / n
    return arrays


def _meta(
    pair: Pair,
    halves: _Halves,
    ways: tuple[str, int],
    draws: tuple[Draws, Draws, Draws],
) -> dict[str, Any]:
    by_patient, by_random, by_tile = draws
    lenient = None
    if by_patient.left.size and by_tile.left.size:
        limit = by_tile.left.max()
        lenient = int((by_patient.left.max(axis=1) > limit).sum())
    return {
        "set": pair.numbers[1],
        "n_live": list(pair.shape),
        "n_tiles": [halves.choose.n_rows, halves.report.n_rows],
        "n_units": [halves.choose.clusters.n_clusters, halves.report.clusters.n_clusters],
        "unit": halves.report.clusters.unit,
        "arrangement": ways[0],
        "n_exchanged": ways[1],
        "n_random": len(by_random.left),
        "n_random_tiles": int(pair.sample().size) if len(by_random.left) else 0,
        "n_shuffled": len(by_tile.left),
        "n_exchanged_beyond_shuffled": lenient,
        "notes": list(dict.fromkeys([*halves.choose.clusters.notes, *halves.report.clusters.notes])),
    }


def _plain(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
