"""The whole window takes what is dropped on it, and says what it is before it is let go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Final

from PySide6.QtCore import QEvent, QMimeData, QObject, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QDropEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QLabel, QWidget

MAX_LINES: Final = 9
_WIDTH_PX: Final = 720
_MARGIN_PX: Final = 60
_PAPER, _FRAME, _INK = QColor(18, 20, 24, 235), QColor("#8ab4ff"), "#f2f2f2"
_TAKEN, _LEFT = "#6fcf97", "#ffb4a8"


@dataclass(frozen=True)
class DropLine:
    """One dropped thing: its name, what it is and what becomes of it, and whether anything does."""

    name: str
    words: str
    is_taken: bool


class DropOverlay(QWidget):
    """Lies over the window while something is dragged, and says what it is."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.label = QLabel(self)
        self.label.setTextFormat(Qt.TextFormat.RichText)
        self.label.setWordWrap(True)
        self.label.setStyleSheet(f"color: {_INK}; background: transparent; font-size: 12pt;")
        self.lines: tuple[DropLine, ...] = ()
        self.hide()

    def show_lines(self, lines: Sequence[DropLine]) -> None:
        """Say what is dragged; nothing yet where `lines` is empty."""
        self.lines = tuple(lines)
        shown = self.lines[:MAX_LINES]
        heading = "Identifying the files …"
        if lines:
            heading = "Drop to open" if any(line.is_taken for line in lines) else "Nothing here can be opened"
        parts = [f"<p style='font-size: 17pt; font-weight: bold;'>{heading}</p>", *map(_html, shown)]
        if len(self.lines) > len(shown):
            parts.append(f"<p>and {len(self.lines) - len(shown)} more</p>")
        self.label.setText("".join(parts))
        self.fill()
        self.show()
        self.raise_()

    def fill(self) -> None:
        """Cover the window, with the words in its middle."""
        parent = self.parentWidget()
        assert parent is not None
        self.setGeometry(parent.rect())
        width = min(_WIDTH_PX, self.width() - 2 * _MARGIN_PX)
        height = self.label.heightForWidth(width)
        self.label.setGeometry(
            (self.width() - width) // 2, max((self.height() - height) // 2, 0), width, height
        )

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the ground and a frame that says: here."""
        del event
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.fillRect(self.rect(), _PAPER)
        painter.setPen(QPen(_FRAME, 3, Qt.PenStyle.DashLine))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(18, 18, -18, -18), 14, 14)


class DropArea(QObject):
    """Takes files that are dragged over any part of a window, before its widgets see them.

    `entered` and `dropped` carry the paths; text that is dragged goes to the widgets as ever.
    """

    entered = Signal(list)
    left = Signal()
    dropped = Signal(list)

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        self._window = window
        window.setAcceptDrops(True)
        window.installEventFilter(self)
        self.overlay = DropOverlay(window)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Take drags; everything else passes."""
        kind = event.type()
        if kind in (QEvent.Type.Show, QEvent.Type.WinIdChange) and watched is self._window:
            # The system hands a drag to the native window, which would choose the widget under it: the
            # canvas and text fields take files for themselves.
            handle = self._window.windowHandle()
            if handle is not None:
                handle.installEventFilter(self)
        elif kind == QEvent.Type.Resize and watched is self._window and not self.overlay.isHidden():
            self.overlay.fill()
        elif kind == QEvent.Type.DragLeave and not self.overlay.isHidden():
            self.overlay.hide()
            self.left.emit()
            return True
        elif isinstance(event, QDropEvent):
            return self._take(event)
        return False

    def _take(self, event: QDropEvent) -> bool:
        paths = local_paths(event.mimeData())
        if not paths:
            return False
        event.setDropAction(Qt.DropAction.CopyAction)
        event.accept()
        if event.type() == QEvent.Type.DragEnter:
            self.overlay.show_lines(())
            self.entered.emit(paths)
        elif event.type() == QEvent.Type.Drop:
            self.overlay.hide()
            self.dropped.emit(paths)
        return True


def local_paths(data: QMimeData) -> list[Path]:
    """Files and folders of this computer that a drag carries."""
    return [Path(url.toLocalFile()) for url in data.urls() if url.isLocalFile()] if data.hasUrls() else []


def _html(line: DropLine) -> str:
    colour, sign = (_TAKEN, "✓") if line.is_taken else (_LEFT, "✕")
    name, words = f"<b>{escape(line.name)}</b>", escape(line.words)
    # What is not known is said in a sentence that has the name in it.
    in_words = not line.is_taken and line.name in line.words
    said = words.replace(escape(line.name), name, 1) if in_words else f"{name}: {words}"
    return (
        f"<table style='margin-top: 8px;'><tr><td width='26' style='color: {colour};'>{sign}</td>"
        f"<td>{said}</td></tr></table>"
    )
