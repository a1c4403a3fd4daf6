"""How a heat map turns values into colours: map, scale, limits. Knows no layer and no window."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt
from napari.utils.colormaps import Colormap, ensure_colormap

COLOUR_MAPS: Final = ("viridis", "cividis", "magma", "inferno")
"""Perceptually even; viridis and cividis are made for colour-blind eyes."""

DIVERGING: Final = "PuOr_r"
"""For values of both signs: purple below zero, orange above, also safe for colour-blind eyes."""

ROBUST_SHARE: Final = 0.99
ROBUST_MIN: Final = 20
_FADE: Final = 0.12
_LOG_SPAN: Final = 1e-3
_STEPS: Final = 256


@dataclass(frozen=True)
class HeatLook:
    """What the user chose: `smooth` mixes neighbouring tiles, `log` spreads small values, `robust`
    ends the colours at the 99th percentile of the tiles where the feature fires.
    """

    colours: str = COLOUR_MAPS[0]
    smooth: bool = False
    log: bool = False
    robust: bool = False


PLAIN: Final = HeatLook()
"""The look that a session begins with."""


def is_signed(values: npt.NDArray[np.float32]) -> bool:
    """Whether a map (NaN where nothing is known) holds values below zero."""
    return bool(np.nanmin(values, initial=0.0) < 0)


def auto_limits(values: npt.NDArray[np.float32], look: HeatLook) -> tuple[float, float]:
    """Values at the ends of the colours for a map (h, w) with NaN where nothing is known.

    0 to the maximum; symmetrical about 0 for values of both signs. Robust limits take the 99th
    percentile of what is not 0 in place of the maximum, where there are at least 20 such tiles.
    On a logarithmic scale the lower end is the smallest value above 0, at most 1/1000 of the upper.
    """
    finite = values[np.isfinite(values)]
    sizes = np.abs(finite[finite != 0])
    if sizes.size == 0:
        return (0.0, 1.0)
    robust = look.robust and sizes.size >= ROBUST_MIN
    top = float(np.quantile(sizes, ROBUST_SHARE) if robust else sizes.max())
    if is_signed(values):
        return (-top, top)
    if look.log:
        return (max(float(sizes.min()), top * _LOG_SPAN), top)
    return (0.0, top)


def shares(values: npt.NDArray[np.float32], limits: tuple[float, float], look: HeatLook) -> np.ndarray:
    """Place of each value between the limits, 0 to 1, on the chosen scale; NaN stays NaN."""
    low, high = limits
    if look.log and low > 0:
        span = np.log(high / low)
        with np.errstate(divide="ignore", invalid="ignore"):
            place = np.log(np.maximum(values, 0) / low) / span
    else:
        place = (values - low) / (high - low)
    return np.clip(place, 0.0, 1.0)


def value_at(share: float, limits: tuple[float, float], look: HeatLook) -> float:
    """Value at a place of the colour bar, 0 (left) to 1 (right)."""
    low, high = limits
    if look.log and low > 0:
        return float(low * (high / low) ** share)
    return low + share * (high - low)


def colormap(look: HeatLook, *, signed: bool = False) -> Colormap:
    """Return the colours for shares; transparent where no value is.

    A smooth map fades in over its lowest colours, because nothing tells its silent places from others.
    """
    base = ensure_colormap(DIVERGING if signed else look.colours)
    colours = np.asarray(base.map(np.linspace(0, 1, _STEPS)), np.float32).copy()
    if look.smooth:
        at = np.linspace(0, 1, _STEPS)
        away = np.abs(at - 0.5) * 2 if signed else at
        colours[:, 3] = np.clip(away / _FADE, 0, 1)
    name = f"sparsescope {look.colours} {look.smooth} {signed}"
    return Colormap(colours, name=name, nan_color=(0.0, 0.0, 0.0, 0.0))


@lru_cache(maxsize=16)
def strip(look: HeatLook, *, signed: bool = False) -> npt.NDArray[np.uint8]:
    """Colours of the bar from left to right, uint8 (256, 3), not to be written to."""
    colours = (colormap(look, signed=signed).colors[:, :3] * 255).round().astype(np.uint8)
    colours.flags.writeable = False
    return colours
