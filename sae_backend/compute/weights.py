"""Reading an encoder's weights into torch: safetensors only."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load

from sae_backend.errors import WeightsError
from sae_backend.models.pickles import refuse_pickle


def read_tensors(path: Path) -> tuple[dict[str, torch.Tensor], str]:
    """Read a safetensors file.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    tensors, digest
        The tensors by name, on the CPU, and the SHA-256 of the bytes they were read from.

    Raises
    ------
    WeightsError
        When the file is missing, empty, a pickle, or not a whole safetensors file.
    """
    refuse_pickle(path)
    try:
        content = path.read_bytes()
        tensors = load(content)
    except OSError as error:
        raise WeightsError(
            f"The weights {path.name} cannot be read: {error.strerror}.",
            "Check the disk and the file's permissions.",
        ) from error
    except SafetensorError as error:
        raise WeightsError(
            f"The weights {path.name} are not a whole safetensors file.",
            "Download or copy them again; only safetensors files are read.",
        ) from error
    return tensors, hashlib.sha256(content).hexdigest()
