"""The tiles where the chosen feature fires most; a click flies there."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QIcon, QImage, QPixmap
from PySide6.QtWidgets import QLabel, QListView, QListWidget, QListWidgetItem, QVBoxLayout, QWidget

from desktop_app.widgets.empty_state import EmptyState
from desktop_app.widgets.texts import number

_SIDE_PX = 92


class GalleryPanel(QWidget):
    """Shows tiles as pictures with their activation and asks for the one that is clicked."""

    tile_requested = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.title = QLabel("")
        self.title.setWordWrap(True)
        self.list = QListWidget()
        self.list.setViewMode(QListView.ViewMode.IconMode)
        self.list.setResizeMode(QListView.ResizeMode.Adjust)
        self.list.setMovement(QListView.Movement.Static)
        self.list.setIconSize(QSize(_SIDE_PX, _SIDE_PX))
        self.list.setSpacing(4)
        self.list.itemClicked.connect(self._clicked)
        self.list.itemActivated.connect(self._clicked)
        self.pages = EmptyState(self.list, "Choose a feature to see the tiles where it fires most.")
        column = QVBoxLayout(self)
        column.addWidget(self.title)
        column.addWidget(self.pages)

    def show_tiles(self, title: str, tiles: Sequence[tuple[int, float, npt.NDArray[np.uint8]]]) -> None:
        """Show tiles as (number, activation, pixels (h, w, 3) uint8), in the order given."""
        self.title.setText(title)
        self.list.clear()
        for tile, value, rgb in tiles:
            pixels = np.ascontiguousarray(rgb)
            height, width = pixels.shape[:2]
            image = QImage(pixels.tobytes(), width, height, 3 * width, QImage.Format.Format_RGB888)
            item = QListWidgetItem(QIcon(QPixmap.fromImage(image)), number(value))
            item.setToolTip(f"Tile {tile}, activation {number(value)}. Click to go there.")
            item.setData(Qt.ItemDataRole.UserRole, tile)
            self.list.addItem(item)
        if tiles:
            self.pages.show_content()
        else:
            self.pages.say("This feature fires in no tile of this slide.")

    def say(self, sentence: str) -> None:
        """Show a sentence in place of the tiles."""
        self.title.setText("")
        self.list.clear()
        self.pages.say(sentence)

    def _clicked(self, item: QListWidgetItem) -> None:
        self.tile_requested.emit(int(item.data(Qt.ItemDataRole.UserRole)))
