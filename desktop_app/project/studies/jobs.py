"""What a study asks of the worker, and what the project keeps of its answer."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from desktop_app.project.correlation.jobs import patient_of, slide_labels, split_for
from desktop_app.project.studies.requirements import check_cache, check_columns, check_encoder, check_groups
from desktop_app.project.studies.sets import StudySet, study_sets
from desktop_app.project.studies.settings import StudyOptions
from desktop_app.store import AnalysisRecord, NewStudy, Store, StudyRecord
from sae_backend.activations.feature_matrix import FeatureMatrix
from sae_backend.atomic_write import disk_errors
from sae_backend.cells.counts import count_cells
from sae_backend.errors import UserInputError
from sae_backend.models.cards import digest_of
from sae_backend.statistics.split import Halves
from sae_backend.studies.framework.registry import study
from sae_backend.studies.framework.storage import read_result
from sae_backend.worker.requests import StudyRequest, StudySlideEntry

STUDIES_FOLDER: Final = "studies"
_TARGETS: Final = "targets"


def study_request(store: Store, options: StudyOptions) -> StudyRequest:
    """What to ask of the worker for a study of the current SAE's features.

    Every slide takes part that has features of all sets on the current tiles. The project's split is used,
    extended or, for the first time, drawn and kept.

    Raises
    ------
    UserInputError
        When there are no features, or the sets have no slide in common.
    """
    spec = options.spec()
    sets = study_sets(store, options.kind, spec)
    shared = [
        record for record in sets[0].analyses.values()
        if all(record.slide_id in one.analyses for one in sets[1:])
    ]  # fmt: skip
    if not shared:
        raise UserInputError(
            f"No slide was analysed with all of {', '.join(one.title for one in sets)}.",
            "Analyse the same slides, on the same tiles, with each of them.",
        )
    check_columns(store, options, [record.slide_id for record in shared])
    check_cache(store, options, sets, [record.slide_id for record in shared])
    check_encoder(store, options, shared[0])
    check_groups(store, options, shared)
    return _Request(store, options, spec, sets, shared).made()


class _Request:
    """One request being put together."""

    def __init__(
        self,
        store: Store,
        options: StudyOptions,
        spec: dict[str, Any],
        sets: Sequence[StudySet],
        analyses: Sequence[AnalysisRecord],
    ) -> None:
        self._store, self._options, self._spec = store, options, spec
        self._sets, self._analyses = sets, analyses
        self._known = store.slide_values.all()
        self._labels = slide_labels(store)
        self._folder = store.cache_dir / STUDIES_FOLDER

    def made(self) -> StudyRequest:
        """Count the cells and put everything into one request."""
        tables = {one.slide_id: self._store.cells.get(one.slide_id) for one in self._analyses}
        names = tuple(sorted({n for table in tables.values() if table is not None for n in table.type_names}))
        matrices = {one.slide_id: self._features(one) for one in self._analyses}
        entries = [self._entry(one) for one in self._analyses]
        split = split_for(
            self._store,
            [
                _Place(entry.name, entry.patient, matrices[one.slide_id].valid)
                for entry, one in zip(entries, self._analyses, strict=True)
            ],
            int(self._spec.get("seed") or 0),
        )
        halves = None if split is None else Halves(split.unit, split.seed, dict(split.assignments))
        sets = tuple(self._set(one) for one in self._sets)
        work_dir = self._folder / self._key(entries, sets, halves)
        targets = work_dir / _TARGETS
        with disk_errors(targets):
            targets.mkdir(parents=True, exist_ok=True)
        for number, (entry, one) in enumerate(zip(list(entries), self._analyses, strict=True)):
            table = tables[one.slide_id]
            if table is None:
                continue
            counted = count_cells(table, matrices[one.slide_id].grid)
            counts = np.zeros((matrices[one.slide_id].n_tiles, len(names)))
            for column, name in enumerate(counted.type_names):
                counts[:, names.index(name)] = counted.counts[:, column]
            file = targets / f"{number}.npy"
            with disk_errors(file):
                np.save(file, counts)
            entries[number] = replace(entry, targets_file=str(file))
        return StudyRequest(
            kind=self._options.kind,
            slides=tuple(entries),
            sets=sets,
            type_names=names,
            cache_dir=str(self._store.cache_dir),
            work_dir=str(work_dir),
            spec=self._spec,
            halves={} if halves is None else vars(halves),
            device=self._options.device,
        )

    def _features(self, analysis: AnalysisRecord) -> FeatureMatrix:
        assert analysis.feature_folder is not None
        return FeatureMatrix.open(self._store.cache_dir / analysis.feature_folder)

    def _entry(self, analysis: AnalysisRecord) -> StudySlideEntry:
        record = self._store.slides.get(analysis.slide_id)
        facts = self._known.get(record.id, {})
        return StudySlideEntry(
            name=self._labels[record.id],
            patient=patient_of(facts),
            facts=facts,
            path=str(record.path),
            mpp=record.mpp if record.mpp_source == "user" else None,
            fingerprint=record.fingerprint,
            cells_version=self._store.cells.version(record.id),
        )

    def _set(self, one: StudySet) -> dict[str, Any]:
        chosen = [one.analyses[analysis.slide_id] for analysis in self._analyses]
        cache = self._store.cache_dir
        return {
            "title": one.title,
            "model": one.model,
            "tile_spec": chosen[0].tile_spec,
            "feature_dirs": [str(cache / str(record.feature_folder)) for record in chosen],
            "embedding_dirs": [str(cache / record.embedding_folder) for record in chosen],
        }

    def _key(
        self, entries: Sequence[StudySlideEntry], sets: Sequence[Mapping[str, Any]], halves: Halves | None
    ) -> str:
        """Digest of all that decides the result: a study begun twice goes on where it stopped."""
        return digest_of(
            {
                "kind": self._options.kind,
                "version": metadata.version("sparsescope"),
                # Steps that were kept in another form cannot be gone on from.
                "format": self._options.study.format,
                "spec": self._spec,
                "slides": [
                    {key: value for key, value in vars(entry).items() if key != "path"} for entry in entries
                ],
                "sets": [
                    [one["title"], one["model"]["sae_digest"], *map(_name, one["feature_dirs"])]
                    for one in sets
                ],
                "halves": None if halves is None else [halves.unit, halves.seed, dict(halves.assignments)],
            }
        )[:32]


def _name(folder: str) -> str:
    return Path(folder).name


@dataclass(frozen=True)
class _Place:
    """What the halves have to know of a slide; `valid` (N,) are its usable tiles."""

    slide: str
    patient: str
    valid: npt.NDArray[np.bool_]


def record_study(
    store: Store, request: StudyRequest, result: Mapping[str, Any], name: str = ""
) -> StudyRecord:
    """Keep what the worker did for a `StudyRequest` and remove what it left to go on from."""
    folder = Path(result["work_dir"])
    arrays, meta = read_result(folder).as_stored()
    cache = store.cache_dir
    sets = [
        {
            **entry,
            **{
                key: [Path(place).relative_to(cache).as_posix() for place in entry[key]]
                for key in ("feature_dirs", "embedding_dirs")
            },
        }
        for entry in result["sets"]
    ]
    slides = [
        {key: getattr(entry, key) for key in ("name", "patient", "facts", "fingerprint", "cells_version")}
        for entry in request.slides
    ]
    record = store.studies.add(
        NewStudy(
            kind=request.kind,
            sae_digest=str(sets[0]["model"]["sae_digest"]),
            request={
                "spec": request.spec,
                "slides": slides,
                "type_names": list(request.type_names),
                "halves": {**request.halves},
                "versions": _versions(),
                "format": study(request.kind).format,
            },
            sets=sets,
            meta=meta,
            arrays=arrays,
            name=name,
            cells={entry.fingerprint: entry.cells_version for entry in request.slides},
            split_id=_split_id(store, request.halves),
        )
    )
    shutil.rmtree(folder, ignore_errors=True)
    return record


def _split_id(store: Store, halves: Mapping[str, Any]) -> int | None:
    """The split that a request was made with; another may have come into force since."""
    for split in reversed(store.splits.all()) if halves else ():
        if (split.unit, split.seed) == (halves["unit"], halves["seed"]):
            return split.id
    return None


def _versions() -> dict[str, str]:
    return {
        name: metadata.version(name) for name in ("sparsescope", "numpy", "scipy", "scikit-learn", "torch")
    }
