"""What fires in a tile: the features with their values, percentiles and what each explains."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import numpy as np

from desktop_app.widgets.features.tile_features import TileFeatureRow
from sae_backend.activations.histogram import percentile_of
from sae_backend.errors import CacheError, SparsescopeError
from sae_backend.feature_dashboard.attribution import what_fires_here
from sae_backend.statistics.number_text import percent_text

if TYPE_CHECKING:
    from desktop_app.project.features.analysis_parts import AnalysisParts
    from sae_backend.activations.feature_matrix import FeatureMatrix

MAX_LISTED: Final = 200


def firing_rows(
    features: FeatureMatrix, tile: int, parts: AnalysisParts | None, name_of: Callable[[int], str]
) -> tuple[str, list[TileFeatureRow]]:
    """A title, and the features of a tile: those that explain most of its embedding first."""
    numbers, values = features.row(tile)
    title = f"Tile {tile}: {len(values)} features fire"
    if len(values) > MAX_LISTED:
        title += f", {MAX_LISTED} of them listed"
    try:
        if parts is None:
            raise CacheError("The autoencoder is not available here.", "Analyse the slide again.")
        explained, found = what_fires_here(tile, features, parts.embeddings, parts.sae)
    except SparsescopeError as error:
        order = np.argsort(-values, kind="stable")[:MAX_LISTED]
        rows = [
            TileFeatureRow(
                int(numbers[i]), name_of(int(numbers[i])), float(values[i]),
                percentile_of(features.column(int(numbers[i]))[1], float(values[i])),
            )
            for i in order
        ]  # fmt: skip
        return f"{title}. The share explained by each is not available: {error.sentence}", rows
    title += f"; together they explain {percent_text(max(explained, 0.0))} of its embedding."
    return title, [
        TileFeatureRow(row.feature, name_of(row.feature), row.value, row.percentile, row.share)
        for row in found[:MAX_LISTED]
    ]
