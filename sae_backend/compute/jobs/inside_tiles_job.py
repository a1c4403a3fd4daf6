"""Live questions about the inside of tiles: what they load, and how they are answered in files."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from sae_backend.activations.feature_matrix import FeatureMatrix
from sae_backend.atomic_write import disk_errors
from sae_backend.compute.jobs.embed import JobContext
from sae_backend.compute.jobs.inside_tiles import Question, occlusion_map, token_map
from sae_backend.compute.jobs.live_model import LiveModel, ModelSource, live_model, live_slide
from sae_backend.worker.requests import OcclusionRequest, TokenMapRequest

_LOAD: Final = "load encoder"


def run_token_map(request: TokenMapRequest, watch: JobContext) -> dict[str, Any]:
    """Answer a `TokenMapRequest`; the maps (n, h, w) are written to its `out_file`."""
    model, question = _prepare(request, watch)
    maps = token_map(model, question, request.tiles, watch)
    _write(request.out_file, maps.values)
    return {
        "out_file": request.out_file,
        "feature": request.feature,
        "tiles": list(maps.tiles),
        "drift": maps.drift,
        "note": maps.note,
    }


def run_occlusion(request: OcclusionRequest, watch: JobContext) -> dict[str, Any]:
    """Answer an `OcclusionRequest`; the map (k, k) is written to its `out_file`."""
    model, question = _prepare(request, watch)
    found = occlusion_map(model, question, request.tile, request.squares, watch)
    _write(request.out_file, found.values)
    return {
        "out_file": request.out_file,
        "feature": request.feature,
        "tile": found.tile,
        "unoccluded": found.unoccluded,
        "stored": found.stored,
        "drift": found.drift,
        "colour": list(found.colour),
        "note": found.note,
    }


def _prepare(request: TokenMapRequest | OcclusionRequest, watch: JobContext) -> tuple[LiveModel, Question]:
    watch.progress(_LOAD, 0, 1)
    features = FeatureMatrix.open(Path(request.feature_dir))
    model = live_model(
        ModelSource(
            encoder=request.encoder,
            encoder_digest=request.encoder_digest,
            weights=request.weights,
            layer=request.layer,
            pooling=request.pooling,
            sae_dir=request.sae_dir,
            sae_digest=features.sae_digest,
            device=request.device,
        )
    )
    slide = live_slide(Path(request.slide), features.grid.slide_fingerprint)
    watch.check()
    watch.progress(_LOAD, 1, 1)
    return model, Question(slide, features, request.feature)


def _write(out_file: str, values: npt.NDArray[np.float32]) -> None:
    path = Path(out_file)
    with disk_errors(path), path.open("wb") as file:
        np.save(file, values)
