"""What a user may choose for a run of the correlations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from sae_backend.correlation.result import CorrelationSpec
from sae_backend.errors import UserInputError

CELLS: Final = "cells"
HIFS: Final = "hif"
TILE_VALUES: Final = "tile values"
TARGETS: Final = (CELLS, HIFS, TILE_VALUES)


@dataclass(frozen=True)
class CorrelateOptions:
    """Choices of a run; the defaults are good for most.

    Attributes
    ----------
    statistics, covariates, cluster, n_bootstrap, n_permutations, block_um, seed, interval
        See :class:`sae_backend.correlation.result.CorrelationSpec`. Partial correlation is added by
        itself where covariates are named.
    hold_out
        Half of the patients choose, the other half report.
    new_split_seed
        Draw a new split with this seed; None to keep the project's.
    baselines
        Judge raw dimensions, principal components and a random SAE as well.
    targets
        Some of `cells`, `hif` (human-interpretable features) and `tile values` (the user's columns).
    name
        What the run is called; empty for a number.
    """

    statistics: tuple[str, ...] = ("pearson", "spearman", "log_pearson", "within")
    covariates: tuple[str, ...] = ()
    cluster: str = "auto"
    n_bootstrap: int = 2000
    n_permutations: int = 999
    block_um: float = 1000.0
    seed: int = 0
    interval: str = "studentised"
    hold_out: bool = True
    new_split_seed: int | None = None
    baselines: bool = True
    targets: tuple[str, ...] = (CELLS,)
    name: str = ""

    def __post_init__(self) -> None:
        unknown = [target for target in self.targets if target not in TARGETS]
        if unknown or not self.targets:
            raise UserInputError(
                f"There is nothing called {', '.join(unknown) or 'nothing'} to correlate with.",
                f"Use some of {', '.join(TARGETS)}.",
            )
        # Refuses what makes no sense now, and not only once the worker has the request.
        CorrelationSpec(**self.spec())

    def spec(self) -> dict[str, Any]:
        """Values for a CorrelationSpec."""
        statistics = tuple(name for name in self.statistics if name != "partial")
        return {
            "statistics": statistics + (("partial",) if self.covariates else ()),
            "covariates": self.covariates,
            "cluster": self.cluster,
            "n_bootstrap": self.n_bootstrap,
            "n_permutations": self.n_permutations,
            "block_um": self.block_um,
            "seed": self.seed,
            "interval": self.interval,
        }
