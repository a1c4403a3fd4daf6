"""What is told of a slide, that no person is in it, and that other pictures stay unread until they are asked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openslide
import pytest
import tifffile
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from desktop_app.project.slides.slide_facts import facts_text, slide_facts
from desktop_app.widgets.slide.slide_info import SlideInfoDialog
from sae_backend.errors import SlideError
from sae_backend.slides.scanner_metadata import associated_image, scan_facts
from sae_backend.slides.slide import Slide
from tests.app.conftest import Parts
from tests.app.fixtures.fakes import write_slide
from tests.waiting import wait_until

LABEL = (200, 30, 40)
HEAD = "Aperio Image Library v11\r\n"
FREE_TEXT = "AppMag = 20|MPP = 0.5000|User = drsecret|Patient = 4711|Date = 12/29/09|ScanScope ID = ROOM7"


def write_svs(path: Path) -> Path:
    """A slide of one level with a label in one colour, and a person in its free text."""
    pixels = np.random.default_rng(0).integers(0, 255, (512, 768, 3), dtype=np.uint8)
    label, macro = np.full((60, 100, 3), LABEL, np.uint8), np.full((90, 200, 3), 120, np.uint8)
    with tifffile.TiffWriter(path) as file:
        file.write(
            pixels, tile=(256, 256), photometric="rgb", metadata=None, compression="jpeg",
            description=f"{HEAD}768x512 (256x256) JPEG/RGB Q=30|{FREE_TEXT}",
        )  # fmt: skip
        for picture, words, kind in (
            (macro[:64, :96], "768x512 -> 96x64", 0), (label, "label 100x60", 1), (macro, "macro 200x90", 9),
        ):  # fmt: skip
            file.write(
                picture, photometric="rgb", metadata=None, rowsperstrip=16, subfiletype=kind,
                description=f"{HEAD}{words}",
            )  # fmt: skip
    return path


def facts_of(path: Path, mpp: float | None = None) -> dict[str, str]:
    with Slide.open(path, mpp) as slide:
        return {fact.label: fact.value for fact in slide_facts(slide.info, scan_facts(path))}


def test_all_that_the_file_says_and_nobody(tmp_path: Path) -> None:
    facts = facts_of(write_svs(tmp_path / "a.svs"))
    assert facts["Size"] == "768 × 512 px, 0.384 × 0.256 mm (width × height)"
    assert facts["Pixel size"] == "0.5 µm/px (the file says so)"
    assert facts["Objective"].startswith("20x")
    assert facts["Stored as"] == "tiles of 256 × 256 px"
    assert facts["Format"].startswith("Aperio") and facts["Other pictures"] == "label, macro, thumbnail"
    assert facts["Colour profile (ICC)"] == "no" and facts["Scanned area"] == "the whole picture"
    whole = " ".join(facts.values())
    for word in ("drsecret", "4711", "12/29", "ROOM7"):
        assert word not in whole


def test_a_plain_image_and_who_stated_its_pixel_size(tmp_path: Path) -> None:
    path = write_slide(tmp_path / "field.tif")
    assert facts_of(path)["Pixel size"].startswith("not known")
    facts = facts_of(path, 0.25)
    assert facts["Pixel size"] == "0.25 µm/px (stated by you)"
    assert facts["Size"].startswith("900 × 700 px, 0.225 × 0.175 mm")
    assert facts["Objective"] == "The file does not say" and facts["Other pictures"] == "none"


def test_levels_are_listed_with_what_each_is_smaller_by(tmp_path: Path) -> None:
    path = tmp_path / "p.tif"
    with tifffile.TiffWriter(path) as file:
        for i, factor in enumerate((1, 4)):
            pixels = np.full((1024 // factor, 2048 // factor, 3), 90, np.uint8)
            file.write(pixels, tile=(256, 256), photometric="rgb", subfiletype=1 if i else 0)
    assert facts_of(path)["Levels"] == ("2,048 × 1,024 px, full resolution\n512 × 256 px, 4 times smaller")


def test_the_label_is_read_when_it_is_asked_for(tmp_path: Path) -> None:
    path = write_svs(tmp_path / "a.svs")
    label = associated_image(path, "label")
    assert label.shape == (60, 100, 3) and (label == LABEL).all()
    with pytest.raises(SlideError):
        associated_image(path, "passport")


def test_a_file_that_is_gone_is_told_in_words(tmp_path: Path) -> None:
    with pytest.raises(SlideError):
        scan_facts(tmp_path / "gone.svs")


@pytest.mark.gl
def test_the_dialog_reads_label_and_macro_on_demand_only(
    parts: Parts, tmp_path: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    whole = openslide._AssociatedImageMap.__getitem__

    def noting(pictures: object, name: str) -> object:
        read.append(name)
        return whole(pictures, name)

    monkeypatch.setattr(openslide._AssociatedImageMap, "__getitem__", noting)
    parts.controller.projects.open_slide(write_svs(tmp_path / "a.svs"))
    parts.window.menus.requested("slide_information").emit()
    wait_until(lambda: parts.controller.slide_info.dialog is not None, qtbot)
    dialog = parts.controller.slide_info.dialog
    assert isinstance(dialog, SlideInfoDialog) and dialog.isVisible()
    assert read == [] and not dialog.pictures.isVisible()
    dialog.copy_button.click()
    copied = QApplication.clipboard().text()
    assert "Objective\t20x" in copied and "drsecret" not in copied
    dialog.show_button.click()
    wait_until(dialog.pictures.isVisible, qtbot)
    assert sorted(read) == ["label", "macro", "thumbnail"]
    # Another slide: the pictures of the one before are gone.
    parts.controller.projects.open_slide(write_slide(tmp_path / "field.tif"), 0.5)
    assert parts.controller.slide_info.dialog is None


def test_text_for_the_clipboard_is_a_line_a_fact(tmp_path: Path) -> None:
    path = write_slide(tmp_path / "field.tif")
    with Slide.open(path, 0.5) as slide:
        text = facts_text(slide_facts(slide.info, scan_facts(path)))
    assert all(line.count("\t") == 1 for line in text.splitlines()) and len(text.splitlines()) == 12
