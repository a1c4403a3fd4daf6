"""The map of all features: made by the worker, coloured by a score, lassoed into a list."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt

from sae_backend.errors import CacheError
from sae_backend.feature_dashboard.feature_map import FeatureMap, map_folder
from sae_backend.statistics.number_text import number_text
from sae_backend.worker.requests import MapRequest

if TYPE_CHECKING:
    from desktop_app.controller.context import Context
    from desktop_app.controller.jobs import JobActions
    from desktop_app.widgets.features.feature_map import FeatureMapPanel
    from desktop_app.widgets.features.feature_model import FeatureTable
    from desktop_app.widgets.features.features import FeaturesPanel


class FeatureMapActions:
    """Shows where features lie to each other."""

    def __init__(
        self, context: Context, panel: FeatureMapPanel, table: FeaturesPanel, jobs: JobActions
    ) -> None:
        self._context, self._jobs = context, jobs
        self._panel, self._table = panel, table
        self._shown: tuple[str, int] | None = None
        session = context.session
        panel.make_requested.connect(self.make)
        panel.score_chosen.connect(self._colour)
        panel.plane.feature_requested.connect(session.set_feature)
        panel.plane.lassoed.connect(self._list)
        session.feature_changed.connect(panel.plane.choose)
        session.analysis_changed.connect(lambda _analysis: self.refresh())
        # A job may bring new scores, those of a correlation above all.
        context.tasks.job_done.connect(self._colour_again)
        context.menus.requested("feature_map").connect(self._open)

    def refresh(self) -> None:
        """Show the map of the current autoencoder, or say how to come to it."""
        session, panel = self._context.session, self._panel
        store, features = session.store, session.features
        if store is None or features is None:
            panel.say("The map of features needs an analysed slide.")
            return
        folder = map_folder(store.cache_dir, features.sae_digest)
        try:
            found = FeatureMap.open(folder)
        except CacheError:
            panel.say(
                "Features with similar decoder directions lie close together on the map. "
                "It is computed once per autoencoder: seconds for 1,000 features, about half a minute for 12,000.",
                can_make=True,
            )
            return
        panel.show_map(found.xy, found.method, list(_scores(self._table.model.table)))
        panel.plane.choose(session.feature)

    def make(self) -> None:
        """Have the map made."""
        session = self._context.session
        store, features = session.store, session.features
        if store is None or features is None:
            return
        sae = self._context.attempt(lambda: store.saes.get(features.sae_digest))
        if sae is None:
            return
        request = MapRequest(str(sae.folder), str(store.cache_dir))

        def keep(_result: dict[str, Any]) -> None:
            self.refresh()

        self._jobs.submit(store, "Map of the features", request, keep)
        self._panel.say("Computing the map …")

    def _open(self) -> None:
        self._context.show_panel("Feature map")
        if self._panel.make.isVisibleTo(self._panel):
            self.make()

    def _colour_again(self) -> None:
        self._colour(self._panel.score.currentText())

    def _colour(self, title: str) -> None:
        table = self._table.model.table
        values = _scores(table).get(title)
        panel = self._panel
        if values is None or len(values) != len(panel.plane.places_px()):
            return
        finite = values[np.isfinite(values)]
        limits = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
        labels = []
        for feature, value in enumerate(values):
            name = table.note(feature).name
            labels.append(
                f"Feature {feature}"
                + (f": {name}" if name else "")
                + f"\n{title} {number_text(float(value))}"
            )
        panel.show_scores(values, labels, limits)

    def _list(self, features: object) -> None:
        chosen = frozenset(cast("list[int]", features))
        if not chosen:
            self._context.say("No feature lies inside the outline.")
            return
        self._context.show_panel("Features")
        self._table.show_only("Selected on the map", chosen)


def _scores(table: FeatureTable) -> dict[str, npt.NDArray[np.float64]]:
    """What the points can be coloured by, by title: float64 (F,), NaN where there is no value."""
    confidence = np.full(len(table.firing_rate), np.nan)
    for feature, note in table.notes.items():
        if note.confidence is not None and feature < len(confidence):
            confidence[feature] = note.confidence
    rate = np.where(table.firing_rate > 0, table.firing_rate, np.nan)
    return {
        "Best correlate |r|": np.abs(table.best_r),
        "Fires in (log)": np.log10(rate),
        "Max": np.where(table.max_value > 0, table.max_value, np.nan),
        "Confidence": confidence,
        **dict(table.scores),
    }
