"""Outlines and measures of the nuclei of a segmented field: size, form, stain, texture, surroundings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from sae_backend.cells.nuclei.segmentation import Field, Labels, Segmentation, WorkingScale

FORM_MEASURES: Final = (
    "area_um2",
    "perimeter_um",
    "eccentricity",
    "solidity",
    "major_um",
    "minor_um",
)
STAIN_MEASURES: Final = (
    "mean_od",
    "sd_od",
    "max_od",
    "rim_od",
    "texture_od",
    "mean_eosin_od",
    "sd_eosin_od",
    "ring_mean_od",
    "ring_sd_od",
    "ring_mean_eosin_od",
    "ring_sd_eosin_od",
)
MEASURES: Final = (*FORM_MEASURES, *STAIN_MEASURES)
"""Measures of a field, in the order of the columns of :class:`FieldNuclei`.

Densities (natural optical density) are of haematoxylin where no stain is named. `max_od` is the 95th
percentile; `rim_od` the mean of the outer micrometre less that of the inside; `texture_od` the standard
deviation of what is finer than a micrometre; `ring_*` is of the 2.5 um around the nucleus that belong to no
other. `perimeter_um` and `solidity` (area over that of the convex hull) are of the outline.
"""

_RIM_UM: Final = 1.0
_RING_UM: Final = 2.5
_FINE_UM: Final = 0.5
_SIMPLIFY_UM: Final = 0.2


@dataclass(frozen=True)
class Rings:
    """Outer rings of N nuclei, not closed: nucleus i has the points `starts[i]` to `starts[i + 1]`.

    `starts` is int64 (N + 1,), `yx_px` float64 (P, 2) of (y, x) in px; pixel 0 covers 0 to 1.
    """

    starts: npt.NDArray[np.int64]
    yx_px: npt.NDArray[np.float64]


@dataclass(frozen=True)
class FieldNuclei:
    """N nuclei of a field, in px of it.

    `yx_px` float64 (N, 2) are the centroids of their areas, `rings` their outlines, `measures` float32
    (N, 17), one column for each of `MEASURES`.
    """

    yx_px: npt.NDArray[np.float64]
    rings: Rings
    measures: npt.NDArray[np.float32]


def measure(
    found: Segmentation, scale: WorkingScale, core_px: tuple[float, float, float, float]
) -> FieldNuclei:
    """Measure the nuclei of a field whose centroid lies in its core.

    Parameters
    ----------
    found
        The segmented field.
    scale
        Size of its px.
    core_px
        The core (top, left, bottom, right).
    """
    yx, form = moments(found.labels, scale.mpp)
    top, left, bottom, right = core_px
    inside = (yx >= (top, left)).all(axis=1) & (yx < (bottom, right)).all(axis=1)
    chosen = np.flatnonzero(inside & (form[:, 0] > 0))
    if chosen.size == 0:
        rings = Rings(np.zeros(1, np.int64), np.empty((0, 2)))
        return FieldNuclei(np.empty((0, 2)), rings, np.empty((0, len(MEASURES)), np.float32))
    rings = _rings(found.labels, chosen, _SIMPLIFY_UM / scale.mpp)
    perimeter, solidity = _of_rings(rings, scale.mpp)
    area, eccentricity, major, minor = form[chosen].T
    columns = [area, perimeter, eccentricity, solidity, major, minor]
    stain = _stain_measures(found, scale)[chosen]
    measures = np.concatenate([np.stack(columns, axis=1), stain], axis=1).astype(np.float32)
    return FieldNuclei(yx[chosen], rings, measures)


def moments(labels: Labels, mpp: float) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Centroids (N, 2) in px, and area, eccentricity, major and minor axis (N, 4) in um.

    The axes are those of the ellipse with the same second moments. A number without pixels has area 0.
    """
    n = int(labels.max(initial=0))
    y, x = (axis.astype(np.float64) for axis in np.nonzero(labels))
    own = labels[labels > 0] - 1
    area = np.bincount(own, minlength=n)

    def mean(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.bincount(own, values, minlength=n) / np.maximum(area, 1)

    cy, cx = mean(y), mean(x)
    dy, dx = y - cy[own], x - cx[own]
    # A pixel is a square, not a point: its own second moment is a twelfth.
    yy, xx, xy = mean(dy**2) + 1 / 12, mean(dx**2) + 1 / 12, mean(dy * dx)
    spread = np.sqrt((yy - xx) ** 2 / 4 + xy**2)
    long, short = (yy + xx) / 2 + spread, np.maximum((yy + xx) / 2 - spread, 0)
    eccentricity = np.sqrt(1 - short / long)
    form = [area * mpp**2, eccentricity, 4 * np.sqrt(long) * mpp, 4 * np.sqrt(short) * mpp]
    return np.stack([cy + 0.5, cx + 0.5], axis=1), np.stack(form, axis=1)


def _rings(labels: Labels, chosen: npt.NDArray[np.int64], tolerance_px: float) -> Rings:
    """Outlines, smoothed over the steps of the pixels and simplified."""
    import shapely
    from skimage.measure import find_contours

    boxes = ndimage.find_objects(labels)
    rings = []
    for number in chosen.tolist():
        rows, cols = boxes[number]
        mask = np.pad(labels[rows, cols] == number + 1, 2).astype(np.uint8)
        across = mask[:-2] + 2 * mask[1:-1] + mask[2:]
        soft = across[:, :-2] + 2 * across[:, 1:-1] + across[:, 2:]
        # What hangs on by a single pixel may come apart; the longest outline is the nucleus.
        ring = max(find_contours(soft, 8.0), key=len)
        rings.append(np.asarray(ring) + np.array([rows.start - 0.5, cols.start - 0.5]))
    owner = np.repeat(np.arange(len(rings)), [len(ring) for ring in rings])
    polygons = shapely.polygons(shapely.linearrings(np.concatenate(rings), indices=owner))
    simple = shapely.get_exterior_ring(shapely.simplify(polygons, tolerance_px))
    points, owner = shapely.get_coordinates(simple, return_index=True)
    # The last point of a ring repeats its first.
    open_ring = np.append(owner[1:] == owner[:-1], False)
    starts = np.concatenate([[0], np.cumsum(np.bincount(owner[open_ring], minlength=len(rings)))])
    return Rings(starts.astype(np.int64), points[open_ring])


def _of_rings(rings: Rings, mpp: float) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Perimeter (N,) in um and solidity (N,)."""
    import shapely

    owner = np.repeat(np.arange(rings.starts.size - 1), np.diff(rings.starts))
    polygons = shapely.polygons(shapely.linearrings(rings.yx_px, indices=owner))
    return shapely.length(polygons) * mpp, shapely.area(polygons) / shapely.area(
        shapely.convex_hull(polygons)
    )


def _stain_measures(found: Segmentation, scale: WorkingScale) -> npt.NDArray[np.float64]:
    """The columns of `STAIN_MEASURES` for all N nuclei, float64 (N, 11)."""
    from skimage.segmentation import expand_labels

    labels, h, e = found.labels, found.stains.haematoxylin, found.stains.eosin
    n = int(labels.max(initial=0))
    inside = labels > 0
    own = labels[inside] - 1
    depth = ndimage.distance_transform_edt(inside & ~_borders(labels))[inside] * scale.mpp
    is_rim = depth < _RIM_UM
    fine = h - ndimage.gaussian_filter(h, _FINE_UM / scale.mpp, truncate=3.0, mode="nearest")
    ring = expand_labels(labels, _RING_UM / scale.mpp)
    ring[inside] = 0
    around = ring > 0
    other = ring[around] - 1
    mean_h, sd_h = _mean_sd(h[inside], own, n)
    mean_e, sd_e = _mean_sd(e[inside], own, n)
    rim, _ = _mean_sd(h[inside][is_rim], own[is_rim], n)
    core, _ = _mean_sd(h[inside][~is_rim], own[~is_rim], n)
    _, texture = _mean_sd(fine[inside], own, n)
    ring_h, ring_e = _mean_sd(h[around], other, n), _mean_sd(e[around], other, n)
    columns = [
        mean_h,
        sd_h,
        _percentile(h[inside], own, n),
        rim - core,
        texture,
        mean_e,
        sd_e,
        *ring_h,
        *ring_e,
    ]
    return np.stack(columns, axis=1)


def _borders(labels: Labels) -> npt.NDArray[np.bool_]:
    """Pixels that touch another nucleus below or to the right."""
    out = np.zeros(labels.shape, np.bool_)
    out[:-1] |= (labels[:-1] != labels[1:]) & (labels[1:] > 0)
    out[:, :-1] |= (labels[:, :-1] != labels[:, 1:]) & (labels[:, 1:] > 0)
    return out


def _mean_sd(
    values: Field, own: npt.NDArray[np.int32], n: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Mean and standard deviation (N,) of the pixels of each nucleus; NaN where it has none."""
    count = np.bincount(own, minlength=n).astype(np.float64)
    count[count == 0] = np.nan
    mean = np.bincount(own, values, minlength=n) / count
    return mean, np.sqrt(np.bincount(own, (values - mean[own]) ** 2, minlength=n) / count)


def _percentile(values: Field, own: npt.NDArray[np.int32], n: int) -> npt.NDArray[np.float64]:
    """95th percentile (N,) of the pixels of each nucleus, without interpolation."""
    order = np.lexsort((values, own))
    count = np.bincount(own, minlength=n)
    start = np.cumsum(count) - count
    return values[order][start + (0.95 * np.maximum(count - 1, 0)).astype(np.int64)].astype(np.float64)
