"""Tiles of a study's slides shown to its encoder and autoencoder once more, with changed pixels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import sparse

from sae_backend.activations.feature_matrix import FeatureMatrix
from sae_backend.compute.jobs.embed import JobContext, read_tiles
from sae_backend.compute.jobs.live_model import LiveModel, ModelSource, live_model, live_slide
from sae_backend.errors import MismatchError, SlideError
from sae_backend.slides.slide import TileStatus
from sae_backend.slides.tiles import TileGrid
from sae_backend.studies.framework.inputs import Change, StudyInput
from sae_backend.worker.requests import StudyRequest

_KEYS: Final = ("encoder", "encoder_digest", "layer", "pooling", "sae_dir", "sae_digest")


def equip(inputs: StudyInput, request: StudyRequest, watch: JobContext) -> StudyInput:
    """Let a study encode tiles again where pixels and weights are at hand; else say what is missing.

    Files are looked for now, and opened when they are needed: encoder and autoencoder then have to have the digests of
    the analysis, and each slide its fingerprint.
    """
    model = inputs.sets[0].model
    missing = [key for key in _KEYS if not model.get(key)]
    if missing:
        return replace(inputs, not_reencoded=f"The record of the model lacks {', '.join(missing)}.")
    gone = [slide.name for slide in inputs.slides if not Path(str(slide.where.get("path") or "?")).exists()]
    if gone:
        more = f" and {len(gone) - 1} more" if len(gone) > 1 else ""
        return replace(inputs, not_reencoded=f"The file of {gone[0]}{more} is not there.")
    if not Path(str(model["sae_dir"])).is_dir():
        return replace(inputs, not_reencoded=f"The SAE in {model['sae_dir']} is not there.")
    source = ModelSource(
        encoder=str(model["encoder"]),
        encoder_digest=str(model["encoder_digest"]),
        weights=str(model["weights"]) if model.get("weights") else None,
        layer=int(model["layer"]),
        pooling=str(model["pooling"]),
        sae_dir=str(model["sae_dir"]),
        sae_digest=str(model["sae_digest"]),
        device=request.device,
    )
    return replace(inputs, reencode=_Reencoder(inputs, request, source, watch))


class _Reencoder:
    """Encodes tiles again; what it opens stays open until something else is asked for."""

    def __init__(
        self, inputs: StudyInput, request: StudyRequest, source: ModelSource, watch: JobContext
    ) -> None:
        self._given, self._source, self._watch = inputs, source, watch
        self._folders = [Path(folder) for folder in request.sets[0]["feature_dirs"]]
        self._grids: dict[int, TileGrid] = {}
        self._model: LiveModel | None = None

    def __call__(
        self, slide: int, tiles: npt.NDArray[np.int64], change: Change
    ) -> tuple[sparse.csr_array, npt.NDArray[np.float32]]:
        """See :class:`~sae_backend.studies.framework.inputs.Reencode`."""
        self._watch.check()
        model = self._loaded()
        if slide not in self._grids:
            self._grids[slide] = FeatureMatrix.open(self._folders[slide]).grid
        grid = self._grids[slide]
        where = self._given.slides[slide].where
        opened = live_slide(Path(str(where["path"])), grid.slide_fingerprint)
        batch = read_tiles(opened, grid, tiles, tiles.size)
        if (batch.status != TileStatus.OK).any():
            raise SlideError(
                f"A tile of {self._given.slides[slide].name} that was analysed cannot be read any more.",
                "Check that the slide's file is whole.",
            )
        changed = change(batch.pixels)
        if changed.shape != batch.pixels.shape or changed.dtype != np.uint8:
            raise MismatchError(
                "A change of pixels gave another shape or type.", "Give uint8 tiles of one size."
            )
        pieces = [
            model.encoder.encode(changed[a : a + model.batch], model.device)
            for a in range(0, len(changed), model.batch)
        ]
        vectors = np.concatenate(pieces)
        return sparse.csr_array(model.sae.encode(vectors)), vectors

    def _loaded(self) -> LiveModel:
        if self._model is None:
            self._watch.progress("load encoder", 0, 1)
            self._model = live_model(self._source)
            self._model.sae.to(self._model.device)
            self._watch.progress("load encoder", 1, 1)
        return self._model
