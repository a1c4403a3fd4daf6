"""What this machine offers the program, in words."""

from __future__ import annotations

import os
import platform
import sqlite3
import sys
import tempfile
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import openslide

from desktop_app.cli.display import display_obstacle
from sae_backend.errors import WorkerError
from sae_backend.worker.client import WorkerClient
from sae_backend.worker.requests import Crashed, Ready

_PACKAGES = ("sparsescope", "napari", "PySide6", "torch", "timm", "numpy", "scikit-image", "SQLAlchemy")
_WAL_SAFE = (3, 51, 3)
_OPENSLIDE_LEAST = (4, 0, 1)


@dataclass(frozen=True)
class Finding:
    """One line of the report; `fine` False wants the user's attention."""

    topic: str
    fine: bool
    words: str


def examine(worker_seconds: float = 90.0) -> list[Finding]:
    """Look at versions, device, OpenGL, SQLite, OpenSlide and writable folders."""
    return [*_packages(), _openslide(), _sqlite(), _opengl(), _temporary(), _device(worker_seconds)]


def _packages() -> list[Finding]:
    findings = [Finding("Python", True, f"{platform.python_version()} on {platform.platform()}")]
    for name in _PACKAGES:
        try:
            findings.append(Finding(name, True, metadata.version(name)))
        except metadata.PackageNotFoundError:
            findings.append(Finding(name, False, "not installed: run make setup"))
    return findings


def _openslide() -> Finding:
    version = openslide.__library_version__
    fine = tuple(int(part) for part in version.split(".")[:3]) >= _OPENSLIDE_LEAST
    return Finding("OpenSlide library", fine, version if fine else f"{version}: 4.0.1 or newer is needed")


def _sqlite() -> Finding:
    safe = sqlite3.sqlite_version_info >= _WAL_SAFE
    mode = (
        "write-ahead log" if safe else "rollback journal, because older SQLite can damage a file in WAL mode"
    )
    return Finding("SQLite", True, f"{sqlite3.sqlite_version}: {mode}")


def _opengl() -> Finding:
    from PySide6.QtGui import QGuiApplication, QOffscreenSurface, QOpenGLContext

    if sys.platform.startswith("linux") and not _names_display():
        return Finding(
            "OpenGL", True, "no display here: the window cannot open, every command without it works"
        )
    obstacle = display_obstacle()
    if obstacle is not None:
        return Finding("OpenGL", False, " ".join(obstacle))
    application = QGuiApplication.instance() or QGuiApplication([])
    context, surface = QOpenGLContext(), QOffscreenSurface()
    surface.create()
    if not context.create() or not context.makeCurrent(surface):
        del application
        return Finding("OpenGL", False, "no OpenGL context: install the graphics driver or libgl1-mesa-dri")
    found = context.format().version()
    context.doneCurrent()
    return Finding("OpenGL", True, f"version {found[0]}.{found[1]}")


def _names_display() -> bool:
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _temporary() -> Finding:
    try:
        with tempfile.NamedTemporaryFile() as file:
            file.write(b"x")
    except OSError as error:
        return Finding("Temporary folder", False, f"cannot be written: {error.strerror}")
    here = Path.cwd()
    can = "can" if os.access(here, os.W_OK | os.X_OK) else "cannot"
    return Finding(
        "Folders", True, f"{tempfile.gettempdir()} is writable; you are in {here}, where you {can} write"
    )


def _device(seconds: float) -> Finding:
    import time

    client = WorkerClient()
    try:
        client.start()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for event in client.poll():
                if isinstance(event, Ready):
                    return Finding("Device", True, event.device)
                if isinstance(event, Crashed):
                    return Finding("Device", False, f"{event.sentence} {event.hint}")
            time.sleep(0.05)
    except WorkerError as error:
        return Finding("Device", False, f"{error.sentence} {error.hint}")
    finally:
        client.close()
    return Finding("Device", False, f"the worker did not answer within {seconds:.0f} s")
