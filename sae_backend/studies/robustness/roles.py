"""Roles of features on two axes: how well they follow cells, and how far they differ between scanners. numpy only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from sae_backend.statistics.number_text import p_is_text

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

ROLES: Final = ("biological", "technical", "entangled", "unexplained", "not judged")
BIOLOGICAL, TECHNICAL, ENTANGLED, UNEXPLAINED, NOT_JUDGED = range(len(ROLES))
SILENT: Final = -1

LEVEL: Final = 0.05
"""Family-wise p up to which an axis beats chance."""


@dataclass(frozen=True)
class Axes:
    """The two axes of F features, float64 (F,) each, NaN where not known.

    Attributes
    ----------
    r, p_r
        Correlation with the cell type that was chosen elsewhere, and its family-wise p.
    effect, p_effect
        Share of the variance between slides that lies between scanners (omega2), and its family-wise p.
    """

    r: Floats
    p_r: Floats
    effect: Floats
    p_effect: Floats


def find_roles(axes: Axes, least_r: float, least_effect: float) -> Ints:
    """Role of each feature, int64 (F,): a number of `ROLES`, `SILENT` where neither axis is known.

    An axis counts where it is as large as the threshold and beats chance (family-wise p of 0.05 or less). Where one
    axis is not known the feature is not judged: what follows cells may still differ between scanners.
    """
    follows = _counts(np.abs(axes.r), axes.p_r, least_r)
    differs = _counts(axes.effect, axes.p_effect, least_effect)
    role = np.where(
        follows,
        np.where(differs, ENTANGLED, BIOLOGICAL),
        np.where(differs, TECHNICAL, UNEXPLAINED),
    )
    known = [
        np.isfinite(size) & np.isfinite(p) for size, p in ((axes.r, axes.p_r), (axes.effect, axes.p_effect))
    ]
    role = np.where(known[0] & known[1], role, NOT_JUDGED)
    return np.where(known[0] | known[1], role, SILENT).astype(np.int64)


def _counts(size: Floats, p: Floats, least: float) -> npt.NDArray[np.bool_]:
    return np.asarray(
        (np.nan_to_num(size, nan=-np.inf) >= least) & (np.nan_to_num(p, nan=1.0) <= LEVEL), np.bool_
    )


def reason(axes: Axes, feature: int, thresholds: tuple[float, float], words: tuple[str, str]) -> str:
    """Why a feature has its role, in one sentence; `words` name its cell type and the label."""
    cell, label = words
    with_cells = _axis(
        f"|r| with {cell}" if cell else "|r| with cells",
        float(np.abs(axes.r[feature])), float(axes.p_r[feature]), thresholds[0],
    )  # fmt: skip
    between = _axis(
        f"effect of {label}", float(axes.effect[feature]), float(axes.p_effect[feature]), thresholds[1]
    )
    return f"{with_cells}; {between}"


def _axis(name: str, size: float, p: float, least: float) -> str:
    if not np.isfinite(size):
        return f"{name} not known"
    side = "at least" if size >= least else "below"
    chance = "not judged" if not np.isfinite(p) else "beats chance" if p <= LEVEL else "within chance"
    return f"{name} {size:.2f}, {side} {least:.2f}, {chance}" + (
        f" ({p_is_text(p)})" if np.isfinite(p) else ""
    )
