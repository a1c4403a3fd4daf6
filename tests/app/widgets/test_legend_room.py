"""The legend in a view that is narrower than it would like to be."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt
from PySide6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot

from desktop_app.widgets.slide.corners import MARGIN_PX, Corners
from desktop_app.widgets.slide.legend import WIDTH_PX, Legend, MapLegend
from tests.waiting import wait_until


def test_a_legend_stays_within_a_narrow_view_and_grows_again(qtbot: QtBot) -> None:
    canvas = QWidget()
    qtbot.addWidget(canvas)
    canvas.resize(800, 600)
    legend = Legend()
    Corners(canvas).put(legend, Qt.Corner.BottomLeftCorner)
    canvas.show()
    legend.show_map(MapLegend("Feature 2", "an encoder, an SAE", (0.0, 3.1)))
    assert legend.width() == WIDTH_PX
    canvas.resize(QSize(240, 340))
    wait_until(lambda: legend.width() == 240 - 2 * MARGIN_PX, qtbot)
    assert canvas.rect().contains(legend.geometry())
    canvas.resize(QSize(800, 600))
    wait_until(lambda: legend.width() == WIDTH_PX, qtbot)
