"""The paper's sparse autoencoder: one hidden layer, ReLU, unit-norm decoder rows."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save
from scipy.sparse import csr_array
from torch import nn

from sae_backend.compute.weights import read_tensors
from sae_backend.errors import CacheError, MismatchError, StoreError, UserInputError, WeightsError
from sae_backend.models.cards import EncoderCard, SaeCard

CONFIG_NAME = "cfg.json"
WEIGHTS_NAME = "sae_weights.safetensors"
_TENSORS = ("W_enc", "W_dec", "b_dec", "b_enc")
_ENCODE_ROWS = 2048
_CONFIG_HINT = "Point to a folder that Sparsescope or SAELens 6 saved."


class SparseAutoencoder(nn.Module):
    """ReLU sparse autoencoder in the units of the embedding.

    `f = relu((x - b_dec) W_enc + b_enc)` and `x_hat = f W_dec + b_dec`, with rows of `W_dec` of
    unit norm, so that a feature's value is a length along its direction in the embedding.

    Parameters
    ----------
    w_enc
        (d, F) float32.
    b_enc
        (F,) float32.
    w_dec
        (F, d) float32.
    b_dec
        (d,) float32.
    card
        What it is; its digest is replaced by the digest of the files that :meth:`save` writes.

    Raises
    ------
    WeightsError
        When shapes disagree, or values are not finite.
    """

    def __init__(
        self,
        w_enc: torch.Tensor,
        b_enc: torch.Tensor,
        w_dec: torch.Tensor,
        b_dec: torch.Tensor,
        card: SaeCard,
    ) -> None:
        super().__init__()
        given = {"W_enc": w_enc, "W_dec": w_dec, "b_dec": b_dec, "b_enc": b_enc}
        _check_tensors(given, card.d_in, card.n_features)
        self.W_enc = nn.Parameter(w_enc.detach().clone(), requires_grad=False)
        self.b_enc = nn.Parameter(b_enc.detach().clone(), requires_grad=False)
        self.W_dec = nn.Parameter(w_dec.detach().clone(), requires_grad=False)
        self.b_dec = nn.Parameter(b_dec.detach().clone(), requires_grad=False)
        # One GEMM per batch: the pre-bias goes into the bias, in float64 because it cancels.
        folded = b_enc.double() - b_dec.double() @ w_enc.double()
        self.register_buffer("_bias", folded.float(), persistent=False)
        self.card = card
        self.card = replace(card, digest=_digest_of_files(self._files()))

    @property
    def d_in(self) -> int:
        """Width of the input."""
        return self.card.d_in

    @property
    def n_features(self) -> int:
        """Number of features."""
        return self.card.n_features

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Activations (n, F) of vectors (n, d), dense, float32."""
        bias = self._buffers["_bias"]
        return torch.relu(torch.addmm(bias, x, self.W_enc))  # type: ignore[arg-type]

    def decode(self, f: torch.Tensor) -> torch.Tensor:
        """Reconstructions (n, d) from activations (n, F), float32."""
        return torch.addmm(self.b_dec, f, self.W_dec)

    def encode(self, x: NDArray[np.float32]) -> csr_array:
        """Sparse activations of a batch of vectors, computed on the module's device.

        Parameters
        ----------
        x
            (n, d) float, in the units of the embedding.

        Returns
        -------
        csr_array
            (n, F) float32, features in ascending order in every row.

        Raises
        ------
        MismatchError
            When the width is not the autoencoder's.
        CacheError
            When a vector is not finite.
        """
        if x.ndim != 2 or x.shape[1] != self.d_in:
            raise MismatchError(
                f"The SAE takes vectors of width {self.d_in}, and these have shape {x.shape}.",
                "Use the SAE that was trained on this encoder and layer.",
            )
        counts = [np.zeros(1, np.int64)]
        indices: list[NDArray[np.int32]] = []
        values: list[NDArray[np.float32]] = []
        for start in range(0, x.shape[0], _ENCODE_ROWS):
            chunk = np.ascontiguousarray(x[start : start + _ENCODE_ROWS], dtype=np.float32)
            if not np.isfinite(chunk).all():
                raise CacheError("The embedding holds values that are not finite.", "Embed the slide again.")
            with torch.inference_mode():
                dense = self(torch.from_numpy(chunk).to(self.W_enc.device))
                where = dense.nonzero(as_tuple=True)
                values.append(dense[where].cpu().numpy())
                indices.append(where[1].to(torch.int32).cpu().numpy())
                counts.append((dense > 0).sum(dim=1).cpu().numpy())
        indptr = np.cumsum(np.concatenate(counts))
        data = np.concatenate(values) if values else np.zeros(0, np.float32)
        columns = np.concatenate(indices) if indices else np.zeros(0, np.int32)
        return csr_array((data, columns, indptr), shape=(x.shape[0], self.n_features))

    def check_encoder(self, card: EncoderCard) -> None:
        """Refuse vectors of another encoder.

        Raises
        ------
        MismatchError
            When width, encoder, layer, pooling or weights differ from those of the training.
        """
        hint = "Use the SAE that was trained on this encoder and layer, or train one."
        if card.width != self.d_in:
            raise MismatchError(
                f"The SAE takes vectors of width {self.d_in}, and {card.id} gives {card.width}.",
                hint,
            )
        own = self.card
        same_names = (own.encoder_id, own.layer, own.pooling) == (card.id, card.layer, card.pooling)
        if own.encoder_digest and own.encoder_digest != card.digest:
            raise MismatchError(
                f"The SAE belongs to {own.encoder_id}, layer {own.layer}, {own.pooling}, and the "
                f"vectors come from {card.id}, layer {card.layer}, {card.pooling}"
                # Where all that is named agrees, what is left of the digest differs.
                + (", with other weights or colour scaling." if same_names else "."),
                hint,
            )

    def save(self, folder: Path) -> SaeCard:
        """Write the autoencoder as a folder in the layout of SAELens 6.

        The folder appears whole or not at all. Saving the same autoencoder again changes nothing.

        Parameters
        ----------
        folder
            Must not exist, or be empty, or hold this same autoencoder.

        Returns
        -------
        SaeCard
            The card with the digest of the two files.

        Raises
        ------
        UserInputError
            When the folder holds something else.
        StoreError
            When it cannot be written.
        """
        files = self._files()
        try:
            if folder.is_dir() and any(folder.iterdir()):
                if _holds(folder, files):
                    return self.card
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
        return self.card

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read a folder in the layout of SAELens 6.

        Parameters
        ----------
        folder
            Holds `cfg.json` and `sae_weights.safetensors`.

        Raises
        ------
        WeightsError
            When a file is missing, damaged, a pickle, of another kind of SAE, of other shapes or
            dtypes than its configuration says, or holds values that are not finite.
        """
        config_bytes = _read_config(folder)
        config = _parse_config(config_bytes, folder)
        tensors, _ = read_tensors(folder / WEIGHTS_NAME)
        card = _card_of(config, folder)
        unknown = sorted(set(tensors) - set(_TENSORS))
        missing = sorted(set(_TENSORS) - set(tensors))
        if unknown or missing:
            raise WeightsError(
                f"The SAE in {folder.name} has tensors that do not fit a standard SAE: "
                f"missing {missing or 'none'}, unexpected {unknown or 'none'}.",
                _CONFIG_HINT,
            )
        _check_tensors(tensors, card.d_in, card.n_features)
        sae = cls(tensors["W_enc"], tensors["b_enc"], tensors["W_dec"], tensors["b_dec"], card)
        # The identity is that of the files on disk, also when another program wrote them.
        weights = (folder / WEIGHTS_NAME).read_bytes()
        digest = _digest_of_files({CONFIG_NAME: config_bytes, WEIGHTS_NAME: weights})
        sae.card = replace(card, digest=digest)
        return sae

    def _files(self) -> dict[str, bytes]:
        own = {name: getattr(self, name).detach().cpu().contiguous() for name in _TENSORS}
        pathology = self.card.to_json()
        del pathology["digest"]  # a file cannot hold its own digest
        config = {
            "d_in": self.d_in,
            "d_sae": self.n_features,
            "dtype": "float32",
            "device": "cpu",
            "apply_b_dec_to_input": True,
            "normalize_activations": "none",
            "reshape_activations": "none",
            "metadata": {
                "sae_lens_version": "6.54.12",  # whose layout this is
                "sae_lens_training_version": None,  # SAELens did not train it
                "pathology": pathology,
            },
            "architecture": self.card.architecture,
        }
        text = json.dumps(config, indent=2, sort_keys=True, allow_nan=False) + "\n"
        return {CONFIG_NAME: text.encode(), WEIGHTS_NAME: save(own)}


def _digest_of_files(files: dict[str, bytes]) -> str:
    """SHA-256 over names, lengths and contents, so that bytes cannot move between files."""
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(f"{name}\n{len(files[name])}\n".encode())
        digest.update(files[name])
    return digest.hexdigest()


def _holds(folder: Path, files: dict[str, bytes]) -> bool:
    return all(
        (folder / name).is_file() and (folder / name).read_bytes() == content
        for name, content in files.items()
    )


def _check_tensors(tensors: dict[str, torch.Tensor], d_in: int, n_features: int) -> None:
    shapes = {
        "W_enc": (d_in, n_features),
        "W_dec": (n_features, d_in),
        "b_dec": (d_in,),
        "b_enc": (n_features,),
    }
    for name, shape in shapes.items():
        tensor = tensors[name]
        if tuple(tensor.shape) != shape:
            raise WeightsError(
                f"The SAE's {name} has shape {tuple(tensor.shape)} where {shape} is due.",
                "The weights and their configuration belong to different SAEs.",
            )
        if tensor.dtype != torch.float32:
            raise WeightsError(
                f"The SAE's {name} is {tensor.dtype}, and only float32 is read.",
                "Save the SAE again in float32.",
            )
        if not bool(torch.isfinite(tensor).all()):
            raise WeightsError(
                f"The SAE's {name} holds values that are not finite.",
                "The training diverged or the file is damaged; train again with a lower rate.",
            )


def _read_config(folder: Path) -> bytes:
    try:
        return (folder / CONFIG_NAME).read_bytes()
    except OSError as error:
        raise WeightsError(
            f"The folder {folder.name} has no readable {CONFIG_NAME}.", _CONFIG_HINT
        ) from error


def _parse_config(content: bytes, folder: Path) -> dict[str, Any]:
    try:
        config = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise WeightsError(f"The {CONFIG_NAME} in {folder.name} is not JSON.", _CONFIG_HINT) from error
    if not isinstance(config, dict):
        raise WeightsError(f"The {CONFIG_NAME} in {folder.name} is not a JSON object.", _CONFIG_HINT)
    return config


def _card_of(config: dict[str, Any], folder: Path) -> SaeCard:
    """Card from a configuration; what differs from the ReLU SAE is refused, never guessed."""
    due: dict[str, tuple[object, ...]] = {
        "architecture": ("standard",),
        "apply_b_dec_to_input": (True,),
        "normalize_activations": ("none",),
        "reshape_activations": ("none", None),
    }
    for key, allowed in due.items():
        if config.get(key) not in allowed:
            raise WeightsError(
                f"The SAE in {folder.name} has {key} {config.get(key)!r}, and only {allowed[0]!r} is read.",
                _CONFIG_HINT,
            )
    sizes = (config.get("d_in"), config.get("d_sae"))
    for size in sizes:
        if not isinstance(size, int) or isinstance(size, bool) or size < 1:
            raise WeightsError(f"The SAE in {folder.name} does not state its d_in and d_sae.", _CONFIG_HINT)
    metadata = config.get("metadata")
    pathology = metadata.get("pathology") if isinstance(metadata, dict) else None
    unknown = {
        "architecture": "standard",
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
    record = {**unknown, **(pathology if isinstance(pathology, dict) else {})}
    record |= {"digest": "", "d_in": sizes[0], "n_features": sizes[1]}
    try:
        return SaeCard.from_json(record)
    except (UserInputError, TypeError, ValueError) as error:
        raise WeightsError(f"The SAE card in {folder.name} is damaged: {error}", _CONFIG_HINT) from error
