"""How slides and patients differ in their features, which slides are alike, and whether two groups differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from sae_backend.errors import UserInputError
from sae_backend.studies.framework.cohorts import TwoGroups, two_groups
from sae_backend.studies.framework.inputs import StudyInput
from sae_backend.studies.framework.result import Checkpoints, Progress, StudyResult
from sae_backend.studies.slides.group_difference import MIN_PATIENTS, Exchange, compare, n_exchanges
from sae_backend.studies.slides.neighbour_facts import shared_facts
from sae_backend.studies.slides.profiles import MEASURES, Profiles, by_unit, plane, profile_slides, similarity

_EXCHANGES: Final = 9_999


def run(
    inputs: StudyInput, spec: Mapping[str, Any], progress: Progress, checkpoints: Checkpoints
) -> StudyResult:
    """Profile the slides, find those that are alike, and compare two groups where a column names them.

    Raises
    ------
    UserInputError
        When the groups are confounded or have too few patients, or there is no such measure.
    """
    measure = str(spec["measure"])
    if measure not in MEASURES:
        raise UserInputError(f"There is no measure {measure!r}.", f"Use one of {', '.join(MEASURES)}.")
    made = checkpoints.get("profiles", lambda: vars(profile_slides(inputs.sets[0], progress)))
    profiles = Profiles(**made)
    values = profiles.of(measure)
    places, share = plane(values)
    alike = similarity(values)
    facts, shared = shared_facts(inputs, alike, int(spec["seed"]), progress)
    arrays: dict[str, npt.NDArray[Any]] = {
        **vars(profiles), "similarity": alike.astype(np.float32), "plane": places, "plane_share": share, **shared,
    }  # fmt: skip
    meta: dict[str, Any] = {
        "slides": [slide.name for slide in inputs.slides],
        "units": [slide.unit for slide in inputs.slides],
        "n_patients": len({slide.unit for slide in inputs.slides}),
        "knows_patients": any(slide.patient for slide in inputs.slides),
        "n_without_patient": sum(not slide.patient for slide in inputs.slides),
        "n_features": inputs.sets[0].n_features,
        "measure": measure,
        "facts": facts,
        "fact_values": {key: inputs.fact(key) for key in facts},
        "compared": False,
        "seed": int(spec["seed"]),
    }
    if spec["fact"]:
        groups = two_groups(
            [slide.facts for slide in inputs.slides], [slide.unit for slide in inputs.slides],
            spec["fact"], spec["a"], spec["b"],
        )  # fmt: skip
        found, more = _compare(inputs, groups, values, spec, progress)
        arrays |= found
        meta |= {**more, "compared": True}
    return StudyResult(arrays, meta)


def _compare(
    inputs: StudyInput,
    groups: TwoGroups,
    values: npt.NDArray[np.float32],
    spec: Mapping[str, Any],
    progress: Progress,
) -> tuple[dict[str, npt.NDArray[Any]], dict[str, Any]]:
    taking = [k for k in (*groups.slides_a, *groups.slides_b) if np.isfinite(values[k]).all()]
    units, of_patient = by_unit(values[taking], [inputs.slides[k].unit for k in taking])
    of_a = {inputs.slides[k].unit for k in groups.slides_a}
    in_a = np.array([unit in of_a for unit in units], np.bool_)
    n_a, n_b = int(in_a.sum()), int((~in_a).sum())
    if min(n_a, n_b) < MIN_PATIENTS:
        raise UserInputError(
            f"{groups.a} has {n_a} and {groups.b} {n_b} patients with tiles, and {MIN_PATIENTS} are needed of each.",
            "Slides of one patient are not independent: add patients, or look at the profiles without comparing groups.",
        )
    strata = _strata(inputs, units, spec["within"])
    how = Exchange(_EXCHANGES, int(spec["seed"]), strata)
    found = compare(of_patient, in_a, how, progress)
    arrays = {f"group/{key}": array for key, array in vars(found).items()}
    arrays |= {"patient/values": of_patient.astype(np.float32), "patient/in_a": in_a}
    meta = {
        "fact": groups.fact, "a": groups.a, "b": groups.b, "n_a": n_a, "n_b": n_b,
        "n_slides_a": len(groups.slides_a), "n_slides_b": len(groups.slides_b), "n_other_slides": groups.n_other,
        "within": spec["within"] or "", "n_strata": len(set(strata)), "patients": units,
        "in_group": ["a" if k in groups.slides_a else "b" if k in groups.slides_b else "" for k in range(len(inputs.slides))],
        "n_exchanges": _EXCHANGES, "least_p": 1.0 / min(n_exchanges(in_a, strata), _EXCHANGES + 1.0),
        "goes_with": _goes_with(inputs, groups),
    }  # fmt: skip
    return arrays, meta


def _strata(inputs: StudyInput, units: Sequence[str], within: str | None) -> list[str]:
    """Stratum of each patient: what the column says of its first slide; the same for all without a column."""
    if not within:
        return [""] * len(units)
    texts = inputs.fact(within)
    if not any(texts):
        raise UserInputError(
            f"No slide has a value in the column {within!r}.",
            "Name another column to exchange patients within.",
        )
    first = {slide.unit: text for slide, text in reversed(list(zip(inputs.slides, texts, strict=True)))}
    return [first[unit] for unit in units]


def _goes_with(inputs: StudyInput, groups: TwoGroups) -> dict[str, float]:
    """How strongly other columns go with the groups, by patient: Cramer's V with Bergsma's correction of bias.

    A patient whose slides have several values, as those of several scanners, counts once for each.
    Bergsma (2013), Journal of the Korean Statistical Society 42, 323.
    """
    found = {}
    sides = {**dict.fromkeys(groups.slides_a, 0), **dict.fromkeys(groups.slides_b, 1)}
    for key in dict.fromkeys(key for slide in inputs.slides for key in slide.facts):
        if key.casefold() == groups.fact.casefold():
            continue
        texts = inputs.fact(key)
        rows = {(inputs.slides[k].unit, texts[k], side) for k, side in sides.items() if texts[k]}
        values = sorted({text for _, text, _ in rows})
        if not 2 <= len(values) <= max(2, len({unit for unit, _, _ in rows}) // 2):
            continue
        table = np.zeros((len(values), 2))
        for _, text, side in rows:
            table[values.index(text), side] += 1
        found[key] = _cramer(table)
    return found


def _cramer(table: npt.NDArray[np.float64]) -> float:
    n = table.sum()
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / n
    with np.errstate(invalid="ignore", divide="ignore"):
        phi2 = float(np.nansum((table - expected) ** 2 / expected)) / n
    r, k = table.shape
    corrected = max(0.0, phi2 - (r - 1) * (k - 1) / (n - 1))
    least = min(r - (r - 1) ** 2 / (n - 1), k - (k - 1) ** 2 / (n - 1)) - 1
    return float(np.sqrt(corrected / least)) if least > 0 else 0.0
