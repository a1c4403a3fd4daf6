"""What a study of depth stored, as values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from sae_backend.correlation.representations import RAW, SAE
from sae_backend.studies.depth.trend import Crossing, VarianceCurves
from sae_backend.studies.framework.result import Arrays, StudyResult
from sae_backend.studies.framework.typed import typed, under
from sae_backend.studies.methods.cell_types.best_columns import CellColumns

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class ReadCurve:
    """How well a label is read in each block (B,): AUROC with its interval, what exchanged labels give, and p."""

    auroc: Floats
    ci_low: Floats
    ci_high: Floats
    null_low: Floats
    null_high: Floats
    p: Floats

    def score(self, block: int) -> tuple[float, float, float]:
        """AUROC of a block and its interval."""
        return float(self.auroc[block]), float(self.ci_low[block]), float(self.ci_high[block])

    @property
    def has_ends(self) -> bool:
        """Whether the first block and the last have a value."""
        return bool(np.isfinite(self.auroc[[0, -1]]).all())


@dataclass(frozen=True)
class BlockReading:
    """How well a column of the slide table is read.

    Attributes
    ----------
    fact, reason
        The column, and why it was not read, empty where it was.
    classes, patients, left_out
        Its values, patients of each, and values that too few patients have.
    draws_over
        Over whom intervals are drawn; empty in runs of earlier versions.
    n_patients, n_tiles, n_folds
        Of what was judged.
    features, dimensions
        Curves of the features and of the raw dimensions.
    """

    fact: str
    reason: str
    classes: Sequence[str]
    patients: Sequence[int]
    features: ReadCurve
    dimensions: ReadCurve
    left_out: Sequence[str] = ()
    draws_over: str = ""
    n_patients: int = 0
    n_tiles: int = 0
    n_folds: int = 0


@dataclass(frozen=True)
class Slopes:
    """Change of r per block of the mean over types and of each type (1 + C,), with intervals alone and for all at once."""

    value: Floats
    low: Floats
    high: Floats
    family_low: Floats
    family_high: Floats
    reason: str


@dataclass(frozen=True)
class LabelFree:
    """How alike the tiles of a column look, block by block.

    `sae` and `raw` (B, 4) are number, median and quartiles over the columns; `pairs` (B, 2) the mean over any two tiles
    and the number of tiles; `above` (B, 2) how many features are above the limit of chance, and that limit; `effect`
    (B, 1) is rank-biserial.
    """

    sae: Floats
    raw: Floats
    pairs: Floats
    above: Floats
    effect: Floats


@dataclass(frozen=True)
class Judge:
    """The set whose encoder says how alike tiles are."""

    title: str
    is_control: bool


@dataclass(frozen=True)
class FollowedFeature:
    """One feature of a block, and its match in each of B blocks.

    Attributes
    ----------
    set, number
        Of the feature.
    feature
        Number of its match in each block, -1 for none.
    r, low, high, p, chance
        r of their activations on the held-out half, its interval, p, and what chance gives at most.
    random, random_low, random_high, random_p
        The same of the best of as many random directions.
    type_r
        r of the match with each cell type (B, C).
    """

    set: int
    number: int
    feature: Ints
    r: Floats
    low: Floats
    high: Floats
    p: Floats
    chance: Floats
    random: Floats
    random_low: Floats
    random_high: Floats
    random_p: Floats
    type_r: Floats


@dataclass(frozen=True)
class BlockEntropies:
    """Entropies of the columns that beat chance, block after block; `entropy_block` says of which block each is."""

    entropy: Floats
    entropy_block: Ints


@dataclass(frozen=True)
class DepthFindings:
    """What was found in B blocks.

    Attributes
    ----------
    encoder, titles, blocks
        The encoder, names of the blocks and their numbers.
    types
        Cell types (C,).
    fact
        Column of the slide table whose variance is looked at.
    n_slides, n_patients, n_reporting_patients, n_tiles, n_features
        Numbers; features of each block.
    held_out
        Whether a half reports that did not choose.
    warnings, notes
        What has to be known, and what the correlations note.
    is_judged, unit
        Whether there are patients enough to say what beats chance, and what is exchanged.
    readings
        Of the scanner, and of the site where that is another column.
    cells
        Best columns of each block.
    entropies
        Of features and raw dimensions.
    slope
        Change of r with depth.
    variance, crossing
        Variance of the vectors and where the features pass the column; None where it could not be had.
    variance_reason
        Why it cannot be said, empty where it can.
    quality, quality_source
        What describes the SAEs (B,) by name, and where each is from.
    judge, alike
        Who says how alike tiles are, None for nobody; and what was said.
    followed
        The feature that was followed, None for none.
    n_random
        Draws of random dictionaries; None in runs that do not say so.
    """

    encoder: str
    titles: list[str]
    blocks: Floats
    types: Sequence[str]
    fact: str
    n_slides: int
    n_patients: int
    n_reporting_patients: int
    n_tiles: int
    n_features: Sequence[int]
    held_out: bool
    warnings: Sequence[str]
    readings: Mapping[str, BlockReading]
    cells: CellColumns
    entropies: Mapping[str, BlockEntropies]
    slope: Slopes
    variance: VarianceCurves | None
    crossing: Crossing | None
    variance_reason: str
    quality: Mapping[str, Floats]
    quality_source: Sequence[str]
    judge: Judge | None
    alike: LabelFree
    followed: FollowedFeature | None
    n_random: int | None = None
    notes: Sequence[str] = field(default_factory=list)
    is_judged: bool = False
    unit: str = "the patient"

    @classmethod
    def of(cls, result: StudyResult) -> DepthFindings:
        """Read back what was stored."""
        arrays, meta = result.arrays, result.meta
        reports = meta["reports"]
        slope, curves = under(arrays, "slope"), under(arrays, "variance")
        has_curves = "share" in curves
        return typed(
            cls,
            meta,
            blocks=np.asarray(meta["blocks"], np.float64),
            notes=[str(note) for note in reports.get("notes") or ()],
            is_judged=bool(reports.get("judged")),
            unit=str(reports.get("unit", "the patient")),
            readings={name: _reading(about, arrays[name]) for name, about in meta["read"].items()},
            cells=CellColumns.of(arrays),
            entropies={name: typed(BlockEntropies, under(arrays, name)) for name in (SAE, RAW)},
            slope=typed(Slopes, slope, reason=str(slope["reason"])),
            variance=typed(VarianceCurves, curves, reason=str(curves["reason"])) if has_curves else None,
            crossing=Crossing(*curves["crossing"].tolist()) if has_curves else None,
            variance_reason=meta["variance_reason"] or ("" if has_curves else str(curves["reason"])),
            quality=dict(zip(meta["quality_fields"], arrays["quality"].T, strict=True)),
            judge=typed(Judge, meta["judge"]) if meta["judge"] else None,
            alike=typed(LabelFree, under(arrays, "alike")),
            followed=_followed(meta["followed"], arrays) if meta["followed"] is not None else None,
            n_random=meta["settings"].get("n_random"),
        )


def _reading(about: Mapping[str, Any], values: Floats) -> BlockReading:
    return typed(
        BlockReading, about, features=ReadCurve(*values[:, 0].T), dimensions=ReadCurve(*values[:, 1].T)
    )


def _followed(about: Mapping[str, Any], arrays: Arrays) -> FollowedFeature:
    return typed(FollowedFeature, under(arrays, "follow"), set=about["set"], number=about["feature"])
