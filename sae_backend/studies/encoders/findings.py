"""What a study of two encoders stored, as values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sae_backend.studies.framework.result import Arrays, StudyResult
from sae_backend.studies.framework.typed import typed, under
from sae_backend.studies.methods.cell_types.best_columns import CellColumns
from sae_backend.studies.methods.cell_types.monosemanticity import EntropyContrast

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Differences:
    """r of the first set of each pair less that of the second (pairs, 1 + C), the mean over types first.

    `low` and `high` are intervals of a row alone, `family_low` and `family_high` hold for all at once; `reason` says
    why there are none.
    """

    value: Floats
    low: Floats
    high: Floats
    family_low: Floats
    family_high: Floats
    reason: str


@dataclass(frozen=True)
class SetFeatures:
    """F features of one set.

    Attributes
    ----------
    entropy, beats, best_type
        Entropy over types, whether the feature beats chance, and the type that it follows most, -1 for none.
    auprc
        How well it finds the tiles of each type (F, C).
    firing
        Share of all tiles, and of those that report, in which it fires (F, 2).
    score, between, chance
        How alike its tiles look, those of different patients, and by chance.
    raw_entropy, raw_score
        Entropies and scores of the raw dimensions.
    prevalence
        Share of the tiles that have each type (C,).
    """

    entropy: Floats
    beats: npt.NDArray[np.bool_]
    best_type: npt.NDArray[np.int64]
    auprc: Floats
    firing: Floats
    score: Floats
    between: Floats
    chance: Floats
    raw_entropy: Floats
    raw_score: Floats
    prevalence: Floats

    @property
    def limit_of_chance(self) -> float:
        """95 % quantile of the scores by chance; NaN without any."""
        fine = self.chance[np.isfinite(self.chance)]
        return float(np.quantile(fine, 0.95)) if fine.size else float("nan")


@dataclass(frozen=True)
class EncoderFindings:
    """What was found of K sets.

    Attributes
    ----------
    titles, encoders, layers, is_control
        Of each set.
    judges
        Who says how alike tiles are, None for nobody.
    pairs
        Numbers of the sets of each pair.
    types
        Cell types (C,).
    n_slides, n_patients, n_reporting_patients, n_tiles, n_features
        Numbers; tiles and features of each set.
    held_out
        Whether a half reports that did not choose.
    probe_k, min_firing
        Numbers of columns that probes use; tiles that a feature must fire in to have a score.
    warnings, notes
        What has to be known, and what the correlations note.
    is_judged
        Whether there are patients enough to say what beats chance.
    cells
        Best columns of each set.
    alike_pairs, alike
        Mean cosine of all pairs of tiles, of those of different patients, and the tiles that both saw (K, 3); and scores
        of features beside those of dimensions.
    difference
        Between the sets.
    sets
        The features of each.
    """

    titles: list[str]
    encoders: Sequence[str]
    layers: Sequence[int | None]
    is_control: Sequence[bool]
    judges: Sequence[str | None]
    pairs: Sequence[tuple[int, int]]
    types: list[str]
    n_slides: int
    n_patients: int
    n_reporting_patients: int
    n_tiles: Sequence[int]
    n_features: Sequence[int]
    held_out: bool
    probe_k: Sequence[int]
    min_firing: int
    warnings: Sequence[str]
    notes: Sequence[str]
    is_judged: bool
    cells: CellColumns
    alike_pairs: Floats
    alike: list[EntropyContrast]
    difference: Differences
    sets: list[SetFeatures]

    @classmethod
    def of(cls, result: StudyResult) -> EncoderFindings:
        """Read back what was stored."""
        arrays, meta = result.arrays, result.meta
        notes = [str(note) for report in meta["reports"] for note in report.get("notes", [])]
        difference = under(arrays, "difference")
        return typed(
            cls,
            meta,
            notes=list(dict.fromkeys(notes)),
            is_judged=all(report.get("judged") for report in meta["reports"]),
            cells=CellColumns.of(arrays),
            alike_pairs=arrays["alike/pairs"],
            alike=[EntropyContrast(*row) for row in arrays["alike_contrast"].tolist()],
            difference=typed(Differences, difference, reason=str(difference["reason"])),
            sets=[
                _features(under(arrays, f"set{k}"), arrays["prevalence"][k])
                for k in range(len(meta["titles"]))
            ],
        )


def _features(arrays: Arrays, prevalence: Floats) -> SetFeatures:
    return typed(
        SetFeatures,
        arrays,
        under(arrays, "alike"),
        raw_score=under(arrays, "raw_alike")["score"],
        prevalence=prevalence,
    )
