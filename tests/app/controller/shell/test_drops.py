"""Files dragged over the window and dropped on it; the start page and the checklist around them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDragLeaveEvent, QDragMoveEvent, QDropEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from desktop_app.app import WindowStart, build_window, open_start
from desktop_app.canvas.layer_names import DENSITY
from desktop_app.canvas.slide_layers import CELLS, SLIDE
from desktop_app.export import annotations as annotation_exchange
from desktop_app.project.analysis_jobs import AnalyzeOptions
from desktop_app.project.checklist import READY
from desktop_app.project.preferences import PreferencesFile
from desktop_app.store import NewCorrelation, Store
from desktop_app.widgets.main_window import ERROR_COLOURS
from sae_backend.models.bundled_models import SHIPPED_ENCODER, sae_folder
from sae_backend.models.sae_weights import read_own_sae
from sae_backend.slides.slide import Slide
from sae_backend.worker.requests import AnalyzeRequest, EncodeRequest, Failed, Progress
from tests.app.conftest import MPP, Parts
from tests.app.fixtures.fakes import SAE_DIGEST, FakeBackend, FakeDialogs, write_slide
from tests.app.fixtures.window_life import make_way
from tests.app.project.test_checklist import made_elsewhere
from tests.waiting import wait_until

pytestmark = pytest.mark.gl
COPY, LEFT, NONE = Qt.DropAction.CopyAction, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier


class Drag:
    """A drag as the system hands it to the native window."""

    def __init__(self, parts: Parts, paths: list[Path], text: str = "") -> None:
        self.data = QMimeData()
        if paths:
            self.data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
        if text:
            self.data.setText(text)
        self._target = parts.window.qt_window.windowHandle()
        middle = parts.window.qt_window.rect().center()
        self._at = QPointF(middle)

    def enter(self) -> bool:
        event = QDragEnterEvent(self._at.toPoint(), COPY, self.data, LEFT, NONE)
        event.ignore()
        QApplication.sendEvent(self._target, event)
        if event.isAccepted():
            move = QDragMoveEvent(self._at.toPoint(), COPY, self.data, LEFT, NONE)
            QApplication.sendEvent(self._target, move)
            return move.isAccepted()
        return False

    def leave(self) -> None:
        QApplication.sendEvent(self._target, QDragLeaveEvent())

    def drop(self) -> bool:
        event = QDropEvent(self._at, COPY, self.data, LEFT, NONE)
        QApplication.sendEvent(self._target, event)
        return event.isAccepted()


def drop(parts: Parts, *paths: Path) -> None:
    drag = Drag(parts, list(paths))
    assert drag.enter()
    assert drag.drop()


def geojson(path: Path, n: int = 8) -> Path:
    points = [
        {
            "type": "Feature",
            "geometry": {"type": "Point", "coordinates": [20.0 * i, 15.0 * i]},
            "properties": {"objectType": "detection", "classification": {"name": "a"}},
        }
        for i in range(n)
    ]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": points}))
    return path


@pytest.fixture
def kept(tmp_path: Path) -> PreferencesFile:
    return PreferencesFile(tmp_path / "config" / "preferences.json")


@pytest.fixture
def remembering(qtbot: QtBot, kept: PreferencesFile) -> Iterator[Parts]:
    """A window that remembers its projects in a file."""
    make_way()
    built = Parts.__new__(Parts)
    built.backend, built.dialogs = FakeBackend(), FakeDialogs()
    built.desktop = build_window(built.backend, built.dialogs, kept)
    built.window, built.controller = built.desktop.window, built.desktop.controller
    built.window.show()
    built.controller.start()
    yield built
    built.let_go()


def test_what_is_dragged_is_told_before_it_is_let_go(parts: Parts, tmp_path: Path, qtbot: QtBot) -> None:
    slide, cells = write_slide(tmp_path / "field.tif"), geojson(tmp_path / "any.geojson")
    (tmp_path / "weights.pt").write_bytes(b"\x80\x04")
    overlay = parts.window.drops.overlay
    drag = Drag(parts, [cells, slide, tmp_path / "weights.pt"])
    assert drag.enter()
    assert overlay.isVisible() and overlay.geometry() == parts.window.qt_window.rect()
    wait_until(lambda: len(overlay.lines) == 3, qtbot)
    said = {line.name: (line.words, line.is_taken) for line in overlay.lines}
    assert said["field.tif"] == ("a picture (TIFF)", True)
    assert said["any.geojson"] == ("cells (GeoJSON), for field.tif; asks for a project's folder", True)
    assert not said["weights.pt"][1] and "safetensors" in said["weights.pt"][0]
    drag.leave()
    assert not overlay.isVisible()
    assert parts.controller._context.session.slide is None and parts.window.stack.currentIndex() == 0
    words = Drag(parts, [], "a word from a letter")
    words.enter()
    assert not overlay.isVisible(), "text goes to the fields as ever"


def test_a_slide_and_its_cells_go_into_a_new_project(parts: Parts, tmp_path: Path, qtbot: QtBot) -> None:
    slide, cells = write_slide(tmp_path / "field.tif"), geojson(tmp_path / "any.geojson")
    parts.dialogs.directory, parts.dialogs.mpp = tmp_path / "new", MPP
    drop(parts, cells, slide)
    wait_until(lambda: "8 cells imported" in parts.window.notice.text, qtbot)
    session = parts.controller._context.session
    assert session.store is not None and session.store.folder == tmp_path / "new"
    assert session.slide is not None and session.slide.info.path == slide
    assert {SLIDE, CELLS} <= set(parts.layers) <= {SLIDE, CELLS, DENSITY}, "napari itself has opened nothing"
    steps = {step.name: step for step in parts.window.slides.checklist.steps}
    assert steps["cells"].fact == "8 cells of 1 type" and steps["embeddings"].state == "next"


def test_without_a_project_the_cells_are_left_and_the_slide_is_shown(
    parts: Parts, tmp_path: Path, qtbot: QtBot
) -> None:
    parts.dialogs.mpp = MPP
    drop(parts, write_slide(tmp_path / "field.tif"), geojson(tmp_path / "any.geojson"), tmp_path / "gone.svs")
    wait_until(lambda: "was left" in parts.window.notice.text, qtbot)
    assert "File > New project" in parts.window.notice.text
    assert "There is no file gone.svs" in parts.window.notice.text, "each thing has its sentence"
    assert parts.layers == [SLIDE]
    drop(parts, tmp_path / "any.geojson", geojson(tmp_path / "more.geojson"))
    wait_until(lambda: "one such file" in parts.window.notice.text, qtbot)


def test_what_cannot_be_opened_is_said_as_an_error(parts: Parts, tmp_path: Path, qtbot: QtBot) -> None:
    whole = write_slide(tmp_path / "field.tif")
    (tmp_path / "cut.tif").write_bytes(whole.read_bytes()[:3000])
    drop(parts, tmp_path / "cut.tif")
    wait_until(
        lambda: "cut.tif" in parts.window.notice.text and "Recognised" not in parts.window.notice.text, qtbot
    )
    assert ERROR_COLOURS[0] in parts.window.notice.styleSheet()
    drop(parts, whole)
    wait_until(lambda: SLIDE in parts.layers, qtbot)
    assert ERROR_COLOURS[0] not in parts.window.notice.styleSheet()


def test_cells_alone_ask_for_their_slide(parts: Parts, tmp_path: Path, qtbot: QtBot) -> None:
    drop(parts, geojson(tmp_path / "any.geojson"))
    wait_until(lambda: "belongs to a slide" in parts.window.notice.text, qtbot)
    assert parts.dialogs.asked == []


def test_a_project_and_annotations(parts: Parts, project: Path, tmp_path: Path, qtbot: QtBot) -> None:
    with Store.create(tmp_path / "hers", author="colleague") as hers:
        hers.annotations.set(SAE_DIGEST, 4, name="Glands")
        annotation_exchange.export_json(hers, tmp_path / "hers.txt")
    drop(parts, tmp_path / "hers.txt", project / "project.sqlite")
    wait_until(lambda: "1 annotations added" in parts.window.notice.text, qtbot)
    assert parts.window.features.model.table.note(4).name == "Glands"
    assert "field.tif" in parts.window.viewer.title


def test_many_slides_become_slides_of_the_project(
    parts: Parts, project: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    open_start(parts.desktop, WindowStart(project=project))
    paths = [write_slide(tmp_path / f"s{i}.tif", width=400 + i) for i in range(3)]
    (tmp_path / "cut.tif").write_bytes(paths[0].read_bytes()[:3000])
    parts.dialogs.mpp = MPP
    drop(parts, *paths, tmp_path / "cut.tif")
    wait_until(lambda: parts.window.slides.list.count() == 4, qtbot)
    session = parts.controller._context.session
    assert session.slide is not None and session.slide.info.path == paths[0]
    wait_until(lambda: "cut.tif" in parts.window.notice.text, qtbot)


def test_an_autoencoder_and_embeddings_lead_to_features(
    parts: Parts, project: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    open_start(parts.desktop, WindowStart(project=project))
    shipped = sae_folder(SHIPPED_ENCODER)
    assert shipped is not None
    folder = shutil.copytree(shipped, tmp_path / "mine")
    drop(parts, folder / "sae_weights.safetensors")
    wait_until(lambda: "is in the project" in parts.window.notice.text, qtbot)
    assert "1,280 features" in parts.window.notice.text
    store = parts.controller._context.session.store
    assert store is not None
    assert [
        Path(sae.folder) for sae in store.saes.all() if sae.card.get("encoder_id") == SHIPPED_ENCODER
    ] == [folder]
    assert parts.backend.requests == {}, "the shown slide has other embeddings"
    store.saes.add(SAE_DIGEST, folder, read_own_sae(folder).to_json())

    with Slide.open(project.parent / "field.tif", MPP) as slide:
        made = made_elsewhere(tmp_path / "elsewhere", slide)
    drop(parts, made)
    wait_until(lambda: "Embeddings of 56 tiles of field.tif" in parts.window.notice.text, qtbot)
    newest = store.analyses.all()[-1]
    assert newest.encoder == "timm:test" and newest.feature_folder is None
    assert not any(isinstance(request, EncodeRequest) for request in parts.backend.requests.values())

    config = json.loads((folder / "cfg.json").read_bytes())
    card = config["metadata"]["pathology"]
    card.update(encoder_digest=newest.encoder_digest, encoder_id="timm:test", tile_px=100, mpp=MPP)
    (folder / "cfg.json").write_text(json.dumps(config))
    drop(parts, folder)
    wait_until(lambda: "are being computed" in parts.window.notice.text, qtbot)
    (request,) = parts.backend.requests.values()
    assert isinstance(request, EncodeRequest) and Path(request.sae_dir) == folder


def test_the_checklist_says_what_runs_what_failed_and_what_is_next(
    parts: Parts, tmp_path: Path, qtbot: QtBot
) -> None:
    with Store.create(tmp_path / "p") as store, Slide.open(write_slide(tmp_path / "field.tif"), MPP) as slide:
        store.slides.add(slide.info)
    open_start(parts.desktop, WindowStart(project=tmp_path / "p"))
    panel = parts.window.slides.checklist
    line = panel.lines["embeddings"]
    assert (line.word.text(), line.button.text()) == ("next", "Analyse…")
    assert panel.text == "2 of 6 steps done" and not panel.is_folded
    assert not panel.lines["correlations"].button.isEnabled()
    parts.dialogs.analyze = AnalyzeOptions()
    QTest.mouseClick(line.button, LEFT)
    ((job, request),) = parts.backend.requests.items()
    assert isinstance(request, AnalyzeRequest)
    assert (line.word.text(), line.button.isEnabled()) == ("running", False)
    parts.backend.events = [Progress(job, "Embedding", 30, 120, 0.0, None)]
    parts.controller._context.tasks.poll()
    assert line.fact.full == "Embedding, 30 of 120"
    parts.backend.events = [Failed(job, "NoTissueError", "No tissue was found.", "Check the slide.")]
    parts.controller._context.tasks.poll()
    assert line.word.text() == "failed"
    assert line.error.text() == "No tissue was found. Check the slide." and line.error.isVisible()
    wait_until(lambda: line.error.height() >= line.error.heightForWidth(line.error.width()), qtbot)
    QTest.mouseClick(line.button, LEFT)
    assert line.word.text() == "running" and not line.error.isVisible(), "tried anew"
    (tmp_path / "bad.csv").write_text("x,y\n1,nothing\n")
    parts.dialogs.file = tmp_path / "bad.csv"
    panel.lines["cells"].button.click()
    wait_until(lambda: panel.lines["cells"].word.text() == "failed", qtbot)
    assert "no number" in panel.lines["cells"].error.text()


def test_a_finished_checklist_folds_and_opens_again(parts: Parts, project: Path, qtbot: QtBot) -> None:
    open_start(parts.desktop, WindowStart(project=project))
    panel = parts.window.slides.checklist
    drop(parts, project.parent / "cells.csv")
    wait_until(lambda: panel.lines["cells"].word.text() == "done", qtbot)
    store = parts.controller._context.session.store
    assert store is not None
    meta = {"n_tiles": 9, "n_slides": 1, "n_clusters": 4, "unit": "block", "method": "m", "notes": []}
    store.correlations.add(NewCorrelation(SAE_DIGEST, (1,), {}, meta, {}))
    parts.controller.checklist.refresh()
    assert panel.text == READY and panel.is_folded and not panel.body.isVisible()
    panel.fold.click()
    assert panel.body.isVisible()
    panel.fold.click()
    parts.dialogs.file = project.parent / "cells.csv"
    parts.controller.checklist.act("cells")
    wait_until(lambda: panel.lines["correlations"].fact.full == "out of date", qtbot)
    assert not panel.is_folded, "something is wanting again"
    parts.window.qt_window.resize(1280, 800)
    slides, docks = parts.window.slides, parts.window.docks
    wait_until(lambda: docks["Slides"].height() <= 260 and slides.list.height() >= 40, qtbot)


def test_recent_projects_are_listed_opened_and_forgotten(
    remembering: Parts, kept: PreferencesFile, project: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    window = remembering.window
    recent = window.start_page.recent
    assert "listed here" in recent.sentence
    assert not window.docks["Slides"].isVisible(), "the panels wait until something is open"
    remembering.dialogs.directory = tmp_path / "second"
    window.start_page.new_project_requested.emit()
    assert window.docks["Slides"].isVisible() and "no slides yet" in window.start_page.notice.text()
    assert remembering.controller.projects.open_project(project)
    assert window.start_page.notice.isHidden()
    wait_until(lambda: recent.list.count() == 2, qtbot)
    first, second = (recent.list.item(row) for row in range(2))
    assert first.text().startswith("project\ttoday ") and first.text().endswith("\t1 slide")
    assert second.text().startswith("second\t") and second.text().endswith("\t0 slides")
    assert [Path(name) for name in PreferencesFile(kept._path).current.recent_projects] == [
        project, tmp_path / "second",
    ]  # fmt: skip
    recent.list.itemClicked.emit(second)
    assert "second" in window.viewer.title
    recent.list.customContextMenuRequested.emit(recent.list.visualItemRect(recent.list.item(0)).center())
    assert recent.menu is not None
    recent.menu.actions()[1].trigger()
    recent.menu.close()
    wait_until(lambda: recent.list.count() == 1, qtbot)
    assert len(kept.current.recent_projects) == 1 and (tmp_path / "second" / "project.sqlite").exists()
    remembering.controller.demo.begin(tmp_path / "demo")
    assert kept.current.recent_projects[0] == str(tmp_path / "demo" / "project")


def test_the_start_page_has_one_column_where_there_is_no_room_for_two(parts: Parts, qtbot: QtBot) -> None:
    page = parts.window.start_page
    parts.window.qt_window.resize(1280, 800)
    demo, zone = page.buttons["Open the demo"], page.drop_zone
    wait_until(
        lambda: zone.mapTo(page, zone.rect().topLeft()).x() > demo.mapTo(page, demo.rect().topRight()).x(),
        qtbot,
    )
    parts.window.reveal_panels()
    wait_until(
        lambda: zone.mapTo(page, zone.rect().topLeft()).y() > demo.mapTo(page, demo.rect().bottomLeft()).y(),
        qtbot,
    )
    for button in page.buttons.values():
        wait_until(
            lambda b=button: b.width() >= b.fontMetrics().horizontalAdvance(b.text()),
            qtbot,
        )
