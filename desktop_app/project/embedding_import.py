"""Embeddings that were made elsewhere: checked, copied into a project's cache and recorded."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Final

from desktop_app.store import AnalysisRecord, NewAnalysis, SlideRecord, Store
from sae_backend.activations.embeddings import Embeddings
from sae_backend.atomic_write import disk_errors
from sae_backend.cache import is_committed
from sae_backend.errors import MismatchError

_FOLDER: Final = "embeddings"
_SAME_MPP: Final = 1e-6


def take_embeddings(folder: Path, cache_dir: Path, slides: Mapping[str, SlideRecord]) -> Embeddings:
    """Check embeddings and copy them into a cache; touches no database, so a thread may do it.

    Parameters
    ----------
    folder
        A committed folder of embeddings; it stays as it is.
    cache_dir
        The project's cache.
    slides
        The project's slides by their fingerprint.

    Raises
    ------
    CacheError
        When the folder is unfinished or damaged, or the cache cannot be written.
    MismatchError
        When the slide is not in the project, or has another pixel size there.
    """
    found = Embeddings.open(folder, verify=True)
    slide = slides.get(found.grid.slide_fingerprint)
    if slide is None:
        raise MismatchError(
            f"The embeddings in {folder.name} belong to a slide that is not in this project.",
            "Add that slide to the project, then drop the embeddings again.",
        )
    if slide.mpp is None or abs(slide.mpp / found.grid.mpp - 1) > _SAME_MPP:
        known = "not known" if slide.mpp is None else f"{slide.mpp:g} um per px"
        raise MismatchError(
            f"The embeddings in {folder.name} were made with {found.grid.mpp:g} um per px, and the pixel size "
            f"of {slide.name} here is {known}.",
            "State the same pixel size (Slide > Pixel size), or analyse the slide again.",
        )
    final = cache_dir / _FOLDER / found.digest
    if not is_committed(final):
        partial = final.with_name(final.name + ".incoming")
        with disk_errors(final):
            shutil.rmtree(partial, ignore_errors=True)
            shutil.copytree(folder, partial)
            shutil.rmtree(final, ignore_errors=True)
            partial.rename(final)
    return Embeddings.open(final, verify=True)


def record_embeddings(store: Store, embeddings: Embeddings) -> AnalysisRecord:
    """Keep embeddings that lie in the project's cache as an analysis of their slide."""
    slide = store.slides.by_fingerprint(embeddings.grid.slide_fingerprint)
    if slide is None:
        raise MismatchError(
            "The slide of the embeddings is not in this project.", "Add it, and drop them again."
        )
    card = embeddings.card
    return store.analyses.add(
        NewAnalysis(
            slide_id=slide.id,
            encoder=card.id,
            encoder_digest=card.digest,
            layer=card.layer,
            pooling=card.pooling,
            is_control=card.is_control,
            tile_spec=asdict(embeddings.grid.spec),
            grid_digest=embeddings.grid.digest,
            embedding_folder=embeddings.folder.relative_to(store.cache_dir).as_posix(),
            embedding_digest=embeddings.digest,
            counts=embeddings.status_counts,
        )
    )
