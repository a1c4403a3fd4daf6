"""The pictures of the help pages: all there, none unused, small enough to ship, and seen in the program."""

from __future__ import annotations

import re

import pytest
from PySide6.QtCore import QUrl
from PySide6.QtGui import QImage, QTextDocument
from pytestqt.qtbot import QtBot

from desktop_app.widgets.shell.help_browser import PAGE_PX, HelpBrowser
from desktop_app.widgets.shell.help_pages import help_page
from sae_backend.paths import resource

HELP = resource("help")
PAGES = sorted(path.stem for path in HELP.glob("*.md"))
IMAGE = QTextDocument.ResourceType.ImageResource.value


def pictures(page: str) -> list[tuple[str, str]]:
    """Alternative text and name of each picture of a page."""
    return re.findall(r"!\[([^\]]*)\]\(([^)\s]+)\)", help_page(page))


def shown(browser: HelpBrowser, name: str) -> QImage:
    found = browser.document().resource(IMAGE, QUrl(name))
    assert isinstance(found, QImage), f"{name} is not read"
    return found


def wide(image: QImage) -> int:
    return round(image.width() / image.devicePixelRatio())


def test_every_picture_is_there_is_used_and_has_words() -> None:
    named = {name: text for page in PAGES for text, name in pictures(page)}
    for name, text in named.items():
        assert (HELP / name).is_file(), f"{name} is missing"
        assert len(text) > 20, f"{name} tells nothing to who cannot see it"
    kept = {f"pictures/{path.name}" for path in (HELP / "pictures").iterdir()} | {"window.png"}
    assert kept <= set(named), f"not used: {kept - set(named)}"


def test_they_are_small_enough_to_ship() -> None:
    sizes = {path.name: path.stat().st_size for path in (HELP / "pictures").iterdir()}
    assert max(sizes.values()) <= 150_000, max(sizes, key=lambda name: sizes[name])
    assert sum(sizes.values()) < 1_200_000
    assert (HELP / "window.png").stat().st_size < 400_000


@pytest.mark.parametrize("page", [page for page in PAGES if pictures(page)])
def test_the_browser_shows_them_all_within_the_page(qtbot: QtBot, page: str) -> None:
    browser = HelpBrowser(help_page(page))
    qtbot.addWidget(browser)
    browser.resize(*PAGE_PX)
    browser.show()
    for _, name in pictures(page):
        assert not shown(browser, name).isNull(), name
    assert browser.horizontalScrollBar().maximum() == 0


def test_pictures_follow_the_width_of_the_page(qtbot: QtBot) -> None:
    browser = HelpBrowser(help_page("getting_started"))
    qtbot.addWidget(browser)
    browser.resize(*PAGE_PX)
    browser.show()
    tall = browser.document().size().height()
    for width in (500, PAGE_PX[0], 2000):
        browser.resize(width, 600)
        room = browser.viewport().width() - 2 * browser.document().documentMargin()
        image, made = shown(browser, "window.png"), QImage(str(HELP / "window.png"))
        assert wide(image) == min(made.width(), room)
        assert image.width() / image.height() == pytest.approx(made.width() / made.height(), rel=0.01)
    # The page is laid out anew: at their own size the pictures take more of it.
    assert browser.document().size().height() > tall


def test_a_picture_that_is_missing_leaves_the_page_readable(qtbot: QtBot) -> None:
    browser = HelpBrowser("# Title\n\n![A picture that nobody made](pictures/none.png)\n\nwords")
    qtbot.addWidget(browser)
    browser.show()
    assert "words" in browser.toPlainText()
