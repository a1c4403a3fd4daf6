"""Which pairs of a run to show, and in which order; all on arrays."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from desktop_app.project.correlation.frame import LEVEL, CorrelationFrame

Ints = npt.NDArray[np.int64]

EVERYTHING, SMALL_Q, SMALL_P, ABOVE_BAND = "", "q", "p", "band"
BY_FEATURE, BY_GAP = -1, -2
"""Orders of the matrix beside the columns of types: by number, and by selectivity."""


@dataclass(frozen=True)
class PairQuery:
    """What is looked for: `words` of a number, a type or a name; `only` what is sure.

    A word of digits is the number of a feature, one that is part of a type's name narrows the types, and any
    other one the names of the features.
    """

    words: str = ""
    only: str = EVERYTHING


@dataclass(frozen=True)
class Names:
    """What people called the features, in lower case, by number."""

    by_feature: dict[int, str] = field(default_factory=dict)

    def of(self, feature: int) -> str:
        """Name of a feature, empty where it has none."""
        return self.by_feature.get(feature, "")


@dataclass(frozen=True)
class Found:
    """What a query lets through: features (n,), columns of types (m,), and which of all pairs (F, C) are sure enough."""

    features: Ints
    columns: Ints
    sure: npt.NDArray[np.bool_]


def sure_pairs(frame: CorrelationFrame, only: str) -> npt.NDArray[np.bool_]:
    """Pairs (F, C) that are as sure as is asked for."""
    if only == SMALL_Q:
        return np.nan_to_num(frame.q, nan=1.0) < LEVEL
    if only == SMALL_P:
        return np.nan_to_num(frame.p, nan=1.0) < LEVEL
    if only == ABOVE_BAND:
        return frame.above_band
    return np.ones(frame.shape, np.bool_)


def find(frame: CorrelationFrame, query: PairQuery, names: Names) -> Found:
    """Features and types that a query names, and the pairs that are sure enough."""
    n_features, n_types = frame.shape
    types = [name.casefold() for name in frame.type_names]
    rows, columns = np.ones(n_features, np.bool_), np.ones(n_types, np.bool_)
    words = query.words.casefold().split()
    numbers = [int(word) for word in words if word.isdigit()]
    if numbers:
        rows = np.isin(np.arange(n_features), numbers)
    for word in (word for word in words if not word.isdigit()):
        of_type = np.array([word in name for name in types], np.bool_)
        if of_type.any():
            columns &= of_type
        else:
            named = [feature for feature, name in names.by_feature.items() if word in name.casefold()]
            rows &= np.isin(np.arange(n_features), named)
    sure = sure_pairs(frame, query.only)
    if query.only:
        rows &= sure[:, columns].any(axis=1)
    return Found(np.flatnonzero(rows), np.flatnonzero(columns), sure)


def matrix_order(frame: CorrelationFrame, features: Ints, by: int, *, largest_first: bool) -> Ints:
    """Features in the order of one column's |r|, of their selectivity, or of their number; NaN comes last."""
    if by == BY_FEATURE:
        return features[::-1] if largest_first else features
    keys = frame.gap[features] if by == BY_GAP else np.abs(frame.value[features, by])
    return features[ordered(keys, largest_first=largest_first)]


def ordered(keys: npt.NDArray[np.floating], *, largest_first: bool) -> Ints:
    """Places of keys (n,) from large to small or the other way; NaN comes last, equals keep their order."""
    values = np.asarray(keys, np.float64)
    return np.argsort(np.where(np.isnan(values), np.inf, -values if largest_first else values), kind="stable")
