"""The strip above the slide while cells are typed or changed by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QColor, QIcon, QPixmap
from PySide6.QtWidgets import QHBoxLayout, QLabel, QSizePolicy, QToolButton, QVBoxLayout, QWidget
from superqt import QElidingLabel, QFlowLayout

TITLES: Final = {"type": "Label nuclei", "edit": "Edit cells"}
MOST_KEYS: Final = 9
_MOST_TYPES: Final = 12
_STYLE: Final = (
    "QToolButton { padding: 2px 5px; border: 1px solid rgba(128, 128, 128, 130); border-radius: 3px; }"
    "QToolButton:checked { background: #3d63c4; color: #ffffff; }"
)
_SWATCH_PX: Final = 12


@dataclass(frozen=True)
class BarType:
    """A type on its button: its name, its colour on the slide, and how many cells have it."""

    name: str
    colour: str
    n_cells: int


class CellBar(QWidget):
    """Buttons for types, deleting, training and the end; decides nothing."""

    type_chosen = Signal(int)
    new_type_requested = Signal()
    delete_requested = Signal()
    train_requested = Signal()
    ended = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setStyleSheet(_STYLE)
        self.title = QLabel()
        self.title.setStyleSheet("font-weight: bold;")
        self.hint = QElidingLabel()
        self.hint.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self.delete = _button("Delete", "Delete the selected cells (Del)", self.delete_requested)
        self.train = _button("Train", "", self.train_requested)
        self.done = _button("Done", "Finish editing (Esc)", self.ended)
        self.new_type = _button("New type…", "Add a cell type of your own", self.new_type_requested)
        self.types: list[QToolButton] = []
        top = QHBoxLayout()
        top.setContentsMargins(0, 0, 0, 0)
        for part in (self.title, self.hint, self.delete, self.train, self.done):
            top.addWidget(part)
        self._flow = QFlowLayout()
        self._flow.setContentsMargins(0, 0, 0, 0)
        self._flow.addWidget(self.new_type)
        column = QVBoxLayout(self)
        column.setContentsMargins(8, 3, 8, 4)
        column.setSpacing(3)
        column.addLayout(top)
        column.addLayout(self._flow)
        self.hide()

    def show_mode(self, mode: str) -> None:
        """Show the strip for a mode, or hide it."""
        self.title.setText(TITLES.get(mode, ""))
        self.train.setVisible(mode == "type")
        self.setVisible(bool(mode))

    def show_types(self, types: Sequence[BarType], active: int) -> None:
        """Offer types, the active one pressed."""
        shown = types[:_MOST_TYPES]
        if len(shown) != len(self.types):
            self._make_buttons(len(shown))
        for i, (kind, button) in enumerate(zip(shown, self.types, strict=True)):
            swatch = QPixmap(_SWATCH_PX, _SWATCH_PX)
            swatch.fill(QColor(kind.colour))
            button.setIcon(QIcon(swatch))
            key = f"{i + 1} " if i < MOST_KEYS else ""
            button.setText(f"{key}{kind.name} ({kind.n_cells:,})".replace("&", "&&"))
            button.setToolTip(f"{kind.name}: key {i + 1}" if key else kind.name)
            button.setChecked(i == active)

    def say(self, hint: str) -> None:
        """Say what a click does."""
        self.hint.setText(hint)
        self.hint.setToolTip(hint)

    def allow(self, *, delete: bool, train: bool, train_words: str) -> None:
        """Say what can be done; `train_words` what training is good for, or what it lacks."""
        self.delete.setEnabled(delete)
        self.train.setEnabled(train)
        self.train.setToolTip(train_words)

    def _make_buttons(self, n: int) -> None:
        for button in self.types:
            self._flow.removeWidget(button)
            button.hide()
            button.deleteLater()
        self._flow.removeWidget(self.new_type)
        self.types = []
        for number in range(n):
            button = _button("", "", None)
            button.setCheckable(True)
            button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
            button.clicked.connect(lambda _=False, chosen=number: self.type_chosen.emit(chosen))
            self.types.append(button)
            self._flow.addWidget(button)
        self._flow.addWidget(self.new_type)


def _button(text: str, tip: str, signal: object) -> QToolButton:
    button = QToolButton()
    button.setText(text)
    button.setToolTip(tip)
    # The keys belong to the slide.
    button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    if signal is not None:
        button.clicked.connect(lambda _=False: signal.emit())  # type: ignore[attr-defined]
    return button
