"""What an out-of-domain study stored, as values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sae_backend.studies.framework.result import StudyResult
from sae_backend.studies.framework.typed import typed, under

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class CohortFindings:
    """One cohort, and how the SAE does on it.

    Attributes
    ----------
    name
        Its value of the column.
    n_slides, n_patients, n_tiles
        Numbers.
    never_fires, rarely_fires
        Share of the features that fire in no tile, and in under 1 of 10,000.
    explained, l0
        Explained variance and mean number of features that fire, each with its interval (3,); None without embeddings.
    unit, n_clusters
        What is drawn again for r, and how many; empty without cells.
    """

    name: str
    n_slides: int
    n_patients: int
    n_tiles: int
    never_fires: float
    rarely_fires: float
    explained: Floats | None
    l0: Floats | None
    unit: str
    n_clusters: int


@dataclass(frozen=True)
class JudgedPairs:
    """P pairs of feature and cell type, chosen on half of cohort A (P,).

    Attributes
    ----------
    feature, type
        Their numbers.
    is_best
        Whether the feature is the best of its type.
    r_choose, r_a, low_a, high_a, r_b, low_b, high_b, p_b
        r where they were chosen, on the other half of A and on B, with intervals and p.
    difference_low, difference_high, p_difference
        Of A less B.
    verdict
        A code of `pairs.VERDICTS`.
    """

    feature: Ints
    type: Ints
    is_best: npt.NDArray[np.bool_]
    r_choose: Floats
    r_a: Floats
    low_a: Floats
    high_a: Floats
    r_b: Floats
    low_b: Floats
    high_b: Floats
    p_b: Floats
    difference_low: Floats
    difference_high: Floats
    p_difference: Floats
    verdict: Ints

    @property
    def best(self) -> Ints:
        """Places of the best ones."""
        return np.flatnonzero(self.is_best)


@dataclass(frozen=True)
class BestOfTypes:
    """The best column of a representation for each type (C,): its number, and r on A and on B with intervals."""

    title: str
    column: Ints
    a: Floats
    low_a: Floats
    high_a: Floats
    b: Floats
    low_b: Floats
    high_b: Floats


@dataclass(frozen=True)
class DomainFindings:
    """What was found on two cohorts.

    Attributes
    ----------
    a, b
        The cohorts.
    retrained
        Whether the SAE was trained on the first alone.
    n_features, type_names
        Number of features, and cell types (C,).
    held_out_variance
        Explained variance that the SAE's card says of tiles held out of its training; None where it says nothing.
    held_out, cut_slides
        Whether half of A chose and the other reports, and whether its slides were cut in two for that.
    n_beating_null
        Features that beat chance on the discovery half.
    pairs
        None without cells in both.
    best
        By representation.
    """

    a: CohortFindings
    b: CohortFindings
    retrained: bool
    n_features: int
    type_names: Sequence[str]
    held_out_variance: float | None
    held_out: bool
    pairs: JudgedPairs | None
    best: Mapping[str, BestOfTypes]
    cut_slides: bool = False
    n_beating_null: int = 0

    @classmethod
    def of(cls, result: StudyResult) -> DomainFindings:
        """Read back what was stored."""
        arrays, meta = result.arrays, result.meta
        return typed(
            cls,
            meta,
            a=_cohort(result, "a"),
            b=_cohort(result, "b"),
            held_out_variance=meta["sae_metrics"].get("explained_variance"),
            pairs=typed(JudgedPairs, under(arrays, "pair")) if meta["has_cells"] else None,
            best={
                name: typed(BestOfTypes, under(arrays, "best", name), title=title)
                for name, title in meta.get("representations", {}).items()
            },
        )

    @property
    def cohorts(self) -> tuple[CohortFindings, CohortFindings]:
        """Both."""
        return self.a, self.b


def _cohort(result: StudyResult, side: str) -> CohortFindings:
    arrays: Mapping[str, Any] = under(result.arrays, side)
    meta = {
        key.removesuffix(f"_{side}"): value for key, value in result.meta.items() if key.endswith(f"_{side}")
    }
    never, rarely = arrays["dead"].tolist()
    return typed(
        CohortFindings,
        {"n_clusters": 0, **meta},
        name=result.meta[side],
        n_tiles=int(arrays["n_tiles"]),
        never_fires=never,
        rarely_fires=rarely,
        explained=arrays.get("explained"),
        l0=arrays.get("l0"),
    )
