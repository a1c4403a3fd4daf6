"""Examples of the chosen feature: found beside the window, from small pictures that the worker makes."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from desktop_app.project.features.example_pictures import (
    ExampleSource,
    context_picture,
    level_pictures,
    look_alike_pictures,
    source_of,
    sources_of,
)
from desktop_app.tasks import LatestTask

if TYPE_CHECKING:
    from desktop_app.controller.context import Context
    from desktop_app.controller.features.features import FeatureActions
    from desktop_app.controller.project.projects import ProjectActions
    from desktop_app.widgets.features.examples import ExamplesPanel


class ExampleActions:
    """Fills the examples when another feature is chosen; an older answer never replaces a newer one."""

    def __init__(
        self, context: Context, panel: ExamplesPanel, projects: ProjectActions, features: FeatureActions
    ) -> None:
        self._context, self._projects, self._features = context, projects, features
        self._panel = panel
        self._sources: list[ExampleSource] = []
        self._everywhere = False
        self._levels, self._look_alikes = LatestTask(), LatestTask()
        self._levels.answered.connect(self._show_levels)
        self._look_alikes.answered.connect(self._show_look_alikes)
        session = context.session
        for read in (self._levels, self._look_alikes):
            read.failed.connect(lambda error: panel.say(f"{error.sentence} {error.hint}"))
        panel.tile_requested.connect(self.go_to)
        panel.context_requested.connect(self._show_context)
        panel.scope_requested.connect(self._choose_scope)
        session.feature_changed.connect(lambda _: self.refresh())
        session.analysis_changed.connect(lambda _: self.take_sources())

    @property
    def sources(self) -> tuple[ExampleSource, ...]:
        """Slides with features of the current autoencoder, the open one first."""
        return tuple(self._sources)

    def take_sources(self) -> None:
        """Look anew which slides there are to take examples from."""
        session, panel = self._context.session, self._panel
        store, features, analysis = session.store, session.features, session.analysis
        self._sources = []
        if store is not None and features is not None and analysis is not None:
            own = self._context.attempt(lambda: source_of(store, analysis))
            others = self._context.attempt(lambda: sources_of(store, features.sae_digest)) or []
            # The open slide first, with the analysis that is shown.
            self._sources = [own] if own is not None else []
            self._sources += [source for source in others if source.slide_id != analysis.slide_id]
        panel.show_scope(len(self._sources), everywhere=self._everywhere)
        self.refresh()

    def refresh(self) -> None:
        """Find examples of the chosen feature."""
        session, panel = self._context.session, self._panel
        feature = session.feature
        sources = self._sources if self._everywhere else self._sources[:1]
        if not sources or feature is None:
            self._levels.forget()
            self._look_alikes.forget()
            panel.say(
                "Choose a feature to see tiles where it fires and where it does not."
                if sources
                else "Tiles of a feature are shown here once the slide is analysed."
            )
            return
        n_firing = sum(int(source.features.stats.n_firing[feature]) for source in sources)
        n_tiles = sum(int(source.features.valid.sum()) for source in sources)
        where = "this slide" if len(sources) == 1 else f"{len(sources)} slides"
        title = f"Feature {feature} fires in {n_firing:,} of {n_tiles:,} tiles of {where}"
        panel.forget_look_alikes()
        self._levels.ask(lambda: (title, level_pictures(sources, feature)))
        self._look_alikes.ask(partial(look_alike_pictures, sources, feature))

    def go_to(self, slide_id: int, tile: int) -> None:
        """Fly to a tile, on its own slide."""
        record = self._context.session.slide_record
        if record is None or record.id != slide_id:
            self._projects.open_record(slide_id)
        self._features.go_to_tile(tile)

    def close(self) -> None:
        """End the reads that may be under way."""
        self._levels.close()
        self._look_alikes.close()

    def _choose_scope(self, everywhere: bool) -> None:
        self._everywhere = everywhere
        self.refresh()

    def _show_levels(self, found: object) -> None:
        assert isinstance(found, tuple)
        self._panel.show_levels(*found)

    def _show_look_alikes(self, found: object) -> None:
        assert isinstance(found, tuple)
        self._panel.show_look_alikes(*found)

    def _show_context(self, slide_id: int, tile: int) -> None:
        source = next((known for known in self._sources if known.slide_id == slide_id), None)
        picture = None if source is None else self._context.attempt(lambda: context_picture(source, tile))
        if picture is not None:
            self._panel.show_context(picture)
