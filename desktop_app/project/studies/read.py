"""A stored study as the window shows it, and the tiles behind its points; nothing here touches the window."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from desktop_app.project.features.example_pictures import ExampleSource, Picture, level_pictures
from desktop_app.project.studies.cluster_names import with_names
from desktop_app.project.studies.compare import ComparedRun, StudyComparison, compare_studies
from desktop_app.project.studies.figures import load
from desktop_app.project.studies.requirements import again
from desktop_app.project.studies.text import paragraphs, render
from desktop_app.store import Store, StudyRecord
from sae_backend.activations.feature_matrix import FeatureMatrix
from sae_backend.errors import SparsescopeError, UserInputError
from sae_backend.statistics.number_text import count_text
from sae_backend.studies.framework.registry import study
from sae_backend.studies.framework.report import Report, Target

_PICTURED: Final = 12
_MOST_SLIDES: Final = 8


@dataclass(frozen=True)
class StudyView:
    """A study with everything that is seen of it; `mark` says in a few words what has changed since."""

    record: StudyRecord
    arrays: Mapping[str, npt.NDArray[Any]]
    report: Report
    words: tuple[str, ...]
    mark: str
    names: Mapping[str, str]

    def rendered(self, thresholds: Mapping[str, float], names: Mapping[str, str] | None = None) -> StudyView:
        """The same study told with other thresholds, or other names of its clusters."""
        known = self.names if names is None else names
        report = with_names(render(self.record, self.arrays, thresholds), known)
        words = tuple(paragraphs(self.record, report))
        return StudyView(self.record, self.arrays, report, words, self.mark, known)


@dataclass(frozen=True)
class Beside:
    """Another run of the study with number `study_id`, and how the two differ."""

    study_id: int
    view: StudyView
    comparison: StudyComparison


def read_study(folder: Path, study_id: int, sae_digest: str | None) -> StudyView:
    """Read a study of a project.

    Raises
    ------
    StoreError
        When it is not there or damaged.
    """
    # In the thread that reads: the window would stand still for it when the first figure is seen.
    load()
    with Store(folder) as store:
        record = store.studies.get(study_id)
        arrays = store.studies.arrays(study_id)
        names = store.studies.cluster_names(study_id)
        report = with_names(render(record, arrays), names)
        mark = study_mark(store, record, sae_digest)
        return StudyView(record, arrays, report, tuple(paragraphs(record, report)), mark, names)


def read_beside(view: StudyView, folder: Path, study_id: int, thresholds: Mapping[str, float]) -> Beside:
    """Read another run, tell it with the same thresholds, and compare the two.

    Raises
    ------
    StoreError
        When it is not there or damaged.
    UserInputError
        When it is no other run of the same study.
    """
    other = read_study(folder, study_id, None).rendered(thresholds)
    own, beside = (
        ComparedRun(one.record, one.arrays, one.report) for one in (view.rendered(thresholds), other)
    )
    return Beside(view.record.id, other, compare_studies(own, beside, thresholds))


def study_mark(store: Store, record: StudyRecord, sae_digest: str | None) -> str:
    """What has changed since a study was done; empty where it still holds."""
    reasons = []
    if sae_digest not in (None, record.sae_digest) and not study(record.kind).has_own_saes:
        reasons.append("other autoencoder")
    now = {slide.fingerprint: store.cells.version(slide.id) for slide in store.slides.all()}
    n_cells = sum(now.get(key, known) != known for key, known in record.cells.items())
    if n_cells:
        reasons.append(f"cells of {count_text(n_cells, 'slide')} changed since")
    values = {slide.fingerprint: slide.id for slide in store.slides.all()}
    facts = store.slide_values.all()
    n_facts = sum(
        entry["facts"] != facts.get(values[entry["fingerprint"]], {})
        for entry in record.request["slides"]
        if entry["fingerprint"] in values
    )
    if n_facts:
        reasons.append(f"the slide table says something else of {count_text(n_facts, 'slide')}")
    return f"stale: {'; '.join(reasons)}" if reasons else ""


def slide_number(store: Store, record: StudyRecord, name: str) -> int | None:
    """Number in the project of a slide that a study names, None where it is gone."""
    fingerprint = next((one["fingerprint"] for one in record.request["slides"] if one["name"] == name), None)
    return next((slide.id for slide in store.slides.all() if slide.fingerprint == fingerprint), None)


def target_pictures(
    folder: Path, record: StudyRecord, target: Target
) -> tuple[list[str], list[list[Picture]]]:
    """The strongest tiles of the features behind a point, each with a title.

    Raises
    ------
    UserInputError
        When the features were deleted from the cache.
    """
    wanted = [(target.set_number, target.feature)] if target.feature is not None else []
    if target.other is not None:
        wanted.append(target.other)
    titles, pictures = [], []
    with Store(folder) as store:
        for number, feature in wanted:
            if feature is None:
                continue
            sources = _sources(store, record, number, feature, target.slide)
            titles.append(f"{record.sets[number]['title']}: feature {feature}")
            found = level_pictures(sources, feature) if sources else {}
            pictures.append(found.get("top", [])[:_PICTURED])
    return titles, pictures


def _gone(store: Store, entry: Mapping[str, Any], slides: Sequence[str]) -> tuple[str, str]:
    """Which features are no longer there, and what brings them back."""
    n = len(slides) - 1
    more = f" and {count_text(n, 'other slide')}" if n else ""
    sentence = f"The features of {slides[0]}{more} ({entry['title']}) are no longer in the cache."
    digest = entry["model"]["sae_digest"]
    record = next((one for one in store.analyses.all() if one.sae_digest == digest), None)
    if record is None:
        return sentence, "The study trained this SAE itself: do it again to have them."
    return sentence, f"Analyse {'these slides' if n else 'this slide'} again: {again(record)}."


def _sources(store: Store, record: StudyRecord, number: int, feature: int, only: str) -> list[ExampleSource]:
    """The slides on which a feature is strongest, or the one that is named."""
    entry = record.sets[number]
    by_fingerprint = {slide.fingerprint: slide for slide in store.slides.all()}
    found: list[tuple[float, ExampleSource]] = []
    missing: list[str] = []
    for place, known in enumerate(record.request["slides"]):
        slide = by_fingerprint.get(known["fingerprint"])
        if slide is None or (only and known["name"] != only):
            continue
        try:
            features = FeatureMatrix.open(store.cache_dir / entry["feature_dirs"][place])
        except SparsescopeError:
            missing.append(known["name"])
            continue
        _, values = features.column(feature)
        source = ExampleSource(
            slide.id, slide.name, slide.path, slide.mpp, features, store.cache_dir,
            store.cache_dir / entry["embedding_dirs"][place], slide.vendor,
        )  # fmt: skip
        found.append((float(np.max(values, initial=0.0)), source))
    if missing and not found:
        raise UserInputError(*_gone(store, entry, missing))
    found.sort(key=lambda pair: -pair[0])
    return [source for value, source in found[:_MOST_SLIDES] if value > 0]
