"""A study's figure in the window: its colours are those of the theme, and what leads somewhere is found first."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.colors import to_hex
from PySide6.QtGui import QColor, QPalette

from desktop_app.widgets.charts.figure_view import FigureView
from sae_backend.studies.framework.report import Figure, Line, Points, Target

PLACES = np.linspace(0.0, 1.0, 5)


@pytest.fixture
def view(qtbot) -> FigureView:
    made = FigureView()
    qtbot.addWidget(made)
    points = Points(PLACES, PLACES, targets=[Target(feature=k) for k in range(5)])
    made.show_figure(
        Figure("one", "One", "Five points.", "x", "y", [Line(PLACES, PLACES, is_baseline=True), points])
    )
    return made


def test_a_figure_takes_the_colours_of_another_theme(view: FigureView) -> None:
    palette = QPalette(view.palette())
    palette.setColor(QPalette.ColorRole.Window, QColor("#123456"))
    view.setPalette(palette)
    assert view.drawn is not None and to_hex(view.drawn.axes.get_facecolor()) == "#123456"


def test_what_leads_somewhere_is_found_before_a_baseline_at_the_same_place(view: FigureView) -> None:
    assert view.drawn is not None
    place = view.drawn.axes.transData.transform((PLACES[3], PLACES[3]))
    hit = view.nearest(*place)
    assert hit is not None and hit.target == Target(feature=3)
    assert view.nearest(-50.0, -50.0) is None
