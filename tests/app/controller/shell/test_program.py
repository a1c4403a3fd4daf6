"""The whole program on a real slide: real window, real worker, real files; then opened again."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot
from safetensors.torch import save_file

from desktop_app.app import Desktop, WindowStart, build_window, open_start
from desktop_app.canvas.slide_layers import BACKDROP, HEATMAP, SLIDE
from desktop_app.project.analysis_jobs import AnalyzeOptions, TrainOptions, features_of, require_current
from desktop_app.store import Store
from sae_backend.slides.tiles import TileSpec
from sae_backend.worker.client import WorkerClient
from tests.app.fixtures.fakes import FakeDialogs
from tests.app.fixtures.window_life import make_way
from tests.app.fixtures.window_life import shut as close_window
from tests.waiting import wait_until

pytestmark = [pytest.mark.gl, pytest.mark.slow]
NAMES = ("Stroma", "Glass edge", "Glands")
SECONDS = 1000


def session_of(desktop: Desktop) -> Store:
    store = desktop.controller._context.session.store
    assert store is not None
    return store


def jobs_idle(desktop: Desktop) -> bool:
    return not desktop.controller.jobs._answers


def wait_for_jobs(desktop: Desktop, qtbot: QtBot) -> None:
    """Wait for the end of all jobs; each piece of news is waited for anew."""
    news: list[object] = []
    desktop.controller._context.tasks.job_progress.connect(news.append)
    while not jobs_idle(desktop):
        news.clear()
        wait_until(lambda: bool(news) or jobs_idle(desktop), qtbot)


def open_desktop(dialogs: FakeDialogs) -> Desktop:
    make_way()
    desktop = build_window(WorkerClient(), dialogs)
    desktop.window.show()
    desktop.controller.start()
    return desktop


def shut(desktop: Desktop) -> None:
    close_window(desktop.window)
    desktop.controller.close()


def check_geometry(desktop: Desktop) -> None:
    """The edges of every heat-map cell are the edges of its tile, in level-0 px, at any zoom."""
    store = session_of(desktop)
    grid = features_of(store, require_current(store)).grid
    heat, slide = desktop.window.viewer.layers[HEATMAP], desktop.window.viewer.layers[SLIDE]
    for (y, x), row, col in zip(grid.origins_l0(), grid.rows, grid.cols, strict=True):
        for zoom in (0.05, 1.0, 20.0):
            desktop.window.viewer.scene.camera.zoom = zoom
            top_left = heat.data_to_world((row - 0.5, col - 0.5))
            in_slide = np.asarray(slide.world_to_data(top_left)) + 0.5
            np.testing.assert_allclose(in_slide, (y, x), atol=1e-6)
            bottom = np.asarray(slide.world_to_data(heat.data_to_world((row + 0.5, col + 0.5)))) + 0.5
            np.testing.assert_allclose(bottom, (y + grid.tile_l0, x + grid.tile_l0), atol=1e-6)


def test_open_analyse_train_name_close_and_open_again(qtbot: QtBot, tmp_path: Path, data_dir: Path) -> None:
    folder = tmp_path / "project"
    dialogs = FakeDialogs(directory=folder)
    desktop = open_desktop(dialogs)
    window, controller = desktop.window, desktop.controller
    open_start(desktop, WindowStart(slide=data_dir / "CMU-1-Small-Region.svs"))
    dialogs.analyze = AnalyzeOptions(spec=TileSpec(min_tissue=0.5))
    QTest.mouseClick(window.slides.analyze_button, Qt.MouseButton.LeftButton)
    wait_for_jobs(desktop, qtbot)
    dialogs.train = TrainOptions(epochs=30)
    controller.jobs.ask_train()
    wait_for_jobs(desktop, qtbot)

    store = session_of(desktop)
    features = features_of(store, require_current(store))
    assert window.control.isVisible()
    assert "random weights" in window.control.text

    firing = [int(f) for f in np.argsort(-features.stats.n_firing)[:3]]
    for feature, name in zip(firing, NAMES, strict=True):
        controller.select_feature(feature)
        tiles, values = features.column(feature)
        drawn = window.viewer.layers[HEATMAP].data
        grid = features.grid
        np.testing.assert_array_equal(drawn[grid.rows[tiles], grid.cols[tiles]], values)
        # Silent tiles are left transparent, so that the tissue is seen.
        assert np.isfinite(drawn).sum() == tiles.size
        check_geometry(desktop)
        window.annotation.name.setFocus()
        QTest.keyClicks(window.annotation.name, name)
    shut(desktop)

    with Store.open(folder) as saved:
        assert {note.name for note in saved.annotations.all()} == set(NAMES)

    again = open_desktop(dialogs)
    open_start(again, WindowStart(project=folder, feature=firing[1]))
    assert again.window.annotation.name.text() == NAMES[1]
    assert again.window.features.model.table.note(firing[0]).name == NAMES[0]
    assert [layer.name for layer in again.window.viewer.layers][:3] == [BACKDROP, SLIDE, HEATMAP]
    assert session_of(again).annotations.get(features.sae_digest, firing[2]).name == NAMES[2]
    shut(again)


def test_a_trained_architecture_goes_the_same_way(qtbot: QtBot, tmp_path: Path, data_dir: Path) -> None:
    torch.manual_seed(0)
    model = timm.create_model("vit_tiny_patch16_224", pretrained=False)
    weights = tmp_path / "vit.safetensors"
    save_file(model.state_dict(), weights)
    folder = tmp_path / "project"
    dialogs = FakeDialogs(directory=folder)
    desktop = open_desktop(dialogs)
    open_start(desktop, WindowStart(slide=data_dir / "CMU-1-Small-Region.svs"))
    dialogs.analyze = AnalyzeOptions(
        encoder="timm:vit_tiny_patch16_224", weights=weights, layer=6, spec=TileSpec(min_tissue=0.5)
    )
    desktop.controller.jobs.ask_analyze()
    wait_for_jobs(desktop, qtbot)
    dialogs.train = TrainOptions(epochs=20)
    desktop.controller.jobs.ask_train()
    wait_for_jobs(desktop, qtbot)
    store = session_of(desktop)
    analysis = require_current(store)
    assert (analysis.encoder, analysis.layer, analysis.is_control) == ("timm:vit_tiny_patch16_224", 6, False)
    assert not desktop.window.control.isVisible()
    assert features_of(store, analysis).stats.n_firing.max() > 0
    shut(desktop)
    card = next((folder / "saes").rglob("cfg.json"))
    assert "timm:vit_tiny_patch16_224" in json.dumps(json.loads(card.read_text()))
