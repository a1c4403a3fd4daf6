"""How well a label, such as the scanner, can be read from columns of tiles by a linear model, on other patients.

The model is ridge regression on the classes (one against the rest), whose solution for any number of labellings
costs one factorisation: shuffled labels are judged by the very same procedure as the true ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.kernel_ridge import KernelRidge
from sklearn.model_selection import GroupKFold
from sklearn.preprocessing import KernelCenterer

from sae_backend.errors import MismatchError
from sae_backend.studies.framework.result import Progress
from sae_backend.studies.methods.labels.folds import (
    Units,
    draw_folds,
    form_units,
    groups_per_class,
    n_arrangements,
    shuffled_labels,
)
from sae_backend.studies.methods.labels.scores import Pairs, pair_auroc, slide_means, slide_pairs

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Columns = sparse.csr_array | sparse.csc_array | npt.NDArray[Any]
Labels = Sequence[str] | npt.NDArray[Any]

LEVEL: Final = 0.95
MIN_GROUPS: Final = 3
"""Patients that each class needs, so that some can learn and others be judged."""

_STRENGTHS: Final = (0.01, 0.3, 10.0, 300.0)
"""Regularisation, in units of the mean square of a standardised tile; chosen within the learning patients."""

_INNER_FOLDS: Final = 3


@dataclass(frozen=True)
class PredictSpec:
    """How a label is predicted.

    Attributes
    ----------
    seed
        Decides the sample, the folds, the shuffles and the draws.
    n_folds
        Folds at most; there are fewer where a class has fewer than two patients a fold.
    n_shuffles
        Labellings for the null.
    n_bootstrap
        Draws of patients for the interval.
    most_tiles
        Tiles in all, at about which slides are sampled alike; time grows with the cube, memory with the square.
    stage
        What progress calls it.
    """

    seed: int = 0
    n_folds: int = 5
    n_shuffles: int = 199
    n_bootstrap: int = 1000
    most_tiles: int = 3000
    stage: str = "read the label"


@dataclass(frozen=True)
class Predictability:
    """How well a label was read.

    A pair is two tiles with different labels of patients of one fold, none of which the model has learned from;
    the AUROC is the share of pairs in the right order (ties count half), each slide weighing the same, averaged
    over the classes, each against the rest. As only pairs of one fold count, it is 0.5 on average where there is
    nothing to be read. Intervals resample patients within classes and keep the models; as models of different folds
    share most of what they learn from, they are widened by Nadeau and Bengio's (2003) factor. Where all pairs are in
    order, draws of patients say nothing, and the low end is that of Clopper and Pearson for the smallest class.

    Attributes
    ----------
    auroc, ci_low, ci_high
        Of tiles, with the ends of the 95 % interval. NaN where not defined.
    null_low, null_high
        The middle 95 % of what shuffled labels gave.
    p
        Share of the labellings, the true one with them, that gave as much.
    slide_auroc, slide_ci_low, slide_ci_high, slide_p
        The same of slides, each by the mean score of its tiles.
    null, slide_null
        AUROC with shuffled labels, float64 (S,): labels are exchanged between patients of a fold, or between the
        slides of a patient who has several labels; never between tiles.
    n_groups, n_slides, n_tiles
        Patients, slides and sampled tiles.
    n_folds, n_arrangements
        Folds, and the number of different labellings that the shuffles can give; p is at least about one in so many,
        or two for two labels, as changing them all over gives the same.
    classes, groups_per_class
        Labels, and the patients of each.
    reason
        Why there is no value, empty where there is one.
    """

    auroc: float = np.nan
    ci_low: float = np.nan
    ci_high: float = np.nan
    null_low: float = np.nan
    null_high: float = np.nan
    p: float = np.nan
    slide_auroc: float = np.nan
    slide_ci_low: float = np.nan
    slide_ci_high: float = np.nan
    slide_p: float = np.nan
    null: Floats = field(default_factory=lambda: np.empty(0))
    slide_null: Floats = field(default_factory=lambda: np.empty(0))
    n_groups: int = 0
    n_slides: int = 0
    n_tiles: int = 0
    n_folds: int = 0
    n_arrangements: int = 0
    classes: tuple[str, ...] = ()
    groups_per_class: tuple[int, ...] = ()
    reason: str = ""


def predict_label(
    columns: Columns, labels: Labels, groups: Labels, spec: PredictSpec, progress: Progress
) -> Predictability:
    """Predict a label of tiles whose slides are not on record: tiles of one group and label count as one slide.

    See :func:`predict_slide_label`.
    """
    names = [f"{group}\n{label}" for group, label in zip(groups, labels, strict=True)]
    return predict_slide_label(columns, form_units(labels, groups, names), spec, progress)


def sampled_tiles(n_tiles: Sequence[int], spec: PredictSpec) -> list[Ints]:
    """Numbers of the tiles to be used of slides with so many tiles, ascending; the same number of each at most.

    Whoever stacks only these never holds more than about `spec.most_tiles` tiles.
    """
    most = max(2, spec.most_tiles // max(len(n_tiles), 1))
    found = []
    for number, n in enumerate(n_tiles):
        rng = np.random.default_rng([spec.seed, 0x7115, number])
        found.append(np.sort(rng.choice(n, min(n, most), replace=False)).astype(np.int64))
    return found


def predict_slide_label(
    columns: Columns, units: Units, spec: PredictSpec, progress: Progress
) -> Predictability:
    """Predict a label of slides from columns of their tiles, on patients that the model has not learned from.

    Columns are divided by their standard deviation on the learning tiles; columns that are constant there take
    no part. The strength of the regularisation is chosen by the squared error on other patients among those that
    learn, for each labelling anew.

    Parameters
    ----------
    columns
        (N, F), finite.
    units
        Label, patient and slide of each tile.
    spec
        How.
    progress
        Takes (stage, done, total), between pieces of work of a few seconds at most; may raise to end it.

    Returns
    -------
    Predictability
        Without values and with a reason where there is only one label, or a label has fewer than 3 patients.

    Raises
    ------
    MismatchError
        When the numbers of tiles differ, or a value is not finite.
    """
    if columns.shape[0] != units.slide.size:
        raise MismatchError("Columns and labels differ in the number of tiles.", "Give one label a tile.")
    found = groups_per_class(units)
    empty = Predictability(
        n_groups=len(set(units.group.tolist())),
        n_slides=units.group.size,
        n_tiles=units.slide.size,
        classes=units.classes,
        groups_per_class=tuple(found),
    )
    if len(units.classes) < 2:
        return replace(empty, reason=f"there is only one label ({', '.join(units.classes) or 'none'})")
    few = [name for name, n in zip(units.classes, found, strict=True) if n < MIN_GROUPS]
    if few:
        return replace(empty, reason=f"fewer than {MIN_GROUPS} patients have the label {', '.join(few)}")
    chosen = _chosen(units, spec)
    rows = columns[chosen] if isinstance(columns, np.ndarray) else sparse.csr_array(columns)[chosen]
    if not np.isfinite(rows if isinstance(rows, np.ndarray) else rows.data).all():
        raise MismatchError("Columns hold values that are not finite.", "Leave out tiles without a vector.")
    units = replace(units, slide=units.slide[chosen])
    folds = draw_folds(units, min(spec.n_folds, max(2, min(found) // 2)), spec.seed)
    if folds is None:
        return replace(empty, reason="patients cannot be split so that every label is in each part")
    labellings = shuffled_labels(units, folds, spec.n_shuffles, spec.seed)
    scores = _held_out_scores(rows, units, folds, labellings, lambda a, b: progress(spec.stage, a, b))
    known = replace(
        empty, n_tiles=chosen.size, n_folds=int(folds.max()) + 1, n_arrangements=n_arrangements(units, folds)
    )
    return _judged(known, scores, (units, folds, labellings), spec)


def _chosen(units: Units, spec: PredictSpec) -> Ints:
    """Numbers of the sampled tiles, slide by slide."""
    n_tiles = np.bincount(units.slide, minlength=units.label.size)
    places = np.split(np.argsort(units.slide, kind="stable"), np.cumsum(n_tiles)[:-1])
    taken = sampled_tiles(n_tiles.tolist(), spec)
    return np.concatenate([place[take] for place, take in zip(places, taken, strict=True)]).astype(np.int64)


def _held_out_scores(
    rows: Columns, units: Units, folds: Ints, labellings: Ints, step: Callable[[int, int], None]
) -> Floats:
    """Score of each tile by the model that did not see its patient, (N, L, C); C is 1 for two classes."""
    n_classes = len(units.classes)
    of_tile = labellings[:, units.slide].T
    wanted = np.arange(n_classes) if n_classes > 2 else np.array([1])
    targets = (of_tile[:, :, None] == wanted).astype(np.float64)
    flat = targets.reshape(len(of_tile), -1)
    found = np.empty(flat.shape)
    n_folds = int(folds.max()) + 1
    done, total = 0, n_folds * (_INNER_FOLDS + 1) * len(_STRENGTHS)

    def tick() -> None:
        nonlocal done
        step(min(done, total), total)
        done += 1

    group_of_tile, fold_of_tile = units.group[units.slide], folds[units.slide]
    for k in range(n_folds):
        learn, judge = np.flatnonzero(fold_of_tile != k), np.flatnonzero(fold_of_tile == k)
        tick()
        alike = _products(rows, learn)
        strength = _strengths(alike, flat, learn, group_of_tile[learn], tick)
        for number in np.unique(strength):
            some = strength == number
            tick()
            found[np.ix_(judge, some)] = _ridge(alike, flat[:, some], learn, judge, _STRENGTHS[number])
    step(total, total)
    # Tiles that are alike differ by rounding, and would then be no ties.
    return np.round(found, 9).reshape(targets.shape)


def _products(rows: Columns, learn: Ints) -> Floats:
    """Products of all pairs of tiles (N, N) by columns that are standardised as the learning tiles are."""
    if isinstance(rows, np.ndarray):
        dense = rows.astype(np.float64)
        dense -= dense[learn].mean(axis=0)
        spread = dense[learn].std(axis=0)
        dense *= _inverse(spread)
        return np.asarray(dense @ dense.T)
    values = sparse.csr_array(rows).astype(np.float64)
    some = values[learn]
    mean = np.asarray(some.mean(axis=0)).ravel()
    square = np.asarray(some.multiply(some).mean(axis=0)).ravel()
    spread = np.sqrt(np.maximum(square - mean**2, 0.0))
    spread[spread < 1e-9 * np.sqrt(square)] = 0.0
    scaled = values @ sparse.diags_array(_inverse(spread))
    return np.asarray((scaled @ scaled.T).toarray())


def _inverse(spread: Floats) -> Floats:
    """Factors that make columns of this spread standard; 0 for those that are constant."""
    return np.where(spread > 1e-12, 1 / np.maximum(spread, 1e-12), 0.0)


def _strengths(alike: Floats, flat: Floats, learn: Ints, groups: Ints, tick: Callable[[], None]) -> Ints:
    """Number of the strength with the least squared error on other patients, for each target (L * C,)."""
    n_inner = min(_INNER_FOLDS, np.unique(groups).size)
    errors = np.zeros((len(_STRENGTHS), flat.shape[1]))
    for some, others in GroupKFold(n_inner).split(groups[:, None], groups=groups):
        for i, strength in enumerate(_STRENGTHS):
            tick()
            scores = _ridge(alike, flat, learn[some], learn[others], strength)
            errors[i] += ((scores - flat[learn[others]]) ** 2).sum(axis=0)
    return np.asarray(errors.argmin(axis=0), np.int64)


def _ridge(alike: Floats, flat: Floats, learn: Ints, judge: Ints, strength: float) -> Floats:
    """Scores (n, m) of the judged tiles, for every target (N, m)."""
    centre = KernelCenterer()
    inside = centre.fit_transform(alike[np.ix_(learn, learn)])
    scale = float(np.trace(inside)) / learn.size
    mean = flat[learn].mean(axis=0)
    if scale <= 0:
        return np.tile(mean, (judge.size, 1))
    model = KernelRidge(alpha=strength * scale, kernel="precomputed").fit(inside, flat[learn] - mean)
    return np.asarray(model.predict(centre.transform(alike[np.ix_(judge, learn)])) + mean)


def _judged(
    known: Predictability, scores: Floats, design: tuple[Units, Ints, Ints], spec: PredictSpec
) -> Predictability:
    units, folds, labellings = design
    by_slide = np.stack([slide_means(scores[:, i], units) for i in range(len(labellings))], axis=1)
    one_each = replace(units, slide=np.arange(units.label.size))
    tiles = np.array([pair_auroc(scores[:, i], row, units, folds) for i, row in enumerate(labellings)])
    slides = np.array([pair_auroc(by_slide[:, i], row, one_each, folds) for i, row in enumerate(labellings)])
    ends = _interval(slide_pairs(scores[:, 0], units, folds), units, known, spec)
    slide_ends = _interval(slide_pairs(by_slide[:, 0], one_each, folds), units, known, spec)
    null_low, null_high = np.quantile(tiles[1:], [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return replace(
        known,
        auroc=float(tiles[0]),
        ci_low=ends[0],
        ci_high=ends[1],
        null_low=float(null_low),
        null_high=float(null_high),
        p=_p(tiles),
        slide_auroc=float(slides[0]),
        slide_ci_low=slide_ends[0],
        slide_ci_high=slide_ends[1],
        slide_p=_p(slides),
        null=tiles[1:],
        slide_null=slides[1:],
    )


def _interval(pairs: Pairs, units: Units, known: Predictability, spec: PredictSpec) -> tuple[float, float]:
    value = pairs.auroc
    low, high = pairs.interval(units, spec.n_bootstrap, spec.seed, LEVEL)
    if not np.isfinite([low, high]).all():
        return np.nan, np.nan
    if low == high and value in (0.0, 1.0):
        surely = float(((1 - LEVEL) / 2) ** (1 / min(known.groups_per_class)))
        return (surely, 1.0) if value else (0.0, 1 - surely)
    wider = float(np.sqrt(1 + known.n_folds / (known.n_folds - 1)))
    return max(0.0, value - wider * (value - low)), min(1.0, value + wider * (high - value))


def _p(values: Floats) -> float:
    """Share of the labellings (L,) that give at least as much as the first (Phipson and Smyth 2010)."""
    return float((values >= values[0] - 1e-12).mean())


def interval_limits(draws_over: str) -> str:
    """What the intervals of an AUROC rest on; runs of earlier versions do not say over whom they were drawn."""
    if draws_over:
        return (
            f"Intervals of an AUROC come from draws over {draws_over}; draws that lack a label are thrown away, and where those "
            "are more than a tenth there is no interval. They are widened, as folds share what they learn from, and rough with "
            "few patients."
        )
    return (
        "Intervals of an AUROC were drawn within patients of the same labels and are too narrow where nobody shares those of a "
        "patient; a new run draws over all patients."
    )
