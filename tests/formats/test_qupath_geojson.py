import gzip
import json

import numpy as np
import pytest

from sae_backend.errors import CellsError
from sae_backend.formats.qupath_geojson import read_qupath_geojson

SQUARE = [[[10, 20], [14, 20], [14, 24], [10, 24], [10, 20]]]


def feature(kind="Polygon", coordinates=SQUARE, **properties):
    return {
        "type": "Feature",
        "geometry": {"type": kind, "coordinates": coordinates},
        "properties": properties,
    }


def read(document):
    return read_qupath_geojson(json.dumps(document).encode(), "cells.geojson")


@pytest.mark.parametrize(
    "document",
    [{"type": "FeatureCollection", "features": [feature()]}, [feature()], feature()],
    ids=["collection", "list", "single"],
)
def test_every_outer_form_is_read(document):
    raw = read(document)
    np.testing.assert_array_equal(raw.yx_l0, [[22, 12]])
    assert raw.type_names == ("Unclassified",)


def test_gzip_and_byte_order_mark():
    plain = b"\xef\xbb\xbf" + json.dumps(feature()).encode()
    assert read_qupath_geojson(plain, "a").yx_l0.tolist() == [[22, 12]]
    assert read_qupath_geojson(gzip.compress(plain), "a.gz").yx_l0.tolist() == [[22, 12]]
    with pytest.raises(CellsError, match="damaged gzip"):
        read_qupath_geojson(gzip.compress(plain)[:30], "a.gz")


def test_centroid_is_of_the_area_not_of_the_vertices():
    crowded = [[[0, 0], [1, 0], [2, 0], [3, 0], [4, 0], [4, 2], [0, 2]]]
    assert read(feature(coordinates=crowded)).yx_l0.tolist() == [[1, 2]]


def test_centroid_keeps_its_digits_far_from_the_origin_and_in_both_directions():
    far = 1e5
    ring = [[far, far], [far + 3, far], [far, far + 3], [far, far]]
    expected = pytest.approx(far + 1, abs=1e-9)
    for order in (ring, ring[::-1]):
        assert read(feature(coordinates=[order])).yx_l0[0].tolist() == [expected, expected]


def test_flat_ring_stands_at_its_vertices():
    assert read(feature(coordinates=[[[0, 0], [2, 0], [4, 0]]])).yx_l0.tolist() == [[0, 2]]


def test_each_part_of_a_multi_geometry_is_a_cell_and_holes_do_not_count():
    hole = [[0, 0], [1, 0], [1, 1], [0, 0]]
    raw = read(
        [
            feature("MultiPoint", [[1, 2], [3, 4, 0]], classification={"name": "A"}),
            feature("MultiPolygon", [SQUARE, [*SQUARE, hole]], classification={"name": "B"}),
            feature("Point", [5, 6], classification={"names": ["T", "CD3"]}),
        ]
    )
    assert raw.type_names == ("A", "B", "T: CD3")
    named = [(raw.type_names[i], *yx) for i, yx in zip(raw.type_index, raw.yx_l0.tolist(), strict=True)]
    assert named == [("A", 2, 1), ("A", 4, 3), ("T: CD3", 6, 5), ("B", 22, 12), ("B", 22, 12)]


def test_regions_and_tiles_are_no_cells():
    raw = read(
        [
            feature(objectType="annotation", classification={"name": "Region"}),
            feature(objectType="tile"),
            feature(objectType="detection", classification={"name": "A"}),
            {"type": "Feature", "id": "PathCellObject", "geometry": feature()["geometry"]},
            feature("LineString", [[0, 0], [1, 1]]),
        ]
    )
    assert raw.type_names == ("A", "Unclassified") and len(raw.yx_l0) == 2
    assert "1 annotation, 1 tile, 1 LineString" in raw.notes[0]


def test_annotations_alone_are_cells():
    assert len(read([feature("MultiPoint", [[1, 1], [2, 2]], objectType="annotation")]).yx_l0) == 2


def test_children_are_read_too():
    child = feature(objectType="detection")
    assert len(read(feature(objectType="annotation", childObjects=[child, child])).yx_l0) == 2


def test_bare_nan_among_measurements_does_no_harm():
    text = json.dumps(feature(measurements={"Area": float("nan")}))
    assert "NaN" in text
    assert read_qupath_geojson(text.encode(), "a").yx_l0.tolist() == [[22, 12]]


def test_offset_of_the_scanned_area():
    raw = read_qupath_geojson(json.dumps(feature()).encode(), "a", (100.0, 1000.0))
    assert raw.yx_l0.tolist() == [[122, 1012]]
    assert "y = 100, x = 1000" in raw.notes[0]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"type": "FeatureCollection", "features": [', "not valid JSON"),
        ("[" * 100_000, "nested too deeply"),
        ("[" * 100_000 + "]" * 100_000, "nested too deeply"),
        ("[NaN, " + "[" * 100_000, "nested too deeply"),
        (json.dumps(feature("Point", [float("nan"), 1])), "not finite"),
        (json.dumps(feature("Point", [float("inf"), 1])), "not finite"),
        (json.dumps(feature("Point", ["NaN", 1])), "not finite"),
        (json.dumps(feature("Point", [1e300, 1])).replace("e+300", "e+999"), "not finite"),
        (json.dumps(feature("Point", [10**400, 1])), "not finite"),
        (json.dumps(feature("Point", None)), "not finite"),
        (json.dumps(feature("Polygon", [[[1, 2], [3]]])), "not finite"),
        (json.dumps(feature("Polygon", [[]])), "not finite"),
        (json.dumps(feature("Polygon", [])), "holds no cells"),
        ('{"type": "FeatureCollection", "features": []}', "holds no cells"),
        ('{"type": "FeatureCollection"}', "not GeoJSON"),
        ('{"type": "Feature", "geometry": null}', "holds no cells"),
        ("[1]", "no GeoJSON Feature"),
        ('{"a": 1}', "no GeoJSON Feature"),
    ],
)
def test_bad_files_are_refused_with_a_hint(text, says):
    with pytest.raises(CellsError, match=says) as caught:
        read_qupath_geojson(text.encode(), "bad.geojson")
    assert "bad.geojson" in caught.value.sentence and caught.value.hint


def test_bytes_that_are_no_text():
    with pytest.raises(CellsError, match="UTF-8"):
        read_qupath_geojson(b'{"a": "\xff"}', "bad.geojson")


def test_ids_in_place_of_types():
    many = [feature("Point", [i, i], classification={"name": f"cell {i}"}) for i in range(1001)]
    with pytest.raises(CellsError, match="1,001 different types"):
        read(many)
