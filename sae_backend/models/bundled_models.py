"""The encoder and the autoencoders that ship with the program: their names and where they lie."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sae_backend.models.sae_weights import read_sae_config
from sae_backend.paths import resource
from sae_backend.statistics.number_text import estimate_text

SHIPPED_ENCODER: Final = "sparsescope:small-vit"
"""A small vision transformer trained by us on generated slides, without labels."""

SHIPPED_CONTROL: Final = "control:random-small-vit"
"""The same architecture with random weights."""

NATURAL_ENCODER: Final = "natural:efficientnet-lite0"
"""A network trained on photographs, for comparison; its weights are an optional package."""

SAE_NAME: Final = "SAE feature"
"""What the scoreboard calls the shipped autoencoder's features."""

_FOLDERS: Final = {SHIPPED_ENCODER: "small-vit", SHIPPED_CONTROL: "random-small-vit"}


def default_pooling(encoder: str) -> str:
    """How a tile's vector is made where the user says nothing: the CLS token where there is one."""
    return "mean" if encoder in _FOLDERS or encoder == NATURAL_ENCODER else "cls"


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


def fitting_sae(encoder: str, encoder_digest: str, tile_px: int, tile_mpp: float) -> Path | None:
    """The shipped autoencoder, where it was trained on just such vectors and tiles; None otherwise.

    Parameters
    ----------
    encoder, encoder_digest
        Id and digest of the encoder's card, which holds block and pooling.
    tile_px, tile_mpp
        Side of the tiles in px, and um per px.

    Raises
    ------
    CacheError
        If the installation lacks it.
    """
    folder = sae_folder(encoder)
    if folder is None:
        return None
    card = read_sae_config(folder)
    trained = (card.encoder_digest, card.tile_px, card.mpp)
    return folder if trained == (encoder_digest, tile_px, tile_mpp) else None


@dataclass(frozen=True)
class Follower:
    """A feature that the shipped scoreboard found to follow a cell type, with its held-out r and interval."""

    feature: int
    r: float
    ci_low: float | None
    ci_high: float | None
    n_slides: int
    n_tiles: int

    @property
    def text(self) -> str:
        """The r with its interval, in words."""
        return estimate_text(self.r, self.ci_low, self.ci_high)


def scoreboard_followers() -> dict[str, Follower]:
    """The best feature of the shipped autoencoder for each cell type, from the shipped scoreboard.

    Raises
    ------
    CacheError
        If the installation lacks it.
    """
    found = {}
    with resource("scoreboard/scoreboard.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["kind"] == "cell type" and row["representation"] == SAE_NAME and row["r"]:
                ends = [float(row[key]) if row[key] else None for key in ("ci_low", "ci_high")]
                found[row["target"]] = Follower(
                    int(row["column"]), float(row["r"]), ends[0], ends[1],
                    int(row["n_slides"]), int(row["n_tiles"]),
                )  # fmt: skip
    return found
