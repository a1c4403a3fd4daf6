"""A stored run of correlations as it is looked at: one statistic of all pairs, on arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from desktop_app.store import CorrelationRecord

Floats = npt.NDArray[np.float64]

STATISTIC_WORDS: Final = {
    "pearson": "Pearson",
    "spearman": "Spearman",
    "log_pearson": "Pearson, log counts",
    "within": "within slides",
    "partial": "partial",
}
"""Names of the statistics as people read them."""

LEVEL: Final = 0.05
"""Below it p and q count as small."""

SIGNIFICANT, FDR_ONLY, NOT_SIGNIFICANT, UNKNOWN, NO_VALUE = "told", "likely", "chance", "unknown", "no value"
_FIELDS: Final = (
    "value", "ci_low", "ci_high", "p", "q", "p_single", "same_sign", "choose", "reason", "band",
)  # fmt: skip
_SHARED: Final = ("auroc", "reason", "selectivity/beats_null", "selectivity/gap", "selectivity/entropy")
_OF_BASELINES: Final = (
    "column", "choose", "value", "ci_low", "ci_high", "probe_r2", "probe_low", "probe_high",
)  # fmt: skip


@dataclass(frozen=True)
class Baseline:
    """The best column of one representation for each type; arrays as in `sae_backend.correlation.baselines.Best`."""

    title: str
    column: npt.NDArray[np.int64]
    choose: Floats
    value: Floats
    ci_low: Floats
    ci_high: Floats
    probe_r2: Floats
    probe_low: Floats
    probe_high: Floats


@dataclass(frozen=True)
class Pair:
    """All that is known of one feature and one type; NaN where there is no number."""

    feature: int
    type_name: str
    value: float
    ci_low: float
    ci_high: float
    p: float
    q: float
    p_single: float
    same_sign: float
    choose: float
    auroc: float
    band: float
    reason: str
    verdict: str

    @property
    def has_interval(self) -> bool:
        """Whether both ends of the interval are known."""
        return bool(np.isfinite(self.ci_low) and np.isfinite(self.ci_high))


class CorrelationFrame:
    """F features against C types by one statistic of a run.

    Attributes
    ----------
    record
        The run.
    statistic
        Which of its statistics.
    value, ci_low, ci_high, p, q, p_single, same_sign, choose, auroc
        float64 (F, C), NaN where there is none.
    reason
        Codes into `reasons`, (F, C).
    band
        What the best of all features reaches by chance, (C,).
    """

    def __init__(
        self, record: CorrelationRecord, statistic: str, arrays: Mapping[str, npt.NDArray[Any]]
    ) -> None:
        self.record, self.statistic = record, statistic
        self._arrays = arrays
        self.value: Floats = np.asarray(arrays[f"{statistic}/value"], np.float64)
        self.shape: tuple[int, int] = self.value.shape
        self.type_names = tuple(str(name) for name in record.meta["type_names"])
        self.reasons = tuple(str(text) for text in record.meta.get("reasons") or ("",))
        self.ci_low, self.ci_high = self._of("ci_low"), self._of("ci_high")
        self.p, self.q, self.p_single = self._of("p"), self._of("q"), self._of("p_single")
        self.same_sign, self.choose = self._of("same_sign"), self._of("choose")
        self.auroc = self._floats("auroc", self.shape)
        self.band = self._floats(f"{statistic}/band", (self.shape[1],))
        own, shared = arrays.get(f"{statistic}/reason"), arrays.get("reason")
        codes = own if own is not None else shared
        self.reason = codes if codes is not None else np.zeros(self.shape, np.uint8)

    @staticmethod
    def names(statistic: str, meta: Mapping[str, Any]) -> tuple[str, ...]:
        """Names of the arrays that a frame takes, where the run has them."""
        baselines = [
            f"baseline/{name}/{key}" for name in meta.get("baselines") or () for key in _OF_BASELINES
        ]
        return (*(f"{statistic}/{field}" for field in _FIELDS), *_SHARED, *baselines)

    def _of(self, field: str) -> Floats:
        return self._floats(f"{self.statistic}/{field}", self.shape)

    def _floats(self, name: str, shape: tuple[int, ...]) -> Floats:
        found = self._arrays.get(name)
        return np.full(shape, np.nan) if found is None else np.asarray(found, np.float64)

    @property
    def meta(self) -> dict[str, Any]:
        """What the run says of itself."""
        return self.record.meta

    @property
    def is_held_out(self) -> bool:
        """Whether features were chosen on other tiles than those that `value` is of."""
        return bool(self.meta.get("held_out"))

    @cached_property
    def above_band(self) -> npt.NDArray[np.bool_]:
        """Pairs (F, C) whose |r| lies above what the best of all features reaches by chance."""
        return np.abs(np.nan_to_num(self.value)) > np.where(np.isfinite(self.band), self.band, np.inf)

    @cached_property
    def gap(self) -> Floats:
        """Largest |r| less the second largest of each feature (F,): its selectivity."""
        known = self._arrays.get("selectivity/gap")
        if known is not None and len(known) == self.shape[0]:
            return np.asarray(known, np.float64)
        if self.shape[1] < 2:
            return np.full(self.shape[0], np.nan)
        ordered = np.sort(np.abs(np.nan_to_num(self.value)), axis=1)
        return np.asarray(ordered[:, -1] - ordered[:, -2], np.float64)

    @cached_property
    def baselines(self) -> dict[str, Baseline]:
        """What was judged on the same tiles, by name; none where they were switched off."""
        titles = self.meta.get("baseline_titles") or {}
        return {
            name: Baseline(
                str(titles.get(name, name)),
                *(self._arrays[f"baseline/{name}/{key}"] for key in _OF_BASELINES),
            )
            for name in self.meta.get("baselines") or ()
            if all(f"baseline/{name}/{key}" in self._arrays for key in _OF_BASELINES)
        }

    @cached_property
    def best_features(self) -> npt.NDArray[np.int64]:
        """The feature to name for each type (C,), -1 for none: the strongest where features were chosen."""
        strength = np.abs(self.choose if self.is_held_out else self.value)
        strength = np.where(np.isfinite(strength), strength, -1.0)
        if not self.shape[0]:
            return np.full(self.shape[1], -1)
        best = strength.argmax(axis=0)
        return np.where(strength[best, np.arange(self.shape[1])] >= 0, best, -1)

    def pair(self, feature: int, column: int) -> Pair:
        """Everything about one feature and the type in one column."""
        at = (feature, column)
        return Pair(
            feature=feature,
            type_name=self.type_names[column],
            value=float(self.value[at]),
            ci_low=float(self.ci_low[at]),
            ci_high=float(self.ci_high[at]),
            p=float(self.p[at]),
            q=float(self.q[at]),
            p_single=float(self.p_single[at]),
            same_sign=float(self.same_sign[at]),
            choose=float(self.choose[at]),
            auroc=float(self.auroc[at]),
            band=float(self.band[column]),
            reason=self.reasons[int(self.reason[at])],
            verdict=self.verdict(feature, column),
        )

    def verdict(self, feature: int, column: int) -> str:
        """How sure a pair is: `SIGNIFICANT` (p or interval leave no doubt), `FDR_ONLY` (only q), `NOT_SIGNIFICANT`, `UNKNOWN`, `NO_VALUE`.

        `UNKNOWN` is where the units were too few for an interval and for p.
        """
        at = (feature, column)
        if not np.isfinite(self.value[at]):
            return NO_VALUE
        if not (np.isfinite(self.p[at]) or np.isfinite(self.q[at])):
            return UNKNOWN
        low, high = self.ci_low[at], self.ci_high[at]
        if np.isfinite(low) and np.isfinite(high) and low <= 0 <= high:
            return NOT_SIGNIFICANT
        if self.p[at] < LEVEL:
            return SIGNIFICANT
        return FDR_ONLY if self.q[at] < LEVEL else NOT_SIGNIFICANT
