"""What each request to the worker leads to. Runs in the worker or in the caller's process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from sae_backend.activations.embeddings import Embeddings
from sae_backend.cells.nuclei.jobs import run_detection, run_typing
from sae_backend.compute.encoders.device import pick_device
from sae_backend.compute.jobs.analyze import analyze, encode
from sae_backend.compute.jobs.embed import JobContext
from sae_backend.compute.jobs.feature_map_job import run_map
from sae_backend.compute.jobs.inside_tiles_job import run_occlusion, run_token_map
from sae_backend.compute.jobs.thumbnails_job import run_thumbnails
from sae_backend.compute.jobs.train import train
from sae_backend.compute.studies.study_job import run_study_job
from sae_backend.correlation.job import run_correlation
from sae_backend.statistics.number_text import count_text
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


def run(request: Request, watch: JobContext | None = None) -> dict[str, Any]:
    """Do what a request asks and return its result as plain JSON values.

    Raises
    ------
    SparsescopeError
        With a sentence and a hint; `CancelledError` when the watch says so.
    """
    watch = watch or JobContext()

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
            return run_study_job(request, watch)


def draw(request: DrawRequest, watch: JobContext) -> dict[str, Any]:
    """Draw a generated slide with all that is known about it."""

    def step(done: int, total: int) -> None:
        watch.check()
        watch.progress("draw rows of the slide", done, total)

    made = draw_slide(Path(request.folder), SlideSpec.from_json(request.spec), step)
    return {"slide": str(made.slide_path), "cells": str(made.truth.cells_table)}


def describe_device() -> str:
    """Name of the device that "auto" picks, for people."""
    device = pick_device("auto")
    if device.type == "cuda":
        return f"GPU {torch.cuda.get_device_name(device)}"
    if device.type == "mps":
        return "Apple GPU"
    n = torch.get_num_threads()
    return f"CPU, {count_text(n, 'thread')}"
