"""The studies of a project of twelve slides, in the window."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QComboBox, QLineEdit
from pytestqt.qtbot import QtBot
from scipy.sparse import csr_array, hstack

from desktop_app.app import WindowStart, open_start
from desktop_app.store import Store
from desktop_app.widgets.studies.studies import RESULT, SETTINGS, StudiesPanel
from sae_backend.activations.feature_matrix import FeatureMatrix, write_features
from sae_backend.compute.dispatch import run
from sae_backend.studies.framework.registry import studies
from sae_backend.studies.framework.report import Target
from sae_backend.worker.requests import Cancelled, Done, StudyRequest
from tests.app.conftest import Parts
from tests.app.fixtures.vector_project import WorldChoice, make_project
from tests.waiting import wait_until

pytestmark = pytest.mark.gl


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world") / "project"
    make_project(folder, WorldChoice(n_tiles=64, n_draws=20, baselines=False))
    return folder


@pytest.fixture
def world(made: Path) -> Path:
    folder = made.with_name("copy")
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(made, folder)
    return folder


def _open(parts: Parts, folder: Path, qtbot: QtBot, kind: str = "slides") -> StudiesPanel:
    open_start(parts.desktop, WindowStart(project=folder))
    with Store.open(folder) as store:
        first = store.slides.all()[0].id
    parts.controller.projects.open_record(first)
    panel = parts.window.studies
    parts.window.show_panel("Studies")
    panel.choose(kind)
    wait_until(lambda: "12 slides" in panel.has.text(), qtbot)
    return panel


def _asked(parts: Parts, qtbot: QtBot) -> tuple[int, StudyRequest]:
    """The newest study that was asked of the worker."""
    found: list[tuple[int, StudyRequest]] = []

    def look() -> bool:
        found[:] = [
            (job, one) for job, one in parts.backend.requests.items() if isinstance(one, StudyRequest)
        ]
        return bool(found)

    wait_until(look, qtbot)
    return found[-1]


def _do(parts: Parts, panel: StudiesPanel, qtbot: QtBot) -> None:
    """Start the chosen study, let the worker do it, and wait for its answer to be seen."""
    before = set(parts.backend.requests)
    panel.start.click()
    wait_until(lambda: set(parts.backend.requests) > before, qtbot)
    job, request = _asked(parts, qtbot)
    shown = parts.controller.studies.view
    parts.backend.events.append(Done(job, run(request)))
    # The first answer waits for matplotlib, too.
    wait_until(lambda: parts.controller.studies.view not in (None, shown), qtbot)
    assert panel.pages.currentIndex() == RESULT


def _combo(panel: StudiesPanel, key: str) -> QComboBox:
    widget = panel.form._fields[key][1]
    assert isinstance(widget, QComboBox)
    return widget


def test_every_study_says_what_it_answers_and_what_is_missing(
    parts: Parts, world: Path, qtbot: QtBot
) -> None:
    panel = _open(parts, world, qtbot)
    for one in studies():
        panel.choose(one.kind)
        wait_until(lambda wanted=one: panel.question.text() == wanted.question, qtbot)
        assert one.needs in panel.has.text() and panel.pages.currentIndex() == SETTINGS
    panel.choose("encoders")
    wait_until(lambda: "one encoder only" in panel.missing.text(), qtbot)
    assert not panel.start.isEnabled() and "control:random-vit" in panel.missing.text()


def test_a_study_is_done_and_its_points_lead_to_features_and_slides(
    parts: Parts, world: Path, qtbot: QtBot
) -> None:
    panel = _open(parts, world, qtbot)
    fact = _combo(panel, "fact")
    fact.setCurrentIndex(fact.findData("site"))
    assert _combo(panel, "a").findData("site 1") >= 0
    _do(parts, panel, qtbot)
    assert "12 slides of 12 patients" in panel.result.words.toPlainText()
    with Store.open(world) as store:
        assert [one.kind for one in store.studies.all()] == ["slides"]
    panel.result.choose_figure("slides-difference")
    drawn = panel.result.figure.drawn
    assert drawn is not None
    hit = next(hit for hit in drawn.hits if hit.target is not None and hit.target.feature == 8)
    place = drawn.axes.transData.transform((hit.x, hit.y))
    assert panel.result.figure.nearest(*place).target == hit.target
    parts.controller.studies.targets.follow(hit.target)
    assert parts.controller._context.session.feature == 8
    galleries = panel.result.galleries
    wait_until(lambda: galleries.galleries[0].list.count() > 0, qtbot)
    assert "feature 8" in galleries.galleries[0].title.text()
    (world / "cache").rename(world / "elsewhere")
    parts.controller.studies.targets.follow(hit.target)
    wait_until(lambda: "slide-0.tif and 11 other slides" in galleries.note.text(), qtbot)
    assert "sparsescope analyze" in galleries.note.text() and galleries.galleries[0].isHidden()
    (world / "elsewhere").rename(world / "cache")
    parts.controller.studies.targets.follow(Target(slide="slide-3.tif"))
    wait_until(lambda: parts.controller._context.session.slide_record.name == "slide-3.tif", qtbot)


def test_a_threshold_that_is_moved_tells_the_study_anew(parts: Parts, world: Path, qtbot: QtBot) -> None:
    panel = _open(parts, world, qtbot)
    _combo(panel, "fact").setCurrentIndex(_combo(panel, "fact").findData("site"))
    _do(parts, panel, qtbot)
    assert "false discovery rate of 0.05" in panel.result.words.toPlainText()
    panel.result.thresholds_row.set_value("q", 0.2)
    assert "false discovery rate of 0.2" in panel.result.words.toPlainText()


def test_runs_are_chosen_compared_renamed_and_exported(
    parts: Parts, world: Path, qtbot: QtBot, tmp_path: Path
) -> None:
    panel = _open(parts, world, qtbot)
    _do(parts, panel, qtbot)
    panel.again.click()
    assert panel.pages.currentIndex() == SETTINGS
    measure = _combo(panel, "measure")
    measure.setCurrentIndex(measure.findData("rate"))
    _do(parts, panel, qtbot)
    wait_until(lambda: "share of tiles in which" in panel.result.words.toPlainText(), qtbot)
    assert panel.runs.count() == 3 and panel.others.count() == 2
    panel.result.choose_figure("slides-plane")
    panel.others.setCurrentIndex(1)
    panel.others.activated.emit(1)
    wait_until(lambda: "measure: rate / mean" in panel.result.words.toPlainText(), qtbot)
    assert panel.result.other_figure.drawn is not None
    panel.result.choose_table("difference-slides-profiles")
    assert "has no interval" in panel.result.table_note.text()
    assert panel.result.table.model.rowCount() == 12
    parts.dialogs.target = tmp_path / "difference.tsv"
    panel.export_requested.emit("table")
    wait_until((tmp_path / "difference.tsv").is_file, qtbot)
    assert "L0 · difference" in (tmp_path / "difference.tsv").read_text().splitlines()[0]
    parts.dialogs.words = "By rate"
    panel.rename_requested.emit()
    wait_until(lambda: panel.runs.itemText(0).startswith("By rate"), qtbot)
    parts.dialogs.target = tmp_path / "plane.svg"
    panel.export_requested.emit("figure")
    wait_until(lambda: "plane.svg" in parts.window.notice.text, qtbot)
    assert "<svg" in (tmp_path / "plane.svg").read_text()
    panel.result.choose_table("slides-nearest")
    parts.dialogs.target = tmp_path / "nearest.csv"
    panel.export_requested.emit("table")
    wait_until((tmp_path / "nearest.csv").is_file, qtbot)
    parts.dialogs.directory = tmp_path
    panel.export_requested.emit("all")
    wait_until(lambda: bool(list(tmp_path.glob("slides-*/difference-to-*/difference.json"))), qtbot)
    assert list(tmp_path.glob("slides-*/study.json"))
    # The other run goes, and its tables with it.
    panel.others.setCurrentIndex(0)
    panel.others.activated.emit(0)
    assert not any(key.startswith("difference-") for key in panel.result.table_keys)
    parts.dialogs.target = tmp_path / "report.html"
    panel.report.click()
    wait_until((tmp_path / "report.html").is_file, qtbot)


@pytest.mark.parametrize("how", ["button", "close"])
def test_enlarged_results_come_back_to_their_place_and_size(
    parts: Parts, world: Path, qtbot: QtBot, how: str
) -> None:
    panel = _open(parts, world, qtbot)
    window, dock = parts.window, parts.window.docks["Results"]
    wait_until(lambda: dock.height() > 300, qtbot)
    window.qt_window.resizeDocks([dock], [333], Qt.Orientation.Vertical)
    wait_until(lambda: dock.height() == 333, qtbot)
    before, area = dock.geometry(), window.qt_window.dockWidgetArea(dock)
    others = {
        name: one.geometry() for name, one in window.docks.items() if one.isVisible() and one is not dock
    }
    # Qt forgets to lay the dock out where it comes back a second time.
    for _ in range(2):
        panel.enlarge.click()
        assert dock.isFloating() and panel.enlarge.text() == "Return to window"
        assert dock.width() > 0.9 * window.qt_window.width()
        assert dock.height() > 0.8 * window.qt_window.height()
        assert window.qt_window.screen().availableGeometry().contains(dock.geometry())
        if how == "button":
            panel.enlarge.click()
        else:
            dock.close()
        wait_until(lambda: dock.isVisible() and dock.geometry() == before, qtbot)
    assert not dock.isFloating() and window.qt_window.dockWidgetArea(dock) == area
    assert panel.enlarge.text() == "Enlarge" and panel.isVisible()
    assert {name: window.docks[name].geometry() for name in others} == others


def test_a_study_under_way_is_cancelled_and_can_be_started_again(
    parts: Parts, world: Path, qtbot: QtBot
) -> None:
    panel = _open(parts, world, qtbot)
    panel.start.click()
    job, _ = _asked(parts, qtbot)
    wait_until(panel.cancel.isVisible, qtbot)
    assert not panel.start.isEnabled()
    panel.cancel.click()
    assert parts.backend.cancelled == [job]
    parts.backend.events.append(Cancelled(job))
    wait_until(panel.start.isEnabled, qtbot)
    assert not panel.cancel.isVisible()


def test_a_number_that_cannot_be_read_is_told_at_its_field(parts: Parts, world: Path, qtbot: QtBot) -> None:
    panel = _open(parts, world, qtbot, "depth")
    wait_until(lambda: "layers" in panel.form._fields, qtbot)
    line = panel.form._fields["layers"][1]
    assert isinstance(line, QLineEdit)
    line.setText("1, two")
    panel.start.click()
    assert "“Blocks” needs whole numbers" in panel.missing.text()
    line.setText("1, 2")
    settings = panel.form.settings()
    assert settings is not None and settings["layers"] == [1, 2]


def test_cells_that_changed_since_mark_a_study(parts: Parts, world: Path, qtbot: QtBot) -> None:
    panel = _open(parts, world, qtbot)
    _do(parts, panel, qtbot)
    assert not panel.mark.text()
    with Store.open(world) as store:
        for slide in store.slides.all()[:2]:
            store.slide_values.set({slide.id: {"patient": "other", "site": "north"}})
    parts.controller.studies._view = None
    parts.controller.studies.refresh()
    wait_until(lambda: bool(panel.mark.text()), qtbot)
    assert panel.mark.text() == "stale: the slide table says something else of 2 slides"


def test_tables_sort_numbers_as_numbers(parts: Parts, world: Path, qtbot: QtBot) -> None:
    panel = _open(parts, world, qtbot)
    _do(parts, panel, qtbot)
    panel.result.choose_table("slides-nearest")
    view = panel.result.table.view
    view.sortByColumn(3, view.horizontalHeader().sortIndicatorOrder().DescendingOrder)
    texts = [view.model().index(row, 3).data() for row in range(view.model().rowCount())]
    shown = [float(text.replace("−", "-")) for text in texts]
    assert shown == sorted(shown, reverse=True) and np.ptp(shown) > 0


def test_duplicates_get_one_concept_and_a_cluster_a_name(parts: Parts, world: Path, qtbot: QtBot) -> None:
    _doubled(world)
    panel = _open(parts, world, qtbot, "geometry")
    few = {"min_active": 10, "n_null": 19, "n_resamples": 5, "n_boot": 20, "plane": "pca"}
    parts.controller.studies.run(few)
    job, request = _asked(parts, qtbot)
    parts.backend.events.append(Done(job, run(request)))
    wait_until(lambda: parts.controller.studies.view is not None, qtbot)
    panel.merge_requested.emit()
    assert "Choose a group" in parts.window.notice.text
    table = panel.result.shown_table
    assert table is not None and table.key == "merge"
    groups = [[int(part) for part in text.split(",")] for text in table.columns["features"]]
    row = next(k for k, group in enumerate(groups) if {0, 1} <= set(group))
    panel.result.table.choose_row(row)
    parts.dialogs.words = "stroma: keloid"
    panel.merge_requested.emit()
    with Store.open(world) as store:
        digest = store.studies.all("geometry")[0].sae_digest
        for feature in groups[row]:
            note = store.annotations.get(digest, feature)
            assert note.concept == "stroma: keloid" and store.annotations.history(digest, feature)
    # Each is a step of its own that can be taken back.
    parts.controller.undo.undo()
    with Store.open(world) as store:
        concepts = [store.annotations.get(digest, feature).concept for feature in groups[row]]
    assert concepts.count("") == 1
    panel.name_cluster_requested.emit()
    found = panel.result.shown_table
    assert found is not None and found.key.startswith("clusters-")
    panel.result.table.choose_row(0)
    parts.dialogs.words = "Doubled"
    panel.name_cluster_requested.emit()
    named = panel.result.shown_table
    assert named is not None and named.columns["name"][0] == "Doubled"
    with Store.open(world) as store:
        (record,) = store.studies.all("geometry")
        assert list(store.studies.cluster_names(record.id).values()) == ["Doubled"]


def _doubled(folder: Path) -> None:
    """Make features 1 and 2 copies of feature 0 on every slide."""
    with Store.open(folder) as store:
        for analysis in store.analyses.all():
            place = store.cache_dir / analysis.feature_folder
            known = FeatureMatrix.open(place)
            columns = known.csc().tocsc()
            first = columns[:, [0]]
            doubled = hstack([first, first, first, columns[:, 3:]], format="csr")
            digests = {"sae_digest": known.sae_digest, "embedding_digest": known.embedding_digest}
            shutil.rmtree(place)
            write_features(place, [csr_array(doubled)], known.valid, known.grid, digests)
