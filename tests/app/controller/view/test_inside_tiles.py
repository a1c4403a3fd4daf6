"""The inside of tiles in the window: asked when the view rests, drawn when the newest answer comes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from desktop_app.app import WindowStart, build_window, open_start
from desktop_app.canvas.slide_layers import HEATMAP, INSIDE, tile_corners_um
from desktop_app.controller.view import inside_tiles as inside
from sae_backend.worker.requests import Cancelled, Done, Failed, OcclusionRequest, Progress, TokenMapRequest
from tests.app.fixtures.fakes import FakeBackend, FakeDialogs
from tests.app.fixtures.window_life import make_way, shut
from tests.waiting import wait_until, wait_until_drawn

pytestmark = pytest.mark.gl

SIDE = 4


class Live:
    """A window that shows a project, and the fake worker for what its view asks."""

    def __init__(self, project: Path, pooling: str) -> None:
        (project / "sae").mkdir()
        make_way()
        self.backend = FakeBackend()
        self.made = 0
        self.desktop = build_window(FakeBackend(), FakeDialogs(), live_backend=self._make)
        self.window = self.desktop.window
        self.window.show()
        open_start(self.desktop, WindowStart(project=project, feature=4))
        self.session = self.desktop.controller._context.session
        # The project's analysis is of CLS tokens; nothing else in it hangs on that.
        self.session.analysis = replace(self.session.analysis, pooling=pooling)
        self.grid = self.session.features.grid

    def _make(self) -> FakeBackend:
        self.made += 1
        return self.backend

    def look_at(self, tile: int, um: float = 40.0) -> None:
        """Show the middle of one tile, so that no other is in view."""
        y, x = tile_corners_um(self.grid, tile).mean(axis=0)
        self.window.look_at(y, x)
        self.window.zoom_to(um / max(self.window.viewer.canvas.size))

    def answer(self, job: int, value: float, **more: object) -> None:
        request = self.backend.requests[job]
        if isinstance(request, TokenMapRequest):
            maps = np.full((len(request.tiles), SIDE, SIDE), value, np.float32)
        else:
            maps = np.full((SIDE, SIDE), value, np.float32)
        np.save(request.out_file, maps)
        result = {"out_file": request.out_file, "feature": request.feature, "note": "A note.", **more}
        self.backend.events.append(Done(job, result))

    @property
    def note(self) -> str:
        return self.window.heatmap.inside_note.text()

    @property
    def layer(self):
        return self.desktop.controller._context.layers.layer(INSIDE)


def opened(project: Path, pooling: str) -> Iterator[Live]:
    live = Live(project, pooling)
    yield live
    shut(live.window)


@pytest.fixture
def live(qtbot: QtBot, project: Path) -> Iterator[Live]:
    yield from opened(project, "mean")


@pytest.fixture
def cls(qtbot: QtBot, project: Path) -> Iterator[Live]:
    yield from opened(project, "cls")


def test_the_field_is_what_the_canvas_shows(live: Live, qtbot: QtBot) -> None:
    window, seen = live.window, []
    window.field_changed.connect(lambda *field: seen.append(field))
    window.look_at(120.0, 200.0)
    window.zoom_to(0.25)
    height, width = window.viewer.canvas.size
    expected = (120 - height / 8, 200 - width / 8, 120 + height / 8, 200 + width / 8)
    assert seen[-1] == pytest.approx(expected)
    canvas = window.viewer.window._qt_viewer.canvas
    wait_until_drawn(canvas, qtbot)
    corners = [canvas._map_canvas2world(at, canvas.view) for at in ((0, 0), (width, height))]
    np.testing.assert_allclose(np.ravel(corners)[[-4, -3, -2, -1]], expected, atol=0.5)
    count = len(seen)
    window.qt_window.resize(1000, 700)
    wait_until(lambda: len(seen) > count, qtbot)
    assert seen[-1] == pytest.approx(window.field_um())


def test_what_is_in_view_is_asked_when_the_view_rests(live: Live, qtbot: QtBot) -> None:
    live.look_at(17)
    qtbot.wait(inside.REST_MS + 100)
    assert live.made == 0, "nobody asked for the inside yet"
    live.window.menus.actions_by_text["Token map of visible tiles"].trigger()
    assert live.made == 1 and live.backend.started
    (request,) = live.backend.requests.values()
    assert isinstance(request, TokenMapRequest) and request.tiles == (17,) and request.feature == 4
    assert request.sae_dir.endswith("sae")
    live.answer(1, 2.5)
    wait_until(lambda: live.layer is not None, qtbot)
    corners = tile_corners_um(live.grid, 17)
    np.testing.assert_allclose(live.layer.data_to_world((-0.5, -0.5)), corners[0], atol=1e-9)
    np.testing.assert_allclose(live.layer.data_to_world((SIDE - 0.5,) * 2), corners[2], atol=1e-9)
    assert (live.layer.data == 2.5).all()
    assert "12.5 µm" in live.note and "2.5" in live.note and "A note." in live.note
    assert live.window.heatmap.inside_note.isVisible()
    legend = live.window.legend
    assert legend.text.splitlines()[:2] == ["Feature 4, inside tiles", "activation at tokens (SAE units)"]
    assert legend.shown_map.limits == (0.0, 2.5)
    assert not Path(request.out_file).exists()
    live.window.menus.action("inside").setChecked(False)
    assert live.layer is None and live.note == ""
    assert live.window.viewer.layers[HEATMAP].visible
    assert legend.text.startswith("Feature 4\n") and legend.shown_map is legend.map


def test_a_stale_answer_is_dropped_and_the_newest_question_asked(live: Live, qtbot: QtBot) -> None:
    live.look_at(17)
    live.window.menus.action("inside").setChecked(True)
    live.backend.events.append(Progress(1, "look inside tiles", 0, 1, 0.0, None))
    live.desktop.controller.inside._tasks().poll()
    live.look_at(18)
    assert live.backend.cancelled == [], "the view has not rested yet"
    wait_until(lambda: live.backend.cancelled == [1], qtbot)
    assert len(live.backend.requests) == 1, "one question at a time"
    live.answer(1, 9.0)
    wait_until(lambda: len(live.backend.requests) == 2, qtbot)
    assert live.layer is None
    assert live.backend.requests[2].tiles == (18,)
    live.answer(2, 3.0)
    wait_until(lambda: live.layer is not None, qtbot)
    assert (live.layer.data == 3.0).all()
    assert not list(Path(live.backend.requests[1].out_file).parent.glob("*.npy"))


def test_a_worker_that_loads_is_left_to_load(live: Live, qtbot: QtBot) -> None:
    live.look_at(17)
    live.window.menus.action("inside").setChecked(True)
    live.look_at(18)
    qtbot.wait(inside.REST_MS + 100)
    assert live.backend.cancelled == []
    live.backend.events.append(Progress(1, "look inside tiles", 0, 1, 0.0, None))
    wait_until(lambda: live.backend.cancelled == [1], qtbot)
    live.backend.events.append(Cancelled(1))
    wait_until(lambda: len(live.backend.requests) == 2, qtbot)
    assert live.backend.requests[2].tiles == (18,)


def test_another_feature_takes_the_old_map_away(live: Live, qtbot: QtBot) -> None:
    live.look_at(17)
    live.window.menus.action("inside").setChecked(True)
    live.answer(1, 2.0)
    wait_until(lambda: live.layer is not None, qtbot)
    live.session.set_feature(5)
    assert live.layer is None
    wait_until(lambda: len(live.backend.requests) == 2, qtbot)
    assert live.backend.requests[2].feature == 5
    # A view that still shows the same tile asks nothing anew.
    live.answer(2, 1.0)
    wait_until(lambda: live.layer is not None, qtbot)
    live.look_at(17, 38.0)
    qtbot.wait(inside.REST_MS + 100)
    assert len(live.backend.requests) == 2


def test_too_many_tiles_are_not_asked_for(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inside, "MAX_INSIDE_TILES", 20)
    live.window.fit()
    live.window.menus.action("inside").setChecked(True)
    assert live.made == 0
    assert "Zoom in until single tiles are visible" in live.note


def test_of_a_cls_token_the_picked_tile_is_shown_as_an_occlusion_map(cls: Live, qtbot: QtBot) -> None:
    cls.window.menus.action("inside").setChecked(True)
    assert cls.made == 0 and "Click on a tile" in cls.note
    y, x = tile_corners_um(cls.grid, 9).mean(axis=0)
    cls.window.slide_clicked.emit(y, x)
    wait_until(lambda: bool(cls.backend.requests), qtbot)
    request = cls.backend.requests[1]
    assert isinstance(request, OcclusionRequest) and request.tile == 9
    cls.answer(1, 0.5, unoccluded=1.25)
    wait_until(lambda: cls.layer is not None, qtbot)
    np.testing.assert_allclose(
        cls.layer.data_to_world((-0.5, -0.5)), tile_corners_um(cls.grid, 9)[0], atol=1e-9
    )
    assert cls.note.startswith("Occlusion map of tile 9: feature 4 is 1.25")


def test_an_error_is_said_once_and_switches_it_off(live: Live, qtbot: QtBot) -> None:
    live.look_at(17)
    live.window.menus.action("inside").setChecked(True)
    live.backend.events.append(Failed(1, "MismatchError", "The weights are others.", "Analyse again."))
    wait_until(lambda: not live.window.menus.action("inside").isChecked(), qtbot)
    assert "The weights are others. Analyse again." in live.window.notice.text
    live.look_at(18)
    qtbot.wait(inside.REST_MS + 100)
    assert len(live.backend.requests) == 1 and live.note == ""


def test_the_live_worker_ends_with_the_window(live: Live) -> None:
    live.look_at(17)
    live.window.menus.action("inside").setChecked(True)
    folder = Path(live.backend.requests[1].out_file).parent
    assert folder.is_dir()
    live.window.closing.emit()
    assert live.backend.closed and not folder.exists()
    live.window.field_changed.emit(0.0, 0.0, 1.0, 1.0)
    assert live.made == 1
