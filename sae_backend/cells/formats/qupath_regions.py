"""Regions to and from GeoJSON as QuPath writes annotations.

Coordinates in the file are (x, y) in level-0 px with pixel 0 spanning 0 to 1, so that (0, 0) is the upper left corner of
the first pixel and not its centre: in QuPath as in regions here, and as in the cells of `qupath_geojson`. No half pixel
is added or taken off. QuPath's image begins where the scanned area begins (`SlideInfo.bounds_l0`), which for MRXS and
some others is not where OpenSlide's does; `origin_l0` carries that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

import numpy as np
import numpy.typing as npt
import orjson
import shapely

from sae_backend.atomic_write import write_bytes_atomic
from sae_backend.cells.parsing.geojson import (
    EXPORT_HINT,
    class_of,
    features_of,
    kind_of,
    listed,
    properties_of,
)
from sae_backend.errors import UserInputError
from sae_backend.slides.regions import Polygons, Ring, polygons_of, shape_of

_KIND, _AUTHOR, _AT = "Drawn as", "Drawn by", "Drawn at"
_DECIMALS: Final = 6
_FILE_MAX_BYTES: Final = 512 << 20
_SHAPES: Final = ("Polygon", "MultiPolygon")


@dataclass(frozen=True)
class FileRegion:
    """A region in a file.

    `uid` is 32 hexadecimal digits; `polygons_l0` holds polygons of rings of (y, x) level-0 px of the slide as
    OpenSlide sees it; `kind`, `author` and `at` (UTC in ISO 8601) are empty where the file does not say.
    """

    uid: str
    name: str
    polygons_l0: tuple[tuple[Ring, ...], ...]
    kind: str = ""
    author: str = ""
    at: str = ""
    classification: str = ""


@dataclass(frozen=True)
class RegionFile:
    """The regions of a file, and sentences on what was left out or mended."""

    regions: tuple[FileRegion, ...]
    notes: tuple[str, ...]


def write_regions(
    path: Path, regions: Sequence[FileRegion], origin_l0: tuple[float, float] = (0.0, 0.0)
) -> None:
    """Write regions as annotations that QuPath opens in their place; the file appears whole or not at all.

    Parameters
    ----------
    path
        The file; an older one is replaced.
    regions
        The regions.
    origin_l0
        (y, x) in level-0 px of the upper left corner of the slide as QuPath sees it.

    Raises
    ------
    UserInputError
        When there is no region, or `path` is a folder.
    CacheError
        When the disk refuses; an older file of that name is then still whole.
    """
    if not regions:
        raise UserInputError("There is no region to write.", "Draw one on the slide first.")
    document = {
        "type": "FeatureCollection",
        "features": [_feature(region, np.asarray(origin_l0, np.float64)) for region in regions],
    }
    write_bytes_atomic(path, orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE))


def read_regions(path: Path, origin_l0: tuple[float, float] = (0.0, 0.0)) -> RegionFile:
    """Read the annotations with an area of a GeoJSON file, plain or gzip.

    Cells, detections, tiles, points and lines are left out and counted; outlines that cross themselves are mended.

    Parameters
    ----------
    path
        The file.
    origin_l0
        (y, x) in level-0 px of the upper left corner of the slide as QuPath sees it.

    Raises
    ------
    UserInputError
        When the file cannot be read, is no GeoJSON or holds no region.
    """
    name = path.name
    features = features_of(_content(path), name, UserInputError)
    left_out: Counter[str] = Counter()
    found: dict[str, FileRegion] = {}
    n_mended = 0
    for feature in features:
        kind = kind_of(feature)
        geometry = feature.get("geometry")
        shape = geometry.get("type") if isinstance(geometry, dict) else None
        if kind not in ("", "annotation"):
            left_out[kind] += 1
        elif shape not in _SHAPES:
            left_out[shape if isinstance(shape, str) else "object without a geometry"] += 1
        else:
            assert isinstance(geometry, dict)
            polygons, mended = _polygons(geometry, name, origin_l0)
            if not polygons:
                left_out["area of nothing"] += 1
                continue
            n_mended += mended
            region = _region(feature, polygons, taken=found)
            found[region.uid] = region
    if not found:
        raise UserInputError(
            f"{name} holds no regions.", f"Found instead: {listed(left_out) or 'nothing'}. {EXPORT_HINT}"
        )
    notes = [f"Left out, as they are no regions: {listed(left_out)}."] if left_out else []
    if n_mended:
        notes.append(f"The outline of {n_mended:,} crossed itself and was mended.")
    return RegionFile(tuple(found.values()), tuple(notes))


def _feature(region: FileRegion, origin: npt.NDArray[np.float64]) -> dict[str, Any]:
    polygons = [[_closed(ring, origin) for ring in polygon] for polygon in region.polygons_l0]
    one = len(polygons) == 1
    properties: dict[str, Any] = {"objectType": "annotation"}
    if region.name:
        properties["name"] = region.name
    if region.classification:
        properties["classification"] = {"name": region.classification}
    said = {_KIND: region.kind, _AUTHOR: region.author, _AT: region.at}
    if any(said.values()):
        properties["metadata"] = {key: value for key, value in said.items() if value}
    return {
        "type": "Feature",
        "id": str(UUID(region.uid)),
        "geometry": {
            "type": "Polygon" if one else "MultiPolygon",
            "coordinates": polygons[0] if one else polygons,
        },
        "properties": properties,
    }


def _closed(ring: Ring, origin: npt.NDArray[np.float64]) -> list[list[float]]:
    xy = np.round((np.asarray([*ring, ring[0]], np.float64) - origin)[:, ::-1], _DECIMALS)
    return xy.tolist()


def _content(path: Path) -> bytes:
    try:
        if path.stat().st_size > _FILE_MAX_BYTES:
            raise UserInputError(f"{path.name} is too large for regions.", "Export only the annotations.")
        return path.read_bytes()
    except OSError as error:
        raise UserInputError(f"{path.name} cannot be read: {error.strerror}.", "Check the path.") from error


def _polygons(
    geometry: dict[str, Any], name: str, origin_l0: tuple[float, float]
) -> tuple[tuple[tuple[Ring, ...], ...], bool]:
    """Return the polygons of a geometry and whether they had to be mended; none where they have no area."""
    coordinates = geometry.get("coordinates")
    listed_polygons = [coordinates] if geometry["type"] == "Polygon" else coordinates
    wrong = UserInputError(f"{name} holds a region whose corners are not numbers.", EXPORT_HINT)
    if not isinstance(listed_polygons, list) or not all(isinstance(rings, list) for rings in listed_polygons):
        raise wrong
    read: list[list[Ring]] = []
    for rings in listed_polygons:
        arrays = []
        for ring in rings:
            try:
                xy = np.asarray(ring, np.float64)
            except (TypeError, ValueError, OverflowError) as error:
                raise wrong from error
            if xy.ndim != 2 or xy.shape[1] < 2 or not np.isfinite(xy).all():
                raise wrong
            arrays.append(xy[:, 1::-1] + np.asarray(origin_l0))
        solid = [_open(array) for array in arrays if len(np.unique(array, axis=0)) >= 3]
        # Holes without an outer ring would become land.
        if solid and len(np.unique(arrays[0], axis=0)) >= 3:
            read.append(solid)
    if not read:
        return (), False
    if _is_valid(read):
        return tuple(tuple(rings) for rings in read), False
    return polygons_of(shape_of(read)), True


def _is_valid(polygons: Polygons) -> bool:
    whole = shapely.MultiPolygon([(polygon[0], polygon[1:]) for polygon in polygons])
    return bool(whole.is_valid) and whole.area > 0


def _open(array: npt.NDArray[np.float64]) -> Ring:
    ring = tuple((float(y), float(x)) for y, x in array)
    return ring[:-1] if ring[0] == ring[-1] else ring


def _region(
    feature: dict[str, Any], polygons: tuple[tuple[Ring, ...], ...], taken: dict[str, FileRegion]
) -> FileRegion:
    properties = properties_of(feature)
    metadata = properties.get("metadata")
    said = metadata if isinstance(metadata, dict) else {}
    classification, name = class_of(feature), properties.get("name")
    uid = _uid(feature.get("id"))
    return FileRegion(
        uid=uuid4().hex if uid in taken else uid,
        name=name if isinstance(name, str) and name.strip() else classification,
        polygons_l0=polygons,
        kind=_text(said.get(_KIND)),
        author=_text(said.get(_AUTHOR)),
        at=_text(said.get(_AT)),
        classification=classification,
    )


def _uid(value: object) -> str:
    try:
        return UUID(str(value)).hex
    except ValueError:
        return uuid4().hex


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
