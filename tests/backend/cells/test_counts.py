import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from sae_backend.cells.counts import CellTable, count_cells, read_cells
from sae_backend.errors import CellsError, PixelSizeError
from sae_backend.slides.slide import Slide, SlideInfo
from sae_backend.slides.tiles import TileGrid, TileSpec, resolve_grid
from sae_backend.slides.tissue import find_tissue


def info(height=100, width=200, mpp=0.5, bounds=None):
    return SlideInfo(
        path=Path("slide.svs"),
        fingerprint="f",
        height_px=height,
        width_px=width,
        level_sizes=((height, width),),
        level_downsamples=(1.0,),
        mpp=mpp,
        mpp_source="unknown" if mpp is None else "file",
        bounds_l0=bounds or (0, 0, height, width),
        vendor="aperio",
    )


def grid(stride_l0=10.0, shape=(3, 4), dropped=()):
    rows, cols = (a.ravel() for a in np.mgrid[0 : shape[0], 0 : shape[1]])
    keep = np.array([(r, c) not in dropped for r, c in zip(rows, cols, strict=True)])
    return TileGrid(
        slide_fingerprint="f",
        mpp=0.5,
        spec=TileSpec(),
        tile_l0=10.0,
        stride_l0=stride_l0,
        origin_l0=(0.0, 0.0),
        shape=shape,
        rows=rows[keep].astype(np.int32),
        cols=cols[keep].astype(np.int32),
        tissue_fraction=np.ones(int(keep.sum()), np.float32),
    )


def table(points, kinds, names=("A", "B")):
    yx = np.array(points, np.float64).reshape(-1, 2)
    return CellTable(yx[:, 0], yx[:, 1], np.array(kinds, np.uint16), names)


def test_counts_follow_half_open_tiles():
    counted = count_cells(table([(0, 0), (9.99, 9.99), (10, 0), (0, 10), (29, 39)], [0, 1, 0, 0, 1]), grid())
    assert counted.counts.dtype == np.int32 and counted.counts.shape == (12, 2)
    assert counted.counts[0].tolist() == [1, 1]
    assert counted.counts[4].tolist() == [1, 0] and counted.counts[1].tolist() == [1, 0]
    assert counted.counts[11].tolist() == [0, 1]
    assert (counted.n_in_tiles, counted.n_outside_tiles) == (5, 0)


def test_cells_on_dropped_tiles_and_beyond_the_grid_are_outside():
    counted = count_cells(table([(5, 15), (31, 0), (5, 5)], [0, 0, 1]), grid(dropped={(0, 1)}))
    assert counted.counts.sum() == 1
    assert (counted.n_in_tiles, counted.n_outside_tiles) == (1, 2)


def test_overlapping_tiles_count_a_cell_once():
    rng = np.random.default_rng(0)
    points = rng.uniform(0, 20, (500, 2))
    counted = count_cells(table(points, rng.integers(0, 2, 500)), grid(stride_l0=5.0))
    assert counted.counts.sum() == counted.n_in_tiles
    assert counted.n_in_tiles + counted.n_outside_tiles == 500
    assert counted.n_in_tiles == (points[:, 0] < 20).sum()


def test_no_cells_at_all():
    counted = count_cells(table([], [], ()), grid())
    assert counted.counts.shape == (12, 0) and counted.n_in_tiles == 0


def test_real_nuclei(data_dir):
    with Slide.open(data_dir / "hgsc_nest.jpg", mpp=0.5) as slide:
        imported = read_cells(data_dir / "hgsc_nest.geojson", slide.info)
    kinds = imported.table
    named = dict(zip(kinds.type_names, np.bincount(kinds.type_index).tolist(), strict=True))
    assert named == {"Connective": 374, "Inflammatory": 633, "Neoplastic": 288}
    assert imported.source_sha256 == hashlib.sha256((data_dir / "hgsc_nest.geojson").read_bytes()).hexdigest()
    assert imported.source_name == "hgsc_nest.geojson" and imported.notes == ()


def test_real_nuclei_in_kept_tiles_are_all_counted(data_dir):
    with Slide.open(data_dir / "hgsc_nest.jpg", mpp=0.5) as slide:
        table = read_cells(data_dir / "hgsc_nest.geojson", slide.info).table
        kept = resolve_grid(TileSpec(tile_px=128), slide.info, find_tissue(slide))
    counted = count_cells(table, kept)
    tops = kept.origins_l0()
    inside = [
        ((tops <= (y, x)) & ((y, x) < tops + kept.tile_l0)).all(axis=1).any()
        for y, x in zip(table.y_l0, table.x_l0, strict=True)
    ]
    assert counted.counts.sum() == counted.n_in_tiles == sum(inside) > 1000
    assert counted.n_outside_tiles == 1295 - sum(inside)


def test_the_content_tells_the_format(tmp_path):
    path = tmp_path / "cells.dat"
    path.write_text("x,y,type\n10,20,A\n")
    assert read_cells(path, info()).table.y_l0.tolist() == [20]
    point = {"type": "Feature", "geometry": {"type": "Point", "coordinates": [10, 20]}}
    path.write_text("  " + json.dumps(point))
    assert read_cells(path, info()).table.x_l0.tolist() == [10]


def test_um_needs_the_pixel_size(tmp_path):
    path = tmp_path / "cells.csv"
    path.write_text("x_um,y_um\n10,20\n")
    assert read_cells(path, info()).table.y_l0.tolist() == [40]
    with pytest.raises(PixelSizeError):
        read_cells(path, info(mpp=None))


def test_qupath_origin_is_the_scanned_area(tmp_path):
    path = tmp_path / "cells.geojson"
    path.write_text('{"type": "Feature", "geometry": {"type": "Point", "coordinates": [1, 2]}}')
    read = read_cells(path, info(bounds=(30, 40, 50, 60)))
    assert (read.table.y_l0[0], read.table.x_l0[0]) == (32, 41)


def test_cells_outside_are_left_out_with_their_types_and_counted(tmp_path):
    path = tmp_path / "cells.csv"
    path.write_text("x,y,type\n10,20,B\n20,30,C\n200,20,A\n-1,5,A\n")
    read = read_cells(path, info())
    assert read.table.n_cells == 2 and read.table.type_names == ("B", "C")
    assert read.table.type_index.tolist() == [0, 1]
    assert "2 of 4 cells lie outside" in read.notes[-1]


def test_mostly_outside_warns_of_the_pixel_size(tmp_path):
    path = tmp_path / "cells.csv"
    path.write_text("x,y\n10,20\n500,20\n700,20\n")
    notes = read_cells(path, info()).notes
    assert "another pixel size" in notes[-2] and "times 0.25 puts 100% of them on it" in notes[-1]


def test_all_outside_is_refused(tmp_path):
    path = tmp_path / "cells.csv"
    path.write_text("x,y\n1000,2000\n")
    with pytest.raises(CellsError, match="lie outside the slide") as caught:
        read_cells(path, info())
    assert "The extent does not fit; the file may be in another pixel size" in caught.value.hint


@pytest.mark.parametrize("content", [b"", b"  \n", b"\xef\xbb\xbf"])
def test_empty_files(tmp_path, content):
    path = tmp_path / "cells.csv"
    path.write_bytes(content)
    with pytest.raises(CellsError, match="is empty"):
        read_cells(path, info())


def test_absent_file(tmp_path):
    with pytest.raises(CellsError, match="cannot be read"):
        read_cells(tmp_path / "none.csv", info())
