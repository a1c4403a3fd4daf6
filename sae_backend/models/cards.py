"""What a model is: frozen cards of encoders and sparse autoencoders, free of torch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, Self

from sae_backend.errors import UserInputError

Pooling = Literal["cls", "mean", "patch"]
POOLINGS: tuple[Pooling, ...] = ("cls", "mean", "patch")


def as_pooling(name: str) -> Pooling:
    """Check the name of a pooling.

    Raises
    ------
    UserInputError
        When it is not one of :data:`POOLINGS`.
    """
    if name not in POOLINGS:
        raise UserInputError(f"The pooling {name!r} does not exist.", f"Choose one of {', '.join(POOLINGS)}.")
    return name


def digest_of(value: object) -> str:
    """SHA-256, in hexadecimal, of the canonical JSON of a value."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _fields_of(cls: type[Any], record: Mapping[str, object], kind: str) -> dict[str, Any]:
    known = {entry.name for entry in fields(cls)}
    missing = sorted(known - set(record))
    if missing:
        raise UserInputError(
            f"The {kind} card lacks {', '.join(missing)}.",
            "The file was written by another program or is damaged; make it again.",
        )
    return {name: record[name] for name in known}


@dataclass(frozen=True)
class EncoderCard:
    """An encoder together with the place its vectors are read from.

    Attributes
    ----------
    id
        The name it is asked for by, such as `timm:vit_small_patch16_224` or `control:random-vit`.
    title
        Its name for people.
    architecture
        Name of the architecture in timm, or of the control.
    input_px
        Side of the square input; tiles of another size are resized to it.
    mean, std
        Per channel (red, green, blue), on the scale 0 to 1.
    width
        Length of one vector.
    n_blocks
        Number of transformer blocks.
    patch_px
        Side of the square patch of one token.
    layer
        The block (1 is the first) after which the vectors are read.
    pooling
        `cls`, `mean` (of the patch tokens) or `patch` (all patch tokens).
    licence
        Licence of the weights, "" when unknown.
    weights_digest
        SHA-256 of the weights.
    is_control
        True when the encoder is a scientific control and has learned nothing.
    note
        One or two sentences that are shown wherever the encoder is.
    """

    id: str
    title: str
    architecture: str
    input_px: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    width: int
    n_blocks: int
    patch_px: int
    layer: int
    pooling: Pooling
    licence: str
    weights_digest: str
    is_control: bool
    note: str

    @property
    def digest(self) -> str:
        """SHA-256 over all that decides the vectors; title, licence and note are only words."""
        record = asdict(self)
        for words in ("title", "licence", "note"):
            del record[words]
        return digest_of(record)

    def to_json(self) -> dict[str, Any]:
        """The card as a dict that JSON can hold."""
        return {**asdict(self), "mean": list(self.mean), "std": list(self.std)}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """Rebuild a card from :meth:`to_json`; unknown keys are ignored.

        Raises
        ------
        UserInputError
            When a field is missing.
        """
        values = _fields_of(cls, record, "encoder")
        values["mean"] = tuple(float(value) for value in values["mean"])
        values["std"] = tuple(float(value) for value in values["std"])
        values["pooling"] = as_pooling(values["pooling"])
        return cls(**values)


@dataclass(frozen=True)
class SaeCard:
    """A sparse autoencoder and what it belongs to.

    Attributes
    ----------
    digest
        SHA-256 over the two files of its folder, the identity that annotations hang on.
    d_in, n_features
        Width of the input and number of features.
    architecture
        The kind, by SAELens' name; `standard` is the ReLU autoencoder.
    encoder_id, encoder_digest, layer, pooling
        Of the encoder whose vectors it was trained on.
    mpp, tile_px
        Pixel size (um per px) and side of the tiles it was trained on; None when unknown.
    normalisation
        `kind`, `mean_norm` and `scale` that were used in training, and `folded`: true when the
        weights hold them already, so that nobody has to apply them.
    training
        The hyper-parameters, and `tiles_digest` of the slides and tiles that it was trained on, None when unknown.
    metrics
        Explained variance, L0 and dead shares, with the numbers of tiles behind them.
    """

    digest: str
    d_in: int
    n_features: int
    architecture: str
    encoder_id: str
    encoder_digest: str
    layer: int
    pooling: Pooling
    mpp: float | None
    tile_px: int | None
    normalisation: dict[str, Any] = field(hash=False)
    training: dict[str, Any] = field(hash=False)
    metrics: dict[str, Any] = field(hash=False)

    def to_json(self) -> dict[str, Any]:
        """The card as a dict that JSON can hold."""
        return asdict(self)

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """Rebuild a card from :meth:`to_json`; unknown keys are ignored.

        Raises
        ------
        UserInputError
            When a field is missing.
        """
        values = _fields_of(cls, record, "SAE")
        values["pooling"] = as_pooling(values["pooling"])
        for name in ("normalisation", "training", "metrics"):
            values[name] = dict(values[name])
        return cls(**values)
