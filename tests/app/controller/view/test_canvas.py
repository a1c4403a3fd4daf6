"""What lies on the canvas: the legend, the overview, several features at once, and the fit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from desktop_app.app import WindowStart, open_start
from desktop_app.canvas.slide_layers import HEATMAP, TOGETHER
from sae_backend.statistics.number_text import number_text
from tests.app.conftest import Parts
from tests.waiting import wait_until

pytestmark = pytest.mark.gl
KEY = Qt.Key


@pytest.fixture
def opened(parts: Parts, project: Path) -> Parts:
    open_start(parts.desktop, WindowStart(project=project, feature=4))
    return parts


def test_the_legend_names_feature_autoencoder_encoder_and_unit(opened: Parts) -> None:
    legend = opened.window.legend
    assert legend.isVisible()
    assert legend.text.splitlines() == [
        "Feature 4",
        "activation (SAE units)",
        "control:random-vit (random weights), SAE 5ae5ae5a",
    ]
    opened.window.annotation.name.setText("glands")
    opened.window.annotation.flush()
    assert legend.text.startswith("Feature 4: glands")
    QTest.keyClick(opened.window.features.view, KEY.Key_H)
    assert not legend.isVisible()
    QTest.keyClick(opened.window.features.view, KEY.Key_H)
    assert legend.isVisible()
    opened.window.menus.action("legend").setChecked(False)
    assert not legend.isVisible()


def test_the_legend_has_the_limits_that_are_typed(opened: Parts) -> None:
    controls, legend = opened.window.heatmap, opened.window.legend
    controls.high.setValue(0.5)
    assert legend.map is not None and legend.map.limits == (0.0, 0.5)
    controls.log.setChecked(True)
    assert legend.map.look.log and legend.map.limits[0] > 0
    assert controls.low.value() == pytest.approx(legend.map.limits[0], abs=1e-4)
    controls.reset.click()
    opened.controller.select_feature(5)
    assert legend.map.look.log, "the look stays with the next feature"


def test_the_legend_says_what_is_not_drawn(opened: Parts, tmp_path: Path) -> None:
    controls, legend = opened.window.heatmap, opened.window.legend
    assert legend.map is not None and legend.map.note == ""
    height = legend.sizeHint().height()
    controls.threshold_requested.emit(0.25)
    assert legend.map.note == "hidden: up to 0.25" and legend.map.note in legend.text
    assert legend.sizeHint().height() > height
    controls.smooth.click()
    assert "interpolated between tiles" in legend.map.note
    opened.controller.select_feature(5)
    assert legend.map.note == "interpolated between tiles", "the threshold begins anew with each feature"


def test_a_click_beside_the_tiles_says_so(opened: Parts) -> None:
    opened.window.slide_clicked.emit(120.0, 160.0)
    assert "no analysed tile" not in opened.window.fires_here.pages.sentence
    opened.window.slide_clicked.emit(345.0, 445.0)
    assert "no analysed tile here" in opened.window.fires_here.pages.sentence


def test_three_features_have_colours_and_a_fourth_is_refused(opened: Parts) -> None:
    window = opened.window
    for feature in (4, 5, 6):
        opened.controller.select_feature(feature)
        QTest.keyClick(window.features.view, KEY.Key_C)
    assert opened.controller.together.features == (4, 5, 6)
    assert TOGETHER in opened.layers and not window.viewer.layers[HEATMAP].visible
    source = "control:random-vit (random weights), SAE 5ae5ae5a"
    features = opened.controller._context.session.features
    peaks = {
        n: f"Feature {n}, 0 to {number_text(float(features.column(n)[1].max(initial=0)))} SAE units"
        for n in (4, 5, 6)
    }
    assert window.legend.text.splitlines() == [peaks[4], peaks[5], peaks[6], source]
    opened.controller.select_feature(7)
    QTest.keyClick(window.features.view, KEY.Key_C)
    assert "together already" in window.notice.text
    opened.controller.select_feature(5)
    QTest.keyClick(window.features.view, KEY.Key_C)
    assert window.legend.text.splitlines() == [peaks[4], peaks[6], source]
    assert window.notice.text == "", "what was said of too many is not true any more"
    window.heatmap.alone.click()
    assert TOGETHER not in opened.layers and window.viewer.layers[HEATMAP].visible
    assert window.legend.text.startswith("Feature 5")


def test_the_overview_follows_the_field_and_moves_it(opened: Parts, qtbot: QtBot) -> None:
    window = opened.window
    overview = window.overview
    wait_until(lambda: overview.has_slide, qtbot)
    assert not overview.isVisible(), "the whole slide is seen already"
    window.zoom_to(0.1)
    window.look_at(100.0, 100.0)
    assert overview.isVisible()
    # 700 x 900 px at 0.5 um.
    field = overview.field_px()
    assert field.center().x() == pytest.approx(overview.width() * 100 / 450, abs=2)
    assert field.center().y() == pytest.approx(overview.height() * 100 / 350, abs=2)
    at = QPoint(overview.width() * 3 // 4, overview.height() // 2)
    QTest.mouseClick(overview, Qt.MouseButton.LeftButton, pos=at)
    y, x = window.viewer.scene.camera.center[-2:]
    assert (y, x) == pytest.approx((175, 337), abs=4)
    window.menus.action("overview").setChecked(False)
    assert not overview.isVisible()


def test_the_whole_slide_stays_in_sight_until_the_user_moves(opened: Parts, qtbot: QtBot) -> None:
    window = opened.window
    window.fit()
    before = window.um_per_px
    window.qt_window.resize(1050, 800)
    wait_until(lambda: window.um_per_px > before, qtbot)
    y0, x0, y1, x1 = window.field_um()
    assert y0 <= 0 and x0 <= 0 and y1 >= 350 and x1 >= 450
    window.zoom_to(0.2)
    window.qt_window.resize(1300, 800)
    QTest.qWait(100)
    assert window.um_per_px == pytest.approx(0.2)


def test_cells_have_their_legend_while_they_are_shown(opened: Parts, tmp_path: Path, qtbot: QtBot) -> None:
    opened.dialogs.file = tmp_path / "cells.csv"
    opened.window.menus.requested("import_cells").emit()
    wait_until(lambda: "imported" in opened.window.notice.text, qtbot)
    assert "a 20" in opened.window.legend.text and "b 20" in opened.window.legend.text
    opened.window.menus.action("cells").setChecked(False)
    assert "a 20" not in opened.window.legend.text


def test_the_legend_paints_its_colours(opened: Parts) -> None:
    image = opened.window.legend.grab().toImage()
    seen = {
        image.pixelColor(x, 8 + opened.window.legend.fontMetrics().height() + 6).name()
        for x in range(12, 250)
    }
    assert len(seen) > 60, "a bar of many colours"
    assert np.isfinite(opened.window.legend.map.limits[1])
