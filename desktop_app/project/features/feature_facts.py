"""What one slide says about one feature: how often it fires, how strongly, and in which tiles."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from desktop_app.store import CorrelationRow
from sae_backend.activations.feature_matrix import FeatureMatrix

N_BINS: Final = 30


@dataclass(frozen=True)
class FiringTile:
    """A tile with its activation (SAE units); `rank` 1 is the strongest of the slide."""

    tile: int
    value: float
    rank: int


@dataclass(frozen=True)
class FeatureFacts:
    """One feature over the `n_tiles` analysed tiles of a slide.

    `mean_when_firing` is None where it never fires. `bin_edges` float64 (B + 1,) and `bin_counts`
    int64 (B,) are the histogram of the activations above zero, from 0 to the largest; both are empty
    where it never fires.
    """

    feature: int
    n_tiles: int
    n_firing: int
    max_value: float
    mean_when_firing: float | None
    strongest: tuple[FiringTile, ...]
    weaker: tuple[FiringTile, ...]
    bin_edges: npt.NDArray[np.float64]
    bin_counts: npt.NDArray[np.int64]

    @property
    def firing_rate(self) -> float:
        """Share of the analysed tiles where it fires."""
        return self.n_firing / max(self.n_tiles, 1)


def feature_facts(features: FeatureMatrix, feature: int, n_strongest: int, n_weaker: int = 0) -> FeatureFacts:
    """Read what a slide says about a feature.

    Parameters
    ----------
    features
        Activations of the slide.
    feature
        Number of the feature.
    n_strongest
        How many of the strongest tiles to name.
    n_weaker
        How many others to name, evenly down the ranks of the tiles below those. Of equal tiles the
        first on the grid counts as the stronger.

    Raises
    ------
    UserInputError
        When there is no such feature.
    """
    tiles, activations = features.column(feature)
    values = np.asarray(activations, np.float64)
    order = np.argsort(-values, kind="stable")
    n_firing = int(values.size)

    def named(places: Iterable[int]) -> tuple[FiringTile, ...]:
        return tuple(
            FiringTile(int(tiles[order[place]]), float(values[order[place]]), place + 1) for place in places
        )

    first = min(n_strongest, n_firing)
    return FeatureFacts(
        feature=feature,
        n_tiles=int(features.valid.sum()),
        n_firing=n_firing,
        max_value=float(values.max()) if n_firing else 0.0,
        mean_when_firing=float(values.mean()) if n_firing else None,
        strongest=named(range(first)),
        weaker=named(_spread(first, n_firing, n_weaker)),
        bin_edges=np.linspace(0.0, values.max(), N_BINS + 1) if n_firing else np.zeros(0),
        bin_counts=(
            np.histogram(values, N_BINS, (0.0, values.max()))[0].astype(np.int64)
            if n_firing
            else np.zeros(0, np.int64)
        ),
    )


def _spread(first: int, end: int, n: int) -> list[int]:
    """Middles of `n` equal parts of the places [first, end), or all of them where they are few."""
    if end - first <= n:
        return list(range(first, end))
    return [first + int((end - first) * (2 * part + 1) / (2 * n)) for part in range(n)]


def pearson_by_strength(rows: Iterable[CorrelationRow]) -> tuple[CorrelationRow, ...]:
    """Pearson rows, the largest in size first, those without a value last."""
    pearson = [row for row in rows if row.statistic == "pearson"]
    return tuple(sorted(pearson, key=lambda row: (row.value is None, -abs(row.value or 0.0), row.cell_type)))
