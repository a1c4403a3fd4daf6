"""Where no window can open the program says so in words, instead of being ended by Qt."""

from __future__ import annotations

import sys
from pathlib import Path

import openslide
import pytest

from desktop_app.cli import doctor
from desktop_app.cli.display import display_obstacle
from tests.app.fixtures.command_line import assert_refused, in_child, write_field

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux can lack a display")

NO_SERVER = ":23517"


@pytest.fixture
def no_display(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def test_a_window_without_a_display_is_refused_in_words(
    no_display: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    field = write_field(tmp_path / "field.tiff", 100, 100)
    for words in ((), ("open", field)):
        assert_refused(in_child(*words), "no display")
    assert_refused(in_child("open", tmp_path / "absent.svs", "--json"), "There is no file")


def test_a_display_that_does_not_answer_is_named(no_display: pytest.MonkeyPatch) -> None:
    no_display.setenv("DISPLAY", NO_SERVER)
    said = in_child("--json")
    assert_refused(said, NO_SERVER, "does not answer")
    assert said.data["error"] == "UserInputError"
    examined = in_child("doctor", "--json")
    found = {finding["topic"]: finding for finding in examined.data["findings"]}
    assert examined.code == 1 and not found["OpenGL"]["fine"]
    assert NO_SERVER in found["OpenGL"]["words"]
    assert found["Device"]["fine"], "the rest is examined all the same"


def test_what_draws_without_a_display_is_not_refused(no_display: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert display_obstacle() is not None
    no_display.setenv("QT_QPA_PLATFORM", "offscreen")
    assert display_obstacle() is None
    no_display.setenv("QT_QPA_PLATFORM", "")
    no_display.setenv("WAYLAND_DISPLAY", "wayland-0")
    no_display.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert display_obstacle() is not None, "nobody listens there"
    (tmp_path / "wayland-0").touch()
    assert display_obstacle() is None


@pytest.mark.gl
def test_the_display_of_the_tests_takes_a_window() -> None:
    assert display_obstacle() is None


def test_the_doctor_minds_an_old_openslide(monkeypatch: pytest.MonkeyPatch) -> None:
    for version, fine in (("4.0.0", False), ("3.4.1", False), ("4.0.1", True), ("4.1.0", True)):
        monkeypatch.setattr(openslide, "__library_version__", version)
        assert doctor._openslide().fine is fine
