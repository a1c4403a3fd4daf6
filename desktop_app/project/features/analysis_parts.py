"""What belongs to the analysis that is shown and is costly to open: each part once, when it is wanted."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from sae_backend.activations.embeddings import Embeddings
from sae_backend.activations.feature_matrix import FeatureMatrix
from sae_backend.errors import StoreError
from sae_backend.feature_dashboard.neighbours import CoActivation, DecoderDirections
from sae_backend.models.sae_weights import SaeArrays

if TYPE_CHECKING:
    from desktop_app.store import AnalysisRecord, Store


class AnalysisParts:
    """The autoencoder, the vectors and their relations of one analysis.

    Every property raises a `SparsescopeError` where its files were deleted or damaged.
    """

    def __init__(self, features: FeatureMatrix, sae_folder: Path, embedding_folder: Path) -> None:
        self.features = features
        self._sae_folder, self._embedding_folder = sae_folder, embedding_folder

    @cached_property
    def sae(self) -> SaeArrays:
        """Weights of the autoencoder."""
        return SaeArrays.open(self._sae_folder)

    @cached_property
    def directions(self) -> DecoderDirections:
        """Directions of its features."""
        return DecoderDirections.of(self.sae)

    @cached_property
    def together(self) -> CoActivation:
        """Which features fire together on the slide."""
        return CoActivation.of(self.features)

    @cached_property
    def embeddings(self) -> Embeddings:
        """Vectors of the slide's tiles."""
        return Embeddings.open(self._embedding_folder)


def parts_of(store: Store, analysis: AnalysisRecord, features: FeatureMatrix) -> AnalysisParts:
    """Parts of an analysis of a project; nothing is opened yet.

    Raises
    ------
    StoreError
        When the project does not know the autoencoder.
    """
    sae = store.saes.get(features.sae_digest)
    if sae is None:
        raise StoreError(
            "The autoencoder of this analysis is not in the project.", "Analyse the slide again."
        )
    return AnalysisParts(features, Path(sae.folder), store.cache_dir / analysis.embedding_folder)
