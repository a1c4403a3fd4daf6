"""The encoder and the autoencoders that ship with the program: their names and where they lie."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from sae_backend.paths import resource

SHIPPED_ENCODER: Final = "sparsescope:small-vit"
"""A small vision transformer trained by us on generated slides, without labels."""

SHIPPED_CONTROL: Final = "control:random-small-vit"
"""The same architecture with random weights."""

_FOLDERS: Final = {SHIPPED_ENCODER: "small-vit", SHIPPED_CONTROL: "random-small-vit"}


def default_pooling(encoder: str) -> str:
    """How a tile's vector is made where the user says nothing: the CLS token where there is one."""
    return "mean" if encoder in _FOLDERS else "cls"


def encoder_folder() -> Path:
    """Folder of the shipped encoder: `model.safetensors` and `card.json`.

    Raises
    ------
    CacheError
        If the installation lacks it.
    """
    return resource("encoders/small-vit")


def encoder_record() -> dict[str, Any]:
    """What is known about the shipped encoder: data, steps, seed, loss, licence."""
    record: dict[str, Any] = json.loads((encoder_folder() / "card.json").read_text(encoding="utf-8"))
    return record


def sae_folder(encoder: str) -> Path | None:
    """Folder of the autoencoder that ships for an encoder's last block and mean pooling; None for others.

    Raises
    ------
    CacheError
        If the installation lacks it.
    """
    name = _FOLDERS.get(encoder)
    return None if name is None else resource(f"saes/{name}")
