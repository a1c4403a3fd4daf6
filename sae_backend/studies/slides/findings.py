"""What a study of slides and patients stored, as values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from sae_backend.studies.framework.result import StudyResult
from sae_backend.studies.framework.typed import typed, under
from sae_backend.studies.slides.group_difference import GroupDifference
from sae_backend.studies.slides.profiles import Profiles

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ComparedGroups:
    """Two groups of P patients.

    Attributes
    ----------
    fact, a, b
        The column of the slide table and its values.
    n_a, n_b
        Patients of each.
    n_other_slides
        Slides in neither.
    within
        Column within which patients were exchanged, empty for none.
    patients
        Names (P,).
    in_group
        Group of each slide (S,): `a`, `b` or nothing.
    n_exchanges, least_p
        Exchanges of patients, and the smallest p that they can give.
    goes_with
        Cramer's V of other columns with the groups.
    difference
        Of each feature.
    values, in_a
        Mean profile of each patient (P, F), and whether it is of the first group (P,).
    """

    fact: str
    a: str
    b: str
    n_a: int
    n_b: int
    n_other_slides: int
    within: str
    patients: list[str]
    in_group: Sequence[str]
    n_exchanges: int
    least_p: float
    difference: GroupDifference
    values: npt.NDArray[np.float32]
    in_a: npt.NDArray[np.bool_]
    goes_with: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class SlideFindings:
    """S slides with F features.

    Attributes
    ----------
    slides, units
        Names of the slides, and of their patients.
    n_patients, n_features, n_without_patient, knows_patients
        Numbers, and whether any patient is on record.
    measure
        What a slide is summed up by.
    facts, fact_values
        Columns (M,) that slides can share, and their values for each slide.
    profiles
        Of all slides.
    similarity
        Cosine of the profiles (S, S).
    plane, plane_share
        First two components (S, 2), and their shares of the variance (2,).
    shared, shared_chance, shared_high, shared_p, shared_n
        How often the most alike slide has the same value (M,), by chance, p, and of how many slides and patients (M, 2).
    groups
        The comparison, None where no groups were named.
    """

    slides: Sequence[str]
    units: Sequence[str]
    n_patients: int
    n_features: int
    n_without_patient: int
    knows_patients: bool
    measure: str
    facts: list[str]
    fact_values: Mapping[str, Sequence[str]]
    profiles: Profiles
    similarity: npt.NDArray[np.float32]
    plane: Floats
    plane_share: Floats
    shared: Floats
    shared_chance: Floats
    shared_high: Floats
    shared_p: Floats
    shared_n: npt.NDArray[np.int64]
    groups: ComparedGroups | None

    @classmethod
    def of(cls, result: StudyResult) -> SlideFindings:
        """Read back what was stored."""
        arrays, meta = result.arrays, result.meta
        groups = None
        if meta["compared"]:
            difference = typed(GroupDifference, under(arrays, "group"))
            groups = typed(ComparedGroups, meta, under(arrays, "patient"), difference=difference)
        return typed(cls, meta, arrays, profiles=typed(Profiles, arrays), groups=groups)


def order_of(p_single: Floats, effect: Floats) -> npt.NDArray[np.int64]:
    """Features by strength of the difference, of equal rank sums the larger effect first, those without any left out."""
    size = np.nan_to_num(np.abs(effect))
    known = np.flatnonzero(np.isfinite(p_single))
    return np.asarray(known[np.lexsort((-size[known], p_single[known]))], np.int64)


def strongest(groups: ComparedGroups) -> npt.NDArray[np.int64]:
    """Features by strength of their difference between the groups."""
    return order_of(groups.difference.p_single, groups.difference.effect)
