"""How long 600,000 cells with outlines take in the window: shown, outlined, panned over, hovered, changed.

Run under a display: `python -m tests.benchmarks.cells.bench_cells_window [number of cells]`.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from desktop_app.app import Desktop, WindowStart, build_window, open_start
from desktop_app.project.analysis_jobs import add_slide
from desktop_app.project.preferences import PreferencesFile
from desktop_app.store import Store
from sae_backend.cells.table import CellImport, CellTable, Outlines
from tests.app.fixtures.fakes import FakeDialogs
from tests.app.fixtures.inline_backend import InlineBackend
from tests.slides import stained_field, write_tiff

SIDE_PX, MPP, POINTS = 14_000, 0.25, 25


def cells(n: int) -> CellImport:
    rng = np.random.default_rng(0)
    y, x = rng.uniform(20, SIDE_PX - 20, (2, n))
    angle = np.linspace(0, 2 * np.pi, POINTS, endpoint=False)
    circle = 16 * np.stack([np.sin(angle), np.cos(angle)], axis=1)
    rings = (np.stack([y, x], axis=1)[:, None] + circle).reshape(-1, 2).astype(np.float32)
    table = CellTable(
        y, x, rng.integers(0, 5, n).astype(np.uint16), tuple("abcde"),
        {"area_um2": rng.uniform(20, 100, n).astype(np.float32)}, Outlines(np.arange(n + 1) * POINTS, rings),
    )  # fmt: skip
    return CellImport(table, "cells", "0" * 64, "benchmark", ())


def timed(words: str, act: Callable[[], object]) -> None:
    began = time.perf_counter()
    act()
    print(f"{words:<44} {1000 * (time.perf_counter() - began):8.0f} ms")


def pan(desktop: Desktop, um_per_px: float, words: str) -> None:
    window, middle = desktop.window, SIDE_PX * MPP / 3
    window.zoom_to(um_per_px)
    window.look_at(middle, middle)
    QTest.qWait(400)
    steps = []
    for step in range(40):
        began = time.perf_counter()
        window.look_at(middle + step * 25 * um_per_px, middle + step * 25 * um_per_px)
        QApplication.processEvents()
        steps.append(time.perf_counter() - began)
        QTest.qWait(5)
    n = desktop.controller.cells.outlines.n_drawn
    low, high = np.percentile(steps, [50, 95]) * 1000
    print(
        f"{words + f', {um_per_px} um per px, {n:,} painted':<44} {low:8.0f} ms, 95 %: {high:.0f} ms a step"
    )


def main() -> None:
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 600_000
    application = QApplication.instance() or QApplication([])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        field = np.tile(stained_field(1000, 1000), (14, 14, 1))
        write_tiff(folder / "slide.tiff", [field, field[::4, ::4], field[::16, ::16]], MPP)
        with Store.create(folder / "project") as store:
            record = add_slide(store, folder / "slide.tiff")
            found = cells(n)
            timed("kept in the project", lambda: store.cells.add(record.id, found))
        desktop = build_window(InlineBackend(), FakeDialogs(), PreferencesFile(folder / "preferences.json"))
        window, controller = desktop.window, desktop.controller
        window.show()
        controller.start()
        timed("window with the slide", lambda: open_start(desktop, WindowStart(project=folder / "project")))
        began = time.perf_counter()
        window.menus.action("cells").setChecked(True)
        drawn = controller.cells
        while drawn.shown is None or drawn.shown.details is None:
            QTest.qWait(10)
        print(
            f"{'outlines there, read beside the window':<44} {1000 * (time.perf_counter() - began):8.0f} ms"
        )
        window.zoom_to(0.25)
        window.look_at(1000, 1000)
        for words in ("first", "second"):
            drawn.outlines.forget()
            timed(f"{words} painting of outlines", drawn.follow)
        for um_per_px in (0.15, 0.3, 0.6, 1.5):
            pan(desktop, um_per_px, "pan")
        window.menus.action("cells").setChecked(False)
        pan(desktop, 0.3, "pan without cells")
        window.menus.action("cells").setChecked(True)
        window.zoom_to(0.2)
        timed(
            "100 moves of the pointer", lambda: [window.cursor_moved.emit(1000 + i, 1000) for i in range(100)]
        )
        controller.cell_editing.start("edit")
        shown = drawn.shown
        for place in shown.places.near(1000 / MPP, 1000 / MPP, 200)[:2].tolist():
            y, x = ((v[place] - 0.5) * MPP for v in (shown.table.y_l0, shown.table.x_l0))
            timed("select a cell", lambda y=y, x=x: controller.cell_editing.click(y, x))
            timed("delete it", controller.cell_editing.delete_selected)
        window.qt_window.close()
        application.processEvents()


if __name__ == "__main__":
    main()
