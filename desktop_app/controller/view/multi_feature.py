"""Two or three features at once, each in a colour of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from desktop_app.controller.view.legend_text import feature_words, source_words
from sae_backend.activations.heatmap import heatmap
from sae_backend.statistics.number_text import number_text

if TYPE_CHECKING:
    from desktop_app.controller.context import Context

COLOURS: Final = ("#ffd400", "#1f6bff", "#00c853")
"""Yellow, blue, green: apart from each other and from haematoxylin and eosin, also for colour-blind eyes."""


class MultiFeatureActions:
    """Keeps which features are shown together; with none the map of the current feature is back."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._features: list[int] = []
        self._sae = ""
        context.window.features.together_requested.connect(self.toggle)
        context.menus.requested("together").connect(self._toggle_current)
        context.menus.requested("alone").connect(self.clear)
        context.window.heatmap.alone_requested.connect(self.clear)
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
        self._context.layers.show_together(maps)
        self._context.window.heatmap.show_together(words)
        self._context.window.legend.show_together(words, scales, source_words(self._context))
