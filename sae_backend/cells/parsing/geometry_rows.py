"""Shapes in well-known binary (WKB) turned into cells, many at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import shapely

from sae_backend.cells.parsing.raw_cells import CellRows
from sae_backend.cells.parsing.rings import FlatRings, centroids, check_coordinates, opened
from sae_backend.errors import CellsError

_POINT, _POLYGON = 0, 3
_MULTI: Final = {4: _POINT, 6: _POLYGON}
_NAMES: Final = {
    1: "LineString",
    2: "LinearRing",
    5: "MultiLineString",
    7: "GeometryCollection",
    -1: "no shape",
}


def add_shapes(
    rows: CellRows, wkb: Any, labels: Sequence[str], name: str, left_out: Counter[str]
) -> npt.NDArray[np.int64]:
    """Add the cells of shapes to rows; each part of a multi-shape is a cell.

    Parameters
    ----------
    rows
        Where the cells go.
    wkb
        Object array (n,) of bytes, None where there is no shape.
    labels
        Type of each shape.
    name
        Name of the file, for messages.
    left_out
        Counts what is no cell, by kind.

    Returns
    -------
    int64 (m,)
        The number of the shape that each added cell came from.

    Raises
    ------
    CellsError
        If a shape is damaged.
    """
    try:
        # What is not finite is found below.
        with np.errstate(invalid="ignore"):
            shapes = shapely.from_wkb(wkb)
    except (shapely.errors.ShapelyError, TypeError, ValueError) as error:
        raise CellsError(f"{name} holds a shape that is no proper WKB.", "Write the file again.") from error
    shapes = np.asarray(shapes, object)
    kinds = shapely.get_type_id(shapes)
    empty = shapely.is_empty(shapes)
    usable = np.isin(kinds, (_POINT, _POLYGON, *_MULTI)) & ~empty
    for kind, count in zip(*np.unique(kinds[~usable], return_counts=True), strict=True):
        left_out[_NAMES.get(int(kind), "empty shape")] += int(count)
    source = np.flatnonzero(usable)
    parts, part_of = shapely.get_parts(shapes[source], return_index=True)
    source = source[part_of]
    filled = ~shapely.is_empty(parts)
    left_out["empty shape"] += int((~filled).sum())
    if not left_out["empty shape"]:
        del left_out["empty shape"]
    parts, source = parts[filled], source[filled]
    if not source.size:
        return source
    is_polygon = shapely.get_type_id(parts) == _POLYGON
    outer = shapely.get_exterior_ring(parts[is_polygon])
    sizes = np.zeros(len(parts), np.int64)
    sizes[is_polygon] = shapely.get_num_coordinates(outer)
    rings = FlatRings(sizes[is_polygon], shapely.get_coordinates(outer))
    check_coordinates(rings.xy, name)
    rings = opened(rings)
    xy = np.empty((len(parts), 2))
    xy[~is_polygon] = shapely.get_coordinates(parts[~is_polygon])
    xy[is_polygon] = centroids(rings)
    sizes[is_polygon] = rings.sizes
    rows.add_arrays(xy, [labels[i] for i in source.tolist()], FlatRings(sizes, rings.xy))
    return source
