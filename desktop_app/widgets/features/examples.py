"""Tiles where the chosen feature fires strongly, less, weakly, and where it does not though they look alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QEvent, QObject, QPoint, QSize, Qt, Signal
from PySide6.QtGui import QColor, QIcon, QImage, QPainter, QPen, QPixmap, QResizeEvent
from PySide6.QtWidgets import (
    QComboBox,
    QFrame,
    QLabel,
    QListView,
    QListWidget,
    QListWidgetItem,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from desktop_app.widgets.controls.empty_state import EmptyState
from sae_backend.statistics.number_text import number_text

if TYPE_CHECKING:
    from desktop_app.project.features.example_pictures import Picture

TITLES: Final = {
    "top": "Strongest",
    "upper": "Strong: 75th to 95th percentile of the firing tiles",
    "middle": "Middle: 40th to 60th percentile",
    "lower": "Weak: 5th to 25th percentile",
    "random": "Random firing tiles",
    "look-alikes": "Similar tiles where the feature is silent",
}
_SIDE_PX: Final = 90
_CONTEXT_PX: Final = 336
_PLACE: Final = Qt.ItemDataRole.UserRole


class ExamplesPanel(QWidget):
    """Shows a section of pictures for each level and asks for the tile that is clicked.

    `tile_requested` and `context_requested` carry the slide's id and the tile.
    """

    tile_requested = Signal(int, int)
    context_requested = Signal(int, int)
    scope_requested = Signal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.title = QLabel("")
        self.title.setWordWrap(True)
        self.scope = QComboBox()
        self.scope.setAccessibleName("Slides to take examples from")
        self.scope.hide()
        self.scope.activated.connect(lambda index: self.scope_requested.emit(index == 1))
        self.sections = {level: _Section(title) for level, title in TITLES.items()}
        page = QWidget()
        self._column = QVBoxLayout(page)
        self._column.setContentsMargins(0, 0, 0, 0)
        for section in self.sections.values():
            section.list.itemClicked.connect(self._clicked)
            section.list.itemActivated.connect(self._clicked)
            section.list.itemEntered.connect(self._entered)
            section.list.viewport().installEventFilter(self)
            self._column.addWidget(section)
        self._column.addStretch()
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidget(page)
        self.pages = EmptyState(scroll, "Choose a feature to see tiles where it fires and where it does not.")
        self.context = _Context(self)
        column = QVBoxLayout(self)
        column.setContentsMargins(6, 6, 6, 6)
        column.addWidget(self.scope)
        column.addWidget(self.title)
        column.addWidget(self.pages)

    @property
    def top(self) -> QListWidget:
        """The list of the strongest tiles."""
        return self.sections["top"].list

    def show_scope(self, n_slides: int, *, everywhere: bool) -> None:
        """Offer to take examples from all slides where there are several."""
        self.scope.clear()
        self.scope.addItems(["From this slide", f"From all {n_slides} slides with this autoencoder"])
        self.scope.setCurrentIndex(int(everywhere))
        self.scope.setVisible(n_slides > 1)

    def show_levels(self, title: str, levels: Mapping[str, Sequence[Picture]]) -> None:
        """Show examples by level; those levels that are not given are emptied, but for the look-alikes.

        These are found apart and may be there first; `forget_look_alikes` empties them.
        """
        self.title.setText(title)
        for level, section in self.sections.items():
            if level != "look-alikes":
                section.show_pictures(levels.get(level, ()))
        if any(levels.values()):
            self.pages.show_content()
        else:
            self.pages.say("This feature fires in no tile of this slide, so there are no examples.")

    def forget_look_alikes(self) -> None:
        """Empty the look-alikes of an earlier feature."""
        self.sections["look-alikes"].show_pictures(())

    def show_look_alikes(self, pictures: Sequence[Picture], method: str) -> None:
        """Add the tiles that look alike though the feature is silent; `method` says how it was measured."""
        section = self.sections["look-alikes"]
        section.show_pictures(pictures)
        section.heading.setToolTip(method)

    def say(self, sentence: str) -> None:
        """Show a sentence in place of the tiles."""
        self.title.setText("")
        for section in self.sections.values():
            section.show_pictures(())
        self.pages.say(sentence)

    def show_context(self, rgb: npt.NDArray[np.uint8]) -> None:
        """Show a tile amid its neighbours, uint8 (h, w, 3), beside the pointer."""
        self.context.show_picture(rgb)

    def _clicked(self, item: QListWidgetItem) -> None:
        self.context.hide()
        self.tile_requested.emit(*item.data(_PLACE))

    def _entered(self, item: QListWidgetItem) -> None:
        self.context_requested.emit(*item.data(_PLACE))

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Take the larger picture away when the pointer leaves the tiles."""
        if event.type() in (QEvent.Type.Leave, QEvent.Type.Wheel):
            self.context.hide()
        return super().eventFilter(watched, event)


class _Section(QWidget):
    """A heading and the pictures of one level, as high as they need."""

    def __init__(self, title: str) -> None:
        super().__init__()
        self._title = title
        self.heading = QLabel(title)
        self.heading.setStyleSheet("font-weight: bold;")
        self.heading.setWordWrap(True)
        self.list = QListWidget()
        self.list.setAccessibleName(title)
        self.list.setViewMode(QListView.ViewMode.IconMode)
        self.list.setResizeMode(QListView.ResizeMode.Adjust)
        self.list.setMovement(QListView.Movement.Static)
        self.list.setIconSize(QSize(_SIDE_PX, _SIDE_PX))
        self.list.setSpacing(2)
        self.list.setUniformItemSizes(True)
        self.list.setMouseTracking(True)
        self.list.setFrameShape(QFrame.Shape.NoFrame)
        for bar in (self.list.setVerticalScrollBarPolicy, self.list.setHorizontalScrollBarPolicy):
            bar(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 4)
        column.setSpacing(2)
        column.addWidget(self.heading)
        column.addWidget(self.list)
        self.hide()

    def show_pictures(self, pictures: Sequence[Picture]) -> None:
        self.list.clear()
        for picture in pictures:
            words = (
                number_text(picture.value) if picture.similarity is None else f"like {picture.similarity:.2f}"
            )
            item = QListWidgetItem(QIcon(_pixmap(picture.rgb)), words)
            item.setToolTip(
                f"{picture.slide}, tile {picture.tile}, activation {number_text(picture.value)}"
                + ("" if picture.similarity is None else f", similarity {picture.similarity:.2f}")
                + ". Click to go there."
            )
            item.setData(_PLACE, (picture.slide_id, picture.tile))
            self.list.addItem(item)
        self.heading.setText(f"{self._title} ({len(pictures)})")
        self.setVisible(bool(pictures))
        self._fit()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        cell = self.list.sizeHintForIndex(self.list.model().index(0, 0)) if self.list.count() else QSize(1, 0)
        across = max(1, (self.list.viewport().width() - 4) // (cell.width() + 4))
        rows = -(-self.list.count() // across)
        self.list.setFixedHeight(rows * (cell.height() + 4) + 6)


class _Context(QLabel):
    """A larger picture beside the pointer, the tile itself outlined in its middle."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent, Qt.WindowType.ToolTip)
        self._panel = parent
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setAttribute(Qt.WidgetAttribute.WA_ShowWithoutActivating)

    def show_picture(self, rgb: npt.NDArray[np.uint8]) -> None:
        whole = _pixmap(rgb).scaled(
            _CONTEXT_PX,
            _CONTEXT_PX,
            Qt.AspectRatioMode.KeepAspectRatio,
            Qt.TransformationMode.SmoothTransformation,
        )
        painter = QPainter(whole)
        painter.setPen(QPen(QColor("#ff00c8"), 2))
        third = whole.width() / 3
        painter.drawRect(int(third), int(third), int(third), int(third))
        painter.end()
        self.setPixmap(whole)
        self.resize(whole.size())
        parent = self._panel
        # To the left of the panel, so that it covers no other example.
        corner = parent.mapToGlobal(QPoint(0, 0))
        y = max(
            0,
            min(self.cursor().pos().y() - whole.height() // 2, corner.y() + parent.height() - whole.height()),
        )
        self.move(max(0, corner.x() - whole.width() - 8), y)
        self.show()


def _pixmap(rgb: npt.NDArray[np.uint8]) -> QPixmap:
    pixels = np.ascontiguousarray(rgb)
    height, width = pixels.shape[:2]
    return QPixmap.fromImage(QImage(pixels.tobytes(), width, height, 3 * width, QImage.Format.Format_RGB888))
