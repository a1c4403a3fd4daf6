"""Two autoencoders on the same tiles: which features they share, and which only one of them has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sae_backend.studies.framework.inputs import StudyInput
from sae_backend.studies.framework.result import Arrays, Checkpoints, Progress
from sae_backend.studies.methods.matching.chance_tiles import arrangements
from sae_backend.studies.methods.matching.cross_products import Columns, correlation_blocks, watched
from sae_backend.studies.methods.matching.feature_matching import Matching, match
from sae_backend.studies.methods.matching.pair_states import (
    HeldOut,
    Judged,
    LiveFeatures,
    best_histograms,
    pair_arrays,
)
from sae_backend.studies.methods.matching.pair_sums import (
    PairSums,
    drawn_means,
    middle_of,
    pair_intervals,
    pair_sums,
)
from sae_backend.studies.methods.matching.set_chance import (
    Draws,
    Pair,
    exchanged,
    random_dictionaries,
    shuffled_tiles,
)
from sae_backend.studies.methods.matching.set_space import pair_cosines
from sae_backend.studies.methods.matching.shared_tiles import SharedTiles, shared_halves

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Settings:
    """Settings of a comparison.

    Attributes
    ----------
    seed
        Decides all draws.
    min_active
        A feature that fires in fewer tiles of the discovery half takes no part.
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
    inputs: StudyInput,
    numbers: tuple[int, int],
    settings: Settings,
    progress: Progress,
    checkpoints: Checkpoints,
) -> Comparison:
    """Compare two sets: matched on one half of the patients, judged on the other.

    Parameters
    ----------
    inputs
        Slides and sets.
    numbers
        Of the two sets; what is said of features is said of those of the first one.
    settings
        Draws.
    progress
        Takes (stage, done, total).
    checkpoints
        Where finished draws are kept.

    Raises
    ------
    UserInputError
        When a half has no tile that both sets know.
    """
    one, other = (inputs.sets[number] for number in numbers)
    stage = f"match with {other.title}" if numbers[0] == 0 else f"match {one.title} with {other.title}"
    total = settings.n_null + 2 * settings.n_random + 3

    def reach(done: int) -> None:
        progress(stage, min(done, total), total)

    reach(0)
    halves = _halves(inputs, numbers, settings.min_active, lambda: reach(0))
    pair = Pair(
        f"set-{numbers[1]}" if numbers[0] == 0 else f"set-{numbers[0]}-{numbers[1]}",
        halves.choose,
        numbers,
        *halves.chosen,
        seed=settings.seed,
    )
    found = match(watched(correlation_blocks(pair.left, pair.right), lambda: reach(0)), pair.shape)
    ways = arrangements(halves.choose, settings.n_null, settings.seed)
    by_patient = exchanged(pair, ways, lambda p: reach(1 + p), checkpoints)
    by_random = random_dictionaries(
        pair, settings.n_random, lambda p: reach(1 + settings.n_null + p), checkpoints
    )
    by_tile = shuffled_tiles(pair, lambda _: reach(total - 2), checkpoints)
    judged = Judged.of(pair, found, by_patient, by_random)
    held = _held_out(halves, found, settings, lambda: reach(total - 1))
    cosine, mean_cosine = pair_cosines(one, other, halves.live, found.partner)
    features = LiveFeatures(*halves.live, (one.n_features, other.n_features))
    arrays = pair_arrays(features, found, judged, held, cosine)
    arrays |= {"mean_draws": held.mean_draws}
    arrays |= best_histograms(found, by_patient, by_random, by_tile)
    reach(total)
    meta = _meta(pair, halves, (ways.words, ways.n), (by_patient, by_random, by_tile))
    meta |= {
        "mean_r": _plain(held.mean),
        "mean_r_interval": [_plain(end) for end in held.mean_interval.tolist()],
        "mean_cosine": _plain(mean_cosine),
    }
    return Comparison(arrays, meta)


def shared_r(
    inputs: StudyInput,
    numbers: tuple[int, int],
    min_active: int,
    check_cancelled: Callable[[], None] = lambda: None,
) -> float:
    """Mean held-out r of the one-to-one partners of two sets, a feature without one counting 0.

    The mean is over the live features of the set that has fewer; NaN without any. With cosines in place of
    correlations it is the PW-MCC of Song et al. 2025 (arXiv 2505.20254). `check_cancelled` is called now and then, and may raise.
    """
    halves = _halves(inputs, numbers, min_active, check_cancelled)
    left, right = halves.chosen
    if 0 in (left.n_features, right.n_features):
        return float("nan")
    found = match(
        watched(correlation_blocks(left, right), check_cancelled), (left.n_features, right.n_features)
    )
    chosen = np.flatnonzero(found.partner >= 0)
    sums = pair_sums(
        *halves.reported, (chosen, found.partner[chosen]), halves.report.clusters, check_cancelled
    )
    return float(np.nan_to_num(sums.r()).sum() / min(left.n_features, right.n_features))


def _halves(
    inputs: StudyInput, numbers: tuple[int, int], min_active: int, check_cancelled: Callable[[], None]
) -> _Halves:
    choose, report = shared_halves(inputs, numbers)
    chosen = [Columns(choose.activations(number, check_cancelled)) for number in numbers]
    live = [np.flatnonzero(columns.n_active >= max(min_active, 1)) for columns in chosen]
    check_cancelled()
    kept = [columns.only(features) for columns, features in zip(chosen, live, strict=True)]
    check_cancelled()
    told = kept
    if report is not choose:
        told = [
            Columns(report.activations(number, check_cancelled)).only(features)
            for number, features in zip(numbers, live, strict=True)
        ]
    return _Halves(choose, report, (live[0], live[1]), (kept[0], kept[1]), (told[0], told[1]))


def _held_out(
    halves: _Halves, found: Matching, settings: Settings, check_cancelled: Callable[[], None]
) -> HeldOut:
    known = np.flatnonzero(found.partner >= 0)
    clusters = halves.report.clusters
    sums: PairSums = pair_sums(*halves.reported, (known, found.partner[known]), clusters, check_cancelled)
    check_cancelled()
    r, low, high = np.full((3, found.partner.size), np.nan)
    r[known] = sums.r()
    low[known], high[known] = pair_intervals(sums, clusters, settings.n_boot, settings.seed, check_cancelled)
    check_cancelled()
    draws = drawn_means(sums.r, clusters, settings.n_boot, settings.seed) if known.size else np.zeros(0)
    mean = float(np.nanmean(r)) if np.isfinite(r).any() else float("nan")
    return HeldOut(r, low, high, mean, middle_of(draws), draws)


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
        "of": pair.numbers[0],
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
