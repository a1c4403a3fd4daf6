"""The jobs: what a request means, step by step. Runs in the worker or in the caller's process."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from sae_backend.activations.embeddings import Embeddings, tiles_digest
from sae_backend.activations.feature_matrix import FeatureMatrix, feature_key, write_features
from sae_backend.atomic_write import disk_errors
from sae_backend.cache import is_committed
from sae_backend.cells.nuclei.jobs import run_detection, run_typing
from sae_backend.compute.encoders.device import pick_device
from sae_backend.compute.encoders.load import load_encoder
from sae_backend.compute.jobs.embed import Watch, embed
from sae_backend.compute.jobs.feature_map_job import run_map
from sae_backend.compute.jobs.inside_tiles_job import run_occlusion, run_token_map
from sae_backend.compute.jobs.thumbnails_job import run_thumbnails
from sae_backend.compute.sae.autoencoder import SparseAutoencoder
from sae_backend.compute.sae.split import TrainPart
from sae_backend.compute.sae.train import TrainRun, TrainSource, TrainSpec, train_sae
from sae_backend.correlation.job import run_correlation
from sae_backend.errors import MismatchError, UserInputError
from sae_backend.slides.slide import Slide
from sae_backend.slides.tiles import TileSpec, resolve_grid
from sae_backend.slides.tissue import find_tissue
from sae_backend.synthetic.slide import draw_slide
from sae_backend.synthetic.specs import SlideSpec
from sae_backend.worker.requests import (
    AnalyzeRequest,
    CorrelateRequest,
    DetectRequest,
    DrawRequest,
    EncodeRequest,
    MapRequest,
    OcclusionRequest,
    Request,
    StudyRequest,
    ThumbnailsRequest,
    TokenMapRequest,
    TrainRequest,
    TypeNucleiRequest,
)

_ENCODE_TILES: Final = 2048


def run(request: Request, watch: Watch | None = None) -> dict[str, Any]:
    """Do what a request asks and return its result as plain JSON values.

    Raises
    ------
    SparsescopeError
        With a sentence and a hint; `CancelledError` when the watch says so.
    """
    watch = watch or Watch()

    def step(stage: str, done: int, total: int) -> None:
        watch.check()
        watch.progress(stage, done, total)

    match request:
        case AnalyzeRequest():
            return analyze(request, watch)
        case EncodeRequest():
            embeddings = Embeddings.open(Path(request.embedding_dir), verify=True)
            return encode(embeddings, request.sae_dir, Path(request.cache_dir), request.device, watch)
        case TrainRequest():
            return train(request, watch)
        case DrawRequest():
            return draw(request, watch)
        case TokenMapRequest():
            return run_token_map(request, watch)
        case OcclusionRequest():
            return run_occlusion(request, watch)
        case ThumbnailsRequest():
            return run_thumbnails(request, watch)
        case MapRequest():
            return run_map(request, watch)
        case CorrelateRequest():
            return run_correlation(request, step)
        case DetectRequest():
            return run_detection(request, step)
        case TypeNucleiRequest():
            return run_typing(request, step)
        case StudyRequest():
            # It builds on this module.
            from sae_backend.compute.studies.study_job import run_study_job

            return run_study_job(request, watch)


def draw(request: DrawRequest, watch: Watch) -> dict[str, Any]:
    """Draw a generated slide with all that is known about it."""

    def step(done: int, total: int) -> None:
        watch.check()
        watch.progress("draw rows of the slide", done, total)

    made = draw_slide(Path(request.folder), SlideSpec.from_json(request.spec), step)
    return {"slide": str(made.slide_path), "cells": str(made.truth.cells_table)}


def analyze(request: AnalyzeRequest, watch: Watch) -> dict[str, Any]:
    """Slide -> tissue -> tiles -> embeddings, then features where an SAE is given."""
    cache_dir = Path(request.cache_dir)
    device = pick_device(request.device)
    spec = TileSpec(**request.tile_spec)
    watch.progress("load encoder", 0, 1)
    weights = Path(request.weights) if request.weights else None
    encoder = load_encoder(request.encoder, weights, request.layer, request.pooling)
    if encoder.card.pooling == "patch":
        raise UserInputError(
            "Patch tokens give many vectors a tile, and an analysis keeps one.",
            "Use the pooling cls or mean.",
        )
    if request.sae_dir is not None:
        # Before the long work, so that a wrong SAE costs no hour of embedding.
        sae = SparseAutoencoder.load(Path(request.sae_dir))
        sae.check_encoder(encoder.card)
        _check_scale(sae, spec)
    watch.progress("load encoder", 1, 1)
    with Slide.open(Path(request.slide), request.mpp) as slide:
        watch.progress("find tissue", 0, 1)
        grid = resolve_grid(spec, slide.info, find_tissue(slide))
        watch.progress("find tissue", 1, 1)
        watch.check()
        embeddings = embed(slide, grid, encoder, cache_dir, device, request.batch, watch)
    result: dict[str, Any] = {
        "embedding_dir": str(embeddings.folder),
        "embedding_digest": embeddings.digest,
        "encoder": embeddings.card.to_json(),
        "encoder_digest": embeddings.card.digest,
        "grid_digest": grid.digest,
        "mpp": grid.mpp,
        "tile_spec": request.tile_spec,
        "counts": embeddings.status_counts,
        "n_tiles": grid.n_tiles,
        "device": str(device),
        "feature_dir": None,
        "sae_digest": None,
    }
    if request.sae_dir is not None:
        result |= encode(embeddings, request.sae_dir, cache_dir, request.device, watch)
    return result


def encode(
    embeddings: Embeddings, sae_dir: str, cache_dir: Path, device: str, watch: Watch
) -> dict[str, Any]:
    """Embeddings -> sparse features, or what an earlier run finished."""
    sae = SparseAutoencoder.load(Path(sae_dir))
    sae.check_encoder(embeddings.card)
    _check_scale(sae, embeddings.grid.spec)
    digest = sae.card.digest
    final = cache_dir / "features" / feature_key(embeddings.digest, digest)
    n_tiles = embeddings.grid.n_tiles
    if is_committed(final):
        features = FeatureMatrix.open(final)
    else:
        sae.to(pick_device(device))
        blocks = []
        for start in range(0, n_tiles, _ENCODE_TILES):
            watch.check()
            part = slice(start, start + _ENCODE_TILES)
            # A bad tile has no vector: it is encoded as zeros and its row emptied again.
            vectors = np.nan_to_num(np.asarray(embeddings.vectors[part]))
            rows = sae.encode(vectors)
            blocks.append(rows.multiply(embeddings.valid[part, None]).tocsr())
            blocks[-1].eliminate_zeros()
            watch.progress("encode features", min(start + _ENCODE_TILES, n_tiles), n_tiles)
        digests = {"sae_digest": digest, "embedding_digest": embeddings.digest}
        features = write_features(final, blocks, embeddings.valid, embeddings.grid, digests)
    watch.progress("encode features", n_tiles, n_tiles)
    return {
        "feature_dir": str(features.folder),
        "feature_digest": features.manifest["digest"],
        "sae_digest": digest,
        "sae_dir": sae_dir,
        "sae": sae.card.to_json(),
        "n_features": features.n_features,
        "counts": embeddings.status_counts,
    }


def _check_scale(sae: SparseAutoencoder, spec: TileSpec) -> None:
    trained = (sae.card.mpp, sae.card.tile_px)
    if sae.card.mpp is not None and trained != (spec.tile_mpp, spec.tile_px):
        raise MismatchError(
            f"The SAE was trained on tiles of {sae.card.tile_px} px at {sae.card.mpp:g} um per px, "
            f"and these are {spec.tile_px} px at {spec.tile_mpp:g}.",
            "Analyse the slide with the SAE's tile size, or train an SAE on these tiles.",
        )


def train(request: TrainRequest, watch: Watch) -> dict[str, Any]:
    """Train an SAE on the embeddings of one encoder and save it."""
    if not request.embedding_dirs:
        raise UserInputError("There are no embeddings to train on.", "Analyse a slide first.")
    sets = [Embeddings.open(Path(folder), verify=True) for folder in request.embedding_dirs]
    first = sets[0]
    for other in sets[1:]:
        same = (other.card.digest, other.grid.spec.tile_px, other.grid.spec.tile_mpp)
        if same != (first.card.digest, first.grid.spec.tile_px, first.grid.spec.tile_mpp):
            raise MismatchError(
                "The embeddings come from different encoders, layers or tile sizes.",
                "Analyse all slides with the same settings, then train.",
            )
    parts = [TrainPart(e.vectors, e.valid, e.grid.rows, e.grid.cols, e.grid.slide_fingerprint) for e in sets]
    spec = TrainSpec(
        expansion=request.expansion,
        l1=request.l1,
        epochs=request.epochs,
        seed=request.seed,
        learning_rate=request.learning_rate,
        batch_size=request.batch_size,
        whiten=request.whiten,
    )
    grid = first.grid
    tiles = tiles_digest(e.grid for e in sets)
    source = TrainSource(first.card, grid.spec.tile_mpp, grid.spec.tile_px, tiles)
    out_dir = Path(request.out_dir)
    work_dir = out_dir.with_name(out_dir.name + ".training")
    with disk_errors(out_dir):
        work_dir.mkdir(parents=True, exist_ok=True)
    run_settings = TrainRun(
        device=pick_device(request.device),
        progress=watch.progress,
        cancelled=watch.cancelled,
        checkpoint=work_dir / "checkpoint.safetensors",
    )
    sae, _ = train_sae(parts, spec, source, run_settings)
    card = sae.save(out_dir)
    shutil.rmtree(work_dir)
    return {
        "sae_dir": str(out_dir),
        "sae_digest": card.digest,
        "sae": card.to_json(),
        "n_slides": len(sets),
    }


def describe_device() -> str:
    """Name of the device that "auto" picks, for people."""
    device = pick_device("auto")
    if device.type == "cuda":
        return f"GPU {torch.cuda.get_device_name(device)}"
    if device.type == "mps":
        return "Apple GPU"
    n = torch.get_num_threads()
    return f"CPU, {n} thread{'s' if n != 1 else ''}"
