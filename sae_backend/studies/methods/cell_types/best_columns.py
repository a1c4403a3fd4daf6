"""What :func:`held_out.judge_set` stored of several sets, as values: their best columns, and how many beat chance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sae_backend.correlation.representations import PCA, RANDOM, RAW, SAE
from sae_backend.studies.framework.result import Arrays
from sae_backend.studies.framework.typed import typed, under
from sae_backend.studies.methods.cell_types.monosemanticity import EntropyContrast

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

BASELINE_TITLES: Mapping[str, str] = {
    RAW: "raw dimensions",
    PCA: "principal components",
    RANDOM: "random SAE",
}


@dataclass(frozen=True)
class BestColumns:
    """The best column of one representation in each of K sets for each of C types, (K, C) each.

    Attributes
    ----------
    column
        Its number, -1 for none.
    choose, value
        r on the discovery half it, and on the other.
    ci_low, ci_high
        Ends of the interval of `value`.
    probe_r2, probe_low, probe_high
        R2 of probes on the best columns (K, P, C); None where they were not asked for.
    """

    column: Ints
    choose: Floats
    value: Floats
    ci_low: Floats
    ci_high: Floats
    probe_r2: Floats | None = None
    probe_low: Floats | None = None
    probe_high: Floats | None = None

    @property
    def mean_r(self) -> Floats:
        """Mean r of each set (K,), the sign turned where the discovery half saw a negative one."""
        return row_means(self.value * np.where(self.choose < 0, -1.0, 1.0))

    def is_known(self, number: int | None = None) -> bool:
        """Whether there is a value, in one set or in any."""
        values = self.value if number is None else self.value[number]
        return bool(np.isfinite(values).any())


@dataclass(frozen=True)
class BeyondChance:
    """How many of the columns of each set follow some type more closely than chance, of how many (K,)."""

    n_beating: Ints
    n: Ints


@dataclass(frozen=True)
class CellColumns:
    """Best columns of the features and of their baselines, by representation.

    Attributes
    ----------
    best
        By representation.
    p
        Family-wise p of the best features (K, C).
    beyond
        Of features and raw dimensions.
    entropies
        Entropies of features beside those of dimensions, of each set.
    """

    best: Mapping[str, BestColumns]
    p: Floats
    beyond: Mapping[str, BeyondChance]
    entropies: list[EntropyContrast]

    @classmethod
    def of(cls, arrays: Arrays) -> CellColumns:
        """Read back what was stored."""
        return typed(
            cls,
            arrays,
            best={name: typed(BestColumns, under(arrays, name)) for name in (SAE, RAW, PCA, RANDOM)},
            beyond={name: typed(BeyondChance, under(arrays, name)) for name in (SAE, RAW)},
            entropies=[EntropyContrast(*row) for row in arrays["entropy_contrast"].tolist()],
        )

    @property
    def features(self) -> BestColumns:
        """Of the features."""
        return self.best[SAE]

    def without_baseline(self, number: int) -> list[str]:
        """Titles of the baselines that have no value in a set though its features do."""
        if not self.features.is_known(number):
            return []
        return [title for name, title in BASELINE_TITLES.items() if not self.best[name].is_known(number)]


def mean_of(values: Floats) -> float:
    """Mean of what is finite, NaN without."""
    fine = values[np.isfinite(values)]
    return float(fine.mean()) if fine.size else float("nan")


def row_means(values: Floats) -> Floats:
    """Mean of each row (B, C) over what is finite in it."""
    return np.array([mean_of(row) for row in values], np.float64)
