"""Two or three features at once, each in a colour of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from psygnal import Signal

from desktop_app.controller.view.legend_text import feature_words, source_words
from sae_backend.activations.heatmap import heatmap
from sae_backend.statistics.number_text import number_text

if TYPE_CHECKING:
    from desktop_app.controller.context import Context
    from desktop_app.widgets.features.features import FeaturesPanel
    from desktop_app.widgets.features.heatmap_controls import HeatmapControls
    from desktop_app.widgets.slide.legend import Legend
    from sae_backend.activations.heatmap import Heatmap

COLOURS: Final = ("#ffd400", "#1f6bff", "#00c853")
"""Yellow, blue, green: apart from each other and from haematoxylin and eosin, also for colour-blind eyes."""


class MultiFeatureActions:
    """Keeps which features are shown together; with none the map of the current feature is back.

    `asked` says that the user asked for one of the two.
    """

    asked = Signal()

    def __init__(
        self, context: Context, table: FeaturesPanel, controls: HeatmapControls, legend: Legend
    ) -> None:
        self._context, self._controls, self._legend = context, controls, legend
        self._features: list[int] = []
        self._sae = ""
        for wish, answer in (
            (table.together_requested, self.toggle),
            (context.menus.requested("together"), self._toggle_current),
            (context.menus.requested("alone"), self.clear),
            (controls.alone_requested, self.clear),
        ):
            wish.connect(answer)
            wish.connect(lambda *_: self.asked.emit())
        context.session.analysis_changed.connect(lambda _analysis: self._analysis_changed())
        context.session.annotation_changed.connect(lambda _note: self._show())

    @property
    def features(self) -> tuple[int, ...]:
        """Features that are shown together, in the order of their colours."""
        return tuple(self._features)

    def toggle(self, feature: int) -> None:
        """Show a feature in a colour of its own, or no longer."""
        features = self._context.session.features
        if features is None:
            self._context.say("Features can be shown together once the slide is analysed.")
            return
        if feature in self._features:
            self._features.remove(feature)
            self._context.say("")
        elif len(self._features) == len(COLOURS):
            self._context.say(
                f"{len(COLOURS)} features are shown together already; remove one first (press C on it)."
            )
            return
        else:
            self._features.append(feature)
        self._sae = features.sae_digest
        self._show()

    def clear(self) -> None:
        """Show the map of the current feature alone."""
        self._features.clear()
        self._context.say("")
        self._show()

    def _toggle_current(self) -> None:
        feature = self._context.session.feature
        if feature is not None:
            self.toggle(feature)

    def _analysis_changed(self) -> None:
        features = self._context.session.features
        if features is None or features.sae_digest != self._sae:
            self._features.clear()
        self._show()

    def _show(self) -> None:
        features = self._context.session.features
        chosen = [] if features is None else self._features
        words, scales, maps = [], [], []
        for number, colour in zip(chosen, COLOURS, strict=False):
            assert features is not None
            heat = heatmap(features, number)
            peak = float(np.nanmax(heat.values, initial=0.0))
            words.append((feature_words(self._context, number), colour))
            scales.append(f"0 to {number_text(peak)} SAE units")
            maps.append((heat, colour))
        self.draw(words, maps, scales)

    def draw(self, words: list[tuple[str, str]], maps: list[tuple[Heatmap, str]], scales: list[str]) -> None:
        """Draw maps over each other, each with its colour, name and scale; with none the map of the feature alone."""
        self._context.layers.show_together(maps)
        self._controls.show_together(words)
        self._legend.show_together(words, scales, source_words(self._context))
