"""A study's answer as plain values: sentences, figures and tables, for the window, files and the report alike.

A figure says what is drawn, not how: one drawer turns it into matplotlib wherever it is seen. No number of it
is rounded, so that what is exported is what was found.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[Any]


@dataclass(frozen=True)
class Target:
    """What lies behind a point: whoever clicks on it is led there.

    Attributes
    ----------
    set_number
        Number of the feature set within the study.
    feature
        Number of the feature, None where the point is none.
    slide
        Name of the slide, empty where the point is none.
    tile
        Number of the tile on that slide.
    other
        A second feature (set number, feature), such as the match of the first.
    """

    set_number: int = 0
    feature: int | None = None
    slide: str = ""
    tile: int | None = None
    other: tuple[int, int] | None = None


@dataclass(frozen=True, eq=False)
class Points:
    """A cloud of points.

    Attributes
    ----------
    x, y
        Places (n,).
    label
        Of the cloud in the legend, empty for none.
    targets
        What lies behind each point, empty for nothing.
    names
        Words for each point when the pointer rests on it, empty for none.
    x_low, x_high, y_low, y_high
        Ends of intervals (n,), None for none; NaN for a point without.
    is_baseline
        Drawn in grey, behind the others.
    write_names
        Whether the names stand beside the points.
    colour
        Number of a colour that means the same in every run, None for the next one.
    """

    x: Values
    y: Values
    label: str = ""
    targets: Sequence[Target] = ()
    names: Sequence[str] = ()
    x_low: Values | None = None
    x_high: Values | None = None
    y_low: Values | None = None
    y_high: Values | None = None
    is_baseline: bool = False
    write_names: bool = False
    colour: int | None = None


@dataclass(frozen=True, eq=False)
class Line:
    """A curve with an interval; NaN breaks it. Fields as those of `Points`; `is_dashed` for what is expected."""

    x: Values
    y: Values
    label: str = ""
    low: Values | None = None
    high: Values | None = None
    targets: Sequence[Target] = ()
    is_baseline: bool = False
    is_dashed: bool = False


@dataclass(frozen=True, eq=False)
class Bars:
    """Bars (n,) at the places named by the figure's `x_names`; several beside one another where there are several."""

    values: Values
    label: str = ""
    low: Values | None = None
    high: Values | None = None
    targets: Sequence[Target] = ()
    is_baseline: bool = False


@dataclass(frozen=True, eq=False)
class Histogram:
    """Numbers (n,) in bins with these edges (n + 1,); as steps, so that several can be seen at once."""

    edges: Values
    counts: Values
    label: str = ""
    is_baseline: bool = False


@dataclass(frozen=True, eq=False)
class Cells:
    """Numbers (n, m) as colours, with names of rows and columns; NaN stays empty. `is_signed`: 0 lies in the middle."""

    values: Values
    row_names: Sequence[str]
    col_names: Sequence[str]
    value_label: str
    targets: Sequence[Sequence[Target]] = ()
    is_signed: bool = False


@dataclass(frozen=True)
class Rule:
    """A straight line across the figure at one value, such as a threshold or what chance gives."""

    axis: Literal["x", "y"]
    value: float
    label: str = ""


@dataclass(frozen=True)
class Band:
    """A grey band between two values, such as what chance gives."""

    axis: Literal["x", "y"]
    low: float
    high: float
    label: str = ""


Mark = Points | Line | Bars | Histogram | Cells | Rule | Band


@dataclass(frozen=True, eq=False)
class Figure:
    """One figure.

    Attributes
    ----------
    key
        Its name in files: small letters and hyphens.
    title
        What it shows.
    caption
        What n is, whether the data are held out, what intervals and grey marks are. One to three sentences.
    x_label, y_label
        With units.
    marks
        From the back to the front.
    x_names
        Names of the places 0, 1, ... of the x axis, where these are names.
    x_limits, y_limits
        Ends of the axes, None for what the data give.
    is_square
        Whether a step is as long on both axes.
    x_is_log, y_is_log
        Whether an axis is logarithmic.
    """

    key: str
    title: str
    caption: str
    x_label: str
    y_label: str
    marks: Sequence[Mark]
    x_names: Sequence[str] = ()
    x_limits: tuple[float, float] | None = None
    y_limits: tuple[float, float] | None = None
    is_square: bool = False
    x_is_log: bool = False
    y_is_log: bool = False


@dataclass(frozen=True, eq=False)
class Table:
    """A table: `columns` hold texts or numbers, one a row; None and NaN are empty.

    `notes` explain a column by its name: unit, n, interval. `targets` lead from a row to what lies behind it.
    """

    key: str
    title: str
    columns: dict[str, Sequence[Any]]
    notes: dict[str, str]
    targets: Sequence[Target] = ()

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return max((len(values) for values in self.columns.values()), default=0)


@dataclass(frozen=True)
class Number:
    """One of the numbers that sum a result up, with its interval; NaN for what is not known.

    `title` says of what, so that the numbers of two runs with the same title are about the same thing.
    """

    title: str
    value: float
    low: float = math.nan
    high: float = math.nan


@dataclass(frozen=True)
class Threshold:
    """A threshold that the user moves, from `low` to `high` in steps of `step`."""

    key: str
    title: str
    low: float
    high: float
    step: float
    value: float


@dataclass(frozen=True, eq=False)
class Report:
    """A study's answer.

    Attributes
    ----------
    found
        What was found, with n, intervals and baselines; a line break parts one question from the next.
    limits
        What cannot be said, and why.
    warnings
        What has to be known before anything is believed, such as that scanner and disease go together.
    figures, tables
        In the order of importance.
    thresholds
        Thresholds that the figures and tables depend on.
    short
        The answer in one or two sentences without jargon, for whoever has no time for more.
    """

    found: str
    limits: str
    warnings: Sequence[str] = ()
    figures: Sequence[Figure] = ()
    tables: Sequence[Table] = ()
    thresholds: Sequence[Threshold] = ()
    short: str = ""


def as_column(values: npt.NDArray[np.floating]) -> list[float | None]:
    """Numbers (n,) as a column of a table: None for what is not finite."""
    return [float(value) if np.isfinite(value) else None for value in values]
