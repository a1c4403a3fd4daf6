"""Embeddings of several blocks of an encoder from one pass over the tiles."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from sae_backend.activations.embeddings import Embeddings, EmbeddingWriter, embedding_key
from sae_backend.cache import is_committed
from sae_backend.compute.encoders.tile_encoder import TileEncoder
from sae_backend.compute.jobs.embed import JobContext, read_batches
from sae_backend.errors import UserInputError
from sae_backend.slides.slide import Slide
from sae_backend.slides.tiles import TileGrid


@dataclass(frozen=True)
class EmbedRun:
    """How to embed.

    Attributes
    ----------
    cache_dir
        Where embeddings are kept.
    device
        Where to compute.
    batch
        Tiles per pass through the encoder.
    watch
        Progress and cancel.
    """

    cache_dir: Path
    device: torch.device
    batch: int = 16
    watch: JobContext = field(default_factory=JobContext)


def embed_layers(
    slide: Slide, grid: TileGrid, encoder: TileEncoder, layers: Sequence[int], run: EmbedRun
) -> list[Embeddings]:
    """Embed the tiles of a grid after each of several blocks; what is there is not made again.

    Each result is, byte by byte, what :func:`~sae_backend.compute.jobs.embed.embed` gives with an encoder of
    that layer, in the same folder. A tile is read once and passes the encoder once, as far as the deepest
    block that still lacks it. A killed or cancelled run leaves the finished batches of every block.

    Parameters
    ----------
    slide, grid
        The tiles.
    encoder
        The encoder; the layer of its card does not matter.
    layers
        Blocks, 1 is the first; the results follow this order.
    run
        Where to, and how.

    Raises
    ------
    UserInputError
        When there is no such block.
    CancelledError, SlideError, CacheError
    """
    for layer in layers:
        if not 1 <= layer <= encoder.card.n_blocks:
            raise UserInputError(
                f"The encoder has no layer {layer}.", f"Choose layers from 1 to {encoder.card.n_blocks}."
            )
    cards = {layer: encoder.card_at(layer) for layer in layers}
    folders = {
        layer: run.cache_dir / "embeddings" / embedding_key(grid, card) for layer, card in cards.items()
    }
    with ExitStack() as opened:
        writers: dict[int, EmbeddingWriter] = {}
        for layer in sorted(cards):
            if not is_committed(folders[layer]):
                writers[layer] = EmbeddingWriter(folders[layer], grid, cards[layer], run.batch)
                opened.callback(writers[layer].close)
        _fill(slide, grid, encoder, writers, run)
        for writer in writers.values():
            writer.commit()
    return [Embeddings.open(folders[layer]) for layer in layers]


def _fill(
    slide: Slide, grid: TileGrid, encoder: TileEncoder, writers: dict[int, EmbeddingWriter], run: EmbedRun
) -> None:
    """Write every batch that a block lacks."""
    lacking: dict[tuple[int, int], list[int]] = {}
    for layer, writer in writers.items():
        for ends in writer.pending_batches():
            lacking.setdefault(ends, []).append(layer)
    bounds = sorted(lacking)
    done = grid.n_tiles - sum(stop - start for start, stop in bounds)
    run.watch.progress("embed tiles", done, grid.n_tiles)
    with threadpool_limits(1, user_api="blas"):  # as in `embed`
        batches = read_batches(slide, grid, (np.arange(*ends) for ends in bounds), run.batch)
        for ends, item in zip(bounds, batches, strict=True):
            run.watch.check()
            layers = lacking[ends]
            found = encoder.encode_layers(item.pixels, layers, run.device)
            for layer, vectors in zip(layers, found, strict=True):
                writers[layer].write(ends[0], vectors[: item.status.size], item.status)
            done += item.status.size
            run.watch.progress("embed tiles", done, grid.n_tiles)
