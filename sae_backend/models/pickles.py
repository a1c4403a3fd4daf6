"""Pickles are told by their content and refused, because loading one runs its code."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from sae_backend.errors import WeightsError

_PICKLE_SUFFIXES: Final = (".pt", ".pth", ".bin", ".pkl", ".pickle", ".ckpt", ".joblib")
_CONVERT_HINT: Final = "Ask for the model in safetensors form, or convert it where you trust the file."


def refuse_pickle(path: Path) -> None:
    """Refuse a file that is, or may be, a pickle.

    Parameters
    ----------
    path
        A file of weights.

    Raises
    ------
    WeightsError
        When the file cannot be read, or its content or its name is that of a pickle.
    """
    try:
        with path.open("rb") as file:
            start = file.read(9)
    except OSError as error:
        raise WeightsError(
            f"The weights {path.name} cannot be read: {error.strerror}.",
            "Check the path and its permissions.",
        ) from error
    if not start:
        raise WeightsError(f"The weights {path.name} are empty.", "Download or copy them again.")
    # torch.save writes a zip (or, before 1.6, a bare pickle); protocol 2 and later start with 0x80.
    is_zip = start.startswith(b"PK\x03\x04")
    is_pickle = start[0] == 0x80 and start[1:2] in {b"\x02", b"\x03", b"\x04", b"\x05"}
    # A safetensors file starts with the length of its header in 8 bytes, then the header's brace,
    # so that a small header length can look like a pickle's first byte.
    is_safetensors = start[8:9] == b"{"
    if is_zip or (is_pickle and not is_safetensors):
        raise WeightsError(
            f"The weights {path.name} are a pickle, and loading one can run any code in it.",
            _CONVERT_HINT,
        )
    if path.suffix.lower() in _PICKLE_SUFFIXES and not is_safetensors:
        raise WeightsError(
            f"The weights {path.name} have the form of a pickle, and loading one can run code.",
            _CONVERT_HINT,
        )
