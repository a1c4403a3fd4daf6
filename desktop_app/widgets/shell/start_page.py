"""What the window shows while nothing is open."""

from __future__ import annotations

from typing import Final

from PySide6.QtCore import QEvent, QSize, Qt, Signal, SignalInstance
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import (
    QBoxLayout,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from desktop_app.widgets.controls.theme import text_points
from desktop_app.widgets.controls.theme_colours import tones
from desktop_app.widgets.shell.recent_projects import RecentProjects

DROP_TEXT: Final = "Drop slides, cell files, an autoencoder's folder, embeddings or a project here"
DEMO: Final = "Open the demo"
OPEN_SLIDE: Final = "Open a slide…"
_LEAD: Final = "See what a pathology foundation model has learned: the features of a sparse autoencoder, mapped onto whole slides."
_COLUMN_PX: Final = 400
_GAP_PX: Final = 48
_WIDE_PX: Final = 2 * _COLUMN_PX - 60
"""From this width on the two columns stand side by side."""


class StartPage(QWidget):
    """On the left the ways in, on the right what was open before and where to drop things."""

    demo_requested = Signal()
    open_slide_requested = Signal()
    open_project_requested = Signal()
    new_project_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._restyling = False
        self.recent = RecentProjects()
        self.notice = _label("", "notice")
        self.notice.hide()
        self.buttons: dict[str, QPushButton] = {}
        self._columns = QBoxLayout(QBoxLayout.Direction.LeftToRight)
        self._columns.setSpacing(_GAP_PX)
        self._columns.addLayout(self._ways(), 1)
        self._columns.addLayout(self._right(), 1)
        page = QWidget()
        page.setMaximumWidth(2 * _COLUMN_PX + 2 * _GAP_PX + 80)
        column = QVBoxLayout(page)
        column.setContentsMargins(24, 24, 24, 24)
        column.setSpacing(8)
        column.addStretch(1)
        column.addWidget(_label("Sparsescope", "title"))
        column.addWidget(_label(_LEAD, "lead"))
        column.addWidget(self.notice)
        column.addSpacing(20)
        column.addLayout(self._columns)
        column.addStretch(2)
        middle = QWidget()
        row = QHBoxLayout(middle)
        row.setContentsMargins(0, 0, 0, 0)
        row.addStretch(1)
        row.addWidget(page, 100)
        row.addStretch(1)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidget(middle)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.addWidget(scroll)
        self._restyle()
        self.lead_to(DEMO)

    def show_notice(self, text: str) -> None:
        """Say something below the title, or nothing."""
        self.notice.setText(text)
        self.notice.setVisible(bool(text))

    def lead_to(self, name: str) -> None:
        """Make one of the ways in stand out, by the text of its button."""
        for text, button in self.buttons.items():
            button.setObjectName("first" if text == name else "way")
            button.style().unpolish(button)
            button.style().polish(button)

    def _ways(self) -> QVBoxLayout:
        column = QVBoxLayout()
        column.setSpacing(4)
        self._way(
            column,
            DEMO,
            "A generated slide with known cells: no download, half a minute.",
            self.demo_requested,
        )
        self._way(
            column,
            OPEN_SLIDE,
            "View any slide; nothing is saved until you create a project.",
            self.open_slide_requested,
        )
        self._way(
            column,
            "New project…",
            "A folder for slides, names and results.",
            self.new_project_requested,
        )
        self._way(
            column,
            "Open a project…",
            "A project folder created here or on another computer.",
            self.open_project_requested,
        )
        return column

    def _way(self, column: QVBoxLayout, text: str, line: str, signal: SignalInstance) -> None:
        button = QPushButton(text)
        button.setObjectName("way")
        button.setCursor(Qt.CursorShape.PointingHandCursor)
        button.setAccessibleDescription(line)
        button.clicked.connect(signal)
        if self.buttons:
            # The two columns end at one line.
            column.addSpacing(14)
            column.addStretch(1)
        column.addWidget(button)
        column.addWidget(_label(line, "line"))
        self.buttons[text] = button

    def _right(self) -> QVBoxLayout:
        self.drop_zone = _label(DROP_TEXT, "drop")
        self.drop_zone.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.drop_zone.setMinimumHeight(76)
        self.recent.setMinimumHeight(214)
        column = QVBoxLayout()
        column.setSpacing(8)
        column.addWidget(_label("Recent projects", "heading"))
        column.addWidget(self.recent, 1)
        column.addSpacing(8)
        column.addWidget(self.drop_zone)
        return column

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Put the columns below each other where there is no room for both."""
        wide = event.size().width() >= _WIDE_PX
        self._columns.setDirection(
            QBoxLayout.Direction.LeftToRight if wide else QBoxLayout.Direction.TopToBottom
        )
        self._columns.setSpacing(_GAP_PX if wide else 24)
        super().resizeEvent(event)

    def changeEvent(self, event: QEvent) -> None:
        """Follow the theme and the size of the text."""
        if event.type() in (QEvent.Type.StyleChange, QEvent.Type.PaletteChange) and not self._restyling:
            # Its own sheet changes its palette, from which the sheet is made: once around is enough.
            self._restyling = True
            self._restyle()
            self._restyling = False
        super().changeEvent(event)

    def minimumSizeHint(self) -> QSize:
        """Small: it scrolls."""
        return QSize(320, 240)

    def _restyle(self) -> None:
        shades, points = tones(), text_points()
        sheet = f"""
            QLabel {{ padding: 0px; margin: 0px; }}
            #title {{ font-size: {points * 2.6:.0f}pt; font-weight: bold; }}
            #lead {{ font-size: {points * 1.2:.0f}pt; color: {shades.muted}; }}
            #notice {{ font-size: {points * 1.1:.0f}pt; color: {shades.next}; padding-top: 6px; }}
            #heading {{ font-size: {points * 1.2:.0f}pt; font-weight: bold; padding-bottom: 2px; }}
            #line {{ color: {shades.muted}; padding-left: 3px; }}
            #way, #first {{ font-size: {points * 1.25:.0f}pt; padding: 11px 14px; border-radius: 6px; text-align: left; }}
            #way {{ background: {shades.card}; border: 1px solid {shades.line}; }}
            #way:hover, #way:focus {{ border: 1px solid {shades.next}; }}
            #first {{ background: {shades.accent}; color: {shades.on_accent}; border: 1px solid {shades.accent}; font-weight: bold; }}
            #first:hover {{ background: {shades.accent_hover}; }}
            #first:focus {{ border: 1px solid {shades.ink}; }}
            #drop {{ border: 2px dashed {shades.line}; border-radius: 8px; padding: 10px 18px; color: {shades.muted}; }}
            RecentProjects, RecentProjects QLabel {{ background: {shades.card}; border-radius: 8px; color: {shades.muted}; }}
            RecentProjects QListWidget {{ background: {shades.card}; border: 1px solid {shades.line}; border-radius: 8px; padding: 4px; }}
            RecentProjects QListWidget::item {{ border-radius: 5px; }}
            RecentProjects QListWidget::item:hover, RecentProjects QListWidget::item:selected {{ background: {shades.line}; }}
        """
        if sheet != self.styleSheet():
            self.setStyleSheet(sheet)


def _label(text: str, name: str) -> QLabel:
    label = QLabel(text)
    label.setObjectName(name)
    label.setWordWrap(True)
    label.setIndent(0)
    label.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Minimum)
    return label
