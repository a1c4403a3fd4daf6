"""What all kinds of sparse autoencoder have in common: weights with a card, encoding, the folder they are kept in."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array
from torch import nn

from sae_backend.errors import CacheError, MismatchError
from sae_backend.models.cards import EncoderCard, SaeCard
from sae_backend.models.sae_weights import (
    ARCHITECTURES,
    check_tensors,
    digest_of_files,
    read_sae_folder,
    sae_files,
    write_sae_folder,
)

Axis = Literal["d", "F"]
_ENCODE_ROWS = 2048


class SparseAutoencoder(nn.Module):
    """A sparse autoencoder in the units of the embedding; each kind is a subclass in a module of its own.

    All kinds rebuild a vector as `x_hat = f W_dec + b_dec`; they differ in how `f` follows from the vector. A new
    kind is a module with a subclass named `Kind`, and a line in `sae_backend.models.sae_weights.ARCHITECTURES`.

    Parameters
    ----------
    tensors
        The weights by name, float32, with the shapes of :attr:`SHAPES`.
    card
        What it is; its digest is replaced by the digest of the files that :meth:`save` writes.

    Raises
    ------
    WeightsError
        When a tensor is missing, shapes or dtypes disagree, or values are not finite.
    """

    SHAPES: ClassVar[Mapping[str, tuple[Axis, ...]]]
    """The tensors of this kind; d is the width of the vectors, F the number of features."""

    W_dec: nn.Parameter
    b_dec: nn.Parameter

    def __init__(self, tensors: Mapping[str, torch.Tensor], card: SaeCard) -> None:
        super().__init__()
        sizes = {"d": card.d_in, "F": card.n_features}
        shapes = {name: tuple(sizes[axis] for axis in axes) for name, axes in self.SHAPES.items()}
        arrays = {name: tensor.detach().cpu().contiguous().numpy() for name, tensor in tensors.items()}
        check_tensors(arrays, shapes)
        for name, tensor in tensors.items():
            setattr(self, name, nn.Parameter(tensor.detach().clone(), requires_grad=False))
        self.card = replace(card, digest=digest_of_files(sae_files(card, arrays)))

    @property
    def d_in(self) -> int:
        """Width of the input."""
        return self.card.d_in

    @property
    def n_features(self) -> int:
        """Number of features."""
        return self.card.n_features

    @abstractmethod
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Activations (n, F) of vectors (n, d), dense, float32, none below 0."""

    def activation(self, x: NDArray[np.float32], feature: int) -> NDArray[np.float32]:
        """One feature's activation of vectors (..., d), float32 (...), as :meth:`encode` has it."""
        rows = torch.from_numpy(np.ascontiguousarray(x.reshape(-1, self.d_in))).to(self.W_dec.device)
        with torch.inference_mode():
            found: NDArray[np.float32] = self(rows)[:, feature].cpu().numpy()
        return found.reshape(x.shape[:-1])

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
                dense = self(torch.from_numpy(chunk).to(self.W_dec.device))
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
        """Write the autoencoder as a folder in the layout of SAELens 6, and return its card.

        Raises
        ------
        UserInputError, StoreError
            As :func:`~sae_backend.models.sae_weights.write_sae_folder`.
        """
        own = {name: getattr(self, name).detach().cpu().numpy() for name in self.SHAPES}
        write_sae_folder(folder, sae_files(self.card, own))
        return self.card

    @classmethod
    def load(cls, folder: Path) -> SparseAutoencoder:
        """Read a folder in the layout of SAELens 6, of any kind that is registered.

        Raises
        ------
        WeightsError
            As :func:`~sae_backend.models.sae_weights.read_sae_folder`, and when the tensors are not those of its kind.
        """
        found = read_sae_folder(folder)
        kind: type[SparseAutoencoder] = import_module(ARCHITECTURES[found.card.architecture]).Kind
        sae = kind({name: torch.from_numpy(tensor) for name, tensor in found.tensors.items()}, found.card)
        # The identity is that of the files on disk, also when another program wrote them.
        sae.card = found.card
        return sae
