"""What does not fit is said with the options that would fit; nothing is moved by itself."""

import json

import numpy as np
import pytest

from sae_backend.cells.counts import ColumnMap, read_cells
from sae_backend.cells.extent_check import check_extent
from sae_backend.cells.import_options import Placement, ReadOptions
from sae_backend.cells.preview import preview_cells
from sae_backend.errors import UserInputError
from tests.backend.cells.formats.cell_files import dumped, hovernet, slide_info

HEIGHT, WIDTH = 1000, 2000


def cloud(factor=1.0, corner=(0.05, 0.1), far=(0.95, 0.9)):
    """Cells over most of a slide, their coordinates multiplied."""
    share = np.random.default_rng(0).uniform(corner, far, (500, 2))
    return share * (HEIGHT, WIDTH) * factor


def test_cells_that_fit():
    fit = check_extent(cloud(), slide_info(HEIGHT, WIDTH))
    assert (fit.share_inside, fit.share_in_bounds, fit.suggestions) == (1, 1, ())
    assert 0 < fit.box_l0[0] < 60 and 1700 < fit.box_l0[3] < 1800


@pytest.mark.parametrize(("factor", "wanted"), [(2.0, 0.5), (4.0, 0.25), (0.5, 2.0), (0.25, 4.0)])
def test_factors_are_suggested_both_ways(factor, wanted):
    options = ReadOptions(scale=3.0, offset_l0=(0.0, 0.0))
    fit = check_extent(cloud(factor), slide_info(HEIGHT, WIDTH), options, Placement(3.0, (0.0, 0.0)))
    assert fit.suggestions[0].options == ReadOptions(scale=3 * wanted, offset_l0=(0.0, 0.0))
    assert fit.suggestions[0].share_inside == 1 and f"times {wanted:g} " in fit.suggestions[0].words
    assert (
        "only a region" in fit.suggestions[0].words or "part of the slide only" in fit.suggestions[0].words
    ) == (wanted > 1)


def test_a_region_of_interest_is_legitimate():
    inside = cloud(corner=(0.3, 0.4), far=(0.5, 0.6))
    assert check_extent(inside, slide_info(HEIGHT, WIDTH)).suggestions == ()


def test_known_tissue_says_more_than_the_slide():
    small = cloud(0.5, corner=(0.3, 0.4), far=(0.5, 0.6))
    info = slide_info(HEIGHT, WIDTH)
    assert check_extent(small, info).suggestions == ()
    fit = check_extent(small, info, tissue_l0=(300.0, 800.0, 500.0, 1200.0))
    assert fit.suggestions[0].options.scale == 2 and "over the tissue" in fit.suggestions[0].words


def test_a_few_cells_astray_change_nothing():
    yx = cloud(0.5)
    yx[0] = (990, 1990)
    assert check_extent(yx, slide_info(HEIGHT, WIDTH)).suggestions[0].options.scale == 2


def test_the_origin_of_the_scanned_area_is_suggested_both_ways():
    info = slide_info(HEIGHT, WIDTH, bounds_l0=(600, 1200, 300, 500))
    yx = np.random.default_rng(0).uniform((610, 1210), (890, 1690), (200, 2))
    relative = yx - (600, 1200)
    added = check_extent(relative, info)
    assert added.share_in_bounds == 0 and added.suggestions[0].options.offset_l0 == (600, 1200)
    twice = check_extent(yx + np.array([600, 1200]), info, placement=Placement(1.0, (600.0, 1200.0)))
    assert twice.suggestions[0].options.offset_l0 == (0, 0) and twice.suggestions[0].share_inside == 1
    assert "100% of the cells" in twice.suggestions[0].words
    assert check_extent(yx, info).suggestions == ()


def test_suggestions_are_said_and_not_applied(tmp_path):
    path = tmp_path / "cells.csv"
    path.write_text("x,y\n" + "".join(f"{x},{y}\n" for y, x in cloud(0.5)))
    info = slide_info(HEIGHT, WIDTH)
    read = read_cells(path, info)
    assert read.table.x_l0.max() < 910 and "times 2 spreads them" in read.notes[-1]
    shown = preview_cells(path, info)
    again = preview_cells(path, info, shown.fit.suggestions[0].options)
    assert again.fit.suggestions == () and again.cells.table.x_l0.max() > 1700
    np.testing.assert_allclose(again.cells.table.x_l0, 2 * read.table.x_l0)


def test_cells_beyond_the_slide_are_explained_by_the_preview(tmp_path):
    path = tmp_path / "cells.csv"
    path.write_text("x,y,type\n3000,1500,A\n3100,1400,B\n")
    shown = preview_cells(path, slide_info(HEIGHT, WIDTH))
    assert shown.cells is None and "outside the slide" in shown.question and shown.fit.share_inside == 0
    assert dict(shown.type_counts) == {"A": 1, "B": 1}
    assert preview_cells(path, slide_info(HEIGHT, WIDTH), shown.fit.suggestions[0].options).cells is not None


def test_preview_of_a_table(tmp_path):
    path = tmp_path / "cells.csv"
    path.write_text("x,y,type,size\n10,20,A,1\n30,40,B,2\n50,60,A,3\n")
    info = slide_info()
    shown = preview_cells(path, info)
    assert (shown.format, shown.tool, shown.n_cells, dict(shown.type_counts)) == (
        "table",
        "table",
        3,
        {"A": 2, "B": 1},
    )
    assert shown.columns == ("x", "y", "type", "size") and shown.sample[1] == ("30", "40", "B", "2")
    assert shown.column_map == ColumnMap("x", "y", "type", "px") and shown.measures == ("size",)
    assert shown.extent == (20, 10, 60, 50) and not shown.has_outlines and shown.question == ""
    read = read_cells(path, info)
    np.testing.assert_array_equal(shown.cells.table.y_l0, read.table.y_l0)
    assert (shown.cells.source_sha256, shown.cells.notes) == (read.source_sha256, read.notes)


def test_preview_asks_for_the_columns(tmp_path):
    path = tmp_path / "cells.csv"
    path.write_text("east,north,kind\n10,20,A\n")
    shown = preview_cells(path, slide_info())
    assert "no columns for x and y" in shown.question and shown.cells is None and shown.n_cells is None
    assert shown.columns == ("east", "north", "kind") and shown.sample == (("10", "20", "A"),)
    chosen = ReadOptions(columns=ColumnMap("east", "north", "kind"))
    assert preview_cells(path, slide_info(), chosen).cells.table.y_l0.tolist() == [20]


def test_preview_asks_for_the_scale(tmp_path):
    path = tmp_path / "wsi.json"
    path.write_bytes(dumped(hovernet()))
    shown = preview_cells(path, slide_info())
    assert shown.tool == "HoVer-Net" and shown.n_cells == 2 and shown.has_outlines
    assert "what its 20x is at level 0" in shown.question and shown.fit is None and shown.cells is None
    assert preview_cells(path, slide_info(), ReadOptions(base_mag=40.0)).question == ""


def test_real_nuclei_have_outlines_and_areas(data_dir):
    info = slide_info(1500, 1500, 0.5)
    shown = preview_cells(data_dir / "hgsc_nest.geojson", info)
    cells = shown.cells.table
    assert shown.n_cells == 1295 and shown.has_outlines and shown.notes == ()
    assert cells.outlines.n_cells == 1295 and np.isfinite(cells.measures["area_um2"]).all()
    assert 10 < np.median(cells.measures["area_um2"]) < 100
    assert (
        json.dumps(dict(shown.cells.assumed))
        == '{"format": "geojson", "scale": 1.0, "offset_l0": [0.0, 0.0]}'
    )


@pytest.mark.parametrize(
    "values",
    [
        {"scale": 0.0}, {"scale": float("nan")}, {"mpp": -1.0}, {"mag": float("inf")}, {"scale": 1.0, "level": 1},
        {"mpp": 0.5, "mag": 20.0}, {"offset_l0": (0.0, float("nan"))},
    ],
)  # fmt: skip
def test_options_that_make_no_sense(values):
    with pytest.raises(UserInputError) as caught:
        ReadOptions(**values)
    assert caught.value.hint
