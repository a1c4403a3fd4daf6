"""What chance alone would show: correlations after whole units, or whole maps, have changed places."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy import sparse

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

TIE: Final = 1e-10
_BINS: Final = 4096


@dataclass(frozen=True)
class NullView:
    """One statistic as the null sees it: r = sum of (x - x_mean) * y under an arrangement, scaled.

    Attributes
    ----------
    y
        Counts, ranks or residuals (N, C), centred, zero where r is not defined.
    segment_sizes, unit_of_segment
        Pieces of the rows (S,) in which x has one mean, and the unit (S,) each lies in.
    centred_within
        Whether y is to be centred anew in each segment after it was laid there.
    controls
        Covariates (N, Q) that x was freed of; None for none.
    inverse
        Inverse (Q, Q) of the centred products of the covariates.
    mix
        Where the types are the first controls: what each type's residual is made of (C, Q), as a type
        is no control of its own.
    """

    y: Floats
    segment_sizes: Ints
    unit_of_segment: Ints
    centred_within: bool = False
    controls: Floats | None = None
    inverse: Floats | None = None
    mix: Floats | None = None


@dataclass(frozen=True)
class Span:
    """Some features as the null needs them.

    Attributes
    ----------
    first
        Number of the first.
    columns
        Sparse (N, f), row indices sorted.
    means
        Mean of each feature in each segment (f, S).
    scale
        One over the root of each feature's sum of squares, by type (f, C), 0 where r is not defined.
    observed
        |r| of the data (f, C), NaN where not defined.
    beta
        Coefficients of the features on the controls (f, Q).
    """

    first: int
    columns: sparse.csc_array
    means: Floats
    scale: Floats
    observed: Floats
    beta: Floats | None = None

    def column(self, f: int) -> tuple[npt.NDArray[np.int32], Floats]:
        """Rows and values of one feature."""
        part = slice(int(self.columns.indptr[f]), int(self.columns.indptr[f + 1]))
        return self.columns.indices[part], self.columns.data[part]


# r of a feature x and a column y under an arrangement pi (whole units exchanged, or maps shifted) is
#   r_pi = sum_i (x_i - mean) y_pi(i) / sqrt(sum (x - mean)^2 sum y^2).
# Family-wise p of a pair is (1 + number of arrangements in which the largest |r_pi| of all features and columns reaches
# |r|) / (1 + P) (Westfall and Young 1993, single step): it holds under any dependence between features, as all of them are
# arranged together. The data count as one arrangement (Phipson and Smyth 2010), so p is never 0 and never below 1 / (1 + P).
class Null:
    """The null of one statistic: how the arranged values spread, over all features together.

    Attributes
    ----------
    largest
        Largest |r| of any feature in each arrangement and for each type (P, C).
    reached
        In how many arrangements each pair reached its observed |r|, int64 (F, C).
    histogram
        Number of |r| of all pairs in all arrangements by size, int64 (4097,): bins of 1/4096.
    """

    def __init__(self, n_arrangements: int, n_features: int, n_types: int) -> None:
        self.largest = np.zeros((n_arrangements, n_types))
        self.reached = np.zeros((n_features, n_types), np.int64)
        self.histogram = np.zeros(_BINS + 1, np.int64)
        self._lock = threading.Lock()

    def preparation(self) -> Iterator[Callable[[], None]]:
        """Pieces of work, in any order and any thread, that come before the first span."""
        yield from ()

    def prepared(self) -> None:
        """Called once all pieces of the preparation are done."""

    def take(self, span: Span, advance: Callable[[int], None]) -> None:
        """Add the features of a span; `advance` is told the pairs times arrangements that were done."""
        seen = Seen(np.zeros_like(self.largest), np.zeros_like(self.histogram), self.reached)
        self._go_through(span, seen, advance)
        with self._lock:
            np.maximum(self.largest, seen.largest, out=self.largest)
            self.histogram += seen.histogram

    def _go_through(self, span: Span, seen: Seen, advance: Callable[[int], None]) -> None:
        raise NotImplementedError

    def single_p(self, observed: Floats) -> Floats:
        """Share of arrangements in which each pair reaches its own |r| (F, C), the data counted as one."""
        return np.where(np.isfinite(observed), (1 + self.reached) / (1 + len(self.largest)), np.nan)


@dataclass(frozen=True)
class Seen:
    """What one thread has seen of the arrangements; `reached` is shared, but each feature is one thread's."""

    largest: Floats
    histogram: Ints
    reached: Ints

    def take_in(self, r: Floats, span: Span, f: int, chunk: tuple[int, int]) -> None:
        """Note r (P, C) of feature f of a span under the arrangements of a chunk."""
        expected = np.where(np.isfinite(span.observed[f]), span.observed[f], np.inf)
        kernels().take_in(
            r, expected, TIE, self.largest[slice(*chunk)], self.reached[span.first + f], self.histogram
        )


def family_p(observed: Floats, largest: Floats) -> Floats:
    """Share of arrangements whose largest |r| (P,) of all pairs reaches each |r| (F, C), the data counted as one."""
    ascending = np.sort(largest)
    n_at_least = ascending.size - np.searchsorted(ascending, observed - TIE)
    return np.where(np.isfinite(observed), (1 + n_at_least) / (1 + ascending.size), np.nan)


def pooled_p(observed: Floats, histogram: Ints) -> Floats:
    """Share of all pairs in all arrangements that reach each |r|, whatever the shape of `observed`.

    From it Benjamini and Hochberg's q is the expected number of pairs that reach |r| by chance over
    the number that do, which holds however unlike the nulls of the pairs are (Storey and Tibshirani
    2003), and is not limited by the number of arrangements of one pair.
    """
    at_least = np.cumsum(histogram[::-1])[::-1]
    place = np.minimum((np.nan_to_num(observed) * _BINS).astype(np.int64), _BINS)
    return np.where(np.isfinite(observed), (1 + at_least[place]) / (1 + at_least[0]), np.nan)


def kernels() -> Any:
    """The compiled loops; loading their compiler takes a second, which only a run should cost."""
    from sae_backend.statistics import kernels as null_kernels

    return null_kernels
