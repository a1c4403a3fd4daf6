from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PySide6.QtGui import QImage
from pytestqt.qtbot import QtBot

from desktop_app.widgets.controls.time_format import duration
from desktop_app.widgets.features.heatmap_controls import HeatmapControls
from desktop_app.widgets.shell.dialogs import AnalyzeDialog, PixelSizeDialog, SaveDialog, TrainDialog
from desktop_app.widgets.shell.jobs import JobRow
from desktop_app.widgets.slide.view_picture import FOOT_PX, ViewCaption, save_view
from sae_backend.statistics.number_text import number_text, percent_text
from sae_backend.worker.requests import Progress


def test_controls_ask_for_what_is_typed_and_not_for_what_is_shown(qtbot: QtBot) -> None:
    controls = HeatmapControls()
    qtbot.addWidget(controls)
    asked: list[tuple[float, ...]] = []
    controls.limits_requested.connect(lambda low, high: asked.append((low, high)))
    controls.threshold_requested.connect(lambda value: asked.append((value,)))
    controls.opacity_requested.connect(lambda value: asked.append((value,)))
    controls.show_feature("Feature 3", (0.0, 4.0))
    assert asked == []
    controls.high.setValue(2.0)
    controls.threshold.setValue(50)
    controls.opacity.setValue(30)
    controls.low.setValue(3.0)
    assert asked == [(0.0, 2.0), (1.0,), (0.3,)]
    controls.say("Nothing")
    assert not controls.body.isEnabled()


def test_limits_that_cross_are_refused_aloud(qtbot: QtBot) -> None:
    controls = HeatmapControls()
    qtbot.addWidget(controls)
    controls.show_feature("Feature 3", (0.0, 4.0))
    assert controls.refusal.isHidden()
    controls.low.setValue(5.0)
    assert not controls.refusal.isHidden()
    controls.high.setValue(6.0)
    assert controls.refusal.isHidden()


def test_a_job_that_is_through_has_no_time_left(qtbot: QtBot) -> None:
    row = JobRow("Correlate")
    qtbot.addWidget(row)
    row.show_progress(Progress(1, "correlate", 1_695_744, 4_608_000, 6_860_000.0, 1.0))
    assert row.state.text() == "correlate, 1,695,744 of 4,608,000, 6,860,000 per s, 1 s left"
    row.show_progress(Progress(1, "correlate", 4_608_000, 4_608_000, 6_860_000.0, 0.2))
    assert "left" not in row.state.text()


def test_the_chosen_kind_names_the_file(qtbot: QtBot, tmp_path: Path) -> None:
    dialog = SaveDialog("Export", "CSV (*.csv);;Parquet (*.parquet)", str(tmp_path / "features.csv"))
    qtbot.addWidget(dialog)
    assert dialog.defaultSuffix() == "csv"
    dialog.filterSelected.emit("Parquet (*.parquet)")
    assert [Path(name).name for name in dialog.selectedFiles()] == ["features.parquet"]
    dialog.selectFile("mine")
    assert [Path(name).name for name in dialog.selectedFiles()] == ["mine.parquet"]


def test_the_control_is_named_where_it_is_chosen(qtbot: QtBot) -> None:
    dialog = AnalyzeDialog()
    qtbot.addWidget(dialog)
    assert not dialog.control.isHidden()
    dialog.encoder.setEditText("timm:vit_tiny_patch16_224")
    assert dialog.control.isHidden()


def test_a_picture_of_the_view_says_all_of_its_source(qtbot: QtBot, tmp_path: Path) -> None:
    shot = np.zeros((50, 420, 4), np.uint8)
    source = "a-slide-with-a-long-name.svs, control:random-vit (random-weights control), SAE 0123456789ab"
    heights = []
    for words in ("a.svs", source):
        save_view(shot, tmp_path / "view.png", ViewCaption("Feature 3", words, (0.0, 1.0)))
        heights.append(QImage(str(tmp_path / "view.png")).height())
    assert heights[0] == 50 + FOOT_PX
    assert heights[1] > heights[0]


def test_dialogs_give_what_was_chosen(qtbot: QtBot) -> None:
    analyze, train = AnalyzeDialog(), TrainDialog()
    qtbot.addWidget(analyze)
    qtbot.addWidget(train)
    analyze.encoder.setEditText("timm:vit_tiny_patch16_224")
    analyze.layer.setValue(3)
    options = analyze.options()
    assert (options.encoder, options.layer, options.weights) == ("timm:vit_tiny_patch16_224", 3, None)
    assert options.spec.tile_px == 224
    assert (train.options().expansion, train.options().epochs) == (8, None)


def test_an_unknown_pixel_size_has_no_default(qtbot: QtBot) -> None:
    dialog = PixelSizeDialog("a.jpg", None)
    qtbot.addWidget(dialog)
    assert dialog.mpp.text() == "not known"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (duration(None), ""),
        (duration(40.2), "40 s"),
        (duration(200), "3 min"),
        (duration(4200), "1 h 10 min"),
        (percent_text(0.0), "0 %"),
        (percent_text(0.0012), "0.12 %"),
        (percent_text(0.365), "36.5 %"),
        (number_text(float("nan")), "–"),
        (number_text(0.12345), "0.123"),
    ],
)
def test_numbers_in_words(text: str, expected: str) -> None:
    assert text == expected
