"""How many steps a training takes, at what rate, over which tiles."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

_TARGET_STEPS = 3000
_MAX_EPOCHS = 400
_MIN_BATCH = 32


@dataclass
class Schedule:
    """Counts that follow from the number of tiles, the rate of every step, the order of the tiles."""

    n_tiles: int
    batch_size: int
    wished_epochs: int | None
    learning_rate: float
    seed: int
    batch: int = field(init=False)
    per_epoch: int = field(init=False)
    epochs: int = field(init=False)

    def __post_init__(self) -> None:
        self.batch = min(self.batch_size, max(_MIN_BATCH, self.n_tiles // 8), self.n_tiles)
        self.per_epoch = self.n_tiles // self.batch
        wished = -(-_TARGET_STEPS // self.per_epoch)
        self.epochs = self.wished_epochs or min(_MAX_EPOCHS, wished)

    @property
    def total(self) -> int:
        """Number of steps."""
        return self.per_epoch * self.epochs

    @property
    def warm_up(self) -> int:
        """Number of steps in which rate and lambda rise."""
        return min(1000, max(1, self.total // 20))

    def steers(self, step: int) -> bool:
        """Whether lambda may still move: after the warm-up, until the rate falls."""
        return self.warm_up <= step < self.total - self.total // 5

    def rate(self, step: int) -> float:
        """Learning rate of a step, counted from 0."""
        start = min(1.0, (step + 1) / self.warm_up)
        end = min(1.0, (self.total - step) / max(1, self.total // 5))
        return self.learning_rate * start * end

    def order(self, epoch: int) -> NDArray[np.int64]:
        """Order (n_tiles,) of the tiles in an epoch; depends on nothing that came before."""
        generator = np.random.Generator(np.random.Philox([self.seed, 1, epoch]))
        return generator.permutation(self.n_tiles)
