"""How long until the window is there, against plain napari, each in processes of its own.

Run as ``python -m tests.benchmarks.window.bench_window [--runs 5]`` under a display (``xvfb-run -a -s "-screen 0 1400x900x24
+extension GLX"``). From the start of the process to the first painted window; the two take turns. The aim is 1.3. What
answers the window is loaded after it is seen; that time is printed too.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time

AIM = 1.3
_AFTER_PAINT = """
from PySide6.QtCore import QTimer
def seen():
    # Two turns of the loop after it is exposed, so that it was painted.
    print("seen", flush=True); window.close()
def look():
    handle = window.windowHandle()
    if handle is not None and handle.isExposed():
        QTimer.singleShot(0, lambda: QTimer.singleShot(0, seen))
    else:
        QTimer.singleShot(1, look)
QTimer.singleShot(0, look)
"""
_NAPARI = (
    """
import napari
viewer = napari.Viewer()
window = viewer.window._qt_window
"""
    + _AFTER_PAINT
    + "napari.run()\n"
)
_OURS = """
import desktop_app.app as app
import desktop_app.widgets.main_window as main_window
show = main_window.MainWindow.show
def shown(self):
    global window
    show(self)
    window = self.qt_window
    exec(AFTER, globals())
main_window.MainWindow.show = shown
app.run_window(app.WindowStart())
""".replace("AFTER", repr(_AFTER_PAINT))
_ANSWERS = """
import desktop_app.app as app
def opened(desktop, start):
    print("seen", flush=True); desktop.window.qt_window.close()
app.open_start = opened
app.run_window(app.WindowStart())
"""


def seconds(program: str) -> float:
    """Time from the start of a process to the word that it prints when its window is seen."""
    environment = {**os.environ, "QT_API": "pyside6"}
    began = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.strip() == "seen":
                took = time.perf_counter() - began
                process.kill()
                return took
    raise SystemExit("The window was never seen.")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    seconds(_NAPARI), seconds(_OURS)  # the disk's cache is filled
    plain, ours, answers = [], [], []
    for _ in range(runs):
        plain.append(seconds(_NAPARI))
        ours.append(seconds(_OURS))
        answers.append(seconds(_ANSWERS))
    ratio = statistics.median(ours) / statistics.median(plain)
    print(
        f"window seen after {statistics.median(ours):.2f} s, plain napari {statistics.median(plain):.2f} s "
        f"(medians of {runs}): ratio {ratio:.2f}, aim {AIM}; it answers after {statistics.median(answers):.2f} s"
    )


if __name__ == "__main__":
    main()
