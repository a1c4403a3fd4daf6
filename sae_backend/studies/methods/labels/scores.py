"""The area under the ROC curve over pairs of tiles of one fold, and its interval from draws of patients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from sae_backend.studies.methods.labels.folds import Units

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_MIN_DEFINED_SHARE: Final = 0.9


def pair_auroc(scores: Floats, labels: Ints, units: Units, folds: Ints) -> float:
    """Share of pairs of tiles in the right order, averaged over the classes, each against the rest.

    A pair has one tile of the class and one of another, both of slides of one fold; ties count half; each slide
    weighs the same. This is the Mann-Whitney form of the AUROC (Hanley and McNeil 1982) with weights.

    Parameters
    ----------
    scores
        One column a class, or a single one for two classes: that of the second (N, C or 1).
    labels
        Label of each slide (S,).
    units, folds
        Slides of the tiles, and folds of the slides (S,).

    Returns
    -------
    float
        NaN where a class has no pair.
    """
    weight = 1 / np.bincount(units.slide, minlength=labels.size)[units.slide]
    of_tile, fold_of_tile = labels[units.slide], folds[units.slide]
    found = []
    for c in range(scores.shape[1]):
        wanted = c if scores.shape[1] > 1 else 1
        right = pairs = 0.0
        for k in range(int(folds.max()) + 1):
            inside = fold_of_tile == k
            yes, no = inside & (of_tile == wanted), inside & (of_tile != wanted)
            right += _right_order((scores[yes, c], weight[yes]), (scores[no, c], weight[no]))
            pairs += weight[yes].sum() * weight[no].sum()
        found.append(right / pairs if pairs > 0 else np.nan)
    # Sums of weights are not exact, and all pairs in order are 1.
    return float(np.round(np.mean(found), 12))


def _right_order(yes: tuple[Floats, Floats], no: tuple[Floats, Floats]) -> float:
    """Summed weight of the pairs (scores, weights) in which `yes` is above `no`; ties count half."""
    order = np.argsort(no[0], kind="stable")
    lower, before = no[0][order], np.concatenate([[0.0], np.cumsum(no[1][order])])
    below = before[np.searchsorted(lower, yes[0], "left")] + before[np.searchsorted(lower, yes[0], "right")]
    return float(yes[1] @ below / 2)


@dataclass(frozen=True)
class Pairs:
    """Which pairs of slides are compared, and how often the first is above: float64 (C, S, S) each.

    `compared` is 1 where slide i has the class and slide j of the same fold has another.
    """

    above: Floats
    compared: Floats

    @property
    def auroc(self) -> float:
        """The value on all patients."""
        return float(self._drawn(np.ones((1, self.above.shape[1])))[0])

    def _drawn(self, weights: Floats) -> Floats:
        found = np.empty((self.above.shape[0], len(weights)))
        for c, (above, compared) in enumerate(zip(self.above, self.compared, strict=True)):
            with np.errstate(invalid="ignore", divide="ignore"):
                found[c] = ((weights @ above) * weights).sum(axis=1) / ((weights @ compared) * weights).sum(
                    axis=1
                )
        return np.asarray(found.mean(axis=0))

    def interval(self, units: Units, n_draws: int, seed: int, level: float) -> tuple[float, float]:
        """Percentiles of draws of patients with replacement; draws that lack a label have no value.

        Patients are not drawn within those of the same labels: one whose labels nobody shares would then be in every
        draw, and the interval too narrow. NaN where more than a tenth of the draws have no value.
        """
        rng = np.random.default_rng([seed, 0xB007])
        n_groups = int(units.group.max()) + 1
        drawn = rng.multinomial(n_groups, np.full(n_groups, 1 / n_groups), n_draws).astype(np.float64)
        values = self._drawn(drawn[:, units.group])
        values = values[np.isfinite(values)]
        if values.size < _MIN_DEFINED_SHARE * n_draws:
            return np.nan, np.nan
        low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
        return float(low), float(high)


def slide_pairs(scores: Floats, units: Units, folds: Ints) -> Pairs:
    """Compare slides by all pairs of their tiles; parameters as those of :func:`pair_auroc`."""
    n_slides = units.label.size
    above = np.zeros((scores.shape[1], n_slides, n_slides))
    compared = np.zeros_like(above)
    for c in range(scores.shape[1]):
        yes = units.label == (c if scores.shape[1] > 1 else 1)
        compared[c] = yes[:, None] & ~yes[None, :] & (folds[:, None] == folds[None, :])
        of_slide = [np.sort(scores[units.slide == s, c]) for s in range(n_slides)]
        for i, j in zip(*np.nonzero(compared[c]), strict=True):
            lower = of_slide[j]
            below = np.searchsorted(lower, of_slide[i], "left") + np.searchsorted(lower, of_slide[i], "right")
            above[c, i, j] = below.mean() / 2 / lower.size
    return Pairs(above, compared)


def slide_means(scores: Floats, units: Units) -> Floats:
    """Mean score of the tiles of each slide (S, C)."""
    n_tiles = np.bincount(units.slide, minlength=units.label.size)
    return np.stack(
        [np.bincount(units.slide, column, units.label.size) / n_tiles for column in scores.T], axis=1
    )
