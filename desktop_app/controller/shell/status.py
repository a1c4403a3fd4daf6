"""The status line and the ways to a place: magnification, coordinates, cursor, job, saved."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from desktop_app.canvas.coordinates import place_of, um_per_px_of
from desktop_app.canvas.slide_layers import world_to_l0
from sae_backend.statistics.number_text import number_text

if TYPE_CHECKING:
    import numpy.typing as npt

    from desktop_app.controller.context import Context
    from desktop_app.widgets.shell.status_line import StatusLine
    from desktop_app.widgets.slide.scale_bar import ScaleBar
    from sae_backend.worker.requests import Progress


class StatusActions:
    """Keeps the status line true, and goes where is typed."""

    def __init__(self, context: Context, line: StatusLine, scale_bar: ScaleBar) -> None:
        self._context, self._line, self._scale_bar = context, line, scale_bar
        self._titles: dict[int, str] = {}
        self._cursor: tuple[float, float] | None = None
        self._values: npt.NDArray[np.float32] | None = None
        session, tasks, canvas = context.session, context.tasks, context.canvas
        line.magnification_requested.connect(self.zoom_to)
        line.place_requested.connect(self.go_to)
        line.cancel_requested.connect(tasks.cancel)
        canvas.view_changed.connect(line.show_view)
        canvas.cursor_moved.connect(self._cursor_moved)
        context.menus.requested("go_to").connect(line.place.setFocus)
        tasks.worker_ready.connect(line.show_device)
        tasks.worker_crashed.connect(lambda *_: line.show_device("The worker stopped"))
        tasks.job_started.connect(self._job_started)
        tasks.job_progress.connect(self._job_progress)
        for ended in (tasks.job_done, tasks.job_failed, tasks.job_cancelled):
            ended.connect(self._job_ended)
        session.slide_changed.connect(self._slide_changed)
        session.project_changed.connect(lambda _store: line.forget_saved())
        session.analysis_changed.connect(lambda _analysis: self._forget_values())
        session.feature_changed.connect(lambda _feature: self._say_again())
        session.saved_changed.connect(
            lambda saved: line.show_saved(saved=saved, at=time.strftime("%H:%M:%S"))
        )

    def zoom_to(self, text: str) -> None:
        """Show the slide at a typed magnification, about the middle of the view."""
        canvas = self._context.canvas
        um_per_px = self._context.attempt(lambda: um_per_px_of(text))
        if um_per_px is not None:
            canvas.zoom_to(um_per_px)
        self._line.show_view(canvas.um_per_px)

    def go_to(self, text: str) -> None:
        """Move the view to a typed place, at the magnification that is shown."""
        slide = self._context.session.slide
        if slide is None or slide.info.mpp is None:
            return
        info, mpp = slide.info, slide.info.mpp
        place = self._context.attempt(lambda: place_of(text, (info.height_px * mpp, info.width_px * mpp)))
        if place is not None:
            self._context.say("")
            self._context.canvas.look_at(*place)
            self._line.place.clear()
            self._line.place.clearFocus()

    def _slide_changed(self, slide: object) -> None:
        del slide
        opened = self._context.session.slide
        mpp = None if opened is None else opened.info.mpp
        self._line.show_slide(mpp, unmeasured=opened is not None and mpp is None)
        # Without a pixel size nothing has a length.
        self._scale_bar.setVisible(mpp is not None)
        self._scale_bar.show_scale(self._context.canvas.um_per_px)
        self._forget_values()

    def _forget_values(self) -> None:
        self._values = None

    def _say_again(self) -> None:
        """Say the value of another feature at the place where the cursor rests."""
        self._forget_values()
        if self._cursor is not None and self._line.value.text():
            self._cursor_moved(*self._cursor)

    def _cursor_moved(self, y_um: float, x_um: float) -> None:
        self._cursor = y_um, x_um
        session, line = self._context.session, self._line
        slide = session.slide
        if slide is None:
            return
        y_l0, x_l0 = world_to_l0((y_um, x_um), slide.info)
        if not (0 <= y_l0 < slide.info.height_px and 0 <= x_l0 < slide.info.width_px):
            line.show_off_slide()
            return
        if slide.info.mpp is None:
            line.show_cursor_px(y_l0, x_l0)
            return
        line.show_cursor(y_um, x_um, self._value_at(y_l0, x_l0))

    def _value_at(self, y_l0: float, x_l0: float) -> str:
        session = self._context.session
        if session.features is None or session.feature is None:
            return ""
        tile = session.features.grid.tile_at(y_l0, x_l0)
        if tile < 0:
            return "no tile here"
        if not session.features.valid[tile]:
            return f"tile {tile}: not embedded"
        if self._values is None:
            # A column is read once a feature, not at every move of the cursor.
            self._values = np.zeros(session.features.n_tiles, np.float32)
            tiles, values = session.features.column(session.feature)
            self._values[tiles] = values
        value = float(self._values[tile])
        return f"feature {session.feature}: {number_text(value) if value > 0 else 'does not fire'}"

    def _job_started(self, job: int, title: str) -> None:
        self._titles[job] = title
        self._line.start_job(job, title)

    def _job_progress(self, progress: Progress) -> None:
        self._line.show_progress(progress, self._titles.get(progress.job, ""))

    def _job_ended(self, job: int) -> None:
        self._titles.pop(job, None)
        self._line.end_job(job)
