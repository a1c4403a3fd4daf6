"""Every format lands where it must in level-0 px, with its types, outlines and measures."""

from __future__ import annotations

import gzip
import json
import pickle
import zipfile
import zlib

import cramjam
import numpy as np
import pytest
import shapely

from sae_backend.cells.counts import CELL_FORMATS, read_cells
from sae_backend.cells.formats.histoplus import deep_zoom_levels
from sae_backend.cells.import_options import ReadOptions
from sae_backend.errors import CancelledError, CellsError, UserInputError
from tests.backend.cells.formats.cell_files import (  # fmt: skip
    CENTRES_YX,
    GEO,
    RINGS,
    TYPES,
    annotation_store,
    cellvit,
    dumped,
    geojson,
    geoparquet,
    histoplus,
    hovernet,
    hovernext,
    npz,
    nucleus,
    parquet,
    read_raw,
    slide_info,
    stardist,
    table,
    wkb,
)

# format: content, options, names of the types, whether there are outlines, a measure
FORMATS = {
    "geojson": (dumped(geojson()), {}, TYPES, True, ""),
    "table": (table(), {}, TYPES, False, "area"),
    "table parquet": (parquet(), {}, TYPES, False, "area"),
    "geoparquet": (geoparquet(), {}, TYPES, True, "area"),
    "cellvit": (dumped(cellvit()), {}, TYPES, True, "type_prob"),
    "hovernet": (dumped(hovernet()), {"base_mag": 20.0}, ("1", "2"), True, "type_prob"),
    "hovernext": (dumped(hovernext()), {"scale": 1.0}, ("1", "2"), False, ""),
    "histoplus": (dumped(histoplus()), {}, TYPES, True, "confidence"),
    "stardist": (dumped(stardist()), {}, ("1", "2"), True, "prob"),
    "stardist npz": (npz(), {}, ("1", "2"), True, "prob"),
    "tiatoolbox": (None, {}, TYPES, True, "prob"),
}


def written(tmp_path, name):
    path = tmp_path / "cells.bin"
    if FORMATS[name][0] is None:
        return annotation_store(path)
    path.write_bytes(FORMATS[name][0])
    return path


def test_every_format_is_here():
    assert {name.split()[0] for name in FORMATS} == set(CELL_FORMATS)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("factor", [1.0, 2.0])
def test_cells_land_in_their_place(tmp_path, name, factor):
    _, options, types, has_outlines, measure = FORMATS[name]
    if factor != 1:
        options = {"scale": factor, "offset_l0": (3.0, 5.0)}
    read = read_cells(written(tmp_path, name), slide_info(), ReadOptions(**options))
    cells = read.table
    offset = np.array([3.0, 5.0]) if factor != 1 else 0.0
    expected = np.array(CENTRES_YX) * factor + offset
    np.testing.assert_allclose(np.stack([cells.y_l0, cells.x_l0], axis=1), expected, rtol=1e-6)
    assert [cells.type_names[i] for i in cells.type_index] == list(types)
    assert (cells.outlines is not None) == has_outlines
    if has_outlines:
        for i, ring in enumerate(RINGS):
            corners = np.array(ring)[:, ::-1] * factor + offset
            # Where a ring begins and which way round it goes is its writer's business.
            assert sorted(cells.outlines.ring(i).tolist()) == sorted(corners.astype(np.float32).tolist())
        areas = np.array([20 * 8, 9 * 10]) * 0.25 * factor**2
        np.testing.assert_allclose(cells.measures["area_um2"], areas, rtol=1e-5)
    if measure:
        assert np.isfinite(cells.measures[measure]).all()
    assert read.assumed["format"] == name.split()[0]
    assert read.assumed["scale"] == factor and len(read.source_sha256) == 64
    again = read_cells(tmp_path / "cells.bin", slide_info(), ReadOptions.from_assumed(read.assumed))
    np.testing.assert_array_equal(again.table.y_l0, cells.y_l0)


@pytest.mark.parametrize(
    "name", [name for name in FORMATS if FORMATS[name][0] and FORMATS[name][0][:1] == b"{"]
)
@pytest.mark.parametrize(
    "pack", [gzip.compress, lambda data: bytes(cramjam.snappy.compress(data)), lambda data: bytes(cramjam.snappy.compress_raw(data))],
    ids=["gzip", "snappy frames", "snappy raw"],
)  # fmt: skip
def test_packed_json(tmp_path, name, pack):
    content, options, _, _, _ = FORMATS[name]
    path = tmp_path / "cells"
    path.write_bytes(pack(content))
    assert read_raw(path, ReadOptions(**options)).yx.tolist() == CENTRES_YX


def test_snappy_in_many_frames(tmp_path, monkeypatch):
    monkeypatch.setattr("sae_backend.cells.parsing.byte_source.BLOCK_BYTES", 5000)
    document = cellvit()
    document["cells"] *= 3000
    path = tmp_path / "slide_cells.json.snappy"
    content = dumped(document)
    path.write_bytes(bytes(cramjam.snappy.compress(content)) + bytes(cramjam.snappy.compress(b" " * 200_000)))
    assert path.stat().st_size > 5 * 5000
    assert len(read_raw(path).yx) == 6000


@pytest.mark.parametrize("name", FORMATS)
def test_who_stops_the_reading_stops_it_at_once(tmp_path, name):
    def stop(done, total):
        assert 0 <= done <= total
        raise CancelledError("Enough.")

    options = ReadOptions(**FORMATS[name][1])
    with pytest.raises(CancelledError):
        read_cells(written(tmp_path, name), slide_info(), options, stop)


@pytest.mark.parametrize("name", [name for name in FORMATS if FORMATS[name][3]])
def test_the_measuring_of_outlines_can_be_stopped_too(tmp_path, name):
    told = []

    def stop(done, total):
        told.append((done, total))
        if told.count((done, total)) > 1:
            raise CancelledError("Enough.")

    with pytest.raises(CancelledError):
        read_cells(written(tmp_path, name), slide_info(), ReadOptions(**FORMATS[name][1]), stop)


def test_progress_goes_to_the_end(tmp_path):
    seen = []
    path = tmp_path / "cells.csv"
    path.write_bytes(b"x,y\n" + b"1,2\n" * 600_000)
    read_cells(path, slide_info(), progress=lambda done, total: seen.append((done, total)))
    size = path.stat().st_size
    assert seen == sorted(seen) and seen[-1] == (size, size) and len(seen) > 2


def test_formats_can_be_stated(tmp_path):
    path = tmp_path / "cells.json"
    path.write_bytes(dumped(stardist()))
    assert read_raw(path, ReadOptions(format="stardist")).format == "stardist"
    with pytest.raises(CellsError, match="nuclei|cells"):
        read_raw(path, ReadOptions(format="cellvit"))
    with pytest.raises(UserInputError, match="no cell format 'x'"):
        read_raw(path, ReadOptions(format="x"))


def test_magnifications_that_are_not_known_are_asked_for(tmp_path):
    path = tmp_path / "wsi.json"
    path.write_bytes(dumped(hovernet()))
    with pytest.raises(CellsError, match="does not say what its 20x is at level 0") as caught:
        read_cells(path, slide_info())
    assert "State it" in caught.value.hint
    read = read_cells(path, slide_info(), ReadOptions(base_mag=40.0))
    assert read.table.y_l0.tolist() == [80, 300] and read.assumed["scale"] == 2
    assert any("Coordinates at 20x of a slide at 40x" in note for note in read.notes)
    path.write_bytes(dumped({**hovernet(), "mag": None}))
    with pytest.raises(CellsError, match="at what magnification"):
        read_cells(path, slide_info(), ReadOptions(base_mag=40.0))
    assert read_cells(path, slide_info(), ReadOptions(mag=10.0, base_mag=40.0)).assumed["scale"] == 4
    with pytest.raises(UserInputError, match="at level 0 is not known"):
        read_cells(path, slide_info(), ReadOptions(mag=10.0))
    with pytest.raises(UserInputError, match="no level 2"):
        read_cells(path, slide_info(), ReadOptions(level=2))


def test_bare_nuclei_and_nuclei_without_a_type(tmp_path):
    path = tmp_path / "nuclei.json"
    path.write_bytes(dumped({"7": nucleus(0, None), "9": {"contour": RINGS[1]}}))
    raw = read_raw(path, ReadOptions(scale=1.0))
    assert raw.yx.tolist() == CENTRES_YX and raw.type_names == ("Unclassified",)


def test_hovernext_asks_for_its_factor(tmp_path):
    path = tmp_path / "class_inst.json"
    path.write_bytes(dumped(hovernext()))
    with pytest.raises(CellsError, match="ds_factor"):
        read_cells(path, slide_info())


def test_cellvit_detections_lists_of_names_and_numbers(tmp_path):
    document = cellvit()
    for cell in document["cells"]:
        del cell["contour"]
    document["type_map"] = {"1": {"name": "Tumor", "color": [1, 2, 3]}}
    document["wsi_metadata"]["downsampling"] = 2
    path = tmp_path / "cell_detection.json"
    path.write_bytes(dumped(document))
    raw = read_raw(path)
    assert raw.outlines is None and raw.type_names == ("2", "Tumor")
    assert "downsampling of 2" in raw.notes[0]
    # The large list of patches may come first, and the types last.
    reordered = {
        "processed_patches": ["0_0"] * 200_000,
        "cells": document["cells"],
        "type_map": ["Bg", "A", "B"],
    }
    path.write_bytes(dumped(reordered))
    assert read_raw(path).type_names == ("A", "B")


def test_histoplus_levels(tmp_path):
    assert [deep_zoom_levels(*size) for size in ((1, 1), (2, 1), (3, 2), (1000, 2048), (1000, 2049))] == [
        1,
        2,
        3,
        12,
        13,
    ]
    path = tmp_path / "cells.json"
    document = histoplus()
    document["cell_masks"][0].update(level=11, x=0, y=0)
    document["cell_masks"][0]["masks"][0].update(centroid=[7, 9], coordinates=[[1, 2], [3, 2], [3, 4]])
    path.write_bytes(dumped(document))
    raw = read_raw(path)
    assert raw.yx[0].tolist() == [9, 7] and raw.yx[1].tolist() == [150, 60]
    assert raw.tool == "HistoPLUS (histoplus_cellvit)" and "level 10, 11 of 12" in raw.notes[0]


def test_annotation_store_with_points_plain_shapes_and_several_parts(tmp_path):
    parts = shapely.MultiPolygon([shapely.box(0, 0, 4, 4), shapely.box(10, 10, 14, 14)])
    rows = [
        (None, 7.0, 8.0, None),
        (wkb(), 0.0, 0.0, json.dumps({"class": 3})),
        (zlib.compress(shapely.to_wkb(parts)), 0.0, 0.0, json.dumps({"type": "B", "prob": 0.5})),
        (shapely.to_wkb(shapely.LineString([(0, 0), (1, 1)])), 0.0, 0.0, "{}"),
    ]
    path = annotation_store(tmp_path / "cells.db", rows)
    before = sorted(tmp_path.iterdir())
    raw = read_raw(path)
    assert raw.yx.tolist() == [[8, 7], [40, 120], [2, 2], [12, 12]]
    assert [raw.type_names[i] for i in raw.type_index] == ["Unclassified", "3", "B", "B"]
    np.testing.assert_array_equal(raw.measures["prob"], np.float32([np.nan, np.nan, 0.5, 0.5]))
    assert "1 LineString" in raw.notes[0]
    assert sorted(tmp_path.iterdir()) == before, "nothing is written beside it"
    (tmp_path / "cells.db-wal").write_bytes(b"1")
    with pytest.raises(CellsError, match="is not closed"):
        read_raw(path)


def test_geoparquet_of_other_programs(tmp_path):
    path = tmp_path / "cells.parquet"
    labels = [{"name": "A", "color": [1]}, None]
    path.write_bytes(geoparquet(**{"class": [1, 2], "type": ['{"name": "T", "color": 1}', "U"]}))
    assert read_raw(path).type_names == ("T", "U")
    path.write_bytes(geoparquet(**{"class": labels}))
    assert read_raw(path).type_names == ("A", "Unclassified")
    points = [shapely.to_wkb(shapely.Point(x, y)) for y, x in CENTRES_YX]
    path.write_bytes(parquet({"geometry": points, "id": [1, 2]}))
    raw = read_raw(path)
    assert raw.format == "geoparquet" and raw.yx.tolist() == CENTRES_YX and raw.measures == {}
    path.write_bytes(geoparquet([wkb(), None]))
    assert len(read_raw(path).yx) == 1 and GEO["primary_column"] == "geometry"


def test_stardist_without_centres_and_with_chances(tmp_path):
    path = tmp_path / "details.json"
    path.write_bytes(dumped({"coord": stardist()["coord"], "class_prob": [[0.1, 0.2, 0.7], [0.8, 0.1, 0.1]]}))
    raw = read_raw(path)
    np.testing.assert_allclose(raw.yx, CENTRES_YX)
    assert [raw.type_names[i] for i in raw.type_index] == ["2", "Unclassified"]


class Trap:
    def __reduce__(self):
        return (print, ("sprung",))


def _torch(tmp_path):
    path = tmp_path / "cells.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("cells/data.pkl", pickle.dumps(Trap()))
    return path


@pytest.mark.parametrize(
    "content",
    [
        *(pickle.dumps(Trap(), protocol) for protocol in range(2, 6)),
        pickle.dumps({"a": 1}, 0),
        pickle.dumps(Trap(), 0),
        zlib.compress(pickle.dumps(Trap())),
        gzip.compress(pickle.dumps(Trap())),
        _torch,
    ],
    ids=["2", "3", "4", "5", "dict 0", "call 0", "zlib", "gzip", "torch"],
)
def test_pickles_are_refused_unread(tmp_path, capsys, content):
    if callable(content):
        path = content(tmp_path)
    else:
        path = tmp_path / "cells.dat"
        path.write_bytes(content)
    for stated in (None, "geojson"):
        with pytest.raises(CellsError, match="is a pickle, which can run any program") as caught:
            read_cells(path, slide_info(), ReadOptions(format=stated))
        assert "AnnotationStore" in caught.value.hint
    assert capsys.readouterr().out == ""


def test_objects_in_arrays_are_refused(tmp_path):
    path = tmp_path / "details.npz"
    np.savez(path, coord=np.array([Trap()], object))
    with pytest.raises(CellsError, match="is a pickle"):
        read_cells(path, slide_info())
