"""The chosen feature and the density of the chosen type of cell: two hues in one view, or side by side."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np

from desktop_app.controller.view.legend_text import feature_words
from desktop_app.controller.view.multi_feature import COLOURS
from desktop_app.project.cells.density import SlideCells, count_slide
from desktop_app.tasks import LatestTask
from desktop_app.widgets.correlation.header import OFF, SIDE_BY_SIDE, TWO_HUES
from sae_backend.activations.heatmap import heatmap
from sae_backend.statistics.number_text import number_text

if TYPE_CHECKING:
    from desktop_app.controller.context import Context
    from desktop_app.controller.correlation.correlations import CorrelationActions
    from desktop_app.controller.view.multi_feature import MultiFeatureActions
    from desktop_app.controller.view.second_view import SecondViewActions
    from desktop_app.widgets.correlation.header import CorrelationHeader
    from sae_backend.activations.heatmap import Heatmap

UNIT: Final = "cells per tile"


class PairMapActions:
    """Keeps which of the two ways is wanted, and follows feature, type and slide."""

    def __init__(
        self,
        context: Context,
        header: CorrelationHeader,
        correlations: CorrelationActions,
        together: MultiFeatureActions,
        second: SecondViewActions,
    ) -> None:
        self._context, self._correlations = context, correlations
        self._together, self._second = together, second
        self.mode = OFF
        self._cells: SlideCells | None = None
        self._read = LatestTask()
        self._read.answered.connect(self._counted)
        self._read.failed.connect(context.show_error)
        session = context.session
        header.map_requested.connect(self.show)
        together.asked.connect(lambda: self._give_up(TWO_HUES))
        second.asked.connect(lambda: self._give_up(SIDE_BY_SIDE))
        session.project_changed.connect(lambda _: self._read.forget())
        session.feature_changed.connect(lambda _: self.refresh())
        session.analysis_changed.connect(lambda _: self.refresh())
        session.annotation_changed.connect(lambda _: self.refresh())
        correlations.pair_changed.connect(self.refresh)

    def close(self) -> None:
        """End the read that may be under way."""
        self._read.close()

    def show(self, mode: str) -> None:
        """Show both in one of the two ways, or the feature alone."""
        before, self.mode = self.mode, mode
        if before == TWO_HUES and mode != TWO_HUES:
            self._together.clear()
        if before == SIDE_BY_SIDE and mode != SIDE_BY_SIDE:
            self._second.close_view()
        if mode != OFF and self._type() is None:
            self.mode = OFF
            self._context.say("Choose a feature and a type of cell in the correlations first.")
            return
        self.refresh()

    def _give_up(self, mode: str) -> None:
        """Somebody else draws there now."""
        if self.mode == mode:
            self.mode = OFF

    def _type(self) -> str | None:
        pair, session = self._correlations.pair, self._context.session
        return None if pair is None or session.features is None or session.feature is None else pair[1]

    def refresh(self) -> None:
        """Draw what is wanted of what is open."""
        session = self._context.session
        store, record, features = session.store, session.slide_record, session.features
        if self.mode == OFF or store is None or record is None or features is None:
            return
        known = self._cells
        state = (record.id, store.cells.version(record.id), features)
        if known is not None and (known.slide_id, known.state, known.features) == state:
            self._draw(known)
        else:
            self._read.ask(partial(count_slide, store.folder, record.id, features))

    def _counted(self, found: object) -> None:
        assert isinstance(found, SlideCells)
        session = self._context.session
        if session.slide_record is not None and session.slide_record.id == found.slide_id:
            self._cells = found
            self._draw(found)

    def _draw(self, cells: SlideCells) -> None:
        kind, session = self._type(), self._context.session
        if self.mode == OFF or kind is None or session.features is not cells.features:
            return
        density = cells.density(kind)
        if density is None:
            # What is no type of cell is not counted on the tiles here.
            why = (
                "is not counted in cells"
                if self._correlations.is_measure
                else "is not a cell type of this slide"
            )
            self._context.say(f"“{kind}” {why}, so it has no map here.")
            return
        if self.mode == TWO_HUES:
            self._draw_hues(kind, density)
        else:
            self._second.show_density(kind, density)

    def _draw_hues(self, kind: str, density: Heatmap) -> None:
        context = self._context
        features, feature = context.session.features, context.session.feature
        if features is None or feature is None:
            return
        heat = context.attempt(lambda: heatmap(features, feature))
        if heat is None:
            return
        words = [(feature_words(context, feature), COLOURS[0]), (f"Cells: {kind}", COLOURS[1])]
        peaks = [float(np.nanmax(one.values, initial=0.0)) for one in (heat, density)]
        scales = [f"0 to {number_text(peaks[0])} SAE units", f"0 to {number_text(peaks[1])} {UNIT}"]
        self._together.draw(words, [(heat, COLOURS[0]), (density, COLOURS[1])], scales)
