"""Outlines as they come out of a text, lists of [x, y], turned into arrays all at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from sae_backend.errors import CellsError

COORDINATES_HINT = "Write it again; each cell needs the x and y of its centre or outline as numbers."

_MOST_COORDINATE = 1e9


@dataclass(frozen=True)
class FlatRings:
    """R rings one after the other: `sizes` int64 (R,), `xy` float64 (P, 2), not closed."""

    sizes: npt.NDArray[np.int64]
    xy: npt.NDArray[np.float64]


def not_numbers(name: str) -> CellsError:
    """Say that a file has something else where coordinates belong."""
    return CellsError(f"{name} holds coordinates that are not finite numbers.", COORDINATES_HINT)


def check_coordinates(xy: npt.NDArray[np.float64], name: str) -> None:
    """Raise `CellsError` where coordinates are not finite or farther away than any slide reaches."""
    if not (np.abs(xy) <= _MOST_COORDINATE).all():
        if np.isfinite(xy).all():
            raise CellsError(f"{name} holds coordinates beyond any slide.", COORDINATES_HINT)
        raise not_numbers(name)


def flatten_points(points: Sequence[Any], name: str) -> npt.NDArray[np.float64]:
    """Turn points [x, y] or [x, y, z] into float64 (n, 2) of (x, y); raise `CellsError` for anything else."""
    try:
        widths = set(map(len, points))
        if not widths:
            return np.empty((0, 2))
        if widths != {2}:
            if min(widths) < 2:
                raise not_numbers(name)
            points = [point[:2] for point in points]
        flat = list(chain.from_iterable(points))
        # True is an int to Python, and a text is a sequence: neither is a place.
        if not set(map(type, flat)) <= {float, int}:
            raise not_numbers(name)
        xy = np.array(flat, np.float64).reshape(-1, 2)
    except (TypeError, ValueError, OverflowError, KeyError) as error:
        # Overflow: a whole number of more digits than a float can hold.
        raise not_numbers(name) from error
    check_coordinates(xy, name)
    return xy


def flatten_rings(rings: Sequence[Any], name: str) -> FlatRings:
    """Turn rings, lists of points, into arrays, without the point that closes a ring.

    Raises
    ------
    CellsError
        If a ring is empty or has something else than finite numbers.
    """
    try:
        sizes = np.fromiter(map(len, rings), np.int64, len(rings))
        points = list(chain.from_iterable(rings))
    except TypeError as error:
        raise not_numbers(name) from error
    if not sizes.all():
        raise not_numbers(name)
    return opened(FlatRings(sizes, flatten_points(points, name)))


def opened(rings: FlatRings) -> FlatRings:
    """Drop the last point of each ring where it repeats the first."""
    if not rings.sizes.size:
        return rings
    ends = np.cumsum(rings.sizes)
    starts = ends - rings.sizes
    closed = (rings.sizes > 1) & (rings.xy[starts] == rings.xy[ends - 1]).all(axis=1)
    kept = np.ones(len(rings.xy), np.bool_)
    kept[ends[closed] - 1] = False
    return FlatRings(rings.sizes - closed, rings.xy[kept])


def centroids(rings: FlatRings) -> npt.NDArray[np.float64]:
    """Centroids (R, 2) of (x, y) of the areas of the rings; of the vertices where the area is nil."""
    sizes, xy = rings.sizes, rings.xy
    if not sizes.size:
        return np.empty((0, 2))
    starts = np.cumsum(sizes) - sizes
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
