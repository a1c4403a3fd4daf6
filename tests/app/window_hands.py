"""A window whose worker is real, what a user does to it by mouse and keyboard, and what a project then holds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QModelIndex, QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractItemView, QApplication, QWidget
from pytestqt.qtbot import QtBot

from desktop_app.app import build_window
from desktop_app.preferences import PreferencesFile
from desktop_app.store import AnnotationRecord, CommentRecord, ExampleRecord, Store
from desktop_app.store.records import RegionRecord
from tests.app.conftest import Parts
from tests.app.fakes import FakeDialogs
from tests.app.inline_backend import InlineBackend
from tests.app.window_life import make_way

KEY, LEFT = Qt.Key, Qt.MouseButton.LeftButton
CTRL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier
WAIT_MS = 20_000


class Hands(Parts):
    """A window whose worker is real and works at once, and what a user does to it."""

    def __init__(self, preferences: Path, qtbot: QtBot) -> None:
        make_way()
        self.backend, self.dialogs, self.qtbot = InlineBackend(), FakeDialogs(), qtbot
        self.desktop = build_window(self.backend, self.dialogs, PreferencesFile(preferences))
        self.window, self.controller = self.desktop.window, self.desktop.controller
        self.is_open = True
        self.window.show()
        self.controller.start()
        with qtbot.waitActive(self.window.qt_window, timeout=5000):
            self.window.qt_window.activateWindow()

    @property
    def canvas(self) -> QWidget:
        return self.window.viewer.window._qt_viewer.canvas.native

    @property
    def store(self) -> Store:
        store = self.controller._context.session.store
        assert store is not None
        return store

    @property
    def feature(self) -> int:
        feature = self.window.annotation.feature
        assert feature is not None
        return feature

    def key(self, key: Qt.Key, modifiers: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> None:
        """Press a key where the cursor is."""
        QTest.keyClick(QApplication.focusWidget() or self.window.qt_window, key, modifiers)

    def write(self, field: QWidget, text: str) -> None:
        QTest.mouseClick(field.viewport() if hasattr(field, "viewport") else field, LEFT)
        assert QApplication.focusWidget() is field
        QTest.keyClicks(field, text)

    def click_row(self, view: QAbstractItemView, index: QModelIndex, *, twice: bool = False) -> None:
        view.scrollTo(index)
        # Left in its cell, where no other column's begins.
        place = view.visualRect(index).topLeft() + QPoint(8, 8)
        QTest.mouseClick(view.viewport(), LEFT, pos=place)
        if twice:
            QTest.mouseDClick(view.viewport(), LEFT, pos=place)

    def choose_concept(self, concept: str) -> None:
        """Open the list of terms and walk down to one."""
        box = self.window.annotation.concept
        QTest.mouseClick(box, LEFT)
        wanted, model = box.findData(concept), box.model()
        assert wanted > 0
        steps = sum(
            bool(model.flags(model.index(row, 0)) & Qt.ItemFlag.ItemIsEnabled) for row in range(wanted)
        )
        for _ in range(steps):
            QTest.keyClick(box.view(), KEY.Key_Down)
        QTest.keyClick(box.view(), KEY.Key_Return)

    def export(self, entry: str, target: Path) -> Path:
        self.dialogs.target = target
        self.window.menus.actions_by_text[entry].trigger()
        self.qtbot.waitUntil(lambda: f"Written: {target}" in self.window.notice.text, timeout=WAIT_MS)
        return target

    def import_from(self, entry: str, source: Path) -> str:
        self.dialogs.file = source
        self.window.menus.actions_by_text[entry].trigger()
        return self.window.notice.text

    def quit(self) -> None:
        self.key(KEY.Key_Q, CTRL)
        self.qtbot.waitUntil(lambda: not self.window.qt_window.isVisible(), timeout=WAIT_MS)
        self.is_open = False
        QApplication.sendPostedEvents()
        QApplication.processEvents()


@dataclass(frozen=True)
class Written:
    """What people wrote into a project."""

    notes: dict[int, AnnotationRecord]
    comments: list[CommentRecord]
    examples: list[ExampleRecord]
    regions: list[RegionRecord]
    bookmarks: frozenset[int]

    @classmethod
    def of(cls, folder: Path) -> Written:
        with Store.open(folder) as store:
            analysis = store.current_analysis()
            assert analysis is not None and analysis.sae_digest is not None
            return cls(
                {note.feature: note for note in store.annotations()},
                store.comments(),
                store.examples(),
                store.regions(),
                store.bookmarks(analysis.sae_digest),
            )


def step_to(hands: Hands, feature: int) -> None:
    """Walk to a feature with J and K."""
    model, canvas = hands.window.features.model, hands.canvas
    away = model.row_of(feature) - model.row_of(hands.feature)
    for _ in range(abs(away)):
        QTest.keyClick(canvas, KEY.Key_J if away > 0 else KEY.Key_K)
    assert hands.feature == feature
