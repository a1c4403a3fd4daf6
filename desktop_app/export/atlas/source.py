"""What an atlas takes from a project: read by the thread that the store belongs to, drawn by any."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from desktop_app.export.atlas.text import notices_of
from desktop_app.project.analysis_jobs import features_of, require_current
from desktop_app.project.features.feature_facts import pearson_by_strength
from desktop_app.store import (
    AnalysisRecord,
    AnnotationRecord,
    CommentRecord,
    CorrelationRecord,
    CorrelationRow,
    ExampleRecord,
    SlideRecord,
    Store,
)
from sae_backend.activations.feature_matrix import FeatureMatrix
from sae_backend.errors import UserInputError
from sae_backend.synthetic.recognise import is_generated


@dataclass(frozen=True)
class AtlasChoice:
    """Which features: those of a list, those numbered, all that fire, or (by default) all annotated ones."""

    list_name: str = ""
    features: tuple[int, ...] = ()
    everything: bool = False


@dataclass(frozen=True)
class AtlasSource:
    """A project's words and numbers for an atlas of its current analysis.

    `numbers` are the features in the order of the pages, `chosen` says in words how they were chosen;
    `correlations` holds each one's Pearson rows, the strongest first; `correlated_slides` names the
    slides they were measured on; `examples` are those that people chose. `made_at` is UTC.
    """

    slide: SlideRecord
    analysis: AnalysisRecord
    features: FeatureMatrix
    numbers: tuple[int, ...]
    chosen: str
    notes: Mapping[int, AnnotationRecord]
    comments: Mapping[int, tuple[CommentRecord, ...]]
    examples: Mapping[int, tuple[ExampleRecord, ...]]
    correlation: CorrelationRecord | None
    correlated_slides: tuple[str, ...]
    correlations: Mapping[int, tuple[CorrelationRow, ...]]
    notices: tuple[str, ...]
    made_at: datetime

    def note(self, feature: int) -> AnnotationRecord:
        """Annotations of a feature; a blank record where nobody has said anything."""
        return self.notes.get(feature, AnnotationRecord(self.features.sae_digest, feature))

    def title(self, feature: int) -> str:
        """Number and name."""
        name = self.note(feature).name
        return f"Feature {feature}: {name}" if name else f"Feature {feature}"


def collect(store: Store, choice: AtlasChoice, features: FeatureMatrix | None = None) -> AtlasSource:
    """Read from a project all that an atlas needs.

    Parameters
    ----------
    store
        The project.
    choice
        Which features.
    features
        The activations of the current analysis, where they are open already.

    Raises
    ------
    UserInputError
        When there is no analysis with features, or no feature to show.
    CacheError
        When the features were deleted or damaged.
    """
    analysis = require_current(store)
    known = features_of(store, analysis) if features is None else features
    slide = store.slides.get(analysis.slide_id)
    notes = {note.feature: note for note in store.annotations.all(known.sae_digest)}
    comments: dict[int, list[CommentRecord]] = {}
    for comment in store.comments.all(known.sae_digest):
        comments.setdefault(comment.feature, []).append(comment)
    examples: dict[int, list[ExampleRecord]] = {}
    for example in store.examples.all(known.sae_digest):
        examples.setdefault(example.feature, []).append(example)
    numbers, chosen = _chosen(store, choice, known, {*notes, *comments, *examples})
    correlation = store.correlations.latest(known.sae_digest)
    slides: tuple[str, ...] = ()
    rows: dict[int, list[CorrelationRow]] = {number: [] for number in numbers}
    if correlation is not None:
        slide_of = {record.id: record.slide_id for record in store.analyses.all()}
        ids = dict.fromkeys(slide_of[part] for part in correlation.analysis_ids)
        slides = tuple(store.slides.get(number).name for number in ids)
        for row in store.correlations.rows(correlation.id):
            if row.feature in rows:
                rows[row.feature].append(row)
    return AtlasSource(
        slide=slide,
        analysis=analysis,
        features=known,
        numbers=numbers,
        chosen=chosen,
        notes=notes,
        comments={feature: tuple(found) for feature, found in comments.items()},
        examples={feature: tuple(found) for feature, found in examples.items()},
        correlation=correlation,
        correlated_slides=slides,
        correlations={number: pearson_by_strength(found) for number, found in rows.items()},
        notices=notices_of(analysis, is_drawn=is_generated(slide.path)),
        made_at=datetime.now(UTC),
    )


def _chosen(
    store: Store, choice: AtlasChoice, features: FeatureMatrix, annotated: Iterable[int]
) -> tuple[tuple[int, ...], str]:
    if choice.features:
        numbers = tuple(dict.fromkeys(choice.features))
        for number in numbers:
            features.column(number)
        return numbers, "chosen by number"
    if choice.list_name:
        return _listed(store, choice.list_name, features), f"those of the list {choice.list_name}"
    if choice.everything:
        firing = tuple(int(number) for number in np.flatnonzero(features.stats.n_firing))
        if not firing:
            raise UserInputError("No feature fires on this slide.", "Analyse it with another autoencoder.")
        return firing, "all that fire on this slide"
    numbers = tuple(sorted(number for number in annotated if number < features.n_features))
    if not numbers:
        raise UserInputError(
            "No feature has a name or a note yet.",
            "Name some first; or choose others on the command line: --features 1,2, --list NAME or --all.",
        )
    return numbers, "all that somebody named, graded, commented on or chose examples of"


def _listed(store: Store, name: str, features: FeatureMatrix) -> tuple[int, ...]:
    lists = {known.name: known for known in store.lists.of_sae(features.sae_digest)}
    if name not in lists:
        there = ", ".join(lists) if lists else "none yet"
        raise UserInputError(f"There is no list named {name}.", f"Lists of this project: {there}.")
    numbers = tuple(ref.index for ref in lists[name].features if ref.index < features.n_features)
    if not numbers:
        raise UserInputError(
            f"The list {name} has no feature of the current autoencoder.",
            "Put some into it, or choose another.",
        )
    return numbers
