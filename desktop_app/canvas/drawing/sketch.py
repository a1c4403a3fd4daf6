"""What is half drawn: gestures of the mouse become shapes. Knows neither viewer nor window.

Points are (y, x) in level-0 px, pixel 0 spanning 0 to 1.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np
import numpy.typing as npt

from sae_backend.slides.regions import brushed, enclosed_by, joined, rectangle_corners, simplified

if TYPE_CHECKING:
    from shapely import MultiPolygon

    from desktop_app.store.records.records import RegionKind

Spot = tuple[float, float]
Lines = list[npt.NDArray[np.float64]]

CLICK_PX: Final = 3.0
"""A drag shorter than this many px of the screen is a click."""

CLOSE_PX: Final = 8.0
"""A click so near to the first corner of a polygon closes it, px of the screen."""

TOLERANCE_PX: Final = 0.5
"""Outlines drawn by hand are simplified by half a px of the screen: what could not be seen while drawing."""


class Sketch(Protocol):
    """A tool in use. `px_l0` is the size of a px of the screen in level-0 px, set before each call."""

    kind: RegionKind
    px_l0: float

    def press(self, spot: Spot) -> None:
        """Begin a gesture."""

    def drag(self, spot: Spot) -> None:
        """Go on with the gesture."""

    def release(self, spot: Spot) -> MultiPolygon | None:
        """End the gesture; a shape where that finishes one."""

    def hover(self, spot: Spot) -> None:
        """Note where the pointer is between gestures."""

    def finish(self) -> MultiPolygon | None:
        """Close what is half drawn; None, and nothing changes, where that gives no area."""

    def drop(self) -> None:
        """Forget what is half drawn."""

    def step_back(self) -> None:
        """Take the last corner back."""

    @property
    def is_begun(self) -> bool:
        """Whether something is half drawn."""

    def lines(self) -> Lines:
        """Lines (n, 2) to show while it is drawn."""


class RectangleSketch:
    """A rectangle from corner to corner.

    Its sides run as those of the screen do: along `right`, the unit vector of the slide that points to the right there,
    set before each gesture.
    """

    kind: RegionKind = "rectangle"

    def __init__(self) -> None:
        self.px_l0 = 1.0
        self.right: Spot = (0.0, 1.0)
        self._from: Spot | None = None
        self._to: Spot = (0.0, 0.0)

    @property
    def is_begun(self) -> bool:
        """Whether a corner is set."""
        return self._from is not None

    def press(self, spot: Spot) -> None:
        """Set the first corner."""
        self._from = self._to = spot

    def drag(self, spot: Spot) -> None:
        """Move the other corner."""
        self._to = spot

    def release(self, spot: Spot) -> MultiPolygon | None:
        """Finish; None where it would be as narrow as a click."""
        begun, self._from = self._from, None
        if begun is None:
            return None
        corners = rectangle_corners(begun, spot, self.right)
        if min(math.dist(corners[0], corners[i]) for i in (1, 3)) < CLICK_PX * self.px_l0:
            return None
        return enclosed_by(corners)

    def hover(self, spot: Spot) -> None:
        """Nothing to note."""

    def finish(self) -> MultiPolygon | None:
        """Nothing to close: letting go of the button finishes."""
        return None

    def drop(self) -> None:
        """Forget the corner."""
        self._from = None

    def step_back(self) -> None:
        """Forget the corner."""
        self._from = None

    def lines(self) -> Lines:
        """Return the four sides."""
        if self._from is None or self._from == self._to:
            return []
        corners = rectangle_corners(self._from, self._to, self.right)
        return [np.array([*corners, corners[0]])]


class PolygonSketch:
    """Corners by clicks, or a line drawn freely by dragging, which closes where the button is let go."""

    kind: RegionKind = "polygon"

    def __init__(self) -> None:
        self.px_l0 = 1.0
        self._corners: list[Spot] = []
        self._stretches: list[int] = []
        self._pointer: Spot | None = None
        self._pressed: Spot | None = None
        self._free = False

    @property
    def is_begun(self) -> bool:
        """Whether there is a corner."""
        return bool(self._corners)

    def press(self, spot: Spot) -> None:
        """Set a corner, unless it is the one that is there: of two clicks in one place one counts."""
        self._pressed, self._pointer, self._free = spot, spot, False
        if not self._corners or self._distance(self._corners[-1], spot) > CLICK_PX:
            self._stretches.append(len(self._corners))
            self._corners.append(spot)

    def drag(self, spot: Spot) -> None:
        """Draw freely, once the pointer has left the place where the button went down."""
        self._pointer = spot
        if self._pressed is None:
            return
        if not self._free and self._distance(self._pressed, spot) <= CLICK_PX:
            return
        self._free = True
        if self._distance(self._corners[-1], spot) > TOLERANCE_PX:
            self._corners.append(spot)

    def release(self, spot: Spot) -> MultiPolygon | None:
        """End the gesture: a line drawn in one go closes, as does a click on the first corner."""
        self._pressed = None
        if self._free:
            if self._corners[-1] != spot:
                self._corners.append(spot)
            if self._stretches != [0]:
                return None
            shape = self.finish()
            self.drop()
            return shape
        if len(self._corners) > 3 and self._distance(self._corners[0], spot) <= CLOSE_PX:
            self._corners.pop()
            return self.finish()
        return None

    def hover(self, spot: Spot) -> None:
        """Note where the next corner would be."""
        self._pointer = spot

    def finish(self) -> MultiPolygon | None:
        """Close the polygon."""
        shape = enclosed_by(self._corners) if len(self._corners) >= 3 else None
        if shape is None or shape.is_empty:
            return None
        # Corners that were clicked are meant as they are.
        if len(self._corners) > len(self._stretches):
            shape = simplified(shape, TOLERANCE_PX * self.px_l0)
        self.drop()
        return shape

    def drop(self) -> None:
        """Forget all corners."""
        self._corners, self._stretches, self._pointer, self._pressed = [], [], None, None
        self._free = False

    def step_back(self) -> None:
        """Take the last corner back, or the last line that was drawn freely."""
        if self._stretches:
            del self._corners[self._stretches.pop() :]

    def lines(self) -> Lines:
        """Return the line so far, on to the pointer, and a small square at the first corner."""
        if not self._corners:
            return []
        way = [*self._corners, *([self._pointer] if self._pointer is not None else [])]
        shown = [np.array(way)] if len(way) > 1 else []
        edge = CLOSE_PX * self.px_l0 / 2
        (y, x) = self._corners[0]
        square = [(y - edge, x - edge), (y - edge, x + edge), (y + edge, x + edge), (y + edge, x - edge)]
        return [*shown, np.array([*square, square[0]])]

    def _distance(self, one: Spot, other: Spot) -> float:
        return math.dist(one, other) / self.px_l0


class BrushSketch:
    """A disc that paints where it is dragged."""

    kind: RegionKind = "brush"

    def __init__(self, radius_l0: float) -> None:
        self.px_l0 = 1.0
        self.radius_l0 = radius_l0
        self.erases = False
        self._way: list[Spot] = []
        self._pointer: Spot | None = None
        self._painted: MultiPolygon | None = None

    @property
    def is_begun(self) -> bool:
        """Whether the button is down."""
        return self._painted is not None

    def press(self, spot: Spot) -> None:
        """Paint one disc."""
        self._way, self._pointer = [spot], spot
        self._painted = brushed([spot], self.radius_l0)

    def drag(self, spot: Spot) -> None:
        """Paint on the way to a point."""
        self._pointer = spot
        if self._painted is None or spot == self._way[-1]:
            return
        more = brushed([self._way[-1], spot], self.radius_l0)
        self._way.append(spot)
        # Simplified as it grows, or a long stroke would slow down its own drawing.
        self._painted = simplified(joined(self._painted, more), TOLERANCE_PX * self.px_l0)

    def release(self, spot: Spot) -> MultiPolygon | None:
        """Finish the stroke."""
        self.drag(spot)
        if self._painted is None:
            return None
        # Painted anew and simplified once: what was shown on the way was simplified at every step.
        painted = brushed(self._way, self.radius_l0)
        self.drop()
        return simplified(painted, TOLERANCE_PX * self.px_l0)

    def hover(self, spot: Spot) -> None:
        """Note where the disc is."""
        self._pointer = spot

    def finish(self) -> MultiPolygon | None:
        """Nothing to close: letting go of the button finishes."""
        return None

    def drop(self) -> None:
        """Forget the stroke."""
        self._painted, self._way = None, []

    def step_back(self) -> None:
        """Forget the stroke."""
        self.drop()

    def lines(self) -> Lines:
        """Return the outline of the stroke, and of the disc at the pointer."""
        shown: Lines = []
        if self._painted is not None:
            for polygon in self._painted.geoms:
                shown += [np.asarray(ring.coords)[:, ::-1] for ring in (polygon.exterior, *polygon.interiors)]
        if self._pointer is not None:
            angle = np.linspace(0, 2 * np.pi, 49)
            disc = np.stack([np.sin(angle), np.cos(angle)], axis=1) * self.radius_l0
            shown.append(disc + np.asarray(self._pointer))
        return shown
