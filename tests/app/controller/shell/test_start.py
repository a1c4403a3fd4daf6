"""A fresh interpreter: what the window imports, and in which order it comes up."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.app.fixtures.fakes import write_slide

pytestmark = pytest.mark.gl
ROOT = Path(__file__).parents[4]

NO_TORCH = """
import sys
from desktop_app.app import build_window
from tests.app.fixtures.fakes import FakeBackend, FakeDialogs
desktop = build_window(FakeBackend(), FakeDialogs())
desktop.window.show()
found = [name for name in ("torch", "timm", "torchvision") if name in sys.modules]
desktop.window.qt_window.close()
print("found", found)
"""

VISIBLE_FIRST = """
from pathlib import Path
from PySide6.QtCore import QTimer
from tests.app.fixtures.fakes import FakeBackend
from desktop_app.app import WindowStart, run_window
from desktop_app.widgets.main_window import MainWindow

windows = []
build = MainWindow.__init__
def remember(self):
    build(self)
    windows.append(self)
MainWindow.__init__ = remember

class LateBackend(FakeBackend):
    def start(self):
        super().start()
        print("visible before the worker:", windows[0].qt_window.isVisible())
        QTimer.singleShot(300, windows[0].qt_window.close)

backend = LateBackend()
code = run_window(WindowStart(slide=Path("missing.svs"), notice="Hello"), backend)
print("code", code, "closed", backend.closed)
"""


def run(script: str) -> str:
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_window_comes_up_without_torch_in_the_process() -> None:
    assert "found []" in run(NO_TORCH)


def test_the_window_is_visible_before_the_worker_starts_and_closes_it() -> None:
    out = run(VISIBLE_FIRST)
    assert "visible before the worker: True" in out
    assert "code 0 closed True" in out


OPEN_AT_ONCE = """
import sys
from pathlib import Path
from PySide6.QtCore import QTimer
from tests.app.fixtures.fakes import FakeBackend
import desktop_app.app as app

begin = app.open_start
def open_and_look(desktop, start):
    begin(desktop, start)
    window = desktop.window
    print("layers", [layer.name for layer in window.viewer.layers], "steps", window.notice.text)
    QTimer.singleShot(500, window.qt_window.close)
app.open_start = open_and_look
sys.exit(app.run_window(app.WindowStart(slide=Path(sys.argv[1]), mpp=0.5), FakeBackend()))
"""


def test_a_slide_named_at_the_start_is_opened_as_soon_as_the_window_is_seen(tmp_path: Path) -> None:
    slide = write_slide(tmp_path / "field.tif", 3000, 2000)
    command = [sys.executable, "-c", OPEN_AT_ONCE, str(slide)]
    # What was opened is remembered, and not among the user's own.
    mine = {**os.environ, "HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, env=mine)
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr
    assert "layers ['Backdrop', 'Slide'] steps \n" in done.stdout
