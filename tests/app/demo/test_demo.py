"""The demo, headless: a report that a sceptic can read, and a second run that repeats nothing."""

from __future__ import annotations

import base64
import csv
import io
import re
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from desktop_app.demo import steps as demo_steps
from desktop_app.project.notices import GENERATED_NOTICE
from desktop_app.store import Store
from sae_backend.models.bundled_models import scoreboard_followers
from sae_backend.synthetic.world import CELL_TYPES
from tests.app.fixtures.command_line import Commands
from tests.app.fixtures.inline_backend import InlineBackend


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Commands:
    monkeypatch.setattr(demo_steps, "DEMO_SLIDE", replace(demo_steps.DEMO_SLIDE, size_px=(2000, 2400)))
    return Commands(capsys)


def test_the_demo_makes_a_report_with_truth_n_unit_and_method(
    run: Commands, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    backends = [InlineBackend(), InlineBackend()]
    said = run("demo", "--headless", "--out", out, "--json", backend=lambda: backends[0])
    assert said.code == 0, said.err
    assert Path(said.data["report"]).samefile(out / "report.html")
    page = (out / "report.html").read_text(encoding="utf-8")
    for words in (GENERATED_NOTICE, "The slide is generated", "n = ", "unit: block of", "Benjamini-Hochberg",
                  "were counted, each once", "too favourable", "family-wise p", "chosen on other slides",
                  "Scoreboard", *CELL_TYPES):  # fmt: skip
        assert words in page, words
    followers = scoreboard_followers()
    assert {k: v["feature"] for k, v in said.data["shown"].items()} == {
        k: f.feature for k, f in followers.items()
    }
    pictures = re.findall(r"data:image/png;base64,([^']+)'", page)
    assert len(pictures) == 2 * len(said.data["shown"]) + 1
    for picture in pictures:
        with Image.open(io.BytesIO(base64.b64decode(picture))) as image:
            assert image.format == "PNG" and image.size[0] > 800
    assert "://" not in page, "the report needs no network"
    with (out / "correlations.csv").open(encoding="utf-8", newline="") as file:
        rows = {
            (row["feature"], row["cell_type"]): row
            for row in csv.DictReader(file)
            if row["statistic"] == "pearson"
        }
    for cell_type, best in said.data["best"].items():
        assert float(rows[str(best["feature"]), cell_type]["value"]) == pytest.approx(best["r"])
    with Store.open(out / "project") as store:
        analysis = store.analyses.current()
        assert analysis is not None and analysis.sae_digest is not None and not analysis.is_control
        names = {note.feature: note.name for note in store.annotations.all(analysis.sae_digest)}
        assert set(names) == {follower.feature for follower in followers.values()}

    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    again = run("demo", "--out", out, backend=lambda: backends[1])
    assert again.code == 0 and backends[1].requests == [], "all of it was there already"
    assert str(out) in again.out


def test_a_name_that_the_user_changed_is_left_alone(tmp_path: Path) -> None:
    feature = scoreboard_followers()["lymphocyte"].feature
    with Store.create(tmp_path / "project", author="user") as store:
        store.annotations.set("5ae", feature, name="mine")
        demo_steps.name_followers(store, "5ae")
        demo_steps.name_followers(store, "5ae")
        notes = {note.feature: note for note in store.annotations.all("5ae")}
        assert notes[feature].name == "mine" and notes[feature].author == "user"
        others = [note for note in notes.values() if note.feature != feature]
        assert others and all(note.author == demo_steps.AUTHOR and note.revision == 1 for note in others)
        assert store.author == "user"


def test_a_slide_of_another_version_or_half_drawn_is_drawn_anew(tmp_path: Path) -> None:
    assert not demo_steps.is_drawn(tmp_path)
    slide, truth = demo_steps.demo_paths(tmp_path)
    slide.write_bytes(b"x")
    truth.settings.write_text('{"spec": {"name": "demo", "world_version": 0}}')
    assert not demo_steps.is_drawn(tmp_path)
    truth.settings.write_text("{")
    assert not demo_steps.is_drawn(tmp_path)


def test_a_demo_that_cannot_be_written_says_so(run: Commands, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")
    said = run("demo", "--headless", "--out", tmp_path / "file", "--json")
    assert said.code == 1
    assert "file" in said.data["sentence"] and said.data["hint"]
