"""A study's figure in the window: drawn by matplotlib, asked by the mouse."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from PySide6.QtCore import QEvent, QPoint, QSize, Qt, Signal
from PySide6.QtGui import QPalette, QResizeEvent
from PySide6.QtWidgets import QBoxLayout, QLabel, QSizePolicy, QToolTip, QVBoxLayout, QWidget

from desktop_app.widgets.controls.empty_state import EmptyState

if TYPE_CHECKING:
    from matplotlib.backend_bases import MouseEvent
    from matplotlib.backends.backend_qtagg import FigureCanvasQTAgg

    from desktop_app.project.studies.figures import Drawn, Hit
    from sae_backend.studies.framework.report import Figure

REACH_PX: Final = 12.0
LEAST_PX: Final = (280, 215)
"""With less, long names below the axes leave no room for the axes themselves."""

NARROW_PX: Final = 360
"""Narrower than this a figure has no room beside another."""


class TwoFigures(QWidget):
    """Two figures beside each other, or one below the other where it is too narrow for that."""

    def __init__(self, first: FigureView, second: FigureView) -> None:
        super().__init__()
        self._both = QBoxLayout(QBoxLayout.Direction.TopToBottom, self)
        self._both.setContentsMargins(0, 0, 0, 0)
        self._both.addWidget(first, 1)
        self._both.addWidget(second, 1)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Turn the row into a column, or back."""
        super().resizeEvent(event)
        is_wide = event.size().width() >= 2 * NARROW_PX
        way = QBoxLayout.Direction.LeftToRight if is_wide else QBoxLayout.Direction.TopToBottom
        if self._both.direction() != way:
            self._both.setDirection(way)


class FigureView(QWidget):
    """Shows one figure with its title and caption.

    `target_requested` carries the Target of the point that was clicked.
    """

    target_requested = Signal(object)

    # Qt tells of a change of style while a widget is made, too.
    _drawn: Drawn | None = None

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.title, self.caption = QLabel(""), QLabel("")
        font = self.title.font()
        font.setBold(True)
        self.title.setFont(font)
        for label in (self.title, self.caption):
            label.setWordWrap(True)
            label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._holder = QWidget()
        self._column = QVBoxLayout(self._holder)
        self._column.setContentsMargins(0, 0, 0, 0)
        whole = QWidget()
        column = QVBoxLayout(whole)
        column.setContentsMargins(4, 2, 4, 2)
        column.setSpacing(2)
        column.addWidget(self.title)
        column.addWidget(self._holder, 1)
        column.addWidget(self.caption)
        self._state = EmptyState(whole, "")
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(self._state)
        self._canvas: FigureCanvasQTAgg | None = None
        self._paper = ""
        self.setMinimumSize(240, 180)

    @property
    def drawn(self) -> Drawn | None:
        """What is on the canvas."""
        return self._drawn

    @property
    def sentence(self) -> str:
        """What stands in place of a figure, empty while there is one."""
        return self._state.sentence

    def say(self, sentence: str) -> None:
        """Say why there is no figure."""
        self._drawn = None
        self._state.say(sentence)

    def show_figure(self, figure: Figure) -> None:
        """Draw a figure in the colours of the window."""
        # matplotlib takes a third of a second to load, and a window without a study never needs it.
        from matplotlib.backends.backend_qtagg import FigureCanvasQTAgg
        from matplotlib.figure import Figure as Canvas

        from desktop_app.project.studies.figure_labels import fit
        from desktop_app.project.studies.figures import Look, draw

        if self._canvas is not None:
            self._column.removeWidget(self._canvas)
            self._canvas.deleteLater()
        palette = self.palette()
        self._paper = self._window_colour()
        look = Look(
            self._paper,
            palette.color(QPalette.ColorRole.WindowText).name(),
            max(8.0, float(self.font().pointSizeF())),
        )
        made = Canvas(layout="constrained", dpi=96)

        class Paper(FigureCanvasQTAgg):
            """As small as its room: matplotlib's own size would make the page scroll where it need not."""

            def sizeHint(self) -> QSize:
                return QSize(*LEAST_PX)

            def resizeEvent(self, event: QResizeEvent) -> None:
                super().resizeEvent(event)
                fit(self.figure, self.figure.axes[0], figure, look.points)

        self._canvas = Paper(made)
        self._canvas.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self._canvas.setMinimumSize(*LEAST_PX)
        self._canvas.setAccessibleName(figure.title)
        self._canvas.setAccessibleDescription(figure.caption)
        self._drawn = draw(made, figure, look)
        self._canvas.mpl_connect("motion_notify_event", self._moved)
        self._canvas.mpl_connect("button_release_event", self._clicked)
        self._column.addWidget(self._canvas)
        self.title.setText(figure.title)
        self.caption.setText(figure.caption)
        self._state.show_content()

    def changeEvent(self, event: QEvent) -> None:
        """Draw again in the colours of another theme."""
        super().changeEvent(event)
        changes = (QEvent.Type.PaletteChange, QEvent.Type.StyleChange)
        if event.type() in changes and self._drawn is not None and self._paper != self._window_colour():
            self.show_figure(self._drawn.figure)

    def _window_colour(self) -> str:
        return self.palette().color(QPalette.ColorRole.Window).name()

    def nearest(self, x_px: float, y_px: float) -> Hit | None:
        """The point nearest to a place of the canvas (px from its lower left), None where none is near.

        One that leads somewhere goes before those that do not, such as a baseline's, which may lie over it.
        """
        if self._drawn is None or not self._drawn.hits:
            return None
        hits = self._drawn.hits
        places = self._drawn.axes.transData.transform([(hit.x, hit.y) for hit in hits])
        distance = np.hypot(places[:, 0] - x_px, places[:, 1] - y_px)
        leads = np.array([hit.target is not None for hit in hits])
        best = int((distance + np.where(leads, 0.0, REACH_PX)).argmin())
        return hits[best] if distance[best] <= REACH_PX else None

    def _moved(self, event: MouseEvent) -> None:
        hit = self.nearest(event.x, event.y)
        canvas = self._canvas
        if canvas is None:
            return
        if hit is None:
            QToolTip.hideText()
            canvas.unsetCursor()
            return
        if hit.target is not None:
            canvas.setCursor(Qt.CursorShape.PointingHandCursor)
        ratio = canvas.device_pixel_ratio
        at = QPoint(round(event.x / ratio), round(canvas.height() - event.y / ratio))
        words = hit.name or f"{hit.x:.3g}, {hit.y:.3g}"
        QToolTip.showText(canvas.mapToGlobal(at), words, canvas)

    def _clicked(self, event: MouseEvent) -> None:
        hit = self.nearest(event.x, event.y)
        if hit is not None and hit.target is not None:
            self.target_requested.emit(hit.target)
