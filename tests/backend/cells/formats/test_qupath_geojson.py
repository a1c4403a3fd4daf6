import gzip
import json
import zipfile

import numpy as np
import pytest

from sae_backend.cells.import_options import ReadOptions
from sae_backend.cells.parsing.json_stream import PIECE_BYTES
from sae_backend.errors import CellsError
from tests.backend.cells.formats.cell_files import dumped, feature, geojson, read_raw, slide_info

SQUARE = [[[10, 20], [14, 20], [14, 24], [10, 24], [10, 20]]]


@pytest.fixture
def read(tmp_path):
    """Read a document, or bytes, from a file."""

    def read(document, **options):
        path = tmp_path / "cells.geojson"
        path.write_bytes(document if isinstance(document, bytes) else dumped(document))
        return read_raw(path, ReadOptions(**options))

    return read


def square(**properties):
    return feature(coordinates=SQUARE, **properties)


@pytest.mark.parametrize(
    "document",
    [{"type": "FeatureCollection", "features": [square()]}, [square()], square()],
    ids=["collection", "list", "single"],
)
def test_every_outer_form_is_read(read, document):
    raw = read(document)
    np.testing.assert_array_equal(raw.yx, [[22, 12]])
    assert raw.type_names == ("Unclassified",)
    np.testing.assert_array_equal(raw.outlines.ring(0), [[20, 10], [20, 14], [24, 14], [24, 10]])


def test_packed_files_and_byte_order_mark(read, tmp_path):
    plain = b"\xef\xbb\xbf" + dumped(square())
    assert read(plain).yx.tolist() == [[22, 12]]
    assert read(gzip.compress(plain)).yx.tolist() == [[22, 12]]
    assert read(gzip.compress(plain[:50]) + gzip.compress(plain[50:]) + b"\0" * 9).yx.tolist() == [[22, 12]]
    path = tmp_path / "cells.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("__MACOSX/x", b"1")
        archive.writestr("a/cells.geojson", plain)
    assert read_raw(path).yx.tolist() == [[22, 12]]


def test_centroid_is_of_the_area_not_of_the_vertices(read):
    crowded = [[[0, 0], [1, 0], [2, 0], [3, 0], [4, 0], [4, 2], [0, 2]]]
    assert read(feature(coordinates=crowded)).yx.tolist() == [[1, 2]]


def test_centroid_keeps_its_digits_far_from_the_origin_and_in_both_directions(read):
    far = 1e5
    ring = [[far, far], [far + 3, far], [far, far + 3], [far, far]]
    expected = pytest.approx(far + 1, abs=1e-9)
    for order in (ring, ring[::-1]):
        assert read(feature(coordinates=[order])).yx[0].tolist() == [expected, expected]


def test_flat_ring_stands_at_its_vertices(read):
    assert read(feature(coordinates=[[[0, 0], [2, 0], [4, 0]]])).yx.tolist() == [[0, 2]]


def test_each_part_of_a_multi_geometry_is_a_cell_and_holes_do_not_count(read):
    hole = [[0, 0], [1, 0], [1, 1], [0, 0]]
    raw = read(
        [
            feature("MultiPoint", [[1, 2], [3, 4, 0]], classification={"name": "A"}),
            feature("MultiPolygon", [SQUARE, [*SQUARE, hole]], classification={"name": "B"}),
            feature("Point", [5, 6], classification={"names": ["T", "CD3"]}),
        ]
    )
    assert raw.type_names == ("A", "B", "T: CD3")
    named = sorted((raw.type_names[i], *yx) for i, yx in zip(raw.type_index, raw.yx.tolist(), strict=True))
    assert named == [("A", 2, 1), ("A", 4, 3), ("B", 22, 12), ("B", 22, 12), ("T: CD3", 6, 5)]
    sizes = np.diff(raw.outlines.starts)
    assert sorted(sizes.tolist()) == [0, 0, 0, 4, 4]


def test_a_cell_of_several_parts_stays_one(read):
    small = [[[0, 0], [1, 0], [0, 1], [0, 0]]]
    raw = read(feature("MultiPolygon", [small, SQUARE], objectType="cell"))
    assert raw.yx.tolist() == [[22, 12]]
    assert len(read(feature("MultiPolygon", [small, SQUARE], objectType="annotation")).yx) == 2


def test_the_nucleus_of_a_cell_is_taken_where_that_is_stated(read):
    cell = {
        **square(objectType="cell"),
        "nucleusGeometry": feature(coordinates=[[[0, 0], [2, 0], [2, 2], [0, 2]]])["geometry"],
    }
    assert read(cell).yx.tolist() == [[22, 12]]
    nuclei = read(cell, use_nucleus=True)
    assert nuclei.yx.tolist() == [[1, 1]] and nuclei.assumed == {"use_nucleus": True}
    assert read({**cell, "geometry": None}).yx.tolist() == [[1, 1]]


def test_measurements_of_both_forms_become_measures(read):
    raw = read(
        [
            square(measurements={"Nucleus: Area µm^2": 12.5, "Mean OD": "NaN", "Rank": "high"}),
            square(measurements=[{"name": "Mean OD", "value": 0.25}, {"value": 1}, 3]),
            square(measurements="none"),
        ]
    )
    assert set(raw.measures) == {"Nucleus: Area µm^2", "Mean OD"}
    np.testing.assert_array_equal(raw.measures["Nucleus: Area µm^2"], np.float32([12.5, np.nan, np.nan]))
    np.testing.assert_array_equal(raw.measures["Mean OD"], np.float32([np.nan, 0.25, np.nan]))
    assert "1 measured values are no numbers" in raw.notes[-1]


def test_types_that_are_plain_properties(read):
    raw = read(
        [square(type=3), square(**{"class": "A", "type": "B"}), square(classification="C"), square(type=True)]
    )
    assert [raw.type_names[i] for i in raw.type_index] == ["3", "A", "C", "Unclassified"]
    assert raw.notes == (
        "Types were read from the property 'class'.",
        "Types were read from the property 'type'.",
    )


def test_regions_and_tiles_are_no_cells(read):
    raw = read(
        [
            square(objectType="annotation", classification={"name": "Region"}),
            square(objectType="tile"),
            square(objectType="detection", classification={"name": "A"}),
            {"type": "Feature", "id": "PathCellObject", "geometry": square()["geometry"]},
            feature("LineString", [[0, 0], [1, 1]]),
        ]
    )
    assert raw.type_names == ("A", "Unclassified") and len(raw.yx) == 2
    assert "1 tile, 1 LineString, 1 annotation" in raw.notes[0]


def test_annotations_alone_are_cells(read):
    assert len(read([feature("MultiPoint", [[1, 1], [2, 2]], objectType="annotation")]).yx) == 2


def test_children_are_read_too(read):
    child = square(objectType="detection")
    assert len(read(square(objectType="annotation", childObjects=[child, child])).yx) == 2


def test_bare_nan_among_measurements_does_no_harm(read):
    text = json.dumps(square(measurements={"Area": float("nan")}))
    assert "NaN" in text
    assert read(text.encode()).yx.tolist() == [[22, 12]]


def test_offset_of_the_scanned_area_unless_another_is_stated(tmp_path):
    path = tmp_path / "a.geojson"
    path.write_bytes(dumped(square()))
    info = slide_info(bounds_l0=(100, 1000, 500, 500))
    placement = read_raw(path, info=info).placement
    assert placement.offset_l0 == (100, 1000) and "y = 100, x = 1000" in placement.notes[0]
    stated = read_raw(path, ReadOptions(offset_l0=(0.0, 5.0), scale=2.0), info).placement
    assert (stated.offset_l0, stated.scale) == ((0, 5), 2)
    assert (
        "times" not in stated.notes[0] and "multiplied by 2" in stated.notes[0] and "x = 5" in stated.notes[1]
    )


def big(document):
    """The document with white space that makes each of its larger parts larger than a piece."""
    assert len(document) < PIECE_BYTES
    return document.replace(b"@", b" " * PIECE_BYTES)


def test_parts_larger_than_a_piece_are_opened(read):
    points = json.dumps([[i, i + 1] for i in range(500)])
    text = (
        '{"type": "FeatureCollection", "features": [{"type": "Feature", "geometry": {"coordinates": '
        f'{points[:-1]},@[7, 8]], "type": "MultiPoint"}}, "properties": {{"objectType": "annotation", '
        '"classification": {"name": "A"}}},'
        f"{json.dumps(square(classification={'name': 'B'}))}, @ "
        f'{json.dumps(feature("MultiPolygon", [SQUARE] * 3, classification={"name": "C"}))[:-1]},"x": [@]}}]}}'
    )
    raw = read(big(text.encode()))
    counts = dict(zip(raw.type_names, np.bincount(raw.type_index).tolist(), strict=True))
    assert counts == {"A": 501, "B": 1, "C": 3}
    assert raw.outlines.n_cells == 505 and len(raw.outlines.yx_l0) == 16


def test_a_large_parent_with_children_and_a_large_single_feature(read):
    child = json.dumps(square(objectType="detection", classification={"name": "A"}))
    parent = (
        '{"type": "Feature", "geometry": null, "properties": {"objectType": "annotation", "childObjects": ['
        f'{child}, @ {child}]}}, "id": "1"}}'
    )
    assert len(read(big(f"[{parent}, {child}]".encode())).yx) == 3
    assert len(read(big(parent.encode())).yx) == 2


def test_a_large_part_that_comes_twice_does_no_harm(read):
    text = (
        '[{"properties": 5, "type": "Feature", "x": [@], "properties": {"classification": "A", "y": [@]}, '
        f'"geometry": {json.dumps(square()["geometry"])}}}]'
    )
    assert read(big(text.encode())).type_names == ("A",)


def test_large_geometries_that_are_no_cells_are_counted(read):
    line = '{"type": "Feature", "geometry": {"type": "MultiLineString", "coordinates": [[[1, 2], [3, 4]], @ []]}}'
    raw = read(big(f"[{line}, {json.dumps(square())}]".encode()))
    assert len(raw.yx) == 1 and "1 MultiLineString" in raw.notes[0]


def test_ids_in_place_of_types(read):
    many = [feature("Point", [i, i], classification={"name": f"cell {i}"}) for i in range(1001)]
    with pytest.raises(CellsError, match="more than 1,000 different types"):
        read(many)


def test_as_qupath_writes_it(read):
    raw = read(geojson())
    assert raw.yx.tolist() == [[40, 120], [150, 60]]
    assert [raw.type_names[i] for i in raw.type_index] == ["Tumor", "Immune"]
