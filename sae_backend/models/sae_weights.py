"""The folder of a sparse autoencoder, in the layout of SAELens 6: read and written here alone, without torch."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load, save

from sae_backend.errors import StoreError, UserInputError, WeightsError
from sae_backend.models.cards import SaeCard
from sae_backend.models.pickles import refuse_pickle

CONFIG_NAME: Final = "cfg.json"
WEIGHTS_NAME: Final = "sae_weights.safetensors"
ARCHITECTURES: Final = {"standard": "sae_backend.compute.sae.relu"}
"""The kinds of autoencoder that are read, by SAELens' name, and the module with the class of each."""

_HINT: Final = "Point to a folder that Sparsescope or SAELens 6 saved."
# What would change the activations or the reconstruction and is not done here is refused, never guessed.
_ALLOWED: Final[Mapping[str, tuple[object, ...]]] = {
    "architecture": tuple(ARCHITECTURES),
    "apply_b_dec_to_input": (True,),
    "normalize_activations": ("none",),
    "reshape_activations": ("none", None),
}
_UNKNOWN_ORIGIN: Final[Mapping[str, object]] = {
    "encoder_id": "",
    "encoder_digest": "",
    "layer": 0,
    "pooling": "cls",
    "mpp": None,
    "tile_px": None,
    "normalisation": {"kind": "none"},
    "training": {},
    "metrics": {},
}

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class SaeFolder:
    """What a folder holds, checked.

    Attributes
    ----------
    card
        What the autoencoder is. Its digest is that of the two files; `encoder_id` and `encoder_digest` are empty
        where another program saved it.
    tensors
        The weights by name, float32 and finite, each of the shape that `card` says.
    """

    card: SaeCard
    tensors: Mapping[str, Floats]


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
        """Read the decoder of a folder.

        Raises
        ------
        WeightsError
            As :func:`read_sae_folder`.
        """
        found = read_sae_folder(folder)
        return cls(found.card.digest, found.tensors["W_dec"], found.tensors["b_dec"])


def read_sae_config(folder: Path) -> SaeCard:
    """The card in a folder, without its weights: the digest is empty.

    Raises
    ------
    WeightsError
        When `cfg.json` is missing, damaged, or of an autoencoder that the program does not encode with.
    """
    return _card_of(_parse_config(_read(folder, CONFIG_NAME), folder), folder)


def read_sae_folder(folder: Path) -> SaeFolder:
    """Read and check a folder with an autoencoder.

    Raises
    ------
    WeightsError
        When a file is missing, damaged, a pickle, of a kind that the program does not encode with, of other shapes or
        dtypes than its configuration says, or holds values that are not finite.
    """
    files = {name: _read(folder, name) for name in (CONFIG_NAME, WEIGHTS_NAME)}
    card = _card_of(_parse_config(files[CONFIG_NAME], folder), folder)
    refuse_pickle(folder / WEIGHTS_NAME)
    try:
        tensors: dict[str, npt.NDArray[Any]] = load(files[WEIGHTS_NAME])
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise WeightsError(
            f"The weights in {folder.name} are not a whole safetensors file of an SAE.",
            "Download or copy them again; only safetensors files are read.",
        ) from error
    check_tensors(tensors, {"W_dec": (card.n_features, card.d_in), "b_dec": (card.d_in,)}, exact=False)
    # The identity is that of the files on disk, also when another program wrote them.
    return SaeFolder(replace(card, digest=digest_of_files(files)), tensors)


def read_own_sae(folder: Path) -> SaeCard:
    """Check a folder with an autoencoder that says to which encoder it belongs, and return its card.

    Raises
    ------
    WeightsError
        As :func:`read_sae_folder`, and when the encoder is not named.
    """
    card = read_sae_folder(folder).card
    if not card.encoder_digest:
        raise WeightsError(
            f"The SAE in {folder.name} does not say which encoder it belongs to.",
            "Name it where the slide is analysed: sparsescope analyze --sae, or train one here.",
        )
    return card


def sae_files(card: SaeCard, tensors: Mapping[str, Floats]) -> dict[str, bytes]:
    """The two files of an autoencoder, by name."""
    about = card.to_json()
    del about["digest"]  # a file cannot hold its own digest
    config = {
        "d_in": card.d_in,
        "d_sae": card.n_features,
        "dtype": "float32",
        "device": "cpu",
        "apply_b_dec_to_input": True,
        "normalize_activations": "none",
        "reshape_activations": "none",
        "metadata": {
            "sae_lens_version": "6.54.12",  # whose layout this is
            "sae_lens_training_version": None,  # SAELens did not train it
            "pathology": about,
        },
        "architecture": card.architecture,
    }
    text = json.dumps(config, indent=2, sort_keys=True, allow_nan=False) + "\n"
    weights = save({name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()})
    return {CONFIG_NAME: text.encode(), WEIGHTS_NAME: weights}


def digest_of_files(files: Mapping[str, bytes]) -> str:
    """SHA-256 over names, lengths and contents, so that bytes cannot move between files."""
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(f"{name}\n{len(files[name])}\n".encode())
        digest.update(files[name])
    return digest.hexdigest()


def write_sae_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write the two files as a folder that appears whole or not at all; the same files again change nothing.

    Parameters
    ----------
    folder
        Must not exist, or be empty, or hold these files.
    files
        As :func:`sae_files` makes them.

    Raises
    ------
    UserInputError
        When the folder holds something else.
    StoreError
        When it cannot be written.
    """
    try:
        if folder.is_dir() and any(folder.iterdir()):
            if _holds(folder, files):
                return
            raise UserInputError(
                f"The folder {folder.name} already holds something else.",
                "Choose a new folder; annotations may hang on the SAE in this one.",
            )
        folder.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        try:
            for name, content in files.items():
                with (fresh / name).open("wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
            # mkdtemp makes a private folder; an SAE is shared like any other file.
            fresh.chmod(0o755)
            if folder.is_dir():
                folder.rmdir()
            fresh.rename(folder)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    except OSError as error:
        raise StoreError(
            f"The SAE cannot be written to {folder}: {error.strerror}.",
            "Check free space and permissions, or choose another folder.",
        ) from error


def check_tensors(
    tensors: Mapping[str, npt.NDArray[Any]], shapes: Mapping[str, tuple[int, ...]], *, exact: bool = True
) -> None:
    """Refuse weights that lack a tensor, or whose shapes, dtypes or values are not those due.

    Parameters
    ----------
    tensors
        The weights by name.
    shapes
        The shape of each tensor that is due.
    exact
        Whether a tensor that is not due is refused, too.

    Raises
    ------
    WeightsError
        Naming the tensor.
    """
    missing = sorted(set(shapes) - set(tensors))
    unexpected = sorted(set(tensors) - set(shapes)) if exact else []
    if missing or unexpected:
        raise WeightsError(
            f"The tensors do not fit this kind of SAE: missing {missing or 'none'}, "
            f"unexpected {unexpected or 'none'}.",
            _HINT,
        )
    for name, shape in shapes.items():
        tensor = tensors[name]
        if tensor.shape != shape:
            raise WeightsError(
                f"The SAE's {name} has shape {tensor.shape} where {shape} is due.",
                "The weights and their configuration belong to different SAEs.",
            )
        if tensor.dtype != np.float32:
            raise WeightsError(
                f"The SAE's {name} is {tensor.dtype}, and only float32 is read.",
                "Save the SAE again in float32.",
            )
        if not np.isfinite(tensor).all():
            raise WeightsError(
                f"The SAE's {name} holds values that are not finite.",
                "The training diverged or the file is damaged; train again with a lower rate.",
            )


def _read(folder: Path, name: str) -> bytes:
    try:
        return (folder / name).read_bytes()
    except OSError as error:
        raise WeightsError(f"The folder {folder.name} has no readable {name}.", _HINT) from error


def _holds(folder: Path, files: Mapping[str, bytes]) -> bool:
    return all(
        (folder / name).is_file() and (folder / name).read_bytes() == content
        for name, content in files.items()
    )


def _parse_config(content: bytes, folder: Path) -> dict[str, Any]:
    try:
        config = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise WeightsError(f"The {CONFIG_NAME} in {folder.name} is not JSON.", _HINT) from error
    if not isinstance(config, dict):
        raise WeightsError(f"The {CONFIG_NAME} in {folder.name} is not a JSON object.", _HINT)
    return config


def _card_of(config: dict[str, Any], folder: Path) -> SaeCard:
    for key, allowed in _ALLOWED.items():
        if config.get(key) not in allowed:
            readable = " or ".join(repr(value) for value in allowed if value is not None)
            raise WeightsError(
                f"The SAE in {folder.name} has {key} {config.get(key)!r}, and only {readable} is read.", _HINT
            )
    sizes = (config.get("d_in"), config.get("d_sae"))
    for size in sizes:
        if not isinstance(size, int) or isinstance(size, bool) or size < 1:
            raise WeightsError(f"The SAE in {folder.name} does not state its d_in and d_sae.", _HINT)
    metadata = config.get("metadata")
    about = metadata.get("pathology") if isinstance(metadata, dict) else None
    record = {**_UNKNOWN_ORIGIN, **(about if isinstance(about, dict) else {})}
    record |= {"digest": "", "d_in": sizes[0], "n_features": sizes[1], "architecture": config["architecture"]}
    try:
        return SaeCard.from_json(record)
    except (UserInputError, TypeError, ValueError) as error:
        raise WeightsError(f"The SAE card in {folder.name} is damaged: {error}", _HINT) from error
