"""A sparse autoencoder's decoder as plain arrays, read without torch."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load

from sae_backend.errors import WeightsError

_CONFIG: Final = "cfg.json"
_WEIGHTS: Final = "sae_weights.safetensors"
_HINT: Final = "Point to a folder that Sparsescope or SAELens 6 saved."

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class SaeArrays:
    """What turns activations back into vectors: `x_hat = f w_dec + b_dec`.

    Attributes
    ----------
    digest
        The autoencoder's identity, over the bytes of its two files.
    w_dec
        Directions of the features, float32 (F, d).
    b_dec
        The vector that stands for no feature at all, float32 (d,). Centring and, where it was trained on
        whitened vectors, whitening are folded into the weights: the vectors are the encoder's own.
    """

    digest: str
    w_dec: Floats
    b_dec: Floats

    @property
    def n_features(self) -> int:
        """Number of features, F."""
        return int(self.w_dec.shape[0])

    @property
    def d_in(self) -> int:
        """Width of the vectors, d."""
        return int(self.w_dec.shape[1])

    @classmethod
    def open(cls, folder: Path) -> SaeArrays:
        """Read a folder in the layout of SAELens 6.

        Raises
        ------
        WeightsError
            When a file is missing, damaged, of another kind of SAE or of unfitting shapes.
        """
        files = {name: _read(folder, name) for name in (_CONFIG, _WEIGHTS)}
        _check_config(files[_CONFIG], folder)
        try:
            tensors: dict[str, npt.NDArray[Any]] = load(files[_WEIGHTS])
            w_dec, b_dec = tensors["W_dec"], tensors["b_dec"]
        except (SafetensorError, KeyError) as error:
            raise WeightsError(
                f"The weights in {folder.name} are not those of an SAE in safetensors form.", _HINT
            ) from error
        for name, array in (("W_dec", w_dec), ("b_dec", b_dec)):
            if array.dtype != np.float32 or not np.isfinite(array).all():
                raise WeightsError(f"The SAE's {name} is not float32, or not finite.", _HINT)
        if w_dec.ndim != 2 or b_dec.shape != w_dec.shape[1:]:
            raise WeightsError(
                f"The SAE's W_dec {w_dec.shape} and b_dec {b_dec.shape} do not fit each other.", _HINT
            )
        return cls(_digest(files), w_dec, b_dec)


def _read(folder: Path, name: str) -> bytes:
    try:
        return (folder / name).read_bytes()
    except OSError as error:
        raise WeightsError(f"The folder {folder.name} has no readable {name}.", _HINT) from error


def _check_config(content: bytes, folder: Path) -> None:
    try:
        config = json.loads(content)
        kind = (config.get("architecture"), config.get("normalize_activations"))
    except (ValueError, AttributeError, RecursionError) as error:
        raise WeightsError(f"The {_CONFIG} in {folder.name} is not an SAE's.", _HINT) from error
    # Of another kind `f w_dec + b_dec` is not the reconstruction.
    if kind != ("standard", "none"):
        raise WeightsError(
            f"The SAE in {folder.name} is of kind {kind}, and only ('standard', 'none') is read.", _HINT
        )


def _digest(files: dict[str, bytes]) -> str:
    """SHA-256 over names, lengths and contents, as the autoencoder's own class makes it."""
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(f"{name}\n{len(files[name])}\n".encode())
        digest.update(files[name])
    return digest.hexdigest()
