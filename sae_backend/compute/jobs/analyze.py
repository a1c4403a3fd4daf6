"""A slide analysed: tissue, tiles, embeddings, features."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np

from sae_backend.activations.embeddings import Embeddings
from sae_backend.activations.feature_matrix import FeatureMatrix, feature_key, write_features
from sae_backend.cache import is_committed
from sae_backend.compute.encoders.device import pick_device
from sae_backend.compute.encoders.load import load_encoder
from sae_backend.compute.jobs.embed import JobContext, embed
from sae_backend.compute.sae.autoencoder import SparseAutoencoder
from sae_backend.errors import MismatchError, UserInputError
from sae_backend.slides.slide import Slide
from sae_backend.slides.tiles import TileSpec, resolve_grid
from sae_backend.slides.tissue import find_tissue
from sae_backend.worker.requests import (
    AnalyzeRequest,
)

_ENCODE_TILES: Final = 2048


def analyze(request: AnalyzeRequest, watch: JobContext) -> dict[str, Any]:
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
    embeddings: Embeddings, sae_dir: str, cache_dir: Path, device: str, watch: JobContext
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
