"""The paper's sparse autoencoder: one hidden layer, ReLU, unit-norm decoder rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from sae_backend.compute.sae.autoencoder import Axis, SparseAutoencoder
from sae_backend.models.cards import SaeCard


class ReluAutoencoder(SparseAutoencoder):
    """`f = relu((x - b_dec) W_enc + b_enc)`, with rows of `W_dec` of unit norm.

    So a feature's value is a length along its direction in the embedding. SAELens calls this kind `standard`.
    """

    SHAPES: ClassVar[Mapping[str, tuple[Axis, ...]]] = {
        "W_enc": ("d", "F"),
        "b_enc": ("F",),
        "W_dec": ("F", "d"),
        "b_dec": ("d",),
    }

    W_enc: nn.Parameter
    b_enc: nn.Parameter
    _bias: torch.Tensor

    def __init__(self, tensors: Mapping[str, torch.Tensor], card: SaeCard) -> None:
        super().__init__(tensors, card)
        # One GEMM per batch: the pre-bias goes into the bias, in float64 because it cancels.
        folded = self.b_enc.double() - self.b_dec.double() @ self.W_enc.double()
        self.register_buffer("_bias", folded.float(), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Activations (n, F) of vectors (n, d), dense, float32."""
        return torch.relu(torch.addmm(self._bias, x, self.W_enc))

    def activation(self, x: NDArray[np.float32], feature: int) -> NDArray[np.float32]:
        """One feature's activation of vectors (..., d), float32 (...): of this kind no other feature is needed."""
        with torch.inference_mode():
            direction = self.W_enc[:, feature].double()
            bias = self.b_enc[feature].double() - self.b_dec.double() @ direction
        found = x.astype(np.float64) @ direction.cpu().numpy() + float(bias)
        return np.maximum(found, 0.0).astype(np.float32)


Kind = ReluAutoencoder
