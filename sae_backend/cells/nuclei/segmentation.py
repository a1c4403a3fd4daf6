"""Find the nuclei of one field of an H&E image: stain density, local threshold, seeds, watershed.

The method has no learned weights. Haematoxylin is unmixed with the fixed vectors of Ruifrok and Johnston
(2001); on the fields that it was tuned on they did better than vectors estimated from each slide.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from sae_backend.errors import MismatchError, UserInputError
from sae_backend.slides.colour import OPTICAL_DENSITY, UNMIX
from sae_backend.slides.slide import validate_mpp

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sae_backend.slides.slide import SlideInfo

DETECTOR_VERSION: Final = 1
"""Raised when the same pixels would no longer give the same nuclei."""

COARSEST_MPP: Final = 1.0
"""Above this (um per px) a lymphocyte is less than six pixels wide."""

_NATIVE_TOLERANCE: Final = 0.1
_BLOCK_UM: Final = 2.0
_SEED_UM: Final = 2.2
_DEPTH_SHARE_PER_UM: Final = 0.25
_BELOW_OD: Final = 0.2
_SOFT_OD: Final = 0.1
_DEPTH_CAP_UM: Final = 8.0
_HOLE_UM2: Final = 60.0
_GAP_UM: Final = 1.0
_TRUNCATE: Final = 3.0

Field = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int32]


@dataclass(frozen=True)
class DetectSpec:
    """What counts as a nucleus.

    Attributes
    ----------
    mpp
        Wished pixel size in um per px; a level of the slide within a tenth of it is taken as it is.
    smooth_um
        Standard deviation of the smoothing of the haematoxylin density.
    background_um
        Standard deviation of the surroundings that a nucleus must stand out from.
    min_contrast_od, contrast_sd
        It stands out by this optical density, plus this many standard deviations of the surroundings.
    min_od
        Least haematoxylin density, whatever the surroundings.
    min_mass_od_um2
        Least excess of density over that threshold, summed over the nucleus: small nuclei must be dark.
    split_depth
        A nucleus is split in two where the seed landscape falls by this much between two summits.
    min_area_um2, max_area_um2
        Areas outside this range are no nuclei.
    """

    mpp: float = 0.5
    smooth_um: float = 0.5
    background_um: float = 12.0
    min_contrast_od: float = 0.1
    contrast_sd: float = 0.3
    min_od: float = 0.15
    min_mass_od_um2: float = 3.0
    split_depth: float = 0.375
    min_area_um2: float = 10.0
    max_area_um2: float = 400.0

    def __post_init__(self) -> None:
        validate_mpp(self.mpp)
        if self.mpp > COARSEST_MPP:
            raise UserInputError(f"Nuclei cannot be found at {self.mpp:g} um per px.", "Use about 0.5.")
        if not 0 < self.min_area_um2 < self.max_area_um2:
            raise UserInputError(
                f"No nucleus has an area between {self.min_area_um2:g} and {self.max_area_um2:g} um2.",
                "Give a smaller and a larger area.",
            )
        lowest = min(self.smooth_um, self.background_um, self.split_depth)
        others = min(self.min_contrast_od, self.contrast_sd, self.min_od, self.min_mass_od_um2)
        if lowest <= 0 or others < 0:
            raise UserInputError(
                "A setting of the detector is negative or zero.", "Leave it out for the usual value."
            )

    @property
    def reach_um(self) -> float:
        """How far (um) pixels may lie from a nucleus and still have a say in it."""
        return _TRUNCATE * self.background_um + 2 * float(np.sqrt(self.max_area_um2 / np.pi))

    def to_json(self) -> dict[str, Any]:
        """The values as JSON holds them."""
        return asdict(self)

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> DetectSpec:
        """Rebuild a spec; what is not said has its usual value.

        Raises
        ------
        UserInputError
            When a setting has another name, or a value makes no sense.
        """
        unknown = sorted(set(record) - set(cls.__dataclass_fields__))
        if unknown:
            raise UserInputError(
                f"The detector has no setting {', '.join(unknown)}.",
                f"It has {', '.join(cls.__dataclass_fields__)}.",
            )
        return cls(**{name: float(value) for name, value in record.items()})


@dataclass(frozen=True)
class WorkingScale:
    """Scale of detection: a working pixel is `step_l0` level-0 px or `mpp` um wide."""

    step_l0: float
    mpp: float

    @property
    def block_px(self) -> int:
        """Working px in a block of the coarse background; fields start at multiples of it."""
        return max(1, round(_BLOCK_UM / self.mpp))

    def blocks_px(self, length_um: float) -> int:
        """A length in working px, rounded up to whole blocks."""
        return int(np.ceil(length_um / self.mpp / self.block_px)) * self.block_px


def working_scale(spec: DetectSpec, info: SlideInfo) -> WorkingScale:
    """Choose the scale on a slide: that of a level that is near the wish, else the wish itself.

    Raises
    ------
    PixelSizeError
        If the slide's pixel size is unknown.
    MismatchError
        If the slide is too coarse to show nuclei.
    """
    mpp = info.require_mpp()
    if mpp > COARSEST_MPP:
        raise MismatchError(
            f"{info.path.name} has {mpp:g} um per pixel, too coarse to show nuclei.",
            f"Use a scan of at most {COARSEST_MPP:g} um per pixel, or check the pixel size.",
        )
    for factor in (float(value) for value in info.level_downsamples):
        if abs(factor * mpp / spec.mpp - 1) <= _NATIVE_TOLERANCE:
            return WorkingScale(factor, factor * mpp)
    # What is coarser than the wish is not blown up.
    step = max(1.0, spec.mpp / mpp)
    return WorkingScale(step, step * mpp)


@dataclass(frozen=True)
class Stains:
    """Optical densities of haematoxylin and eosin, float32 (h, w) each."""

    haematoxylin: Field
    eosin: Field


def unmix(rgb: npt.NDArray[np.uint8]) -> Stains:
    """Unmix an image (h, w, 3) with fixed stain vectors."""
    # A table for each stain and channel: three look-ups and two sums instead of a product per pixel.
    tables = OPTICAL_DENSITY[None, None, :] * UNMIX.T[:2, :, None]
    red, green, blue = (rgb[..., channel] for channel in range(3))
    planes = [table[0][red] + table[1][green] + table[2][blue] for table in tables]
    return Stains(planes[0], planes[1])


@dataclass(frozen=True)
class Segmentation:
    """Labels int32 (h, w), 0 outside nuclei, else 1 to N; and the stains that they were found in."""

    labels: Labels
    stains: Stains


def segment(rgb: npt.NDArray[np.uint8], spec: DetectSpec, scale: WorkingScale) -> Segmentation:
    """Find the nuclei of a field.

    Parameters
    ----------
    rgb
        (h, w, 3) uint8 in working px; its corner lies on a multiple of `scale.block_px`, so that fields
        that overlap agree.
    spec, scale
        What counts as a nucleus, and how large a pixel is.
    """
    stains = unmix(rgb)
    smooth = _blur(stains.haematoxylin, spec.smooth_um / scale.mpp)
    excess = smooth - _threshold(smooth, spec, scale)
    foreground = _foreground(excess > 0, spec, scale)
    if not foreground.any():
        return Segmentation(np.zeros(foreground.shape, np.int32), stains)
    landscape = _landscape(excess, foreground, scale)
    labels = _split(landscape, foreground, spec.split_depth)
    return Segmentation(_trimmed(_plausible(labels, excess, spec, scale), excess, scale), stains)


def _blur(values: Field, sigma_px: float) -> Field:
    return np.asarray(ndimage.gaussian_filter(values, sigma_px, truncate=_TRUNCATE, mode="nearest"))


def _threshold(smooth: Field, spec: DetectSpec, scale: WorkingScale) -> Field:
    """Density that a nucleus must exceed at each place, from coarse blocks of its surroundings."""
    block = scale.block_px
    h, w = smooth.shape
    padded = np.pad(smooth, ((0, -h % block), (0, -w % block)), mode="edge")
    coarse = padded.reshape(padded.shape[0] // block, block, -1, block).mean(axis=(1, 3))
    sigma = spec.background_um / (scale.mpp * block)
    mean = _blur(coarse, sigma)
    spread = np.sqrt(np.maximum(_blur(coarse**2, sigma) - mean**2, 0))
    wanted = np.maximum(mean + spec.min_contrast_od + spec.contrast_sd * spread, spec.min_od)
    return np.asarray(ndimage.zoom(wanted, block, order=1, mode="nearest", grid_mode=True)[:h, :w])


def _foreground(dark: npt.NDArray[np.bool_], spec: DetectSpec, scale: WorkingScale) -> npt.NDArray[np.bool_]:
    """What is dark, with the pale middles of nuclei filled in and without specks and threads."""
    from skimage.morphology import disk, remove_small_objects

    gap = disk(max(1, round(_GAP_UM / scale.mpp)))
    # The rim of a pale nucleus has gaps: they are closed, so that its middle is a hole and can be filled.
    closed = ndimage.binary_erosion(ndimage.binary_dilation(dark, gap), gap, border_value=1)
    filled = ~remove_small_objects(~closed, max_size=int(_HOLE_UM2 / scale.mpp**2))
    opened = ndimage.binary_opening(filled)
    return np.asarray(remove_small_objects(opened, max_size=int(spec.min_area_um2 / scale.mpp**2)), np.bool_)


def _landscape(excess: Field, foreground: npt.NDArray[np.bool_], scale: WorkingScale) -> Field:
    """Height with one summit in each nucleus: dark blobs, and what lies deep inside the foreground."""
    # On a logarithmic scale clumps of chromatin in a dark nucleus are no summits of their own.
    dark = np.log1p(np.maximum(excess + _BELOW_OD, 0) / _SOFT_OD)
    sigma = _SEED_UM / scale.mpp
    blobs = -(sigma**2) * ndimage.gaussian_laplace(dark, sigma, mode="nearest", truncate=_TRUNCATE)
    depth = np.minimum(ndimage.distance_transform_edt(foreground) * scale.mpp, _DEPTH_CAP_UM)
    depth = _blur(depth.astype(np.float32), 0.5 / scale.mpp)
    return np.asarray(blobs + _DEPTH_SHARE_PER_UM * depth, np.float32)


def _split(landscape: Field, foreground: npt.NDArray[np.bool_], depth: float) -> Labels:
    """Flood from every summit, then join basins whose summit rises less than `depth` above the pass."""
    from skimage.segmentation import watershed

    summits = (landscape == ndimage.maximum_filter(landscape, 3)) & foreground
    seeds, n = ndimage.label(summits, np.ones((3, 3)))
    basins = np.asarray(watershed(-landscape, seeds, mask=foreground), np.int32)
    height = np.asarray(ndimage.maximum(landscape, seeds, np.arange(n + 1)), np.float64)
    owner = _joined(height, *_passes(landscape, basins), depth)
    return owner[basins]


def _passes(landscape: Field, basins: Labels) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Pairs of basins that touch (E, 2) and the highest point (E,) of the border between them."""
    pairs, heights = [], []
    for a, b in ((np.s_[:-1], np.s_[1:]), (np.s_[:, :-1], np.s_[:, 1:])):
        low, high = np.minimum(basins[a], basins[b]), np.maximum(basins[a], basins[b])
        border = (low != high) & (low > 0)
        pairs.append(np.stack([low[border], high[border]], axis=1))
        heights.append(np.minimum(landscape[a][border], landscape[b][border]))
    pair, height = np.concatenate(pairs).astype(np.int64), np.concatenate(heights).astype(np.float64)
    unique, inverse = np.unique(pair, axis=0, return_inverse=True)
    top = np.full(len(unique), -np.inf)
    np.maximum.at(top, inverse.ravel(), height)
    return unique, top


def _joined(
    height: npt.NDArray[np.float64],
    pairs: npt.NDArray[np.int64],
    passes: npt.NDArray[np.float64],
    depth: float,
) -> Labels:
    """Basin that each basin belongs to in the end, int32 (n + 1,).

    Passes are taken from the highest down. `land` links all basins that are connected so far, each led by
    its highest summit; `owner` links only those that make one nucleus.
    """
    land, owner = list(range(height.size)), list(range(height.size))

    def top_of(links: list[int], basin: int) -> int:
        while links[basin] != basin:
            links[basin] = links[links[basin]]
            basin = links[basin]
        return basin

    heights = height.tolist()
    order = np.argsort(-passes, kind="stable")
    for (first, second), saddle in zip(pairs[order].tolist(), passes[order].tolist(), strict=True):
        a, b = top_of(land, first), top_of(land, second)
        if a == b:
            continue
        at = first
        if heights[a] < heights[b]:
            a, b, at = b, a, second
        if heights[b] - saddle < depth:
            owner[top_of(owner, b)] = top_of(owner, at)
        land[b] = a
    return np.array([top_of(owner, basin) for basin in range(height.size)], np.int32)


def _plausible(labels: Labels, excess: Field, spec: DetectSpec, scale: WorkingScale) -> Labels:
    """Drop what is too small, too large or too faint, and number the rest 1 to N."""
    area = np.bincount(labels.ravel()) * scale.mpp**2
    mass = np.bincount(labels.ravel(), excess.ravel()) * scale.mpp**2
    kept = (area >= spec.min_area_um2) & (area <= spec.max_area_um2) & (mass >= spec.min_mass_od_um2)
    kept[0] = False
    return np.where(kept, np.cumsum(kept), 0).astype(np.int32)[labels]


def _trimmed(labels: Labels, excess: Field, scale: WorkingScale) -> Labels:
    """Move the edge in, by at most a micrometre, to where the density is half that of the nucleus.

    The threshold lies just above the surroundings, so that pale nuclei are found; a dark one looks wider there.
    """
    from skimage.morphology import disk

    n_px = np.maximum(np.bincount(labels.ravel()), 1)
    half = (np.bincount(labels.ravel(), excess.ravel()) / n_px / 2).astype(np.float32)
    inside = labels > 0
    edge = inside & ~ndimage.binary_erosion(inside, disk(max(1, round(_GAP_UM / scale.mpp))), border_value=1)
    return np.where(edge & (excess < half[labels]), 0, labels)
