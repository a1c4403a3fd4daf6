"""Encoders: from a batch of tiles to vectors, read after any block of a vision transformer."""

from __future__ import annotations

import difflib
import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from huggingface_hub import try_to_load_from_cache
from timm.data.config import resolve_model_data_config
from timm.models.vision_transformer import VisionTransformer

from sae_backend.compute.encoders import small_vit
from sae_backend.compute.encoders.imagenet import natural_encoder
from sae_backend.compute.encoders.tile_encoder import TileEncoder
from sae_backend.compute.weights import read_tensors
from sae_backend.errors import UserInputError, WeightsError
from sae_backend.models.bundled_models import (
    NATURAL_ENCODER,
    SHIPPED_CONTROL,
    SHIPPED_ENCODER,
    encoder_folder,
)
from sae_backend.models.cards import EncoderCard, Pooling, as_pooling

CONTROL_ID = "control:random-vit"
_TIMM = "timm:"
_CONTROL_SEED = 0
_HEADS = ("head.", "head_dist.", "fc.", "classifier.")
_HUB_FILE = "model.safetensors"
_RESIZED = "Tiles of another size are resized to the input. "


def available_encoders() -> tuple[str, ...]:
    """Every id that :func:`load_encoder` knows: shipped ones, controls, that of photographs, timm's transformers."""
    names = timm.list_models(module="vision_transformer") + timm.list_models(module="eva")
    return (CONTROL_ID, SHIPPED_ENCODER, SHIPPED_CONTROL, NATURAL_ENCODER, *(_TIMM + name for name in names))


def load_encoder(
    encoder_id: str, weights: Path | None = None, layer: int | None = None, pooling: str = "cls"
) -> TileEncoder:
    """Load an encoder, never touching the network.

    Vectors of the last block have passed the model's final norm, as the models' authors use them;
    vectors of earlier blocks are the residual stream as it is.

    Parameters
    ----------
    encoder_id
        `sparsescope:small-vit`, `timm:<architecture>`, `control:random-vit`, `control:random-small-vit`, or
        `natural:efficientnet-lite0`, whose layers are the stages of a convolutional network.
    weights
        A safetensors file. None takes the user's Hugging Face cache. The shipped encoder, the controls and that of
        photographs take none.
    layer
        The block to read after, 1 is the first; None is the last.
    pooling
        `cls`, `mean` or `patch`.

    Raises
    ------
    UserInputError
        When the id, the layer or the pooling does not exist.
    WeightsError
        When the weights are missing, a pickle, damaged or of another architecture.
    """
    kind = as_pooling(pooling)
    own = {
        CONTROL_ID: _control,
        SHIPPED_CONTROL: _random_small_vit,
        SHIPPED_ENCODER: _small_vit,
        NATURAL_ENCODER: natural_encoder,
    }
    if encoder_id in own:
        if weights is not None:
            kept = "its own weights" if encoder_id in (SHIPPED_ENCODER, NATURAL_ENCODER) else "random weights"
            raise UserInputError(
                f"The encoder {encoder_id} has {kept} and takes no weights file.",
                "Name no weights, or name the encoder the file belongs to.",
            )
        return own[encoder_id](layer, kind)
    if not encoder_id.startswith(_TIMM):
        raise UserInputError(
            f"The encoder {encoder_id!r} does not exist.",
            f"Use {SHIPPED_ENCODER}, {CONTROL_ID}, {NATURAL_ENCODER} or timm:<architecture>, such as "
            "timm:vit_small_patch16_224.",
        )
    return _from_timm(encoder_id, weights, layer, kind)


def _from_timm(encoder_id: str, weights: Path | None, layer: int | None, pooling: Pooling) -> TileEncoder:
    name = encoder_id.removeprefix(_TIMM)
    if not timm.is_model(name):
        near = difflib.get_close_matches(name, timm.list_models(), n=3)
        raise UserInputError(
            f"timm has no architecture {name!r}.",
            f"Did you mean {' or '.join(near)}?"
            if near
            else "Its names look like vit_small_patch16_224; its documentation lists them all.",
        )
    # The file is looked at before the model is built: a wrong path is then told at once.
    path = weights if weights is not None else _cached_weights(name)
    tensors, digest = read_tensors(path)
    try:
        model: Any = timm.create_model(name, pretrained=False, num_classes=0)
    except (RuntimeError, ValueError) as error:
        raise UserInputError(f"timm cannot build {name!r}: {error}", "Check its tag.") from error
    _check_kind(model, name, pooling)
    _load(model, tensors, path, name)
    config = resolve_model_data_config(model)
    licence = str((getattr(model, "pretrained_cfg", None) or {}).get("license") or "")
    card = EncoderCard(
        id=encoder_id,
        title=f"{name} (timm)",
        architecture=name,
        input_px=int(config["input_size"][-1]),
        mean=config["mean"],
        std=config["std"],
        width=int(model.num_features),
        n_blocks=len(model.blocks),
        patch_px=int(model.patch_embed.patch_size[0]),
        layer=_layer(layer, len(model.blocks)),
        pooling=pooling,
        # The licence in timm is that of timm's own weights; a local file may be anything.
        licence=licence if weights is None else "",
        weights_digest=digest,
        is_control=False,
        note=_RESIZED + "Mean and standard deviation are timm's defaults for the architecture.",
    )
    return TileEncoder(model, card)


def _check_kind(model: Any, name: str, pooling: Pooling) -> None:
    needed = ("blocks", "patch_embed", "num_prefix_tokens", "forward_intermediates")
    if not all(hasattr(model, part) for part in needed):
        raise UserInputError(
            f"{name} is not a plain vision transformer, so it has no blocks of tokens to read.",
            "Choose a vit_* or eva* architecture.",
        )
    if pooling == "cls" and getattr(model, "cls_token", None) is None:
        raise UserInputError(f"{name} has no CLS token.", "Use the pooling mean or patch.")


def _layer(layer: int | None, n_blocks: int) -> int:
    if layer is None:
        return n_blocks
    if not 1 <= layer <= n_blocks:
        raise UserInputError(f"The encoder has no layer {layer}.", f"Choose a layer from 1 to {n_blocks}.")
    return layer


def _cached_weights(name: str) -> Path:
    config = timm.get_pretrained_cfg(name)
    hub_id = config.hf_hub_id if config is not None else None
    if config is not None and hub_id:
        found = try_to_load_from_cache(hub_id, config.hf_hub_filename or _HUB_FILE)
        if isinstance(found, str):
            return Path(found)
    raise WeightsError(
        f"No weights of {name} are on this computer.",
        "Name a safetensors file as its weights (--weights on the command line)"
        + (f", or download {hub_id} to the Hugging Face cache first." if hub_id else "."),
    )


def _load(model: Any, tensors: dict[str, torch.Tensor], path: Path, name: str) -> None:
    own = model.state_dict()
    given = {key: value for key, value in tensors.items() if not key.startswith(_HEADS)}
    missing, unexpected = sorted(set(own) - set(given)), sorted(set(given) - set(own))
    reshaped = sorted(key for key in set(own) & set(given) if own[key].shape != given[key].shape)
    if missing or unexpected or reshaped:
        wrong = [
            f"{len(keys)} {what} ({', '.join(keys[:3])}{', ...' if len(keys) > 3 else ''})"
            for what, keys in (
                ("missing", missing),
                ("unexpected", unexpected),
                ("of another shape", reshaped),
            )
            if keys
        ]
        raise WeightsError(
            f"The weights {path.name} do not fit {name}: tensors {'; '.join(wrong)}.",
            "Name the architecture the weights were trained with, as timm:<architecture>.",
        )
    if any(value.is_floating_point() and not value.isfinite().all() for value in given.values()):
        raise WeightsError(
            f"The weights {path.name} hold values that are not finite.", "Download them again."
        )
    model.load_state_dict({key: value.to(own[key].dtype) for key, value in given.items()})


def _control(layer: int | None, pooling: Pooling) -> TileEncoder:
    model = VisionTransformer(img_size=224, patch_size=16, embed_dim=192, depth=4, num_heads=3, num_classes=0)
    generator = np.random.Generator(np.random.Philox(_CONTROL_SEED))
    digest = hashlib.sha256()
    state = model.state_dict()
    for key in sorted(state):
        shape = tuple(state[key].shape)
        if "norm" in key:
            values = np.full(shape, 1.0 if key.endswith("weight") else 0.0)
        elif key.endswith("bias"):
            values = np.zeros(shape)
        else:
            # A variance of one over the fan-in keeps the image visible through all blocks; the
            # usual 0.02 would leave the CLS token nearly the same for every tile.
            fan_in = int(np.prod(shape[1:])) if key.endswith("weight") else 4
            values = generator.standard_normal(shape) / np.sqrt(fan_in)
        tensor = torch.from_numpy(values.astype(np.float32))
        digest.update(f"{key}{shape}".encode() + tensor.numpy().astype("<f4").tobytes())
        state[key] = tensor
    model.load_state_dict(state)
    half = (0.5, 0.5, 0.5)
    card = EncoderCard(
        id=CONTROL_ID,
        title="Random ViT (control)",
        architecture="random ViT, width 192, 4 blocks",
        input_px=224,
        mean=half,
        std=half,
        width=192,
        n_blocks=4,
        patch_px=16,
        layer=_layer(layer, 4),
        pooling=pooling,
        licence="BSD-3-Clause",
        weights_digest=digest.hexdigest(),
        is_control=True,
        note="A scientific control: its weights are random, so it has learned nothing. "
        "What it also shows is no evidence about a trained model.",
    )
    return TileEncoder(model, card)


def _small_vit(layer: int | None, pooling: Pooling) -> TileEncoder:
    path = encoder_folder() / "model.safetensors"
    tensors, digest = read_tensors(path)
    model = small_vit.SmallVit()
    _load(model, tensors, path, SHIPPED_ENCODER)
    return TileEncoder(model, _small_card(SHIPPED_ENCODER, digest, layer, pooling))


def _random_small_vit(layer: int | None, pooling: Pooling) -> TileEncoder:
    model = small_vit.SmallVit()
    state = small_vit.random_state(_CONTROL_SEED)
    model.load_state_dict(state)
    digest = hashlib.sha256()
    for key in sorted(state):
        digest.update(f"{key}{tuple(state[key].shape)}".encode() + state[key].numpy().astype("<f4").tobytes())
    return TileEncoder(model, _small_card(SHIPPED_CONTROL, digest.hexdigest(), layer, pooling))


def _small_card(encoder_id: str, digest: str, layer: int | None, pooling: Pooling) -> EncoderCard:
    if pooling == "cls":
        raise UserInputError(f"{encoder_id} has no CLS token.", "Use the pooling mean or patch.")
    is_control = encoder_id == SHIPPED_CONTROL
    return EncoderCard(
        id=encoder_id,
        title="Random small ViT (control)" if is_control else "Small ViT, trained on generated slides",
        architecture="small ViT, width 160, 12 blocks, patches of 28 px by convolutions",
        input_px=small_vit.INPUT_PX,
        mean=small_vit.MEAN,
        std=small_vit.STD,
        width=small_vit.WIDTH,
        n_blocks=small_vit.N_BLOCKS,
        patch_px=small_vit.PATCH_PX,
        layer=_layer(layer, small_vit.N_BLOCKS),
        pooling=pooling,
        licence="BSD-3-Clause",
        weights_digest=digest,
        is_control=is_control,
        note="A scientific control: its weights are random, so it has learned nothing. "
        "What it also shows is no evidence about a trained model."
        if is_control
        else "Trained on generated slides only, without labels: it shows how the program works, and what it "
        "finds on real tissue is no evidence.",
    )
