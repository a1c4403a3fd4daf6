"""The table of commands: menus, palette, shortcuts and the page of keys follow from it."""

from __future__ import annotations

from collections import Counter

import pytest
from PySide6.QtWidgets import QMenuBar
from pytestqt.qtbot import QtBot

from desktop_app.widgets.shell import commands
from desktop_app.widgets.shell import menus as menus_module
from desktop_app.widgets.shell.command_palette import Palette
from desktop_app.widgets.shell.commands import COMMANDS, Command, keys_page
from desktop_app.widgets.shell.menus import Menus
from sae_backend.paths import resource


def test_names_keys_and_requests_are_each_given_once() -> None:
    for found in (
        Counter(command.text for command in COMMANDS),
        Counter(command.key for command in COMMANDS if command.key),
        Counter((command.id, command.value) for command in COMMANDS if command.id != "open_slide"),
    ):
        assert [name for name, n in found.items() if n > 1] == []
    assert {command.menu.partition("/")[0] for command in COMMANDS} == set(commands.MENUS)


def test_the_page_of_keys_is_made_from_the_table() -> None:
    assert resource("help/keys.md").read_text(encoding="utf-8") == keys_page()


def test_a_new_command_is_one_entry(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    toy = Command("count_mitoses", "Count mitoses…", "Cells", "Ctrl+M", "count mitoses", value=3)
    for module in (commands, menus_module):
        monkeypatch.setattr(module, "COMMANDS", (*COMMANDS, toy))
    bar = QMenuBar()
    qtbot.addWidget(bar)
    menus = Menus(bar)
    given: list[int] = []
    menus.requested("count_mitoses").connect(given.append)
    menus.keys()["Ctrl+M"].trigger()
    palette = Palette(menus.actions_by_text)
    qtbot.addWidget(palette)
    palette.words.setText("mitoses")
    assert palette.list.item(0).text().startswith("Count mitoses")
    assert given == [3] and "| window | `Ctrl+M` | count mitoses |" in commands.keys_page()


def test_switches_modes_and_states(qtbot: QtBot) -> None:
    bar = QMenuBar()
    qtbot.addWidget(bar)
    menus = Menus(bar)
    seen: list[object] = []
    menus.requested("heatmap").connect(seen.append)
    menus.requested("cell_mode").connect(seen.append)
    menus.action("heatmap").setChecked(False)
    menus.action("cell_mode", "edit").trigger()
    menus.show_cell_mode("")
    assert seen == [False, "edit"] and not menus.action("cell_mode", "edit").isChecked()
    menus.set_state("undo", False)
    assert not menus.action("undo").isEnabled() and menus.action("redo").isEnabled()
    with pytest.raises(KeyError):
        menus.requested("nothing")
