"""What a study of scanner and stain stored, as values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from sae_backend.statistics.holm import holm
from sae_backend.studies.framework.result import Arrays, StudyResult
from sae_backend.studies.framework.typed import typed, under
from sae_backend.studies.methods.labels.confounding import Confounding
from sae_backend.studies.methods.labels.effect_sizes import EffectSizes
from sae_backend.studies.robustness.array_names import FEATURES, INDEX_FIELDS, RAW, SCORES
from sae_backend.studies.robustness.paired_scans import Agreement, PairedScans
from sae_backend.studies.robustness.roles import Axes
from sae_backend.studies.robustness.stress import Movement

Floats = npt.NDArray[np.float64]
Value = TypeVar("Value", float, Floats)


@dataclass(frozen=True)
class Scores(Generic[Value]):
    """How well a label is read: AUROC of tiles and of whole slides with intervals, p, and what shuffled labels give."""

    auroc: Value
    ci_low: Value
    ci_high: Value
    null_low: Value
    null_high: Value
    p: Value
    slide_auroc: Value
    slide_ci_low: Value
    slide_ci_high: Value
    slide_p: Value


@dataclass(frozen=True)
class Index(Generic[Value]):
    """The robustness index with its interval, what random neighbours give, and the pairs that were counted."""

    value: Value
    low: Value
    high: Value
    chance: Value
    n_same_class: Value
    n_same_scanner: Value


@dataclass(frozen=True)
class Reading:
    """How well one label is read from each of K sources.

    Attributes
    ----------
    reason
        Why it was not read, empty where it was.
    sources
        Names (K,) of what it was read from; `width` says how many columns each has.
    held_out, note
        Whether the patients that are judged chose no feature; why not.
    left_out
        Labels that too few patients have.
    draws_over
        Over whom intervals are drawn; empty in runs of earlier versions.
    classes, groups_per_class
        Values of the label, and patients of each.
    n_patients, n_slides, n_tiles, n_folds, n_arrangements
        Of what was judged; `n_arrangements` are the ways in which labels can be exchanged.
    has_patients
        Whether patients are on record.
    index_classes, index_reasons, n_index_tiles
        What the classes of the robustness index are, why it is not defined for a source, and its tiles.
    scores, index
        Numbers of the sources (K,) each; None where nothing was read.
    null
        AUROC with shuffled labels (K, shuffles), None where there is none.
    """

    reason: str
    sources: list[str]
    held_out: bool = False
    note: str = ""
    left_out: list[str] = field(default_factory=list)
    draws_over: str = ""
    classes: list[str] = field(default_factory=list)
    groups_per_class: list[int] = field(default_factory=list)
    n_patients: int = 0
    n_slides: int = 0
    n_tiles: int = 0
    n_folds: int = 0
    n_arrangements: int = 0
    has_patients: bool = False
    width: Mapping[str, int] = field(default_factory=dict)
    index_classes: str = ""
    index_reasons: Mapping[str, str] = field(default_factory=dict)
    n_index_tiles: int = 0
    scores: Scores[Floats] | None = None
    index: Index[Floats] | None = None
    null: Floats | None = None

    def score(self, source: str) -> Scores[float] | None:
        """Numbers of one source, None where there are none."""
        if self.reason or self.scores is None or source not in self.sources:
            return None
        place = self.sources.index(source)
        return Scores(*(float(values[place]) for values in vars(self.scores).values()))

    def index_of(self, source: str) -> Index[float]:
        """Robustness index of one source that there is."""
        assert self.index is not None
        place = self.sources.index(source)
        return Index(*(float(values[place]) for values in vars(self.index).values()))

    def p_holm(self) -> Floats:
        """P of all sources after Holm (K,); empty where nothing was read."""
        return np.zeros(0) if self.reason or self.scores is None else holm(self.scores.p)

    def p_holm_of(self, source: str) -> float:
        """P of one source after Holm; NaN where it was not read."""
        found = self.p_holm()
        return float(found[self.sources.index(source)]) if found.size and source in self.sources else np.nan


@dataclass(frozen=True)
class Effects:
    """How far features differ between values of a label.

    Attributes
    ----------
    reason
        Why they could not be judged, empty where they could.
    classes
        Values of the label.
    has_patients
        Whether patients are on record.
    sizes
        Of the features; None where they could not be judged.
    raw_omega2, raw_p_family
        Effects of the raw dimensions and their p, None without vectors.
    """

    reason: str
    classes: Sequence[str]
    has_patients: bool = False
    sizes: EffectSizes | None = None
    raw_omega2: Floats | None = None
    raw_p_family: Floats | None = None


@dataclass(frozen=True)
class FollowedCells:
    """The cell type that each of F features follows best, chosen on one half, and its r on the other, with p."""

    type: npt.NDArray[np.int64]
    r: Floats
    r_low: Floats
    r_high: Floats
    p: Floats


@dataclass(frozen=True)
class Change:
    """A kind of change of the pixels, with its strengths from weak to strong."""

    name: str
    strengths: Sequence[float]
    unit: str

    @property
    def strongest(self) -> str:
        """Its name and last strength."""
        return f"{self.name} {self.strengths[-1]:g}"


@dataclass(frozen=True)
class StressTest:
    """What changed pixels do; `drift` is what encoding again does by itself, None where it is not known."""

    reason: str
    n_tiles: int
    n_slides: int
    drift: float | None
    kinds: Sequence[Change]
    features: Movement | None
    raw: Movement | None


@dataclass(frozen=True)
class Settings:
    """Settings that sentences and figures name."""

    n_shuffles: int
    neighbours: int


@dataclass(frozen=True)
class ScannerFindings:
    """Everything that was found of one label, and of the site beside it.

    Attributes
    ----------
    fact, facts
        The label that was asked for, and all that were read.
    paired_by
        Column that names the glass, None for none.
    set_title, is_control
        Of the SAE; whether its encoder has random weights.
    n_features, type_names, has_cells
        Number of features, and cell types.
    halves
        Unit of the halves, None without.
    titles
        What each source is called.
    readings, effects
        By label.
    cells
        What features follow, None without cells.
    paired, stress
        Paired scans and changed pixels; each has a reason where there is nothing.
    confounding
        What goes together with the label.
    settings
        That were used.
    """

    fact: str
    facts: Sequence[str]
    paired_by: str | None
    set_title: str
    is_control: bool
    n_features: int
    type_names: Sequence[str]
    has_cells: bool
    halves: str | None
    titles: Mapping[str, str]
    readings: Mapping[str, Reading]
    effects: Mapping[str, Effects]
    cells: FollowedCells | None
    paired: PairedScans
    stress: StressTest
    confounding: Sequence[Confounding]
    settings: Settings

    @classmethod
    def of(cls, result: StudyResult) -> ScannerFindings:
        """Read back what was stored."""
        arrays, meta = result.arrays, result.meta
        kinds = [typed(Change, kind) for kind in meta["stress"]["kinds"]]
        return typed(
            cls,
            meta,
            titles=meta["sources"],
            readings={fact: _reading(about, under(arrays, "read", fact)) for fact, about in meta["read"].items()},
            effects={
                fact: _effects(about["effects"], under(arrays, "effect", fact)) for fact, about in meta["read"].items()
            },
            cells=typed(FollowedCells, cells) if (cells := under(arrays, "cells")) else None,
            paired=typed(PairedScans, meta["paired"], **_both(Agreement, arrays, "paired")),
            stress=typed(StressTest, meta["stress"], kinds=kinds, **_both(Movement, arrays, "stress")),
            confounding=[typed(Confounding, {k: v for k, v in row.items() if v is not None}) for row in meta["confounding"]],
            settings=typed(Settings, meta["settings"]),
        )  # fmt: skip

    @property
    def reading(self) -> Reading:
        """Of the label that was asked for."""
        return self.readings[self.fact]

    @property
    def effect(self) -> Effects:
        """Of the label that was asked for."""
        return self.effects[self.fact]

    @property
    def axes(self) -> Axes:
        """The two axes that roles follow from; NaN where cells or effects are not known."""
        nothing = np.full(self.n_features, np.nan)
        cells, sizes = self.cells, self.effect.sizes
        return Axes(
            r=nothing if cells is None else cells.r,
            p_r=nothing if cells is None else cells.p,
            effect=nothing if sizes is None else sizes.omega2,
            p_effect=nothing if sizes is None else sizes.p_family,
        )


def _reading(about: Mapping[str, Any], arrays: Arrays) -> Reading:
    scores = arrays["scores"].T if "scores" in arrays else None
    index = arrays["index"].T if "index" in arrays else None
    return typed(
        Reading,
        about,
        scores=None if scores is None else Scores(**dict(zip(SCORES, scores, strict=True))),
        index=None if index is None else Index(**dict(zip(INDEX_FIELDS, index, strict=True))),
        null=arrays.get("null"),
    )


def _effects(about: Mapping[str, Any], arrays: Arrays) -> Effects:
    # Runs of earlier versions do not say how many labellings there were.
    known = {"n_labellings": 0, **about}
    return typed(Effects, about, arrays, sizes=None if about["reason"] else typed(EffectSizes, arrays, known))


def _both(kind: Any, arrays: Arrays, name: str) -> dict[str, Any]:
    """What was found of features and raw dimensions, None where there is nothing."""
    stored = {part: under(arrays, name, part) for part in (FEATURES, RAW)}
    return {part: typed(kind, values) if values else None for part, values in stored.items()}
