"""Cells from GeoJSON as QuPath writes it: a FeatureCollection, a bare list or a single Feature.

Each Point, Polygon, and part of a MultiPoint or MultiPolygon is one cell; a polygon stands at the
centroid of the area of its outer ring. Files may be compressed with gzip.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from sae_backend.errors import CellsError
from sae_backend.formats.geojson import EXPORT_HINT, class_of, features_of, kind_of, listed
from sae_backend.formats.raw_cells import UNCLASSIFIED, RawCells, index_types

_NOT_CELLS: Final = frozenset({"tile", "root", "tmacore"})
_CELLS: Final = frozenset({"cell", "detection"})


def read_qupath_geojson(data: bytes, name: str, offset_l0: tuple[float, float] = (0.0, 0.0)) -> RawCells:
    """Read the cells of a GeoJSON file.

    Parameters
    ----------
    data
        The file's content, plain or gzip.
    name
        Its name, for messages.
    offset_l0
        (y, x) of the file's origin in level-0 px: QuPath crops some slides to the scanned area.

    Raises
    ------
    CellsError
        If the file is broken, nested too deeply, holds coordinates that are not numbers, or no cell.
    """
    features = features_of(data, name, CellsError)
    kinds = [kind_of(feature) for feature in features]
    detections_only = any(kind in _CELLS for kind in kinds)
    points: list[Any] = []
    rings: list[Any] = []
    point_labels: list[str] = []
    ring_labels: list[str] = []
    left_out: Counter[str] = Counter()
    for feature, kind in zip(features, kinds, strict=True):
        if kind in _NOT_CELLS or (detections_only and kind == "annotation"):
            left_out[kind] += 1
            continue
        label = class_of(feature) or UNCLASSIFIED
        for shape, coordinates in _parts(feature.get("geometry"), left_out):
            if shape == "Point":
                points.append(coordinates[:2] if isinstance(coordinates, list) else coordinates)
                point_labels.append(label)
            elif isinstance(coordinates, list) and coordinates:
                rings.append(coordinates[0])
                ring_labels.append(label)
            else:
                left_out["empty Polygon"] += 1
    if not points and not rings:
        raise CellsError(
            f"{name} holds no cells.", f"Found instead: {listed(left_out) or 'nothing'}. {EXPORT_HINT}"
        )
    xy = np.concatenate([_point_array(points, name), _centroids(rings, name)])
    index, names = index_types(point_labels + ring_labels)
    notes = [f"Left out, as they are no cells: {listed(left_out)}."] if left_out else []
    if any(offset_l0):
        notes.append(
            f"The scanned area starts at y = {offset_l0[0]:g}, x = {offset_l0[1]:g} px; it was taken for the "
            "origin of the file, as in QuPath."
        )
    return RawCells(xy[:, ::-1] + np.asarray(offset_l0), index, names, "GeoJSON", tuple(notes))


def _parts(geometry: Any, left_out: Counter[str]) -> Iterator[tuple[str, Any]]:
    kind = geometry.get("type") if isinstance(geometry, dict) else None
    coordinates = geometry.get("coordinates") if isinstance(geometry, dict) else None
    if kind in ("Point", "Polygon"):
        yield kind, coordinates
    elif kind in ("MultiPoint", "MultiPolygon") and isinstance(coordinates, list):
        for part in coordinates:
            yield kind.removeprefix("Multi"), part
    else:
        left_out[kind if isinstance(kind, str) else "object without a geometry"] += 1


def _not_numbers(name: str) -> CellsError:
    return CellsError(f"{name} holds coordinates that are not finite numbers.", EXPORT_HINT)


def _numbers(values: Any, name: str) -> npt.NDArray[np.float64]:
    """Points (n, 2) of (x, y); a third coordinate is dropped."""
    try:
        array = np.asarray(values, np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        # Overflow: a whole number of more digits than a float can hold.
        raise _not_numbers(name) from error
    if array.ndim != 2 or array.shape[1] < 2 or not np.isfinite(array).all():
        raise _not_numbers(name)
    return array[:, :2]


def _point_array(points: list[Any], name: str) -> npt.NDArray[np.float64]:
    return _numbers(points, name) if points else np.empty((0, 2))


def _centroids(rings: list[Any], name: str) -> npt.NDArray[np.float64]:
    """Centroids (R, 2) of (x, y) of the areas of the rings; of the vertices where the area is nil."""
    if not rings:
        return np.empty((0, 2))
    arrays = [_numbers(ring, name) for ring in rings]
    sizes = np.array([len(a) for a in arrays])
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    xy = np.concatenate(arrays)
    # Measured from its first vertex, a small polygon far from the origin loses no digits.
    origin = xy[starts]
    local = xy - np.repeat(origin, sizes, axis=0)
    following = np.roll(local, -1, axis=0)
    following[starts + sizes - 1] = 0.0
    cross = local[:, 0] * following[:, 1] - following[:, 0] * local[:, 1]
    area = np.add.reduceat(cross, starts)
    moment = np.add.reduceat((local + following) * cross[:, None], starts)
    extent = np.maximum.reduceat(np.abs(local).max(axis=1), starts)
    flat = np.abs(area) <= 1e-9 * extent**2
    vertex_mean = np.add.reduceat(local, starts) / sizes[:, None]
    area_mean = moment / np.where(flat, 1.0, 3 * area)[:, None]
    return origin + np.where(flat[:, None], vertex_mean, area_mean)
