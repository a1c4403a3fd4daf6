"""How often the correlation table claims something in worlds where there is nothing to find."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy import stats

from sae_backend.correlation.engine import CorrelationSpec, SlidePart, correlate
from sae_backend.errors import UserInputError

LEVEL: Final = 0.05
"""Family-wise level at which a claim counts."""


@dataclass(frozen=True)
class NullRate:
    """Claims in null worlds.

    Attributes
    ----------
    n_worlds
        Worlds tested.
    worlds_with_claim
        How many of them had any feature claimed for any type, with p (family-wise, over all features
        and types) of at most 0.05.
    claims_by_type
        In how many worlds each type had a claim.
    n_slides, n_features
        Slides in each world, and features that fire often enough to be tested.
    n_permutations
        Exchanges of slides behind each p.
    """

    n_worlds: int
    worlds_with_claim: int
    claims_by_type: dict[str, int]
    n_slides: int
    n_features: int
    n_permutations: int

    @property
    def share_of_worlds(self) -> float:
        """Share of worlds with any claim; at most 0.05 is promised."""
        return self.worlds_with_claim / self.n_worlds

    @property
    def share_of_types(self) -> float:
        """Share of all (world, type) pairs with a claim."""
        return sum(self.claims_by_type.values()) / (self.n_worlds * len(self.claims_by_type))

    def interval(self) -> tuple[float, float]:
        """95 % Wilson interval of `share_of_worlds`."""
        found = stats.binomtest(self.worlds_with_claim, self.n_worlds).proportion_ci(method="wilson")
        return float(found.low), float(found.high)

    def to_json(self) -> dict[str, Any]:
        """All numbers, for files."""
        low, high = self.interval()
        return {
            "n_worlds": self.n_worlds,
            "worlds_with_claim": self.worlds_with_claim,
            "share_of_worlds": self.share_of_worlds,
            "share_of_worlds_ci": [low, high],
            "share_of_types": self.share_of_types,
            "claims_by_type": self.claims_by_type,
            "n_slides": self.n_slides,
            "n_features": self.n_features,
            "n_permutations": self.n_permutations,
            "level": LEVEL,
        }


def null_rate(
    parts: Sequence[SlidePart],
    maps: npt.NDArray[np.int32],
    type_names: Sequence[str],
    *,
    n_worlds: int,
    n_permutations: int,
    progress: Callable[[int, int], None] | None = None,
    seed: int = 0,
) -> NullRate:
    """Correlate real features with counts of strangers.

    Every world gives each slide the counts of another, unrelated tissue, mirrored and shifted (what leaves on one
    side enters on the other), so that counts keep the smoothness and the differences between slides that real
    ones have. Without the shift the edges of both sections would lie on each other, which is something to find.

    Parameters
    ----------
    parts
        Features on their tiles; `counts` are replaced.
    maps
        (M, rows, cols, C) int32: counts of M unrelated tissues, on grids like those of the parts.
    type_names
        Names of the C types.
    n_worlds, n_permutations
        Worlds, and exchanges of slides in each.
    progress
        Called with worlds done and in all.
    seed
        Decides which tissue goes where.

    Raises
    ------
    UserInputError
        When there are fewer tissues than slides.
    """
    if len(maps) < len(parts):
        raise UserInputError(
            f"{len(maps)} unrelated tissues are too few for {len(parts)} slides.",
            "Draw at least one for each slide.",
        )
    rng = np.random.Generator(np.random.Philox([seed, 0x17]))
    claims = dict.fromkeys(type_names, 0)
    n_claimed, n_features = 0, 0
    for world in range(n_worlds):
        chosen = rng.choice(len(maps), len(parts), replace=False)
        dressed = [
            replace(part, counts=_laid(maps[k], part, rng)) for part, k in zip(parts, chosen, strict=True)
        ]
        spec = CorrelationSpec(n_bootstrap=1, n_permutations=n_permutations, seed=world)
        found = correlate(dressed, type_names, spec)
        hit = np.atleast_1d((found.pearson.p_fwer <= LEVEL).any(axis=0))
        n_features = int((found.reason == "").any(axis=1).sum())
        n_claimed += bool(hit.any())
        for name, is_hit in zip(type_names, hit, strict=True):
            claims[name] += bool(is_hit)
        if progress is not None:
            progress(world + 1, n_worlds)
    return NullRate(n_worlds, n_claimed, claims, len(parts), n_features, n_permutations)


def _laid(counts: npt.NDArray[np.int32], part: SlidePart, rng: np.random.Generator) -> npt.NDArray[np.int32]:
    """Counts (N, C) of the part's tiles from a map that is mirrored in one of four ways and shifted."""
    turn = int(rng.integers(4))
    placed = counts[:: -1 if turn & 1 else 1, :: -1 if turn & 2 else 1]
    shift = (int(rng.integers(placed.shape[0])), int(rng.integers(placed.shape[1])))
    placed = np.roll(placed, shift, axis=(0, 1))
    rows = np.minimum(part.rows, placed.shape[0] - 1)
    cols = np.minimum(part.cols, placed.shape[1] - 1)
    return np.ascontiguousarray(placed[rows, cols])
