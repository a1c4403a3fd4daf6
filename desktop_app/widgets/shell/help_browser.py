"""A help page in its own window, with pictures that fit and tables that keep their columns."""

from __future__ import annotations

from typing import Any, Final

from PySide6.QtCore import Qt, QUrl
from PySide6.QtGui import QImage, QResizeEvent, QTextDocument
from PySide6.QtWidgets import QTextBrowser, QWidget

from sae_backend.paths import resource

PAGE_PX: Final = (900, 700)
"""Width and height that a page opens with."""

_IMAGE: Final = QTextDocument.ResourceType.ImageResource
_LEAST_PX: Final = 120


class HelpBrowser(QTextBrowser):
    """Shows a page of `resources/help`; no picture is wider than the page, nor larger than it was made."""

    def __init__(self, markdown: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._pictures: dict[str, QImage] = {}
        self._room = 0
        # Pictures are named as from the page's own folder.
        self.setSearchPaths([str(resource("help"))])
        self.setOpenExternalLinks(True)
        self.setAccessibleName("Help page")
        self.setMarkdown(markdown)

    def loadResource(self, kind: int, name: QUrl | str) -> Any:
        """Read a picture or another part of the page."""
        url = QUrl(name)
        if kind == _IMAGE.value and url.isRelative():
            picture = QImage(str(resource("help") / url.path()))
            if not picture.isNull():
                self._pictures[url.toString()] = picture
                return self._fitted(picture)
        return super().loadResource(kind, name)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Make the pictures as wide as the page has become."""
        super().resizeEvent(event)
        room = self._room_px()
        if room == self._room:
            return
        self._room = room
        document = self.document()
        for name, picture in self._pictures.items():
            document.addResource(_IMAGE.value, QUrl(name), self._fitted(picture))
        document.markContentsDirty(0, document.characterCount())

    def _room_px(self) -> int:
        return max(_LEAST_PX, self.viewport().width() - round(2 * self.document().documentMargin()))

    def _fitted(self, picture: QImage) -> QImage:
        room = self._room_px()
        if picture.width() <= room:
            return picture
        # A dense screen gets its finer px, as far as the picture has them.
        width = min(picture.width(), round(room * self.devicePixelRatioF()))
        fitted = picture.scaledToWidth(width, Qt.TransformationMode.SmoothTransformation)
        fitted.setDevicePixelRatio(width / room)
        return fitted
