"""Stalls of the window while it pans and zooms over a large slide and the worker embeds another; and memory.

Run as ``python -m tests.benchmarks.window.bench_pan [--side 20000] [--seconds 20]`` under a display. A timer that wants to
tick every 5 ms notes how late it comes; the same moves are made in plain napari on the same file's levels, read through
the same code, so that what the machine's OpenGL takes is told from what the program takes. Limit: 100 ms.
`--side 100000x80000` measures the memory that a slide of that size adds (limit 1 GB).
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
import tifffile

os.environ["QT_API"] = "pyside6"
LIMIT_MS = 100.0
LIMIT_BYTES = 1 << 30
MPP = 0.25
_TILE = 512


def write_slide(path: Path, height: int, width: int) -> Path:
    """A pyramid of stained noise, JPEG tiles, whose levels stop early (at about 1/16)."""
    rng = np.random.default_rng(0)
    coarse = rng.normal(0, 25, (64, 64, 3)).repeat(32, 0).repeat(32, 1)
    fine = rng.normal(0, 12, (2048, 2048, 1))
    pattern = np.clip(np.array([200, 120, 170]) + coarse + fine, 0, 255).astype(np.uint8)
    with tifffile.TiffWriter(path, bigtiff=True) as writer:
        scale = 1
        while scale <= 16:
            h, w = -(-height // scale), -(-width // scale)
            cell = pattern[:: max(1, scale // 4), :: max(1, scale // 4)]
            per_cm = 1e4 / (MPP * scale)

            def tiles(h: int = h, w: int = w, cell: np.ndarray = cell):
                for y in range(0, h, _TILE):
                    for x in range(0, w, _TILE):
                        yy, xx = y % (cell.shape[0] - _TILE or 1), x % (cell.shape[1] - _TILE or 1)
                        yield np.ascontiguousarray(cell[yy : yy + _TILE, xx : xx + _TILE])

            writer.write(
                tiles(), shape=(h, w, 3), dtype=np.uint8, tile=(_TILE, _TILE), photometric="ycbcr",
                compression="jpeg", compressionargs={"level": 80}, subfiletype=0 if scale == 1 else 1,
                resolution=(per_cm, per_cm), resolutionunit="CENTIMETER", metadata=None,
            )  # fmt: skip
            scale *= 4
    return path


class Lateness:
    """How late a timer of 5 ms comes, in ms."""

    def __init__(self) -> None:
        from PySide6.QtCore import QTimer

        self.gaps: list[float] = []
        self._last = time.perf_counter()
        self._timer = QTimer()
        self._timer.setInterval(5)
        self._timer.timeout.connect(self._tick)
        self._timer.start()

    def _tick(self) -> None:
        now = time.perf_counter()
        self.gaps.append(1000 * (now - self._last) - 5)
        self._last = now


def drive(viewer: object, seconds: float, extent_um: tuple[float, float]) -> Lateness:
    """Pan and zoom for a time, thirty steps a second, as a hand with a mouse does."""
    from PySide6.QtTest import QTest

    rng = np.random.default_rng(1)
    camera = viewer.scene.camera  # type: ignore[attr-defined]
    lateness = Lateness()
    place, zoom, goal = np.array(extent_um) / 2, 0.05, np.array(extent_um) / 2
    ends = time.perf_counter() + seconds
    step = 0
    while time.perf_counter() < ends:
        if step % 45 == 0:
            goal = rng.random(2) * extent_um
        place = place + np.clip(goal - place, -25 / zoom, 25 / zoom)
        zoom = float(np.clip(zoom * (1.06 if step % 90 < 45 else 1 / 1.06), 0.02, 4.0))
        camera.center = (0.0, *place)
        camera.zoom = zoom
        QTest.qWait(33)
        step += 1
    return lateness


def words(name: str, lateness: Lateness) -> str:
    """Percentiles of the lateness."""
    late = np.array(lateness.gaps)
    over = int((late > LIMIT_MS).sum())
    return (
        f"{name}: median {np.median(late):.0f} ms, p95 {np.quantile(late, 0.95):.0f} ms, "
        f"p99 {np.quantile(late, 0.99):.0f} ms, worst {late.max():.0f} ms; {over} of {len(late):,} over {LIMIT_MS:.0f} ms"
    )


def resident() -> int:
    """Resident memory of this process in bytes."""
    return int(psutil.Process().memory_info().rss)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", default="20000x20000", help="height x width in px")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--no-job", action="store_true")
    options = parser.parse_args()
    height, _, width = options.side.partition("x")
    size = int(height), int(width or height)
    folder = Path(tempfile.mkdtemp(prefix="bench-pan-"))
    slide_path = write_slide(folder / "large.tif", *size)
    extent = (size[0] * MPP, size[1] * MPP)
    from napari.settings import get_settings

    get_settings(path=None)
    get_settings().application.confirm_close_window = False
    sys.modules.setdefault("numba", None)  # type: ignore[arg-type]

    import napari
    from PySide6.QtTest import QTest

    from desktop_app.app import WindowStart, build_window, open_start
    from desktop_app.canvas.pyramid_levels import ChunkCache, slide_levels
    from desktop_app.project.analysis_jobs import AnalyzeOptions
    from sae_backend.slides.slide import Slide
    from sae_backend.worker.client import WorkerClient

    desktop = build_window(WorkerClient(gentle=True))
    desktop.window.show()
    desktop.controller.start()
    QTest.qWait(1500)
    before = resident()
    open_start(desktop, WindowStart(slide=slide_path))
    QTest.qWait(1000)
    if not options.no_job:
        from desktop_app.store import Store

        session = desktop.controller._context.session
        session.set_project(Store.create(folder / "project"))
        desktop.controller.projects.open_slide(slide_path)
        desktop.controller.jobs.analyze(AnalyzeOptions())
        QTest.qWait(8000)  # the worker has loaded torch and embeds
        assert desktop.controller._context.tasks.open_jobs, "the job ended before the moves began"
    ours = drive(desktop.window.viewer, options.seconds, extent)
    added = resident() - before
    print(words(f"{options.side} px, window" + ("" if options.no_job else " beside a job"), ours))
    print(f"memory added by the slide {added / 2**20:.0f} MB, {added / LIMIT_BYTES:.2f} of the limit of 1 GB")
    desktop.controller.close()
    desktop.window.qt_window.close()
    QTest.qWait(500)
    viewer = napari.Viewer(show=True)
    with Slide.open(slide_path, MPP) as slide:
        levels = slide_levels(slide, ChunkCache())
        viewer.add_image(levels, multiscale=True, rgb=True, scale=(MPP, MPP), units=("um", "um"))
        QTest.qWait(1000)
        print(words("plain napari, no job", drive(viewer, options.seconds, extent)))
        viewer.close()


if __name__ == "__main__":
    main()
