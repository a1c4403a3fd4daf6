"""The menus of the main window, made from the table of commands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from PySide6.QtCore import QObject, Signal, SignalInstance
from PySide6.QtGui import QAction, QKeySequence

from desktop_app.widgets.shell.cell_type_menu import CellEntries
from desktop_app.widgets.shell.commands import COMMANDS, MENUS, Command, State

if TYPE_CHECKING:
    from PySide6.QtWidgets import QDockWidget, QMenu, QMenuBar


class _Request(QObject):
    given = Signal()


class _SwitchRequest(QObject):
    given = Signal(bool)


class _NumberRequest(QObject):
    given = Signal(int)


class _AngleRequest(QObject):
    given = Signal(float)


class _NameRequest(QObject):
    given = Signal(str)


_BY_VALUE: Final = {bool: _SwitchRequest, int: _NumberRequest, float: _AngleRequest, str: _NameRequest}


class Menus(QObject):
    """Fills a menu bar; what is asked for is a signal, found by the id of its command."""

    def __init__(self, bar: QMenuBar, parent: QObject | None = None) -> None:
        super().__init__(parent)
        bar.clear()
        self.actions_by_text: dict[str, QAction] = {}
        self._requests: dict[str, QObject] = {}
        self._actions: dict[tuple[str, object], QAction] = {}
        self._menus: dict[str, QMenu] = {title: bar.addMenu(text) for title, text in MENUS.items()}
        for command in COMMANDS:
            self._add(command)
        cells = self._menus["Cells"]
        first = cells.actions()[0]
        cells.insertAction(first, self.action("cells"))
        self.cell_types = CellEntries(cells, first, self)
        cells.insertSeparator(first)
        self._menus["View"].addSeparator()

    def requested(self, command: str) -> SignalInstance:
        """The signal of the commands with this id; it carries their value, or whether they are switched on.

        Raises
        ------
        KeyError
            When there is no such command.
        """
        signal: SignalInstance = self._requests[command].given  # type: ignore[attr-defined]
        return signal

    def action(self, command: str, value: object = None) -> QAction:
        """The entry of a command, to read or set its tick."""
        return self._actions[command, value]

    def show_cell_mode(self, mode: str) -> None:
        """Tick the mode of the cells that is on, without asking for it."""
        for (command, value), action in self._actions.items():
            if command == "cell_mode":
                action.setChecked(value == mode)

    def set_state(self, state: State, on: bool) -> None:
        """Enable or disable the commands that depend on a state."""
        for command in COMMANDS:
            if command.enabled_by == state:
                self.actions_by_text[command.text].setEnabled(on)

    def add_panels(self, docks: list[QDockWidget]) -> None:
        """Add an entry that shows and hides each panel."""
        for dock in docks:
            self._menus["View"].addAction(dock.toggleViewAction())

    def keys(self) -> dict[str, QAction]:
        """The entries that have a key, by its portable text."""
        return {command.key: self.actions_by_text[command.text] for command in COMMANDS if command.key}

    def _add(self, command: Command) -> None:
        title, _, sub = command.menu.partition("/")
        menu = self._menus[title]
        if command.separated:
            menu.addSeparator()
        if sub:
            menu = self._menus.get(command.menu) or self._submenu(command.menu, sub, menu)
        action = menu.addAction(command.label or command.text)
        # The key is shown here and acts through the window's key guard where it is a single letter.
        action.setShortcut(QKeySequence(command.key))
        self._connect(action, command)
        self.actions_by_text[command.text] = action
        self._actions.setdefault((command.id, command.value), action)

    def _submenu(self, path: str, title: str, menu: QMenu) -> QMenu:
        self._menus[path] = made = menu.addMenu(title)
        return made

    def _connect(self, action: QAction, command: Command) -> None:
        switched = command.checked is not None
        kind = _SwitchRequest if switched else _BY_VALUE.get(type(command.value), _Request)
        signal = self._requests.setdefault(command.id, kind(self)).given  # type: ignore[attr-defined]
        if switched:
            action.setCheckable(True)
            action.setChecked(bool(command.checked))
            action.toggled.connect(signal)
        elif command.mode:
            action.setCheckable(True)
            # `triggered` and not `toggled`: a tick that only shows the mode asks for nothing.
            action.triggered.connect(lambda on: signal.emit(command.value if on else ""))
        elif command.value is None:
            action.triggered.connect(lambda _=False: signal.emit())
        else:
            action.triggered.connect(lambda _=False: signal.emit(command.value))
