"""The start page: projects that were open before, and what it says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from desktop_app.store.peek import count_slides
from desktop_app.tasks import LatestTask
from desktop_app.widgets.shell.recent_projects import RecentProject
from desktop_app.widgets.shell.start_page import DEMO, OPEN_SLIDE

if TYPE_CHECKING:
    from collections.abc import Callable

    from desktop_app.controller.context import Context
    from desktop_app.controller.project.projects import ProjectActions
    from desktop_app.store import Store
    from desktop_app.widgets.shell.start_page import StartPage


class StartActions:
    """Keeps the list of recent projects; opens or forgets one."""

    def __init__(
        self, context: Context, page: StartPage, reveal_panels: Callable[[], None], projects: ProjectActions
    ) -> None:
        self._context, self._projects = context, projects
        self._page, self._reveal_panels = page, reveal_panels
        # Beside the window: a project may lie on a network drive that is asleep.
        self._look = LatestTask()
        self._look.answered.connect(page.recent.show_projects)
        recent = page.recent
        recent.project_requested.connect(self._open)
        recent.forget_requested.connect(self._forget)
        context.session.project_changed.connect(self._project_changed)

    def refresh(self) -> None:
        """Look again which projects are still there, and show them."""
        preferences = self._context.preferences
        opened_at = preferences.current.opened_at

        def look() -> list[RecentProject]:
            return [
                RecentProject(folder, opened_at.get(str(folder), ""), count_slides(folder))
                for folder in preferences.recent_projects()
            ]

        self._look.ask(look)

    def close(self) -> None:
        """End the look that may be under way."""
        self._look.close()

    def _open(self, folder: str) -> None:
        self._projects.open_project(Path(folder))

    def _forget(self, folder: str) -> None:
        self._context.preferences.forget(Path(folder))
        self.refresh()

    def _project_changed(self, store: Store | None) -> None:
        self.refresh()
        is_empty = store is not None and not store.slides.all()
        self._page.show_notice(
            f"The project “{store.folder.name}” has no slides yet: open one, or drop it here."
            if is_empty and store is not None
            else ""
        )
        self._page.lead_to(OPEN_SLIDE if is_empty else DEMO)
        if store is not None:
            self._reveal_panels()
