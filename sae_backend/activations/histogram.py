"""How strongly a feature fires: counts of its values, quantiles, and where one value stands among them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from sae_backend.errors import UserInputError

QUANTILES: Final = (0.05, 0.25, 0.5, 0.75, 0.95)

Spacing = Literal["linear", "log"]


@dataclass(frozen=True)
class ActivationHistogram:
    """Firing values of one feature, counted.

    Attributes
    ----------
    edges
        float64 (bins + 1,), ascending; both ends belong to the bins. Empty where the feature never fires.
    counts
        int64 (bins,), together `n_firing`; to be drawn on a logarithmic scale.
    spacing
        `linear` bins start at 0, `log` bins at the smallest value.
    n_tiles, n_firing
        Valid tiles, and how many of them the feature fires in.
    quantiles
        Pairs (share, value) over the firing values for :data:`QUANTILES`; empty where it never fires.
    """

    edges: npt.NDArray[np.float64]
    counts: npt.NDArray[np.int64]
    spacing: Spacing
    n_tiles: int
    n_firing: int
    quantiles: tuple[tuple[float, float], ...]

    @property
    def n_silent(self) -> int:
        """Valid tiles where the feature is zero."""
        return self.n_tiles - self.n_firing


def activation_histogram(
    values: npt.NDArray[Any], n_silent: int, bins: int = 40, spacing: Spacing = "linear"
) -> ActivationHistogram:
    """Count the firing values (n,), all above 0, of a feature that is silent in `n_silent` valid tiles.

    Raises
    ------
    UserInputError
        When there is no bin, or a value is not above 0.
    """
    if bins < 1:
        raise UserInputError(f"{bins} bins cannot be drawn.", "Ask for at least 1.")
    firing = np.asarray(values, np.float64)
    if not firing.size:
        nothing = np.zeros(0)
        return ActivationHistogram(nothing, np.zeros(0, np.int64), spacing, n_silent, 0, ())
    low, high = float(firing.min()), float(firing.max())
    if not (low > 0 and np.isfinite(high)):
        raise UserInputError("A firing value is not above 0.", "Give only the tiles where the feature fires.")
    if spacing == "linear":
        edges = np.linspace(0.0, high, bins + 1)
    else:
        # One single value has no width of its own.
        edges = np.geomspace(low, high if high > low else 1.1 * low, bins + 1)
    counts, _ = np.histogram(firing, edges)
    quantiles = tuple(zip(QUANTILES, np.quantile(firing, QUANTILES).tolist(), strict=True))
    return ActivationHistogram(
        edges, counts.astype(np.int64), spacing, n_silent + firing.size, firing.size, quantiles
    )


def percentile_of(values: npt.NDArray[Any], value: float) -> float:
    """Percentage (0 to 100) of the firing values (n,) that lie below `value`, equal ones counted half.

    Raises
    ------
    UserInputError
        When the feature fires nowhere.
    """
    firing = np.asarray(values)
    if not firing.size:
        raise UserInputError("The feature fires nowhere on this slide.", "Choose a feature that fires.")
    # A wider number would compare unequal to the float32 that it was read from.
    wanted = firing.dtype.type(value)
    below, equal = int((firing < wanted).sum()), int((firing == wanted).sum())
    return 100.0 * (below + equal / 2) / firing.size
