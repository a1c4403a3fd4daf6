"""The small vision transformer that ships with the program: twelve blocks, quick on a CPU."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import torch
from timm.models.vision_transformer import VisionTransformer
from torch import nn

INPUT_PX: Final = 224
PATCH_PX: Final = 28
WIDTH: Final = 160
N_BLOCKS: Final = 12
N_HEADS: Final = 5
MEAN: Final = (0.75, 0.75, 0.75)
STD: Final = (0.22, 0.22, 0.22)

_SIDE: Final = INPUT_PX // PATCH_PX
_STEM: Final = (32, 64)


class ConvPatches(nn.Module):
    """Turn an image into tokens with four convolutions, which see shapes where a linear map sees pixels.

    Each token covers `PATCH_PX` px and a margin of 7 px.
    """

    def __init__(self, **_settings: Any) -> None:
        super().__init__()
        self.patch_size = (PATCH_PX, PATCH_PX)
        self.grid_size = (_SIDE, _SIDE)
        self.num_patches = _SIDE**2
        self.net = nn.Sequential(
            nn.Conv2d(3, _STEM[0], 3, 2, 1),
            nn.GELU(),
            nn.Conv2d(_STEM[0], _STEM[1], 3, 2, 1),
            nn.GELU(),
            nn.Conv2d(_STEM[1], _STEM[1], 3, 1, 1),
            nn.GELU(),
            nn.Conv2d(_STEM[1], WIDTH, PATCH_PX // 4, PATCH_PX // 4),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Tokens (B, n * n, WIDTH) of images (B, 3, n * PATCH_PX, n * PATCH_PX), row by row."""
        found: torch.Tensor = self.net(x.contiguous(memory_format=torch.channels_last))
        return found.flatten(2).transpose(1, 2)


class SmallVit(VisionTransformer):
    """A vision transformer without CLS token: a tile's vector is the mean of its 8 x 8 tokens.

    Positions are fixed sines and cosines. :meth:`forward_tokens` also takes smaller squares, which
    are then laid somewhere in the grid; that is how it is trained.
    """

    def __init__(self) -> None:
        super().__init__(
            img_size=INPUT_PX,
            patch_size=PATCH_PX,
            embed_dim=WIDTH,
            depth=N_BLOCKS,
            num_heads=N_HEADS,
            num_classes=0,
            class_token=False,
            global_pool="avg",
            fc_norm=False,
            embed_layer=ConvPatches,
        )
        with torch.no_grad():
            self.pos_embed.copy_(0.5 * _positions())
        self.pos_embed.requires_grad_(False)

    @staticmethod
    def n_side() -> int:
        """Tokens along each edge of the whole input."""
        return _SIDE

    def forward_tokens(self, x: torch.Tensor, corner: tuple[int, int] = (0, 0)) -> torch.Tensor:
        """Tokens (B, n * n, WIDTH) after the last block and its norm.

        Parameters
        ----------
        x
            (B, 3, n * PATCH_PX, n * PATCH_PX) normalised images, n at most 8.
        corner
            Row and column of the 8 x 8 grid where the image begins.
        """
        n = x.shape[-1] // PATCH_PX
        row, col = corner
        grid = self.pos_embed.view(1, _SIDE, _SIDE, WIDTH)
        tokens = self.patch_embed(x) + grid[:, row : row + n, col : col + n].reshape(1, n * n, WIDTH)
        for block in self.blocks:
            tokens = block(tokens)
        return torch.as_tensor(self.norm(tokens))


def _positions() -> torch.Tensor:
    rate = 1 / 10_000 ** (np.arange(WIDTH // 4) / (WIDTH / 4))
    y, x = np.mgrid[0:_SIDE, 0:_SIDE].reshape(2, -1)
    parts = [wave(place[:, None] * rate) for place in (y, x) for wave in (np.sin, np.cos)]
    return torch.from_numpy(np.concatenate(parts, axis=1)[None].astype(np.float32))


def random_state(seed: int, branch: float = 1.0) -> dict[str, torch.Tensor]:
    """Seeded random weights, the same on every machine.

    Linear and convolution weights have a variance of one over the fan-in (twice that before a GELU
    of the stem), so that the image stays visible through all blocks.

    Parameters
    ----------
    seed
        Decides all.
    branch
        Factor on the last weights of every residual branch; a training starts well from a small
        one, with blocks that change little.
    """
    generator = np.random.Generator(np.random.Philox(seed))
    state = SmallVit().state_dict()
    for key in sorted(state):
        if key == "pos_embed":
            continue
        shape = tuple(state[key].shape)
        if "norm" in key:
            values = np.full(shape, 1.0 if key.endswith("weight") else 0.0)
        elif key.endswith("bias"):
            values = np.zeros(shape)
        else:
            gain = 2.0 if key.startswith("patch_embed") else 1.0
            values = generator.standard_normal(shape) * np.sqrt(gain / np.prod(shape[1:]))
            if key.endswith(("attn.proj.weight", "mlp.fc2.weight")):
                values = values * branch
        state[key] = torch.from_numpy(values.astype(np.float32))
    return state
