"""What the worker keeps loaded between live questions: one encoder with its SAE, and one slide."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from sae_backend.compute.encoders.device import pick_device
from sae_backend.compute.encoders.load import load_encoder
from sae_backend.compute.encoders.tile_encoder import TileEncoder
from sae_backend.compute.sae.autoencoder import SparseAutoencoder
from sae_backend.errors import MismatchError
from sae_backend.slides.slide import Slide

_TOKEN_BYTES: Final = 256 << 20
_LOCK: Final = threading.RLock()

TokenKey = tuple[str, int]
"""Digest of a grid, and a tile of it."""


@dataclass(frozen=True)
class ModelSource:
    """An encoder and an SAE with the digests that an analysis states; `weights` as for `load_encoder`."""

    encoder: str
    encoder_digest: str
    weights: str | None
    layer: int
    pooling: str
    sae_dir: str
    sae_digest: str
    device: str = "auto"


class LiveModel:
    """An encoder with its SAE, and the tokens of the tiles that were last looked at.

    Use :func:`live_model`. Tokens are kept up to 256 MB, so that another feature of the same tiles
    costs no pass through the encoder.
    """

    def __init__(self, encoder: TileEncoder, sae: SparseAutoencoder, device: torch.device) -> None:
        self.encoder, self.sae, self.device = encoder, sae, device
        self._tokens: OrderedDict[TokenKey, NDArray[np.float32]] = OrderedDict()
        self._held_bytes = 0

    @property
    def batch(self) -> int:
        """Tiles in one pass: few, and fewer the larger the encoder, so that a stop is heard in time."""
        return max(1, min(16, 2048 // self.encoder.card.width))

    @property
    def tokens_per_side(self) -> int:
        """Patch tokens along each edge of a tile."""
        return self.encoder.card.input_px // self.encoder.card.patch_px

    def activation(self, vectors: NDArray[np.float32], feature: int) -> NDArray[np.float32]:
        """One feature's activation of vectors (..., d), float32 (...), as `SparseAutoencoder.encode` has it."""
        return self.sae.activation(vectors, feature)

    def kept_tokens(self, key: TokenKey) -> NDArray[np.float32] | None:
        """Tokens (h * w, d) of a tile that was looked at lately, or None."""
        found = self._tokens.get(key)
        if found is not None:
            self._tokens.move_to_end(key)
        return found

    def keep_tokens(self, key: TokenKey, tokens: NDArray[np.float32]) -> None:
        """Keep a tile's tokens (h * w, d), dropping those of the tiles used longest ago."""
        old = self._tokens.pop(key, None)
        self._tokens[key] = tokens
        self._held_bytes += tokens.nbytes - (0 if old is None else old.nbytes)
        while self._held_bytes > _TOKEN_BYTES and len(self._tokens) > 1:
            _, dropped = self._tokens.popitem(last=False)
            self._held_bytes -= dropped.nbytes


_MODEL: dict[ModelSource, LiveModel] = {}
_SLIDE: dict[tuple[str, int, int], Slide] = {}


def live_model(source: ModelSource) -> LiveModel:
    """Load an encoder and an SAE, or return them where they were the last ones used.

    Raises
    ------
    MismatchError
        When encoder or SAE are not those of the analysis.
    WeightsError, UserInputError
        As loading them does.
    """
    with _LOCK:
        if source not in _MODEL:
            # The old one goes first: two large encoders may not fit the memory.
            _MODEL.clear()
            _MODEL[source] = _load(source)
        return _MODEL[source]


def live_slide(path: Path, fingerprint: str) -> Slide:
    """Open a slide, or return it where it was the last one used and its file has not changed.

    Raises
    ------
    SlideError
        When it cannot be opened.
    MismatchError
        When it is not the slide of that fingerprint.
    """
    with _LOCK:
        stamp = _stamp(path)
        if stamp not in _SLIDE:
            _close_slide()
            _SLIDE[stamp] = Slide.open(path)
        slide = _SLIDE[stamp]
    if slide.info.fingerprint != fingerprint:
        raise MismatchError(
            f"{path.name} is not the slide that was analysed.",
            "Put the old file back, or analyse this one.",
        )
    return slide


def forget() -> None:
    """Let go of what is kept: memory, and the slide's file."""
    with _LOCK:
        _MODEL.clear()
        _close_slide()


def _close_slide() -> None:
    while _SLIDE:
        _SLIDE.popitem()[1].close()


def _stamp(path: Path) -> tuple[str, int, int]:
    if not path.exists():
        return str(path), 0, 0  # Slide.open says what is wrong
    about = path.stat()
    return str(path), about.st_mtime_ns, about.st_size


def _load(source: ModelSource) -> LiveModel:
    weights = Path(source.weights) if source.weights else None
    encoder = load_encoder(source.encoder, weights, source.layer, source.pooling)
    if encoder.card.digest != source.encoder_digest:
        raise MismatchError(
            f"The encoder {source.encoder} is not the one of the analysis: its weights or settings are others.",
            "Analyse the slide again with the weights at hand; the old analysis is kept.",
        )
    sae = SparseAutoencoder.load(Path(source.sae_dir))
    if sae.card.digest != source.sae_digest:
        raise MismatchError(
            f"The SAE in {Path(source.sae_dir).name} is not the one of the analysis.",
            "Put the old folder back, or analyse the slide again with this SAE.",
        )
    sae.check_encoder(encoder.card)
    return LiveModel(encoder, sae, pick_device(source.device))
