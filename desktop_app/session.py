"""What is open and selected now. Knows no Qt; everyone who cares listens to its signals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psygnal import Signal

if TYPE_CHECKING:
    from desktop_app.store import AnalysisRecord, SlideRecord, Store
    from sae_backend.activations.feature_matrix import FeatureMatrix
    from sae_backend.slides.slide import Slide


class Session:
    """The open project and slide, the current analysis with its activations, the current feature.

    Setting a thing resets what hangs on it: a slide its analysis, an analysis its tile. The feature
    number survives a change of slide, since it means the same on every slide of one SAE; with another
    SAE there is no feature yet.
    """

    project_changed = Signal(object)
    slide_changed = Signal(object)
    analysis_changed = Signal(object)
    feature_changed = Signal(object)
    tile_changed = Signal(int)
    annotation_changed = Signal(object)
    annotation_written = Signal(object, object)
    saved_changed = Signal(bool)

    def __init__(self) -> None:
        self.store: Store | None = None
        self.slide: Slide | None = None
        self.slide_record: SlideRecord | None = None
        self.analysis: AnalysisRecord | None = None
        self.features: FeatureMatrix | None = None
        self.feature: int | None = None
        self._feature_sae = ""
        self.tile = -1

    def set_project(self, store: Store | None) -> None:
        """Change the project; the slide is closed with the old one."""
        self.set_slide(None, None)
        old, self.store = self.store, store
        if old is not None and old is not store:
            old.close()
        self.project_changed.emit(store)

    def set_slide(self, slide: Slide | None, record: SlideRecord | None) -> None:
        """Show another slide; the one before is closed."""
        old, self.slide, self.slide_record = self.slide, slide, record
        self._drop_analysis()
        self.slide_changed.emit(slide)
        # Listeners have let go of its levels by now.
        if old is not None and old is not slide:
            old.close()

    def set_slide_record(self, record: SlideRecord) -> None:
        """Note the slide's record after the project took it in."""
        self.slide_record = record

    def set_analysis(self, analysis: AnalysisRecord | None, features: FeatureMatrix | None) -> None:
        """Show another analysis; `features` is None where only embeddings exist."""
        self._drop_analysis()
        self.analysis, self.features = analysis, features
        if features is not None:
            if features.sae_digest != self._feature_sae:
                self.feature = None
            self._feature_sae = features.sae_digest
        self.analysis_changed.emit(analysis)

    def set_feature(self, feature: int | None) -> None:
        """Choose a feature; nothing happens where the analysis has none of that number."""
        if feature is not None and (self.features is None or not 0 <= feature < self.features.n_features):
            return
        if feature != self.feature:
            self.feature = feature
            self.feature_changed.emit(feature)

    def set_tile(self, tile: int) -> None:
        """Pick a tile, -1 for none."""
        self.tile = tile
        self.tile_changed.emit(tile)

    def _drop_analysis(self) -> None:
        self.analysis = self.features = None
        self.tile = -1
