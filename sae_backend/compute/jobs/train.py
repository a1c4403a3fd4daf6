"""An SAE trained on embeddings."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from sae_backend.activations.embeddings import Embeddings, tiles_digest
from sae_backend.atomic_write import disk_errors
from sae_backend.compute.encoders.device import pick_device
from sae_backend.compute.jobs.embed import JobContext
from sae_backend.compute.sae.split import TrainPart
from sae_backend.compute.sae.train import TrainRun, TrainSource, TrainSpec, train_sae
from sae_backend.errors import MismatchError, UserInputError
from sae_backend.worker.requests import (
    TrainRequest,
)


def train(request: TrainRequest, watch: JobContext) -> dict[str, Any]:
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
