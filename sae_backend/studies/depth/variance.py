"""What the vectors of one block hold: how much of their variance scanners, features and cells account for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy import sparse

from sae_backend.studies.framework.inputs import FeatureSet, StudyInput
from sae_backend.studies.framework.result import Arrays

Floats = npt.NDArray[np.float64]

SCANNER, FEATURES, CELLS, TOTAL = "scanner", "features", "cells", "total"
PARTS: Final = (SCANNER, FEATURES, CELLS, TOTAL)

MIN_PATIENTS: Final = 3
"""Patients that a scanner needs, so that it still has two when one is left out."""

_BLOCK: Final = 4096


@dataclass(frozen=True)
class SlideSums:
    """Sums over the usable tiles of each of S slides, float64.

    Attributes
    ----------
    n, mean, within
        Tiles (S,), mean vector (S, d), squared deviations from it summed over tiles and dimensions (S,).
    error, unexplained
        The same of what the features leave of the vectors: squares (S,), and squared deviations from the slide's mean
        (S,). NaN without a decoder.
    cell_n, cell_within, yy, xy
        Over the tiles with counts: their number (S,), `within` (S,), and the products of the counts' deviations from
        the slide's means with each other (S, C, C) and with the vectors' (S, C, d).
    """

    n: Floats
    mean: Floats
    within: Floats
    error: Floats
    unexplained: Floats
    cell_n: Floats
    cell_within: Floats
    yy: Floats
    xy: Floats

    @classmethod
    def of(cls, arrays: Arrays) -> SlideSums:
        """From :meth:`arrays`."""
        return cls(**{name: np.asarray(arrays[name], np.float64) for name in cls.__dataclass_fields__})

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """All by name."""
        return dict(vars(self))


def slide_sums(
    inputs: StudyInput, number: int, types: Sequence[int], check_cancelled: Any = lambda: None
) -> SlideSums | None:
    """Go through the tiles of all slides once; None where some slide has no vectors. `check_cancelled` may raise to end it."""
    some = inputs.sets[number]
    if any(vectors is None for vectors in some.vectors):
        return None
    rows = []
    for k, slide in enumerate(inputs.slides):
        check_cancelled()
        rows.append(_of_slide(some, k, np.asarray(slide.counts[:, list(types)], np.float64), check_cancelled))
    return SlideSums(*(np.stack(values) for values in zip(*rows, strict=True)))


def _of_slide(some: FeatureSet, k: int, counts: Floats, check_cancelled: Any) -> tuple[Any, ...]:
    vectors = some.vectors[k]
    assert vectors is not None
    features = sparse.csr_array(some.features[k])
    d, n_types = int(vectors.shape[1]), counts.shape[1]
    keep = np.flatnonzero(some.valid[k])
    shift = (
        np.nan_to_num(np.asarray(vectors[keep[:_BLOCK]], np.float64)).mean(axis=0)
        if keep.size
        else np.zeros(d)
    )
    level = np.nan_to_num(counts).mean(axis=0)
    n = cell_n = square = error = residual_square = cell_square = 0.0
    total, residual, cell_total, y_total = np.zeros(d), np.zeros(d), np.zeros(d), np.zeros(n_types)
    yy, xy = np.zeros((n_types, n_types)), np.zeros((n_types, d))
    for a in range(0, keep.size, _BLOCK):
        check_cancelled()
        tiles = keep[a : a + _BLOCK]
        exact = np.asarray(vectors[tiles], np.float64)
        finite = np.isfinite(exact).all(axis=1)
        tiles, exact = tiles[finite], exact[finite]
        x = exact - shift
        n += len(x)
        total += x.sum(axis=0)
        square += float((x**2).sum())
        if some.decoder is not None:
            left = exact - np.asarray(features[tiles] @ some.decoder, np.float64)
            left -= 0.0 if some.offset is None else some.offset
            error += float((left**2).sum())
            residual += (left - shift).sum(axis=0)
            residual_square += float(((left - shift) ** 2).sum())
        known = np.isfinite(counts[tiles]).all(axis=1)
        x, y = x[known], counts[tiles][known] - level
        cell_n += len(x)
        cell_total += x.sum(axis=0)
        cell_square += float((x**2).sum())
        y_total += y.sum(axis=0)
        yy += y.T @ y
        xy += y.T @ x
    m, c = max(n, 1.0), max(cell_n, 1.0)
    has = some.decoder is not None
    return (
        n,
        shift + total / m,
        square - float(total @ total) / m,
        error if has else np.nan,
        residual_square - float(residual @ residual) / m if has else np.nan,
        cell_n,
        cell_square - float(cell_total @ cell_total) / c,
        yy - np.outer(y_total, y_total) / c,
        xy - np.outer(y_total, cell_total) / c,
    )


@dataclass(frozen=True)
class Cohort:
    """Whose each slide is and where it was scanned: numbers of patients and labels (S,), label -1 where unknown."""

    patient: npt.NDArray[np.int64]
    label: npt.NDArray[np.int64]
    names: tuple[str, ...]

    @classmethod
    def of(cls, inputs: StudyInput, fact: str) -> Cohort:
        """Labels with at least `MIN_PATIENTS` patients count; slides of others are -1."""
        _, patient = np.unique([slide.unit for slide in inputs.slides], return_inverse=True)
        texts = inputs.fact(fact)
        names = [
            name
            for name in sorted(set(texts) - {""})
            if len({p for p, text in zip(patient, texts, strict=True) if text == name}) >= MIN_PATIENTS
        ]
        label = np.array([names.index(text) if text in names else -1 for text in texts], np.int64)
        return cls(patient.astype(np.int64), label, tuple(names))

    @property
    def reason(self) -> str:
        """Why labels cannot be compared, empty where they can."""
        if len(self.names) >= 2:
            return ""
        return f"fewer than two of its values have {MIN_PATIENTS} patients each"


def variance_parts(sums: SlideSums, cohort: Cohort, without: int | None = None) -> Floats:
    """Variances, summed over dimensions, in the order of `PARTS` (4,), NaN where not defined.

    `scanner`: variance between the means of the labels, each label weighing the same, less what the scatter of
    patients alone would give it (method of moments, so it is 0 on average without an effect and may be negative).
    `features`: within slides, of what the decoder makes of the activations. `cells`: within slides, of a linear
    regression on the counts, adjusted for their number. `total`: over all tiles.

    Parameters
    ----------
    sums, cohort
        Of all slides.
    without
        Number of a patient to leave out.
    """
    used = (cohort.patient != without) & (sums.n > 0) if without is not None else sums.n > 0
    n, within = sums.n[used], float(sums.within[used].sum())
    if n.sum() < 2:
        return np.full(len(PARTS), np.nan)
    mean = np.average(sums.mean[used], axis=0, weights=n)
    total = (within + float((n * ((sums.mean[used] - mean) ** 2).sum(axis=1)).sum())) / n.sum()
    free = max(float((n - 1).sum()), 1.0)
    features = (within - float(sums.unexplained[used].sum())) / free
    return np.array([_between(sums, cohort, used), features, _by_cells(sums, used, within / free), total])


def _between(sums: SlideSums, cohort: Cohort, used: npt.NDArray[np.bool_]) -> float:
    means, scatter = [], []
    for label in range(len(cohort.names)):
        mine = used & (cohort.label == label)
        patients = np.unique(cohort.patient[mine])
        if patients.size < 2:
            return np.nan
        each = np.stack([sums.mean[mine & (cohort.patient == p)].mean(axis=0) for p in patients])
        means.append(each.mean(axis=0))
        scatter.append(float(((each - means[-1]) ** 2).sum()) / (patients.size - 1) / patients.size)
    if len(means) < 2:
        return np.nan
    centre = np.mean(means, axis=0)
    raw = float(((np.stack(means) - centre) ** 2).sum(axis=1).mean())
    return raw - (1 - 1 / len(means)) * float(np.mean(scatter))


def _by_cells(sums: SlideSums, used: npt.NDArray[np.bool_], variance: float) -> float:
    n, within = float(sums.cell_n[used].sum()), float(sums.cell_within[used].sum())
    yy, xy = sums.yy[used].sum(axis=0), sums.xy[used].sum(axis=0)
    rank = int(np.linalg.matrix_rank(yy)) if yy.size else 0
    free = n - float((sums.cell_n[used] > 0).sum())
    if rank == 0 or within <= 0 or free - rank < 1:
        return np.nan
    share = float(np.einsum("cd,ce,ed->", xy, np.linalg.pinv(yy), xy)) / within
    return (1 - (1 - share) * free / (free - rank)) * variance
