"""The line at the foot of the window, and the ways to a place."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from PySide6.QtTest import QTest

from desktop_app.app import WindowStart, open_start
from desktop_app.project.analysis_jobs import AnalyzeOptions
from desktop_app.store.rows.annotations import AnnotationRows
from sae_backend.errors import StoreError
from sae_backend.worker.requests import Cancelled, Progress, Ready
from tests.app.conftest import Parts

pytestmark = pytest.mark.gl


def test_without_a_slide_only_the_worker_is_named(parts: Parts) -> None:
    line = parts.window.status
    assert line.isVisible() and not line.magnification.isVisible() and not line.place.isVisible()
    assert line.device.text()
    parts.backend.events.append(Ready("CPU, 2 threads", {}))
    parts.desktop.controller._context.tasks.poll()
    assert line.device.text() == "CPU, 2 threads"


def test_a_typed_magnification_is_shown_and_kept(parts: Parts, project: Path) -> None:
    open_start(parts.desktop, WindowStart(project=project, feature=4))
    line, window = parts.window.status, parts.window
    assert line.pixel.text() == "0.5 µm/px"
    edit = line.magnification.lineEdit()
    assert edit is not None and re.fullmatch(r"[\d.]+x", edit.text())
    edit.setText("10x")
    QTest.keyClick(edit, "\r")
    assert window.um_per_px == pytest.approx(1.0)
    assert edit.text() == "10x"
    line.magnification_requested.emit("plenty")
    assert "no magnification" in window.notice.text
    assert window.um_per_px == pytest.approx(1.0)
    window.fit()
    assert edit.text() != "10x"


def test_a_typed_place_is_the_middle_of_the_view(parts: Parts, project: Path) -> None:
    open_start(parts.desktop, WindowStart(project=project, feature=4))
    line, camera = parts.window.status, parts.window.viewer.scene.camera
    zoom = camera.zoom
    line.place.setText("120, 80")
    QTest.keyClick(line.place, "\r")
    assert tuple(camera.center)[-2:] == pytest.approx((80.0, 120.0))
    assert camera.zoom == pytest.approx(zoom)
    assert line.place.text() == ""
    line.place_requested.emit("5000, 80")
    assert "off the slide" in parts.window.notice.text
    assert tuple(camera.center)[-2:] == pytest.approx((80.0, 120.0))


def test_the_cursor_tells_place_and_value(parts: Parts, project: Path) -> None:
    open_start(parts.desktop, WindowStart(project=project, feature=4))
    line, session = parts.window.status, parts.controller._context.session
    assert session.features is not None
    tiles, values = session.features.column(4)
    y, x = session.features.grid.centres_l0()[tiles[0]] * 0.5
    parts.window.cursor_moved.emit(float(y), float(x))
    assert line.cursor_at.text() == f"x {x:,.1f} µm, y {y:,.1f} µm"
    assert line.value.text() == f"feature 4: {values[0]:.3g}"
    quiet = next(tile for tile in range(session.features.n_tiles) if tile not in set(tiles.tolist()))
    y, x = session.features.grid.centres_l0()[quiet] * 0.5
    parts.window.cursor_moved.emit(float(y), float(x))
    assert line.value.text() == "feature 4: does not fire"
    # The value follows the feature.
    parts.controller.select_feature(1)
    assert quiet == 0 and line.value.text() == "feature 1: 5", "also where the cursor rests"
    y, x = session.features.grid.centres_l0()[0] * 0.5
    parts.window.cursor_moved.emit(float(y), float(x))
    assert line.value.text() == "feature 1: 5"
    # The last column of tiles is not kept.
    parts.window.cursor_moved.emit(20.0, 425.0)
    assert line.value.text() == "no tile here"
    parts.window.cursor_moved.emit(-5.0, 20.0)
    assert line.cursor_at.text() == line.value.text() == ""


def test_a_job_is_shown_and_can_be_cancelled(parts: Parts, project: Path) -> None:
    open_start(parts.desktop, WindowStart(project=project, feature=4))
    line, tasks = parts.window.status, parts.controller._context.tasks
    tasks.poll()  # the small pictures, which the window itself asks for, are there
    assert not line.cancel.isVisible()
    parts.controller.jobs.analyze(AnalyzeOptions())
    assert line.cancel.isVisible() and line.job.text()
    parts.backend.events.append(Progress(1, "embed tiles", 30, 1200, 10.0, 117.0))
    tasks.poll()
    assert line.job.text() == "embed tiles 30 of 1,200, 2 min left"
    assert (line.bar.value(), line.bar.maximum()) == (30, 1200)
    line.cancel.click()
    assert parts.backend.cancelled == [1]
    assert not line.cancel.isEnabled()
    parts.backend.events.append(Cancelled(1))
    tasks.poll()
    assert not line.cancel.isVisible() and not line.bar.isVisible()


def test_it_says_whether_what_was_typed_is_saved(
    parts: Parts, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_start(parts.desktop, WindowStart(project=project, feature=4))
    line, form = parts.window.status, parts.window.annotation
    assert line.saved.text() == ""

    def refuse(*_: object, **__: object) -> None:
        raise StoreError("Another program is writing.", "Wait.")

    with monkeypatch.context() as patch:
        patch.setattr(AnnotationRows, "set", refuse)
        form.name.setText("Glands")
        form.flush()
        assert line.saved.text() == "Not saved yet"
    form.name.setText("Gland")
    form.flush()
    assert re.fullmatch(r"Saved \d\d:\d\d:\d\d", line.saved.text())
