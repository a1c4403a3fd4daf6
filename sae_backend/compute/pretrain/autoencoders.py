"""Train the autoencoders that ship: one on the encoder's vectors, one on those of its random twin."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sae_backend.compute.jobs.analyze import analyze
from sae_backend.compute.jobs.embed import JobContext
from sae_backend.compute.jobs.train import train
from sae_backend.compute.pretrain.recipe import Say
from sae_backend.worker.requests import AnalyzeRequest, TrainRequest

WHITEN = False


def train_autoencoder(
    encoder: str, slides: Sequence[Path], cache: Path, out: Path, say: Say
) -> dict[str, Any]:
    """Embed slides with an encoder (last block, mean of the tokens) and train the paper's autoencoder on them.

    Parameters
    ----------
    encoder
        Its id.
    slides
        Generated slides; embeddings that are in the cache are not made again.
    cache
        Where the embeddings go.
    out
        Folder of the autoencoder; an old one is replaced.
    say
        Takes what is done.

    Returns
    -------
    dict
        The metrics of its card.
    """
    folders = []
    for number, slide in enumerate(slides, 1):
        request = AnalyzeRequest(
            slide=str(slide), cache_dir=str(cache), encoder=encoder, pooling="mean", batch=32
        )
        folders.append(analyze(request, JobContext())["embedding_dir"])
        say(f"{encoder}: embedded slide {number} of {len(slides)}")
    beside = out.with_name(out.name + ".new")
    result = train(TrainRequest(tuple(folders), str(beside), whiten=WHITEN), JobContext())
    if out.exists():
        shutil.rmtree(out)
    beside.rename(out)
    metrics: dict[str, Any] = result["sae"]["metrics"]
    say(f"{encoder}: autoencoder {metrics}")
    return metrics
