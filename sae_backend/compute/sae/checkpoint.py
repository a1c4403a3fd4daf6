"""A training's state on disk, so that a killed training goes on as if nothing had happened."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from sae_backend.atomic_write import write_bytes_atomic


def write_checkpoint(path: Path, tensors: Mapping[str, torch.Tensor], record: Mapping[str, object]) -> None:
    """Write a state so that the file is either the old one or the whole new one.

    Parameters
    ----------
    path
        The file; its folder is made when missing.
    tensors
        The state.
    record
        JSON values, floats included, that are read back exactly.

    Raises
    ------
    CacheError
        When it cannot be written.
    """
    content = save(
        {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()},
        metadata={"record": json.dumps(record)},
    )
    write_bytes_atomic(path, content)


def read_checkpoint(path: Path, identity: str) -> tuple[dict[str, torch.Tensor], dict[str, object]] | None:
    """Read a state back.

    Parameters
    ----------
    path
        The file.
    identity
        What the record must hold under `identity`.

    Returns
    -------
    tensors, record
        None when there is no file, or it is of another training or damaged: such a training
        starts from the beginning, which costs time and loses nothing.
    """
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            record = json.loads((file.metadata() or {}).get("record", "{}"))
            if not isinstance(record, dict) or record.get("identity") != identity:
                return None
            return {name: file.get_tensor(name) for name in file.keys()}, record  # noqa: SIM118
    except (SafetensorError, ValueError):
        return None
