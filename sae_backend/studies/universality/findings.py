"""What a study of universality stored, as values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from sae_backend.studies.framework.result import StudyResult
from sae_backend.studies.framework.typed import typed, under

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

MATCHED, AS_RANDOM = "matched", "as random directions"


@dataclass(frozen=True)
class BestHistograms:
    """How many features have a best partner of each r (bins,): found, and under each kind of chance; `edges` (bins + 1,)."""

    edges: Floats
    n_found: Floats
    n_exchanged: Floats
    n_random: Floats
    n_shuffled: Floats


@dataclass(frozen=True)
class PairFindings:
    """Two sets matched: F features of the one, whose they are, with those of the other.

    Attributes
    ----------
    of, set
        Numbers of the two sets.
    n_live
        Features of each that fire often enough.
    n_tiles, n_units, unit
        Tiles and units of the discovery and held-out halves, and what a unit is.
    arrangement, n_exchanged, n_random, n_random_tiles, n_shuffled, n_exchanged_beyond_shuffled
        How chance was drawn and how often; the last how often shuffled tiles were too lenient, None where not known.
    mean_r, mean_r_interval
        Mean held-out r of all pairs, and its interval; None for what is not known.
    state, other_state
        What became of each feature, and of those of the other set: a number of `names`.
    names
        Of the states.
    partner, best_partner
        Number of the feature's own partner, and of the best one that others may have, too; -1 for none.
    r_choose, r_report, low, high, cosine, best_r
        r where the partner was chosen and held out, with its interval; cosine of the directions; r of the best partner.
    p_exchanged, q_exchanged, limit_exchanged, p_random, q_random, limit_random, chance_random
        What either chance gives.
    is_mutual, reason
        Whether each is the other's best; why there is no held-out r.
    histograms
        r of the best partners.
    """

    of: int
    set: int
    n_live: tuple[int, int]
    n_tiles: tuple[int, int]
    n_units: tuple[int, int]
    unit: str
    arrangement: str
    n_exchanged: int
    n_random: int
    n_random_tiles: int
    n_shuffled: int
    n_exchanged_beyond_shuffled: int | None
    mean_r: float | None
    mean_r_interval: tuple[float | None, float | None]
    names: list[str]
    state: Ints
    other_state: Ints
    partner: Ints
    best_partner: Ints
    r_choose: Floats
    r_report: Floats
    low: Floats
    high: Floats
    cosine: Floats
    best_r: Floats
    p_exchanged: Floats
    q_exchanged: Floats
    limit_exchanged: Floats
    p_random: Floats
    q_random: Floats
    limit_random: Floats
    chance_random: Floats
    is_mutual: Bools
    reason: Ints
    histograms: BestHistograms

    @property
    def is_judged(self) -> bool:
        """Whether anything can be said of chance, and there are features to say it of."""
        return bool(self.n_live[0] and (self.n_exchanged or self.n_random))

    def is_matched(self, least: float) -> Bools:
        """Which features have a partner above both chances and of this r at least (F,)."""
        return self._is(least, MATCHED)

    def comes_back(self, least: float) -> Bools:
        """The same, with those that random directions come as close to (F,)."""
        return self._is(least, MATCHED, AS_RANDOM)

    def _is(self, least: float, *names: str) -> Bools:
        wanted = [self.names.index(name) for name in names]
        return np.asarray(np.isin(self.state, wanted) & (self.r_report >= least), np.bool_)


@dataclass(frozen=True)
class MatchedSet:
    """One of the SAEs; `training_tiles` says whether it was trained on those of the first."""

    title: str
    n_features: int
    training_tiles: str


@dataclass(frozen=True)
class MeanDifference:
    """Mean r of the pairs of the reference less that of the first set's, with its interval; None for what is not known."""

    value: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Reference:
    """An SAE of the first one's recipe and seed on the tiles of the others.

    Attributes
    ----------
    set
        Its number.
    first_tiles
        Whether the first SAE was trained on the same tiles: `same`, `other` or `unknown`.
    pairs
        It, matched with the others.
    differences
        For each of them.
    stability
        Of its features, empty where it was matched with none.
    """

    set: int
    first_tiles: str
    pairs: Sequence[PairFindings]
    differences: Sequence[MeanDifference]
    stability: Floats

    @property
    def has_other_tiles(self) -> bool:
        """Whether it is on record that the first SAE was trained on other tiles."""
        return self.first_tiles == "other"


@dataclass(frozen=True)
class UniversalityFindings:
    """What was found of the features of the first set.

    Attributes
    ----------
    sets
        All SAEs, the one it is about first.
    pairs
        The first set, matched with each of the others.
    seed_sets, stability_over
        Numbers of the sets that differ in the seed alone, and of those that stability is over.
    states, reasons
        Names of what becomes of a feature, and of why it has no held-out r.
    n_slides, n_patients
        Numbers.
    held_out, halves_unit
        Whether a half reports that did not choose, and what is on either.
    min_active
        Tiles that a feature must fire in.
    warnings
        What has to be known.
    stability, stability_min, found_in
        Mean and least held-out r of a feature's partners, and the share of the sets it comes back in (F,).
    between
        Mean r of each two sets (S, S).
    reference
        None where none was needed.
    """

    sets: Sequence[MatchedSet]
    pairs: Sequence[PairFindings]
    seed_sets: Sequence[int]
    stability_over: Sequence[int]
    states: list[str]
    reasons: list[str]
    n_slides: int
    n_patients: int
    held_out: bool
    halves_unit: str | None
    min_active: int
    warnings: Sequence[str]
    stability: Floats
    stability_min: Floats
    found_in: Floats
    between: Floats
    reference: Reference | None

    @classmethod
    def of(cls, result: StudyResult) -> UniversalityFindings:
        """Read back what was stored."""
        arrays, meta = result.arrays, result.meta
        about = meta["reference"]
        reference = None
        if about is not None:
            reference = typed(
                Reference,
                about,
                pairs=[_pair(result, each) for each in about["comparisons"]],
                differences=[typed(MeanDifference, each) for each in about["differences"]],
                stability=arrays.get("reference/stability", np.zeros(0)),
            )
        return typed(
            cls,
            meta,
            arrays,
            sets=[typed(MatchedSet, some) for some in meta["sets"]],
            pairs=[_pair(result, each) for each in meta["comparisons"]],
            min_active=meta["settings"]["min_active"],
            reference=reference,
        )

    def called(self, title: str) -> UniversalityFindings:
        """The same with another name of the SAE that it is about."""
        first, *others = self.sets
        return replace(self, sets=[replace(first, title=title), *others])

    def title_of(self, pair: PairFindings) -> str:
        """What the other set of a pair is called."""
        return self.sets[pair.set].title

    def pair_with(self, number: int) -> PairFindings:
        """The first set, matched with set `number`."""
        return next(pair for pair in self.pairs if pair.set == number)


def _pair(result: StudyResult, about: dict[str, int]) -> PairFindings:
    of, number = about["of"], about["set"]
    # Under the number of the other set alone where it is the first one that is matched.
    arrays = under(result.arrays, str(number) if of == 0 else f"{of}-{number}")
    return typed(
        PairFindings, about, arrays, names=result.meta["states"], histograms=typed(BestHistograms, arrays)
    )
