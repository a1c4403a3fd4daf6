"""Train an autoencoder for a study and show it all slides; what is there already is not made again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from sae_backend.activations.embeddings import Embeddings
from sae_backend.compute.jobs.analyze import encode
from sae_backend.compute.jobs.embed import JobContext
from sae_backend.compute.jobs.train import train
from sae_backend.compute.sae.autoencoder import SparseAutoencoder
from sae_backend.errors import SparsescopeError
from sae_backend.models.cards import digest_of
from sae_backend.worker.requests import StudyRequest, TrainRequest

SAES: Final = "study-saes"
"""Folder of the cache for autoencoders that belong to studies."""


def make_set(
    request: StudyRequest,
    title: str,
    embedding_dirs: Sequence[str],
    recipe: Mapping[str, Any],
    watch: JobContext,
    train_on: Sequence[int] | None = None,
) -> dict[str, Any]:
    """Train an SAE on embeddings, encode every slide with it, and describe it as an entry of `sets`.

    Parameters
    ----------
    request
        The study.
    title
        What the set is called.
    embedding_dirs
        Of each slide, in the request's order.
    recipe
        Fields of a `TrainRequest` that are not its default: `expansion`, `l1`, `epochs`, `seed`, ...
    watch
        Progress and cancel.
    train_on
        Numbers of the slides that it is trained on; None for all.

    Raises
    ------
    SparsescopeError
        When training or encoding fails; `CancelledError` when cancelled. A second call goes on.
    """
    chosen = range(len(embedding_dirs)) if train_on is None else train_on
    folders = [embedding_dirs[k] for k in chosen]
    digests = [Embeddings.open(Path(folder)).digest for folder in folders]
    key = digest_of({"embeddings": digests, "recipe": dict(recipe)})[:32]
    out_dir = Path(request.cache_dir) / SAES / key
    named = _named(watch, title)
    if not _is_whole(out_dir):
        train(
            TrainRequest(
                embedding_dirs=tuple(folders), out_dir=str(out_dir), device=request.device, **dict(recipe)
            ),
            named,
        )
    return encoded_set(request, title, embedding_dirs, out_dir, watch)


def encoded_set(
    request: StudyRequest, title: str, embedding_dirs: Sequence[str], sae_dir: Path, watch: JobContext
) -> dict[str, Any]:
    """Encode every slide with an SAE that exists; an entry of `sets`."""
    card = SparseAutoencoder.load(sae_dir).card
    stage, total = f"{title}: encode slides", len(embedding_dirs)
    # A slide takes a moment: what is counted is slides, and not the tiles of each.
    quiet = replace(watch, progress=lambda *_: None)
    feature_dirs, encoder = [], None
    for number, folder in enumerate(embedding_dirs):
        watch.progress(stage, number, total)
        embeddings = Embeddings.open(Path(folder))
        encoder = embeddings.card
        made = encode(embeddings, str(sae_dir), Path(request.cache_dir), request.device, quiet)
        feature_dirs.append(made["feature_dir"])
    watch.progress(stage, total, total)
    assert encoder is not None
    return {
        "title": title,
        "model": {
            "sae_digest": card.digest,
            "sae_dir": str(sae_dir),
            "encoder": encoder.id,
            "encoder_digest": encoder.digest,
            "layer": encoder.layer,
            "pooling": encoder.pooling,
            "is_control": encoder.is_control,
            "weights": request.sets[0]["model"].get("weights"),
            "training": card.training,
            "metrics": card.metrics,
        },
        "tile_spec": request.sets[0]["tile_spec"],
        "feature_dirs": feature_dirs,
        "embedding_dirs": list(embedding_dirs),
    }


def _is_whole(folder: Path) -> bool:
    if not folder.is_dir():
        return False
    try:
        SparseAutoencoder.load(folder)
    except SparsescopeError:
        return False
    return True


def _named(watch: JobContext, title: str) -> JobContext:
    """Progress whose stages say which set they are of."""
    return replace(
        watch, progress=lambda stage, done, total: watch.progress(f"{title}: {stage}", done, total)
    )
