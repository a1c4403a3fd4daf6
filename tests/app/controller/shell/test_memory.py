"""What is closed goes: a window, and in a window that stays the project that was open before."""

from __future__ import annotations

import gc
from contextlib import suppress
from pathlib import Path
from weakref import ref

import pytest
from pytestqt.exceptions import TimeoutError as QtTimeoutError
from pytestqt.qtbot import QtBot

from desktop_app.controller import Controller
from desktop_app.store import Store
from sae_backend.slides.slide import Slide
from tests.app.conftest import MPP, Parts
from tests.app.fixtures.fakes import add_analysis, write_slide
from tests.waiting import wait_until

pytestmark = pytest.mark.gl


class Kept:
    """Weak references to things, by name."""

    def __init__(self, **things: object) -> None:
        self._refs = {name: ref(thing) for name, thing in things.items()}

    @property
    def names(self) -> list[str]:
        """What is still there after garbage was collected."""
        gc.collect()
        return [name for name, thing in self._refs.items() if thing() is not None]

    def go(self, qtbot: QtBot) -> None:
        """Wait until nothing is left: threads and events under way hold some of it for a moment."""
        with suppress(QtTimeoutError):
            wait_until(lambda: not self.names, qtbot)
        assert self.names == []


def another_project(folder: Path) -> Path:
    with Store.create(folder / "another") as store, Slide.open(write_slide(folder / "b.tif"), MPP) as slide:
        add_analysis(store, store.slides.add(slide.info).id, slide)
    return folder / "another"


def opened(controller: Controller) -> Kept:
    """What of a project the window has open."""
    session = controller._context.session
    assert session.store is not None and session.slide is not None and session.features is not None
    layers = {layer.name: layer for layer in controller._context.canvas.viewer.layers}
    assert len(layers) >= 2
    return Kept(store=session.store, slide=session.slide, features=session.features, **layers)


def closed_window(project: Path) -> Kept:
    """Open a project in a window, look at it and close the window."""
    built = Parts()
    built.controller.projects.open_project(project)
    built.controller.select_feature(3)
    built.window.show_palette()
    built.window.menus.action("second").setChecked(True)
    viewer, session = built.window.viewer, built.controller._context.session
    kept = Kept(
        desktop=built.desktop,
        window=built.window,
        controller=built.controller,
        session=session,
        tasks=built.controller._context.tasks,
        viewer=viewer,
        canvas=viewer.window._qt_viewer.canvas,
        qt_window=built.window.qt_window,
        table=built.window.features,
        annotation=built.window.annotation,
        store=session.store,
        slide=session.slide,
        features=session.features,
        **{layer.name: layer for layer in viewer.layers},
    )
    assert "window" in kept.names and len(viewer.layers) >= 2
    built.let_go()
    return kept


def test_a_closed_window_goes_with_all_that_hangs_on_it(qtbot: QtBot, project: Path) -> None:
    # In a function of its own: what asks for the variables of a frame, as libraries do, keeps them as long as it runs.
    closed_window(project).go(qtbot)


def test_a_project_goes_when_another_is_opened(
    parts: Parts, project: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    another = another_project(tmp_path)
    parts.controller.projects.open_project(project)
    parts.controller.select_feature(3)
    first = opened(parts.controller)
    assert "store" in first.names
    parts.controller.projects.open_project(another)
    parts.controller.select_feature(2)
    second = opened(parts.controller)
    first.go(qtbot)
    assert "store" in second.names
