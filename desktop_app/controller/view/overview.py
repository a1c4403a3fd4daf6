"""The overview in the corner of the canvas: read beside the window, follows the field."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from desktop_app.tasks import LatestTask
from sae_backend.slides.slide import Slide

if TYPE_CHECKING:
    from desktop_app.controller.context import Context
    from desktop_app.widgets.slide.overview import Overview

_READ_PX: Final = 360


class OverviewActions:
    """Shows the whole slide small, and moves the view to where it is clicked."""

    def __init__(self, context: Context, overview: Overview) -> None:
        self._context, self._overview = context, overview
        self._read = LatestTask()
        self._read.answered.connect(self._show)
        # A slide that cannot be read says so already where it is drawn large.
        self._read.failed.connect(overview.forget)
        canvas = context.canvas
        canvas.field_changed.connect(lambda *_: self._field_changed())
        overview.place_requested.connect(canvas.look_at)
        context.menus.requested("overview").connect(lambda _on: self._place())
        context.session.slide_changed.connect(lambda _slide: self.refresh())

    def refresh(self) -> None:
        """Read the thumbnail of the open slide."""
        slide, overview = self._context.session.slide, self._overview
        overview.forget()
        if slide is None:
            self._read.forget()
            return
        info = slide.info
        mpp = info.mpp if info.mpp is not None else 1.0

        def read() -> tuple[Any, tuple[float, float]]:
            with Slide.open(info.path, info.mpp) as own:
                return own.thumbnail(_READ_PX), (info.height_px * mpp, info.width_px * mpp)

        self._read.ask(read)

    def close(self) -> None:
        """End the read that may be under way."""
        self._read.close()

    def _show(self, found: object) -> None:
        assert isinstance(found, tuple)
        self._overview.show_slide(*found)
        self._overview.show_field(self._context.canvas.field_corners_um())
        self._place()

    def _field_changed(self) -> None:
        self._overview.show_field(self._context.canvas.field_corners_um())
        self._place()

    def _place(self) -> None:
        # Where the whole slide is seen anyway, a second one would only cover a part of it.
        wanted = self._context.menus.action("overview").isChecked() and not self._overview.sees_all
        self._overview.setVisible(self._overview.has_slide and wanted)
