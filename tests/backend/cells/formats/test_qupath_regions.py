"""Regions as QuPath's annotations: coordinates, identity, holes, and files that hold something else."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest

from sae_backend.cells.formats.qupath_regions import FileRegion, read_regions, write_regions
from sae_backend.errors import CacheError, UserInputError

UID = "0123456789abcdef0123456789abcdef"
OUTER = ((10.25, 20.125), (10.25, 80.0), (60.0 + 1e-6, 80.0), (60.0, 20.123457))
HOLE = ((20.0, 30.0), (40.0, 30.0), (40.0, 50.0))
FAR = ((1e5, 2e5), (1e5, 2e5 + 7), (1e5 + 1 / 3, 2e5))


def region(polygons: Any = ((OUTER, HOLE),), uid: str = UID, **said: str) -> FileRegion:
    return FileRegion(uid, said.pop("name", "nest"), polygons, **said)


def annotation(kind: str, coordinates: Any, **properties: Any) -> dict[str, Any]:
    return {
        "type": "Feature",
        "geometry": {"type": kind, "coordinates": coordinates},
        "properties": properties,
    }


def written(path: Path, *features: dict[str, Any]) -> Path:
    path.write_text(json.dumps({"type": "FeatureCollection", "features": list(features)}))
    return path


def close(one: Any, other: Any) -> None:
    assert [[len(ring) for ring in rings] for rings in one] == [[len(r) for r in rings] for rings in other]
    for rings, others in zip(one, other, strict=True):
        for ring, same in zip(rings, others, strict=True):
            np.testing.assert_allclose(ring, same, rtol=0, atol=1e-6)


def test_what_is_written_is_what_qupath_expects(tmp_path: Path) -> None:
    path = tmp_path / "regions.geojson"
    write_regions(path, [region(kind="brush", author="Ada", at="2026-01-02T03:04:05+00:00")], (10.0, 20.0))
    (feature,) = json.loads(path.read_text())["features"]
    assert UUID(feature["id"]).hex == UID
    assert feature["properties"]["objectType"] == "annotation"
    assert feature["properties"]["name"] == "nest"
    assert feature["properties"]["metadata"]["Drawn by"] == "Ada"
    assert feature["geometry"]["type"] == "Polygon"
    outer, hole = feature["geometry"]["coordinates"]
    # (x, y) less the corner of the scanned area, no half pixel, closed.
    assert outer[0] == [0.125, 0.25] == outer[-1] and len(outer) == 5
    assert hole == [[10.0, 10.0], [10.0, 30.0], [30.0, 30.0], [10.0, 10.0]]


def test_a_region_comes_back_equal(tmp_path: Path) -> None:
    path = tmp_path / "regions.geojson"
    mine = [
        region(kind="brush", author="Ada", at="2026-01-02T03:04:05+00:00", classification="Tumor"),
        region(((OUTER, HOLE), (FAR,)), "f" * 32, name=""),
    ]
    for origin in ((0.0, 0.0), (1234.5, 77.0)):
        write_regions(path, mine, origin)
        read = read_regions(path, origin)
        assert read.notes == ()
        for one, other in zip(read.regions, mine, strict=True):
            close(one.polygons_l0, other.polygons_l0)
        first, second = read.regions
        assert (first.uid, first.name, first.kind, first.author, first.at, first.classification) == (
            UID, "nest", "brush", "Ada", "2026-01-02T03:04:05+00:00", "Tumor",
        )  # fmt: skip
        assert (second.uid, second.name, second.kind) == ("f" * 32, "", "")


def test_cells_points_and_lines_are_left_out_and_counted(tmp_path: Path) -> None:
    square = [[[0, 0], [4, 0], [4, 4], [0, 4], [0, 0]]]
    path = written(
        tmp_path / "mixed.geojson",
        annotation("Polygon", square, classification={"name": "Tumor"}),
        annotation("Polygon", square, objectType="cell"),
        annotation("Polygon", square, objectType="cell"),
        annotation("Point", [1, 1], objectType="annotation"),
        annotation("LineString", [[1, 1], [2, 2]]),
        {"type": "Feature", "geometry": None, "properties": {}},
    )
    read = read_regions(path)
    (known,) = read.regions
    assert known.name == "Tumor" and known.polygons_l0 == (
        (((0.0, 0.0), (0.0, 4.0), (4.0, 4.0), (4.0, 0.0)),),
    )
    assert read.notes == (
        "Left out, as they are no regions: 2 cell, 1 Point, 1 LineString, 1 object without a geometry.",
    )
    packed = tmp_path / "mixed.geojson.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert len(read_regions(packed).regions) == 1


def test_crossing_outlines_are_mended_and_equal_ids_told_apart(tmp_path: Path) -> None:
    bow_tie = annotation("Polygon", [[[0, 0], [10, 10], [10, 0], [0, 10], [0, 0]]])
    bow_tie["id"] = str(UUID(UID))
    read = read_regions(written(tmp_path / "a.geojson", bow_tie, bow_tie))
    assert "2 crossed itself" in read.notes[0]
    assert len({known.uid for known in read.regions}) == 2 and read.regions[0].uid == UID
    assert len(read.regions[0].polygons_l0) == 2, "both halves of the bow tie are there"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"type": "FeatureCollection", "features": [', "not valid JSON"),
        ('{"type": "FeatureCollection", "features": []}', "holds no regions"),
        (json.dumps(annotation("Polygon", [[[0, 0], [1, "a"], [2, 2], [0, 0]]])), "not numbers"),
        (json.dumps(annotation("Polygon", [[[0, 0], [1, None], [2, 2], [0, 0]]])), "not numbers"),
        (json.dumps(annotation("MultiPolygon", 5)), "not numbers"),
        (json.dumps(annotation("Polygon", [])), "holds no regions"),
        (json.dumps(annotation("Polygon", [[[0, 0], [1, 1], [0, 0]]])), "1 area of nothing"),
        (json.dumps(annotation("Polygon", [[[0, 0], [1, 0], [1, 1]]], objectType="tile")), "1 tile"),
    ],
)
def test_other_files_are_refused_in_words(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "a.geojson"
    path.write_text(text)
    with pytest.raises(UserInputError) as refused:
        read_regions(path)
    assert says in f"{refused.value.sentence} {refused.value.hint}"


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "regions.geojson"
    write_regions(path, [region()])
    before = path.read_bytes()
    with pytest.raises(UserInputError, match="no region"):
        write_regions(path, [])
    with pytest.raises(UserInputError, match="is a folder"):
        write_regions(tmp_path, [region()])

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("sae_backend.atomic_write.os.fsync", full)
    with pytest.raises(CacheError, match="disk is full"):
        write_regions(path, [region(name="other")])
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]
    with pytest.raises(UserInputError, match="cannot be read"):
        read_regions(tmp_path / "none.geojson")
