"""A whole window with a fake worker and faked dialogs, and a project to open in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from desktop_app.app import Desktop, build_window
from desktop_app.store import Store
from desktop_app.widgets.shell import key_guard
from sae_backend.slides.slide import Slide
from tests.app.fixtures.chain import Made, make_chain
from tests.app.fixtures.fakes import FakeBackend, FakeDialogs, add_analysis, write_slide
from tests.app.fixtures.window_life import make_way, shut
from tests.waiting import WAIT_S

MPP = 0.5


class Parts:
    """A window with its fakes."""

    def __init__(self) -> None:
        make_way()
        self.backend, self.dialogs = FakeBackend(), FakeDialogs()
        self.desktop: Desktop = build_window(self.backend, self.dialogs)
        self.window, self.controller = self.desktop.window, self.desktop.controller
        self.window.show()
        self.controller.start()

    def let_go(self) -> None:
        """Close the window and collect what it was made of."""
        shut(self.window)

    @property
    def layers(self) -> list[str]:
        return [layer.name for layer in self.window.viewer.layers]


@pytest.fixture(autouse=True)
def _presses_are_short(monkeypatch: pytest.MonkeyPatch) -> None:
    """No key counts as held down because the machine is busy."""
    monkeypatch.setattr(key_guard, "PEEK_SECONDS", WAIT_S)


@pytest.fixture
def parts(qtbot: QtBot) -> Iterator[Parts]:
    built = Parts()
    yield built
    built.let_go()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    with Store.create(folder, author="tester") as store:
        with Slide.open(write_slide(tmp_path / "field.tif"), MPP) as slide:
            record = store.slides.add(slide.info)
            add_analysis(store, record.id, slide, is_control=True)
        (tmp_path / "cells.csv").write_text(
            "x,y,type\n" + "".join(f"{20 * i},{15 * i},{'ab'[i % 2]}\n" for i in range(40))
        )
    return folder


@pytest.fixture
def other_parts(qtbot: QtBot) -> Iterator[Parts]:
    """A second window, for what is opened after the first was closed."""
    built = Parts()
    yield built
    built.let_go()


@pytest.fixture(scope="session")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A project of the whole chain, made once in each process; tests that change it say so."""
    return make_chain(tmp_path_factory.mktemp("chain"))
