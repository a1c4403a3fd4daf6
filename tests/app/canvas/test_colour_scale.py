"""How values become colours, alone and on the layers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel

from desktop_app.canvas.colour_scale import (
    COLOUR_MAPS,
    PLAIN,
    HeatLook,
    auto_limits,
    colormap,
    shares,
    strip,
    value_at,
)
from desktop_app.canvas.slide_layers import CELLS, DENSITY, HEATMAP, TOGETHER, SlideLayers, mixed_colours
from sae_backend.activations.heatmap import Heatmap
from sae_backend.cells.counts import CellTable
from sae_backend.slides.slide import Slide
from tests.app.fixtures.fakes import write_slide

LOG, ROBUST = HeatLook(log=True), HeatLook(robust=True)


@pytest.fixture
def layers(tmp_path: Path) -> Iterator[SlideLayers]:
    with Slide.open(write_slide(tmp_path / "field.tif"), 0.5) as slide:
        made = SlideLayers(ViewerModel())
        made.show_slide(slide, 0.5)
        yield made


def heat(values: list[list[float]]) -> Heatmap:
    return Heatmap(np.array(values, np.float32), 50.0, (25.0, 25.0), 3, "5ae")


def test_limits_follow_the_look() -> None:
    values = np.full((10, 10), np.nan, np.float32)
    assert auto_limits(values, PLAIN) == (0.0, 1.0)
    values[:5] = 0
    values[0] = np.arange(1, 11)
    values[1] = 1
    values[1, 0] = 100
    assert auto_limits(values, PLAIN) == (0.0, 100.0)
    assert auto_limits(values, ROBUST)[1] == pytest.approx(np.quantile(values[values > 0], 0.99))
    assert auto_limits(values[:1], ROBUST) == (0.0, 10.0), "ten tiles have no 99th percentile"
    assert auto_limits(values, LOG) == (1.0, 100.0)
    values[1, 1] = -3
    assert auto_limits(values, PLAIN) == (-100.0, 100.0)


@pytest.mark.parametrize("look", [PLAIN, LOG])
def test_the_bar_and_the_map_agree(look: HeatLook) -> None:
    limits = (0.5, 50.0)
    for share in (0.0, 0.3, 1.0):
        value = value_at(share, limits, look)
        assert shares(np.array([value], np.float32), limits, look)[0] == pytest.approx(share, abs=1e-6)


def test_every_map_of_one_sign_grows_brighter_and_a_smooth_one_fades_in() -> None:
    for name in COLOUR_MAPS:
        rgb = strip(HeatLook(name)).astype(float)
        luminance = rgb @ (0.2126, 0.7152, 0.0722)
        assert (np.diff(luminance) > -0.6).all() and luminance[-1] > luminance[0] + 100
    assert colormap(HeatLook(smooth=True)).colors[0, 3] == 0
    assert colormap(HeatLook(smooth=True)).colors[-1, 3] == 1
    assert colormap(HeatLook(smooth=True), signed=True).colors[128, 3] < 0.1
    signed = strip(PLAIN, signed=True).astype(int)
    assert signed[128].min() > 230, "zero is pale"
    assert signed[0, 2] > signed[0, 0] and signed[-1, 0] > signed[-1, 2], "purple below, orange above"


def test_a_log_map_keeps_its_ends_where_they_are_typed(layers: SlideLayers) -> None:
    layers.set_look(LOG)
    layers.show_heatmap(heat([[0.0, 1.0], [10.0, 100.0]]))
    layer = layers.layer(HEATMAP)
    assert layers.limits == (1.0, 100.0)
    assert tuple(layer.contrast_limits) == pytest.approx((0.0, 2.0))
    np.testing.assert_allclose(layer.data, [[np.nan, 0.0], [1.0, 2.0]], atol=1e-6)
    layers.set_limits(10.0, 100.0)
    assert tuple(layer.contrast_limits) == pytest.approx((1.0, 2.0))
    layers.set_look(PLAIN)
    assert layers.limits == (0.0, 100.0)
    np.testing.assert_allclose(layer.data, [[np.nan, 1.0], [10.0, 100.0]])


def test_a_smooth_map_mixes_and_has_no_holes(layers: SlideLayers) -> None:
    layers.show_heatmap(heat([[0.0, 1.0], [np.nan, 4.0]]))
    layer = layers.layer(HEATMAP)
    assert str(layer.interpolation2d) == "nearest" and np.isnan(layer.data[0, 0])
    layers.set_look(replace(PLAIN, smooth=True, colours="magma"))
    assert str(layer.interpolation2d) == "linear" and np.isfinite(layer.data).all()
    layers.set_threshold(2.0)
    assert layer.data.max() == 4.0 and (layer.data == 0).sum() == 3


def test_values_of_both_signs_take_the_other_colours_and_back(layers: SlideLayers) -> None:
    layers.show_heatmap(heat([[0.0, 1.0]]))
    before = layers.layer(HEATMAP).colormap.name
    layers.show_heatmap(heat([[-2.0, 1.0]]))
    assert layers.is_signed and layers.limits == (-2.0, 2.0)
    assert layers.layer(HEATMAP).colormap.name != before
    layers.set_threshold(1.5)
    assert np.isnan(layers.layer(HEATMAP).data[0, 1]) and layers.layer(HEATMAP).data[0, 0] == -2
    layers.show_heatmap(heat([[0.0, 1.0]]))
    assert layers.layer(HEATMAP).colormap.name == before


def test_features_together_hide_the_single_map_and_bring_it_back(layers: SlideLayers) -> None:
    layers.show_heatmap(heat([[0.0, 1.0]]))
    layers.show_together([(heat([[0.0, 2.0]]), "#ff0000"), (heat([[4.0, 0.0]]), "#0000ff")])
    assert not layers.layer(HEATMAP).visible and layers.layer(TOGETHER).visible
    np.testing.assert_array_equal(layers.layer(TOGETHER).data[0], [[0, 0, 255, 255], [255, 0, 0, 255]])
    layers.set_visible(HEATMAP, False)
    assert not layers.layer(TOGETHER).visible
    layers.set_visible(HEATMAP, True)
    layers.show_together([])
    assert layers.layer(TOGETHER) is None and layers.layer(HEATMAP).visible


def test_colours_are_mixed_by_weight() -> None:
    weights = np.array([[[1.0, 0.0, 0.0]], [[1.0, 0.5, 0.0]]], np.float32)
    mixed = mixed_colours(weights, ["#ff0000", "#0000ff"])
    assert mixed[0, 0].tolist() == [128, 0, 128, 255] or mixed[0, 0].tolist() == [127, 0, 127, 255]
    assert mixed[0, 1, :3].tolist() == [0, 0, 255] and 0 < mixed[0, 1, 3] < 255
    assert mixed[0, 2, 3] == 0


def test_cells_are_a_density_from_far_and_points_from_near(layers: SlideLayers) -> None:
    y, x = np.full(40, 100.0), np.linspace(0, 800, 40)
    kinds = np.array([0] * 20 + [1] * 20, np.uint16)
    layers.follow_view(10.0)
    layers.show_cells(CellTable(y, x, kinds, ("a", "b")))
    points, density = layers.layer(CELLS), layers.layer(DENSITY)
    assert density.visible and not points.visible
    left, right = density.data[0, 0], density.data[0, -1]
    assert left[0] > left[2] and right[2] > right[0], "orange where the first type lies, blue at the other"
    centre = density.data_to_world((0, 0))
    assert abs(centre[0] - (100 - 0.5) * 0.5) <= 25 and abs(centre[1]) <= 25
    layers.follow_view(0.5)
    assert points.visible and not density.visible
    layers.set_visible(CELLS, False)
    assert not points.visible and not density.visible
    layers.follow_view(10.0)
    assert not density.visible
