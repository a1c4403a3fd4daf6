"""How long a step to another feature takes in the real window: to the painted map, and to the first examples.

Run as ``python -m tests.benchmarks.window.bench_step_window [--tiles 50000] [--features 12288] [--steps 60]`` under a display.
A slide is drawn, activations of that many tiles and features are made up, and small pictures of the tiles are written
as the worker writes them; then J is pressed. "Map" is the time to the canvas painted with the new map, "examples" the
time to the first row of pictures. Limits: 50 and 150 ms.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

os.environ["QT_API"] = "pyside6"
sys.path.insert(0, str(Path(__file__).resolve().parents[3]))
MAP_MS, EXAMPLES_MS = 50.0, 150.0
TILE_PX, MPP = 64, 0.25


def words(name: str, took: list[float], limit: float) -> str:
    """Percentiles of a time in ms and their share of the limit."""
    median, p95 = np.median(took), np.quantile(took, 0.95)
    return (
        f"{name}: median {median:.0f} ms, p95 {p95:.0f} ms, {p95 / limit:.2f} of the limit of {limit:.0f} ms"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tiles", type=int, default=50_000)
    parser.add_argument("--features", type=int, default=12_288)
    parser.add_argument("--steps", type=int, default=60)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="bench-step-"))
    from napari.settings import get_settings

    get_settings(path=None)
    get_settings().application.confirm_close_window = False
    sys.modules.setdefault("numba", None)  # type: ignore[arg-type]

    from PySide6.QtCore import Qt
    from PySide6.QtTest import QTest
    from PySide6.QtWidgets import QApplication

    from desktop_app.app import WindowStart, build_window, open_start
    from desktop_app.store import NewAnalysis, Store
    from sae_backend.slides.slide import Slide
    from sae_backend.slides.thumbnails import write_thumbnails
    from sae_backend.slides.tiles import TileSpec
    from tests.app.fixtures.fakes import FakeBackend
    from tests.benchmarks.window.bench_feature_step import made_up
    from tests.benchmarks.window.bench_pan import write_slide

    side = int(np.ceil(np.sqrt(options.tiles))) * TILE_PX
    path = write_slide(folder / "large.tif", side, side)
    store = Store.create(folder / "project")
    with Slide.open(path, MPP) as slide:
        record = store.slides.add(slide.info)
        spec = TileSpec(tile_px=TILE_PX, tile_mpp=MPP)
        features = made_up(
            store.cache_dir / "features", options.tiles, options.features, 64,
            slide_fingerprint=slide.info.fingerprint, mpp=slide.info.require_mpp(), spec=spec,
            tile_l0=TILE_PX * MPP / slide.info.require_mpp(), stride_l0=TILE_PX * MPP / slide.info.require_mpp(),
        )  # fmt: skip
        grid = features.grid
        began = time.perf_counter()
        write_thumbnails(slide, grid, store.cache_dir)
        print(f"{grid.n_tiles:,} small pictures written in {time.perf_counter() - began:.0f} s")
    store.saes.add(features.sae_digest, store.folder / "sae", {"d_sae": options.features})
    store.analyses.add(
        NewAnalysis(
            slide_id=record.id,
            encoder="made up",
            encoder_digest="c0" * 12,
            layer=1,
            pooling="mean",
            is_control=False,
            tile_spec={"tile_px": TILE_PX, "tile_mpp": MPP, "stride_px": None, "min_tissue": 0.25},
            grid_digest=grid.digest,
            embedding_folder="embeddings",
            embedding_digest=features.embedding_digest,
            sae_digest=features.sae_digest,
            feature_folder=features.folder.relative_to(store.cache_dir).as_posix(),
            counts={"ok": grid.n_tiles},
        )
    )
    store.close()
    desktop = build_window(FakeBackend())
    window, panel = desktop.window, desktop.window.examples
    window.show()
    open_start(desktop, WindowStart(project=folder / "project", feature=0))
    desktop.controller.reading.finish(30)
    QTest.qWait(1500)
    canvas = window.viewer.window._qt_viewer.canvas
    painted: list[float] = []
    canvas._scene_canvas.events.draw.connect(
        lambda _event: painted.append(time.perf_counter()), position="last"
    )
    shown: list[float] = []
    show_levels = panel.show_levels

    def note(title: str, levels: dict[str, list[object]]) -> None:
        show_levels(title, levels)  # type: ignore[arg-type]
        shown.append(time.perf_counter())

    panel.show_levels = note  # type: ignore[method-assign,assignment]
    maps, examples = [], []
    for _ in range(options.steps):
        painted.clear()
        shown.clear()
        began = time.perf_counter()
        QTest.keyClick(window.features.view, Qt.Key.Key_J)
        deadline = began + 10
        while (not painted or not shown) and time.perf_counter() < deadline:
            QApplication.processEvents()
        assert painted and shown, "a step never came to its end"
        maps.append(1000 * (painted[0] - began))
        examples.append(1000 * (shown[0] - began))
        QTest.qWait(250)
    print(words(f"{options.tiles:,} tiles x {options.features:,} features, map painted", maps, MAP_MS))
    print(words("first examples shown", examples, EXAMPLES_MS))
    window.qt_window.close()


if __name__ == "__main__":
    main()
