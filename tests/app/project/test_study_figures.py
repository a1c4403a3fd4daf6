"""A figure of a study becomes a picture: every mark, its points that can be asked, and words that are not formulas."""

from __future__ import annotations

import io
import xml.etree.ElementTree as ElementTree
from itertools import pairwise

import numpy as np
import pytest
from matplotlib.figure import Figure as Canvas
from PIL import Image

from desktop_app.export.report.parts import figure as in_page
from desktop_app.project.studies.figure_labels import fit
from desktop_app.project.studies.figures import Look, draw, picture
from sae_backend.studies.framework.report import (
    Band,
    Bars,
    Cells,
    Figure,
    Histogram,
    Line,
    Points,
    Rule,
    Target,
)

X = np.array([0.0, 1.0, np.nan, 3.0])
MARKS = {
    "points": Points(
        X, X**2, "cost in $ and $", [Target(0, k) for k in range(4)], list("abcd"), write_names=True
    ),
    "intervals": Points(X, X, "r", x_low=X - 1, x_high=X + 1, y_low=X - 1, y_high=X + np.nan),
    "line": Line(X, X, "a line", X - 1, X + 1),
    "bars": Bars(
        np.array([0.5, np.nan]), "b", np.array([0.4, 0.1]), np.array([0.6, 0.2]), [Target(0, 7), Target()]
    ),
    "histogram": Histogram(np.arange(4.0), np.array([1, 5, 2]), "h"),
    "rule": Rule("y", 0.5, "chance"),
    "band": Band("x", 0.2, 0.4, "chance"),
}


def a_figure(*marks, **more) -> Figure:
    return Figure("key", "A title with $x_1$", "A caption.", "across", "up", marks, **more)


@pytest.mark.parametrize("name", MARKS)
def test_every_mark_is_drawn(name: str) -> None:
    found = Image.open(io.BytesIO(picture(a_figure(MARKS[name], x_names=["one", "two"]), "png")))
    empty = Image.open(io.BytesIO(picture(a_figure(), "png")))
    assert found.size[0] == empty.size[0] and np.asarray(found).std() != np.asarray(empty).std()


def test_points_lead_to_what_lies_behind_them_and_missing_ones_are_not_there() -> None:
    drawn = draw(Canvas(), a_figure(MARKS["points"], MARKS["bars"]), Look())
    assert [hit.target.feature for hit in drawn.hits if hit.target] == [0, 1, 3, 7]
    assert [hit.name for hit in drawn.hits[:3]] == ["a", "b", "d"]
    assert (drawn.hits[1].x, drawn.hits[1].y) == (1.0, 1.0)


def test_cells_keep_their_names_and_empty_ones_are_not_asked_for() -> None:
    values = np.array([[1.0, -2.0], [np.nan, 0.5]])
    targets = [[Target(0, 1), Target(0, 2)], [Target(0, 3), Target(0, 4)]]
    cells = Cells(values, ["first.tif", "second.tif"], ["1", "2"], "SD", targets, is_signed=True)
    drawn = draw(Canvas(), a_figure(cells), Look())
    assert [hit.target.feature for hit in drawn.hits] == [1, 2, 4]
    assert drawn.hits[1].name == "first.tif, 2: -2"
    assert [tick.get_text() for tick in drawn.axes.get_yticklabels()] == ["first.tif", "second.tif"]
    low, high = drawn.axes.images[0].get_clim()
    assert (low, high) == (-2.0, 2.0)


def test_words_stay_words_and_the_same_figure_gives_the_same_bytes() -> None:
    figure = a_figure(MARKS["points"], x_limits=(0, 4), y_limits=(0.1, 10), y_is_log=True)
    first = picture(figure, "svg")
    assert first == picture(figure, "svg")
    words = " ".join(ElementTree.fromstring(first).itertext())
    assert "A title with $x_1$" in words and "cost in $ and $" in words and "A caption." in words
    assert picture(figure, "pdf").startswith(b"%PDF")


def test_many_points_become_pixels_in_the_report() -> None:
    few, many = (Points(np.arange(n), np.arange(n)) for n in (10, 4000))
    assert "image/svg+xml" in in_page(a_figure(few)) and "image/png" in in_page(a_figure(many))
    assert len(in_page(a_figure(many))) < 200_000


def test_words_find_room_at_each_size_of_the_canvas() -> None:
    names = [f"slide-{k:02d}.tif" for k in range(60)]
    cells = Cells(np.zeros((60, 3)), names, ["1", "2", "3"], "SD")
    wide, narrow = (9.0, 12.0), (3.4, 2.6)
    canvas = Canvas(figsize=narrow, layout="constrained")
    figure = a_figure(cells, MARKS["rule"])
    drawn = draw(canvas, figure, Look())
    shown = [tick.get_text() for tick in drawn.axes.get_yticklabels()]
    assert 3 <= len(shown) < 20 and set(shown) < set(names)
    canvas.draw_without_rendering()
    boxes = [tick.get_window_extent() for tick in drawn.axes.get_yticklabels()]
    assert not any(one.overlaps(other) for one, other in pairwise(boxes))
    # Beside a narrow figure a legend leaves no room for the figure.
    assert drawn.axes.get_legend() is None and len(canvas.legends) == 1
    canvas.set_size_inches(*wide)
    fit(canvas, drawn.axes, figure, Look().points)
    assert [tick.get_text() for tick in drawn.axes.get_yticklabels()] == names
    assert drawn.axes.get_legend() is not None and not canvas.legends


def test_long_words_of_an_axis_stay_in_the_picture() -> None:
    words = "difference of the means of all patients in standard deviations of these patients"
    figure = Figure("key", "", "", words, words, [MARKS["line"]])
    canvas = Canvas(figsize=(3.0, 2.4), layout="constrained")
    drawn = draw(canvas, figure, Look())
    canvas.draw_without_rendering()
    room = canvas.bbox.padded(1)
    for label in (drawn.axes.xaxis.label, drawn.axes.yaxis.label):
        box = label.get_window_extent()
        assert room.x0 <= box.x0 and box.x1 <= room.x1 and room.y0 <= box.y0 and box.y1 <= room.y1
