"""From a point or a row of a study to what lies behind it: a feature and its tiles, a slide, a tile."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from desktop_app.project.studies.read import StudyView, slide_number, target_pictures
from desktop_app.tasks import LatestTask

if TYPE_CHECKING:
    from desktop_app.controller.context import Context
    from desktop_app.controller.features.features import FeatureActions
    from desktop_app.controller.project.projects import ProjectActions
    from desktop_app.widgets.studies.result import StudyResult
    from sae_backend.errors import SparsescopeError
    from sae_backend.studies.framework.report import Target


class StudyTargets:
    """Leads to what was clicked, and shows its tiles beside the study; `view` gives the study that is shown."""

    def __init__(
        self,
        context: Context,
        result: StudyResult,
        projects: ProjectActions,
        features: FeatureActions,
        view: Callable[[], StudyView | None],
    ) -> None:
        self._context, self._projects, self._features, self._view = context, projects, features, view
        self._tiles = LatestTask()
        self._galleries = result.galleries
        self._tiles.answered.connect(self._show_tiles)
        self._tiles.failed.connect(self._no_tiles)
        result.target_requested.connect(self.follow)
        self._galleries.tile_requested.connect(self.go_to)

    def close(self) -> None:
        """End the read that may be under way."""
        self._tiles.close()

    def forget(self) -> None:
        """Drop the tiles that are being read."""
        self._tiles.forget()

    def follow(self, target: Target) -> None:
        """Lead to what lies behind a point: the feature and its tiles, a slide, or a tile."""
        store, view, session = self._context.session.store, self._view(), self._context.session
        if store is None or view is None:
            return
        if target.feature is not None:
            own = view.record.sets[target.set_number]["model"]["sae_digest"]
            if session.features is not None and own == session.features.sae_digest:
                # A number means the same feature within one autoencoder only.
                session.set_feature(target.feature)
            self._galleries.wait()
            self._tiles.ask(partial(target_pictures, store.folder, view.record, target))
        if target.slide:
            number = slide_number(store, view.record, target.slide)
            if number is None:
                self._context.say(f"{target.slide} is not in the project any more.")
            elif target.tile is not None:
                self.go_to(number, target.tile)
            elif target.feature is None or session.slide_record is None or session.slide_record.id != number:
                self._projects.open_record(number)

    def go_to(self, slide_id: int, tile: int) -> None:
        """Fly to a tile, on its own slide."""
        record = self._context.session.slide_record
        if record is None or record.id != slide_id:
            self._projects.open_record(slide_id)
        self._features.go_to_tile(tile)

    def _show_tiles(self, found: Any) -> None:
        self._galleries.show_pictures(*found)

    def _no_tiles(self, error: SparsescopeError) -> None:
        self._galleries.show_none(f"{error.sentence} {error.hint}")
