"""How well each feature finds the tiles with many cells of a type: area under the precision-recall curve."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from sae_backend.statistics.slide_parts import SlidePart, assemble

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

_SPAN: int = 256


@dataclass(frozen=True)
class Triage:
    """What features find.

    Attributes
    ----------
    auprc
        Average precision of ranking tiles by activation (F, C), NaN where all tiles are alike.
    prevalence
        Share of the tiles that count as having a type (C,): what a feature without any knowledge gets.
    """

    auprc: Floats
    prevalence: Floats

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """The arrays by name."""
        return dict(vars(self))


def triage(parts: Sequence[SlidePart], n_types: int, step: Callable[[int, int], None]) -> Triage:
    """Rank tiles by each feature, for each type; a tile has a type where its count is above the median of all.

    Parameters
    ----------
    parts
        Slides that report, with counts.
    n_types
        Number of types, C.
    step
        Takes (features done, features); may raise to end it.
    """
    tiles = assemble(parts, n_types, 1000.0)
    if not tiles.n_rows:
        n = parts[0].n_features
        return Triage(np.full((n, n_types), np.nan), np.full(n_types, np.nan))
    labels = tiles.counts > np.median(tiles.counts, axis=0)
    n_features = tiles.columns.n_features
    found = []
    for a, b in tiles.columns.spans(_SPAN):
        step(a, n_features)
        found.append(average_precisions(tiles.columns.block(a, b), labels))
    step(n_features, n_features)
    return Triage(np.concatenate(found), labels.mean(axis=0))


def average_precisions(columns: sparse.csc_array, labels: Bools) -> Floats:
    """Average precision of each sparse column (N, F) for each labelling (N, C): float64 (F, C).

    The sum of precisions, each times the recall gained, over the distinct values from the largest down, as
    scikit-learn's `average_precision_score` has it; here for all labellings at once, and without a sort of the zeros.
    """
    n_rows, n_features = columns.shape
    n_positive = labels.sum(axis=0).astype(np.float64)
    defined = (n_positive > 0) & (n_positive < n_rows)
    found = np.full((n_features, labels.shape[1]), np.nan)
    for j in range(n_features):
        a, b = columns.indptr[j : j + 2]
        order = np.argsort(-columns.data[a:b], kind="stable")
        values, rows = columns.data[a:b][order], columns.indices[a:b][order]
        hits = np.cumsum(labels[rows], axis=0, dtype=np.float64)
        last = np.flatnonzero(np.append(np.diff(values) != 0, True)) if values.size else np.empty(0, np.int64)
        hits, taken = hits[last], (last + 1).astype(np.float64)
        below = int(np.searchsorted(-values[last], 0.0)) if values.size else 0
        if values.size < n_rows:
            # Silent tiles share one place, between what is above 0 and what is below.
            n_zero = n_rows - values.size
            silent = n_positive - (hits[-1] if values.size else 0.0)
            hits = np.concatenate(
                [hits[:below], (hits[below - 1] if below else 0.0) + silent[None], hits[below:] + silent]
            )
            first = taken[below - 1] if below else 0.0
            taken = np.concatenate([taken[:below], [first + n_zero], taken[below:] + n_zero])
        gained = np.diff(hits, axis=0, prepend=np.zeros((1, labels.shape[1])))
        with np.errstate(invalid="ignore", divide="ignore"):
            found[j] = np.where(defined, (gained * (hits / taken[:, None])).sum(axis=0) / n_positive, np.nan)
    return found
