"""An encoder of photographs, for comparison: EfficientNet-Lite0, with ImageNet weights out of an optional package.

The package holds the weights as a pickle, which is never loaded: where each tensor lies in that very file is on record
here, the file is checked by its SHA-256, and the numbers are read from their places.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np
import timm
import torch
from torch import nn

from sae_backend.compute.encoders.tile_encoder import Stage, TileEncoder
from sae_backend.errors import UserInputError, WeightsError
from sae_backend.models.bundled_models import NATURAL_ENCODER
from sae_backend.models.cards import EncoderCard, Pooling
from sae_backend.paths import resource

_EXTRA: Final = "pip install 'sparsescope[natural]'"
_INPUT_PX: Final = 224
# As its authors trained it: (value - 127) / 128 on the scale 0 to 255.
_MEAN: Final = (127 / 255, 127 / 255, 127 / 255)
_STD: Final = (128 / 255, 128 / 255, 128 / 255)


class StagedCnn(nn.Module):
    """A convolutional network read after each of its stages, as a transformer is after its blocks.

    A place of the feature map is a token; there is no CLS token. The last stage is the convolution before the
    classifier, whose mean over places is what the classifier sees.
    """

    def __init__(self, net: Any) -> None:
        super().__init__()
        self.net = net
        self.norm = nn.Identity()

    def stages(self) -> list[Stage]:
        """Width and px per token of every stage."""
        with torch.inference_mode():
            maps = self._maps(torch.zeros(1, 3, _INPUT_PX, _INPUT_PX), len(self.net.blocks))
        return [Stage(int(each.shape[1]), _INPUT_PX // int(each.shape[2])) for each in maps]

    def forward_intermediates(
        self, x: torch.Tensor, indices: Sequence[int], **_settings: Any
    ) -> list[torch.Tensor]:
        """Tokens (B, T, width) after these stages, ascending, 0 is the first; nothing deeper is computed."""
        maps = self._maps(x, max(indices))
        return [maps[i].flatten(2).transpose(1, 2) for i in indices]

    def _maps(self, x: torch.Tensor, deepest: int) -> list[torch.Tensor]:
        x = self.net.bn1(self.net.conv_stem(x))
        found = []
        for stage in self.net.blocks[: deepest + 1]:
            x = stage(x)
            found.append(x)
        if deepest == len(self.net.blocks):
            found.append(self.net.bn2(self.net.conv_head(x)))
        return found


def natural_encoder(layer: int | None, pooling: Pooling, file: Path | None = None) -> TileEncoder:
    """Load the encoder of photographs.

    Parameters
    ----------
    layer
        Stage to read after, 1 to 8; None for the last.
    pooling
        `mean` or `patch`.
    file
        The package's file; None looks for it where the package is installed.

    Raises
    ------
    UserInputError
        When there is no such stage, or the pooling is `cls`.
    WeightsError
        When the package is not installed, or its file is another one.
    """
    record = layout()
    if pooling == "cls":
        raise UserInputError(f"{NATURAL_ENCODER} has no CLS token.", "Use the pooling mean or patch.")
    path = file if file is not None else _installed(record)
    model = timm.create_model(record["architecture"], pretrained=False)
    state: dict[str, torch.Tensor] = dict(model.state_dict())
    state |= read_at(path, record)
    model.load_state_dict(state)
    staged = StagedCnn(model)
    stages = staged.stages()
    if layer is not None and not 1 <= layer <= len(stages):
        raise UserInputError(f"The encoder has no layer {layer}.", f"Choose a layer from 1 to {len(stages)}.")
    chosen = layer or len(stages)
    card = EncoderCard(
        id=NATURAL_ENCODER,
        title="EfficientNet-Lite0, trained on photographs (ImageNet)",
        architecture=record["architecture"],
        input_px=_INPUT_PX,
        mean=_MEAN,
        std=_STD,
        width=stages[chosen - 1].width,
        n_blocks=len(stages),
        patch_px=stages[chosen - 1].patch_px,
        layer=chosen,
        pooling=pooling,
        licence=record["licence"],
        weights_digest=record["sha256"],
        is_control=False,
        note="A natural-image encoder for comparison: trained with labels on photographs of 1,000 kinds of things, never on "
        f"tissue. Weights of the package {record['package']} ({record['licence']}); ImageNet's pictures have terms of their own.",
    )
    return TileEncoder(staged, card, stages)


def layout() -> dict[str, Any]:
    """What is on record of the package's file: its SHA-256, licence, and where each tensor lies."""
    record: dict[str, Any] = json.loads(
        resource("encoders/efficientnet-lite0/layout.json").read_text(encoding="utf-8")
    )
    return record


def read_at(path: Path, record: dict[str, Any]) -> dict[str, torch.Tensor]:
    """Tensors of a file whose bytes are known, by name, float32.

    Raises
    ------
    WeightsError
        When it cannot be read, or is not that very file.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise WeightsError(
            f"The weights {path.name} cannot be read.", f"Install them again: {_EXTRA}"
        ) from error
    if hashlib.sha256(content).hexdigest() != record["sha256"]:
        raise WeightsError(
            f"{path.name} is not the file of {record['package']} {record['package_version']}.",
            f"Install that version again: {_EXTRA}",
        )
    found = {}
    for name, (offset, shape, strides) in record["tensors"].items():
        n = 1 + sum((size - 1) * step for size, step in zip(shape, strides, strict=True))
        values = np.frombuffer(content, record["dtype"], n, offset)
        steps = [step * values.itemsize for step in strides]
        laid = np.lib.stride_tricks.as_strided(values, shape, steps, writeable=False)
        found[name] = torch.from_numpy(np.array(laid, np.float32, order="C"))
    return found


def _installed(record: dict[str, Any]) -> Path:
    """The package's file; the package itself is not imported, so nothing of it runs."""
    spec = find_spec(record["module"])
    places = list(spec.submodule_search_locations or []) if spec is not None else []
    if not places:
        raise WeightsError(
            f"The weights of {NATURAL_ENCODER} are not installed.",
            f"They are an optional part (17 MB): {_EXTRA}",
        )
    return Path(places[0]) / record["file"]
