"""The inside of tiles: asked of a worker of its own while a place is looked at, drawn over the slide."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np
import numpy.typing as npt

from desktop_app.controller.view.legend_text import feature_words, source_words
from desktop_app.project.features.inside_jobs import (
    Wish,
    occlusion_request,
    tiles_in_view,
    token_mosaic,
    token_request,
)
from desktop_app.tasks import Debouncer
from desktop_app.widgets.slide.legend import MapLegend
from sae_backend.atomic_write import disk_errors
from sae_backend.errors import SparsescopeError
from sae_backend.statistics.number_text import number_text
from sae_backend.worker.requests import MAX_INSIDE_TILES

if TYPE_CHECKING:
    from desktop_app.controller.context import Context
    from desktop_app.tasks import LiveWorker, WorkerTasks
    from desktop_app.widgets.features.heatmap_controls import HeatmapControls
    from desktop_app.widgets.slide.legend import Legend
    from sae_backend.worker.requests import Progress

REST_MS: Final = 250
ZOOM_IN: Final = f"Zoom in until single tiles are visible: at most {MAX_INSIDE_TILES} are computed at once."
CLICK: Final = (
    "Click on a tile. The vectors of this analysis come from the CLS token, which has no position in the tile. An "
    "occlusion map of one tile is shown instead: which squares the feature depends on."
)
_LOADING: Final = "load encoder"


@dataclass(frozen=True)
class _Question:
    """What is asked: tokens of some tiles, or the occlusion of one."""

    feature_dir: Path
    feature: int
    tiles: tuple[int, ...]
    occlusion: bool


class TokenMapActions:
    """Follows the view, the feature and the picked tile, and shows what lies inside the tiles.

    One question is under way at a time: an answer to another than the newest is dropped, and the newest is
    asked when the worker is free.
    """

    def __init__(self, context: Context, heatmap: HeatmapControls, legend: Legend, live: LiveWorker) -> None:
        self._context, self._live = context, live
        self._heatmap, self._legend = heatmap, legend
        self._pause = Debouncer(REST_MS)
        self._pause.over.connect(self.ask)
        self._connected: WorkerTasks | None = None
        self._job: int | None = None
        self._asked: _Question | None = None
        self._shown: _Question | None = None
        self._loading = False
        self._peaks: dict[tuple[Path, int], float] = {}
        self._folder: Path | None = None
        self._count = 0
        self._closed = False
        session = context.session
        context.menus.requested("inside").connect(self._toggled)
        context.canvas.field_changed.connect(lambda *_: self._restart())
        session.feature_changed.connect(lambda _: self._leave())
        session.analysis_changed.connect(lambda _: self._leave())
        session.slide_changed.connect(lambda _: self._leave())
        session.tile_changed.connect(lambda _: self._restart())

    @property
    def is_on(self) -> bool:
        """Whether the inside of tiles is wanted."""
        return not self._closed and self._context.menus.action("inside").isChecked()

    def ask(self) -> None:
        """Ask for what is in view now, unless it is shown or under way."""
        if not self.is_on:
            return
        question = self._wanted()
        if question is None or question == self._shown:
            # What is shown is what is wanted, or nothing is: an answer under way is of no use.
            self._give_up()
            return
        if self._job is not None:
            if question != self._asked:
                self._give_up()
            return
        self._submit(question)

    def _wanted(self) -> _Question | None:
        """What is to be asked; says why where it is nothing."""
        session, note = self._context.session, self._heatmap.show_inside_note
        analysis, features, feature = session.analysis, session.features, session.feature
        if analysis is None or features is None or feature is None:
            self._clear()
            note("")
            return None
        if analysis.pooling == "cls":
            if session.tile < 0 or not features.valid[session.tile]:
                self._clear()
                note(CLICK)
                return None
            return _Question(features.folder, feature, (session.tile,), occlusion=True)
        field = self._context.canvas.field_um()
        tiles = tiles_in_view(features.grid, features.valid, field, MAX_INSIDE_TILES + 1)
        if not 0 < len(tiles) <= MAX_INSIDE_TILES:
            self._clear()
            note(ZOOM_IN if len(tiles) else "There is no tile here.")
            return None
        # By number: a view moved by less than a tile asks for the same.
        return _Question(features.folder, feature, tuple(sorted(tiles.tolist())), occlusion=False)

    def _submit(self, question: _Question) -> None:
        session = self._context.session
        store, analysis, features = session.store, session.analysis, session.features
        assert store is not None and analysis is not None and features is not None
        wish = Wish(question.feature, self._new_file())
        try:
            request = (
                occlusion_request(store, analysis, features, wish, question.tiles[0])
                if question.occlusion
                else token_request(store, analysis, features, wish, question.tiles)
            )
            self._job = self._tasks().submit("Token map", request)
        except SparsescopeError as error:
            self._fail(error.sentence, error.hint)
            return
        self._asked, self._loading = question, True
        if self._shown is None:
            self._heatmap.show_inside_note("Computing the token map …")

    def _tasks(self) -> WorkerTasks:
        tasks = self._live.tasks()
        if tasks is not self._connected:
            self._connected = tasks
            tasks.job_progress.connect(self._progress)
            tasks.job_done.connect(self._done)
            tasks.job_failed.connect(self._failed)
            tasks.job_cancelled.connect(self._ended)
        return tasks

    def _progress(self, progress: Progress) -> None:
        if progress.job != self._job:
            return
        self._loading = progress.stage == _LOADING
        if self._asked is None:
            self._give_up()

    def _give_up(self) -> None:
        """Make the answer under way stale, and stop its computation where that is worth it."""
        self._asked = None
        # A worker that loads does not hear a wish to stop, would be ended for it and had to load anew.
        if self._job is not None and not self._loading:
            self._tasks().cancel(self._job)

    def _done(self, job: int, result: object) -> None:
        if job != self._job:
            return
        self._job = None
        answer = cast("dict[str, Any]", result)
        path = Path(answer["out_file"])
        question, self._asked = self._asked, None
        try:
            if question is not None:
                with disk_errors(path):
                    maps = np.load(path)
                self._show(question, maps, answer)
        except SparsescopeError as error:
            self._fail(error.sentence, error.hint)
        path.unlink(missing_ok=True)
        self.ask()

    def _failed(self, job: int, sentence: str, hint: str) -> None:
        if job != self._job:
            return
        self._job = None
        if self._asked is None:
            self.ask()
        else:
            self._fail(sentence, hint)

    def _ended(self, job: int) -> None:
        if job == self._job:
            self._job = self._asked = None
            self.ask()

    def _fail(self, sentence: str, hint: str) -> None:
        # Off, or the same error would come back at every move of the view.
        self._context.menus.action("inside").setChecked(False)
        self._context.say(f"{sentence} {hint}".strip(), error=True)

    def _show(self, question: _Question, maps: npt.NDArray[np.float32], answer: dict[str, Any]) -> None:
        features = self._context.session.features
        if features is None or features.folder != question.feature_dir:
            return
        stack = maps[None] if question.occlusion else maps
        mosaic = token_mosaic(features.grid, question.tiles, stack)
        peak = self._peak(question, mosaic.image)
        limits = (0.0, peak if peak > 0 else 1.0)
        self._context.layers.show_inside(mosaic.image, mosaic.scale_um, mosaic.translate_um, limits)
        self._shown = question
        self._legend.show_inside(_legend(self._context, question, limits))
        words = _occlusion_words if question.occlusion else _token_words
        text = words(question, mosaic.scale_um, peak, answer)
        self._heatmap.show_inside_note(f"{text} {answer['note']}")

    def _peak(self, question: _Question, image: npt.NDArray[np.float32]) -> float:
        """Value of the strongest colour: of an occlusion map its own, else the largest seen of the feature."""
        finite = image[np.isfinite(image)]
        peak = float(finite.max()) if finite.size else 0.0
        if question.occlusion:
            return peak
        key = (question.feature_dir, question.feature)
        # Colours that grow and never shrink keep their meaning while the view moves.
        self._peaks[key] = max(peak, self._peaks.get(key, 0.0))
        return self._peaks[key]

    def _toggled(self, on: bool) -> None:
        if on:
            self.ask()
        else:
            self._leave()

    def _leave(self) -> None:
        """Take away what is shown: it belongs to another feature, another slide, or is not wanted."""
        self._clear()
        self._give_up()
        self._heatmap.show_inside_note("")
        self._restart()

    def _restart(self) -> None:
        if self.is_on:
            self._pause.restart()

    def _clear(self) -> None:
        self._shown = None
        self._context.layers.remove_inside()
        self._legend.show_inside(None)

    def _new_file(self) -> Path:
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="sparsescope-inside-"))
        self._count += 1
        return self._folder / f"{self._count}.npy"

    def close(self) -> None:
        """End the worker for what the view asks, and remove its files."""
        self._closed = True
        self._pause.stop()
        self._job = self._asked = None
        self._live.close()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


def _legend(context: Context, question: _Question, limits: tuple[float, float]) -> MapLegend:
    look = replace(context.layers.look, log=False, smooth=False)
    where, unit = (
        ("inside one tile", "fall where a square is hidden")
        if question.occlusion
        else ("inside tiles", "activation at tokens")
    )
    title = f"{feature_words(context, question.feature)}, {where}"
    return MapLegend(title, source_words(context), limits, look, unit=f"{unit} (SAE units)")


def _token_words(
    question: _Question, size_um: tuple[float, float], peak: float, answer: dict[str, Any]
) -> str:
    n = len(question.tiles)
    where = "the tile" if n == 1 else f"the {n} tiles"
    return (
        f"Inside {where} in view: feature {answer['feature']} at squares of {number_text(size_um[0])} µm (tokens), "
        f"colours from 0 to {number_text(peak)} (the bar below is that of whole tiles, the legend that of tokens)."
    )


def _occlusion_words(
    question: _Question, size_um: tuple[float, float], peak: float, answer: dict[str, Any]
) -> str:
    tile, feature, whole = question.tiles[0], answer["feature"], answer["unoccluded"]
    if whole <= 0:
        return f"Occlusion map of tile {tile}: feature {feature} does not fire here."
    return (
        f"Occlusion map of tile {tile}: feature {feature} is {number_text(whole)}; squares of {number_text(size_um[0])} µm, "
        f"colours for a fall of 0 to {number_text(peak)}."
    )
