"""The feature atlas: planted numbers on every page, nothing private, whole or not at all."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtPdf import QPdfDocument
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from desktop_app.app import WindowStart, open_start
from desktop_app.export.atlas import AtlasChoice, AtlasSource, collect, write_atlas
from desktop_app.export.atlas.fonts import printable, width_pt, wrapped
from desktop_app.export.atlas.pages import atlas_pages, make_page, read_backdrop
from desktop_app.project.analysis_jobs import open_slide
from desktop_app.project.features.feature_facts import feature_facts
from desktop_app.project.notices import CONTROL_NOTICE
from desktop_app.store import Store
from sae_backend.errors import CancelledError, SlideError, UserInputError
from sae_backend.slides.pyramid import tile_pixels
from sae_backend.slides.slide import Slide
from sae_backend.synthetic.recognise import is_generated
from sae_backend.synthetic.slide import write_demo_slide
from tests.app.conftest import Parts
from tests.app.fixtures.command_line import Commands, assert_refused
from tests.app.fixtures.correlation_arrays import correlation_of
from tests.app.fixtures.fakes import SAE_DIGEST, add_analysis, write_slide
from tests.waiting import wait_until

EVIL = "<script>alert('x')</script> & $5 \\frac"
VOID = {"meta", "img", "input", "br", "link"}


class Page(HTMLParser):
    """What a browser would find: text, attributes, and whether every element is closed."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.text = ""
        self.feed(path.read_text(encoding="utf-8"))
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] not in ("script", "style"):
            self.text += data


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.create(tmp_path / "project", author="Dr. Planted") as made:
        with Slide.open(write_slide(tmp_path / "field.tif"), 0.5) as slide:
            record = made.slides.add(slide.info)
            analysis = add_analysis(made, record.id, slide, is_control=True)
        rows = [
            {"feature": 1, "cell_type": "plasma <b>", "statistic": "pearson", "value": -0.4321, "ci_low": -0.61,
             "ci_high": 0.12, "p": 0.0123},
            {"feature": 1, "cell_type": "rare", "statistic": "pearson", "reason": "too few cells"},
        ]  # fmt: skip
        meta = {
            "n_tiles": 1234,
            "n_slides": 1,
            "n_clusters": 17,
            "unit": "block of 0.9 mm",
            "method": "Plain M",
            "notes": ["N1"],
        }
        made.correlations.add(correlation_of(SAE_DIGEST, (analysis.id,), meta, rows))
        made.annotations.set(SAE_DIGEST, 1, name=EVIL, description="line one\nline two", tags=("t<1>",), confidence=4,
                      status="reviewed", concept="mitosis", nature="technical", polysemantic=True)  # fmt: skip
        made.comments.add(SAE_DIGEST, 4, "a <i>comment</i>")
        made.lists.add("mine", SAE_DIGEST, [7, 2])
        yield made


@pytest.fixture
def source(store: Store) -> AtlasSource:
    return collect(store, AtlasChoice())


def leftovers(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.suffix == ".tmp" or path.name.startswith("atlas.")]


def test_which_features(store: Store) -> None:
    assert collect(store, AtlasChoice()).numbers == (1, 4), "named, or commented on"
    assert sorted(collect(store, AtlasChoice(list_name="mine")).numbers) == [2, 7]
    everything = collect(store, AtlasChoice(everything=True)).numbers
    assert 0 not in everything and {1, 2, 11} <= set(everything)
    assert collect(store, AtlasChoice(features=(3, 0, 3))).numbers == (3, 0)
    with pytest.raises(UserInputError, match="no feature 12"):
        collect(store, AtlasChoice(features=(12,)))
    with pytest.raises(UserInputError, match="no list named others") as caught:
        collect(store, AtlasChoice(list_name="others"))
    assert "mine" in caught.value.hint


def test_the_web_page_holds_what_was_planted(source: AtlasSource, tmp_path: Path) -> None:
    path = tmp_path / "new" / "atlas.html"
    assert write_atlas(source, path) == 2
    page, raw = Page(path), path.read_text(encoding="utf-8")
    assert page.open == []
    for words in (
        EVIL, "line one\nline two", "t<1>", "4 of 5", "reviewed", "mitosis", "technical", "polysemantic", "Dr. Planted",
        "a <i>comment</i>", "1.8% of the tiles (1 of 56)", "5.00 (SAE units)", "5.00 · rank 1", "plasma <b>", "−0.43",
        "−0.61 to 0.12", "0.012", "too few cells", "n = 1,234 tiles of 1 slide (field.tif)", "block of 0.9 mm, 17 of them",
        "Plain M", "Note: N1", "2 features of the 12", "control:random-vit", "block 3", "cls", SAE_DIGEST[:12], CONTROL_NOTICE,
        f"{source.made_at:%Y-%m-%d}",
    ):  # fmt: skip
        assert words in page.text, words
    assert page.tags.count("script") == 1 and page.tags.count("article") == 2
    assert not re.search(r"https?://|file:", raw) and str(tmp_path) not in raw
    sources = [value for _, name, value in page.attributes if name in ("src", "href")]
    assert all(value.startswith(("data:image/", "#f")) for value in sources)
    alts = [value for tag, name, value in page.attributes if (tag, name) == ("img", "alt")]
    assert len(alts) == page.tags.count("img") and all(alts)
    ids = [value for _, name, value in page.attributes if name == "id"]
    assert {value[1:] for _, name, value in page.attributes if name == "href"} <= set(ids)
    assert len(ids) == len(set(ids))


def test_the_pdf_has_a_page_a_feature(source: AtlasSource, tmp_path: Path, qapp: QApplication) -> None:
    path = tmp_path / "atlas.pdf"
    write_atlas(source, path)
    raw = path.read_bytes()
    assert len(re.findall(rb"/Type /Page\b", raw)) == 3
    # A map a page, one tile of feature 1 and twelve of feature 4, as JPEG; no picture without loss but the colour bars.
    assert raw.count(b"/DCTDecode") == raw.count(b"/Subtype /Image") == 2 * 2 + 1 + 12
    assert str(tmp_path).encode() not in raw and b"/Author" not in raw
    document = QPdfDocument()
    assert document.load(str(path)) == QPdfDocument.Error.None_
    assert document.metaData(QPdfDocument.MetaDataField.Title) == "Feature atlas of field.tif"
    texts = [" ".join(document.getAllText(number).text().split()) for number in range(3)]
    for words in ("2 features of the 12", CONTROL_NOTICE, "Plain M", "N1", "1 / 3"):
        assert words in texts[0], words
    for words in (EVIL, "4 of 5", "line one line two", "(1 of 56)", "5.00 · rank 1", "−0.43 (−0.61 to 0.12), p = 0.012",
                  "n = 1,234 tiles", CONTROL_NOTICE, SAE_DIGEST[:12], "2 / 3"):  # fmt: skip
        assert words in texts[1], words
    assert "a <i>comment</i>" in texts[2]
    document.close()


def test_pictures_are_of_the_places_they_name(source: AtlasSource) -> None:
    with open_slide(source.slide) as slide:
        backdrop = read_backdrop(source, slide)
        page = make_page(source, slide, backdrop, 4)
        for tile in (*page.strongest, *page.weaker):
            assert np.array_equal(tile.rgb, tile_pixels(slide, source.features.grid, tile.place.tile))
        lone = make_page(source, slide, backdrop, 1)
    # The slide is 700 by 900 px; tiles of 100 px cover all but the last column. Feature 1 fires in the first.
    assert (lone.map.height_um, lone.map.width_um) == (350.0, 450.0)
    px = backdrop.rgb.shape[1] / 900
    changed = np.abs(lone.map.rgb.astype(int) - backdrop.rgb).max(axis=2)
    first, silent, bare = (
        changed[int(10 * px) : int(90 * px), int(x * px) : int((x + 80) * px)] for x in (10, 210, 810)
    )
    assert np.median(first) > 2 * np.median(silent) > 0 and bare.max() == 0


def test_chosen_examples_are_pictured_with_value_and_rank(
    store: Store, tmp_path: Path, qapp: QApplication
) -> None:
    record = store.slides.all()[0]
    features = collect(store, AtlasChoice()).features
    grid = features.grid
    tiles, values = features.column(4)
    weakest, silent = int(tiles[values.argmin()]), int(np.setdiff1d(np.arange(grid.n_tiles), tiles)[0])
    for tile in (weakest, silent):
        y, x = grid.origins_l0()[tile]
        store.examples.add(SAE_DIGEST, 4, record.fingerprint, (float(y), float(x), 100.0, 100.0))
    region = store.regions.add(
        record.id, [[[(10.0, 20.0), (10.0, 220.0), (90.0, 220.0), (90.0, 20.0)]]], "polygon"
    )
    store.examples.add(SAE_DIGEST, 4, record.fingerprint, (10.0, 20.0, 80.0, 200.0), region.uid)
    store.examples.add(SAE_DIGEST, 4, "another slide", (0.0, 0.0, 100.0, 100.0))
    source = collect(store, AtlasChoice(features=(4, 1)))
    with open_slide(source.slide) as slide:
        page = make_page(source, slide, read_backdrop(source, slide), 4)
    places = [tile.place and (tile.place.tile, tile.place.rank) for tile in page.chosen]
    assert places == [(weakest, len(values)), (silent, 0), None]
    assert page.chosen[0].place.value == values.min() and page.n_chosen_unseen == 1
    # The pixel at (row, column) is (row mod 256, column mod 256, 200): the region's box is 200 px wide about (50, 120).
    middle = page.chosen[2].rgb[111:113, 111:113].reshape(-1, 3).mean(axis=0)
    np.testing.assert_allclose(middle, (50, 120, 200), atol=1.5)
    web, pdf = tmp_path / "atlas.html", tmp_path / "atlas.pdf"
    write_atlas(source, web)
    write_atlas(source, pdf)
    document = QPdfDocument()
    assert document.load(str(pdf)) == QPdfDocument.Error.None_
    text = " ".join(document.getAllText(1).text().split())
    for words in (
        "Chosen examples",
        f"rank {len(values)}",
        "0 · silent here",
        "region",
        "1 more chosen example",
    ):
        assert words in Page(web).text and words in text, words
    assert Page(web).text.count("Chosen examples") == 1
    document.close()


def test_weaker_tiles_go_down_the_ranks(source: AtlasSource) -> None:
    tiles, values = source.features.column(4)
    facts = feature_facts(source.features, 4, 6, 6)
    order = np.argsort(-values, kind="stable")
    for found in (*facts.strongest, *facts.weaker):
        assert (found.tile, found.value) == (tiles[order[found.rank - 1]], values[order[found.rank - 1]])
    assert [found.rank for found in facts.strongest] == [1, 2, 3, 4, 5, 6]
    steps = np.diff([6, *(found.rank for found in facts.weaker), len(values)])
    assert steps[1:-1].min() >= steps[1:-1].max() - 1 and facts.weaker[-1].rank > 0.85 * len(values)
    assert facts.bin_counts.sum() == facts.n_firing == len(values)


@pytest.mark.parametrize("suffix", [".html", ".pdf"])
def test_whole_or_not_at_all(source: AtlasSource, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"book{suffix}"
    path.write_text("older", encoding="utf-8")
    seen: list[tuple[int, int]] = []
    with pytest.raises(CancelledError):
        write_atlas(source, path, lambda *news: seen.append(news), lambda: bool(seen))
    assert seen == [(1, 2)] and path.read_text(encoding="utf-8") == "older"
    with pytest.raises(SlideError):
        write_atlas(replace(source, slide=replace(source.slide, path=tmp_path / "gone.tif")), path)
    with pytest.raises(UserInputError, match="neither"):
        write_atlas(source, tmp_path / "book.doc")
    assert path.read_text(encoding="utf-8") == "older" and not leftovers(tmp_path)


def test_one_page_is_held_at_a_time(source: AtlasSource) -> None:
    with open_slide(source.slide) as slide:
        pages = atlas_pages(source, slide)
        assert iter(pages) is pages, "pages are made as they are asked for"
        assert next(pages).facts.feature == 1


def test_letters_fit_their_line() -> None:
    text = printable("a\tb\x07 \u200bc \U0001d7d8 \ue000")
    assert text.startswith("a b c") and "\ue000" not in text
    lines = wrapped("word " * 30 + "x" * 300, 100.0, 8.0)
    assert "".join(lines).replace(" ", "") == "word" * 30 + "x" * 300
    assert all(width_pt(line, 8.0) <= 100.0 for line in lines)


def test_a_drawn_slide_is_known(tmp_path: Path) -> None:
    drawn = write_demo_slide(tmp_path, seed=1, size_px=(600, 700)).slide_path
    assert is_generated(drawn)
    assert not is_generated(write_slide(tmp_path / "field.tif")) and not is_generated(tmp_path / "gone.tif")


def test_the_command(store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, out = Commands(capsys), tmp_path / "atlas.html"
    said = run("atlas", store.folder, "--out", out, "--list", "mine", "--json")
    assert said.code == 0 and sorted(said.data["features"]) == [2, 7]
    assert Page(out).tags.count("article") == 2
    assert "2 features" in run("atlas", store.folder, "--out", out).out
    assert_refused(run("atlas", store.folder, "--out", tmp_path / "atlas.doc"), ".pdf")
    assert_refused(run("atlas", store.folder, "--out", out, "--list", "others"), "others")
    assert_refused(run("atlas", store.folder, "--out", out, "--features", "1,99"), "99")
    assert_refused(run("atlas", store.folder, "--out", out, "--features", "1,x"), "'x'", code=2)
    assert_refused(run("atlas", store.folder, "--out", out, "--all", "--list", "a"), "not allowed", code=2)
    assert_refused(run("atlas", tmp_path / "none", "--out", out), "not a Sparsescope project")


@pytest.mark.gl
def test_the_window_writes_beside_itself(parts: Parts, project: Path, tmp_path: Path, qtbot: QtBot) -> None:
    menu, dialogs = parts.window.menus.actions_by_text, parts.dialogs
    dialogs.target = path = tmp_path / "out" / "atlas.html"
    menu["Export feature atlas…"].trigger()
    assert "analysed slide" in parts.window.notice.text
    open_start(parts.desktop, WindowStart(project=project))
    menu["Export feature atlas…"].trigger()
    assert "No feature has a name" in parts.window.notice.text and not dialogs.asked
    with Store.open(project) as store:
        for feature in range(2, 8):
            store.annotations.set(SAE_DIGEST, feature, name=f"number {feature}")
    menu["Export feature atlas…"].trigger()
    assert not path.exists(), "the window did not wait"
    said: set[str] = set()
    wait_until(lambda: bool(said.add(parts.window.notice.text)) or path.exists(), qtbot)
    wait_until(lambda: "Written" in parts.window.notice.text, qtbot)
    assert any(re.search(r"\d of 6 features", text) for text in said)
    assert Page(path).tags.count("article") == 6
    dialogs.target = tmp_path / "out" / "names.jsonl"
    menu["Export annotations…"].trigger()
    dialogs.file = dialogs.target
    menu["Import annotations…"].trigger()
    assert "6 already there" in parts.window.notice.text
    # Closing ends it, and nothing of it stays.
    dialogs.target = tmp_path / "out" / "second.pdf"
    menu["Export feature atlas…"].trigger()
    parts.window.closing.emit()
    assert sorted(found.name for found in path.parent.iterdir()) == ["atlas.html", "names.jsonl"]
