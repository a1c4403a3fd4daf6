"""How the view is turned: between positions on the slide and positions as displayed, and back.

napari's cameras cannot turn in two dimensions, so all layers of a viewer are turned instead. Everything that is
kept, measured or shown as a number is a position on the slide; only the camera and the mouse know the displayed ones.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from sae_backend.errors import UserInputError

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

Points = npt.NDArray[np.float64]
_QUARTERS: Final = {0.0: (1.0, 0.0), 90.0: (0.0, 1.0), 180.0: (-1.0, 0.0), 270.0: (0.0, -1.0)}


@dataclass(frozen=True)
class Turn:
    """A turn about a point (y, x) of the slide in um; `angle_deg` is clockwise as seen on the screen."""

    angle_deg: float = 0.0
    centre_um: tuple[float, float] = (0.0, 0.0)

    def by(self, degrees: float) -> Turn:
        """Return this turn, turned further clockwise; the angle stays within 0 to 360."""
        return Turn((self.angle_deg + degrees) % 360.0, self.centre_um)

    @property
    def is_upright(self) -> bool:
        """Whether nothing is turned."""
        return self.angle_deg % 360.0 == 0.0

    @property
    def words(self) -> str:
        """The angle by the shorter way, such as `30° clockwise`; "" where nothing is turned."""
        if self.is_upright:
            return ""
        angle = self.angle_deg % 360.0
        way, size = ("clockwise", angle) if angle <= 180 else ("anticlockwise", 360 - angle)
        return f"{size:.4g}°" + ("" if size == 180 else f" {way}")

    def _cos_sin(self) -> tuple[float, float]:
        angle = self.angle_deg % 360.0
        # Quarter turns exactly, so that pixels stay on the grid of the screen.
        return _QUARTERS.get(angle) or (math.cos(math.radians(angle)), math.sin(math.radians(angle)))

    def forward(self, y_um: float, x_um: float) -> tuple[float, float]:
        """Where a point of the slide is displayed, (y, x) in um."""
        return self._turned(y_um, x_um, self._cos_sin())

    def back(self, y_um: float, x_um: float) -> tuple[float, float]:
        """Which point of the slide is displayed there, (y, x) in um."""
        cos, sin = self._cos_sin()
        return self._turned(y_um, x_um, (cos, -sin))

    def back_points(self, points: Points) -> Points:
        """Points of the slide (n, 2) that are displayed at `points` (n, 2), (y, x) in um."""
        return np.array([self.back(float(y), float(x)) for y, x in points]).reshape(-1, 2)

    def _turned(self, y: float, x: float, way: tuple[float, float]) -> tuple[float, float]:
        if self.is_upright:
            return y, x
        (centre_y, centre_x), (cos, sin) = self.centre_um, way
        dy, dx = y - centre_y, x - centre_x
        return centre_y + cos * dy + sin * dx, centre_x - sin * dy + cos * dx

    @property
    def matrix(self) -> Points:
        """The turn as napari's affine, float64 (3, 3) on (y, x, 1)."""
        matrix = np.eye(3)
        if not self.is_upright:
            cos, sin = self._cos_sin()
            matrix[:2, :2] = ((cos, sin), (-sin, cos))
            matrix[:2, 2] = self.forward(0.0, 0.0)
        return matrix


class TurnedView:
    """Turns every layer of one viewer, also those that come later, whoever adds them."""

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = viewer
        self.turn = Turn()
        viewer.layers.events.inserted.connect(lambda event: self._place(event.value))

    def set_turn(self, turn: Turn) -> None:
        """Turn all layers; the camera stays where it is."""
        self.turn = turn
        for layer in self._viewer.layers:
            self._place(layer)

    def to_screen(self, points_um: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Where points (n, 2) of (y, x) of the slide in um are seen, (x, y) in px of the canvas."""
        matrix, camera = self.turn.matrix, self._viewer.scene.camera
        displayed = points_um @ matrix[:2, :2].T + matrix[:2, 2]
        height, width = self._viewer.canvas.size
        middle = np.array(camera.center[-2:])
        return ((displayed - middle) * camera.zoom + np.array([height, width]) / 2)[:, ::-1]

    def _place(self, layer: Layer) -> None:
        matrix = self.turn.matrix
        if layer.ndim == 2 and not np.array_equal(np.asarray(layer.affine), matrix):
            layer.affine = matrix


def angle_of(text: str) -> float:
    """Degrees clockwise of a typed angle such as `30`, `-12.5` or `30°`.

    Raises
    ------
    UserInputError
        When it is none.
    """
    found = re.fullmatch(r"\s*([-+−]?\d{1,4}(?:[.,]\d+)?)\s*(?:°|deg|degrees)?\s*", text)
    value = float(found[1].replace(",", ".").replace("−", "-")) if found else math.inf
    if abs(value) > 360:
        raise UserInputError(
            f"{text.strip() or 'Nothing'} is no angle.",
            "Type degrees from -360 to 360, such as 30 to turn clockwise or -30 to turn the other way.",
        )
    return value
