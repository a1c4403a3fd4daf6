"""Training of the paper's sparse autoencoder, resumable and the same for the same seed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sae_backend.cards import EncoderCard, SaeCard
from sae_backend.compute.sae import SparseAutoencoder

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class TrainPart:
    """The vectors of one slide: (N, d), valid (N,), rows and cols (N,) of the tiles' grid."""

    vectors: NDArray[np.float32] | NDArray[np.float16]
    valid: NDArray[np.bool_] | None = None
    rows: NDArray[np.int32] | None = None
    cols: NDArray[np.int32] | None = None
    slide: str = ""


@dataclass(frozen=True)
class TrainSpec:
    """Hyper-parameters; the defaults are ours."""

    expansion: int = 8
    l1: float | None = None
    epochs: int | None = None
    seed: int = 0
    learning_rate: float = 1e-3
    batch_size: int = 1024
    holdout_share: float = 0.1


def train_sae(
    parts: Sequence[TrainPart],
    spec: TrainSpec,
    encoder: EncoderCard,
    *,
    mpp: float | None = None,
    tile_px: int | None = None,
    device: str = "cpu",
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
    checkpoint: Path | None = None,
) -> tuple[SparseAutoencoder, SaeCard]:
    """Train an autoencoder on the vectors of an encoder."""
    raise NotImplementedError
