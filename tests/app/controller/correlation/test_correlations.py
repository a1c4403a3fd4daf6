"""The correlations of a project of twelve slides, in the window."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from desktop_app.app import WindowStart, open_start
from desktop_app.canvas.slide_layers import TOGETHER
from desktop_app.project.correlation.options import CorrelateOptions
from desktop_app.project.correlation.staleness import options_of
from desktop_app.store import NewCorrelation, Store
from desktop_app.widgets.correlation.correlations import CorrelationsPanel
from desktop_app.widgets.correlation.filter import MATRIX, TABLE
from desktop_app.widgets.correlation.header import OFF, SIDE_BY_SIDE, TWO_HUES
from sae_backend.cells.table import CellImport
from sae_backend.worker.requests import Cancelled, CorrelateRequest, Submit, to_line
from tests.app.conftest import Parts
from tests.app.fixtures.vector_project import WorldChoice, make_project
from tests.waiting import wait_until

pytestmark = pytest.mark.gl
PLASMA, PLASMA_FEATURE = "plasma cell", 8
LEFT, NONE = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project as it is made; copied before it is changed."""
    folder = tmp_path_factory.mktemp("world") / "project"
    make_project(folder, WorldChoice())
    return folder


@pytest.fixture
def world(made: Path) -> Path:
    """A copy of the project beside the same slides."""
    folder = made.with_name("copy")
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(made, folder)
    return folder


def _open(parts: Parts, folder: Path, qtbot: QtBot, feature: int = PLASMA_FEATURE) -> CorrelationsPanel:
    open_start(parts.desktop, WindowStart(project=folder, feature=feature))
    panel = parts.window.correlations
    parts.window.show_panel("Correlations")
    wait_until(lambda: panel.frame is not None, qtbot)
    return panel


def _add_run(folder: Path, name: str, factor: float = 1.0, sae: str | None = None) -> int:
    """A second run of the project, with r a factor smaller."""
    with Store.open(folder) as store:
        first = store.correlations.all()[0]
        arrays = dict(store.correlations.arrays(first.id))
        arrays["pearson/value"] = arrays["pearson/value"] * factor
        return store.correlations.add(
            NewCorrelation(
                sae or first.sae_digest,
                first.analysis_ids,
                first.spec,
                first.meta,
                arrays,
                name,
                first.cells,
                first.split_id,
            )
        ).id


def test_a_run_says_what_it_stands_on_and_is_renamed(parts: Parts, world: Path, qtbot: QtBot) -> None:
    panel = _open(parts, world, qtbot)
    header = panel.header
    assert header.facts.text().startswith("held out: 6 of 12 patients report; 600 tiles of 6 slides")
    assert not header.mark.text() and header.again_button.isHidden()
    assert "Pearson" in header.notes.toPlainText() and header.notes.isHidden()
    header.notes_action.setChecked(True)
    assert header.notes.isVisible()
    assert header.runs.count() == 1
    parts.dialogs.words = "All types"
    header.rename_action.trigger()
    assert header.runs.currentText().startswith("All types, ")
    assert f"Follows {PLASMA}" in panel.summary.toPlainText()
    assert f"Feature {PLASMA_FEATURE} and {PLASMA}" in panel.details.text(), "what it follows most"
    parts.controller.select_feature(2)
    assert "Follows cancer" in panel.summary.toPlainText() and "Feature 2 and cancer" in panel.details.text()


def test_runs_are_chosen_and_compared(parts: Parts, world: Path, qtbot: QtBot) -> None:
    _add_run(world, "Weaker", 0.5)
    _add_run(world, "Elsewhere", sae="0b" * 12)
    panel = _open(parts, world, qtbot)
    header = panel.header
    names = [header.runs.itemText(i).partition(",")[0] for i in range(header.runs.count())]
    assert names == ["Elsewhere", "Weaker", "Run 1"], "the newest first, and none is lost"
    assert panel.frame.record.name == "Weaker", "the newest of the autoencoder that is shown"
    header.other.setCurrentIndex(1)
    header.other.activated.emit(1)
    model = panel.table.pairs
    wait_until(lambda: model.comparison is not None, qtbot)
    place = model.row_of(PLASMA_FEATURE, panel.frame.type_names.index(PLASMA))
    column = panel.frame.type_names.index(PLASMA)
    value = panel.frame.value[PLASMA_FEATURE, column]
    assert model.comparison.difference[PLASMA_FEATURE, column] == pytest.approx(-value)
    assert model.headerData(13, Qt.Orientation.Horizontal) == "r in Run 1" and place >= 0
    header.runs.setCurrentIndex(0)
    header.runs.activated.emit(0)
    wait_until(lambda: panel.frame is not None and panel.frame.record.name == "Elsewhere", qtbot)
    assert header.mark.text() == "other autoencoder"
    panel.pair_requested.emit(2, "cancer")
    assert parts.window.features.selected() == PLASMA_FEATURE, "its numbers mean other features"


def test_a_run_whose_cells_changed_is_stale_and_made_again_as_it_was(
    parts: Parts, world: Path, qtbot: QtBot
) -> None:
    with Store.open(world) as store:
        for slide in (1, 4):
            table = store.cells.get(slide)
            half = table.take(np.arange(table.n_cells) % 2 == 0)
            store.cells.add(slide, CellImport(half, "half.csv", "cd" * 32, "tester", ()))
    panel = _open(parts, world, qtbot)
    assert panel.header.mark.text() == "stale: cells of 2 slides changed since"
    panel.header.again_button.click()
    wait_until(lambda: 1 in parts.backend.requests, qtbot)
    request = parts.backend.requests[1]
    assert isinstance(request, CorrelateRequest)
    assert to_line(Submit(1, request)), "it can be sent to the worker"
    assert tuple(request.spec["statistics"]) == ("pearson", "spearman") and len(request.parts) == 12


def test_tiles_of_a_run_whose_cells_changed_are_said_to_be_those_of_today(
    parts: Parts, world: Path, qtbot: QtBot
) -> None:
    with Store.open(world) as store:
        tables = {slide.id: store.cells.get(slide.id) for slide in store.slides.all()}
        others = replace(tables[1], type_names=tuple(f"new {name}" for name in tables[1].type_names))
        store.cells.add(1, CellImport(others, "new.csv", "cd" * 32, "tester", ()))
    panel = _open(parts, world, qtbot)
    panel.pair_requested.emit(PLASMA_FEATURE, PLASMA)
    scatter = panel.charts.scatter
    wait_until(lambda: scatter.points.x.size > 0, qtbot)
    assert f"against {PLASMA}, cells in the tile, as they are now" in scatter.accessibleName()
    with Store.open(world) as store:
        for slide, table in tables.items():
            others = replace(table, type_names=tuple(f"new {name}" for name in table.type_names))
            store.cells.add(slide, CellImport(others, "newer.csv", "ce" * 32, "tester", ()))
    panel.header.runs.activated.emit(panel.header.runs.currentIndex())
    panel.pair_requested.emit(PLASMA_FEATURE, PLASMA)
    wait_until(lambda: "the run used other cells" in scatter.sentence, qtbot)


def test_a_cancelled_run_leaves_no_files(parts: Parts, world: Path, qtbot: QtBot) -> None:
    panel = _open(parts, world, qtbot)
    panel.header.run_button.click()
    wait_until(lambda: 1 in parts.backend.requests, qtbot)
    kept = world / "cache" / "correlations"
    assert list(kept.glob("*.npy"))
    parts.backend.events.append(Cancelled(1))
    parts.controller._context.tasks.poll()
    assert list(kept.iterdir()) == []


def test_options_are_asked_for_with_what_the_project_has(parts: Parts, world: Path, qtbot: QtBot) -> None:
    panel = _open(parts, world, qtbot)
    parts.dialogs.correlate = CorrelateOptions(covariates=("site",), baselines=False)
    panel.header.options_button.click()
    wait_until(lambda: 1 in parts.backend.requests, qtbot)
    request = parts.backend.requests[1]
    assert isinstance(request, CorrelateRequest)
    assert parts.dialogs.asked[-1] == "correlate" and "site" in parts.dialogs.offer.covariates
    assert "patient" not in parts.dialogs.offer.covariates, "it differs from slide to slide"
    assert "6 patients choose, 6 report" in parts.dialogs.offer.split
    assert request.spec["statistics"][-1] == "partial" and not request.baselines


def test_a_pair_shows_tiles_of_all_slides_and_leads_to_them(parts: Parts, world: Path, qtbot: QtBot) -> None:
    panel = _open(parts, world, qtbot, feature=2)
    panel.filter.views.setCurrentIndex(TABLE)
    panel.table.selectRow(panel.table.pairs.row_of(PLASMA_FEATURE, panel.frame.type_names.index(PLASMA)))
    assert parts.window.features.selected() == PLASMA_FEATURE
    charts = panel.charts
    wait_until(lambda: charts.scatter.points.x.size > 0, qtbot)
    points = charts.scatter.points
    assert points.x.size == 600 and len(np.unique(points.slide)) == 6, "those of the slides that report"
    column = panel.frame.type_names.index(PLASMA)
    r = np.corrcoef(points.x, points.y)[0, 1]
    assert r == pytest.approx(panel.frame.value[PLASMA_FEATURE, column], abs=1e-3)
    labels = [row.label for row in charts.forest.rows]
    assert labels[:2] == ["This run", "Within slides"] and len(labels) == 14
    assert sum(row.hollow for row in charts.forest.rows) == 6
    # A point of a slide that is not open.
    index = int(np.flatnonzero(points.y == points.y[points.slide == points.slide[-1]].max())[0])
    scatter = charts.scatter
    wait_until(lambda: scatter.rect().contains(scatter.position_of(index).toPoint()), qtbot)
    QTest.mouseClick(scatter, LEFT, NONE, scatter.position_of(index).toPoint())
    record = parts.controller._context.session.slide_record
    assert record.id == points.slides[points.slide[index]][0]
    assert parts.controller._context.session.tile == points.tile[index]
    panel.filter.views.setCurrentIndex(MATRIX)
    assert panel.matrix.matrix.feature_at(panel.matrix.currentIndex().row()) == PLASMA_FEATURE


def test_feature_and_cells_in_two_hues_and_side_by_side(parts: Parts, world: Path, qtbot: QtBot) -> None:
    panel = _open(parts, world, qtbot)
    panel.pair_requested.emit(PLASMA_FEATURE, PLASMA)
    panel.header.map_actions[TWO_HUES].trigger()
    wait_until(lambda: TOGETHER in parts.layers, qtbot)
    assert f"Cells: {PLASMA}" in parts.window.legend.text and "cells per tile" in parts.window.legend.text
    parts.controller.select_feature(2)
    assert f"Feature 2 and {PLASMA}" in panel.details.text(), "the type that was chosen stays"
    assert "Feature 2" in parts.window.legend.text
    panel.header.map_actions[SIDE_BY_SIDE].trigger()
    views = parts.window.views
    wait_until(lambda: views.is_open and views.second.legend.map is not None, qtbot)
    assert TOGETHER not in parts.layers
    assert views.second.legend.map.title == f"Cells: {PLASMA}"
    assert views.second.legend.map.unit == "cells per tile"
    heat = parts.controller.second_view._layers._heatmap.values
    store, record = parts.controller._context.session.store, parts.controller._context.session.slide_record
    table = store.cells.get(record.id)
    assert heat.sum() == np.sum(table.type_index == table.type_names.index(PLASMA))
    panel.header.map_actions[OFF].trigger()
    assert not views.is_open and TOGETHER not in parts.layers


def test_with_few_patients_the_panel_says_what_cannot_be_concluded(
    parts: Parts, tmp_path: Path, qtbot: QtBot
) -> None:
    choice = WorldChoice(n_slides=3, n_tiles=64, n_draws=20, baselines=False, hold_out=False)
    run = make_project(tmp_path / "few", choice)
    with Store.open(tmp_path / "few") as store:
        few = {**run.meta, "n_clusters": 3, "unit": "slide"}
        nothing = np.full((choice.n_features, len(few["type_names"])), np.nan)
        arrays = {**store.correlations.arrays(run.id), "pearson/p": nothing, "pearson/q": nothing}
        store.correlations.add(
            NewCorrelation(run.sae_digest, run.analysis_ids, run.spec, few, arrays, cells=run.cells)
        )
        assert not options_of(store, run).hold_out and options_of(store, run).targets == ("cells",)
    panel = _open(parts, tmp_path / "few", qtbot)
    assert "nothing can be concluded" in panel.header.note.text()
    assert "only 3 slides: no intervals and no p" in panel.header.facts.text()
    assert "too few" in panel.charts.volcano.sentence
    assert "not significantly different from chance" in panel.summary.toPlainText()
