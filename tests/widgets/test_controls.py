from __future__ import annotations

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from desktop_app.widgets.dialogs import AnalyzeDialog, PixelSizeDialog, TrainDialog
from desktop_app.widgets.heatmap_controls import HeatmapControls
from desktop_app.widgets.texts import duration, number, percent


def test_controls_ask_for_what_is_typed_and_not_for_what_is_shown(qtbot: QtBot) -> None:
    controls = HeatmapControls(np.zeros((8, 3), np.uint8))
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
        (percent(0.0), "0 %"),
        (percent(0.0012), "0.12 %"),
        (percent(0.365), "36.5 %"),
        (number(float("nan")), "–"),
        (number(0.12345), "0.123"),
    ],
)
def test_numbers_in_words(text: str, expected: str) -> None:
    assert text == expected
