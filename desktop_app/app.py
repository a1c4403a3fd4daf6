"""The composition root of the window: builds its parts, connects them, and runs it."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from desktop_app.controller import Controller
    from desktop_app.project.preferences import PreferencesFile
    from desktop_app.widgets.main_window import MainWindow
    from desktop_app.widgets.shell.dialogs import Dialogs
    from sae_backend.worker.client import Backend

# napari takes the first Qt binding it finds, and that need not be ours.
os.environ["QT_API"] = "pyside6"


@dataclass(frozen=True)
class WindowStart:
    """What the window opens with; `mpp` is the slide's um per px as stated by the user, `demo` the demo's folder."""

    project: Path | None = None
    slide: Path | None = None
    feature: int | None = None
    mpp: float | None = None
    notice: str = ""
    demo: Path | None = None


@dataclass(frozen=True)
class Desktop:
    """A window and what answers it."""

    window: MainWindow
    controller: Controller


def build_window(
    backend: Backend,
    dialogs: Dialogs | None = None,
    preferences: PreferencesFile | None = None,
    live_backend: Callable[[], Backend] | None = None,
    window: MainWindow | None = None,
) -> Desktop:
    """Build the window without showing it, or what answers one that is there; the worker is not started yet.

    Without `preferences` they are kept for this run only. `live_backend` makes the backend for what the view
    asks, when it asks first; without it that is a worker of its own.
    """
    from desktop_app.canvas.slide_layers import SlideLayers
    from desktop_app.controller import Controller
    from desktop_app.controller.context import Context
    from desktop_app.project.preferences import PreferencesFile
    from desktop_app.session import Session
    from desktop_app.tasks import LiveWorker, WorkerTasks
    from desktop_app.widgets.controls.opengl import draws_in_software, renderer
    from desktop_app.widgets.main_window import MainWindow
    from desktop_app.widgets.shell.dialogs import QtDialogs

    window = window or MainWindow()
    layers = SlideLayers(window.viewer)
    layers.fine = not draws_in_software(renderer())
    context = Context(
        session=Session(),
        canvas=window,
        layers=layers,
        menus=window.menus,
        notice=window.notice,
        say=window.say,
        show_panel=window.show_panel,
        save_typed=window.annotation.flush,
        name_of=window.features.name_of,
        tasks=WorkerTasks(backend),
        dialogs=dialogs or QtDialogs(window.qt_window),
        preferences=preferences or PreferencesFile(None),
    )
    return Desktop(window, Controller(context, window, LiveWorker(live_backend or _own_worker)))


def _own_worker(*, gentle: bool = False) -> Backend:
    from sae_backend.worker.client import WorkerClient

    return WorkerClient(gentle=gentle)


def open_start(desktop: Desktop, start: WindowStart) -> None:
    """Open what the window was started with."""
    controller = desktop.controller
    if start.demo is not None:
        controller.demo.begin(start.demo)
    if start.project is not None:
        controller.projects.open_project(start.project)
    if start.slide is not None:
        controller.projects.open_slide(start.slide, start.mpp)
    if start.feature is not None:
        controller.select_feature(start.feature)
    if start.notice:
        desktop.window.start_page.show_notice(start.notice)
        desktop.window.say(start.notice)


def run_window(start: WindowStart, backend: Backend | None = None) -> int:
    """Show the window and return the exit code when it is closed.

    The window is seen first; then what answers it is loaded, the worker starts in its own process and the slide opens.
    """
    # napari compiles with numba where it finds it (the worker's map of features needs it): loading what was
    # compiled stops the window for half a second at the first outline. Without it nothing here is slower.
    sys.modules.setdefault("numba", None)  # type: ignore[arg-type]
    import napari
    from napari.settings import get_settings
    from PySide6.QtCore import QStandardPaths

    # Path None: nothing that happens here is written into the user's own napari settings.
    get_settings(path=None)
    get_settings().application.confirm_close_window = False
    from desktop_app.project.preferences import PreferencesFile
    from desktop_app.widgets.controls import theme as looks
    from desktop_app.widgets.controls.first_paint import when_painted
    from desktop_app.widgets.main_window import MainWindow

    if backend is None:
        backend = _own_worker(gentle=True)
    folder = QStandardPaths.writableLocation(QStandardPaths.StandardLocation.GenericConfigLocation)
    preferences = PreferencesFile(Path(folder) / "sparsescope" / "preferences.json")
    known = preferences.current
    looks.apply_theme((), known.theme)
    window = MainWindow()
    if known.text_points:
        looks.set_text_points(known.text_points)
    window.show()
    desktops: list[Desktop] = []

    def begin() -> None:
        # The stores, the statistics and their libraries take most of a second to load: a click made meanwhile
        # waits in the queue, and the window is there to be looked at.
        desktop = build_window(backend, preferences=preferences, window=window)
        desktops.append(desktop)
        # napari collects garbage at every layer it takes away; what lives as long as the window is not looked at.
        gc.freeze()
        desktop.controller.start()
        open_start(desktop, start)

    when_painted(window.qt_window, begin)
    napari.run()
    for desktop in desktops:
        desktop.controller.close()
    return 0
