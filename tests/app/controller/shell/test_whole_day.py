"""A working day by mouse and keyboard: a slide analysed, named, drawn on and exported, opened again, handed over."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLineEdit
from pytestqt.qtbot import QtBot

from desktop_app.canvas.layer_names import REGIONS
from desktop_app.canvas.slide_layers import HEATMAP, TILE
from desktop_app.project.analysis_jobs import AnalyzeOptions
from sae_backend.models.bundled_models import SHIPPED_ENCODER
from sae_backend.synthetic.slide import draw_slide
from sae_backend.synthetic.specs import SlideSpec
from tests.app.controller.regions.test_regions import click
from tests.app.fixtures.window_hands import CTRL, KEY, LEFT, SHIFT, Hands, Written, step_to
from tests.waiting import wait_until

pytestmark = [pytest.mark.gl, pytest.mark.slow]

AUTHOR = "Ada Lovelace"
NAMES = ('=Lymphocytes, "dense"', "Stroma; fibres")
DESCRIPTION = "around glands, not inside"
COMMENT = "see the cut edge?"
CONCEPT = "inflammation: lymphoid aggregate"
REGION = "follicle 1, left"
CORNERS = ((200.0, 220.0), (210.0, 620.0), (580.0, 640.0), (590.0, 240.0))
PICKED = (450.0, 700.0)


@pytest.fixture
def windows(qtbot: QtBot, tmp_path: Path) -> Iterator[list[Hands]]:
    """Windows of one user, one after the other."""
    opened: list[Hands] = []
    yield opened
    for hands in opened:
        if hands.is_open:
            hands.let_go()


def test_everything_that_was_done_by_hand_is_kept_and_handed_over(
    windows: list[Hands], tmp_path: Path, qtbot: QtBot
) -> None:
    slide = draw_slide(tmp_path, SlideSpec("biopsy", seed=3, size_px=(1000, 1200))).slide_path
    project, copy = tmp_path / "project", tmp_path / "copy"
    preferences = tmp_path / "preferences.json"

    first = Hands(preferences, qtbot)
    windows.append(first)
    analyse(first, project, slide)
    # A colleague's project: the same slide and autoencoder, and nothing written yet.
    shutil.copytree(project, copy)
    named = review(first)
    comment(first, named[0])
    draw(first)
    link_examples(first, named[1])
    undo_and_redo(first, project)
    files = export(first, tmp_path)
    # What is typed last is not confirmed by any key.
    step_to(first, named[1])
    first.write(first.window.annotation.editors["description"], DESCRIPTION)
    first.quit()

    kept = Written.of(project)
    check_kept(kept, named)
    check_files(files, kept, named)

    second = Hands(preferences, qtbot)
    windows.append(second)
    reopen(second, project)
    check_shown(second, kept, named)
    final = second.export("Export annotations…", tmp_path / "final.json")
    second.dialogs.directory = copy
    second.key(KEY.Key_O, CTRL | SHIFT)
    assert second.store.folder == copy and second.store.annotations.all() == []
    said = second.import_from("Import annotations…", final)
    assert "2 annotations added" in said and "1 comments and 2 examples added" in said
    assert "1 region added" in second.import_from("Import regions…", files["geojson"])
    step_to(second, named[0])
    check_shown(second, kept, named)
    second.quit()
    received = Written.of(copy)
    assert {n: note.content() for n, note in received.notes.items()} == {
        n: note.content() for n, note in kept.notes.items()
    }
    assert {note.author for note in received.notes.values()} == {AUTHOR}
    assert received.comments == kept.comments and received.examples == kept.examples
    (mine,), (theirs,) = kept.regions, received.regions
    assert (theirs.uid, theirs.name, theirs.author) == (mine.uid, mine.name, mine.author)
    np.testing.assert_allclose(theirs.polygons_l0[0][0], mine.polygons_l0[0][0], atol=1e-6)


def analyse(hands: Hands, project: Path, slide: Path) -> None:
    window, dialogs = hands.window, hands.dialogs
    dialogs.directory, dialogs.file = project, slide
    dialogs.analyze = AnalyzeOptions(encoder=SHIPPED_ENCODER)
    QTest.mouseClick(window.start_page.buttons["New project…"], LEFT)
    hands.key(KEY.Key_O, CTRL)
    assert [record.name for record in hands.store.slides.all()] == [slide.name]
    QTest.mouseClick(window.slides.analyze_button, LEFT)
    session = hands.controller._context.session
    wait_until(lambda: session.features is not None, hands.qtbot)
    assert window.features.model.rowCount() > 100 and HEATMAP in hands.layers
    wait_until(lambda: len(hands.backend.requests) == 3, hands.qtbot)
    assert not window.control.isVisible(), "the shipped encoder is no control"


def review(hands: Hands) -> tuple[int, int]:
    """Step, name, grade, accept; the features that were named."""
    window, model = hands.window, hands.window.features.model
    for key, row in ((KEY.Key_J, 1), (KEY.Key_J, 2), (KEY.Key_K, 1)):
        QTest.keyClick(hands.canvas, key)
        assert hands.feature == model.feature_at(row) and HEATMAP in hands.layers
    hands.write(window.annotation.author, "")
    hands.key(KEY.Key_A, CTRL)
    QTest.keyClicks(window.annotation.author, AUTHOR)
    hands.key(KEY.Key_Return)
    named = []
    for name, grade in zip(NAMES, (KEY.Key_4, KEY.Key_2), strict=True):
        feature = hands.feature
        QTest.keyClick(hands.canvas, KEY.Key_N)
        assert QApplication.focusWidget() is window.annotation.name
        QTest.keyClicks(window.annotation.name, name)
        hands.key(KEY.Key_Return)
        assert QApplication.focusWidget() is window.features.view and hands.feature == feature
        hands.key(grade)
        hands.key(KEY.Key_Return)
        assert hands.feature != feature and not model.table.note(hands.feature).name
        named.append(feature)
    return named[0], named[1]


def comment(hands: Hands, feature: int) -> None:
    panel = hands.window.annotation
    step_to(hands, feature)
    QTest.keyClick(hands.canvas, KEY.Key_B)
    hands.choose_concept(CONCEPT)
    hands.write(panel.comment_tabs.words, COMMENT)
    hands.key(KEY.Key_Return)
    assert panel.comment_tabs.words.text() == "" and panel.concept.currentData() == CONCEPT


def draw(hands: Hands) -> None:
    window, table = hands.window, hands.window.regions.table
    window.zoom_to(0.6)
    window.look_at(230.0, 270.0)
    QTest.keyClick(hands.canvas, KEY.Key_P)
    for corner in CORNERS:
        click(hands, *corner)
    hands.key(KEY.Key_Return)
    hands.key(KEY.Key_Escape)
    assert window.viewer.scene.camera.mouse_pan, "the tool is put down"
    index = window.regions.model.index(0, 0)
    # A first click goes to the region.
    hands.click_row(table, index, twice=True)
    editor = table.findChild(QLineEdit)
    assert editor is not None
    QTest.keyClicks(editor, REGION)
    QTest.keyClick(editor, KEY.Key_Return)
    wait_until(lambda: hands.store.regions.all()[0].name == REGION, hands.qtbot)


def link_examples(hands: Hands, feature: int) -> None:
    """A tile that is picked on the slide, and the region."""
    step_to(hands, feature)
    hands.window.look_at(230.0, 270.0)
    click(hands, *PICKED)
    assert TILE in hands.layers
    QTest.keyClick(hands.canvas, KEY.Key_E)
    hands.window.show_panel("Regions")
    QTest.mouseClick(hands.window.regions.example, LEFT)
    assert len(hands.store.examples.all()) == 2


def undo_and_redo(hands: Hands, project: Path) -> None:
    """Back to before the comment and forth again; Ctrl+Y, napari's key for 3-D, redoes as Ctrl+Shift+Z does."""
    whole = before = Written.of(project)
    canvas = hands.canvas
    # Region example, tile example, region's name, region, comment.
    expected = ((1, 1, 1, REGION), (0, 1, 1, REGION), (0, 1, 1, ""), (0, 0, 1, None), (0, 0, 0, None))
    for n_examples, n_regions, n_comments, name in expected:
        QTest.keyClick(canvas, KEY.Key_Z, CTRL)
        now = Written.of(project)
        assert (len(now.examples), len(now.regions), len(now.comments)) == (n_examples, n_regions, n_comments)
        assert [region.name for region in now.regions] == ([] if name is None else [name])
        QTest.keyClick(canvas, KEY.Key_Y, CTRL)
        redone = Written.of(project)
        assert (redone.comments, redone.examples, redone.regions) == (
            before.comments,
            before.examples,
            before.regions,
        )
        assert hands.window.viewer.dims.ndisplay == 2
        QTest.keyClick(canvas, KEY.Key_Z, CTRL)
        before = Written.of(project)
        assert (before.comments, before.examples, before.regions) == (now.comments, now.examples, now.regions)
    QTest.keyClick(canvas, KEY.Key_Z, CTRL)
    assert {note.concept for note in Written.of(project).notes.values()} == {""}
    for _ in range(len(expected) + 1):
        QTest.keyClick(canvas, KEY.Key_Z, CTRL | SHIFT)
    again = Written.of(project)
    assert (again.comments, again.examples, again.regions) == (whole.comments, whole.examples, whole.regions)
    assert {n: note.content() for n, note in again.notes.items()} == {
        n: note.content() for n, note in whole.notes.items()
    }


def export(hands: Hands, folder: Path) -> dict[str, Path]:
    hands.window.annotation.flush()
    annotations = ("json", "csv", "jsonl")
    files = {kind: hands.export("Export annotations…", folder / f"notes.{kind}") for kind in annotations}
    files["geojson"] = hands.export("Export regions…", folder / "regions.geojson")
    files["html"] = hands.export("Export feature atlas…", folder / "atlas.html")
    files["png"] = hands.export("Export view as picture…", folder / "view.png")
    return files


def check_kept(kept: Written, named: tuple[int, int]) -> None:
    one, two = (kept.notes[feature] for feature in named)
    assert set(kept.notes) == set(named)
    assert (one.name, one.confidence, one.status, one.concept) == (NAMES[0], 4, "reviewed", CONCEPT)
    assert (two.name, two.confidence, two.status, two.concept) == (NAMES[1], 2, "reviewed", "")
    assert (one.description, two.description) == ("", DESCRIPTION), "typed for the feature that was shown"
    assert one.author == two.author == AUTHOR
    (said,) = kept.comments
    assert (said.feature, said.text, said.author) == (named[0], COMMENT, AUTHOR)
    (region,) = kept.regions
    assert (region.name, region.kind, region.author) == (REGION, "polygon", AUTHOR)
    np.testing.assert_allclose(region.polygons_l0[0][0], CORNERS, atol=1.5)
    tile, place = kept.examples
    assert {tile.feature, place.feature} == {named[1]} and place.region_uid == region.uid
    assert tile.region_uid == "" and tile.y_l0 <= PICKED[0] <= tile.y_l0 + tile.height_l0
    assert tile.x_l0 <= PICKED[1] <= tile.x_l0 + tile.width_l0
    assert kept.bookmarks == {named[0]}


def check_files(files: dict[str, Path], kept: Written, named: tuple[int, int]) -> None:
    document = json.loads(files["json"].read_text(encoding="utf-8"))
    noted = {note["feature"]: note for note in document["annotations"]}
    assert {n: note["name"] for n, note in noted.items()} == dict(zip(named, NAMES, strict=True))
    assert (noted[named[0]]["concept"], noted[named[1]]["status"]) == (CONCEPT, "reviewed")
    assert [comment["uid"] for comment in document["comments"]] == [kept.comments[0].uid]
    assert [example["uid"] for example in document["examples"]] == [example.uid for example in kept.examples]
    concepts = [line["after"] for line in document["history"] if line["field"] == "concept"]
    assert concepts[-3:] == [CONCEPT, "", CONCEPT], "undo and redo are part of the history"
    with files["csv"].open(encoding="utf-8", newline="") as file:
        rows = {int(row["feature"]): row for row in csv.DictReader(file)}
    assert rows[named[0]]["name"] == f"'{NAMES[0]}" and rows[named[1]]["name"] == NAMES[1]
    assert (rows[named[0]]["confidence"], rows[named[1]]["confidence"]) == ("4", "2")
    lines = {int(line["index"]): line for line in map(json.loads, files["jsonl"].read_text().splitlines())}
    assert set(lines) == set(named) and lines[named[0]]["name"] == NAMES[0]
    assert [comment["text"] for comment in lines[named[0]]["comments"]] == [COMMENT]
    (shape,) = json.loads(files["geojson"].read_text(encoding="utf-8"))["features"]
    assert REGION in json.dumps(shape["properties"])
    ring = np.array(shape["geometry"]["coordinates"][0])[:-1, ::-1]
    np.testing.assert_allclose(ring, kept.regions[0].polygons_l0[0][0], atol=1e-6)
    page = files["html"].read_text(encoding="utf-8")
    for words in ("=Lymphocytes, ", NAMES[1], "Lovelace", f"Feature {named[0]}", f"Feature {named[1]}"):
        assert words in page, words
    assert files["png"].stat().st_size > 10_000


def reopen(hands: Hands, project: Path) -> None:
    """From the list of the start page, with a click."""
    recent = hands.window.start_page.recent.list
    wait_until(lambda: recent.count() == 1, hands.qtbot)
    hands.click_row(recent, recent.model().index(0, 0))
    assert hands.store.folder == project
    assert REGIONS in hands.layers


def check_shown(hands: Hands, kept: Written, named: tuple[int, int]) -> None:
    window, panel = hands.window, hands.window.annotation
    assert not panel.author_row.isVisible(), "the name is asked once"
    step_to(hands, named[0])
    assert (panel.name.text(), panel.confidence.currentIndex()) == (NAMES[0], 4)
    assert (panel.concept.currentData(), panel.status.currentText()) == (CONCEPT, "reviewed")
    assert panel.comment_tabs.comments.count() == 1 and COMMENT in panel.comment_tabs.comments.item(0).text()
    step_to(hands, named[1])
    assert (panel.name.text(), panel.editors["description"].toPlainText()) == (NAMES[1], DESCRIPTION)
    assert panel.comment_tabs.examples.count() == 2 and panel.comment_tabs.comments.count() == 0
    assert window.legend.text.startswith(f"Feature {named[1]}: {NAMES[1]}")
    (row,) = window.regions.model.rows
    assert (row.uid, row.name) == (kept.regions[0].uid, REGION)
