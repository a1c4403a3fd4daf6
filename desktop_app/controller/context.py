"""What every theme of the controller works with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from sae_backend.errors import SparsescopeError

if TYPE_CHECKING:
    from desktop_app.canvas.slide_layers import SlideLayers
    from desktop_app.project.preferences import PreferencesFile
    from desktop_app.session import Session
    from desktop_app.tasks import WorkerTasks
    from desktop_app.widgets.main_window import MainWindow
    from desktop_app.widgets.shell.dialogs import Dialogs

T = TypeVar("T")


@dataclass(frozen=True)
class Context:
    """The session, the window and what acts for them."""

    session: Session
    window: MainWindow
    layers: SlideLayers
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
        self.window.say(f"{error.sentence} {error.hint}".strip(), error=True)
