"""Where the tissue is: saturation and Otsu on a low-resolution view, cleaned up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
from scipy import ndimage

if TYPE_CHECKING:
    from sae_backend.slides.slide import Slide

THUMBNAIL_PX: Final = 1536
SATURATION_RANGE: Final = (0.04, 0.10)
"""Otsu's threshold is kept in this range: a field without background would otherwise be split in half."""

_SMALLEST_SHARE: Final = 2e-4
_HOLE_SHARE: Final = 1e-3


@dataclass(frozen=True)
class TissueMask:
    """Tissue of a slide at low resolution.

    `mask` is bool (h, w), pixel size `downsample` level-0 px; `outlines_l0` are closed
    polygons (n, 2) float64 of (y, x) in level-0 px.
    """

    mask: npt.NDArray[np.bool_]
    downsample: float
    outlines_l0: tuple[npt.NDArray[np.float64], ...]

    def fractions(self, origins_l0: npt.NDArray[np.float64], size_l0: float) -> npt.NDArray[np.float32]:
        """Tissue share (N,) of squares of `size_l0` level-0 px whose corners (N, 2) are (y, x).

        The mask is integrated exactly: its pixels count by the area that a square covers.
        """
        sums = np.zeros((self.mask.shape[0] + 1, self.mask.shape[1] + 1))
        sums[1:, 1:] = self.mask.cumsum(axis=0, dtype=np.float64).cumsum(axis=1)
        low = origins_l0 / self.downsample
        high = (origins_l0 + size_l0) / self.downsample

        def at(y: npt.NDArray[np.float64], x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
            return np.asarray(ndimage.map_coordinates(sums, [y, x], order=1, mode="nearest"), np.float64)

        inside = at(high[:, 0], high[:, 1]) - at(low[:, 0], high[:, 1])
        inside -= at(high[:, 0], low[:, 1]) - at(low[:, 0], low[:, 1])
        share = inside * (self.downsample / size_l0) ** 2
        return np.clip(share, 0.0, 1.0).astype(np.float32)


def find_tissue(slide: Slide) -> TissueMask:
    """Find stained tissue in a view of at most 1,536 px.

    The saturation (HSV) is smoothed and cut at Otsu's threshold, which is held between 0.04 and
    0.10; then gaps are closed, specks below 0.02 % of the view dropped and holes below 0.1 % filled.
    Where the view is corrupt counts as tissue.
    """
    # scikit-image takes half a second to load, and the window must not wait for it.
    from skimage.color import rgb2hsv
    from skimage.filters import gaussian, threshold_otsu
    from skimage.morphology import closing, disk, remove_small_holes, remove_small_objects

    view, corrupt = slide.view(THUMBNAIL_PX)
    saturation = gaussian(rgb2hsv(view)[..., 1], sigma=2.0)
    # Near-black pixels (pen, missing tiles) have a saturation without meaning.
    dark = gaussian(view.max(axis=2).astype(np.float64) / 255.0, sigma=2.0) < 0.12
    low, high = SATURATION_RANGE
    otsu = float(threshold_otsu(saturation)) if np.ptp(saturation) > 1e-6 else low
    mask = (saturation > float(np.clip(otsu, low, high))) & ~dark
    mask = closing(mask, disk(3))
    mask = remove_small_objects(mask, max_size=max(1, int(_SMALLEST_SHARE * mask.size)))
    mask = remove_small_holes(mask, max_size=max(1, int(_HOLE_SHARE * mask.size)))
    # What cannot be seen here is kept, so that its tiles are tried and, where bad, counted as such.
    mask |= corrupt
    downsample = max(slide.info.height_px / mask.shape[0], slide.info.width_px / mask.shape[1])
    return TissueMask(mask, downsample, _outlines(mask, downsample))


def _outlines(mask: npt.NDArray[np.bool_], downsample: float) -> tuple[npt.NDArray[np.float64], ...]:
    from skimage.measure import approximate_polygon, find_contours

    padded = np.pad(mask, 1).astype(np.float32)
    outlines = []
    for contour in find_contours(padded, 0.5):
        simple = approximate_polygon(contour, tolerance=0.7)
        # Undo the padding (1 px) and go from pixel centres to edges (0.5 px).
        outlines.append((np.asarray(simple, np.float64) - 0.5) * downsample)
    return tuple(outlines)
