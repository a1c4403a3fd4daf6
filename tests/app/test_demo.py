"""The demo, headless: a report that a sceptic can read, and a second run that repeats nothing."""

from __future__ import annotations

import base64
import csv
import io
import re
from pathlib import Path

import pytest
from PIL import Image

from desktop_app import demo_run
from desktop_app.jobs import TrainOptions
from desktop_app.words import CONTROL_NOTICE
from sae_backend.demo.slide import DemoSlide, write_demo_slide
from tests.app.command_line import Commands
from tests.app.inline_backend import InlineBackend


def _small_slide(folder: Path) -> DemoSlide:
    return write_demo_slide(folder, size_px=(1700, 2200))


def _short_training() -> TrainOptions:
    return TrainOptions(expansion=2, epochs=40, device="cpu")


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Commands:
    return Commands(capsys)


def test_the_demo_makes_a_report_with_n_unit_method_and_control_notice(
    run: Commands, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo_run, "write_demo_slide", _small_slide)
    monkeypatch.setattr(demo_run, "TrainOptions", _short_training)
    out = tmp_path / "out"
    backends = [InlineBackend(), InlineBackend()]
    said = run("demo", "--headless", "--out", out, "--json", backend=lambda: backends[0])
    assert said.code == 0, said.err
    assert Path(said.data["report"]).samefile(out / "report.html")
    page = (out / "report.html").read_text(encoding="utf-8")
    for words in (CONTROL_NOTICE, "The slide is generated", "n = ", "unit: block of", "Benjamini-Hochberg",
                  "held-out tiles", "were counted, each once", "too favourable", "family-wise p"):  # fmt: skip
        assert words in page, words
    pictures = re.findall(r"data:image/png;base64,([^']+)'", page)
    assert len(pictures) == 2 * len(said.data["best"]) > 0
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

    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    again = run("demo", "--out", out, backend=lambda: backends[1])
    assert again.code == 0 and backends[1].requests == [], "all of it was there already"
    assert str(out) in again.out


def test_a_demo_that_cannot_be_written_says_so(run: Commands, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")
    said = run("demo", "--headless", "--out", tmp_path / "file", "--json")
    assert said.code == 1
    assert "file" in said.data["sentence"] and said.data["hint"]
