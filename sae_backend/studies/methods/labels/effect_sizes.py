"""How far each feature differs between scanners or sites, slides being what is compared and patients what changes place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import sparse, stats

from sae_backend.studies.methods.labels.folds import Units, shuffled_labels

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_SPAN: Final = 256
_TIE: Final = 1e-9

BETWEEN, WITHIN, MIXED = "between patients", "within patients", "between and within patients"


@dataclass(frozen=True)
class EffectSizes:
    """Effects of a label on F columns; float64 (F,) each, NaN where a column does not vary between slides.

    What is compared are means of a patient's slides with one label. Where all patients have several labels, their own
    mean is taken off first, and all below is of what is left.

    Attributes
    ----------
    eta2
        Share of the variance between slides that lies between labels. Large by chance where slides are few.
    omega2
        The same freed of its bias (Hays 1963); below 0 where labels differ less than chance has them differ.
    difference
        The two labels that differ most, in standard deviations of slides of one label.
    auroc
        Share of the pairs of slides that the mean sets in the right order, for the label that it sets apart best from
        the rest. At least 0.5, and above it by chance.
    p, p_family, q
        Share of the labellings with at least this eta2; with at least this as the largest of all columns (Westfall
        and Young 1993); and p after Benjamini and Hochberg (1995).
    means
        Mean of each label, float64 (C, F).
    design
        Whether labels differ between patients, within them, or both.
    n_units, n_groups, n_labellings
        Compared means, patients, and labellings with the true one.
    """

    eta2: Floats
    omega2: Floats
    difference: Floats
    auroc: Floats
    p: Floats
    p_family: Floats
    q: Floats
    means: Floats
    design: str
    n_units: int
    n_groups: int
    n_labellings: int


def slide_means(features: Sequence[sparse.csc_array], valid: Sequence[npt.NDArray[np.bool_]]) -> Floats:
    """Mean of each column over the valid tiles of each slide, float64 (S, F); NaN for a slide without any."""
    found = np.full((len(features), features[0].shape[1]), np.nan)
    for k, (matrix, keep) in enumerate(zip(features, valid, strict=True)):
        if keep.any():
            # The product reads each stored value once and copies none.
            found[k] = (matrix.T @ keep.astype(np.float64)) / keep.sum()
    return found


def unit_means(means: Floats, units: Units) -> tuple[Floats, Units]:
    """Means (S, F) of slides, averaged where a patient has several with one label."""
    pairs = np.stack([units.group, units.label], axis=1)
    distinct, place = np.unique(pairs, axis=0, return_inverse=True)
    place = place.ravel()
    summed = np.zeros((len(distinct), means.shape[1]))
    np.add.at(summed, place, means)
    merged = Units(units.classes, distinct[:, 1], distinct[:, 0], np.arange(len(distinct)))
    return summed / np.bincount(place)[:, None], merged


def effect_sizes(
    means: Floats, units: Units, n_shuffles: int, seed: int, step: Callable[[int, int], None]
) -> EffectSizes:
    """Compare labels.

    Parameters
    ----------
    means
        Mean of each column on each slide (S, F), finite.
    units
        Label and patient of each slide; every label needs two units or more.
    n_shuffles
        Labellings that chance is judged by: labels change places between patients with one label, and between the
        slides of a patient with several.
    seed
        Decides the labellings.
    step
        Takes (done, total); may raise to end the work.
    """
    values, own = unit_means(means, units)
    labellings = shuffled_labels(own, np.zeros(own.label.size, np.int64), n_shuffles, seed)
    design = _design(own)
    n_classes, n_groups = len(own.classes), np.unique(own.group).size
    by_class = np.stack([values[own.label == c].mean(axis=0) for c in range(n_classes)])
    residual = values - values.mean(axis=0)
    if design == WITHIN:
        for g in np.unique(own.group):
            residual[own.group == g] -= residual[own.group == g].mean(axis=0)
    total = (residual**2).sum(axis=0)
    varies = total > _TIE * np.maximum((values**2).sum(axis=0), 1e-300)
    eta2, p, largest = _against_chance(residual, total, varies, labellings, step)
    freedom = own.label.size - (n_groups if design == WITHIN else 1)
    error = np.maximum(total * (1 - np.nan_to_num(eta2)), 0.0) / max(freedom - (n_classes - 1), 1)
    between = total * np.nan_to_num(eta2)
    with np.errstate(invalid="ignore", divide="ignore"):
        omega2 = (between - (n_classes - 1) * error) / (total + error)
        centred = np.stack([residual[own.label == c].mean(axis=0) for c in range(n_classes)])
        difference = np.ptp(centred, axis=0) / np.sqrt(error)
    family = np.full(eta2.shape, np.nan)
    family[varies] = (largest[:, None] >= eta2[varies][None, :] - _TIE).mean(axis=0) if varies.any() else []
    q = np.full(eta2.shape, np.nan)
    if varies.any():
        q[varies] = stats.false_discovery_control(p[varies])
    nan = np.where(varies, 1.0, np.nan)
    return EffectSizes(
        eta2=eta2,
        omega2=omega2 * nan,
        difference=np.where(error > 0, difference, np.nan) * nan,
        auroc=_auroc(residual, own) * nan,
        p=p,
        p_family=family,
        q=q,
        means=by_class,
        design=design,
        n_units=int(own.label.size),
        n_groups=int(n_groups),
        n_labellings=len(labellings),
    )


def _design(units: Units) -> str:
    n_labels = [np.unique(units.label[units.group == g]).size for g in np.unique(units.group)]
    if max(n_labels) == 1:
        return BETWEEN
    return WITHIN if min(n_labels) > 1 else MIXED


def _against_chance(
    residual: Floats,
    total: Floats,
    varies: npt.NDArray[np.bool_],
    labellings: Ints,
    step: Callable[[int, int], None],
) -> tuple[Floats, Floats, Floats]:
    """Eta2 and p of each column (F,), and the largest eta2 of each labelling (L,)."""
    n_columns = residual.shape[1]
    eta2, p = np.full((2, n_columns), np.nan)
    largest = np.zeros(len(labellings))
    classes = range(int(labellings.max()) + 1)
    member = [(labellings == c).astype(np.float64) for c in classes]
    size = [max(float(each[0].sum()), 1.0) for each in member]
    which = np.flatnonzero(varies)
    for a in range(0, which.size, _SPAN):
        step(a, which.size)
        chosen = which[a : a + _SPAN]
        scaled = residual[:, chosen] / np.sqrt(total[chosen])
        drawn = sum(((each @ scaled) ** 2 / n for each, n in zip(member, size, strict=True)), np.zeros(()))
        eta2[chosen] = np.minimum(drawn[0], 1.0)
        p[chosen] = (drawn >= drawn[0] - _TIE).mean(axis=0)
        np.maximum(largest, drawn.max(axis=1), out=largest)
    step(which.size, which.size)
    return eta2, p, largest


def _auroc(values: Floats, units: Units) -> Floats:
    """Mann and Whitney's share of pairs for the class that is set apart best (F,), from ranks over the units."""
    found = np.full(values.shape[1], 0.5)
    for a in range(0, values.shape[1], _SPAN):
        ranks = stats.rankdata(values[:, a : a + _SPAN], axis=0)
        for c in range(len(units.classes)):
            inside = units.label == c
            n, others = int(inside.sum()), int((~inside).sum())
            share = (ranks[inside].sum(axis=0) - n * (n + 1) / 2) / (n * others)
            found[a : a + _SPAN] = np.maximum(found[a : a + _SPAN], np.maximum(share, 1 - share))
    return found
