"""Reviewing features without the mouse: every key from the slide and from the table."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot

from desktop_app.app import WindowStart, open_start
from desktop_app.canvas.slide_layers import HEATMAP
from desktop_app.store import Store
from desktop_app.widgets.shell import key_guard
from desktop_app.widgets.shell.key_guard import PEEK_SECONDS
from tests.app.conftest import Parts
from tests.app.fixtures.fakes import SAE_DIGEST
from tests.waiting import WAIT_S

pytestmark = pytest.mark.gl
KEY = Qt.Key


@pytest.fixture
def opened(parts: Parts, project: Path) -> Parts:
    open_start(parts.desktop, WindowStart(project=project, feature=4))
    return parts


def places(parts: Parts) -> tuple[QWidget, ...]:
    return (parts.window.viewer.window._qt_viewer.canvas.native, parts.window.features.view)


def test_numbers_grade_and_are_saved(opened: Parts, project: Path) -> None:
    for place, key, grade in zip(places(opened), (KEY.Key_2, KEY.Key_5), (2, 5), strict=True):
        QTest.keyClick(place, key)
        with Store.open(project) as store:
            assert store.annotations.get(SAE_DIGEST, 4).confidence == grade


def test_n_names_and_enter_goes_to_the_next_unnamed(opened: Parts, project: Path) -> None:
    window = opened.window
    QTest.keyClick(places(opened)[0], KEY.Key_N)
    assert window.docks["Feature"].isVisible()
    QTest.keyClicks(window.annotation.name, "glands")
    QTest.keyClick(window.annotation.name, KEY.Key_Return)
    assert window.annotation.feature == 4
    QTest.keyClick(window.features.view, KEY.Key_Return)
    second = window.annotation.feature
    assert second not in (4, None)
    assert window.features.selected() == second
    with Store.open(project) as store:
        first = store.annotations.get(SAE_DIGEST, 4)
        assert (first.name, first.status) == ("glands", "reviewed")
        # A feature without a name is passed over, not called reviewed.
        QTest.keyClick(window.features.view, KEY.Key_Return)
        assert store.annotations.get(SAE_DIGEST, int(second or 0)).status == "unseen"


def test_enter_at_the_end_says_so(opened: Parts) -> None:
    window = opened.window
    for _ in range(window.features.model.rowCount() + 1):
        QTest.keyClick(window.features.view, KEY.Key_Return)
    assert "are named" in window.notice.text


def test_brackets_change_the_opacity(opened: Parts) -> None:
    slider = opened.window.heatmap.opacity
    before = slider.value()
    QTest.keyClick(places(opened)[0], KEY.Key_BracketLeft)
    assert slider.value() == before - 10
    assert opened.window.viewer.layers[HEATMAP].opacity == pytest.approx((before - 10) / 100)
    for _ in range(20):
        QTest.keyClick(places(opened)[1], KEY.Key_BracketRight)
    assert slider.value() == 100


def test_i_lists_what_fires_at_the_pointer(opened: Parts) -> None:
    session = opened.controller._context.session
    QTest.keyClick(places(opened)[0], KEY.Key_I)
    assert "Point at the slide" in opened.window.notice.text
    assert session.features is not None
    y, x = session.features.grid.centres_l0()[3] * 0.5
    opened.window.cursor_moved.emit(float(y), float(x))
    QTest.keyClick(places(opened)[0], KEY.Key_I)
    assert session.tile == 3


def test_h_held_down_only_peeks(opened: Parts, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_guard, "PEEK_SECONDS", PEEK_SECONDS)
    canvas, layer = places(opened)[0], opened.window.viewer.layers[HEATMAP]
    QTest.keyPress(canvas, KEY.Key_H)
    assert not layer.visible
    qtbot.wait(round(1000 * PEEK_SECONDS) + 50)
    QTest.keyRelease(canvas, KEY.Key_H)
    assert layer.visible
    # A short press leaves it off.
    monkeypatch.setattr(key_guard, "PEEK_SECONDS", WAIT_S)
    QTest.keyClick(canvas, KEY.Key_H)
    assert not layer.visible
    QTest.keyClick(canvas, KEY.Key_H)
    assert layer.visible
