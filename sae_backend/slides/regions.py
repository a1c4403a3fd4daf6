"""Shapes of regions: what lines enclose, what a brush paints, and how both become polygons.

A region is polygons of rings of (y, x) level-0 px, pixel 0 spanning 0 to 1; a shape is the same as a
shapely geometry, whose coordinates are (x, y).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import shapely
from shapely import LineString, MultiPolygon, Point, Polygon

Ring = tuple[tuple[float, float], ...]
"""Closed line of (y, x) level-0 px, the first point not repeated."""

Polygons = Sequence[Sequence[Sequence[Sequence[float]]]]
"""Polygons, each a sequence of rings: the outer one, then its holes."""

Points = npt.NDArray[np.float64] | Sequence[tuple[float, float]]
"""Points (n, 2) of (y, x) level-0 px."""

_QUARTER_SEGMENTS = 16


def shape_of(polygons: Polygons) -> MultiPolygon:
    """Return the shape of stored polygons; where lines cross, the valid shape of the same lines."""
    made = [
        Polygon([(x, y) for y, x in polygon[0]], [[(x, y) for y, x in hole] for hole in polygon[1:]])
        for polygon in polygons
    ]
    whole = MultiPolygon(made)
    return (
        whole if whole.is_valid else _areas(shapely.make_valid(shapely.union_all(shapely.make_valid(made))))
    )


def polygons_of(shape: shapely.Geometry) -> tuple[tuple[Ring, ...], ...]:
    """Return the polygons of a shape as they are stored; points and lines in it are left out."""
    return tuple(
        tuple(_ring(line) for line in (polygon.exterior, *polygon.interiors))
        for polygon in _areas(shape).geoms
    )


def rectangle_corners(
    corner: tuple[float, float], opposite: tuple[float, float], right: tuple[float, float] = (0.0, 1.0)
) -> list[tuple[float, float]]:
    """Return the four corners (y, x) of the rectangle between two of them.

    Its sides run along the unit vector `right` and across it; the corners are exact where that is upright.
    """
    (y0, x0), (y1, x1) = corner, opposite
    if right == (0.0, 1.0):
        return [(y0, x0), (y0, x1), (y1, x1), (y1, x0)]
    along = (y1 - y0) * right[0] + (x1 - x0) * right[1]
    step_y, step_x = along * right[0], along * right[1]
    return [(y0, x0), (y0 + step_y, x0 + step_x), (y1, x1), (y1 - step_y, x1 - step_x)]


def enclosed_by(points: Points) -> MultiPolygon:
    """Return everything that a closed line encloses, also where it crosses itself.

    The last point is joined to the first. Empty where the line encloses nothing.
    """
    xy = np.asarray(points, np.float64).reshape(-1, 2)[:, ::-1]
    if len(np.unique(xy, axis=0)) < 3:
        return MultiPolygon()
    ring = LineString([*xy, xy[0]])
    if ring.is_simple:
        return _areas(Polygon(xy))
    faces = shapely.get_parts(shapely.polygonize([shapely.node(ring)]))
    return _areas(shapely.union_all(faces))


def brushed(points: Points, radius_l0: float) -> MultiPolygon:
    """Return what a disc of that radius paints on its way along points."""
    xy = np.asarray(points, np.float64).reshape(-1, 2)[:, ::-1]
    way = Point(xy[0]) if len(np.unique(xy, axis=0)) == 1 else LineString(xy)
    return _areas(way.buffer(radius_l0, quad_segs=_QUARTER_SEGMENTS))


def joined(shape: shapely.Geometry, other: shapely.Geometry) -> MultiPolygon:
    """Return the union of two shapes."""
    return _areas(shapely.union(shape, other))


def without(shape: shapely.Geometry, other: shapely.Geometry) -> MultiPolygon:
    """Return a shape less another; empty where nothing is left."""
    return _areas(shapely.difference(shape, other))


def within(shape: shapely.Geometry, height_px: int, width_px: int) -> MultiPolygon:
    """Return what of a shape lies on a slide of that size."""
    slide = shapely.box(0, 0, width_px, height_px)
    # A rectangle that is cut anew would begin at another corner.
    return _areas(shape if slide.covers(shape) else shapely.intersection(shape, slide))


def simplified(shape: shapely.Geometry, tolerance_l0: float) -> MultiPolygon:
    """Return a shape of fewer corners, its outline moved by at most `tolerance_l0` px.

    Specks and holes smaller than a square of four such tolerances are dropped, unless nothing else is there.
    """
    smooth = _areas(shape.simplify(tolerance_l0, preserve_topology=True))
    least = (4 * tolerance_l0) ** 2
    kept = [
        Polygon(polygon.exterior, [hole for hole in polygon.interiors if Polygon(hole).area >= least])
        for polygon in smooth.geoms
        if polygon.area >= least
    ]
    return MultiPolygon(kept) if kept else smooth


def area_l0(polygons: Polygons) -> float:
    """Return the area of stored polygons in level-0 px squared, holes taken off."""
    return float(shape_of(polygons).area)


def box_l0(polygons: Polygons) -> tuple[float, float, float, float]:
    """Return the bounding box of polygons: y, x, height, width in level-0 px."""
    corners = np.array([point for polygon in polygons for point in polygon[0]], np.float64)
    (y, x), (bottom, right) = corners.min(axis=0), corners.max(axis=0)
    return float(y), float(x), float(bottom - y), float(right - x)


def _areas(shape: shapely.Geometry) -> MultiPolygon:
    parts = shapely.get_parts(shapely.get_parts(shape))
    return MultiPolygon([part for part in parts if isinstance(part, Polygon) and part.area > 0])


def _ring(line: LineString) -> Ring:
    return tuple((float(y), float(x)) for x, y in line.coords[:-1])
