"""The strip above the slide while cells are typed or changed by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QAction, QColor, QIcon, QPixmap
from PySide6.QtWidgets import QLabel, QSizePolicy, QToolBar, QToolButton, QWidget

from desktop_app.widgets.short_label import ShortLabel

TITLES: Final = {"type": "Type nuclei", "edit": "Edit cells"}
MOST_KEYS: Final = 9
_MOST_TYPES: Final = 12
_STYLE: Final = (
    "QToolButton { padding: 3px 7px; margin: 2px; border: 1px solid rgba(128, 128, 128, 130); border-radius: 3px; }"
    "QToolButton:checked { background: #3d63c4; color: #ffffff; }"
)
_SWATCH_PX: Final = 12


@dataclass(frozen=True)
class BarType:
    """A type on its button: its name, its colour on the slide, and how many cells have it."""

    name: str
    colour: str
    n_cells: int


class CellBar(QToolBar):
    """Buttons for types, deleting, training and the end; decides nothing."""

    type_chosen = Signal(int)
    new_type_requested = Signal()
    delete_requested = Signal()
    train_requested = Signal()
    ended = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Cells", parent)
        self.setObjectName("Cells by hand")
        self.setMovable(False)
        self.setStyleSheet(_STYLE)
        self.toggleViewAction().setVisible(False)
        self.title = QLabel()
        self.title.setStyleSheet("font-weight: bold; margin: 0 8px;")
        self.addWidget(self.title)
        self.types: list[QToolButton] = []
        self.new_type = self._button(
            "New type…", "Another type, under a name of yours", self.new_type_requested
        )
        self._before = self.addWidget(self.new_type)
        self.delete = self._button("Delete", "Delete the selected cells (Del)", self.delete_requested)
        self.addWidget(self.delete)
        self.train = self._button("Train", "", self.train_requested)
        self._train_action = self.addWidget(self.train)
        self.hint = ShortLabel()
        self.hint.setContentsMargins(8, 0, 8, 0)
        self.hint.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self.addWidget(self.hint)
        self.addWidget(self._button("Done", "Leave the cells as they are now (Esc)", self.ended))
        self._type_actions: list[QAction] = []
        self.hide()

    def show_mode(self, mode: str) -> None:
        """Show the strip for a mode, or hide it."""
        self.title.setText(TITLES.get(mode, ""))
        self._train_action.setVisible(mode == "type")
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
        for action in self._type_actions:
            self.removeAction(action)
            action.deleteLater()
        self.types, self._type_actions = [], []
        for number in range(n):
            button = self._button("", "", None)
            button.setCheckable(True)
            button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
            button.clicked.connect(lambda _=False, chosen=number: self.type_chosen.emit(chosen))
            self.types.append(button)
            self._type_actions.append(self.insertWidget(self._before, button))

    @staticmethod
    def _button(text: str, tip: str, signal: object) -> QToolButton:
        button = QToolButton()
        button.setText(text)
        button.setToolTip(tip)
        # The keys belong to the slide.
        button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        if signal is not None:
            button.clicked.connect(lambda _=False: signal.emit())  # type: ignore[attr-defined]
        return button
