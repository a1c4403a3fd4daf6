"""What a study refuses at once, before the cells of all slides are counted and anything is embedded or trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from shlex import quote
from typing import Any, Final

from desktop_app.project.correlation.jobs import patient_column, patient_of, slide_labels
from desktop_app.project.studies.study_options import StudyOptions
from desktop_app.store import AnalysisRecord, Store
from sae_backend.activations.embeddings import Embeddings
from sae_backend.errors import UserInputError
from sae_backend.studies.depth.chosen_blocks import chosen_blocks
from sae_backend.studies.framework.cohorts import two_groups

_COLUMNS: Final = ("fact", "label", "paired_by", "within")
_BY_COLUMN: Final = ("robustness", "domain")
_TWO_GROUPS: Final = ("domain", "slides")


def check_columns(store: Store, options: StudyOptions, slides: Sequence[int]) -> None:
    """Refuse columns that no slide has a value in, and that of the patients themselves.

    A default is no wish: depth looks at the scanner where it is on record, and goes without where it is not.

    Raises
    ------
    UserInputError
    """
    wanted = [options.settings.get(key) for key in _COLUMNS]
    if options.kind in _BY_COLUMN:
        wanted.append(options.spec()["fact"])
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


def check_blocks(store: Store, spec: Mapping[str, Any], analysis: AnalysisRecord) -> None:
    """Refuse blocks, and a feature to follow, that the study of depth will not have.

    Raises
    ------
    UserInputError
    """
    folder = store.cache_dir / analysis.embedding_folder
    # Without its embeddings the worker asks the encoder itself.
    if "layers" not in spec or not folder.is_dir():
        return
    card = Embeddings.open(folder).card
    if spec["layers"] is not None:
        chosen_blocks(spec["layers"], card.n_blocks)
    n_features = card.width * int(spec["expansion"])
    if spec["feature"] is not None and int(spec["feature"]) >= n_features:
        raise UserInputError(
            f"The SAE of the last block will have no feature {spec['feature']}.",
            f"Choose one from 0 to {n_features - 1}, or none: the study then follows the best for the first cell type.",
        )


def check_groups(store: Store, options: StudyOptions, shared: Sequence[AnalysisRecord]) -> None:
    """Refuse two groups that cannot be told apart.

    Raises
    ------
    UserInputError
    """
    spec = options.spec()
    if options.kind not in _TWO_GROUPS:
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
