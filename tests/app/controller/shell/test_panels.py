"""The whole window, with a fake worker and real everything else."""

from __future__ import annotations

import shutil
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLabel
from pytestqt.qtbot import QtBot

from desktop_app.app import WindowStart, open_start
from desktop_app.canvas.slide_layers import CELLS, HEATMAP, SLIDE, TILE
from desktop_app.project.analysis_jobs import AnalyzeOptions, TrainOptions
from desktop_app.store import NewAnalysis, Store
from desktop_app.store.rows.annotations import AnnotationRows
from desktop_app.store.rows.settings import SettingRows
from desktop_app.widgets.correlation.filter import TABLE
from sae_backend.errors import StoreError
from sae_backend.slides.slide import Slide
from sae_backend.worker.requests import AnalyzeRequest, Cancelled, Crashed, Failed, Progress, Ready
from tests.app.conftest import MPP, Parts
from tests.app.fixtures.correlation_arrays import correlation_of
from tests.app.fixtures.fakes import SAE_DIGEST, add_analysis, write_slide
from tests.waiting import wait_until

pytestmark = pytest.mark.gl
OTHER_SAE = "0b" * 12


def test_an_empty_window_says_what_to_do(parts: Parts) -> None:
    assert parts.window.stack.currentIndex() == 0
    assert "project" in parts.window.slides.pages.sentence
    assert "analysed" in parts.window.features.pages.sentence
    assert parts.window.annotation.pages.sentence
    assert parts.window.correlations.pages.sentence
    assert "Analyse" in parts.window.jobs.pages.sentence
    assert parts.backend.started


def test_a_project_opens_with_slide_features_and_the_notice_of_a_control(parts: Parts, project: Path) -> None:
    open_start(parts.desktop, WindowStart(project=project, feature=4))
    assert parts.layers == [SLIDE, HEATMAP]
    assert "random weights" in parts.window.control.text
    assert parts.window.features.model.rowCount() == 12
    assert parts.window.features.selected() == 4
    assert parts.window.annotation.feature == 4
    assert "field.tif" in parts.window.viewer.title


def test_names_are_saved_at_once_and_are_there_after_reopening(
    parts: Parts, project: Path, qtbot: QtBot
) -> None:
    open_start(parts.desktop, WindowStart(project=project, feature=4))
    form = parts.window.annotation
    form.name.setFocus()
    QTest.keyClicks(form.name, "Glands")
    wait_until(lambda: parts.window.features.model.table.note(4).name == "Glands", qtbot)
    form.confidence.setCurrentIndex(5)
    form.editors["tags"].setText("epithelium, gland")
    form.editors["description"].setPlainText("round lumina")
    parts.controller.select_feature(5)
    form.name.setText("Stroma")
    parts.controller.close()
    with Store.open(project) as store:
        first, second = store.annotations.get(SAE_DIGEST, 4), store.annotations.get(SAE_DIGEST, 5)
        assert (first.name, first.confidence, first.tags) == ("Glands", 5, ("epithelium", "gland"))
        assert first.description == "round lumina"
        assert second.name == "Stroma"
        assert {entry.field for entry in store.annotations.history(SAE_DIGEST, 4)} == {
            "name", "confidence", "tags", "description", "status",
        }  # fmt: skip


def test_what_the_project_refuses_is_kept_and_saved_later(
    parts: Parts, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_start(parts.desktop, WindowStart(project=project, feature=4))
    form = parts.window.annotation

    def refuse(*_: object, **__: object) -> None:
        raise StoreError("Another program is writing.", "Wait.")

    with monkeypatch.context() as patch:
        patch.setattr(AnnotationRows, "set", refuse)
        patch.setattr(SettingRows, "set", refuse)
        form.name.setText("Glands")
        form.flush()
        assert "Another program" in parts.window.notice.text
        assert "NOT SAVED" in form.saved_note.text()
        parts.controller.select_feature(5)
        assert (form.feature, form.name.text()) == (5, "")
        parts.controller.select_feature(4)
        assert form.name.text() == "Glands"
        assert "NOT SAVED" in form.saved_note.text()
    parts.controller.select_feature(5)
    parts.controller.close()
    with Store.open(project) as store:
        assert store.annotations.get(SAE_DIGEST, 4).name == "Glands"
        assert store.annotations.get(SAE_DIGEST, 5).revision == 0


def test_a_name_being_typed_stays_with_its_autoencoder(parts: Parts, project: Path) -> None:
    open_start(parts.desktop, WindowStart(project=project, feature=4))
    parts.window.annotation.editors["description"].setPlainText("round lumina")
    context = parts.controller._context
    store, slide = context.session.store, context.session.slide
    assert store is not None and slide is not None
    # What the end of a job does while someone types.
    made = add_analysis(store, 1, slide, sae_digest=OTHER_SAE)
    store.analyses.choose(made.id)
    parts.controller.features.load_analysis()
    assert store.annotations.get(SAE_DIGEST, 4).description == "round lumina"
    assert store.annotations.all(OTHER_SAE) == []


def test_every_analysis_of_a_slide_can_be_shown_again(parts: Parts, project: Path) -> None:
    with Store.open(project) as store, Slide.open(project.parent / "field.tif", MPP) as slide:
        store.annotations.set(SAE_DIGEST, 4, name="Glands")
        add_analysis(store, 1, slide, sae_digest=OTHER_SAE)
    open_start(parts.desktop, WindowStart(project=project))
    panel = parts.window.features
    assert [panel.analysis.itemText(i) for i in range(panel.analysis.count())] == [
        "control:random-vit (control), block 3, autoencoder 1",
        "timm:test, block 3, autoencoder 2",
    ]
    assert panel.analysis.currentIndex() == 1
    assert panel.model.table.notes == {}
    assert not parts.window.control.text
    panel.analysis.setCurrentIndex(0)
    panel.analysis.activated.emit(0)
    assert {f: n.name for f, n in panel.model.table.notes.items()} == {4: "Glands"}
    assert parts.window.control.text
    assert panel.analysis.currentIndex() == 0


def test_training_takes_the_analysis_that_is_shown(parts: Parts, project: Path) -> None:
    with Store.open(project) as store, Slide.open(project.parent / "field.tif", MPP) as slide:
        first = store.analyses.current()
        assert first is not None
        made = add_analysis(store, 1, slide, sae_digest=OTHER_SAE)
        other = replace(
            NewAnalysis(**{f.name: getattr(made, f.name) for f in fields(NewAnalysis)}),
            encoder_digest="d1" * 12,
            embedding_folder="others",
            embedding_digest="e2" * 12,
        )
        store.analyses.add(other)
    open_start(parts.desktop, WindowStart(project=project))
    parts.dialogs.train = TrainOptions()
    parts.window.menus.requested("train").emit()
    parts.window.features.analysis_requested.emit(first.id)
    parts.window.menus.requested("train").emit()
    asked = [Path(request.embedding_dirs[0]).name for request in parts.backend.requests.values()]
    assert asked == ["others", "embeddings"]


def test_the_feature_table_is_that_of_the_slide_that_is_shown(
    parts: Parts, project: Path, tmp_path: Path
) -> None:
    with (
        Store.open(project) as store,
        Slide.open(write_slide(tmp_path / "second.tif", width=1000), MPP) as slide,
    ):
        add_analysis(store, store.slides.add(slide.info).id, slide)
    open_start(parts.desktop, WindowStart(project=project))
    parts.dialogs.target = tmp_path / "features.csv"
    for slide_id, name in ((2, "second.tif"), (1, "field.tif")):
        parts.window.slides.slide_requested.emit(slide_id)
        parts.window.menus.requested("export_features").emit()
        assert name in (tmp_path / "features.csv").read_text()


def test_what_is_gone_is_said_with_a_way_back(parts: Parts, project: Path) -> None:
    shutil.rmtree(project / "cache")
    open_start(parts.desktop, WindowStart(project=project))
    assert "Run the analysis again" in parts.window.notice.text
    (project.parent / "field.tif").rename(project.parent / "moved.tif")
    parts.window.slides.slide_requested.emit(1)
    assert "add it again" in parts.window.notice.text
    parts.dialogs.file = project.parent / "moved.tif"
    parts.window.slides.add_requested.emit()
    assert parts.window.slides.list.count() == 1
    assert "moved.tif" in parts.window.slides.summary.text()


def test_a_click_lists_what_fires_and_outlines_the_tile(parts: Parts, project: Path) -> None:
    open_start(parts.desktop, WindowStart(project=project, feature=4))
    parts.window.slide_clicked.emit(30 * MPP, 40 * MPP)
    assert TILE in parts.layers
    assert parts.window.fires_here.title.text().startswith("Tile 0:")
    panel = parts.window.fires_here
    assert panel.rows()[0] == 1
    # The autoencoder of this project is made up, so how much a feature explains cannot be told.
    assert "not available" in panel.title.text()
    assert panel.sorted.index(0, 2).data() == "50", "alone among the firing tiles"
    panel.table.clicked.emit(panel.sorted.index(0, 0))
    assert parts.window.features.selected() == 1
    parts.window.slide_clicked.emit(-50.0, -50.0)
    assert TILE not in parts.layers


def test_stepping_through_features_swaps_one_layer(parts: Parts, project: Path) -> None:
    open_start(parts.desktop, WindowStart(project=project))
    seen = []
    layer = None
    for _ in range(5):
        parts.window.menus.actions_by_text["Next feature"].trigger()
        seen.append(parts.window.annotation.feature)
        found = parts.window.viewer.layers[HEATMAP]
        assert layer is None or found is layer
        layer = found
    assert len(set(seen)) == 5
    parts.window.menus.action("heatmap").setChecked(False)
    assert not layer.visible
    parts.window.menus.actions_by_text["Next feature"].trigger()
    assert not layer.visible


def test_cells_correlations_and_the_scatter_lead_to_tiles(parts: Parts, project: Path, qtbot: QtBot) -> None:
    open_start(parts.desktop, WindowStart(project=project, feature=4))
    parts.dialogs.file = project.parent / "cells.csv"
    parts.window.menus.requested("import_cells").emit()
    wait_until(lambda: "40 cells" in parts.window.notice.text, qtbot)
    assert CELLS in parts.layers
    parts.controller.close()
    with Store.open(project) as store:
        base = {"n_tiles": 10, "n_slides": 1, "p": 0.01, "q": 0.02, "reason": ""}
        rows = [
            {
                **base,
                "feature": 4,
                "cell_type": kind,
                "statistic": name,
                "value": r,
                "ci_low": r - 0.1,
                "ci_high": r + 0.1,
            }
            for kind, r in (("a", 0.6), ("b", -0.2))
            for name in ("pearson", "spearman")
        ]
        meta = {
            "n_tiles": 10,
            "n_slides": 1,
            "n_clusters": 4,
            "unit": "block of 1 mm",
            "method": "m",
            "notes": [],
        }
        analysis = store.analyses.current()
        store.correlations.add(correlation_of(SAE_DIGEST, (analysis.id,), meta, rows))
    again = Parts()
    open_start(again.desktop, WindowStart(project=project, feature=2))
    panel = again.window.correlations
    wait_until(lambda: panel.table.pairs.rowCount() == 2, qtbot)
    panel.filter.views.setCurrentIndex(TABLE)
    panel.table.selectRow(0)
    assert again.window.features.selected() == 4
    wait_until(lambda: panel.scatter.points.x.size > 0, qtbot)
    again.window.show_panel("Correlations")
    wait_until(lambda: panel.scatter.rect().contains(panel.scatter.position_of(0).toPoint()), qtbot)
    point = panel.scatter.position_of(0).toPoint()
    QTest.mouseClick(panel.scatter, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, point)
    assert TILE in again.layers
    text = again.window.features.model.index(again.window.features.model.row_of(4), 4).data()
    assert text == "0.60 a (0.50 to 0.70)"
    again.window.qt_window.close()


def test_a_job_shows_its_progress_and_its_failure(parts: Parts, project: Path, qtbot: QtBot) -> None:
    open_start(parts.desktop, WindowStart(project=project))
    parts.dialogs.analyze = AnalyzeOptions()
    parts.window.slides.analyze_button.click()
    ((job, request),) = parts.backend.requests.items()
    assert isinstance(request, AnalyzeRequest)
    row = parts.window.jobs.rows[job]
    parts.backend.events = [Ready("cpu", {}), Progress(job, "Embedding", 30, 120, 10.0, 9.0)]
    wait_until(lambda: row.state.text() == "Embedding, 30 of 120, 10 per s, 9 s left", qtbot)
    assert "ready on cpu" in parts.window.jobs.worker.text()
    row.button.click()
    assert parts.backend.cancelled == [job]
    parts.backend.events = [Cancelled(job)]
    wait_until(lambda: "Cancelled" in row.state.text(), qtbot)
    parts.controller.jobs.analyze(AnalyzeOptions())
    parts.backend.events = [Failed(2, "NoTissueError", "No tissue was found.", "Check the slide.")]
    wait_until(lambda: parts.window.notice.text == "No tissue was found. Check the slide.", qtbot)
    parts.backend.events = [Crashed(None, "The worker died.", "")]
    wait_until(lambda: "starts it again" in parts.window.jobs.worker.text(), qtbot)


def test_training_asks_for_the_projects_embeddings(parts: Parts, project: Path) -> None:
    open_start(parts.desktop, WindowStart(project=project))
    parts.dialogs.train = TrainOptions(expansion=4)
    parts.window.menus.requested("train").emit()
    request = parts.backend.requests[1]
    assert request.expansion == 4
    assert request.embedding_dirs == (str(project / "cache" / "embeddings"),)


def test_a_slide_without_pixel_size_asks_and_remembers(parts: Parts, tmp_path: Path) -> None:
    path = write_slide(tmp_path / "plain.tif")
    parts.dialogs.directory = tmp_path / "new"
    assert parts.controller.projects.ask_new_project()
    parts.controller.projects.open_slide(path)
    assert "pixel size" in parts.window.notice.text
    parts.dialogs.mpp = 0.25
    parts.window.menus.requested("pixel_size").emit()
    np.testing.assert_allclose(parts.window.viewer.layers[SLIDE].scale, [0.25, 0.25])
    parts.dialogs.mpp = None
    parts.controller.projects.open_slide(path)
    np.testing.assert_allclose(parts.window.viewer.layers[SLIDE].scale, [0.25, 0.25])


def test_bad_input_is_one_sentence_and_loses_nothing(
    parts: Parts, project: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    open_start(parts.desktop, WindowStart(project=project, feature=4))
    (tmp_path / "no.svs").write_text("hello")
    parts.controller.projects.open_slide(tmp_path / "no.svs")
    assert "no.svs" in parts.window.notice.text
    assert parts.layers == [SLIDE, HEATMAP]
    assert not parts.controller.projects.open_project(tmp_path)
    assert parts.window.notice.text
    assert parts.layers == [SLIDE, HEATMAP]
    parts.dialogs.file = tmp_path / "no.svs"
    parts.window.menus.requested("import_cells").emit()
    wait_until(lambda: "Reading" not in parts.window.notice.text, qtbot)
    assert "no.svs" in parts.window.notice.text
    assert CELLS not in parts.layers


def test_exports_write_their_files(parts: Parts, project: Path, tmp_path: Path) -> None:
    open_start(parts.desktop, WindowStart(project=project, feature=4))
    parts.window.annotation.name.setText("Glands")
    for signal, name in (
        (parts.window.menus.requested("export_features"), "features.csv"),
        (parts.window.menus.requested("export_annotations"), "notes.json"),
        (parts.window.menus.requested("export_annotations"), "notes.csv"),
        (parts.window.menus.requested("export_view"), "view.png"),
    ):
        parts.dialogs.target = tmp_path / name
        signal.emit()
        assert parts.window.notice.text == f"Written: {tmp_path / name}"
    assert "Glands" in (tmp_path / "features.csv").read_text()
    picture = QImage(str(tmp_path / "view.png"))
    assert picture.width() > 300
    parts.dialogs.target = tmp_path / "features.doc"
    parts.window.menus.requested("export_features").emit()
    assert not (tmp_path / "features.doc").exists()
    parts.window.menus.requested("guide").emit("keys")
    assert any(text.startswith("page Help") for text in parts.dialogs.asked)


def test_a_small_screen_shows_every_label_of_the_heat_map(parts: Parts, project: Path, qtbot: QtBot) -> None:
    parts.window.qt_window.resize(1280, 800)
    open_start(parts.desktop, WindowStart(project=project, feature=4))
    parts.window.heatmap.show_together([(f"feature {i}", "#ffffff") for i in range(3)])
    labels = parts.window.heatmap.body.findChildren(QLabel)
    for label in labels:
        wait_until(
            lambda one=label: not one.isVisible() or one.height() >= one.fontMetrics().height(),
            qtbot,
        )


def test_correlations_have_room_for_their_intervals_on_a_small_screen(parts: Parts, qtbot: QtBot) -> None:
    parts.window.qt_window.resize(1280, 800)
    QTest.qWait(100)
    parts.window.show_panel("Correlations")
    panel = parts.window.correlations
    panel.pages.show_content()
    panel.filter.views.setCurrentIndex(TABLE)
    # Feature, type, r, interval and p, beside a chart whose axes can be read.
    wait_until(lambda: panel.table.width() >= 440 and panel.charts.width() >= 340, qtbot)
