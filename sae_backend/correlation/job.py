"""The correlation as a job: open what a request names, correlate, write the arrays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sae_backend.activations.embeddings import Embeddings
from sae_backend.activations.feature_matrix import FeatureMatrix
from sae_backend.atomic_write import disk_errors
from sae_backend.cells.human_interpretable_features import STAINS
from sae_backend.correlation.result import CorrelationSpec
from sae_backend.correlation.run import RunInput, run
from sae_backend.errors import CacheError, MismatchError
from sae_backend.slides.slide import Slide
from sae_backend.slides.stain_per_tile import tile_stains
from sae_backend.statistics.covariates import STAIN, STAIN_MEASURES, TISSUE
from sae_backend.statistics.slide_parts import SlidePart
from sae_backend.statistics.split import Halves
from sae_backend.worker.requests import CorrelateRequest

Progress = Callable[[str, int, int], None]


def run_correlation(request: CorrelateRequest, progress: Progress) -> dict[str, Any]:
    """Do what the request asks; `progress` takes (stage, done, total) and may raise to cancel.

    Raises
    ------
    MismatchError
        When the slides' features come from different SAEs, or counts and tiles differ in number.
    CacheError
        When features or counts are damaged, or the arrays cannot be written.
    UserInputError
        When the spec makes no sense.
    """
    plain: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in request.spec.items()
    }
    spec = CorrelationSpec(**plain)
    parts, digests = [], set()
    for entry in request.parts:
        features = FeatureMatrix.open(Path(entry["feature_dir"]), verify=True)
        digests.add(features.sae_digest)
        parts.append(_part(entry, features, request, spec, progress))
    if len(digests) != 1:
        raise MismatchError(
            "The slides' features come from different SAEs.", "Analyse all slides with one SAE."
        )
    halves = Halves(**request.halves) if request.halves else None
    given = RunInput(
        parts=parts,
        type_names=request.type_names,
        is_count=np.array(request.is_count, np.bool_),
        halves=halves,
        hold_out=request.hold_out,
        baselines=request.baselines,
    )
    found = run(given, spec, progress)
    out_file = Path(request.out_file)
    with disk_errors(out_file):
        np.savez(out_file, allow_pickle=False, **dict(found.arrays))
    return {"sae_digest": digests.pop(), "spec": asdict(spec), "meta": dict(found.meta)}


def _part(
    entry: dict[str, Any],
    features: FeatureMatrix,
    request: CorrelateRequest,
    spec: CorrelationSpec,
    progress: Progress,
) -> SlidePart:
    grid = features.grid
    targets = _load_targets(Path(entry["targets_file"]))
    if targets.shape != (features.n_tiles, len(request.type_names)):
        raise MismatchError(
            f"The counts of {entry['slide']} do not match its tiles.", "Correlate again from the project."
        )
    measures: dict[str, npt.NDArray[Any]] = {TISSUE: grid.tissue_fraction}
    wanted = [name for name in STAINS if name in request.type_names]
    if STAIN in spec.covariates or wanted:
        stage = f"stains of {entry['slide']}"
        with Slide.open(Path(entry["slide_path"]), entry["mpp"]) as slide:
            stains = tile_stains(
                slide, grid, Path(request.cache_dir), lambda done, total: progress(stage, done, total)
            )
        measures |= {name: stains[:, i] for i, name in enumerate(STAIN_MEASURES)}
        for name in wanted:
            targets[:, request.type_names.index(name)] = stains[:, STAINS.index(name)]
    valid = features.valid
    if STAIN in spec.covariates:
        valid = valid & np.isfinite(stains).all(axis=1)
    return SlidePart(
        features=features.csc(),
        counts=targets,
        valid=valid,
        rows=grid.rows,
        cols=grid.cols,
        tile_um=grid.stride_l0 * grid.mpp,
        slide=entry["slide"],
        patient=entry["patient"],
        facts=entry["facts"],
        measures=measures,
        vectors=_vectors(entry, features) if request.baselines else None,
    )


def _vectors(entry: dict[str, Any], features: FeatureMatrix) -> npt.NDArray[Any] | None:
    """Embeddings of the features, None where they were deleted: the baselines are then left out."""
    folder = Path(entry["embedding_dir"])
    if not folder.is_dir():
        return None
    embeddings = Embeddings.open(folder)
    if embeddings.vectors.shape[0] != features.n_tiles:
        raise MismatchError(
            f"The embeddings of {entry['slide']} do not match its features.", "Analyse the slide again."
        )
    return embeddings.vectors


def _load_targets(path: Path) -> npt.NDArray[np.float64]:
    try:
        targets = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise CacheError(
            f"The counts {path.name} are missing or damaged.", "Correlate again from the project."
        ) from error
    return np.asarray(targets, np.float64)
