"""Turning the view: by quarters, by a typed angle, and upright again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from desktop_app.canvas.rotation import Turn, angle_of

if TYPE_CHECKING:
    from desktop_app.controller.context import Context
    from desktop_app.widgets.slide.rotation_badge import TurnMark
    from sae_backend.slides.slide import Slide


class RotationActions:
    """Turns both views about the middle of the slide; every slide begins as it lies on the glass."""

    def __init__(self, context: Context, mark: TurnMark) -> None:
        self._context = context
        menus = context.menus
        menus.requested("turn").connect(self.turn_by)
        menus.requested("angle").connect(self.ask)
        menus.requested("upright").connect(lambda: self.turn_to(0.0))
        mark.clicked.connect(lambda: self.turn_to(0.0))
        context.session.slide_changed.connect(self._slide_changed)

    def turn_by(self, degrees: float) -> None:
        """Turn further clockwise."""
        self.turn_to(self._context.canvas.turned.turn.by(degrees).angle_deg)

    def turn_to(self, angle_deg: float) -> None:
        """Turn to an angle, clockwise from how the slide lies."""
        slide = self._context.session.slide
        if slide is not None:
            self._context.canvas.set_turn(Turn(angle_deg % 360.0, _middle_um(slide)))

    def ask(self) -> None:
        """Ask for an angle."""
        context = self._context
        if context.session.slide is None:
            context.say("Open a slide first.")
            return
        known = f"{context.canvas.turned.turn.angle_deg:g}"
        text = context.dialogs.text("Rotate", "Clockwise rotation in degrees:", known)
        if text is not None:
            angle = context.attempt(lambda: angle_of(text))
            if angle is not None:
                self.turn_to(angle)

    def _slide_changed(self, slide: Slide | None) -> None:
        canvas = self._context.canvas
        was_turned = not canvas.turned.turn.is_upright
        canvas.set_turn(Turn(0.0, _middle_um(slide)) if slide is not None else Turn())
        if was_turned and slide is not None:
            canvas.fit()


def _middle_um(slide: Slide) -> tuple[float, float]:
    info = slide.info
    mpp = info.mpp if info.mpp is not None else 1.0
    # The centre of px (0, 0) is the origin.
    return (info.height_px - 1) / 2 * mpp, (info.width_px - 1) / 2 * mpp
