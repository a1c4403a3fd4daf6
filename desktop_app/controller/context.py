"""What every theme of the controller works with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

from sae_backend.errors import SparsescopeError

if TYPE_CHECKING:
    import napari
    import numpy as np
    import numpy.typing as npt
    from PySide6.QtCore import SignalInstance

    from desktop_app.canvas.rotation import Turn, TurnedView
    from desktop_app.canvas.slide_layers import SlideLayers
    from desktop_app.project.preferences import PreferencesFile
    from desktop_app.session import Session
    from desktop_app.tasks import WorkerTasks
    from desktop_app.widgets.controls.banners import Banner
    from desktop_app.widgets.shell.dialogs import Dialogs
    from desktop_app.widgets.shell.menus import Menus

T = TypeVar("T")


class Canvas(Protocol):
    """The first view of the slide; positions are (y, x) on the slide in um, however the view is turned."""

    viewer: napari.Viewer
    turned: TurnedView

    @property
    def slide_clicked(self) -> SignalInstance:
        """Position that was clicked, in whichever view."""

    @property
    def cursor_moved(self) -> SignalInstance:
        """Position of the pointer, in whichever view."""

    @property
    def view_changed(self) -> SignalInstance:
        """Um of the slide in one px of the screen."""

    @property
    def field_changed(self) -> SignalInstance:
        """What of the slide is in view: y0, x0, y1, x1."""

    @property
    def um_per_px(self) -> float:
        """Um of the slide in one px of the screen."""

    def field_um(self) -> tuple[float, float, float, float]:
        """Box of the slide that holds all that is in view: y0, x0, y1, x1."""

    def field_corners_um(self) -> npt.NDArray[np.float64]:
        """Corners of what of the slide is in view, (4, 2) of (y, x)."""

    def fit(self) -> None:
        """Show the whole slide."""

    def look_at(self, y_um: float, x_um: float) -> None:
        """Move a point of the slide to the middle of the view."""

    def centre_on(self, y_um: float, x_um: float, width_um: float) -> None:
        """Move to a point and show at least `width_um` around it."""

    def zoom_to(self, um_per_px: float) -> None:
        """Show so many um in a px of the screen, about the middle of the view."""

    def set_turn(self, turn: Turn) -> None:
        """Turn the view, about what is in its middle."""


class Say(Protocol):
    """Shows a message above the slide."""

    def __call__(self, text: str, *, error: bool = False) -> None:
        """Show the message, as an error where it is one; "" takes the last one away."""


@dataclass(frozen=True)
class Context:
    """What is open, and the few parts of the window that every theme may need; its panels are given to its theme.

    `notice` is where `say` shows its message. `show_panel` brings the panel of a title to the front, `save_typed`
    saves what is being typed into the form of the current feature, and `name_of` gives the name of a feature of the
    analysis that is shown, "" where it has none.
    """

    session: Session
    canvas: Canvas
    layers: SlideLayers
    menus: Menus
    notice: Banner
    say: Say
    show_panel: Callable[[str], None]
    save_typed: Callable[[], None]
    name_of: Callable[[int], str]
    tasks: WorkerTasks
    dialogs: Dialogs
    preferences: PreferencesFile

    def attempt(self, action: Callable[[], T]) -> T | None:
        """Do something; an error of ours is shown above the slide and gives None."""
        try:
            return action()
        except SparsescopeError as error:
            self.show_error(error)
            return None

    def succeeds(self, action: Callable[[], object]) -> bool:
        """Do something; False where an error of ours was shown above the slide."""
        try:
            action()
        except SparsescopeError as error:
            self.show_error(error)
            return False
        return True

    def show_error(self, error: SparsescopeError) -> None:
        """Show an error's sentence and hint above the slide."""
        self.say(f"{error.sentence} {error.hint}".strip(), error=True)
