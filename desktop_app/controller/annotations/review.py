"""Reviewing features from the keyboard: name, grade, accept and go on, ask what fires at the pointer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from desktop_app.controller.context import Context
    from desktop_app.controller.features.features import FeatureActions
    from desktop_app.widgets.annotations.annotation import AnnotationPanel
    from desktop_app.widgets.features.features import FeaturesPanel
    from desktop_app.widgets.features.heatmap_controls import HeatmapControls

_OPACITY_STEP: Final = 10


class ReviewActions:
    """What the keys do to the current feature."""

    def __init__(
        self,
        context: Context,
        panel: AnnotationPanel,
        table: FeaturesPanel,
        heatmap: HeatmapControls,
        features: FeatureActions,
    ) -> None:
        self._context, self._features = context, features
        self._panel, self._table, self._heatmap = panel, table, heatmap
        self._pointer: tuple[float, float] | None = None
        menus = context.menus
        context.canvas.cursor_moved.connect(self._pointer_moved)
        menus.requested("name").connect(self.name)
        menus.requested("confidence").connect(self.grade)
        menus.requested("accept").connect(self.accept)
        menus.requested("fires_here").connect(self.fires_here)
        menus.requested("opacity").connect(self.change_opacity)
        # With the name typed, the keys are for stepping and grading again.
        panel.name.returnPressed.connect(table.view.setFocus)
        context.session.slide_changed.connect(lambda _slide: self._forget_pointer())

    def name(self) -> None:
        """Put the cursor into the name of the current feature."""
        self._context.show_panel("Annotation")
        self._panel.name.setFocus()
        self._panel.name.selectAll()

    def grade(self, confidence: int) -> None:
        """Give the current feature a confidence of 1 to 5."""
        panel = self._panel
        if panel.feature is not None:
            panel.confidence.setCurrentIndex(confidence)
            self._context.show_panel("Annotation")

    def accept(self) -> None:
        """Mark the current feature as reviewed, where it has a name, and go to the next without one."""
        panel = self._panel
        if panel.feature is not None and panel.name.text().strip():
            panel.status.setCurrentText("reviewed")
        panel.flush()
        if not self._table.step_to_unnamed():
            self._context.say("All features below this one in the table are named.")

    def fires_here(self) -> None:
        """List the features that fire in the tile at the pointer."""
        if self._pointer is None:
            self._context.say("Point at the slide first, then press I.")
        else:
            self._features.pick(*self._pointer)

    def change_opacity(self, sign: int) -> None:
        """Make the heat map a step fainter (-1) or stronger (1)."""
        slider = self._heatmap.opacity
        slider.setValue(slider.value() + sign * _OPACITY_STEP)

    def _pointer_moved(self, y_um: float, x_um: float) -> None:
        self._pointer = (y_um, x_um)

    def _forget_pointer(self) -> None:
        self._pointer = None
