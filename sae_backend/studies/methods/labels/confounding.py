"""Does the scanner or site go together with what the slides show? Then the two are confounded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from sae_backend.statistics.holm import holm
from sae_backend.studies.methods.labels.effect_sizes import unit_means
from sae_backend.studies.methods.labels.folds import Units, form_units, shuffled_labels

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

COMPOSITION: Final = "cells"
MOST_VALUES: Final = 10
_TIE: Final = 1e-9
_LEVEL: Final = 0.05
_STRONG: Final = 0.5
"""Cramer's V from which a column may go with the label whatever p says: patients may be too few for a small p."""


@dataclass(frozen=True)
class Confounding:
    """How one column of the slide table, or the mix of cells, goes with the label.

    Attributes
    ----------
    column
        Its name; `COMPOSITION` for the shares of the cell types.
    v
        Cramer's V with Bergsma's (2013) correction of its bias, 0 to 1; for cells the largest omega2 of a type.
    p, p_holm
        Share of the labellings of patients with at least this chi2 (for cells: sum of eta2 over types); and
        after Holm (1979) over all that was looked at.
    is_perfect
        Whether one decides the other without exception.
    n_groups, n_slides
        Patients and slides with both on record.
    table
        Patients with each pair of values, (labels, values).
    labels, values
        Its rows and columns.
    reason
        Why it was not judged, empty where it was.
    """

    column: str
    v: float = np.nan
    p: float = np.nan
    p_holm: float = np.nan
    is_perfect: bool = False
    n_groups: int = 0
    n_slides: int = 0
    table: tuple[tuple[int, ...], ...] = ()
    labels: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    reason: str = ""


@dataclass(frozen=True)
class SlideFacts:
    """Slides with the label: their labels, patients and what else is known, (S,) each.

    `columns` are texts by name, empty where unknown; `shares` (S, C) are the shares of the cell types, NaN where
    unknown.
    """

    labels: Sequence[str]
    groups: Sequence[str]
    columns: Mapping[str, Sequence[str]]
    shares: Floats


def is_suspect(column: str, v: float | None, p: float | None) -> bool:
    """Whether that the label and a column go together cannot be ruled out: p, by itself, of 0.05 or less, or a large V.

    It is meant for a warning, which would rather be given once too often; by p alone about one column in twenty would
    be suspect by chance.
    """
    is_strong = column != COMPOSITION and v is not None and v >= _STRONG
    return is_strong or (p is not None and p <= _LEVEL)


def confounding(facts: SlideFacts, n_shuffles: int, seed: int) -> list[Confounding]:
    """Judge every column with 2 to 10 values (at least two patients a value on average), and the mix of cells."""
    found = []
    for name, texts in facts.columns.items():
        known = [k for k, text in enumerate(texts) if text and facts.labels[k]]
        values = sorted({texts[k] for k in known})
        n_groups = len({facts.groups[k] for k in known})
        if not 2 <= len(values) <= min(MOST_VALUES, n_groups // 2):
            continue
        found.append(_column(facts, name, known, n_shuffles, seed))
    if facts.shares.shape[1]:
        found.append(_composition(facts, n_shuffles, seed))
    return _holm(found)


def _units(facts: SlideFacts, known: Sequence[int]) -> Units:
    return form_units(
        [facts.labels[k] for k in known], [facts.groups[k] for k in known], [f"{k:09d}" for k in known]
    )


def _column(facts: SlideFacts, name: str, known: Sequence[int], n_shuffles: int, seed: int) -> Confounding:
    units = _units(facts, known)
    texts = [facts.columns[name][k] for k in known]
    values, column = np.unique(np.asarray(texts, str), return_inverse=True)
    # A patient counts once for each pair of label and value, however many slides show it.
    triples, first = np.unique(np.stack([units.group, units.label, column]), axis=1, return_index=True)
    if len(units.classes) < 2:
        return Confounding(name, n_slides=len(known), reason="there is only one label")
    once = Units(units.classes, units.label[first], units.group[first], np.arange(first.size))
    value = column[first].astype(np.int64)
    labellings = shuffled_labels(once, np.zeros(first.size, np.int64), n_shuffles, seed)
    drawn = np.array([_chi2(row, value, (len(units.classes), values.size)) for row in labellings])
    table = _table(once.label, value, (len(units.classes), values.size))
    return Confounding(
        name,
        v=_cramers_v(table),
        p=float((drawn >= drawn[0] - _TIE).mean()),
        is_perfect=bool(((table > 0).sum(axis=0) == 1).all() or ((table > 0).sum(axis=1) == 1).all()),
        n_groups=int(np.unique(triples[0]).size),
        n_slides=len(known),
        table=tuple(tuple(int(n) for n in row) for row in table),
        labels=units.classes,
        values=tuple(values.tolist()),
    )


def _table(label: Ints, value: Ints, shape: tuple[int, int]) -> Floats:
    table = np.zeros(shape)
    np.add.at(table, (label, value), 1.0)
    return table


def _chi2(label: Ints, value: Ints, shape: tuple[int, int]) -> float:
    table = _table(label, value, shape)
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0) / table.sum()
    return float(((table - expected) ** 2 / np.where(expected > 0, expected, 1)).sum())


def _cramers_v(table: Floats) -> float:
    """Bergsma (2013), A bias-correction for Cramer's V and Tschuprow's T."""
    n = table.sum()
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0) / n
    phi2 = float(((table - expected) ** 2 / expected).sum() / n)
    r, c = table.shape
    if n < 2:
        return np.nan
    freed = max(0.0, phi2 - (r - 1) * (c - 1) / (n - 1))
    width = min(r - (r - 1) ** 2 / (n - 1), c - (c - 1) ** 2 / (n - 1)) - 1
    return float(min(1.0, np.sqrt(freed / width))) if width > 0 else np.nan


def _composition(facts: SlideFacts, n_shuffles: int, seed: int) -> Confounding:
    known = [k for k, label in enumerate(facts.labels) if label and np.isfinite(facts.shares[k]).all()]
    nothing = Confounding(COMPOSITION, n_slides=len(known))
    if len({facts.labels[k] for k in known}) < 2:
        return Confounding(COMPOSITION, n_slides=len(known), reason="cells are known for one label at most")
    values, own = unit_means(facts.shares[known], _units(facts, known))
    residual = values - values.mean(axis=0)
    total = (residual**2).sum(axis=0)
    varies = total > 1e-12
    n, n_classes = own.label.size, len(own.classes)
    if not varies.any() or n <= n_classes:
        return Confounding(nothing.column, n_slides=len(known), reason="too few patients, or the mix is one")
    scaled = residual[:, varies] / np.sqrt(total[varies])
    labellings = shuffled_labels(own, np.zeros(n, np.int64), n_shuffles, seed)
    drawn = np.zeros((len(labellings), scaled.shape[1]))
    for c in range(n_classes):
        member = labellings == c
        drawn += (member @ scaled) ** 2 / member.sum(axis=1, keepdims=True)
    summed = drawn.sum(axis=1)
    error = (1 - drawn[0]) / (n - n_classes)
    omega2 = (drawn[0] - (n_classes - 1) * error) / (1 + error)
    return Confounding(
        COMPOSITION,
        v=float(omega2.max()),
        p=float((summed >= summed[0] - _TIE).mean()),
        n_groups=int(np.unique(own.group).size),
        n_slides=len(known),
        labels=own.classes,
    )


def _holm(found: list[Confounding]) -> list[Confounding]:
    corrected = holm(np.array([one.p for one in found], np.float64))
    return [replace(one, p_holm=float(p)) for one, p in zip(found, corrected, strict=True)]
