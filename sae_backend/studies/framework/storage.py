"""A study's request as values: opens what it names, and keeps what was found."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from sae_backend.activations.embeddings import Embeddings
from sae_backend.activations.feature_matrix import FeatureMatrix
from sae_backend.atomic_write import disk_errors
from sae_backend.errors import CacheError, MismatchError
from sae_backend.models.sae_weights import SaeArrays
from sae_backend.statistics.split import Halves
from sae_backend.studies.framework.inputs import FeatureSet, StudyInput, StudySlide
from sae_backend.studies.framework.result import StudyResult
from sae_backend.worker.requests import StudyRequest, StudySlideEntry

ARRAYS: Final = "arrays.npz"
META: Final = "meta.json"
_AGAIN: Final = "Start the study again from the project."


def open_input(request: StudyRequest, sets: Sequence[Mapping[str, Any]] | None = None) -> StudyInput:
    """Open slides and feature sets; arrays stay on disk until they are read.

    Parameters
    ----------
    request
        What names them.
    sets
        Feature sets as the request has them, to be used in their place.

    Raises
    ------
    MismatchError
        When tiles of a slide differ between sets, or counts and tiles in number.
    CacheError
        When features or counts are missing or damaged.
    """
    wanted = request.sets if sets is None else sets
    matrices = [
        [
            _features(Path(folder), slide.name, some["title"])
            for folder, slide in zip(some["feature_dirs"], request.slides, strict=True)
        ]
        for some in wanted
    ]
    for some in matrices[1:]:
        for first, other, slide in zip(matrices[0], some, request.slides, strict=True):
            if first.grid.digest != other.grid.digest:
                raise MismatchError(
                    f"The autoencoders saw different tiles of {slide.name}.",
                    "Analyse the slides with the same tile size for each of them.",
                )
    slides = [
        _slide(entry, features, len(request.type_names))
        for entry, features in zip(request.slides, matrices[0], strict=True)
    ]
    halves = Halves(**request.halves) if request.halves else None
    return StudyInput(
        slides,
        [_set(entry, found, request.slides) for entry, found in zip(wanted, matrices, strict=True)],
        request.type_names,
        halves,
    )


def _features(folder: Path, slide: str, title: str) -> FeatureMatrix:
    """Features of a slide, which an error names: their folder is called by a digest."""
    try:
        return FeatureMatrix.open(folder)
    except CacheError as error:
        raise CacheError(
            f"The features of {slide} ({title}) are missing from the cache or damaged.",
            "Analyse the slide again with the same settings, then start the study again.",
        ) from error


def _slide(entry: StudySlideEntry, features: FeatureMatrix, n_types: int) -> StudySlide:
    grid = features.grid
    counts = np.full((grid.n_tiles, n_types), np.nan)
    if entry.targets_file:
        counts = _counts(Path(entry.targets_file), entry.name)
    if counts.shape != (grid.n_tiles, n_types):
        raise MismatchError(f"The counts of {entry.name} do not match its tiles.", _AGAIN)
    return StudySlide(
        name=entry.name,
        patient=entry.patient,
        facts=entry.facts,
        rows=grid.rows,
        cols=grid.cols,
        tile_um=grid.stride_l0 * grid.mpp,
        counts=counts,
        where={key: getattr(entry, key) for key in ("path", "mpp", "fingerprint")},
    )


def _counts(path: Path, slide: str) -> npt.NDArray[np.float64]:
    try:
        return np.asarray(np.load(path, allow_pickle=False), np.float64)
    except (OSError, ValueError) as error:
        raise CacheError(f"The counts of {slide} are missing or damaged.", _AGAIN) from error


def _set(
    entry: Mapping[str, Any], found: Sequence[FeatureMatrix], slides: Sequence[StudySlideEntry]
) -> FeatureSet:
    model = dict(entry["model"])
    if len({matrix.sae_digest for matrix in found}) > 1:
        raise MismatchError(
            f"The features of {entry['title']} come from different SAEs.", "Analyse all slides with one SAE."
        )
    folder = Path(str(model.get("sae_dir") or ""))
    arrays = SaeArrays.open(folder) if model.get("sae_dir") and folder.is_dir() else None
    return FeatureSet(
        title=entry["title"],
        features=[matrix.csc() for matrix in found],
        valid=[matrix.valid for matrix in found],
        vectors=[
            _vectors(Path(place), matrix, slide.name)
            for place, matrix, slide in zip(entry["embedding_dirs"], found, slides, strict=True)
        ],
        decoder=None if arrays is None else arrays.w_dec,
        offset=None if arrays is None else arrays.b_dec,
        model={**model, "sae_digest": found[0].sae_digest},
    )


def _vectors(folder: Path, features: FeatureMatrix, slide: str) -> npt.NDArray[Any] | None:
    """Embeddings that the features were made from, None where they were deleted."""
    if not folder.is_dir():
        return None
    try:
        embeddings = Embeddings.open(folder)
    except CacheError as error:
        raise CacheError(f"The embeddings of {slide} are damaged.", "Analyse the slide again.") from error
    if embeddings.digest != features.embedding_digest:
        raise MismatchError(
            f"Embeddings and features of {slide} do not belong together.", "Analyse the slide again."
        )
    return embeddings.vectors


def write_result(folder: Path, result: StudyResult) -> None:
    """Write a result into the folder of its request.

    Raises
    ------
    CacheError
        When it cannot be written.
    """
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        np.savez(folder / ARRAYS, allow_pickle=False, **dict(result.arrays))
        (folder / META).write_text(json.dumps(result.meta, allow_nan=False), encoding="utf-8")


def read_result(folder: Path) -> StudyResult:
    """Read back what :func:`write_result` wrote.

    Raises
    ------
    CacheError
        When it is missing or damaged.
    """
    try:
        # The stream is ours to close: numpy leaves it open where the file is damaged.
        with (folder / ARRAYS).open("rb") as stream, np.load(stream, allow_pickle=False) as kept:
            arrays = {name: kept[name] for name in kept.files}
        return StudyResult(arrays, json.loads((folder / META).read_text(encoding="utf-8")))
    except (OSError, ValueError, BadZipFile) as error:
        raise CacheError("What the study found is missing or damaged.", _AGAIN) from error
