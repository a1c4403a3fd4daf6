"""Sparse-autoencoder analysis of pathology foundation models, without a window.

The names below are what a notebook needs; `resources/help/notebook.md` shows them in use. They are imported when first used,
so that importing this package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from sae_backend.activations.embeddings import Embeddings
    from sae_backend.activations.feature_matrix import FeatureMatrix
    from sae_backend.activations.heatmap import heatmap
    from sae_backend.cells.counts import count_cells, read_cells
    from sae_backend.correlation.engine import correlate, slide_part
    from sae_backend.correlation.result import CorrelationSpec
    from sae_backend.models.bundled_models import sae_folder
    from sae_backend.models.cards import EncoderCard, SaeCard
    from sae_backend.slides.slide import Slide
    from sae_backend.slides.tiles import TileGrid, TileSpec
    from sae_backend.worker.client import WorkerClient, wait_for
    from sae_backend.worker.requests import AnalyzeRequest

__all__ = [
    "AnalyzeRequest",
    "CorrelationSpec",
    "Embeddings",
    "EncoderCard",
    "FeatureMatrix",
    "SaeCard",
    "Slide",
    "TileGrid",
    "TileSpec",
    "WorkerClient",
    "correlate",
    "count_cells",
    "heatmap",
    "read_cells",
    "sae_folder",
    "slide_part",
    "wait_for",
]

_HOME: Final = {
    "AnalyzeRequest": "worker.requests",
    "CorrelationSpec": "correlation.result",
    "Embeddings": "activations.embeddings",
    "EncoderCard": "models.cards",
    "FeatureMatrix": "activations.feature_matrix",
    "SaeCard": "models.cards",
    "Slide": "slides.slide",
    "TileGrid": "slides.tiles",
    "TileSpec": "slides.tiles",
    "WorkerClient": "worker.client",
    "correlate": "correlation.engine",
    "count_cells": "cells.counts",
    "heatmap": "activations.heatmap",
    "read_cells": "cells.counts",
    "sae_folder": "models.bundled_models",
    "slide_part": "correlation.engine",
    "wait_for": "worker.client",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
