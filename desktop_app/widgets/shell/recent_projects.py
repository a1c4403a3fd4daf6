"""The projects that were open last: one click opens one, the context menu forgets it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from PySide6.QtCore import QPoint, Qt, Signal
from PySide6.QtWidgets import QListWidget, QListWidgetItem, QMenu, QSizePolicy, QWidget

from desktop_app.widgets.controls.empty_state import EmptyState
from desktop_app.widgets.controls.two_part_rows import TwoPartRows

_NONE: Final = "Projects you create or open are listed here."


@dataclass(frozen=True)
class RecentProject:
    """A project that was open before; `opened_at` is UTC in ISO 8601 or empty, `n_slides` None where not known."""

    folder: Path
    opened_at: str = ""
    n_slides: int | None = None

    @property
    def slides(self) -> str:
        """The number of slides in words."""
        if self.n_slides is None:
            return ""
        return "1 slide" if self.n_slides == 1 else f"{self.n_slides:,} slides"


class RecentProjects(EmptyState):
    """A list of projects, or a sentence where there are none."""

    project_requested = Signal(str)
    forget_requested = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        self.list = QListWidget()
        super().__init__(self.list, _NONE, parent)
        self.list.setItemDelegate(TwoPartRows(self.list, 5, is_bold=True))
        self.list.setAccessibleName("Recent projects")
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.list.customContextMenuRequested.connect(self._offer)
        # A click or Return; a double click would ask twice.
        self.list.itemActivated.connect(self._open)
        self.list.itemClicked.connect(self._open)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.menu: QMenu | None = None

    def show_projects(self, projects: Sequence[RecentProject]) -> None:
        """Show projects, the newest first."""
        self.list.clear()
        for project in projects:
            item = QListWidgetItem(
                f"{project.folder.name}\t{_day(project.opened_at)}\n{project.folder.parent}\t{project.slides}"
            )
            item.setData(Qt.ItemDataRole.UserRole, str(project.folder))
            item.setToolTip(str(project.folder))
            self.list.addItem(item)
        if projects:
            self.show_content()
        else:
            self.show_sentence()

    def _open(self, item: QListWidgetItem) -> None:
        self.project_requested.emit(str(item.data(Qt.ItemDataRole.UserRole)))

    def _offer(self, place: QPoint) -> None:
        item = self.list.itemAt(place)
        if item is None:
            return
        folder = str(item.data(Qt.ItemDataRole.UserRole))
        self.menu = QMenu(self.list)
        self.menu.addAction("Open").triggered.connect(lambda: self.project_requested.emit(folder))
        self.menu.addAction("Remove from the list (the project stays on disk)").triggered.connect(
            lambda: self.forget_requested.emit(folder)
        )
        self.menu.popup(self.list.viewport().mapToGlobal(place))


def _day(at: str) -> str:
    """Return when something was, in ISO 8601 with its zone, as near as one needs: `today 14:05`, a date."""
    try:
        moment = datetime.fromisoformat(at).astimezone()
    except ValueError:
        return ""
    days = (datetime.now().astimezone().date() - moment.date()).days
    if days in (0, 1):
        return f"{('today', 'yesterday')[days]} {moment:%H:%M}"
    return f"{moment:%Y-%m-%d}"
