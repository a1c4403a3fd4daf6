"""The strongest tiles of one or two features beside each other, of whichever autoencoder they are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QIcon, QImage, QPixmap
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QListView,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from desktop_app.project.features.example_pictures import Picture
from sae_backend.statistics.number_text import number_text

_EDGE_PX = 84


class TwoGalleries(QWidget):
    """Shows pictures of tiles; `tile_requested` carries slide and tile of the one that was clicked."""

    tile_requested = Signal(int, int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.galleries = (_Gallery(), _Gallery())
        self.note = QLabel("")
        self.note.setWordWrap(True)
        self.fold = QPushButton("Hide tiles")
        self.fold.clicked.connect(self.hide)
        row = QHBoxLayout()
        row.setContentsMargins(0, 0, 0, 0)
        for gallery in self.galleries:
            gallery.tile_requested.connect(self.tile_requested)
            row.addWidget(gallery, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(2, 0, 0, 0)
        column.setSpacing(2)
        column.addWidget(self.note)
        column.addLayout(row, 1)
        column.addStretch(0)
        column.addWidget(self.fold)

    def say(self, sentence: str) -> None:
        """Say what is being done, or why there are no tiles."""
        self.note.setText(sentence)
        self.note.setVisible(bool(sentence))

    def wait(self) -> None:
        """Say that tiles are being read; those of the point before go."""
        self.show_none("Reading the tiles …")

    def show_none(self, sentence: str) -> None:
        """Say why there are no tiles, in place of those of the point before."""
        for gallery in self.galleries:
            gallery.hide()
        self.say(sentence)
        self.show()

    def show_pictures(self, titles: Sequence[str], pictures: Sequence[Sequence[Picture]]) -> None:
        """Show one or two features, each with its title."""
        self.say("")
        for place, gallery in enumerate(self.galleries):
            there = place < len(titles)
            gallery.setVisible(there)
            if there:
                gallery.show_pictures(titles[place], pictures[place])
        self.show()


class _Gallery(QWidget):
    tile_requested = Signal(int, int)

    def __init__(self) -> None:
        super().__init__()
        self.title = QLabel("")
        self.title.setWordWrap(True)
        self.list = QListWidget()
        self.list.setViewMode(QListView.ViewMode.IconMode)
        self.list.setResizeMode(QListView.ResizeMode.Adjust)
        self.list.setMovement(QListView.Movement.Static)
        self.list.setIconSize(QSize(_EDGE_PX, _EDGE_PX))
        self.list.setSpacing(2)
        self.list.setAccessibleName("Strongest tiles")
        self.list.itemClicked.connect(self._clicked)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        column.addWidget(self.title)
        column.addWidget(self.list, 1)

    def show_pictures(self, title: str, pictures: Sequence[Picture]) -> None:
        self.title.setText(title)
        self.list.setAccessibleName(title)
        self.list.clear()
        for picture in pictures:
            rgb = np.ascontiguousarray(picture.rgb)
            image = QImage(
                rgb.data, rgb.shape[1], rgb.shape[0], 3 * rgb.shape[1], QImage.Format.Format_RGB888
            )
            item = QListWidgetItem(QIcon(QPixmap.fromImage(image.copy())), number_text(picture.value))
            item.setToolTip(f"{picture.slide}, tile {picture.tile}: {number_text(picture.value)}")
            item.setData(Qt.ItemDataRole.UserRole, (picture.slide_id, picture.tile))
            self.list.addItem(item)

    def _clicked(self, item: QListWidgetItem) -> None:
        slide, tile = item.data(Qt.ItemDataRole.UserRole)
        self.tile_requested.emit(slide, tile)
