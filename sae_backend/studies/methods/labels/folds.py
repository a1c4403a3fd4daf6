"""Labels of slides, folds that keep patients together, and labels that are exchanged as chance might have."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import StratifiedGroupKFold

from sae_backend.errors import MismatchError
from sae_backend.studies.framework.inputs import StudyInput

Ints = npt.NDArray[np.int64]

_TRIES: Final = 50


@dataclass(frozen=True)
class Units:
    """Slides, whose they are, and which tiles are theirs.

    Attributes
    ----------
    classes
        The labels, sorted.
    label, group
        Number of the label and of the patient of each slide, int64 (S,).
    slide
        Number of the slide of each tile, int64 (N,).
    """

    classes: tuple[str, ...]
    label: Ints
    group: Ints
    slide: Ints


def form_units(
    labels: Sequence[str] | npt.NDArray[Any],
    groups: Sequence[str] | npt.NDArray[Any],
    slides: Sequence[str] | npt.NDArray[Any],
) -> Units:
    """Sort tiles into slides and slides into patients; slides are numbered in the order of their names.

    Parameters
    ----------
    labels, groups, slides
        Label, patient and slide of each tile (N,).

    Raises
    ------
    MismatchError
        When tiles of one slide differ in label or patient.
    """
    _, first, slide = np.unique(np.asarray(slides, str), return_index=True, return_inverse=True)
    classes, label = np.unique(np.asarray(labels, str), return_inverse=True)
    _, group = np.unique(np.asarray(groups, str), return_inverse=True)
    if (label != label[first][slide]).any() or (group != group[first][slide]).any():
        raise MismatchError(
            "Tiles of one slide differ in their label or patient.", "Give what is true of whole slides."
        )
    return Units(
        tuple(classes.tolist()),
        label[first].astype(np.int64),
        group[first].astype(np.int64),
        slide.astype(np.int64),
    )


def groups_per_class(units: Units) -> list[int]:
    """Number of patients with a slide of each class."""
    return [np.unique(units.group[units.label == c]).size for c in range(len(units.classes))]


def draw_folds(units: Units, n_folds: int, seed: int) -> Ints | None:
    """Fold of each slide, int64 (S,): patients are never cut, classes are spread alike.

    None where no draw leaves every class among those that learn, and two classes in some fold.
    """
    everything = np.zeros((units.label.size, 1))
    for attempt in range(_TRIES):
        # Numbers that scikit-learn takes as a seed have 32 bits.
        state = int(np.random.default_rng([seed, 0xF01D, attempt]).integers(2**31))
        cutter = StratifiedGroupKFold(n_folds, shuffle=True, random_state=state)
        folds = np.full(units.label.size, -1, np.int64)
        for number, (_, held_out) in enumerate(cutter.split(everything, units.label, units.group)):
            folds[held_out] = number
        learned = [np.unique(units.label[folds != k]).size for k in range(n_folds)]
        judged = [np.unique(units.label[folds == k]).size for k in range(n_folds)]
        if min(learned) == len(units.classes) and max(judged) > 1:
            return folds
    return None


def shuffled_labels(units: Units, folds: Ints, n_shuffles: int, seed: int) -> Ints:
    """Labellings of the slides, int64 (1 + n_shuffles, S); the first is the true one.

    Patients with one label exchange it with others of their fold, so that each fold keeps its labels and the folds
    would have been the same; patients with several labels exchange them among their slides.
    """
    rng = np.random.default_rng([seed, 0x5EED])
    single, mixed = _by_label_number(units)
    found = np.tile(units.label, (1 + n_shuffles, 1))
    for row in found[1:]:
        for k in range(int(folds.max()) + 1):
            members = [slides for slides in single if folds[slides[0]] == k]
            new = rng.permutation([units.label[slides[0]] for slides in members])
            for slides, label in zip(members, new, strict=True):
                row[slides] = label
        for slides in mixed:
            row[slides] = rng.permutation(row[slides])
    return found


def n_arrangements(units: Units, folds: Ints) -> int:
    """Number of different labellings that :func:`shuffled_labels` can draw, the true one with them."""
    single, mixed = _by_label_number(units)
    found = 1
    for k in range(int(folds.max()) + 1):
        found *= _arrangements([int(units.label[s[0]]) for s in single if folds[s[0]] == k])
    for slides in mixed:
        found *= _arrangements(units.label[slides].tolist())
    return found


def _arrangements(labels: Sequence[int]) -> int:
    """Number of different orders of labels, some of which are alike."""
    found = math.factorial(len(labels))
    for n in Counter(labels).values():
        found //= math.factorial(n)
    return found


def _by_label_number(units: Units) -> tuple[list[Ints], list[Ints]]:
    """Slides of each patient: of those with one label, and of those with several."""
    single: list[Ints] = []
    mixed: list[Ints] = []
    for group in np.unique(units.group):
        slides = np.flatnonzero(units.group == group)
        (single if np.unique(units.label[slides]).size == 1 else mixed).append(slides)
    return single, mixed


def frequent(inputs: StudyInput, fact: str, slides: Sequence[int], least: int) -> list[int]:
    """Those slides whose label at least so many patients have; none unless that leaves two labels or more."""
    labels = inputs.fact(fact)
    patients: dict[str, set[str]] = {}
    for k in slides:
        patients.setdefault(labels[k], set()).add(inputs.slides[k].unit)
    kept = {label for label, some in patients.items() if len(some) >= least}
    return [k for k in slides if labels[k] in kept] if len(kept) > 1 else []
