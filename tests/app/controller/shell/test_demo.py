"""The demo in the window: drawn, analysed and correlated step by step, with a map, a gallery and names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import QStandardPaths
from pytestqt.qtbot import QtBot

from desktop_app.app import Desktop, WindowStart, build_window, open_start
from desktop_app.canvas.slide_layers import CELLS, HEATMAP, SLIDE
from desktop_app.demo import steps as demo_steps
from desktop_app.project.notices import DEMO_NOTICE
from sae_backend.models.bundled_models import scoreboard_followers
from tests.app.fixtures.fakes import FakeDialogs
from tests.app.fixtures.inline_backend import InlineBackend
from tests.app.fixtures.window_life import make_way, shut
from tests.waiting import wait_until

pytestmark = pytest.mark.gl


@pytest.fixture
def desktop(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desktop]:
    monkeypatch.setattr(demo_steps, "DEMO_SLIDE", replace(demo_steps.DEMO_SLIDE, size_px=(1600, 1800)))
    make_way()
    built = build_window(InlineBackend(), FakeDialogs())
    built.window.show()
    built.controller.start()
    yield built
    shut(built.window)


def kinds(desktop: Desktop) -> list[str]:
    backend = desktop.controller._context.tasks._backend
    assert isinstance(backend, InlineBackend)
    return [type(request).__name__ for request in backend.requests]


def test_the_demo_opens_on_the_lymphocyte_feature(desktop: Desktop, tmp_path: Path, qtbot: QtBot) -> None:
    open_start(desktop, WindowStart(demo=tmp_path / "demo"))
    tasks, session, window = (
        desktop.controller._context.tasks,
        desktop.controller._context.session,
        desktop.window,
    )
    for _ in range(6):
        tasks.poll()
    expected = ["DrawRequest", "AnalyzeRequest", "ThumbnailsRequest", "CorrelateRequest"]
    wait_until(lambda: kinds(desktop) == expected, qtbot)
    for _ in range(3):
        tasks.poll()
    followers = scoreboard_followers()
    assert session.feature == followers["lymphocyte"].feature
    layers = [layer.name for layer in window.viewer.layers]
    assert {SLIDE, HEATMAP, CELLS} <= set(layers)
    assert DEMO_NOTICE in window.notice.text
    assert not window.control.isVisible()
    note = window.features.model.table.note(followers["lymphocyte"].feature)
    assert note.name.startswith("follows ")
    assert session.features is not None
    tiles, values = session.features.column(followers["lymphocyte"].feature)
    n_shown = min(12, len(tiles))
    assert n_shown > 0
    wait_until(lambda: window.examples.top.count() == n_shown, qtbot)
    assert f"Feature {session.feature}" in window.examples.title.text()
    assert session.store is not None
    assert session.store.correlations.latest(session.features.sae_digest) is not None
    wait_until(lambda: window.examples.sections["look-alikes"].list.count() > 0, qtbot)
    window.examples.top.itemEntered.emit(window.examples.top.item(0))
    assert window.examples.context.isVisible(), "the tile amid its neighbours"
    window.examples.top.itemClicked.emit(window.examples.top.item(0))
    assert not window.examples.context.isVisible()
    assert session.tile == int(tiles[values.argmax()])

    # Opened again, everything is there and nothing is asked of the worker.
    open_start(desktop, WindowStart(demo=tmp_path / "demo"))
    tasks.poll()
    assert len(kinds(desktop)) == 4
    assert session.feature is not None and HEATMAP in [layer.name for layer in window.viewer.layers]


def test_the_start_page_offers_the_demo(
    desktop: Desktop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(QStandardPaths, "writableLocation", staticmethod(lambda _place: str(tmp_path)))
    desktop.window.start_page.demo_requested.emit()
    assert kinds(desktop)[0] == "DrawRequest"
    assert (tmp_path / "sparsescope" / "demo" / "project" / "project.sqlite").exists()


def test_the_gallery_forgets_an_older_feature(desktop: Desktop, tmp_path: Path, qtbot: QtBot) -> None:
    open_start(desktop, WindowStart(demo=tmp_path / "demo"))
    tasks, session, window = (
        desktop.controller._context.tasks,
        desktop.controller._context.session,
        desktop.window,
    )
    for _ in range(6):
        tasks.poll()
    assert session.features is not None
    firing = session.features.stats.n_firing.argsort()[::-1][:3]
    for feature in firing:
        session.set_feature(int(feature))
    wanted = f"Feature {session.feature} fires"
    wait_until(lambda: wanted in window.examples.title.text(), qtbot)
    session.set_analysis(None, None)
    assert window.examples.top.count() == 0 and "once the slide is analysed" in window.examples.pages.sentence
