"""What a study can be asked of a project: what takes part, what is missing, and what its settings may be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from desktop_app.project.correlation.jobs import patient_column, patient_of
from desktop_app.project.studies.sets import known_sets
from desktop_app.store import Store
from sae_backend.errors import UserInputError
from sae_backend.statistics.split import MIN_UNITS

_FEW: Final = 3
_CELLS_WANTED: Final = ("depth", "robustness", "domain", "encoders")
_GROUPS_WANTED: Final = {"robustness": "scanner or site", "domain": "site, organ or cohort"}


@dataclass(frozen=True)
class StudyOffer:
    """What a project has for a study.

    Attributes
    ----------
    has
        In one line: slides, patients, slides with cells.
    obstacle
        Why it cannot be run, empty where it can.
    missing
        What would make it say more.
    columns
        Columns of the slide table, each with its values.
    patients
        By column and value how many patients have it; slides stand for patients where none are on record.
    others
        Other autoencoders of the same tiles: digest and title.
    encoders
        Encoders that saw the slides.
    """

    has: str
    obstacle: str = ""
    missing: tuple[str, ...] = ()
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    patients: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    others: Mapping[str, str] = field(default_factory=dict)
    encoders: tuple[str, ...] = ()


def offer_of(store: Store, kind: str) -> StudyOffer:
    """Look at a project with the eyes of a study; reads no arrays."""
    try:
        sets = known_sets(store)
    except UserInputError as error:
        return StudyOffer("No slide of this project has features yet.", f"{error.sentence} {error.hint}")
    current = store.analyses.current()
    assert current is not None
    own = next(one for one in sets if one.model["sae_digest"] == current.sae_digest)
    slides = list(own.analyses)
    known = store.slide_values.all()
    facts = {slide_id: known.get(slide_id, {}) for slide_id in slides}
    patients = {patient for values in facts.values() if (patient := patient_of(values))}
    n_cells = sum(bool(store.cells.version(slide_id)) for slide_id in slides)
    columns = _columns(list(facts.values()))
    encoders = tuple(dict.fromkeys(one.model["encoder"] for one in sets))
    offer = StudyOffer(
        has=f"{len(slides)} slide{'s' * (len(slides) != 1)} with features, "
        f"{len(patients) or 'no'} patient{'s' * (len(patients) != 1)} on record, cells on {n_cells}.",
        columns=columns,
        patients=_patients(columns, facts),
        others={one.model["sae_digest"]: one.title for one in sets if one is not own},
        encoders=encoders,
    )
    obstacle, missing = _judged(kind, offer, len(slides), len(patients), n_cells)
    return replace(offer, obstacle=obstacle, missing=tuple(missing))


def _columns(facts: list[Mapping[str, str]]) -> dict[str, tuple[str, ...]]:
    """Columns with two values or more, and these values, the commonest first; the patient is no column of theirs."""
    found: dict[str, tuple[str, ...]] = {}
    keys = dict.fromkeys(key for values in facts for key in values)
    keys.pop(patient_column(keys) or "", None)
    for key in keys:
        texts = [values[key] for values in facts if values.get(key)]
        distinct = sorted(set(texts), key=lambda text: (-texts.count(text), text))
        if len(distinct) > 1:
            found[key] = tuple(distinct)
    return found


def _patients(
    columns: Mapping[str, tuple[str, ...]], facts: Mapping[int, dict[str, str]]
) -> dict[str, dict[str, int]]:
    """Number of patients of each value of each column."""
    units = {slide_id: patient_of(values) or str(slide_id) for slide_id, values in facts.items()}
    return {
        key: {
            text: len({units[slide_id] for slide_id, known in facts.items() if known.get(key) == text})
            for text in texts
        }
        for key, texts in columns.items()
    }


def _judged(
    kind: str, offer: StudyOffer, n_slides: int, n_patients: int, n_cells: int
) -> tuple[str, list[str]]:
    """Why a study cannot be run, and what would make it say more."""
    missing = []
    obstacle = ""
    if kind == "encoders" and len(offer.encoders) < 2:
        obstacle = (
            "The slides were analysed with one encoder only. Analyse them with another, on the same tiles; "
            "control:random-vit is always at hand."
        )
    if kind in _GROUPS_WANTED and not offer.columns:
        obstacle = (
            f"The slide table has no column in which the slides differ. Import one that says {_GROUPS_WANTED[kind]}: "
            "Slide > Import a table of slides."
        )
    if n_slides < _FEW:
        missing.append(
            f"With {n_slides} slide{'s' * (n_slides != 1)} little can be said of slides or patients."
        )
    if not n_patients:
        missing.append(
            "No patients are on record, so slides stand for patients: import a table with a column patient."
        )
    elif n_patients < MIN_UNITS and kind in _CELLS_WANTED:
        missing.append(
            f"With fewer than {MIN_UNITS} patients each slide is cut in two to hold one end out, and intervals are wide."
        )
    if kind in _CELLS_WANTED and n_cells < n_slides:
        missing.append(
            "No slide has cells, so nothing is said of what features follow." if n_cells == 0
            else f"{n_slides - n_cells} slides have no cells and do not take part where features are set against cells."
        )  # fmt: skip
    return obstacle, missing
