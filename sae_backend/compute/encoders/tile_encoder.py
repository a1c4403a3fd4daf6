"""A loaded encoder: from a batch of tiles to vectors of tiles, or of the tokens inside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from sae_backend.errors import MismatchError, UserInputError
from sae_backend.models.cards import EncoderCard


@dataclass(frozen=True)
class Stage:
    """What a layer gives: `width` of a vector, and `patch_px`, the side of a token in px of the input."""

    width: int
    patch_px: int


class TileEncoder:
    """An encoder ready to run; made by :func:`~sae_backend.compute.encoders.load.load_encoder`.

    Attributes
    ----------
    card
        What it is.
    """

    def __init__(self, model: nn.Module, card: EncoderCard, stages: Sequence[Stage] = ()) -> None:
        self.card = card
        self._stages = tuple(stages)
        self._model: Any = model.eval().requires_grad_(False)
        self._mean = torch.tensor(card.mean).view(1, 3, 1, 1)
        self._std = torch.tensor(card.std).view(1, 3, 1, 1)
        self._device = torch.device("cpu")

    def card_at(self, layer: int) -> EncoderCard:
        """The card of the same encoder read after another layer, 1 is the first."""
        if not self._stages:
            return replace(self.card, layer=layer)
        stage = self._stages[layer - 1]
        return replace(self.card, layer=layer, width=stage.width, patch_px=stage.patch_px)

    def encode(self, batch: NDArray[np.uint8], device: torch.device | str = "cpu") -> NDArray[np.float32]:
        """Vectors of a batch of tiles.

        Parameters
        ----------
        batch
            (B, H, W, 3) uint8, RGB.
        device
            Where to compute; the model moves there once and stays.

        Returns
        -------
        ndarray
            (B, width) float32, or (B, tokens, width) for the pooling `patch`, tokens row by row.

        Raises
        ------
        MismatchError
            When the batch is not uint8 RGB.
        """
        return self.encode_layers(batch, (self.card.layer,), device)[0]

    def encode_layers(
        self, batch: NDArray[np.uint8], layers: Sequence[int], device: torch.device | str = "cpu"
    ) -> list[NDArray[np.float32]]:
        """Vectors of a batch of tiles after each of several blocks, from one pass through the deepest.

        Parameters
        ----------
        batch
            (B, H, W, 3) uint8, RGB.
        layers
            Blocks, ascending, 1 is the first.
        device
            Where to compute; the model moves there once and stays.

        Returns
        -------
        list of ndarray
            For each block what :meth:`encode` gives with a card of that layer.

        Raises
        ------
        MismatchError
            When the batch is not uint8 RGB.
        """
        x = self._normalised(batch, device)
        with torch.inference_mode():
            return [
                self._pool(prefix, patches, layer == self.card.n_blocks).float().cpu().numpy()
                for layer, (prefix, patches) in zip(layers, self._tokens(x, layers), strict=True)
            ]

    def tokens(self, batch: NDArray[np.uint8], device: torch.device | str = "cpu") -> NDArray[np.float32]:
        """Vectors of the patch tokens of a batch of tiles, whatever the pooling.

        Their mean is what :meth:`encode` gives for the pooling `mean`. A model that averages before its
        last norm has no norm of single tokens; each is then shifted and scaled as that norm shifts and
        scales the tile's mean, which keeps the mean.

        Parameters
        ----------
        batch
            (B, H, W, 3) uint8, RGB.
        device
            Where to compute; the model moves there once and stays.

        Returns
        -------
        ndarray
            (B, tokens, width) float32, row by row.

        Raises
        ------
        MismatchError
            When the batch is not uint8 RGB.
        UserInputError
            When the model's norm after averaging is of a kind that cannot be split among tokens.
        """
        x = self._normalised(batch, device)
        with torch.inference_mode():
            is_last = self.card.layer == self.card.n_blocks
            _, patches = self._tokens(x, (self.card.layer,))[0]
            late_norm = getattr(self._model, "fc_norm", None)
            if is_last and late_norm is not None and not isinstance(late_norm, nn.Identity):
                patches = _norm_like_mean(patches, late_norm, self.card.id)
            return patches.float().cpu().numpy()

    def _normalised(self, batch: NDArray[np.uint8], device: torch.device | str) -> torch.Tensor:
        """The batch as the model takes it, (B, 3, input_px, input_px) on the device."""
        if batch.ndim != 4 or batch.shape[3] != 3 or batch.dtype != np.uint8:
            raise MismatchError(
                f"An encoder takes uint8 tiles (B, H, W, 3), not {batch.dtype} {batch.shape}.",
                "Read the tiles as RGB.",
            )
        self._move(torch.device(device))
        with torch.inference_mode():
            # from_numpy warns about read-only memory maps; nothing here writes to the batch.
            pixels = torch.from_numpy(batch if batch.flags.writeable else batch.copy())
            x = pixels.to(self._device).permute(0, 3, 1, 2).float() / 255.0
            side = self.card.input_px
            if x.shape[2:] != (side, side):
                x = functional.interpolate(
                    x, (side, side), mode="bilinear", antialias=True, align_corners=False
                )
            return (x - self._mean) / self._std

    def _move(self, device: torch.device) -> None:
        if device != self._device:
            self._model.to(device)
            self._mean, self._std = self._mean.to(device), self._std.to(device)
            self._device = device

    def _pool(self, prefix: torch.Tensor, patches: torch.Tensor, is_last: bool) -> torch.Tensor:
        if self.card.pooling == "cls":
            return prefix[:, 0]
        if self.card.pooling == "patch":
            return patches
        pooled = patches.mean(dim=1)
        # Models that average before their last norm keep that norm apart, under this name.
        late_norm = getattr(self._model, "fc_norm", None)
        return late_norm(pooled) if is_last and late_norm is not None else pooled

    def _tokens(self, x: torch.Tensor, layers: Sequence[int]) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Prefix tokens (B, P, width) and patch tokens (B, T, width) after each of these blocks, ascending."""
        found: Any = self._model.forward_intermediates(
            x,
            indices=[layer - 1 for layer in layers],
            return_prefix_tokens=True,
            stop_early=True,
            output_fmt="NLC",
            intermediates_only=True,
        )
        tokens = [
            (entry[1], entry[0]) if isinstance(entry, tuple) else (entry[:, :0], entry) for entry in found
        ]
        if layers[-1] == self.card.n_blocks:
            # Only the last block's tokens pass the final norm, each by itself; asked for by `norm=True` all would.
            prefix, patches = tokens[-1]
            whole = self._model.norm(torch.cat([prefix, patches], dim=1))
            n = prefix.shape[1]
            tokens[-1] = (whole[:, :n], whole[:, n:])
        return tokens


def _norm_like_mean(patches: torch.Tensor, norm: Any, encoder_id: str) -> torch.Tensor:
    """Tokens (B, T, width) whose mean is the norm of the mean of `patches`."""
    if not isinstance(norm, nn.LayerNorm):
        raise UserInputError(
            f"{encoder_id} ends in a norm of whole tiles that single tokens cannot pass.",
            "Read an earlier layer, or look at the map of whole tiles.",
        )
    mean = patches.mean(dim=1, keepdim=True)
    spread = (mean.var(dim=-1, unbiased=False, keepdim=True) + norm.eps).sqrt()
    scaled = (patches - patches.mean(dim=-1, keepdim=True)) / spread
    if norm.weight is not None:
        scaled = scaled * norm.weight
    return scaled if norm.bias is None else scaled + norm.bias
