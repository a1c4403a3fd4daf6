"""What a study can be asked of a project, and what is refused before cells are counted and anything is trained.

A study says what it needs (`sae_backend.studies.framework.study`); here the project is looked at for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from shlex import quote
from typing import Final

from desktop_app.project.correlation.jobs import patient_column, patient_of, slide_labels
from desktop_app.project.studies.sets import StudySet, known_sets
from desktop_app.project.studies.settings import StudyOptions
from desktop_app.store import AnalysisRecord, Store
from sae_backend.activations.embeddings import Embeddings
from sae_backend.activations.feature_matrix import FeatureMatrix
from sae_backend.errors import CacheError, UserInputError
from sae_backend.slides.tiles import TileSpec
from sae_backend.statistics.number_text import count_text
from sae_backend.statistics.split import MIN_UNITS
from sae_backend.studies.framework.cohorts import two_groups
from sae_backend.studies.framework.registry import study
from sae_backend.studies.framework.study import Study

_PLAIN: Final = TileSpec()
_FEW: Final = 3


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
        has=f"{count_text(len(slides), 'slide')} with features, "
        f"{len(patients) or 'no'} patient{'s' * (len(patients) != 1)} on record, cells on {n_cells}.",
        columns=columns,
        patients=_patients(columns, facts),
        others={one.model["sae_digest"]: one.title for one in sets if one is not own},
        encoders=encoders,
    )
    obstacle, missing = _judged(study(kind), offer, len(slides), len(patients), n_cells)
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
    one: Study, offer: StudyOffer, n_slides: int, n_patients: int, n_cells: int
) -> tuple[str, list[str]]:
    """Why a study cannot be run, and what would make it say more."""
    missing = []
    obstacle = ""
    if len(offer.encoders) < one.least_encoders:
        obstacle = (
            "The slides were analysed with one encoder only. Analyse them with another, on the same tiles; "
            "control:random-vit is always at hand."
        )
    if one.column_says and not offer.columns:
        obstacle = (
            f"The slide table has no column in which the slides differ. Import one that says {one.column_says}: "
            "Slide > Import a table of slides."
        )
    if n_slides < _FEW:
        missing.append(f"With {count_text(n_slides, 'slide')} little can be said of slides or patients.")
    if not n_patients:
        missing.append(
            "No patients are on record, so slides stand for patients: import a table with a column patient."
        )
    elif n_patients < MIN_UNITS and one.needs_cells:
        missing.append(
            f"With fewer than {MIN_UNITS} patients each slide is cut in two to hold one end out, and intervals are wide."
        )
    if one.needs_cells and n_cells < n_slides:
        missing.append(
            "No slide has cells, so nothing is said of what features follow." if n_cells == 0
            else f"{n_slides - n_cells} slides have no cells and do not take part where features are set against cells."
        )  # fmt: skip
    return obstacle, missing


def check_columns(store: Store, options: StudyOptions, slides: Sequence[int]) -> None:
    """Refuse columns that no slide has a value in, and that of the patients themselves.

    A default is no wish where a study can do without: depth looks at the scanner where it is on record.

    Raises
    ------
    UserInputError
    """
    chosen = options.spec() if options.study.column_says else options.settings
    wanted = [chosen.get(setting.key) for setting in options.study.settings if setting.kind == "column"]
    known = store.slide_values.all()
    columns = sorted({key for slide_id in slides for key, text in known.get(slide_id, {}).items() if text})
    folded = {key.casefold() for key in columns}
    whose = (patient_column(columns) or "").casefold()
    for column in wanted:
        if column and str(column).casefold() == whose:
            raise UserInputError(
                "The patient is the unit of every study, and cannot also be what is read or compared.",
                "Choose a column that several patients share, such as scanner or site.",
            )
        if column and str(column).casefold() not in folded:
            raise UserInputError(
                f"No slide has a value in the column {str(column)!r}.",
                f"The slide table has {', '.join(columns) or 'no columns: import one (sparsescope slides import)'}.",
            )


def check_encoder(store: Store, options: StudyOptions, analysis: AnalysisRecord) -> None:
    """Refuse settings that do not fit the encoder of an analysis.

    Raises
    ------
    UserInputError
    """
    folder, check = store.cache_dir / analysis.embedding_folder, options.study.check_encoder
    # Without its embeddings the worker asks the encoder itself.
    if check is not None and folder.is_dir():
        check(options.spec(), Embeddings.open(folder).card)


def check_groups(store: Store, options: StudyOptions, shared: Sequence[AnalysisRecord]) -> None:
    """Refuse two groups that are not distinct.

    Raises
    ------
    UserInputError
    """
    spec = options.spec()
    if not any(setting.kind == "value" for setting in options.study.settings):
        return
    if not spec["fact"]:
        if spec["a"] is not None or spec["b"] is not None or spec.get("within") is not None:
            raise UserInputError(
                "Groups to compare are values of a column of the slide table, and none is chosen.",
                "Choose it: Groups by in the window, or --fact COLUMN.",
            )
        return
    known, labels = store.slide_values.all(), slide_labels(store)
    facts = [known.get(one.slide_id, {}) for one in shared]
    units = [patient_of(values) or labels[one.slide_id] for values, one in zip(facts, shared, strict=True)]
    ask = f"sparsescope study {options.kind} --project {quote(str(store.folder))}"
    two_groups(facts, units, spec["fact"], spec["a"], spec["b"], ask)


def check_cache(store: Store, options: StudyOptions, sets: Sequence[StudySet], slides: Sequence[int]) -> None:
    """Refuse a study whose features, or embeddings where it trains on them, are gone, before anything is counted.

    Raises
    ------
    CacheError
        That names the slides.
    """
    for one in sets:
        analyses = [one.analyses[slide] for slide in slides]
        gone = [
            record for record in analyses if not _can_be_read(store, record.feature_folder, FeatureMatrix)
        ]
        if gone:
            raise _missing(store, one, gone, "features")
    if options.study.trains(options.spec()):
        analyses = [sets[0].analyses[slide] for slide in slides]
        gone = [record for record in analyses if not _can_be_read(store, record.embedding_folder, Embeddings)]
        if gone:
            raise _missing(store, sets[0], gone, "embeddings")


def again(record: AnalysisRecord, name: str = "SLIDE") -> str:
    """The command that makes what belongs to an analysis once more."""
    words = f"sparsescope analyze {name} --project DIR --encoder {record.encoder} --layer {record.layer}"
    for key in ("tile_px", "tile_mpp", "stride_px"):
        value = record.tile_spec.get(key)
        if value is not None and value != getattr(_PLAIN, key):
            words += f" --{key.replace('_', '-')} {value:g}"
    return words


def _can_be_read(store: Store, folder: str | None, kind: type[FeatureMatrix] | type[Embeddings]) -> bool:
    if folder is None:
        return False
    place: Path = store.cache_dir / folder
    try:
        kind.open(place)
    except CacheError:
        return False
    return True


def _missing(store: Store, one: StudySet, gone: Sequence[AnalysisRecord], what: str) -> CacheError:
    labels = slide_labels(store)
    first = labels[gone[0].slide_id]
    n = len(gone) - 1
    more = f" and {count_text(n, 'other slide')}" if n else ""
    return CacheError(
        f"The {what} of {first}{more} ({one.title}) are no longer in the cache, or are damaged.",
        f"Analyse {'these slides' if n else 'this slide'} again with the same settings: Analysis > Analyse the slide in the "
        f"window, or {again(gone[0], 'SLIDE' if n else first)}.",
    )
