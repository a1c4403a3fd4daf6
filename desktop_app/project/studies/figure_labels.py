"""Fits the words of a drawn figure into its room: legend, names of the axes, names of rows and columns."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from sae_backend.studies.framework.report import Cells, Figure

if TYPE_CHECKING:
    import matplotlib as mpl
    from matplotlib.figure import Figure as Canvas

_LETTER: Final = 0.56
"""Mean width of a letter as a share of its height."""

_LINE: Final = 1.25
_ENTRY: Final = 1.7
_BESIDE_PT: Final = 360.0
"""From this width on there is room for a legend beside the axes."""

_LEGEND_CHARS: Final = 26
_EDGE_PT: Final = 60.0
_MOST_LINES: Final = 5
_FEWEST_CHARS: Final = 14


def fit(canvas: Canvas, axes: mpl.axes.Axes, figure: Figure, points: float) -> None:
    """Lay out a figure's words for the size that its canvas has now; may be asked again for another size.

    Parameters
    ----------
    points
        Height of the letters.
    """
    width, height = (72.0 * inches for inches in canvas.get_size_inches())
    beside, below = _legend(canvas, axes, width, points)
    across, down = width - _EDGE_PT - beside, height - _EDGE_PT - below
    axes.set_xlabel(_wrapped(figure.x_label, across, points))
    axes.set_ylabel(_wrapped(figure.y_label, down, points))
    cells = [mark for mark in figure.marks if isinstance(mark, Cells)]
    if figure.x_names and not cells:
        _name_places(axes, [str(name) for name in figure.x_names], across, points)
    for mark in cells:
        rows, columns = mark.row_names, mark.col_names
        # As many names as can be read; the pointer tells the others.
        axes.set_yticks(*_named(rows, (height - 1.5 * _EDGE_PT) / max(len(rows), 1), points))
        step = (width - 3 * _EDGE_PT) / max(len(columns), 1)
        is_short = max(map(len, map(str, columns)), default=0) * _LETTER * points < step
        axes.set_xticks(*_named(columns, step, points), rotation=0 if is_short else 90)
    _take_words_as_they_are(canvas, axes, figure)


def _name_places(axes: mpl.axes.Axes, names: Sequence[str], room_pt: float, points: float) -> None:
    """Name the places of the x axis; names that have no room beside one another are turned."""
    chars = int(room_pt / (max(len(names), 1) * _LETTER * (points - 1)))
    lines = [textwrap.wrap(name, max(chars, 1), break_long_words=False) for name in names]
    longest = max((len(line) for each in lines for line in each), default=0)
    turned = longest > chars or any(len(each) > _MOST_LINES for each in lines)
    axes.set_xticks(
        range(len(names)),
        names if turned else ["\n".join(each) for each in lines],
        rotation=35 if turned else 0,
        ha="right" if turned else "center",
    )


def _wrapped(text: str, room_pt: float, points: float) -> str:
    return "\n".join(textwrap.wrap(text, max(_FEWEST_CHARS, int(room_pt / (_LETTER * points)))))


def _named(names: Sequence[str], step_pt: float, points: float) -> tuple[range, list[str]]:
    """Places and names of every k-th row, so that none lies over the next."""
    every = max(1, math.ceil(_LINE * (points - 1) / max(step_pt, 0.1)))
    places = range(0, len(names), every)
    return places, [str(names[place]) for place in places]


def _legend(canvas: Canvas, axes: mpl.axes.Axes, width_pt: float, points: float) -> tuple[float, float]:
    """Put the legend beside the axes or below them, so that it hides nothing; returns about how wide or high it is."""
    ink = axes.xaxis.label.get_color()
    for old in (*canvas.legends, axes.get_legend()):
        if old is not None:
            old.remove()
    handles, labels = axes.get_legend_handles_labels()
    if not labels:
        return 0.0, 0.0
    look = {"frameon": False, "fontsize": points - 1, "labelcolor": ink}
    beside = width_pt >= _BESIDE_PT
    if beside:
        legend = axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0.0, **look)
        chars = _LEGEND_CHARS
    else:
        legend = canvas.legend(handles, labels, loc="outside lower left", **look)
        chars = max(_FEWEST_CHARS, int(width_pt / (_LETTER * points)) - 6)
    n_lines = 0
    for text in legend.get_texts():
        lines = textwrap.wrap(text.get_text(), chars)
        text.set_text("\n".join(lines))
        n_lines += len(lines)
    return (_LETTER * chars * points, 0.0) if beside else (0.0, _ENTRY * n_lines * points)


def _take_words_as_they_are(canvas: Canvas, axes: mpl.axes.Axes, figure: Figure) -> None:
    """Names of slides, features and types start no formula, whatever signs are in them; powers of ten still do."""
    from matplotlib.text import Text

    powers = [
        *(axes.get_xticklabels(which="both") if figure.x_is_log else ()),
        *(axes.get_yticklabels(which="both") if figure.y_is_log else ()),
    ]
    for found in canvas.findobj(Text):
        if isinstance(found, Text) and not any(found is power for power in powers):
            found.set_parse_math(False)
