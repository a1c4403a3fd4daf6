"""What a correlation of all features with all types gives: values, intervals, p, and why a pair has none."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from sae_backend.errors import UserInputError
from sae_backend.statistics.covariates import OTHER_TYPES

Floats = npt.NDArray[np.float64]

PEARSON, SPEARMAN, LOG, WITHIN, PARTIAL = "pearson", "spearman", "log_pearson", "within", "partial"
STATISTICS: Final = (PEARSON, SPEARMAN, LOG, WITHIN, PARTIAL)
"""Pearson; Spearman; Pearson with log(1 + count); Pearson pooled within slides; partial Pearson."""

REASONS: Final = (
    "",
    "constant feature",
    "constant cell type",
    "too few active tiles",
    "not a count",
    "only one slide",
    "explained by the covariates",
    "constant within every slide",
    "no tile has a value",
)
"""Why a pair has no value, by code; 0 is that it has one."""

(
    OK,
    CONSTANT_FEATURE,
    CONSTANT_TYPE,
    TOO_FEW_ACTIVE,
    NOT_A_COUNT,
    ONE_SLIDE,
    EXPLAINED,
    FLAT_WITHIN,
    NO_TILES,
) = range(len(REASONS))

STUDENTISED, BCA, PERCENTILE = "studentised", "bca", "percentile"
INTERVALS: Final = (STUDENTISED, BCA, PERCENTILE)
"""Bootstrap-t on Fisher's z; bias-corrected and accelerated; percentiles of the draws."""

LEVEL: Final = 0.95
"""Coverage of the intervals."""


@dataclass(frozen=True)
class CorrelationSpec:
    """How to judge the correlations.

    Attributes
    ----------
    n_bootstrap, n_permutations
        Draws for the intervals and for p.
    block_um
        Edge of a block in um, where blocks are the unit.
    seed
        Decides all that is drawn.
    min_active
        Least number of tiles in which a feature must fire.
    statistics
        Which of `STATISTICS`; partial needs `covariates`.
    covariates
        What the partial correlation holds fixed; see :func:`sae_backend.statistics.covariates.design`.
    cluster
        `auto`, `patient`, `slide` or `block`.
    interval
        `studentised`, `bca` or `percentile`: which of them stands in the table; the two others are kept
        where they were made. Partial correlations have no studentised one; theirs is then BCa.
    """

    n_bootstrap: int = 2000
    n_permutations: int = 999
    block_um: float = 1000.0
    seed: int = 0
    min_active: int = 10
    statistics: tuple[str, ...] = (PEARSON, SPEARMAN)
    covariates: tuple[str, ...] = ()
    cluster: str = "auto"
    interval: str = STUDENTISED

    def __post_init__(self) -> None:
        if min(self.n_bootstrap, self.n_permutations) < 1:
            raise UserInputError("The numbers of draws must be at least 1.", "The defaults are 2000 and 999.")
        if not (math.isfinite(self.block_um) and self.block_um > 0):
            raise UserInputError(
                f"A block edge of {self.block_um} um is not possible.", "Use a length such as 1000 um."
            )
        unknown = [name for name in self.statistics if name not in STATISTICS]
        if unknown or not self.statistics:
            raise UserInputError(
                f"There is no statistic called {', '.join(unknown) or 'nothing'}.",
                f"Use some of {', '.join(STATISTICS)}.",
            )
        if PARTIAL in self.statistics and not self.covariates:
            raise UserInputError(
                "A partial correlation needs covariates.",
                f"Name some, such as cellularity, {OTHER_TYPES}, stain, tissue, site or scanner.",
            )
        if self.interval not in INTERVALS:
            raise UserInputError(
                f"There is no interval called {self.interval!r}.", f"Use one of {', '.join(INTERVALS)}."
            )


@dataclass(frozen=True)
class PairStatistics:
    """One statistic of every pair, float64 (F, C) each, NaN where not defined.

    Attributes
    ----------
    value
        The correlation.
    ci_low, ci_high
        The 95 % interval that the spec asks for.
    bca_low, bca_high, percentile_low, percentile_high
        The interval by BCa and by percentiles.
    p_fwer, q_bh
        p corrected for all pairs at once by the largest of them, and the false discovery rate after
        Benjamini and Hochberg.
    p_single
        p of each pair by itself, from its own arrangements, no finer than their number.
    reason
        Codes into `REASONS`, uint8.
    band
        95 % quantile of the largest |r| of all features by chance, for each type (C,).
    same_sign
        Share of the slides with a value whose own r has the sign of the value (F, C).
    """

    value: Floats
    ci_low: Floats
    ci_high: Floats
    bca_low: Floats
    bca_high: Floats
    percentile_low: Floats
    percentile_high: Floats
    p_fwer: Floats
    q_bh: Floats
    p_single: Floats
    reason: npt.NDArray[np.uint8]
    band: Floats
    same_sign: Floats

    @classmethod
    def empty(cls, n_features: int, n_types: int) -> PairStatistics:
        """Nothing defined yet."""

        def nothing() -> Floats:
            return np.full((n_features, n_types), np.nan)

        return cls(
            value=nothing(),
            ci_low=nothing(),
            ci_high=nothing(),
            bca_low=nothing(),
            bca_high=nothing(),
            percentile_low=nothing(),
            percentile_high=nothing(),
            p_fwer=nothing(),
            q_bh=nothing(),
            p_single=nothing(),
            reason=np.zeros((n_features, n_types), np.uint8),
            band=np.full(n_types, np.nan),
            same_sign=nothing(),
        )

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """All arrays by the names under which they are stored."""
        return {
            "value": self.value,
            "ci_low": self.ci_low,
            "ci_high": self.ci_high,
            "bca_low": self.bca_low,
            "bca_high": self.bca_high,
            "percentile_low": self.percentile_low,
            "percentile_high": self.percentile_high,
            "p": self.p_fwer,
            "q": self.q_bh,
            "p_single": self.p_single,
            "reason": self.reason,
            "band": self.band,
            "same_sign": self.same_sign,
        }


@dataclass(frozen=True)
class CorrelationResult:
    """All correlations of one run.

    `statistics` holds one `PairStatistics` each; `auroc` (F, C) is how well a feature tells tiles
    with a type (for other numbers: above the median) from those without, NaN where not defined;
    `unit` names what was resampled, `n_clusters` how many of it there were; `notes` say what to be
    careful of; `n_arrangements` is how often each statistic that has a p was arranged anew; with `judged` off there is neither an
    interval nor a p.
    """

    type_names: tuple[str, ...]
    statistics: Mapping[str, PairStatistics]
    auroc: Floats
    n_tiles: int
    n_slides: int
    n_clusters: int
    unit: str
    kind: str
    method: str
    notes: tuple[str, ...]
    n_arrangements: Mapping[str, int]
    judged: bool

    @property
    def pearson(self) -> PairStatistics:
        """Pearson's r, where it was asked for."""
        return self.statistics[PEARSON]

    @property
    def spearman(self) -> PairStatistics:
        """Spearman's r, where it was asked for."""
        return self.statistics[SPEARMAN]

    @property
    def reason(self) -> npt.NDArray[np.object_]:
        """Why a pair has no value of the first statistic, in words, object (F, C) of str."""
        first = next(iter(self.statistics.values()))
        return np.array(REASONS, object)[first.reason]

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Everything by the names under which it is stored: `pearson/value` and so on."""
        found: dict[str, npt.NDArray[Any]] = {"auroc": self.auroc}
        for name, pairs in self.statistics.items():
            found |= {f"{name}/{key}": array for key, array in pairs.arrays().items()}
        found["reason"] = next(iter(self.statistics.values())).reason
        return found

    def rows(self) -> Iterator[dict[str, Any]]:
        """Give one dict a feature, type and statistic; what is not defined is None.

        `p` is the family-wise one and `q` that of Benjamini and Hochberg.
        """
        for statistic, pairs in self.statistics.items():
            fields = {
                "value": pairs.value,
                "ci_low": pairs.ci_low,
                "ci_high": pairs.ci_high,
                "p": pairs.p_fwer,
                "q": pairs.q_bh,
            }
            plain = {key: _or_none(array) for key, array in fields.items()}
            for feature, cell_type in np.ndindex(*pairs.value.shape):
                yield {
                    "feature": feature,
                    "cell_type": self.type_names[cell_type],
                    "n_tiles": self.n_tiles,
                    "n_slides": self.n_slides,
                    "statistic": statistic,
                    **{key: array[feature, cell_type] for key, array in plain.items()},
                    "method": self.method,
                    "unit": self.unit,
                    "reason": REASONS[pairs.reason[feature, cell_type]],
                }


def _or_none(array: Floats) -> npt.NDArray[np.object_]:
    plain = array.astype(object)
    plain[~np.isfinite(array)] = None
    return plain
