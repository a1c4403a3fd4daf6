"""A table of slides comes in by the menu, and the page of a feature puts slides together by its columns."""

from __future__ import annotations

from pathlib import Path

import pytest

from desktop_app.app import WindowStart, open_start
from desktop_app.store import Store
from sae_backend.slides.slide import Slide
from tests.app.conftest import MPP, Parts
from tests.app.fixtures.fakes import add_analysis, write_slide

pytestmark = pytest.mark.gl
PEAK = 5.0
"""Feature 1 fires in one tile of each slide, with this value."""


@pytest.fixture
def opened(parts: Parts, project: Path, tmp_path: Path) -> Parts:
    # Beside the 7 x 8 tiles of field.tif: 4 x 4 and 3 x 2 of them.
    with Store.open(project) as store:
        for name, height, width in (("second.tif", 400, 500), ("third.tif", 300, 300)):
            with Slide.open(write_slide(tmp_path / name, height, width), MPP) as slide:
                add_analysis(store, store.slides.add(slide.info).id, slide, is_control=True)
    open_start(parts.desktop, WindowStart(project=project, feature=1))
    return parts


def bring(parts: Parts, path: Path, text: str) -> str:
    path.write_text(text)
    parts.dialogs.file = path
    parts.window.menus.actions_by_text["Import slide table…"].trigger()
    return parts.window.notice.text


def choose(parts: Parts, words: str) -> None:
    box = parts.window.page.grouping
    box.setCurrentIndex(box.findText(words))
    box.activated.emit(box.currentIndex())


def test_a_feature_is_profiled_by_what_a_table_says(opened: Parts, project: Path, tmp_path: Path) -> None:
    page, table = opened.window.page, tmp_path / "cohort.csv"
    assert page.grouping.isHidden() and len(page.slides.bars) == 3
    said = bring(
        opened, table, "file;patient;site\nfield.tif;P1;north\nsecond;P1;south\nthird.tif;;\na.svs;P9;x\n"
    )
    assert said == "2 of 3 slides got patient and site; 1 row names no slide of this project: a.svs."
    assert [page.grouping.itemText(i) for i in range(3)] == ["by slide", "by patient", "by site"]
    assert not page.grouping.isHidden() and page.slides_note.text().startswith("Share of the tiles")
    choose(opened, "by patient")
    first, rest = page.slides.bars
    assert (first.label, first.words) == ("P1", "0.201, n 2 / 72")
    assert (first.value, first.low, first.high) == pytest.approx(
        ((PEAK / 56 + PEAK / 16) / 2, PEAK / 56, PEAK / 16)
    )
    assert (rest.label, rest.words, rest.low) == ("not stated", "0.833, n 1 / 6", None)
    assert page.groups.isHidden() and "no test is done" in page.slides_note.text()
    opened.controller.select_feature(0)
    assert [bar.words for bar in page.slides.bars] == ["0, n 2 / 72", "0, n 1 / 6"]
    assert bring(opened, table, "slide,patient\nthird.tif,P2\n") == "1 of 3 slides got patient."
    assert [bar.label for bar in page.slides.bars] == ["P1", "P2"], "shown anew as it was chosen"
    assert "is empty" in bring(opened, table, "")
    opened.controller.projects.open_project(project)
    opened.controller.select_feature(1)
    assert page.grouping.currentText() == "by patient"
    assert [bar.words for bar in page.slides.bars] == ["0.201, n 2 / 72", "0.833, n 1 / 6"]
    choose(opened, "by slide")
    assert {bar.label for bar in page.slides.bars} == {"field.tif", "second.tif", "third.tif"}
    with Store.create(tmp_path / "other") as other:
        folder = other.folder
    opened.controller.projects.open_project(folder)
    assert page.grouping.isHidden()
    assert "no slides yet" in bring(opened, table, "slide,patient\na,P1\n")
