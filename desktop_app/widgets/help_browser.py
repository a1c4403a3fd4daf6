"""A help page in its own window, with pictures that fit and tables that keep their columns."""

from __future__ import annotations

from typing import Any, Final

from PySide6.QtCore import Qt, QUrl
from PySide6.QtGui import QImage, QTextDocument
from PySide6.QtWidgets import QTextBrowser, QWidget

from sae_backend.paths import resource

PAGE_PX: Final = (900, 700)
"""Width and height that a page is made for."""

_MARGIN_PX: Final = 48


class HelpBrowser(QTextBrowser):
    """Shows a page of `resources/help`; no picture is wider than the page."""

    def __init__(self, markdown: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        # Pictures are named as from the page's own folder.
        self.setSearchPaths([str(resource("help"))])
        self.setOpenExternalLinks(True)
        self.setAccessibleName("Help page")
        self.setMarkdown(markdown)

    def loadResource(self, kind: int, name: QUrl | str) -> Any:
        """Read a picture or another part of the page."""
        url = QUrl(name)
        if kind == QTextDocument.ResourceType.ImageResource.value and url.isRelative():
            picture = QImage(str(resource("help") / url.path()))
            room = PAGE_PX[0] - _MARGIN_PX
            if picture.width() > room:
                return picture.scaledToWidth(room, Qt.TransformationMode.SmoothTransformation)
            if not picture.isNull():
                return picture
        return super().loadResource(kind, name)
