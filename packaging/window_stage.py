"""The real window on the demo, driven from a script: wait, look somewhere, grab a part, keep it small.

For `packaging/help_pictures.py`. Import it after `QT_API` is set.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final

import numpy as np
from PIL import Image, ImageColor
from PySide6.QtCore import QBuffer, QEvent, QIODevice, QPoint, QPointF, QRect, Qt
from PySide6.QtGui import QImage, QMouseEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget

from desktop_app.app import WindowStart, build_window, open_start
from desktop_app.canvas.slide_layers import CELL_COLOURS
from desktop_app.project.preferences import PreferencesFile
from desktop_app.tasks import WorkerTasks
from sae_backend.worker.client import WorkerClient

AUTHOR: Final = "Ada"
SETTLE_MS: Final = 700
READ_S: Final = 20.0
JOB_S: Final = 600.0
MARGIN_PX: Final = 2
_COLOURS: Final = (256, 176, 128, 96, 72)
_SMALLER: Final = 0.9
_EXACT: Final = 16


class StageError(Exception):
    """Something that the pictures need did not come in time."""


class Stage:
    """A window with its own worker; nothing of the user's own settings is read or written.

    `context` is what the controller works with. Sizes are px of the screen, places um of the slide.
    """

    def __init__(self) -> None:
        from napari.settings import get_settings

        get_settings(path=None)
        get_settings().application.confirm_close_window = False
        preferences = PreferencesFile(None)
        preferences.change(author=AUTHOR)
        self.desktop = build_window(WorkerClient(), preferences=preferences)
        self.window, self.controller = self.desktop.window, self.desktop.controller
        self.context = self.controller._context
        self.session, self.actions = self.context.session, self.window.menus.actions_by_text
        self._is_ready = False
        self.context.tasks.worker_ready.connect(self._ready)
        self.window.show()
        self.controller.start()

    def _ready(self) -> None:
        self._is_ready = True

    def __enter__(self) -> Stage:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.controller.close()
        self.window.qt_window.close()
        QTest.qWait(SETTLE_MS)

    def open_demo(self, folder: Path) -> None:
        """Make the demo in a folder, or open it, as the button on the start page does."""
        open_start(self.desktop, WindowStart(demo=folder))
        self.jobs_end()
        self.until(lambda: self.session.features is not None, "the demo's features")
        self.quiet()

    def until(self, happened: Callable[[], bool], what: str, timeout_s: float = JOB_S) -> None:
        """Let the window run until something has happened."""
        ends = time.monotonic() + timeout_s
        while not happened():
            if time.monotonic() > ends:
                raise StageError(
                    f"Waited {timeout_s:.0f} s for {what}. Above the slide: {self.window.notice.text}"
                )
            QTest.qWait(50)

    def jobs_end(self) -> None:
        """Wait until no job is open; the end of one may begin another."""
        tasks: WorkerTasks = self.context.tasks
        QTest.qWait(SETTLE_MS)
        jobs = self.controller.jobs
        while tasks.open_jobs or jobs.is_preparing:
            self.until(lambda: not (tasks.open_jobs or jobs.is_preparing), "the worker's jobs")
            QTest.qWait(SETTLE_MS)

    def quiet(self) -> None:
        """Wait until all in sight is read and drawn, with no message above the slide."""
        QTest.qWait(SETTLE_MS)
        self.window.say("")
        QTest.qWait(SETTLE_MS)
        if not self.controller.reading.finish(READ_S):
            raise StageError("The slide was not read in time.")
        QTest.qWait(SETTLE_MS)

    def arrange(self, width: int, height: int, *docks: str) -> None:
        """Give the window a size and show only some panels, with the room they have by default."""
        self.until(lambda: self._is_ready, "the worker")
        is_open = not self.window.start_page.isVisible()
        for title, dock in self.window.docks.items() if is_open else ():
            dock.setVisible(title in docks)
        # A window gets no smaller than the panels that it still shows.
        QTest.qWait(SETTLE_MS)
        self.window.qt_window.resize(width, height)
        QTest.qWait(SETTLE_MS)
        if is_open:
            self.window._size_docks()
            QTest.qWait(SETTLE_MS)

    def give(self, dock: str, px: int, way: Qt.Orientation) -> None:
        """Give a panel so much room, across or down."""
        self.window.qt_window.resizeDocks([self.window.docks[dock]], [px], way)
        QTest.qWait(SETTLE_MS)

    def choose(self, feature: int) -> None:
        """Choose a feature and see the whole slide."""
        self.controller.select_feature(feature)
        self.window.fit()
        QTest.qWait(SETTLE_MS)

    def strongest_tile(self, feature: int, rank: int = 0) -> int:
        """One of the tiles where a feature fires most, 0 for the first."""
        features = self.session.features
        assert features is not None
        tiles, values = features.column(feature)
        return int(tiles[np.argsort(-values, kind="stable")[rank]])

    def strongest(self, feature: int, rank: int = 0) -> tuple[float, float]:
        """Middle (y, x) in um of one of the tiles where a feature fires most."""
        features = self.session.features
        assert features is not None
        grid = features.grid
        y, x = (grid.centres_l0()[self.strongest_tile(feature, rank)] - 0.5) * grid.mpp
        return float(y), float(x)

    def look(self, at_um: tuple[float, float], um_per_px: float) -> None:
        """Put a place in the middle of the view."""
        self.window.look_at(*at_um)
        self.window.zoom_to(um_per_px)
        QTest.qWait(SETTLE_MS)

    @property
    def canvas(self) -> QWidget:
        """The widget that draws the slide."""
        return self.window.viewer.window._qt_viewer.canvas.native

    def mouse(self, kind: QEvent.Type, at_um: tuple[float, float]) -> None:
        """Send the left button's event at a place of the slide to the canvas."""
        y0, x0, _, _ = self.window.field_um()
        um = self.window.um_per_px
        spot = QPoint(round((at_um[1] - x0) / um), round((at_um[0] - y0) / um))
        left, none = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
        button = none if kind == QEvent.Type.MouseMove else left
        held = none if kind == QEvent.Type.MouseButtonRelease else left
        place = QPointF(self.canvas.mapToGlobal(spot))
        event = QMouseEvent(kind, QPointF(spot), place, button, held, Qt.KeyboardModifier.NoModifier)
        QApplication.sendEvent(self.canvas, event)
        # vispy takes a move every 10 ms.
        QTest.qWait(20)

    def grab(self, *parts: QWidget) -> Image.Image:
        """Picture of the whole window, or of the box around some of its parts."""
        window = self.window.qt_window
        whole = grab(window)
        if not parts:
            return whole
        box = QRect()
        for part in parts:
            box = box.united(QRect(part.mapTo(window, QPoint(0, 0)), part.size()))
        box = box.adjusted(-MARGIN_PX, -MARGIN_PX, MARGIN_PX, MARGIN_PX).intersected(window.rect())
        return whole.crop((box.left(), box.top(), box.right() + 1, box.bottom() + 1))


def grab(widget: QWidget) -> Image.Image:
    """Picture of a widget, one px for each of its own, whatever the screen makes of them."""
    image = widget.grab().toImage()
    if image.size() != widget.size():
        image = image.scaled(
            widget.size(),
            mode=Qt.TransformationMode.SmoothTransformation,
            aspectMode=Qt.AspectRatioMode.IgnoreAspectRatio,
        )
    return as_picture(image)


def as_picture(image: QImage) -> Image.Image:
    """Qt's picture as one of Pillow's."""
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    image.save(buffer, "PNG")
    return Image.open(io.BytesIO(bytes(buffer.data().data()))).convert("RGB")


def joined(pictures: Sequence[Image.Image], *, below: bool = False, gap_px: int = 10) -> Image.Image:
    """Pictures beside or below each other, on white."""
    along = [picture.height if below else picture.width for picture in pictures]
    across = max(picture.width if below else picture.height for picture in pictures)
    length = sum(along) + gap_px * (len(pictures) - 1)
    whole = Image.new("RGB", (across, length) if below else (length, across), "white")
    start = 0
    for picture, room in zip(pictures, along, strict=True):
        whole.paste(picture, (0, start) if below else (start, 0))
        start += room + gap_px
    return whole


def save(picture: Image.Image, path: Path, most_bytes: int) -> str:
    """Write a PNG of 8 bits a px that is not larger; with fewer colours, then with fewer px, where it has to be.

    Returns its size in words.
    """
    while True:
        for colours in _COLOURS:
            buffer = io.BytesIO()
            reduced = picture.quantize(palette=_palette(picture, colours), dither=Image.Dither.NONE)
            reduced.save(buffer, "PNG", optimize=True)
            n_bytes = len(buffer.getvalue())
            if n_bytes <= most_bytes:
                path.write_bytes(buffer.getvalue())
                return f"{picture.width} x {picture.height} px, {colours} colours, {n_bytes / 1e3:.0f} kB"
        smaller = round(picture.width * _SMALLER), round(picture.height * _SMALLER)
        picture = picture.resize(smaller, Image.Resampling.LANCZOS)


def _palette(picture: Image.Image, colours: int) -> Image.Image:
    """Colours that suit a picture, as Pillow takes them.

    The commonest, panels and letters, stay exactly as they are, and so do those of the types of cells. Of the others
    each shade counts by the cubic root of its px: by their number tissue would take all places, and the few px of a
    colour bar would lose theirs.
    """
    pixels = np.asarray(picture).reshape(-1, 3)
    exact, counts = np.unique(pixels, axis=0, return_counts=True)
    common = exact[np.argsort(-counts, kind="stable")[:_EXACT]]
    kept = [
        *common.ravel().tolist(),
        *(value for colour in CELL_COLOURS for value in ImageColor.getrgb(colour)),
    ]
    _, shade_of, n_px = np.unique(pixels >> 3, axis=0, return_inverse=True, return_counts=True)
    means = np.stack([np.bincount(shade_of.ravel(), pixels[:, band]) / n_px for band in range(3)], axis=1)
    weighed = np.repeat(means.round().astype(np.uint8), np.ceil(np.cbrt(n_px)).astype(int), axis=0)
    n_others = colours - len(kept) // 3
    others = Image.fromarray(weighed[None]).quantize(n_others, Image.Quantize.MEDIANCUT, kmeans=1)
    palette = Image.new("P", (1, 1))
    palette.putpalette([*kept, *(others.getpalette() or [])[: 3 * n_others]])
    return palette
